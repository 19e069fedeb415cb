package tcp

import "recap/pipeline/decap"

// Whose a packet is: the connection at hand, one that has the same addresses and ports at the
// same time, or the next one with them.

// Reuses reports whether s begins a new connection between the same ports, so
// that this one must be ended and s given to a new Conn.
func (c *Conn) Reuses(s *decap.Segment, side int) bool {
	h, p := &c.Halves[side], &c.Halves[1-side]
	if !c.started {
		return false
	}
	if s.Flags&decap.SYN != 0 && s.Flags&decap.ACK == 0 {
		if h.syn && h.isn == s.Seq || h.ready && !c.Done() && h.before(s.Seq+1) {
			return false // retransmitted, or captured behind what followed it
		}
		if c.ended() || h.fin >= 0 && !p.seen { // of one side alone, its own end is all there is to see
			return true
		}
		if h.off == 0 && p.off == 0 && h.q.len() == 0 && p.q.len() == 0 {
			return false // nothing was said yet: the SYN is taken up, and the SYN/ACK decides
		}
		// An open connection: only an answer shows that somebody took this SYN.
		c.reuse, c.reuseSide, c.reuseSeq = true, uint8(side), s.Seq
		return false
	}
	if s.Flags&(decap.SYN|decap.ACK) == decap.SYN|decap.ACK && !(h.syn && h.isn == s.Seq) &&
		(c.ended() || h.seen && !p.seen && !h.before(s.Seq+1)) {
		return true // a reordered or one-sided handshake of the next connection
	}
	if len(s.Payload()) > 0 && s.Flags&(decap.SYN|decap.RST) == 0 && c.pastEnd(s, h, p) {
		return true // the handshake of the next connection is lost, or late
	}
	if c.reuse {
		const both = decap.SYN | decap.ACK
		if int(c.reuseSide) != side && s.Flags&both == both && s.Ack == c.reuseSeq+1 {
			return true
		}
		// The answer is not in the capture: what follows the SYN must then be nothing
		// that the open connection could say.
		if d := diff(s.Seq, h.next); int(c.reuseSide) == side && s.Seq == c.reuseSeq+1 && (d < -h.off || d > maxWindow) {
			return true
		}
	}
	return false
}

// ended reports whether both sides were seen to end, perhaps behind holes that are waited for.
func (c *Conn) ended() bool {
	return c.Done() || c.Halves[0].fin >= 0 && c.Halves[1].fin >= 0
}

// Foreign reports whether s, sent by side, has numbers that an open connection like c does
// not have: another beginning, or data far from what either side has said.
func (c *Conn) Foreign(s *decap.Segment, side int) bool {
	h, p := &c.Halves[side], &c.Halves[1-side]
	if s.Flags&decap.SYN == 0 {
		return h.ready && farFrom(s.Seq, h.next) && len(s.Payload()) > 0 && s.Flags&decap.RST == 0 && (!p.ready || farFrom(s.Ack, p.next))
	}
	other := h.syn && h.isn != s.Seq || !h.syn && h.ready && farFrom(s.Seq, h.next)
	answers := s.Flags&decap.ACK != 0 && p.syn && s.Ack == p.isn+1
	return other && !answers
}

// Fits reports whether s, sent by side, has the numbers of a packet of c.
func (c *Conn) Fits(s *decap.Segment, side int) bool {
	h, p := &c.Halves[side], &c.Halves[1-side]
	ack := s.Flags&decap.ACK != 0
	switch {
	case s.Flags&decap.SYN != 0:
		return h.syn && h.isn == s.Seq || ack && p.syn && s.Ack == p.isn+1
	case h.ready:
		return !farFrom(s.Seq, h.next) && (!ack || !p.ready || !farFrom(s.Ack, p.next))
	}
	return ack && p.ready && !farFrom(s.Ack, p.next)
}

// Distance returns how far the numbers of s, sent by side, are from what c expects next.
func (c *Conn) Distance(s *decap.Segment, side int) (n int64) {
	h, p := &c.Halves[side], &c.Halves[1-side]
	if h.ready {
		n = apart(s.Seq, h.next)
	}
	if p.ready && s.Flags&decap.ACK != 0 {
		n += apart(s.Ack, p.next)
	}
	return n
}

// apart is how far two sequence numbers are from each other, either way.
func apart(a, b uint32) int64 {
	d := diff(a, b)
	return max(d, -d)
}

func farFrom(a, b uint32) bool { return apart(a, b) > maxWindow }

// pastEnd reports whether data that h sends after both sides have ended is none of this
// connection's: it is numbered, or acknowledges, as nothing that was said.
func (c *Conn) pastEnd(s *decap.Segment, h, p *Half) bool {
	if !c.ended() && !(h.closed && !p.seen) {
		return false
	}
	if d := diff(s.Seq, h.next); d < -h.off-maxWindow || d > maxWindow {
		return true
	}
	d := diff(s.Ack, p.next)
	return s.Flags&decap.ACK != 0 && p.ready && (d < -p.off-maxWindow || d > max(0, p.acked-p.off)+maxWindow)
}

// before reports whether a stream that began at seq may be the one of which h has seen
// the beginning no sooner: a SYN that came behind its data.
func (h *Half) before(seq uint32) bool {
	const reordered = 64 << 10
	d := diff(seq, h.next) + h.off
	return !h.syn && d <= 0 && d > -reordered
}

// maxWindow is how far ahead a sender may be without window scaling and losses
// taken into account generously, bytes.
const maxWindow = 1 << 20

// Reborn prepares a new Conn after Reuses: when the SYN itself came earlier, its number is taken over.
// It reports whether it was.
func (c *Conn) Reborn(from *Conn, s *decap.Segment, side int) bool {
	if !from.reuse || s.Flags&(decap.SYN|decap.ACK) == decap.SYN {
		return false
	}
	h := &c.Halves[from.reuseSide]
	h.isn, h.next, h.ready, h.syn, h.seen = from.reuseSeq, from.reuseSeq+1, true, true, true
	h.fin = -1
	c.Halves[1-from.reuseSide].fin = -1
	c.started = true
	return true
}

// A Bond says what a packet with numbers that fit a connection is to it, which was not seen
// before where the packet was.
type Bond uint8

// Bonds.
const (
	Loose Bond = iota // nothing tells
	Near              // a copy of a packet just before, or the connection has changed its way
	Again             // a copy of a packet long before, or of one that is missing: another tap
	Apart             // of another connection with the same numbers
)

// nearIDs is how far the identifications of IPv4 are from one packet of a sender to the next
// one of the same connection, at most.
const nearIDs = 256

// Bond tells what s, sent by side, is to c by what the numbers of TCP do not hold: TCP
// timestamps, or without them the identification of IPv4.
func (c *Conn) Bond(s *decap.Segment, side int) Bond {
	x := &c.Halves[side]
	n := int64(len(s.Payload())) + int64(s.Missing)
	if sum, ok := sumOf(s, n); ok && x.recentlySeen(sum) != nil {
		return Near
	}
	if s.Flags&decap.SYN != 0 {
		return x.bondOfSYN(s, n)
	}
	ahead := n == 0 || diff(s.Seq, x.next) >= 0
	switch {
	case s.Info&decap.HasTS != 0 && x.prints.stamped != 0:
		d := int32(s.TSVal - x.prints.stamp)
		switch {
		case far(s.TSVal, x.prints.stamp):
			return Apart
		case d > 0 || d == 0 && ahead:
			return Near
		}
		return Again
	case s.Info&(decap.HasTS|decap.NoIPID) == 0 && x.prints.marked && x.prints.stamped == 0:
		switch d := int16(s.IPID - x.prints.id); {
		case 0 < d && d <= nearIDs:
			return Near
		case -4*nearIDs < d && d <= 0:
			return Again
		}
		return Apart
	}
	return Loose
}

// bondOfSYN is Bond of a SYN: one that is sent again goes the way of the first.
func (h *Half) bondOfSYN(s *decap.Segment, n int64) Bond {
	one, ok := printOf(s, n)
	if !ok {
		return Loose
	}
	for _, o := range h.prints.all() {
		if o.seq == one.seq && o.length == one.length && o.stamped == one.stamped {
			if o.mark == one.mark {
				return Again
			}
			return Apart
		}
	}
	return Loose
}

// Repeats reports whether s, sent by side, is a SYN, or all of its payload was delivered
// before and is the same as far as the history has it.
func (c *Conn) Repeats(h *History, s *decap.Segment, side int) bool {
	x := &c.Halves[side]
	off := c.Offset(side, s.Seq)
	if s.Flags&decap.SYN != 0 {
		return true
	}
	b := s.Payload()
	if len(b) == 0 || off < 0 || off+int64(len(b)) > x.off {
		return false
	}
	_, differ, _, _ := h.compare(x.hist, off, b)
	return differ == 0
}
