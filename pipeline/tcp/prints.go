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

// maxPrints is how many packets of each side leave one: the first that take sequence
// numbers.
const maxPrints = 4

// leavePrint notes s, which takes n bytes of sequence numbers.
func (h *Half) leavePrint(s *decap.Segment, n int64) {
	if h.nprints == maxPrints || n == 0 && s.Flags&(decap.SYN|decap.FIN) == 0 {
		return
	}
	p := print{seq: s.Seq, length: uint32(n)}
	switch {
	case s.Info&decap.HasTS != 0:
		p.mark, p.stamped = s.TSVal, true
	case s.Info&decap.NoIPID == 0:
		p.mark = uint32(s.IPID)
	default:
		return
	}
	h.prints[h.nprints] = p
	h.nprints++
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

// OtherPackets reports whether c and d were both seen to send the same sequence
// numbers, and never in the same packet: then they are not one connection. One packet
// in common is enough, for others may have been sent again.
func (c *Conn) OtherPackets(d *Conn) bool {
	differ := false
	for side := range c.Halves {
		x, y := &c.Halves[side], &d.Halves[side]
		for _, a := range x.prints[:x.nprints] {
			for _, b := range y.prints[:y.nprints] {
				if a.seq != b.seq || a.length != b.length || a.stamped != b.stamped {
					continue
				}
				if a.mark == b.mark {
					return false
				}
				differ = true
			}
		}
	}
	return differ
}
