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

// Hole returns the first hole of side, behind what waits without a break, as a sequence
// number and a length; n is 0 when there is none. Bytes that the peer has acknowledged,
// or that lie before the FIN, are missing too.
func (c *Conn) Hole(side int) (seq uint32, n int64) {
	x := &c.Halves[side]
	if !x.ready {
		return 0, 0
	}
	from := x.off
	for i := range x.q.len() {
		k := x.q.at(i)
		if k.off > from {
			return c.Seq(side, from), k.off - from
		}
		from = max(from, k.next())
	}
	return c.Seq(side, from), max(0, x.end()-from)
}

// end returns how far the peer has acknowledged, without the FIN.
func (h *Half) end() int64 {
	if h.fin >= 0 {
		return min(h.fin, h.acked)
	}
	return h.acked
}

// Lacks reports whether either side may have a hole, which [Conn.Hole] then tells.
func (c *Conn) Lacks() bool {
	x, y := &c.Halves[0], &c.Halves[1]
	return x.q.len()+y.q.len() > 0 || x.end() > x.off || y.end() > y.off
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

// Fill puts data, which d has of side from sequence number seq on, into a hole of c. It is
// charged to Filled: it is no payload of this connection's packets. It acknowledges what
// it did there.
func (c *Conn) Fill(e *Env, d *Conn, side int, seq uint32, data []byte, at packet.Pos, h Handler) {
	x, p := &c.Halves[side], &c.Halves[1-side]
	x.Filled += int64(len(data))
	for len(data) > 0 {
		n, heard, known := d.heard(e.Hist, side, seq)
		n = min(n, int64(len(data)))
		k := chunk{off: x.off + diff(seq, x.next), data: data[:n], why: notCut, at: at, hold: packet.NoOffset}
		k.at.Acked = packet.NoOffset
		if known && p.ready {
			k.hold = p.off + diff(heard, p.next)
			k.at.Acked = k.hold
		}
		k.start, k.end = k.off, k.off+n
		c.buffer(e, x, &k)
		seq, data = seq+uint32(n), data[n:]
	}
	c.drain(e, at, h)
}

// heard tells how many bytes of side from seq on came together, and what of the other
// side's stream their sender had received, as a sequence number.
func (c *Conn) heard(h *History, side int, seq uint32) (n int64, peer uint32, known bool) {
	x := &c.Halves[side]
	off := x.off + diff(seq, x.next)
	if i := x.q.find(off); off >= x.off && i < x.q.len() {
		k := x.q.at(i)
		return k.next() - off, c.Seq(1-side, k.at.Acked), k.at.Acked != packet.NoOffset
	}
	for i, steps := x.hist, 0; i >= h.first && i > 0 && steps < maxLookBack; steps++ {
		e := &h.entries[i-h.first]
		if e.off <= off {
			if to := e.off + int64(len(e.data)); off < to {
				return to - off, c.Seq(1-side, e.acked), e.acked != packet.NoOffset
			}
			break
		}
		i = e.prev
	}
	return 1 << 40, 0, false
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
