package decap

import "encoding/binary"

// stepUDP reads a UDP header (RFC 768) and looks for a tunnel at its ports. A
// datagram that turns out not to carry one is plain UDP.
func stepUDP(s *state, b []byte) (Proto, []byte, error) {
	if len(b) < 8 {
		return 0, nil, DispUDP
	}
	s.sport, s.dport = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
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
