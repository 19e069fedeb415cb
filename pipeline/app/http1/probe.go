package http1

import (
	"bytes"

	"recap/pipeline/exchange"
	"recap/reader/packet"
)

// maxProbe bounds what is looked at before an ambiguous body is framed, bytes.
const maxProbe = 4 << 10

// look takes what comes where the next bytes decide how to go on. b and what was kept
// back before are looked at together.
func (c *Conn) look(d exchange.Dir, s *side, at *packet.Pos, b []byte) []byte {
	if s.state == inProbe || s.state == inChunkPeek {
		c.touch(s, at)
	} else { // which message these bytes belong to is what is to be decided
		s.stray.touch(at)
	}
	s.heldAt = at.Offset + int64(len(b))
	if len(s.part) > 0 {
		s.part = append(s.part, b...)
		from := moved(at, at.Offset-int64(len(s.part)-len(b)))
		b, s.part = s.part, nil
		return c.decide(d, s, &from, b, false)
	}
	if rest := c.decide(d, s, at, b, false); len(rest) > 0 || s.part == nil {
		return rest
	}
	s.part = bytes.Clone(s.part)
	return nil
}

// decide goes on at b; last says that nothing will follow. It returns nil where more
// bytes are needed, and then keeps b in s.part.
func (c *Conn) decide(d exchange.Dir, s *side, at *packet.Pos, b []byte, last bool) []byte {
	switch s.state {
	case inDoubt:
		return c.doubt(s, at, b, last)
	case refused:
		return c.withheld(s, at, b, last)
	case inProbe:
		return c.probe(d, s, at, b, last)
	case inBoundary:
		return c.boundary(d, s, at, b, last)
	case inChunkPeek:
		return c.chunkPeek(s, b, last)
	}
	return c.opening(s, at, b, last)
}

// touchHeld gives the packets of bytes that were kept back to the message being read.
func (c *Conn) touchHeld(s *side) {
	places := s.stray.at
	s.stray = stray{}
	for i := range places {
		c.touch(s, &places[i])
	}
}

// settle decides what was left open on a side of which no more will come, or of which
// enough has. It reports whether there was something.
func (c *Conn) settle(d exchange.Dir, s *side, at *packet.Pos) bool {
	if s.state == inHead {
		return c.settleHead(d, s, at)
	}
	if s.state < inDoubt {
		return false
	}
	b := s.part
	s.part = nil
	from := moved(at, s.heldAt-int64(len(b)))
	if b = c.decide(d, s, &from, b, true); len(b) > 0 {
		c.Data(d, from, b)
	}
	return true
}

// otherSpoke settles what waits on one side when the other goes on: a request that is
// answered has ended, and so has a response behind which the next request comes.
func (c *Conn) otherSpoke(d exchange.Dir, s *side, at *packet.Pos) {
	if s.state == inDoubt && len(s.part) == 0 && !c.piped && c.mayAnswerHead(s) && c.goesOn(s, at) {
		c.answerHead(s, at) // the client does not wait for a body
		return
	}
	if s.pending || len(s.part) == 0 && (s.state == inDoubt || s.state == inBoundary || s.state == inProbe && d == exchange.ToServer) {
		c.settle(d, s, at)
	}
}

// goesOn reports whether the client, which speaks at at, has done with a response of which
// s has read the head: it begins a request, or has lost the beginning of one since it had
// that head.
func (c *Conn) goesOn(s *side, at *packet.Pos) bool {
	up := &c.sides[exchange.ToServer]
	return up.state == atStart || up.state == lost && up.gapped && s.bodyAt >= 0 && at.Acked >= s.bodyAt
}

// probe decides whether b, all that came of a body, is chunked, where readers may differ
// about it: the head says so in odd words, or says something else too, or the first
// chunk line is odd. The reading under which the bytes make sense is the first one, and
// the message tells what the other would have been.
func (c *Conn) probe(d exchange.Dir, s *side, at *packet.Pos, b []byte, last bool) []byte {
	seen := b[:min(len(b), maxProbe)]
	f := &s.framing
	switch chunkStart(seen, last || len(seen) == maxProbe) {
	case More:
		s.part = b
		return nil
	case Yes:
		if !s.probed { // else the body has begun, under a head that leaves no doubt
			c.beginBody(s, inChunkSize, 0)
			if f.n > 0 {
				c.otherwise(d, s, exchange.FramingLength, f.lengths[0])
			} else {
				c.otherwise(d, s, framedUnsaid, -1)
			}
		}
		s.state, s.probed = inChunkSize, true
		return b
	}
	if f.chunked && len(b) > 0 {
		s.pair.Anomalies.Add(exchange.AnomalyBadChunkLine)
	}
	if s.probed {
		if d == exchange.ToServer {
			c.badChunk(d, s, at)
		} else {
			c.otherwise(d, s, exchange.FramingChunked, -1)
			s.state = inClose
		}
		return b
	}
	c.beginLength(d, s, at)
	if s.msg != nil && s.msg.HasBody && s.alt == nil {
		c.otherwise(d, s, exchange.FramingChunked, -1)
	}
	return b
}

// maxJunkLines is how many short lines of junk are passed over before a chunk size.
const (
	maxJunkLines = 4
	maxJunkLine  = 32
)

// chunkStart tells whether chunked data, leniently read, begins at b; last: nothing
// will follow, or enough has come.
func chunkStart(b []byte, last bool) Verdict {
	for range maxJunkLines {
		line, rest := nextLine(b)
		if len(rest) == 0 && !bytes.HasSuffix(line, []byte("\n")) {
			switch {
			case !mayBeSize(line):
				return No
			case !last:
				return More
			}
			if _, ok, clean := chunkNumber(line); !ok || !clean {
				return No
			}
			return Yes
		}
		n, ok, clean := chunkNumber(line)
		if !ok {
			if len(line) > maxJunkLine || !mayBeSize(line) {
				return No
			}
			b = rest
			continue
		}
		return chunkFits(line, rest, n, clean, last)
	}
	return No
}

// chunkFits tells whether rest holds a chunk of n bytes with a line end behind it.
func chunkFits(line, rest []byte, n int64, clean, last bool) Verdict {
	switch {
	case n == 0 && (clean || len(bytes.TrimSpace(line)) <= 2):
		return Yes
	case n == 0:
		return No
	case int64(len(rest)) <= n+1:
		switch {
		case !last:
			return More
		case clean:
			return Yes
		}
		return No
	}
	end := rest[n:]
	if isEOL(end[0]) || isEOL(end[1]) {
		return Yes
	}
	if skipsLine(line, rest) { // CR LF behind a size that ended in LF alone
		if int64(len(rest)) <= n+2 && !last {
			return More
		}
		if int64(len(rest)) > n+2 && (rest[n+2] == '\r' || rest[n+2] == '\n') {
			return Yes
		}
	}
	if _, hex := unhex(end[0]); hex && clean {
		return Yes // the next size follows at once
	}
	return No
}

// mayBeSize reports whether b may be what stands around a chunk size: digits, or few
// bytes of what senders hide them with. White space is not looked at.
func mayBeSize(b []byte) bool {
	for len(b) > 0 && (isBlank(b[0]) || b[0] == '\n') {
		b = b[1:]
	}
	for i := 0; i < len(b) && i < 3; i++ {
		if _, hex := unhex(b[i]); hex {
			return true
		}
		if c := b[i]; c != 'x' && c != ',' && c != ';' && c != '+' && c != '-' && !isBlank(c) && c != '\n' {
			return false
		}
	}
	return true
}

// skipsLine reports whether a chunk size that ended in LF alone is followed by CR LF.
func skipsLine(line, rest []byte) bool {
	return !bytes.HasSuffix(line, crlfMark) && bytes.HasPrefix(rest, crlfMark)
}

// boundary decides, behind one of several announced lengths, whether b is part of the
// body: where a message begins there, or nothing follows, that length was meant.
func (c *Conn) boundary(d exchange.Dir, s *side, at *packet.Pos, b []byte, last bool) []byte {
	next, _ := s.framing.nextLength(s.wire)
	v := No
	if d == exchange.ToClient {
		v = DetectResponse(b)
	} else {
		v = DetectRequest(b)
	}
	switch {
	case v == Yes, len(b) == 0 && last, next < 0:
		c.done(d, s, at, false)
	case v == More && !last && len(b) < maxProbe:
		s.part = b
		return nil
	default:
		c.touchHeld(s)
		s.state, s.remain = inLength, next-s.wire
	}
	return b
}
