package tcp

import (
	"bytes"

	"recap/reader/packet"
)

// Related reports whether c and d may be two captures of one connection: where
// both know the start of a side it is the same, and otherwise the two stand within
// a window of each other.
func (c *Conn) Related(d *Conn) bool {
	const window = 1 << 24
	known := false
	for side := range c.Halves {
		x, y := &c.Halves[side], &d.Halves[side]
		if !x.ready || !y.ready {
			continue
		}
		known = true
		if x.syn && y.syn {
			if x.isn != y.isn {
				return false
			}
			continue
		}
		if n := diff(x.next, y.next); n < -window || n > window {
			return false
		}
	}
	return known
}

// Seq returns the sequence number of a stream offset of side.
func (c *Conn) Seq(side int, off int64) uint32 {
	x := &c.Halves[side]
	return x.next + uint32(off-x.off)
}

// Hole returns the first hole of side that has data behind it, as a sequence
// number and a length; n is 0 when there is none.
func (c *Conn) Hole(side int) (seq uint32, n int64) {
	x := &c.Halves[side]
	if x.q.len() == 0 || x.q.at(0).off <= x.off {
		return 0, 0
	}
	return x.next, x.q.at(0).off - x.off
}

// Run returns the bytes of side from sequence number seq on, at most max, as far as
// the history and what waits hold them without a break.
func (c *Conn) Run(h *History, side int, seq uint32, max int) []byte {
	x := &c.Halves[side]
	if !x.ready {
		return nil
	}
	off := x.off + diff(seq, x.next)
	end := off + int64(max)
	var found []histEntry // newest first
	for i, n := x.hist, 0; i >= h.first && i > 0 && n < maxLookBack; n++ {
		e := h.entries[i-h.first]
		if e.cum < h.now-h.Horizon {
			break
		}
		if e.off < end && e.off+int64(len(e.data)) > off {
			found = append(found, e)
		}
		if e.off <= off {
			break
		}
		i = e.prev
	}
	var out []byte
	take := func(at int64, data []byte) bool {
		to := off + int64(len(out))
		if at > to || at+int64(len(data)) <= to {
			return at <= to
		}
		data = data[to-at:]
		out = append(out, data[:min(int64(len(data)), end-to)]...)
		return true
	}
	for i := len(found) - 1; i >= 0; i-- {
		if !take(found[i].off, found[i].data) {
			return out
		}
	}
	for i := x.q.find(off); i < x.q.len() && x.q.at(i).off < end; i++ {
		k := x.q.at(i)
		if !take(k.off, k.data) || k.cut > 0 {
			break
		}
	}
	return out
}

// Same compares what c and d hold of side around sequence number seq: it reports
// whether at least least bytes are the same and none differ.
func (c *Conn) Same(d *Conn, h *History, side int, seq uint32, least int) bool {
	const reach = 256
	before := int64(reach)
	before = min(before, c.Halves[side].off+diff(seq, c.Halves[side].next))
	if before < 0 {
		return false
	}
	start := seq - uint32(before)
	a, b := c.Run(h, side, start, int(before)), d.Run(h, side, start, int(before))
	n := min(len(a), len(b))
	return n >= least && bytes.Equal(a[:n], b[:n])
}

// Fill puts data, captured elsewhere, into the hole of side that begins at its
// stream's end. It is charged to Filled: it is no payload of this connection's packets.
func (c *Conn) Fill(e *Env, side int, data []byte, at packet.Pos, h Handler) {
	x := &c.Halves[side]
	x.Filled += int64(len(data))
	at.Acked = packet.NoOffset
	c.deliver(e, side, &at, bytes.Clone(data), 0, notCut, h)
	c.drain(e, at, h)
}

// SeenBoth reports whether packets of both sides were seen.
func (c *Conn) SeenBoth() bool { return c.Halves[0].seen && c.Halves[1].seen }

// Continues reports whether a packet of side with these numbers goes on with what
// the other side has said: then the two directions belong together although they
// were captured as if they did not.
func (c *Conn) Continues(side int, seq, ack uint32, syn bool) bool {
	x, p := &c.Halves[side], &c.Halves[1-side]
	if x.seen || !p.seen || !p.ready {
		return false
	}
	// What it acknowledges must be something the other side has sent or is sending.
	if n := diff(ack, p.next); n < -(1<<20) || n > 1<<20 || p.syn && p.off+n < 0 {
		return false
	}
	if syn {
		return p.syn && p.off == 0 && ack == p.next
	}
	// And its own number must be what the other side has acknowledged.
	n := diff(seq, x.next)
	return x.ready && n >= -(1<<20) && n <= 1<<20
}

// SameBehind compares what c and d hold of side from sequence number seq on, as
// Same does in front of it.
func (c *Conn) SameBehind(d *Conn, h *History, side int, seq uint32, least int) bool {
	const reach = 256
	a, b := c.Run(h, side, seq, reach), d.Run(h, side, seq, reach)
	n := min(len(a), len(b))
	return n >= least && bytes.Equal(a[:n], b[:n])
}
