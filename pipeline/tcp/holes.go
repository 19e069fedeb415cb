package tcp

import "recap/reader/packet"

// drain delivers what has become due on either side.
func (c *Conn) drain(e *Env, at packet.Pos, h Handler) {
	for moved := true; moved; {
		moved = false
		for side := range c.Halves {
			x, p := &c.Halves[side], &c.Halves[1-side]
			for x.q.len() > 0 {
				k := x.q.at(0)
				if k.off > x.off || k.awaited || c.waits(p, k.hold) {
					break
				}
				x.q.remove(0)
				data, cut := k.data, k.cut
				if k.off < x.off { // a gap was given up past its beginning
					r := advance(*k, min(x.off-k.off, int64(len(k.data))+k.cut))
					x.Late += int64(len(k.data) - len(r.data))
					x.DiscardedBytes += int64(len(k.data) - len(r.data))
					data, cut = r.data, r.cut
				}
				if len(data) > 0 || cut > 0 {
					came := k.at
					c.deliver(e, side, &came, data, cut, k.why, h)
				}
				moved = true
			}
			if x.fin >= 0 && x.off >= x.fin && !x.closed {
				x.closed = true
				h.Close(side, at)
				moved = true
			}
		}
	}
}

// due returns the offset up to which side waits for bytes that are not there, or
// -1. Where both sides wait for each other, which no honest pair of hosts makes
// them do, it is where the side stands.
func (c *Conn) due(side int) int64 {
	x, p := &c.Halves[side], &c.Halves[1-side]
	to := int64(-1)
	if x.awaited() != nil {
		return to // Lapse gives that up
	}
	if x.q.len() > 0 {
		if k := x.q.at(0); k.off > x.off && x.acked > x.off {
			to = min(k.off, x.acked)
		}
	} else if x.fin > x.off && x.acked > x.off {
		to = min(x.fin, x.acked)
	}
	if p.q.len() > 0 && to < 0 {
		if k := p.q.at(0); k.off <= p.off && c.waits(x, k.hold) {
			to = k.hold
			if x.q.len() > 0 {
				to = min(to, x.q.at(0).off)
			}
			if x.fin > x.off {
				to = min(to, x.fin)
			}
		}
	}
	return to
}

// stall gives holes up once they have been due for long enough, or when a limit is met.
func (c *Conn) stall(e *Env, clock int64, at packet.Pos, h Handler) {
	c.Lapse(e, clock, at, h)
	for side := range c.Halves {
		x := &c.Halves[side]
		if c.tooMuch(e, side, at, h) {
			c.GiveUp(e, at, h)
			return
		}
		if x.stalled != 0 && clock-(x.stalled-1) > e.Hold {
			if !x.seen {
				c.oneSided = true
				c.drain(e, at, h)
			}
			for to := c.due(side); to >= 0 && x.off < x.mark && c.pass(e, side, to, at, h); {
				to = c.due(side)
			}
			x.stalled = 0
		}
		if c.due(side) < 0 {
			x.stalled = 0
		} else if x.stalled == 0 {
			x.stalled, x.mark = clock+1, max(x.acked, x.off+1)
		}
	}
}

// Tick gives up what has waited for long enough at clock, though no packet of c came.
func (c *Conn) Tick(e *Env, clock int64, at packet.Pos, h Handler) {
	if c.started {
		c.stall(e, clock, at, h)
	}
}

// pass gives side's stream up to offset to, and reports whether anything moved.
func (c *Conn) pass(e *Env, side int, to int64, at packet.Pos, h Handler) bool {
	x := &c.Halves[side]
	switch {
	case to > x.off && h.Missing(side):
	case to > x.off:
		c.gap(side, at, to-x.off, notCut, h)
	case x.q.len() > 0 && x.q.at(0).off <= x.off:
		x.q.at(0).hold = packet.NoOffset
	default:
		return false
	}
	c.drain(e, at, h)
	return true
}

// GiveUp gives up the first hole of each side, so that memory comes free.
func (c *Conn) GiveUp(e *Env, at packet.Pos, h Handler) {
	c.opening = 0
	c.Hasten(e, at, h)
	for side := range c.Halves {
		x := &c.Halves[side]
		if x.q.len() > 0 {
			if k := x.q.at(0); k.off > x.off && !h.Missing(side) {
				c.gap(side, at, k.off-x.off, notCut, h)
			}
			for x.q.len() > 0 && x.q.at(0).off <= x.off {
				x.q.at(0).hold = packet.NoOffset
				before := x.q.len()
				c.drain(e, at, h)
				if x.q.len() == before {
					break
				}
			}
		}
	}
}

// Flush delivers everything that waits, with the holes given up, in the order in
// which the two sides said it as far as that is known.
func (c *Conn) Flush(e *Env, at packet.Pos, h Handler) {
	if !c.started {
		return
	}
	c.opening, c.flushing = 0, true
	c.Hasten(e, at, h)
	c.oneSided = c.oneSided || !c.Halves[0].seen || !c.Halves[1].seen
	c.drain(e, at, h)
	for {
		moved := false
		// First what a side is known to wait for, then whatever lies in front.
		for side := range c.Halves {
			x := &c.Halves[side]
			to := c.due(side)
			if to < 0 && x.q.len() > 0 && x.q.at(0).off > x.off {
				to = x.q.at(0).off
			}
			if to < 0 && x.q.len() == 0 && x.fin > x.off {
				to = x.fin
			}
			if to >= 0 && c.pass(e, side, to, at, h) {
				moved = true
			}
		}
		if !moved {
			return
		}
	}
}

// flushHalf delivers what waits on one side.
func (c *Conn) flushHalf(e *Env, side int, at packet.Pos, h Handler) {
	x := &c.Halves[side]
	for x.q.len() > 0 {
		k := x.q.at(0)
		if k.awaited {
			c.giveUpCut(e, side, at, h)
			continue
		}
		k.hold = packet.NoOffset
		if k.off > x.off {
			c.gap(side, at, k.off-x.off, notCut, h)
		}
		c.drain(e, at, h)
	}
}
