package tcp

import (
	"bytes"

	"recap/pipeline/decap"
)

// A print is what tells a packet from another with the same numbers. The clocks that
// timestamps count by differ from host to host and from connection to connection, and
// mirrors leave them. Where there are none the identification of IPv4 tells.
type print struct {
	seq, length uint32
	mark        uint32 // timestamp, or identification
	stamped     bool   // mark is a timestamp
}

// firstPrints is how many packets of each side leave one at once: the first that take
// sequence numbers. Of the others those do whose numbers scatter lowest, sampledPrints at
// a time: two taps that each lack some choose the same ones all the same.
const (
	firstPrints   = 4
	sampledPrints = 4
)

// prints are those of one side.
type prints struct {
	stamp   uint32 // newest timestamp
	stamped int64  // clock+1 when it came; 0 for none
	id      uint16 // newest identification of IPv4
	marked  bool   // there is one
	echo    uint32 // timestamp of the other side that the first packet echoes
	echoed  int64  // clock+1 when it came; 0 for none
	list    [firstPrints + sampledPrints]print
	n       uint8
	// highest is that of the sampled ones which scatters highest, when there are all.
	highest uint8
	limit   uint32
}

func (p *prints) all() []print { return p.list[:p.n] }

// scatter gives the sequence numbers an order that has nothing to do with time.
func scatter(seq uint32) uint32 { return seq * 0x9e3779b1 >> 1 }

// printOf returns the print of s, which takes n bytes of sequence numbers, if it has one.
func printOf(s *decap.Segment, n int64) (one print, ok bool) {
	one = print{seq: s.Seq, length: uint32(n)}
	switch {
	case s.Info&decap.HasTS != 0:
		one.mark, one.stamped = s.TSVal, true
	case s.Info&decap.NoIPID == 0:
		one.mark = uint32(s.IPID)
	default:
		return one, false
	}
	return one, true
}

// leave notes s, which takes n bytes of sequence numbers.
func (p *prints) leave(s *decap.Segment, n int64) {
	if s.Info&decap.HasTS != 0 {
		p.stamp, p.stamped = s.TSVal, s.Clock+1
		if p.echoed == 0 && s.Flags&decap.ACK != 0 && s.TSEcr() != 0 {
			p.echo, p.echoed = s.TSEcr(), s.Clock+1
		}
	}
	if s.Info&decap.NoIPID == 0 {
		p.id, p.marked = s.IPID, true
	}
	if int(p.n) == len(p.list) && scatter(s.Seq) >= p.limit || n == 0 && s.Flags&(decap.SYN|decap.FIN) == 0 {
		return
	}
	one, ok := printOf(s, n)
	if !ok {
		return
	}
	if int(p.n) < len(p.list) {
		p.list[p.n] = one
		p.n++
	} else {
		p.list[p.highest] = one
	}
	if int(p.n) == len(p.list) {
		p.limit = 0
		for i := firstPrints; i < len(p.list); i++ {
			if x := scatter(p.list[i].seq); x >= p.limit {
				p.highest, p.limit = uint8(i), x
			}
		}
	}
}

// Disown forgets what h has seen, which was none of its connection's, if no data came. It
// reports whether it did.
func (h *Half) Disown() bool {
	if h.off > 0 || h.q.len() > 0 {
		return false
	}
	h.prints, h.recent = prints{}, [recentPackets]mark{}
	h.seen, h.syn, h.ready, h.next, h.isn, h.acked, h.fin = false, false, false, 0, 0, 0, -1
	return true
}

// Differ reports whether c and d hold different bytes where a stream of c ends.
func (c *Conn) Differ(d *Conn, h *History) bool {
	const reach = 64
	for side := range c.Halves {
		x, y := &c.Halves[side], &d.Halves[side]
		if x.hist < h.first || x.hist == 0 || !y.ready {
			continue
		}
		e := &h.entries[x.hist-h.first]
		if e.cum < h.now-h.Horizon {
			continue
		}
		a := e.data[max(0, len(e.data)-reach):]
		off := y.off + diff(x.next, y.next) - (x.off - e.off - int64(len(e.data))) - int64(len(a)) // of a in y
		for i, n := y.hist, 0; i >= h.first && i > 0 && n < maxLookBack; n++ {
			f := &h.entries[i-h.first]
			if f.cum < h.now-h.Horizon {
				break
			}
			if to := f.off + int64(len(f.data)); f.off < off+int64(len(a)) && to > off {
				lo, hi := max(off, f.off), min(off+int64(len(a)), to)
				if !bytes.Equal(a[lo-off:hi-off], f.data[lo-f.off:hi-f.off]) {
					return true
				}
			}
			if f.off <= off {
				break
			}
			i = f.prev
		}
	}
	return false
}

// Compare compares what the history holds of both c and d, of side from sequence number seq
// on: it returns how many bytes are the same, and whether any differ.
func (c *Conn) Compare(d *Conn, h *History, side int, seq uint32) (same int64, differ bool) {
	x, y := &c.Halves[side], &d.Halves[side]
	from := c.Offset(side, seq)
	shift := d.Offset(side, seq) - from // from offsets of x to those of y
	i, j := x.hist, y.hist
	for {
		e, f := h.entry(i), h.entry(j)
		if e == nil || f == nil {
			return same, false
		}
		to, end := e.off+int64(len(e.data)), f.off+int64(len(f.data))-shift
		lo, hi := max(from, e.off, f.off-shift), min(to, end)
		if lo < hi {
			if !bytes.Equal(e.data[lo-e.off:hi-e.off], f.data[lo+shift-f.off:hi+shift-f.off]) {
				return same, true
			}
			same += hi - lo
		}
		if max(e.off, f.off-shift) <= from {
			return same, false
		}
		if e.off > f.off-shift {
			i = e.prev
		} else {
			j = f.prev
		}
	}
}

// OtherPackets reports whether c and d were both seen to send the same sequence
// numbers, and never in the same packet: then they are not one connection. One packet
// in common is enough, for others may have been sent again.
func (c *Conn) OtherPackets(d *Conn) bool {
	common, differ := c.comparePrints(d)
	return differ && !common
}

// SharesPacket reports whether c and d were both seen to hold one packet.
func (c *Conn) SharesPacket(d *Conn) bool {
	common, _ := c.comparePrints(d)
	return common
}

// SharesMany reports whether c and d were both seen to hold several packets, and, as far as
// that is known, none that the other does not.
func (c *Conn) SharesMany(d *Conn) bool {
	const many = 4
	n := 0
	for side := range c.Halves {
		x, y := &c.Halves[side].prints, &d.Halves[side].prints
		if x.otherClock(y) {
			return false
		}
		for _, a := range x.all() {
			for _, b := range y.all() {
				switch {
				case !a.rivals(b):
				case a.mark != b.mark:
					return false
				default:
					n++
				}
			}
		}
	}
	return n >= many
}

// rivals reports whether a and b are of packets with the same numbers.
func (a print) rivals(b print) bool {
	return a.seq == b.seq && a.length == b.length && a.stamped == b.stamped
}

// No clock counts faster than once a microsecond (RFC 7323, section 5.4): within
// nearTime, in nanoseconds, by less than farTicks.
const (
	nearTime = 2e9
	farTicks = 4 << 20
)

// far reports whether p and q, timestamps of about the same time, come from two clocks.
func far(p, q uint32) bool {
	d := int32(p - q)
	return d > farTicks || d < -farTicks
}

// otherClock reports whether the timestamps of p and q, if both have some of about the same
// time, come from two clocks.
func (p *prints) otherClock(q *prints) bool {
	apart := p.stamped - q.stamped
	return p.stamped != 0 && q.stamped != 0 && apart <= nearTime && -apart <= nearTime && far(p.stamp, q.stamp)
}

// Echoes reports whether s, sent by side, may answer what the other side of c was seen to
// send, or be what that has answered: neither echoes a clock that is not the other's.
func (c *Conn) Echoes(s *decap.Segment, side int) bool {
	const long = 600e9 // a clock may count so far in the meantime
	p := &c.Halves[1-side].prints
	switch {
	case s.Info&decap.HasTS == 0:
		return true
	case p.echoed != 0 && s.Clock+1-p.echoed < long && far(p.echo, s.TSVal):
		return false
	}
	return s.Flags&decap.ACK == 0 || p.stamped == 0 || s.TSEcr() == 0 || !far(p.stamp, s.TSEcr())
}

func (c *Conn) comparePrints(d *Conn) (common, differ bool) {
	for side := range c.Halves {
		x, y := &c.Halves[side], &d.Halves[side]
		differ = differ || x.prints.otherClock(&y.prints)
		for _, a := range x.prints.all() {
			for _, b := range y.prints.all() {
				if !a.rivals(b) {
					continue
				}
				if a.mark == b.mark {
					return true, differ
				}
				differ = true
			}
		}
	}
	return false, differ
}
