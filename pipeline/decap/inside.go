package decap

import (
	"recap/pipeline/defrag"
)

// A Piece tells that a packet was a fragment.
type Piece struct {
	Of   defrag.Key // the datagram that it is part of
	Last bool       // which it made complete
}

// Pieces tells which fragments the packet decoded last was, outermost first: of
// several datagrams where fragments are nested. It may be asked where Decode gave
// no segment, or one that is Reassembled, and holds until the next packet.
func (d *Decoder) Pieces() []Piece { return d.state.pieces }

// An Inside is what the headers of a packet told that gave no segment.
type Inside struct {
	Src, Dst         [16]byte // innermost IP addresses, IPv4 as IPv4-mapped IPv6
	SrcPort, DstPort uint16   // of a packet that is [DispUDP]
	HasIP, V6        bool
}

// Inside tells of the packet decoded last, where Decode gave no segment.
func (d *Decoder) Inside() Inside {
	s := &d.state
	return Inside{Src: s.src, Dst: s.dst, SrcPort: s.sport, DstPort: s.dport, HasIP: s.haveIP, V6: s.v6}
}
