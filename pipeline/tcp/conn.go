// Package tcp puts the byte streams of a TCP connection back together from the
// segments that a capture holds (RFC 9293), in the order in which they were said.
//
// In-order payload reaches the Handler without a copy. The wall clock is never
// read: what waits for time waits for the capture's clock.
package tcp

import (
	"bytes"

	"recap/pipeline/decap"
	"recap/pipeline/exchange"
	"recap/reader/packet"
)

// A Handler receives both streams of a connection. Side 0 is what Key.Lo sent.
type Handler interface {
	// Data hands over the next bytes of a stream; b is valid during the call only.
	Data(side int, at packet.Pos, b []byte)
	// Gap tells of n bytes that the capture does not hold (n < 0: unknown how many).
	Gap(side int, at packet.Pos, n int64, reason string)
	// Missing is asked before a hole of side is given up. It reports whether it had some
	// of the bytes, and has brought them with Fill.
	Missing(side int) bool
	// Cut asks for the n bytes from sequence number seq on, which were cut from a packet. It
	// returns what another tap has of them, from the first on.
	Cut(side int, seq uint32, n int64) []byte
	// Awaits reports whether another tap may still show what was cut from a packet that came
	// at since, nanoseconds of capture clock. Then [Conn.Lapse] is to be called in time.
	Awaits(since int64) bool
	// Conflict tells of another copy of the bytes between two offsets, all of which differ;
	// they were handed over, or wait. It reports whether it has noted so; otherwise the
	// Conn's Anomalies do.
	Conflict(side int, from, to int64) bool
	// Close tells that the sender of this side has ended it (FIN).
	Close(side int, at packet.Pos)
}

// Env is what the connections of one worker share.
type Env struct {
	Hist    *History
	Policy  Policy
	MaxSpan int64 // bytes of out-of-order data per direction
	// Hold is how long a hole is kept open after the peer has acknowledged the
	// bytes in it, nanoseconds of capture clock: a second tap or a reordering mirror
	// may still bring them.
	Hold int64
}

// maxChunks bounds the number of waiting chunks per direction.
const maxChunks = 1 << 16

type cutReason uint8

const (
	notCut cutReason = iota
	cutSnaplen
	cutMirror
)

func (r cutReason) gap() string {
	switch r {
	case cutSnaplen:
		return exchange.GapSnaplen
	case cutMirror:
		return exchange.GapMirrorTruncated
	}
	return exchange.GapLost
}

// Half is one direction of a connection.
type Half struct {
	exchange.FlowSide
	DeliveredBytes  int64 // payload bytes handed to the Handler
	DuplicateBytes  int64 // payload bytes seen before
	BeforeStart     int64 // discarded: older than the first byte of a mid-stream start
	OutOfWindow     int64 // discarded: far outside the window
	AfterClose      int64 // discarded: behind the FIN
	Late            int64 // discarded: came for a hole that had been given up
	Filled          int64 // payload bytes delivered that another capture of the connection held
	DuplicatePacket int64 // packets that are copies of one just before

	off     int64 // bytes delivered or given up so far
	acked   int64 // highest offset that the peer acknowledged
	fin     int64 // offset of the FIN; -1 while none was seen
	stalled int64 // clock+1 when a hole in front became due; 0 for none
	mark    int64 // acked at that time: what lies before it is given up together
	line    int64 // what came without a hole but for what was cut ends here; see follow
	hist    int64 // newest entry in the History
	q       chunkList
	holes   []hole // given up, the newest maxHoles, rising

	next    uint32 // sequence number of off
	isn     uint32
	syn     bool
	ready   bool // next is known
	guessed bool // next comes from a bare segment: a keep-alive probe may have fooled it
	seen    bool // a packet of this side was seen
	closed  bool // Close was called

	strays    int // consecutive segments far outside the window, each following the last
	strayNext uint32

	recent [recentPackets]mark // of the newest packets, to recognize a copy
	slot   uint8
	prints prints
	copied bool // the packet at hand is a copy
	// CopyDelay is how long after the first the newest copy came, nanoseconds.
	CopyDelay int64
}

// mark is a packet by its numbers, and when it came.
type mark struct {
	sum  uint64
	time int64
}

// recentPackets is how far back a copy of a packet is recognized as one, packets of one side.
const recentPackets = 8

// hole is a range of the stream that was given up.
type hole struct{ from, to int64 }

// maxHoles bounds how many holes a side remembers, to tell bytes that come too
// late from bytes that come again.
const maxHoles = 32

// Offset returns how many bytes of the stream were delivered or given up.
func (h *Half) Offset() int64 { return h.off }

// SYN reports whether the start of this side was captured.
func (h *Half) SYN() bool { return h.syn }

// Closed reports whether the FIN was reached.
func (h *Half) Closed() bool { return h.closed }

// Conn is one connection. The zero Conn is ready for its first segment.
type Conn struct {
	Halves    [2]Half
	Anomalies exchange.Anomalies
	Reset     bool // a RST was seen
	started   bool
	oneSided  bool  // one side was waited for and has sent nothing
	opening   uint8 // packets for which nothing is delivered yet
	opened    int64 // clock at the first of them
	flushing  bool  // nothing more is waited for
	reuse     bool  // a SYN with another number came while the connection was open
	reuseSide uint8
	reuseSeq  uint32
}

// FromStart reports whether the capture holds the start of the connection.
func (c *Conn) FromStart() bool { return c.Halves[0].syn && c.Halves[1].syn }

// Done reports whether both sides were closed, or the connection was reset.
func (c *Conn) Done() bool {
	return c.Reset || c.Halves[0].closed && c.Halves[1].closed
}

// Buffered returns the bytes of memory that waiting data takes.
func (c *Conn) Buffered() int64 { return c.Halves[0].q.bytes + c.Halves[1].q.bytes }

// Segment takes the next packet of the connection, sent by side. It reports
// whether the packet is a copy of the one before it on the same side.
func (c *Conn) Segment(e *Env, s *decap.Segment, side int, at packet.Pos, h Handler) (duplicate bool) {
	if !c.started {
		c.started = true
		c.Halves[0].fin, c.Halves[1].fin = -1, -1
	} else if c.opening > 0 {
		if c.opening--; s.Clock-c.opened > openingTime {
			c.opening = 0
		}
	}
	x, p := &c.Halves[side], &c.Halves[1-side]
	payload := s.Payload()
	n := int64(len(payload)) + int64(s.Missing)

	x.Packets++
	x.Bytes += int64(len(payload))
	if s.Missing > 0 {
		x.TruncatedPackets++
	}
	duplicate = c.isCopy(x, s, n)
	x.copied = duplicate
	if duplicate {
		x.DuplicatePacket++
	}
	first := !x.seen || c.opening > 0
	x.seen = true
	x.prints.leave(s, n)

	seq := s.Seq
	if s.Flags&decap.SYN != 0 {
		if !c.takeSYN(x, p, s) {
			// An open connection takes no SYN, and nothing that comes with it (RFC 5961, section 4).
			x.OutOfWindow += int64(len(payload))
			x.DiscardedBytes += int64(len(payload))
			return duplicate
		}
		seq++
	} else if !x.ready {
		// The capture begins inside the connection.
		x.next, x.ready, x.guessed = seq, true, n == 0
		c.opening, c.opened = openingPackets, s.Clock
		c.Anomalies.Add(exchange.AnomalyMidstream)
	} else if first && x.off == 0 && x.isn == 0 && diff(seq, x.next) < -1 && x.before(seq) {
		rebase(x, p, seq) // acknowledged by what was captured before it
	}
	if s.Flags&decap.ACK != 0 {
		c.takeACK(e, p, s)
	}
	if s.Flags&decap.URG != 0 && n > 0 {
		c.Anomalies.Add(exchange.AnomalyUrgentData)
	}

	if s.Flags&decap.RST != 0 {
		if off := x.off + diff(seq, x.next); s.Seq == 0 || off >= x.off-1 && off <= x.off+e.MaxSpan {
			c.Reset = true
		} else {
			c.Anomalies.Add(exchange.AnomalyOutOfWindow)
		}
		// What some stacks put into a RST is a diagnostic text (RFC 9293, section 3.5.3), not stream data.
		x.OutOfWindow += int64(len(payload))
		x.DiscardedBytes += int64(len(payload))
		c.drain(e, at, h)
		return duplicate
	}

	off := x.off + diff(seq, x.next)
	if x.guessed && n > 0 {
		if off == x.off+1 && x.off == 0 {
			x.next, off = x.next+1, 0 // the bare segment before was a keep-alive probe
			x.acked = max(0, x.acked-1)
		}
		x.guessed = false
	}
	if s.Flags&decap.FIN != 0 && x.fin < 0 {
		switch end := off + n; {
		case end >= x.off && end-x.off < e.MaxSpan:
			x.fin = end
		case end == x.off-1 && x.late(end, 1) == 1:
			x.fin = x.off // its number was acknowledged, waited for, and taken for a lost byte
		}
	}
	if n > 0 {
		c.payload(e, s, side, off, at, h)
	}
	if x.q.len()+p.q.len() > 0 || x.fin >= 0 && !x.closed || p.fin >= 0 && !p.closed {
		c.drain(e, at, h)
		c.stall(e, s.Clock, at, h)
	}
	return duplicate
}

// isCopy reports whether s repeats one of the newest packets of half x to the
// letter, IP identification and TCP timestamp included: a copy made by a mirror.
// What a sender sends again has another identification. Where packets have none, what
// takes sequence numbers has another timestamp when it is sent again; of pure
// acknowledgements that cannot be told.
func (c *Conn) isCopy(x *Half, s *decap.Segment, n int64) bool {
	sum, ok := sumOf(s, n)
	if !ok {
		return false
	}
	if r := x.recentlySeen(sum); r != nil {
		x.CopyDelay = 0
		if s.TimeNS != exchange.NoTime && r.time != exchange.NoTime {
			x.CopyDelay = s.TimeNS - r.time
		}
		return true
	}
	x.recent[x.slot%recentPackets] = mark{sum, s.TimeNS}
	x.slot++
	return false
}

// sumOf returns a sum of the numbers of s, which takes n bytes of the stream, that only a
// copy has too. It is not ok where they do not tell a copy from what is sent again.
func sumOf(s *decap.Segment, n int64) (sum uint64, ok bool) {
	if s.Info&decap.NoIPID != 0 && (s.Info&decap.HasTS == 0 || n == 0 && s.Flags&(decap.SYN|decap.FIN) == 0) {
		return 0, false
	}
	const m = 0x9e3779b97f4a7c15
	h := (uint64(s.Seq)<<32 | uint64(s.Ack)) * m
	h = (h ^ h>>29 ^ uint64(s.IPID)<<32 ^ uint64(s.Flags)<<48 ^ uint64(n)) * m
	return (h^h>>31^uint64(s.TSVal))*m | 1, true
}

// recentlySeen returns the mark of one of the newest packets with that sum, nil for none.
func (h *Half) recentlySeen(sum uint64) *mark {
	for i := range h.recent {
		if r := &h.recent[i]; r.sum == sum {
			return r
		}
	}
	return nil
}

// takeACK notes what the peer's half p has had acknowledged.
func (c *Conn) takeACK(e *Env, p *Half, s *decap.Segment) {
	if !p.ready {
		if s.Flags&decap.RST == 0 {
			p.next, p.ready = s.Ack, true
		}
		return
	}
	if off := p.off + diff(s.Ack, p.next); off > p.acked && off <= p.off+e.MaxSpan {
		p.acked = off
	}
}

// payload takes the data of s, which begins at stream offset off.
func (c *Conn) payload(e *Env, s *decap.Segment, side int, off int64, at packet.Pos, h Handler) {
	x, p := &c.Halves[side], &c.Halves[1-side]
	b := s.Payload()
	cut, why := int64(s.Missing), notCut
	if cut > 0 {
		why = cutSnaplen
		if s.Info&decap.CutByMirror != 0 {
			why = cutMirror
		}
	}
	end := off + int64(len(b)) + cut
	if off > x.off+e.MaxSpan || off < x.off-1<<30 {
		if !c.stray(e, s, side, at, h) {
			return
		}
		off = x.off
		end = off + int64(len(b)) + cut
	} else {
		x.strays = 0
	}
	if x.fin >= 0 && end > x.fin {
		// Nothing may follow a FIN (RFC 9293, section 3.10.7.4).
		over := min(end-x.fin, end-off)
		if over > cut {
			n := over - cut
			b = b[:int64(len(b))-n]
			x.AfterClose += n
			x.DiscardedBytes += n
			c.Anomalies.Add(exchange.AnomalyOutOfWindow)
		}
		cut = max(0, cut-over)
		if end = off + int64(len(b)) + cut; end == off {
			return
		}
	}
	if off < x.off {
		b, off = c.old(e, side, b, off, at.Number, h)
		if len(b) == 0 && (cut == 0 || end <= x.off) {
			return
		}
		if len(b) == 0 { // only bytes that the capture lacks reach beyond
			cut, off = end-x.off, x.off
		}
	}

	// What the sender had received when it sent this.
	at.Acked = packet.NoOffset
	hold := int64(packet.NoOffset)
	if s.Flags&decap.ACK != 0 && p.ready {
		at.Acked = p.off + diff(s.Ack, p.next)
	}
	if p.seen || !c.oneSided {
		if hold = at.Acked; hold > p.off+e.MaxSpan {
			hold = packet.NoOffset // acknowledges what cannot be: not to be waited for
		}
	}
	if off == x.off && x.q.len() == 0 && !c.waits(p, hold) {
		c.deliver(e, side, &at, b, cut, why, h)
		return
	}
	if off > x.off && (x.awaited() == nil || !x.follow(off, end)) {
		x.OutOfOrder++
	}
	c.buffer(e, side, h, &chunk{off: off, data: b, cut: cut, why: why, at: at, hold: hold, start: off, end: end})
}

// reached reports whether all before off was delivered or given up. A FIN takes a
// sequence number, but is no data.
func (h *Half) reached(off int64) bool { return off <= h.off || h.fin >= 0 && h.off >= h.fin }

// waits reports whether what was sent with knowledge of p's stream up to hold has to
// wait for that. A side that has sent nothing yet is waited for once: its packets may
// come later in the capture than the answers to them, or not at all.
func (c *Conn) waits(p *Half, hold int64) bool {
	if c.opening > 0 {
		return true
	}
	if !p.seen {
		return !c.oneSided && hold != packet.NoOffset
	}
	return !p.reached(hold)
}

// deliver hands bytes at the stream's end to the handler, and what was cut behind them.
func (c *Conn) deliver(e *Env, side int, at *packet.Pos, b []byte, cut int64, why cutReason, h Handler) {
	x := &c.Halves[side]
	if len(b) > 0 {
		at.Offset = x.off
		x.hist = e.Hist.add(x.hist, x.off, at.Acked, b)
		x.off += int64(len(b))
		x.next += uint32(len(b))
		x.DeliveredBytes += int64(len(b))
		x.StreamBytes += int64(len(b))
		h.Data(side, *at, b)
	}
	if cut > 0 {
		if cut -= c.mend(e, side, at, cut, h); cut > 0 && !c.await(side, at, cut, why, h) {
			c.gap(side, *at, cut, why, h)
		}
	}
}

// mend hands over what another tap has of the n bytes that were cut from the packet at at,
// from the first on, and returns how many that were.
func (c *Conn) mend(e *Env, side int, at *packet.Pos, n int64, h Handler) int64 {
	x := &c.Halves[side]
	b := h.Cut(side, x.next, n)
	if len(b) == 0 {
		return 0
	}
	x.Filled += int64(len(b))
	c.deliver(e, side, at, b, 0, notCut, h)
	return int64(len(b))
}

func (c *Conn) gap(side int, at packet.Pos, n int64, why cutReason, h Handler) {
	x := &c.Halves[side]
	at.Offset = x.off
	if k := len(x.holes); k > 0 && x.holes[k-1].to == x.off {
		x.holes[k-1].to += n
	} else {
		if k == maxHoles {
			x.holes = x.holes[:copy(x.holes, x.holes[1:])]
		}
		x.holes = append(x.holes, hole{x.off, x.off + n})
	}
	x.off += n
	x.next += uint32(n)
	x.Gaps++
	x.GapBytes += n
	switch why {
	case cutSnaplen:
		c.Anomalies.Add(exchange.AnomalySnaplenCut)
	case cutMirror:
		c.Anomalies.Add(exchange.AnomalyMirrorTruncated)
	default:
		c.Anomalies.Add(exchange.AnomalyLostSegment)
	}
	h.Gap(side, at, n, why.gap())
}

// old accounts for the part of b that lies before the stream's end, compares it
// with the first copy, and returns the rest and its offset.
func (c *Conn) old(e *Env, side int, b []byte, off, number int64, h Handler) ([]byte, int64) {
	x := &c.Halves[side]
	n := min(int64(len(b)), x.off-off)
	dup := b[:n]
	if n <= 1 && int64(len(b)) == n && off == x.off-1 && x.late(off, n) == 0 {
		// A keep-alive probe sends one byte again, whose value means nothing (RFC 9293, section 3.8.4).
		c.Anomalies.Add(exchange.AnomalyKeepaliveProbe)
		x.DuplicateBytes += n
		return b[n:], off + n
	}
	if off < 0 { // before the first byte that the capture knows of
		before := min(n, -off)
		x.BeforeStart += before
		x.DiscardedBytes += before
		dup, off, n = dup[before:], off+before, n-before
		b = b[before:]
	}
	if n > 0 {
		x.sentAgain(n)
		late := min(x.late(off, n), n)
		x.Late += late
		x.DiscardedBytes += late
		same, differ, unknown, where := e.Hist.compare(x.hist, off, dup)
		x.DuplicateBytes += same + unknown - late
		if differ > 0 {
			x.ConflictBytes += differ
			second := dup[where-off:]
			first := c.Run(e.Hist, side, c.Seq(side, where), len(second))
			x.conflict(where, number, first, second)
			if !tellConflict(h, side, where, first, second) {
				c.Anomalies.Add(exchange.AnomalyRetransmissionDiffers)
				c.Anomalies.Add(exchange.AnomalyOverlapConflict)
			}
		}
	}
	return b[n:], off + n
}

// sentAgain counts n bytes that came before, unless a mirror made the packet.
func (h *Half) sentAgain(n int64) {
	if !h.copied {
		h.Retransmissions++
		h.RetransmitBytes += n
	}
}

// conflict records two copies of the stream from off on.
func (h *Half) conflict(off, number int64, first, second []byte) {
	if len(h.Conflicts) < exchange.MaxConflicts {
		n := min(len(second), exchange.MaxConflictBytes)
		first = first[:min(len(first), n)]
		h.Conflicts = append(h.Conflicts, exchange.Conflict{Offset: off, Packet: number, First: bytes.Clone(first), Second: bytes.Clone(second[:n])})
	}
}

// maxTold bounds of how many stretches of one packet a Handler is told that they differ;
// the last is then taken to reach to the end.
const maxTold = 64

// tellConflict tells h where two copies of the stream from off on differ. It reports whether
// h has noted all of it.
func tellConflict(h Handler, side int, off int64, a, b []byte) bool {
	n, noted, told := min(len(a), len(b)), true, 0
	for i := 0; i < n; i++ {
		if a[i] == b[i] {
			continue
		}
		to := i + 1
		for told++; to < n && (a[to] != b[to] || told == maxTold); to++ {
		}
		noted = h.Conflict(side, off+int64(i), off+int64(to)) && noted
		i = to
	}
	return noted && told > 0
}

// late returns how many of the n bytes at off lie in holes that were given up.
func (h *Half) late(off, n int64) (sum int64) {
	for _, g := range h.holes {
		sum += max(0, min(off+n, g.to)-max(off, g.from))
	}
	return sum
}

// stray deals with data far outside the window. It is left out, unless more
// data follows it in order: then the capture has lost a long stretch, whose length
// the numbers tell if they are higher, and the stream goes on there. It reports whether
// it does.
func (c *Conn) stray(e *Env, s *decap.Segment, side int, at packet.Pos, h Handler) bool {
	const enough = 4
	x := &c.Halves[side]
	if x.strays > 0 && s.Seq == x.strayNext {
		x.strays++
	} else {
		x.strays = 1
	}
	x.strayNext = s.Seq + uint32(len(s.Payload())) + s.Missing
	c.Anomalies.Add(exchange.AnomalyOutOfWindow)
	if x.strays < enough {
		x.OutOfWindow += int64(len(s.Payload()))
		x.DiscardedBytes += int64(len(s.Payload()))
		return false
	}
	x.strays = 0
	c.flushHalf(e, side, at, h)
	x.fin = -1
	if ahead := diff(s.Seq, x.next); ahead > 0 { // as far as the numbers tell: not once around
		c.gap(side, at, ahead, notCut, h)
	} else {
		x.Gaps++
		c.Anomalies.Add(exchange.AnomalyLostSegment)
		x.next = s.Seq
		h.Gap(side, at, -1, exchange.GapLost)
	}
	x.acked = x.off
	return true
}
