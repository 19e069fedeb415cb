package http1

import (
	"recap/pipeline/exchange"
	"recap/reader/packet"
)

// turn is what is known, where bytes of a stream are missing, about places where no
// message can begin although the bytes look like it: bodies hold HTTP too.
//
// Messages take turns. A client that does not pipeline sends a request when it has the
// response to the last one, and so a server gets a request to answer when it has sent
// all of the last response (RFC 9112, section 9.3). Between the end of a message and the
// beginning of the next in the same direction, its sender has received something.
type turn struct {
	on bool // bytes are missing since the last message; else a message may begin anywhere
	// acked is what of the other stream had been received when the newest bytes that are
	// inside of a message were sent.
	acked int64
	// free is the same for a message that is cut and has no body: a message behind it that
	// was sent with no more knowledge shows that they do not take turns, or it is interim.
	free int64
	// until is the stream offset before which the message that is cut cannot end.
	until   int64
	beyond  bool // nothing has come since a hole that reaches beyond the end of a message
	owed    bool // the message that is cut is not the response to one of the open requests
	counted bool // the message that is cut is known not to be chunked
	tail    [len(lastChunk)]byte
}

// lastChunk ends a chunked body that has no trailers, behind a chunk.
const lastChunk = "\r\n0\r\n\r\n"

func newTurn(on bool) turn {
	return turn{on: on, acked: packet.NoOffset, free: packet.NoOffset, until: packet.NoOffset}
}

// hear notes that bytes inside of a message were sent with knowledge of the other stream
// up to acked.
func (t *turn) hear(acked int64) { t.acked = max(t.acked, acked) }

// within notes that b, at at, is inside of a message: empty lines may stand between two.
func (t *turn) within(at *packet.Pos, b []byte) {
	if len(trimEmptyLines(b)) > 0 {
		t.hear(at.Acked)
	}
}

// pass notes bytes in which no message begins.
func (t *turn) pass(b []byte) {
	n := copy(t.tail[:], t.tail[min(len(b), len(t.tail)):])
	copy(t.tail[n:], b[max(0, len(b)-len(t.tail)):])
}

// cutMessage notes what is known of the message being read, which a hole of n bytes at
// at interrupts (n < 0: unknown). It must be called before the message is given up.
func (c *Conn) cutMessage(d exchange.Dir, s *side, at *packet.Pos, n int64) {
	t := &s.turn
	acked := t.acked
	*t = newTurn(true)
	if d == exchange.ToServer && s.meta != nil && s.meta.respDone {
		return // answered before its end: the client may know all it waits for
	}
	switch s.state {
	case atStart:
		if s.meta != nil {
			t.free = acked // an interim response is followed by another one
			return
		}
		t.beyond = true
	case inLength:
		t.beyond = n > s.remain && s.framing.n == 1
		t.counted = n <= s.remain // else the hole may be in another message
	}
	if d == exchange.ToServer && s.state == inHead && len(s.msg.Head) > 1 && (string(s.msg.Head[:2]) == "GE" || string(s.msg.Head[:2]) == "HE") {
		t.free = acked // a request without a body
	}
	t.acked = acked
	t.owed = s.msg != nil && s.pair.Request.Present
}

// cutHead notes what a head that is cut at at says about the end of its message.
func (c *Conn) cutHead(d exchange.Dir, s *side, at *packet.Pos) {
	m, t := s.meta, &s.turn
	st := m.pair.Response.Status
	switch {
	case d == exchange.ToClient && (m.head || st == 204 || st == 304 || st >= 100 && st < 200):
		t.free = t.acked
	case s.framing.n == 1 && !s.framing.claimed() && !s.framing.expect100 && (d == exchange.ToServer || m.pair.Request.Present):
		t.until = at.Offset + s.framing.lengths[0]
	}
}

// outOfTurn reports whether no message can begin at b[i:]; b stands at at and has bytes
// of one packet, all before i being inside of a message.
func (c *Conn) outOfTurn(d exchange.Dir, s *side, at *packet.Pos, b []byte, i int) bool {
	t := &s.turn
	if !t.on {
		return false
	}
	if at.Offset+int64(i) < t.until {
		return true
	}
	if c.piped || t.endsChunks(b[:i]) || d == exchange.ToClient && c.overlap(t, at) {
		return false
	}
	if len(trimEmptyLines(b[:i])) > 0 { // two messages in one packet
		return at.Acked == packet.NoOffset || at.Acked > t.free
	}
	return at.Acked <= t.acked && at.Acked > t.free // which packet.NoOffset is not
}

// overlap reports whether requests wait for a response beside the one that may be cut.
func (c *Conn) overlap(t *turn, at *packet.Pos) bool {
	n := 0
	for _, m := range c.open[c.first:] {
		if m.reqStart < at.Acked || at.Acked == packet.NoOffset {
			n++
		}
	}
	return n > 1 || n == 1 && t.owed
}

// endsChunks reports whether a chunked body that was cut ends with b.
func (t *turn) endsChunks(b []byte) bool {
	if t.counted {
		return false
	}
	behind := *t
	behind.pass(b)
	return string(behind.tail[:]) == lastChunk
}

// takeTurn notes that a message begins at at, and whether that shows that messages do
// not take turns. Where reading was out of step before, it may be one that a body quotes.
func (c *Conn) takeTurn(d exchange.Dir, s *side, at *packet.Pos) {
	t := &s.turn
	interim := d == exchange.ToClient && s.meta != nil
	switch {
	case t.on:
		s.resumed = true
	case interim, at.Acked == packet.NoOffset:
	case at.Acked > t.acked: // what was found was a message: the next one stands at its end
		s.resumed = false
	case !s.resumed:
		c.piped = true
	}
	*t = newTurn(false)
}

// overtaken notes, at the first bytes behind a hole, whether they show that messages do
// not take turns: something follows the end of a message, sent without having heard more.
func (c *Conn) overtaken(s *side, at *packet.Pos) {
	t := &s.turn
	if t.beyond && !s.resumed && at.Acked != packet.NoOffset && at.Acked <= t.acked {
		c.piped = true
	}
	t.beyond = false
}
