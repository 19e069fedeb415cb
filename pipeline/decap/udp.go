package decap

import "encoding/binary"

// stepUDP reads a UDP header (RFC 768) and looks for a tunnel at its ports. A
// datagram that turns out not to carry one is plain UDP.
//
// A datagram whose first byte has the bit that all QUIC packets have is shown to
// Options.Datagram first: its port may be one that a tunnel uses too.
func stepUDP(s *state, b []byte) (Proto, []byte, error) {
	if len(b) < 8 {
		return 0, nil, DispUDP
	}
	s.sport, s.dport = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	if len(b) > 8 && b[8]&0x40 != 0 && s.d.opt.Datagram != nil && s.claimed(b) {
		return 0, nil, DispDatagram
	}
	p := UDPPort(s.dport)
	if s.d.table[p] == 0 {
		if p = spaceUDPSource | Proto(s.sport); s.d.table[p] == 0 {
			return 0, nil, DispUDP
		}
	}
	// Lengths of 0 (jumbograms, segmentation offload) and below 8 are not believed.
	if n := int(binary.BigEndian.Uint16(b[4:])); n >= 8 && n < len(b) {
		b = b[:n]
	}
	return p, b[8:], nil
}

// claimed fills s.seg from the datagram b and reports whether Options.Datagram claims it.
func (s *state) claimed(b []byte) bool {
	if !s.d.opt.May(b[8:]) || len(s.d.later) > 0 || !s.haveIP {
		return false
	}
	missing := s.missing
	if n := int(binary.BigEndian.Uint16(b[4:])); n > 8 && n <= len(b) {
		b, s.missing = b[:n], 0 // what is missing is none of it
	}
	s.seg.HeaderLen = 8
	ok := s.fill(b, s.seg) == DispTCP && s.d.opt.Datagram(s.seg)
	s.missing = missing
	return ok
}
