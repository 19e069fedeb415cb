package decap

import (
	"recap/pipeline/defrag"
	"recap/pipeline/exchange"
	"recap/reader/packet"
)

// Options of a [Decoder]. The zero value works.
type Options struct {
	// TunnelPorts adds UDP ports, of "stt" TCP ports, to the usual ones of the tunnels
	// it names ("vxlan", "geneve", …; "fou" has none); an empty list switches the tunnel off. A port that is named for
	// one tunnel and usual for another belongs to the one that is named.
	TunnelPorts map[string][]uint16
	// MaxDepth bounds encapsulations in one packet: tunnels, VLAN tags and MPLS
	// labels together. 0 means 16.
	MaxDepth int
	// FragmentBytes bounds the memory of incomplete datagrams, a sixteenth of it that
	// of frames of IEEE 802.11 beside them. 0 means 64 MiB.
	FragmentBytes int64
	// FragmentTimeout is how long fragments are held, in nanoseconds of the
	// capture clock. 0 means 30 s.
	FragmentTimeout int64
	// MaxStacks bounds the different tunnel stacks, and VLAN stacks, of a capture: as
	// seen and as part of flow keys, with those around them. Packets of further ones
	// are undecodable. 0 means 1<<20 - 1, which is also the most; that many of
	// either kind take 64 MiB.
	MaxStacks int
	// MergeTunnels leaves tunnels out of the flow key.
	MergeTunnels bool
	// Datagram claims UDP datagrams by their content: one that it returns true for is
	// handed out like a TCP segment. It is asked only for payloads whose first byte has
	// the bit 0x40, and of them those that May returns true for. Both nil: none are.
	Datagram func(s *Segment) bool
	May      func(payload []byte) bool
}

// defaultDepth is Options.MaxDepth where it is 0.
const defaultDepth = 16

// A Decoder peels packets. One goroutine owns it; only Stack and VLANStack may be
// called from others.
type Decoder struct {
	opt       Options
	list      []encapsulation
	table     [spaces]uint8 // index into list by Proto; 0 for none
	vxlan     uint8         // index of vxlan in list, for the fast path
	vxlanType uint8
	tcpPorts  []uint16 // where the tunnel over TCP is expected
	sttSeen   bool     // a frame of STT that proved itself
	acl       map[uint64]aclPart
	aclID     uint32
	clock     clock
	state     state
	frags     *defrag.Table[fragContext]
	frames802 *defrag.Numbered[fragContext] // of IEEE 802.11

	tunnels *table
	vlans   *table
	near    [1 << nearBits]nearStack
	vlan1   [4096]uint32 // numbers of stacks of one tag; 0 for none yet
	types   [128]string  // of tunnels; entries never change
	ntypes  int

	counts    [256]int64 // by Disposition
	links     map[packet.LinkType]int64
	packets   int64
	badIPSum  int64
	later     []later // frames of the packet that come after the one decoded
	packet    Segment // its number, time and place, where there are such
	frames    int64   // decoded of later
	badFrames int64   // of them undecodable, in packets that gave a segment
	slowOnly  bool    // tests compare the two paths
}

// NewDecoder returns a Decoder.
func NewDecoder(opt Options) *Decoder {
	if opt.MaxDepth <= 0 {
		opt.MaxDepth = defaultDepth
	}
	if opt.MaxStacks <= 0 || opt.MaxStacks > maxStacks {
		opt.MaxStacks = maxStacks
	}
	d := &Decoder{
		opt:     opt,
		list:    list(),
		frags:   defrag.New[fragContext](defrag.Options{MaxBytes: opt.FragmentBytes, Timeout: opt.FragmentTimeout}),
		tunnels: newTable(opt.MaxStacks),
		vlans:   newTable(opt.MaxStacks),
		links:   make(map[packet.LinkType]int64),
		acl:     make(map[uint64]aclPart),
	}
	d.frames802 = defrag.NewNumbered[fragContext](defrag.Options{MaxBytes: opt.FragmentBytes / 16})
	d.state.d = d
	d.slowOnly = opt.MaxDepth < 2 // the fast path goes through one tag and one tunnel
	for i := 1; i < len(d.list); i++ {
		e := &d.list[i]
		for _, p := range e.from {
			d.table[p] = uint8(i)
		}
		if named, ok := opt.TunnelPorts[e.name]; !ok || len(named) > 0 {
			d.listen(i, e.ports)
		}
		if e.ports != nil && e.name == vxlanName {
			d.vxlan, d.vxlanType = uint8(i), d.typeOf(vxlanName)
		}
	}
	for i := 1; i < len(d.list); i++ {
		if e := &d.list[i]; e.ports != nil {
			d.listen(i, opt.TunnelPorts[e.name])
		}
	}
	return d
}

// listen gives UDP ports to an encapsulation of the list.
func (d *Decoder) listen(i int, ports []uint16) {
	if d.list[i].overTCP {
		d.tcpPorts = append(d.tcpPorts, ports...)
		return
	}
	for _, p := range ports {
		d.table[UDPPort(p)] = uint8(i)
		if d.list[i].bothPorts {
			d.table[spaceUDPSource|Proto(p)] = uint8(i)
		}
	}
}

// Decode peels p. Where it returns [DispTCP], s holds the innermost TCP segment, where
// [DispDatagram] a UDP datagram, and
// [Decoder.Next] the further ones of a packet that holds several frames;
// else only Number, TimeNS, Clock, Interface and FileIndex of s mean anything.
func (d *Decoder) Decode(p *packet.Packet, s *Segment) Disposition {
	d.packets++
	s.Number, s.TimeNS = p.Number, p.TimeNS
	s.Wire = max(p.Length, uint32(len(p.Data)))
	s.Interface, s.FileIndex = p.Interface, p.FileIndex
	s.Clock = d.clock.advance(p.TimeNS)
	if len(d.later) > 0 {
		d.later = d.later[:0]
	}
	if p.Link == packet.LinkEthernet && p.FCSLen == 0 && !d.slowOnly {
		if disp, ok := d.fast(p.Data, s); ok {
			d.counts[disp]++
			return disp
		}
	}
	disp := d.slow(p, s)
	if disp >= dispLink {
		d.links[packet.LinkType(disp-dispLink)]++
		return disp
	}
	d.counts[disp]++
	return disp
}

// slow decodes p step by step.
func (d *Decoder) slow(p *packet.Packet, seg *Segment) Disposition {
	s := &d.state
	s.reset()
	s.truncated, s.now = p.Truncated(), seg.Clock
	b := p.Data
	s.lost = max(0, int(p.Length)-len(b))
	if p.FCSLen != 0 {
		// The last FCSLen bytes on the wire are no payload; a cut frame may hold
		// some of them or none.
		b = b[:max(0, min(int64(len(b)), int64(p.Length)-int64(p.FCSLen)))]
		s.lost = max(0, s.lost-int(p.FCSLen))
	}
	disp := s.run(Link(p.Link), b, seg)
	if len(d.later) == 0 {
		return disp
	}
	d.packet = Segment{Number: seg.Number, TimeNS: seg.TimeNS, Clock: seg.Clock, Interface: seg.Interface, FileIndex: seg.FileIndex}
	return d.firstOf(disp, seg)
}

// Stack returns the tunnels of stack i, outermost first; nil for 0. It may be
// called from any goroutine that i reached by way of the Decoder's own.
func (d *Decoder) Stack(i uint32) []exchange.Tunnel {
	n := 0
	for j := i; j != 0; j = d.tunnels.at(j).parent {
		n++
	}
	if n == 0 {
		return nil
	}
	stack := make([]exchange.Tunnel, n)
	for ; i != 0; n-- {
		t := d.tunnels.at(i)
		e := exchange.Tunnel{Type: d.types[t.typ&^canonical], ID: t.id}
		if t.hasAddr {
			e.Src, e.Dst = exchange.Addr(t.src, t.v6), exchange.Addr(t.dst, t.v6)
		}
		stack[n-1] = e
		i = t.parent
	}
	return stack
}

// Tunnels is Stack with the options of one packet of stack i, whose [Segment.Outer]
// is outer. It may be called as Stack may.
func (d *Decoder) Tunnels(i uint32, outer []byte) []exchange.Tunnel {
	stack := d.Stack(i)
	for i := range stack {
		if stack[i].Type == geneveName && len(outer) >= geneveHeader {
			stack[i].Options, outer = geneveOptions(outer)
		}
	}
	return stack
}

// VLANStack returns the VLAN identifiers of stack i, outermost first, those inside
// tunnels included; nil for 0. It may be called as Stack may.
func (d *Decoder) VLANStack(i uint32) []int32 {
	n := 0
	for j := i; j != 0; j = d.vlans.at(j).parent {
		n++
	}
	if n == 0 {
		return nil
	}
	stack := make([]int32, n)
	for ; i != 0; n-- {
		t := d.vlans.at(i)
		stack[n-1] = int32(t.id)
		i = t.parent
	}
	return stack
}

// intern returns the numbers of stack with t on top: as seen, and canonical, where
// key is the canonical number of stack.
//
// Canonical stacks hold what both directions of a conversation share: the types,
// and the ids that name a tenant. A run of MPLS labels counts as one there, since
// switches pop labels on the way.
func (d *Decoder) intern(stack, key uint32, t *tunnel) (uint32, uint32, bool) {
	n := node{src: t.src, dst: t.dst, id: t.id, parent: stack, typ: d.typeOf(t.name), hasAddr: t.hasAddr, v6: t.v6}
	if !t.hasAddr {
		n.src, n.dst, n.v6 = [16]byte{}, [16]byte{}, false
	}
	i, old := d.tunnels.find(&n)
	if i == 0 {
		return 0, 0, false
	}
	if old {
		key = d.tunnels.at(i).key
		return i, key, key != noKey
	}
	c := node{id: t.keyID, parent: key, typ: n.typ | canonical}
	switch {
	case d.opt.MergeTunnels:
		key = 0
	case t.name == mplsName && key != 0 && d.tunnels.at(key).typ == c.typ:
	default:
		if key, _ = d.tunnels.find(&c); key == 0 {
			d.tunnels.at(i).key = noKey // the table is full; i stays unused
			return 0, 0, false
		}
	}
	d.tunnels.at(i).key = key
	return i, key, true
}

// canonical marks the type of a canonical node, which has no addresses.
const canonical = 0x80

// noKey is the canonical number of a stack that got none.
const noKey = 1<<32 - 1

// typeOf returns the number of a tunnel type. There are as many as the steps
// have names for: a few dozen.
func (d *Decoder) typeOf(name string) uint8 {
	for i, t := range d.types[:d.ntypes] {
		if t == name {
			return uint8(i)
		}
	}
	d.types[d.ntypes] = name
	d.ntypes++
	return uint8(d.ntypes - 1)
}

// internVLAN returns the number of VLAN stack i with id on top.
func (d *Decoder) internVLAN(i uint32, id uint16) (uint32, bool) {
	if i == 0 && d.vlan1[id] != 0 {
		return d.vlan1[id], true
	}
	j, _ := d.vlans.find(&node{id: int64(id), parent: i})
	if i == 0 {
		d.vlan1[id] = j
	}
	return j, j != 0
}

// Counts tells what a Decoder saw, beside the dispositions.
type Counts struct {
	Packets    int64 // packets decoded: the sum of all dispositions
	TCP        int64 // those that gave a segment
	BadIPSum   int64 // segments with a wrong IPv4 header checksum on the way
	Frames     int64 // frames decoded beside the first of packets that hold several
	BadFrames  int64 // undecodable ones of those, in packets that gave a segment
	Stacks     int   // different tunnel stacks, canonical ones included
	VLANStacks int
	Fragments  defrag.Counts
}

// Counts returns what d saw so far.
func (d *Decoder) Counts() Counts {
	return Counts{
		Packets: d.packets, TCP: d.counts[DispTCP], BadIPSum: d.badIPSum,
		Frames: d.frames, BadFrames: d.badFrames,
		Stacks: int(d.tunnels.used), VLANStacks: int(d.vlans.used),
		Fragments: d.frags.Counts(),
	}
}

// FirstIncomplete returns the packets, at most five, with which the first datagrams
// began whose fragments did not all come.
func (d *Decoder) FirstIncomplete() []int64 { return d.frags.FirstIncomplete() }

// AddTo adds the dispositions of all packets but those that gave a segment or datagram to m,
// under their names in the ledger ([exchange.Ledger].Packets).
func (d *Decoder) AddTo(m map[string]int64) {
	for i, n := range d.counts {
		if n != 0 && Disposition(i) > DispDatagram {
			m[Disposition(i).String()] += n
		}
	}
	for l, n := range d.links {
		m[linkDisposition(l).String()] += n
	}
}
