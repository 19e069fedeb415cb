package tls

import (
	"recap/pipeline/exchange"
	"recap/reader/packet"
)

// lose leaves the step of the records: what is in buf stays to be searched.
func (c *Conn) lose(d exchange.Dir, s *side, at packet.Pos, reason string) {
	if s.reason == "" {
		s.reason = reason
	}
	s.message, s.pass = s.message[:0], 0
	if !c.mayOpen() || s.budget < 0 {
		c.giveUp(d, s, at)
		return
	}
	s.mode = searching
	s.holed = true
}

// giveUp makes d blind.
func (c *Conn) giveUp(d exchange.Dir, s *side, at packet.Pos) {
	c.pass(s, len(s.buf))
	s.buf, s.parts = nil, nil
	s.mode = blind
	c.missing(d, s, at, -1)
}

// missing tells the inner parser of a hole of n bytes, -1 if unknown.
func (c *Conn) missing(d exchange.Dir, s *side, at packet.Pos, n int64) {
	reason := s.reason
	if reason == "" {
		reason = exchange.GapLost
	}
	at.Offset, at.Acked = s.plain, c.acked(d, at.Acked)
	if n > 0 {
		s.plain += n
	}
	s.gapped = true
	if c.inner != nil && !s.ended {
		c.inner.Gap(d, at, n, reason)
	} else if c.look != nil {
		c.drop(&c.look[d])
	}
}

// Gap implements app.Parser.
func (c *Conn) Gap(d exchange.Dir, at packet.Pos, n int64, reason string) {
	s := &c.sides[d]
	if c.ended || s.mode == blind {
		return
	}
	s.holed, s.reason = true, reason
	if s.open != nil {
		s.open.hasIV = false
	}
	s.message, s.pass = s.message[:0], 0
	if n < 0 {
		s.unsure = true
	} else {
		s.hole += n
	}
	have := len(s.buf)
	c.pass(s, have)
	left := -1 // of the record that the hole is in; -1 if the hole reaches beyond it or is not in one
	switch {
	case n < 0 || s.mode == searching:
	case s.mode == skipping:
		left = s.skip - int(min(n, maxPayload+headerLen))
	case have >= headerLen:
		left = recordLen(s.buf) - have - int(min(n, maxPayload+headerLen))
		if left >= 0 {
			s.failed++
		}
	}
	s.buf, s.parts = s.buf[:0], s.parts[:0]
	switch {
	case left > 0:
		s.mode, s.skip = skipping, left
	case left == 0:
		s.mode = inStep
	default:
		c.lose(d, s, at, reason)
	}
}
