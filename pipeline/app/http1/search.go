package http1

import (
	"bytes"

	"recap/pipeline/exchange"
	"recap/reader/packet"
)

// search looks in b for the start of a message, out of step with the stream.
// first says that b begins a segment: messages mostly do.
func (c *Conn) search(d exchange.Dir, s *side, at *packet.Pos, b []byte, first bool) []byte {
	if s.stray.on {
		s.stray.touch(at)
	}
	if s.turn.beyond {
		c.overtaken(s, at)
	}
	for i := c.candidate(d, s, b, 0, first); i < len(b); i = c.candidate(d, s, b, i+1, false) {
		if c.outOfTurn(d, s, at, b, i) {
			continue
		}
		if StrictStart(d, b[i:]) || d == exchange.ToServer && bytes.HasPrefix(b[i:], []byte(http2Head)) {
			c.skip(s, b[:i])
			from := moved(at, at.Offset+int64(i))
			c.begin(d, s, &from)
			return b[i:]
		}
		if mayStart(d, b[i:]) { // the line goes on in the next segment
			if c.skip(s, b[:i]); i > 0 {
				c.unseen(d, at)
				s.junkAcked = at.Acked
			}
			s.part = append([]byte(nil), b[i:]...)
			return nil
		}
	}
	c.skip(s, b)
	if len(b) > 1 { // a single byte is a keep-alive probe (RFC 9293, section 3.8.4)
		c.unseen(d, at)
		s.junkAcked = at.Acked
		s.turn.within(at, b)
	}
	return nil
}

// unseen notes that bytes at at, in which no message begins, are of a request of which the
// beginning is missing, if their sender had received more than when it sent the last request.
func (c *Conn) unseen(d exchange.Dir, at *packet.Pos) {
	if n := len(c.open); d == exchange.ToServer && c.reqGap && !c.hidden && n > c.first && at.Acked > c.open[n-1].reqAcked {
		c.hidden, c.hiddenAt = true, at.Offset
	}
}

// skip counts bytes that belong to no message, and keeps them where they may be an answer.
func (c *Conn) skip(s *side, b []byte) {
	n := len(b)
	if s.stray.on {
		s.store.Write(b)
	}
	s.turn.pass(b)
	s.junk += int64(n)
	c.tally.Unparsed += int64(n)
	if r := &c.sides[exchange.ToClient]; s == r && n > 0 && s.gapped && !c.piped && len(c.open)-c.first == 1 {
		c.open[c.first].bad = true // a response without its head
	}
}

// candidate returns the next place from i on where a message may begin. In step
// with the stream, but behind junk, a response may begin anywhere, and a request behind a
// few bytes; otherwise a message begins with a segment or with a line.
func (c *Conn) candidate(d exchange.Dir, s *side, b []byte, i int, first bool) int {
	if i == 0 && (first || s.anywhere) {
		return 0
	}
	if s.anywhere && d == exchange.ToClient {
		if j := bytes.IndexByte(b[i:], 'H'); j >= 0 {
			return i + j
		}
		return len(b)
	}
	if s.anywhere {
		for i = max(i, 1); i < min(len(b), maxPreamble); i++ {
			if mayFollow(b, i) {
				return i
			}
		}
	}
	for i = max(i, 1); i < len(b); i++ {
		j := bytes.IndexByte(b[i-1:], '\n')
		if j < 0 {
			return len(b)
		}
		if i += j; i < len(b) && b[i] != '\r' && b[i] != '\n' {
			return i
		}
	}
	return len(b)
}

// mayStart reports whether b, which has no line end, may be the beginning of a start line.
func mayStart(d exchange.Dir, b []byte) bool {
	if len(b) > maxLine || bytes.IndexByte(b, '\n') >= 0 {
		return false
	}
	if d == exchange.ToClient {
		const like = "HTTP/1.x ddd"
		for i := 0; i < len(b) && i < len(like); i++ {
			switch {
			case like[i] == 'x' || like[i] == 'd':
				if !isDigit(b[i]) {
					return false
				}
			case like[i] != b[i]:
				return false
			}
		}
		return len(b) < len(like)
	}
	n := 0
	for n < len(b) && isToken(b[n]) {
		n++
	}
	return (n < 3 || knownPrefix(b[:n]) || allUpper(b[:n])) && DetectRequest(b) == More
}
