package decap

import (
	"encoding/binary"
	"slices"

	"recap/reader/packet"
)

// A Proto names the header that comes next, in the way the header before it does:
// by an EtherType, an IP protocol number, a UDP port and so on. Make one with
// Link, EtherType, IPProto, UDPPort or PPPProto.
type Proto uint32

// Spaces of numbers. UDP source ports are a space of their own since few tunnels
// answer from their port.
const (
	spaceLink Proto = iota << 16
	spaceEther
	spaceIP
	spaceUDP
	spaceUDPSource
	spacePPP
	spaceOwn
	spaces
)

// Protos that no number space has.
const (
	protoPPP         = spaceOwn + iota // the protocol field of PPP, of one or two bytes
	protoPPPFrame                      // PPP, perhaps with address and control before it
	protoPseudowire                    // what MPLS carries that is not IP
	protoERSPAN                        // type II
	protoAMSDU                         // 802.11 frames behind each other
	protoCAPWAPFrame                   // an 802.11 frame, the bytes of its control perhaps swapped
	protoISL                           // an Ethernet frame to a group address of ISL
	protoOverTCP                       // what looks like a TCP segment, to the port of a tunnel
	protoSTT                           // a frame of STT put together
	protoSegment                       // a TCP segment that is no tunnel
	protoBIER                          // behind a label of MPLS
	protoHCI                           // between a Bluetooth host and its controller
	protoACL                           // data of a Bluetooth connection
	protoL2CAP                         // a frame of such
	protoUSB                           // data of a bulk transfer
	protoDOCSIS                        // one of several frames on a cable
	protoNLPID                         // a number as ISO/IEC TR 9577 has them
	protoGeoCommon                     // GeoNetworking behind its basic header
)

// Link names what a packet of link type l starts with.
func Link(l packet.LinkType) Proto { return spaceLink | Proto(l) }

// EtherType names what an EtherType names; numbers below 0x600 are 802.3 lengths.
func EtherType(t uint16) Proto { return spaceEther | Proto(t) }

// IPProto names what the protocol field of IP names.
func IPProto(p uint8) Proto { return spaceIP | Proto(p) }

// UDPPort names what is expected in a datagram to that port.
func UDPPort(p uint16) Proto { return spaceUDP | Proto(p) }

// PPPProto names what a PPP protocol field names.
func PPPProto(p uint16) Proto { return spacePPP | Proto(p) }

// Often named protocols.
const (
	protoEthernet = spaceEther | 0x6558 // transparent Ethernet bridging
	protoIPv4     = spaceEther | 0x0800
	protoIPv6     = spaceEther | 0x86dd
	protoIP       = spaceLink | Proto(packet.LinkRaw) // either, by the version nibble
	protoTCP      = spaceIP | 6
)

// unknown is what a packet is whose next header no encapsulation reads.
func (p Proto) unknown() Disposition {
	switch p &^ 0xffff {
	case spaceLink:
		return linkDisposition(packet.LinkType(p))
	case spaceIP:
		return DispOtherIP
	case spaceUDP, spaceUDPSource:
		return DispUDP
	}
	return DispNonIP
}

// A Step reads one header at the start of b: it notes in s what it tells, and
// returns what follows and where. A non-nil error is a [Disposition] and ends the
// decoding. b may be empty; a Step that finds its header cut returns s.short().
type Step func(s *state, b []byte) (next Proto, rest []byte, err error)

// An encapsulation is one line of the list: a Step and what leads to it.
type encapsulation struct {
	name  string // type of its tunnels, key of Options.TunnelPorts
	short string // reason for a cut or malformed header; empty for name_header
	step  Step
	from  []Proto
	// ports are the UDP ports where Options.TunnelPorts has none for name.
	ports []uint16
	// bothPorts: datagrams from the port carry it too.
	bothPorts bool
	// overTCP: the ports are those of TCP, and from has protoOverTCP.
	overTCP bool
}

// A tunnel is an encapsulation of the packet being decoded.
type tunnel struct {
	name     string
	id       int64
	keyID    int64 // what of id is the same in both directions; -1 for nothing
	src, dst [16]byte
	hasAddr  bool
	v6       bool
}

// tunnelled reports whether the TCP segment b goes to the port of a tunnel.
func (d *Decoder) tunnelled(b []byte) bool {
	return len(b) >= 4 && slices.Contains(d.tcpPorts, binary.BigEndian.Uint16(b[2:]))
}

// state is what the steps learn of one packet.
type state struct {
	d     *Decoder
	proto Proto // of the header that the step reads
	cur   uint8 // its encapsulation, index into d.list

	src, dst     [16]byte // innermost IP addresses so far
	sport, dport uint16   // of the innermost UDP header
	missing      int      // bytes that the innermost IP length promises beyond the bytes present
	ipID         uint16
	ttl          uint8
	haveIP, v6   bool
	jumbo        bool        // IPv6 payload length 0
	guess        Disposition // of the packet if a tunnel whose header proves little was none; 0 for no doubt
	truncated    bool        // the capture cut the packet
	lost         int         // bytes that the capture cut off the packet's end
	wifiPad      bool        // 802.11 headers are padded
	inDOCSIS     bool        // frames of DOCSIS follow each other
	wifiSwapped  bool        // the next 802.11 header has its first two bytes swapped
	now          int64       // capture clock
	info         Info
	macs         [12]byte // destination, source
	depth        int
	tunnels      []tunnel
	vlans        []uint16
	pieces       []Piece
	seg          *Segment
	geneves      []byte // headers of the GENEVE tunnels, outermost first
	ngeneve      int
}

func (s *state) reset() {
	s.missing, s.ipID, s.ttl, s.info, s.depth = 0, 0, 0, 0, 0
	s.haveIP, s.v6, s.jumbo, s.guess = false, false, false, 0
	s.sport, s.dport = 0, 0
	s.geneves, s.ngeneve = nil, 0
	s.wifiPad, s.wifiSwapped, s.inDOCSIS = false, false, false
	s.macs, s.tunnels, s.vlans, s.pieces = [12]byte{}, s.tunnels[:0], s.vlans[:0], s.pieces[:0]
}

// short is the error of a step whose header is malformed or cut.
func (s *state) short() error { return dispHeader + Disposition(s.cur) }

// doubt notes that the packet is disp if nothing readable follows: a port or a
// heuristic alone led to a tunnel. The outermost doubt counts.
func (s *state) doubt(disp Disposition) {
	if s.guess == 0 {
		s.guess = disp
	}
}

// overUDP reports whether the step reads what a UDP port led to.
func (s *state) overUDP() bool {
	space := s.proto &^ 0xffff
	return space == spaceUDP || space == spaceUDPSource
}

// deeper counts one more encapsulation.
func (s *state) deeper() error {
	if s.depth++; s.depth > s.d.opt.MaxDepth {
		return dispDepth
	}
	return nil
}

// tunnel notes a tunnel between the innermost IP addresses so far. The id tells
// tenants apart, -1 for none; perDirection says that it differs between the two
// directions of one conversation, so that it may not be part of the flow key.
func (s *state) tunnel(name string, id int64, perDirection bool) error {
	t := tunnel{name: name, id: id, keyID: id, src: s.src, dst: s.dst, hasAddr: s.haveIP, v6: s.v6}
	if perDirection {
		t.keyID = -1
	}
	return s.push(&t)
}

// tunnelBelowIP is tunnel for one without addresses.
func (s *state) tunnelBelowIP(name string, id int64, perDirection bool) error {
	t := tunnel{name: name, id: id, keyID: id}
	if perDirection {
		t.keyID = -1
	}
	return s.push(&t)
}

func (s *state) push(t *tunnel) error {
	if err := s.deeper(); err != nil {
		return err
	}
	s.tunnels = append(s.tunnels, *t)
	return nil
}

// vlan notes a VLAN tag.
func (s *state) vlan(id uint16) error {
	if err := s.deeper(); err != nil {
		return err
	}
	s.vlans = append(s.vlans, id&0xfff)
	return nil
}

// setMACs notes the addresses at the start of an Ethernet header.
func (s *state) setMACs(b []byte) {
	copy(s.macs[:], b[:12])
	s.info |= HasMAC
}

// setAddr4 notes the addresses of an IPv4 header.
func (s *state) setAddr4(b []byte) {
	putAddr4(&s.src, b[12:16])
	putAddr4(&s.dst, b[16:20])
	s.haveIP, s.v6, s.jumbo = true, false, false
}

// setAddr6 notes the addresses of an IPv6 header.
func (s *state) setAddr6(b []byte) {
	copy(s.src[:], b[8:24])
	copy(s.dst[:], b[24:40])
	s.haveIP, s.v6, s.jumbo = true, true, false
}

// putAddr4 writes a as an IPv4-mapped IPv6 address (RFC 4291, section 2.5.5.2).
func putAddr4(to *[16]byte, a []byte) {
	binary.LittleEndian.PutUint64(to[:8], 0)
	binary.LittleEndian.PutUint64(to[8:], uint64(binary.LittleEndian.Uint32(a))<<32|0xffff_0000)
}

// run takes steps from p on until one ends the decoding, and fills seg where it
// ends at a TCP segment.
func (s *state) run(p Proto, b []byte, seg *Segment) Disposition {
	s.seg = seg
	disp := s.steps(p, b, seg)
	if s.guess != 0 && (disp == DispNonIP || disp.Undecodable() && disp != dispDepth && disp != dispTunnelTable) {
		return s.guess
	}
	return disp
}

func (s *state) steps(p Proto, b []byte, seg *Segment) Disposition {
	// Steps that deepen nothing (IPv6 extension headers, LLC) end too.
	for left := 16 + 8*s.d.opt.MaxDepth; left > 0; left-- {
		switch p {
		case protoTCP:
			if !s.d.tunnelled(b) {
				return s.tcp(b, seg)
			}
			p = protoOverTCP
		case protoSegment:
			return s.tcp(b, seg)
		}
		cur := s.d.table[p]
		if cur == 0 {
			return p.unknown()
		}
		s.proto, s.cur = p, cur
		var err error
		if p, b, err = s.d.list[cur].step(s, b); err != nil {
			return err.(Disposition)
		}
	}
	return dispDepth
}

// stack returns the numbers of the packet's tunnel stack: as seen, and canonical.
func (s *state) stack() (stack, key uint32, ok bool) {
	for i := range s.tunnels {
		t := &s.tunnels[i]
		if stack, key, ok = s.d.intern(stack, key, t); !ok {
			return 0, 0, false
		}
	}
	return stack, key, true
}

// vlanStack returns the number of the packet's VLAN stack.
func (s *state) vlanStack() (i uint32, ok bool) {
	for _, id := range s.vlans {
		if i, ok = s.d.internVLAN(i, id); !ok {
			return 0, false
		}
	}
	return i, true
}

// tcp fills seg from the TCP segment b (RFC 9293, section 3.1).
func (s *state) tcp(b []byte, seg *Segment) Disposition {
	promised := len(b) + s.missing
	switch {
	case promised < 20:
		return dispTCPHeader
	case len(b) < 20:
		return dispTCPHeaderCut
	}
	switch hl := int(b[12] >> 4 * 4); {
	case hl < 20 || hl > promised:
		return dispTCPHeader
	case hl > len(b):
		return dispTCPHeaderCut
	default:
		seg.HeaderLen = uint8(hl)
	}
	if disp := s.fill(b, seg); disp != DispTCP {
		return disp
	}
	if seg.Info&BadIPSum != 0 {
		s.d.badIPSum++
	}
	return DispTCP
}

// fill fills seg from what the headers told, and from the segment or datagram b, whose
// header has seg.HeaderLen bytes.
func (s *state) fill(b []byte, seg *Segment) Disposition {
	stack, key, ok := s.stack()
	if !ok {
		return dispTunnelTable
	}
	vlans, ok := s.vlanStack()
	if !ok {
		return dispVLANTable
	}
	seg.Stack, seg.VLANs = stack, vlans
	seg.Missing = uint32(s.missing)
	seg.IPID, seg.TTL = s.ipID, s.ttl
	copy(seg.DstMAC[:], s.macs[:6])
	copy(seg.SrcMAC[:], s.macs[6:])
	info := s.info
	if s.v6 || s.ipID == 0 {
		info |= NoIPID
	}
	if s.missing > 0 {
		if s.truncated {
			info |= CutBySnaplen
		} else {
			info |= CutByMirror
		}
	}
	if len(s.geneves) > geneveHeader*s.ngeneve {
		info |= hasOptions
		seg.outer = s.geneves
	}
	seg.Info = info
	if seg.HeaderLen >= 20 {
		seg.setTCP(b)
	} else {
		seg.TCP = b
	}
	seg.setKey(&s.src, &s.dst, key, s.v6)
	return DispTCP
}
