package http1

import (
	"recap/pipeline/app"
	"recap/pipeline/app/sse"
	"recap/reader/packet"
)

// beginEvents makes ready for the events of a response, whose body begins.
func (c *Conn) beginEvents(s *side) {
	s.events = nil
	if s.msg != &s.pair.Response.Message || c.env.Message == nil || !app.TypeIs(s.msg.ContentType, "text/event-stream") {
		return
	}
	s.events = sse.NewReader(c.env, c.conn, s.pair.ID)
	if s.coded { // decoded while it comes, to give events their time
		s.stream = c.env.Stream(s.msg.ContentEncoding)
		s.stream.Each(func(b []byte) { s.events.Data(s.newest(), b) })
	}
}

// newest returns the place of the newest byte of the message.
func (s *side) newest() packet.Pos {
	at := packet.Pos{TimeNS: s.msg.EndTimeNS}
	if n := len(s.msg.Packets); n > 0 {
		at.Number = s.msg.Packets[n-1]
	}
	return at
}

// endEvents gives out what the end of the body leaves of an event.
func (s *side) endEvents() {
	if s.events == nil {
		return
	}
	if s.stream != nil {
		s.stream.Finish()
	}
	s.events.End(s.newest())
	s.events = nil
}
