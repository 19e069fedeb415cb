package tcp

import (
	"bytes"
	"slices"

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

// Begins reports whether the stream of side was seen to begin at seq.
func (c *Conn) Begins(side int, seq uint32) bool {
	x := &c.Halves[side]
	return x.syn && x.isn+1 == seq
}

// Offset returns the stream offset of a sequence number of side.
func (c *Conn) Offset(side int, seq uint32) int64 {
	x := &c.Halves[side]
	return x.off + diff(seq, x.next)
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
		if end := k.off + int64(len(k.data)); k.cut > 0 && k.next() > from {
			from = max(from, end)
			return c.Seq(side, from), k.next() - from
		}
		from = max(from, k.next())
	}
	return c.Seq(side, from), max(0, x.end()-from)
}

// Waits reports whether side has a hole in front of all that waits.
func (c *Conn) Waits(side int) bool {
	x := &c.Halves[side]
	return x.ready && (x.q.len() == 0 || x.q.at(0).off > x.off || x.q.at(0).awaited)
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

// A stretch is bytes of a stream that were captured together.
type stretch struct {
	off  int64
	data []byte
}

// held appends what the history and what waits hold of h between two offsets of its stream,
// rising.
func (x *Half) held(h *History, from, to int64, list []stretch) []stretch {
	first := len(list)
	add := func(off int64, data []byte) {
		lo, hi := max(off, from), min(off+int64(len(data)), to)
		if lo < hi {
			list = append(list, stretch{lo, data[lo-off : hi-off]})
		}
	}
	for i, n := x.hist, 0; n < maxLookBack; n++ {
		e := h.entry(i)
		if e == nil {
			break
		}
		add(e.off, e.data)
		if e.off <= from {
			break
		}
		i = e.prev
	}
	slices.Reverse(list[first:])
	for i := x.q.find(from); i < x.q.len() && x.q.at(i).off < to; i++ {
		add(x.q.at(i).off, x.q.at(i).data)
	}
	return list
}

// Ahead returns how many of the n bytes of side from sequence number seq on c lacks in front
// of the first that it holds: n where it holds none of them.
func (c *Conn) Ahead(h *History, side int, seq uint32, n int64) int64 {
	from := c.Offset(side, seq)
	var memory [64]stretch
	if list := c.Halves[side].held(h, max(0, from), from+n, memory[:0]); len(list) > 0 {
		return list[0].off - from
	}
	return n
}

// Agree compares what c and d hold of side from sequence number seq on, n bytes: it returns
// how many are the same, and whether any differ. Each may have holes of its own there.
func (c *Conn) Agree(d *Conn, h *History, side int, seq uint32, n int64) (same int64, differ bool) {
	x, y := &c.Halves[side], &d.Halves[side]
	from := c.Offset(side, seq)
	shift := d.Offset(side, seq) - from // from offsets of x to those of y
	var memory [2][64]stretch
	a := x.held(h, max(0, from), from+n, memory[0][:0])
	b := y.held(h, max(0, from)+shift, from+n+shift, memory[1][:0])
	for len(a) > 0 && len(b) > 0 {
		at, end := b[0].off-shift, b[0].off-shift+int64(len(b[0].data))
		to := a[0].off + int64(len(a[0].data))
		if lo, hi := max(a[0].off, at), min(to, end); lo < hi {
			if !bytes.Equal(a[0].data[lo-a[0].off:hi-a[0].off], b[0].data[lo-at:hi-at]) {
				return same, true
			}
			same += hi - lo
		}
		if to <= end {
			a = a[1:]
		} else {
			b = b[1:]
		}
	}
	return same, false
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
		k := chunk{off: x.off + diff(seq, x.next), data: data[:n], why: notCut, at: at, hold: packet.NoOffset, lent: true}
		k.at.Acked = packet.NoOffset
		if known && p.ready {
			k.hold = p.off + diff(heard, p.next)
			k.at.Acked = k.hold
		}
		k.start, k.end = k.off, k.off+n
		c.buffer(e, side, h, &k)
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

// Shows reports whether packets of both sides were seen, and one of side with these numbers
// may be another copy of one of them.
func (c *Conn) Shows(side int, seq, ack uint32, syn bool) bool {
	x, p := &c.Halves[side], &c.Halves[1-side]
	if !c.SeenBoth() {
		return false
	}
	if syn && x.syn {
		return seq == x.isn
	}
	return !c.Done() && !farFrom(seq, x.next) && !farFrom(ack, p.next)
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
	if farFrom(ack, p.next) || p.syn && p.off+diff(ack, p.next) < 0 {
		return false
	}
	if syn {
		return p.syn && p.off == 0 && ack == p.next
	}
	// And its own number must be what the other side has acknowledged.
	return x.ready && !farFrom(seq, x.next)
}
