package http2

import (
	"recap/pipeline/app"
	"recap/pipeline/app/sse"
	"recap/pipeline/app/websocket"
	"recap/pipeline/exchange"
	"recap/reader/packet"
)

// beginEvents makes ready for the events of a response, whose body begins.
func (c *Conn) beginEvents(st *stream, d exchange.Dir) {
	h, m := st.side(d), st.message(d)
	if d != exchange.ToClient || !app.TypeIs(m.ContentType, "text/event-stream") {
		return
	}
	h.events = sse.NewReader(c.env, c.conn, st.pair.ID)
	if h.coded { // decoded while it comes, to give events their time
		h.stream = c.env.Stream(m.ContentEncoding)
		events := h.events
		h.stream.Each(func(b []byte) { events.Data(h.last, b) })
	}
}

// beginFrames makes ready for the frames of a WebSocket, where a response to extended
// CONNECT has agreed to it (RFC 8441, section 5).
func (c *Conn) beginFrames(st *stream, d exchange.Dir) {
	if status := st.pair.Response.Status; d != exchange.ToClient || !st.socket || st.frames != nil || status < 200 || status > 299 {
		return
	}
	opt := websocket.Negotiated(st.pair.Response.Headers)
	opt.PairID = st.pair.ID
	st.frames = websocket.NewSession(c.env, c.conn, opt)
	if up := &st.half[exchange.ToServer]; st.pair.Request.HasBody || up.unsure > 0 {
		st.frames.Gap(exchange.ToServer, up.last, -1, exchange.GapLost) // sent unasked, and kept as a body
	}
}

// endMessages gives out what the end of direction d leaves of a message.
func (c *Conn) endMessages(d exchange.Dir, st *stream, at packet.Pos) {
	h := st.side(d)
	if h.grpc != nil {
		h.grpc.End(at)
		h.grpc = nil
	}
	if h.events != nil {
		if h.stream != nil {
			h.out, h.how = h.stream.Finish()
			h.stream = nil
		}
		h.events.End(at)
		h.events = nil
	}
	if st.frames != nil {
		st.frames.Close(d, at)
	}
}
