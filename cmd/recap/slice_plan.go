package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"recap/pipeline/bpf"
	"recap/pipeline/decap"
	"recap/pipeline/defrag"
	"recap/pipeline/exchange"
	"recap/reader/packet"
)

// This file decides which packets belong to chosen pairs. A first reading of the
// capture makes the plan, a second one copies the packets.
//
// Of a connection it takes everything from its first packet to the last one of the
// chosen pairs, and behind that whatever says nothing new: ACKs, repetitions, the
// close. Where more was said behind the chosen pairs, the close is left out with
// it, so that what is written has no hole that the capture does not have.
//
// A pair that is not complete may be so because of what came behind it: the packet
// after a hole, the close, the next pair. All that comes too. A QUIC connection tells
// nothing of where its streams stand, so all of it comes.
//
// Two connections may have the same addresses and ports in different tunnels. Which
// tunnels are those of the pair is known from the packets that the pair lists, and
// from its vantages.

// vantageTime is how far apart two taps may have seen the same, nanoseconds; as in
// the pipeline.
const vantageTime = int64(2e9)

// A chosenFlow is a connection with chosen pairs.
type chosenFlow struct {
	id              string
	from, last      int64 // first packet of the connection, last of the chosen pairs
	end             int64 // last packet of the connection
	cut             bool  // the last of the chosen pairs is not complete
	next            int64 // last packet of the first complete pair behind it; 0 for none
	firstNS, lastNS int64
	copies          bool            // seen at other places too
	stacks          map[string]bool // tunnels of those places, and its own, as stackText has them
	seeds           map[int64]bool  // packets that are known to be its
	spans           []pairSpan
	tuple           exchange.FlowKey
	lanes           map[uint32]*lane // by canonical tunnel stack
}

// A pairSpan is where the packets of a pair lie.
type pairSpan struct {
	id          string
	first, last int64
}

// A lane is what was found of a connection in one tunnel.
type lane struct {
	ours  bool
	picks []int64
	tail  []tailPacket
	end   [2]seqEnd // by side of the key: how far the sender has come
	isn   [2]seqEnd
	over  bool // another connection has begun
	more  bool // more was said behind the chosen pairs than tail holds
	said  int  // packets with payload in tail
}

// maxSaid bounds the packets with payload that a lane's tail holds.
const maxSaid = 1024

type seqEnd struct {
	seq   uint32
	known bool
}

// tailPacket is a packet behind the chosen pairs.
type tailPacket struct {
	number          int64
	held            []int64 // fragments that it was put together from
	seq, end, ack   uint32
	side            uint8
	hasACK, payload bool
}

// A picked packet is a packet to be written.
type picked struct {
	number int64
	flow   int32
}

// A plan is made from all packets of the capture, in order.
type plan struct {
	flows  []*chosenFlow
	tuples map[exchange.FlowKey][]*chosenFlow
	quics  map[exchange.FlowKey][]*chosenFlow
	dec    *decap.Decoder
	filter *bpf.Filter       // nil for all packets
	texts  map[uint32]string // of tunnel stacks
	seg    decap.Segment

	// Fragments whose datagrams are not whole, by datagram, oldest first in order.
	held   map[defrag.Key]*heldPieces
	order  []defrag.Key
	pieces int // numbers in held
}

type heldPieces struct {
	numbers []int64
	clock   int64
}

// Bounds of what is remembered of fragments: as long as datagrams are put together.
const (
	heldFor   = int64(30e9)
	maxHeld   = 1 << 16 // datagrams
	maxPieces = 1 << 22 // fragments
)

func newPlan(opt decap.Options) *plan {
	p := &plan{
		tuples: make(map[exchange.FlowKey][]*chosenFlow), quics: make(map[exchange.FlowKey][]*chosenFlow),
		texts: make(map[uint32]string), held: make(map[defrag.Key]*heldPieces),
	}
	opt.May = func([]byte) bool { return len(p.quics) > 0 }
	opt.Datagram = func(s *decap.Segment) bool {
		return p.quics[anywhere(s)] != nil
	}
	p.dec = decap.NewDecoder(opt)
	return p
}

// add puts the connection of row f into the plan, with the pairs chosen of it.
func (p *plan) add(f *flowRow, pairs []*pairPlace) error {
	client, server := f.Client.endpoint(), f.Server.endpoint()
	if !client.IP.IsValid() || !server.IP.IsValid() {
		return fmt.Errorf("%s: connection %s has no addresses", flowsParquet, f.FlowID)
	}
	c := &chosenFlow{
		id: f.FlowID, from: f.Capture.FirstPacket, end: f.Capture.LastPacket,
		firstNS: orNoTime(f.FirstNS), lastNS: orNoTime(f.LastNS), copies: len(f.Vantages) > 0,
		stacks: map[string]bool{stackText(tunnelsOf(f.Tunnels)): true}, seeds: map[int64]bool{f.Capture.FirstPacket: true},
		tuple: tupleOf(client, server), lanes: make(map[uint32]*lane),
	}
	places := func(list []vantageRow) {
		for _, v := range list {
			c.stacks[stackText(tunnelsOf(v.Tunnels))] = true
		}
	}
	places(f.Vantages)
	for _, r := range pairs {
		c.spans = append(c.spans, pairSpan{r.ID, r.Capture.FirstPacket, r.Capture.LastPacket})
		if r.Capture.LastPacket >= c.last {
			c.cut = r.State != exchange.Complete.String() || r.Capture.LastPacket == c.last && c.cut
		}
		c.from, c.last = min(c.from, r.Capture.FirstPacket), max(c.last, r.Capture.LastPacket)
		c.copies = c.copies || len(r.Vantages) > 0
		c.stacks[stackText(tunnelsOf(r.Tunnels))] = true
		places(r.Vantages)
		for _, m := range []*messagePlace{r.Request, r.Response} {
			if m != nil && len(m.Packets) > 0 {
				c.seeds[m.Packets[0]], c.seeds[m.Packets[len(m.Packets)-1]] = true, true
			}
		}
	}
	c.end = max(c.end, c.last)
	slices.SortFunc(c.spans, func(a, b pairSpan) int {
		return cmp.Or(cmp.Compare(a.first, b.first), cmp.Compare(a.last, b.last), strings.Compare(a.id, b.id))
	})
	p.flows = append(p.flows, c)
	if f.Protocol == "quic" {
		c.last = c.end
		p.quics[c.tuple] = append(p.quics[c.tuple], c)
	} else {
		p.tuples[c.tuple] = append(p.tuples[c.tuple], c)
	}
	return nil
}

// incomplete returns, by id, the connections whose last chosen pair is not complete.
func (p *plan) incomplete() map[string]*chosenFlow {
	list := map[string]*chosenFlow{}
	for _, c := range p.flows {
		if c.cut {
			list[c.id] = c
		}
	}
	return list
}

// follow looks whether r, a pair of the connection, is the next complete one.
func (c *chosenFlow) follow(r *pairPlace) {
	if r.State == exchange.Complete.String() && r.Capture.FirstPacket > c.last && (c.next == 0 || r.Capture.LastPacket < c.next) {
		c.next = r.Capture.LastPacket
	}
}

// reach makes what follows an incomplete pair part of what is taken.
func (c *chosenFlow) reach() {
	if c.next == 0 {
		c.next = c.end
	}
	c.last = max(c.last, c.next)
}

// tupleOf returns the key of the packets between two ends, whatever their tunnels.
func tupleOf(a, b exchange.Endpoint) exchange.FlowKey {
	k := exchange.FlowKey{Lo: a.IP.As16(), Hi: b.IP.As16(), LoPort: a.Port, HiPort: b.Port, V6: !a.IP.Is4()}
	if c := slices.Compare(k.Lo[:], k.Hi[:]); c > 0 || c == 0 && k.LoPort > k.HiPort {
		k.Lo, k.Hi, k.LoPort, k.HiPort = k.Hi, k.Lo, k.HiPort, k.LoPort
	}
	return k
}

// anywhere returns the key of s, whatever its tunnels.
func anywhere(s *decap.Segment) exchange.FlowKey {
	k := s.Key
	k.Stack = 0
	return k
}

// packet looks at the next packet of the capture.
func (p *plan) packet(q *packet.Packet) {
	if p.filter != nil && !p.filter.Match(q.Link, q.Data, int(q.Length)) {
		return
	}
	disp := p.dec.Decode(q, &p.seg)
	s := &p.seg
	var carry []int64
	if disp != decap.DispTCP || s.Info&decap.Reassembled != 0 {
		carry = p.fragments(q.Number, s.Clock)
	}
	if disp == decap.DispDatagram {
		for _, c := range p.quics[anywhere(s)] {
			if c.lasts(s) {
				p.datagram(c, s, carry)
			}
		}
	}
	if disp != decap.DispTCP {
		return
	}
	for ok := true; ok; ok = p.dec.More() && p.dec.Next(s) {
		for _, c := range p.tuples[anywhere(s)] {
			if c.lasts(s) {
				p.consider(c, s, carry)
			}
		}
	}
}

// fragments remembers fragments, and returns those that the packet, itself one of
// them, has made whole.
func (p *plan) fragments(number, clock int64) (whole []int64) {
	for _, piece := range p.dec.Pieces() {
		h := p.held[piece.Of]
		if h != nil && (piece.Last || clock-h.clock > heldFor) {
			if piece.Last {
				whole = append(whole, h.numbers...)
			}
			p.pieces -= len(h.numbers)
			h.numbers = h.numbers[:0]
		}
		if piece.Last {
			continue
		}
		for len(p.order) > 0 && (len(p.order) >= maxHeld || p.pieces >= maxPieces) {
			if old := p.held[p.order[0]]; old != h {
				p.pieces -= len(old.numbers)
				delete(p.held, p.order[0])
			} else {
				h = nil
			}
			p.order = p.order[1:]
		}
		if h == nil {
			h = &heldPieces{}
			p.held[piece.Of] = h
			p.order = append(p.order, piece.Of)
		}
		h.clock = clock
		h.numbers = append(append(h.numbers, whole...), number)
		p.pieces += len(whole) + 1
		whole = nil
	}
	return whole
}

// consider takes segment s, which has the addresses of c.
func (p *plan) consider(c *chosenFlow, s *decap.Segment, carry []int64) {
	n, l := s.Number, p.lane(c, s)
	if l.over {
		return
	}
	side := 0
	if s.Info&decap.FromHi != 0 {
		side = 1
	}
	if s.Flags&decap.SYN != 0 {
		if isn := &l.isn[side]; !isn.known {
			*isn = seqEnd{s.Seq, true}
		} else if isn.seq != s.Seq {
			switch {
			case n < c.from: // what came before was another connection
				*l = lane{ours: l.ours}
				l.isn[side] = seqEnd{s.Seq, true}
			case n > c.end:
				l.over = true
				return
			}
		}
	}
	l.ours = l.ours || c.stacks[p.stackText(s)] || c.seeds[n]
	if n == c.from {
		l.picks = l.picks[:0] // it begins here; what came before was not it
	}

	end := s.Seq + uint32(len(s.Payload())) + s.Missing
	payload := end != s.Seq
	if s.Flags&decap.SYN != 0 {
		end++
	}
	if s.Flags&decap.FIN != 0 {
		end++
	}
	if n <= c.last {
		l.picks = append(append(l.picks, carry...), n)
		if e := &l.end[side]; !e.known || int32(end-e.seq) > 0 {
			*e = seqEnd{end, true}
		}
		return
	}
	t := tailPacket{number: n, held: slices.Clone(carry), seq: s.Seq, end: end, ack: s.Ack, side: uint8(side),
		hasACK: s.Flags&decap.ACK != 0 && s.Flags&decap.RST == 0, payload: payload}
	switch {
	case payload && t.news(&l.end):
		if l.said++; l.said > maxSaid {
			l.more = true
			return
		}
	case l.more && !t.fits(&l.end):
		return
	}
	l.tail = append(l.tail, t)
}

// datagram takes s, which has the addresses of QUIC connection c.
func (p *plan) datagram(c *chosenFlow, s *decap.Segment, carry []int64) {
	n, l := s.Number, p.lane(c, s)
	l.ours = l.ours || c.stacks[p.stackText(s)] || c.seeds[n]
	l.picks = append(append(l.picks, carry...), n)
}

// lane returns what was found of c in the tunnel of s.
func (p *plan) lane(c *chosenFlow, s *decap.Segment) *lane {
	l := c.lanes[s.Key.Stack]
	if l == nil {
		l = &lane{}
		c.lanes[s.Key.Stack] = l
	}
	return l
}

// stackText names the tunnels of s.
func (p *plan) stackText(s *decap.Segment) string {
	text, ok := p.texts[s.Stack]
	if !ok {
		text = stackText(p.dec.Stack(s.Stack))
		p.texts[s.Stack] = text
	}
	return text
}

// lasts reports whether s was captured between the first and the last packet of c, or, where
// other taps saw c, near them.
func (c *chosenFlow) lasts(s *decap.Segment) bool {
	return (s.Number >= c.from || c.copies && near(s.TimeNS, c.firstNS)) &&
		(s.Number <= c.end || c.copies && near(s.TimeNS, c.lastNS))
}

func near(ns, at int64) bool {
	return ns != packet.NoTime && at != packet.NoTime && ns >= at-vantageTime && ns-vantageTime <= at
}

// picks returns the packets to write, rising; a packet may stand there for several
// connections.
func (p *plan) picks() []picked {
	var all []picked
	for i, c := range p.flows {
		for _, n := range c.picks() {
			all = append(all, picked{n, int32(i)})
		}
	}
	slices.SortFunc(all, func(a, b picked) int {
		return cmp.Or(cmp.Compare(a.number, b.number), cmp.Compare(a.flow, b.flow))
	})
	return slices.Compact(all)
}

func (c *chosenFlow) picks() []int64 {
	var picks []int64
	var tail []tailPacket
	var ends [2]seqEnd
	more := false
	for _, l := range c.lanes {
		if !l.ours {
			continue
		}
		more = more || l.more
		picks = append(picks, l.picks...)
		tail = append(tail, l.tail...)
		for side, e := range l.end {
			if e.known && (!ends[side].known || int32(e.seq-ends[side].seq) > 0) {
				ends[side] = e
			}
		}
	}
	slices.SortFunc(tail, func(a, b tailPacket) int { return cmp.Compare(a.number, b.number) })
	more = more || slices.ContainsFunc(tail, func(t tailPacket) bool { return t.payload && t.news(&ends) })
	for _, t := range tail {
		if more {
			// The close stays where nothing lies between it and what was said last.
			end := &ends[t.side]
			closes := end.known && !t.payload && t.seq == end.seq
			if t.news(&ends) && !closes || !t.fits(&ends) {
				continue
			}
			if closes && t.news(&ends) {
				end.seq = t.end
			}
		}
		picks = append(append(picks, t.held...), t.number)
	}
	return picks
}

// news reports whether t reaches beyond what its sender has said.
func (t *tailPacket) news(ends *[2]seqEnd) bool {
	e := ends[t.side]
	return !e.known && t.payload || e.known && int32(t.end-e.seq) > 0
}

// fits reports whether t acknowledges nothing beyond what the other side has said.
func (t *tailPacket) fits(ends *[2]seqEnd) bool {
	e := ends[1-t.side]
	return !t.hasACK || !e.known || int32(t.ack-e.seq) <= 0
}

// found reports whether anything of the connection was found.
func (c *chosenFlow) found() bool {
	for _, l := range c.lanes {
		if l.ours && len(l.picks) > 0 {
			return true
		}
	}
	return false
}

// A commentator says of each packet what it was taken for. Packets come in order.
type commentator struct {
	flows []*chosenFlow
	next  []int // of each flow, the first span that has not ended
}

// shownPairs bounds the pairs that one comment names.
const shownPairs = 4

// about returns the comment for packet q of the named file, which stands for flows.
func (c *commentator) about(q *packet.Packet, file string, flows []int32) string {
	if c.next == nil {
		c.next = make([]int, len(c.flows))
	}
	var parts []string
	for _, i := range flows {
		f := c.flows[i]
		at := &c.next[i]
		for *at < len(f.spans) && f.spans[*at].last < q.Number {
			*at++
		}
		var ids []string
		more := 0
		for _, s := range f.spans[*at:] {
			if s.first > q.Number {
				break
			}
			if s.last < q.Number {
				continue
			}
			if len(ids) == shownPairs {
				more++
				continue
			}
			ids = append(ids, s.id)
		}
		parts = append(parts, sliceComment(f.id, ids, more))
	}
	return strings.Join(parts, "; ") + "; " + slicePlace(file, q)
}
