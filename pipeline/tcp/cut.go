package tcp

import (
	"recap/pipeline/exchange"
	"recap/reader/packet"
)

// What a snap length or a mirror has cut from a packet is known to have been said, and
// another tap may show it whole. So it is a hole that waits, like that of a packet which is
// missing: not for an acknowledgement, but from its packet on, for Env.Hold.

// maxCutWait bounds what waits behind such a hole, bytes of each direction: a long stream
// that is cut in each packet goes on without what it lacks.
const maxCutWait = 4 << 20

// await lets what was cut from the packet at at, from the end of side's stream on, wait for
// another tap. It reports whether it does.
func (c *Conn) await(side int, at *packet.Pos, cut int64, why cutReason, h Handler) bool {
	x := &c.Halves[side]
	if c.flushing || !h.Awaits(at.Clock) {
		return false
	}
	k := &chunk{off: x.off, cut: cut, why: why, awaited: true, at: *at, hold: packet.NoOffset, start: x.off, end: x.off + cut}
	x.q.insert(0, k)
	x.follow(x.off, x.off+cut)
	return true
}

// awaited returns the hole at the end of h's stream that waits for another tap, nil for none.
func (h *Half) awaited() *chunk {
	if h.q.len() == 0 || !h.q.at(0).awaited {
		return nil
	}
	return h.q.at(0)
}

// follow notes that bytes of the stream from off to end came, or are known to have been cut,
// while such a hole waits. It reports whether they came in order: with nothing in front of
// them missing but what was cut.
func (h *Half) follow(off, end int64) bool {
	h.line = max(h.line, h.off)
	if off > h.line {
		return false
	}
	h.line = max(h.line, end)
	for i := h.q.find(h.line); i < h.q.len() && h.q.at(i).off <= h.line; i++ {
		h.line = h.q.at(i).next()
	}
	return true
}

// Lapse gives up what was cut from packets that came more than Env.Hold before clock. It
// reports whether more of it waits.
func (c *Conn) Lapse(e *Env, clock int64, at packet.Pos, h Handler) bool {
	for {
		side, k := c.oldestCut()
		if k == nil {
			return false
		}
		if clock-k.at.Clock <= e.Hold {
			return true
		}
		c.giveUpCut(e, side, at, h)
	}
}

// Hasten gives up all that waits for another tap, so that memory comes free. It reports
// whether anything did.
func (c *Conn) Hasten(e *Env, at packet.Pos, h Handler) (any bool) {
	for {
		side, k := c.oldestCut()
		if k == nil {
			return any
		}
		c.giveUpCut(e, side, at, h)
		any = true
	}
}

// oldestCut returns which of both sides' holes that wait for another tap came first.
func (c *Conn) oldestCut() (side int, k *chunk) {
	a, b := c.Halves[0].awaited(), c.Halves[1].awaited()
	if a == nil || b != nil && b.at.Number < a.at.Number {
		return 1, b
	}
	return 0, a
}

// giveUpCut gives up the hole of side that waits for another tap, or the part of it in front
// of what is brought now.
func (c *Conn) giveUpCut(e *Env, side int, at packet.Pos, h Handler) {
	x := &c.Halves[side]
	if h.Missing(side) {
		return
	}
	k := x.q.at(0)
	x.q.remove(0)
	c.gap(side, k.at, k.next()-x.off, k.why, h)
	c.drain(e, at, h)
}

// tooMuch reports whether more waits than may, and gives up what waits for another tap first.
func (c *Conn) tooMuch(e *Env, side int, at packet.Pos, h Handler) bool {
	x := &c.Halves[side]
	for x.q.bytes > maxCutWait || x.q.len() >= maxChunks {
		cut, k := c.oldestCut()
		if k == nil {
			break
		}
		c.giveUpCut(e, cut, at, h)
	}
	if x.q.len() < maxChunks && x.q.bytes <= e.MaxSpan {
		return false
	}
	c.Anomalies.Add(exchange.AnomalyOutOfOrderLimit)
	return true
}
