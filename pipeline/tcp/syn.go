package tcp

import (
	"recap/pipeline/decap"
	"recap/pipeline/exchange"
	"recap/reader/packet"
)

// A side of which the first packet is no SYN may have begun before the capture, or its
// packets have changed places. Nothing of its connection is delivered for that many
// packets, or nanoseconds of capture clock, so that what belongs in front can still come.
const (
	openingPackets = 8
	openingTime    = 50_000_000
)

// takeSYN notes where side x begins. It reports whether the SYN belongs to the connection.
func (c *Conn) takeSYN(x, p *Half, s *decap.Segment) bool {
	start := s.Seq + 1
	switch {
	case x.syn && x.isn == s.Seq:
		return true // retransmitted
	case !x.ready:
		x.next = start
	case x.off == 0 && (x.q.len() == 0 || x.before(start)):
		rebase(x, p, start) // or sent again with another number before anything was said
	case x.off > 0 && x.before(start):
		if x.next-uint32(x.off) != start {
			return true // what was lost or is late in between has no place any more
		}
		x.isn, x.syn = s.Seq, true // behind the data that follows it
		return true
	default:
		c.Anomalies.Add(exchange.AnomalyOutOfWindow)
		return false
	}
	x.isn, x.syn, x.ready, x.guessed = s.Seq, true, true, false
	if x.q.len() == 0 {
		x.fin = -1
	}
	if s.Flags&decap.ACK != 0 {
		c.opening = 0 // both beginnings are known
	}
	if s.Flags&decap.ACK != 0 && p.off == 0 && (p.q.len() == 0 || p.before(s.Ack)) && (!p.ready || p.next != s.Ack) {
		// The SYN/ACK tells which of several SYNs was taken (Ptacek and Newsham 1998).
		rebase(p, x, s.Ack)
		p.isn, p.ready, p.guessed = s.Ack-1, true, false
	}
	return true
}

// BeginWith takes over from d, another capture of the connection, where a side begins of which
// c lacks the SYN, and with it how much is missing in front of the first packet. That was
// captured if the other side's SYN was.
func (c *Conn) BeginWith(d *Conn) {
	for side := range c.Halves {
		x, p, y := &c.Halves[side], &c.Halves[1-side], &d.Halves[side]
		if p.syn && !x.syn && y.syn && x.ready && x.off == 0 && x.before(y.isn+1) {
			rebase(x, p, y.isn+1)
		}
	}
}

// rebase sets the beginning of x, of which nothing was delivered yet, to sequence number
// start. Offsets in its stream that are known already count from there.
func rebase(x, p *Half, start uint32) {
	d := diff(x.next, start)
	x.next = start
	if d == 0 || !x.ready {
		return
	}
	x.acked = max(0, x.acked+d)
	if x.fin >= 0 {
		x.fin += d
	}
	for i := range x.q.len() {
		k := x.q.at(i)
		k.off, k.start, k.end = k.off+d, k.start+d, k.end+d
	}
	for i := range p.q.len() {
		k := p.q.at(i)
		if k.hold != packet.NoOffset {
			k.hold += d
		}
		if k.at.Acked != packet.NoOffset {
			k.at.Acked += d
		}
	}
}
