package http1

import (
	"recap/pipeline/app"
	"recap/pipeline/exchange"
	"recap/reader/packet"
)

// Gap implements app.Parser.
func (c *Conn) Gap(d exchange.Dir, at packet.Pos, n int64, reason string) {
	s := &c.sides[d]
	if d == exchange.ToServer && n > 0 {
		c.heard = at.Offset + n
	}
	for c.settle(d, s, &at) {
	}
	if n < 0 { // offsets in this stream do not compare any more
		c.sides[d.Reverse()].turn = newTurn(c.sides[d.Reverse()].turn.on)
	}
	over := n // what of the gap may lie behind the message being read
	switch s.state {
	case tunnel:
		if c.next != nil {
			c.next.Gap(d, at, n, reason)
			return
		}
		c.tally.Other += int64(len(s.part))
		s.nested, s.part = false, nil
		return
	case atStart:
		c.cutMessage(d, s, &at, n)
		c.skipped = c.skipped || d == exchange.ToClient && s.meta == nil
	case lost:
		c.skip(s, s.part) // nothing may be glued together over the gap
		s.turn.tail = [len(lastChunk)]byte{}
		if s.stray.on {
			s.stray = stray{}
			c.giveBack(s)
		}
		s.part = nil
		s.gapped = true
		c.forgetInterim(s)
		c.missed(d)
		c.hide(d, &at, whole(n, reason))
		return
	case inLength, inChunk:
		if n >= 0 && n <= s.remain {
			c.bodyGap(s, n, reason)
			if s.remain -= n; s.remain == 0 && s.state == inChunk {
				s.state = inChunkEnd
			} else if s.remain == 0 {
				c.done(d, s, &at, false)
				c.answered, c.matched = at.Offset+n, false
			}
			return
		}
		if n >= 0 {
			over = n - s.remain
		}
		c.cutMessage(d, s, &at, n)
		c.bodyGap(s, s.remain, reason)
		c.done(d, s, &at, true)
	case inClose:
		c.bodyGap(s, n, reason)
		return
	case inHead:
		app.AddGap(&s.pair.Anomalies, reason)
		c.cutMessage(d, s, &at, n)
		c.headCut(d, s, &at)
		if n < 0 {
			s.turn.until = packet.NoOffset
		}
		over = whole(n, reason)
	default:
		app.AddGap(&s.pair.Anomalies, reason)
		c.cutMessage(d, s, &at, n)
		c.done(d, s, &at, true)
		over = whole(n, reason)
	}
	c.matched = false
	c.outOfStep(d, s)
	c.hide(d, &at, over)
}

// whole returns how much of a hole of n bytes is of packets that are missing as a whole.
// What a packet lacks that was cut is taken to be of the message that it began with.
func whole(n int64, reason string) int64 {
	if reason != exchange.GapLost {
		return 0
	}
	return n
}

// hide notes that n bytes which are missing at at, -1 for an unknown number, may hold
// whole requests.
func (c *Conn) hide(d exchange.Dir, at *packet.Pos, n int64) {
	const least = len("GET / HTTP/1.1\n\n") // no message is shorter
	if d == exchange.ToServer && !c.hidden && (n < 0 || n >= int64(least)) {
		c.hidden, c.hiddenAt = true, at.Offset
	}
}

func (c *Conn) outOfStep(d exchange.Dir, s *side) {
	s.state, s.gapped, s.anywhere, s.part = lost, true, false, s.part[:0]
	c.forgetInterim(s)
	c.missed(d)
}

// missed notes that whole messages may be missing.
func (c *Conn) missed(d exchange.Dir) {
	if d == exchange.ToServer {
		c.reqGap = true
	} else {
		c.respGap = true
	}
}
