package http1

import (
	"bytes"

	"recap/pipeline/app"
	"recap/pipeline/app/coding"
	"recap/pipeline/exchange"
	"recap/reader/packet"
)

// Close implements app.Parser.
func (c *Conn) Close(d exchange.Dir, at packet.Pos) {
	s := &c.sides[d]
	s.closed = true
	if c.next != nil && s.state == tunnel {
		c.next.Close(d, at)
	}
	for c.settle(d, s, &at) {
	}
	switch s.state {
	case lost:
		c.endStray(s, &at, false)
	case atStart, tunnel:
	case inClose:
		c.done(d, s, &at, false)
		s.state = lost
	default:
		c.cut(d, s, &at)
	}
}

// cut ends a message whose stream has ended before it did.
func (c *Conn) cut(d exchange.Dir, s *side, at *packet.Pos) {
	switch s.state {
	case inHead:
		c.headCut(d, s, at)
	case inLength:
		s.pair.Anomalies.Add(exchange.AnomalyShortBody)
		c.done(d, s, at, true)
	case inChunkSize, inChunk, inChunkEnd, inTrailer:
		s.pair.Anomalies.Add(exchange.AnomalyBadFinalChunk)
		n, ok, _ := chunkNumber(s.part)
		c.done(d, s, at, s.state != inTrailer && !(s.state == inChunkSize && ok && n == 0))
	}
	s.state = lost
}

// End implements app.Parser.
func (c *Conn) End(reason app.EndReason, at packet.Pos) {
	if c.next != nil {
		c.next.End(reason, at)
	}
	if c.ended {
		return
	}
	c.ended = true
	for d := range c.sides {
		s := &c.sides[d]
		for c.settle(exchange.Dir(d), s, &at) {
		}
		switch s.state {
		case lost:
			c.endStray(s, &at, reason != app.EndFIN)
			continue
		case atStart, tunnel:
			continue
		}
		switch reason {
		case app.EndRST:
			s.pair.Anomalies.Add(exchange.AnomalyRST)
		case app.EndEvicted:
			s.pair.Anomalies.Add(exchange.AnomalyEvicted)
		}
		if s.state == inHead {
			c.headCut(exchange.Dir(d), s, &at)
		} else {
			c.done(exchange.Dir(d), s, &at, true)
		}
		s.state = lost
	}
	c.forgetInterim(&c.sides[exchange.ToClient])
	for c.first < len(c.open) {
		m := c.open[c.first]
		if reason == app.EndEvicted {
			m.pair.Anomalies.Add(exchange.AnomalyEvicted)
		}
		c.drop(m)
	}
	for i := range c.sides {
		s := &c.sides[i]
		if s.state == tunnel {
			c.tally.Other += int64(len(s.part))
		} else if s.state == lost {
			c.tally.Unparsed += int64(len(s.part))
		}
		s.free()
	}
}

// headCut ends a message inside its head: what is there is read as far as it goes.
func (c *Conn) headCut(d exchange.Dir, s *side, at *packet.Pos) {
	if head := s.msg.Head; bytes.IndexByte(head, '\n') < 0 && !StrictStart(d, head) {
		// Too little to tell a message from junk.
		n := int64(len(head)) + s.over
		c.tally.HTTP -= n
		c.tally.Unparsed += n
		c.abandon(d, s)
		return
	}
	c.parseCut(d, s)
	if s.over > 0 {
		s.pair.Anomalies.Add(exchange.AnomalyHeadLimit)
	}
	if d == exchange.ToServer {
		s.meta.setMethod()
	}
	c.cutHead(d, s, at)
	if st := s.pair.Response.Status; d == exchange.ToClient && st >= 100 && st < 200 && st != 101 {
		s.meta.bad = true
		c.interim(s, at) // the response proper is still to come
		return
	}
	c.finish(d, s, true)
}

// parseCut reads a head that is cut: whole lines, and of a cut start line what cannot be mistaken.
func (c *Conn) parseCut(d exchange.Dir, s *side) {
	m := s.msg
	head, odd := m.Head, s.pair.Anomalies
	if i := bytes.LastIndexByte(head, '\n'); i >= 0 {
		m.Head = head[:i+1]
		c.parseHead(d, s, nil)
		m.Head = head
		return
	}
	i := bytes.IndexByte(head, '\r')
	if i >= 0 && i < len(head)-1 {
		m.Head = head[:i]
	}
	if d == exchange.ToServer {
		m.Head = withoutCutVersion(m.Head)
	}
	c.parseHead(d, s, nil)
	m.Head = head
	escaped := s.pair.Anomalies.Has(exchange.AnomalyEscapedBytes)
	if s.pair.Anomalies = odd; escaped {
		s.pair.Anomalies.Add(exchange.AnomalyEscapedBytes)
	}
	if i >= 0 && i < len(head)-1 {
		s.pair.Anomalies.Add(exchange.AnomalyNonstdEOL)
	}
	switch {
	case d == exchange.ToServer:
		if v := &s.pair.Request.Version; *v != "HTTP/1.0" && *v != "HTTP/1.1" {
			*v = ""
		}
	case !StrictStart(d, head):
		s.pair.Response.Status, s.pair.Response.Reason = 0, ""
	}
}

// withoutCutVersion returns b, the beginning of a request line, without the beginning of
// the version, which would pass for the end of the target.
func withoutCutVersion(b []byte) []byte {
	method, last := bytes.IndexByte(b, ' '), bytes.LastIndexByte(b, ' ')
	if method < last && len(b)-last-1 < len("HTTP/1.1") && bytes.HasPrefix([]byte("HTTP/1."), b[last+1:]) {
		return b[:last]
	}
	return b
}

func (s *side) free() {
	s.store, s.part = coding.Store{}, nil
	if s.stream != nil {
		s.stream.Finish()
		s.stream = nil
	}
}
