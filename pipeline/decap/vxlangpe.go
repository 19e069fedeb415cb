package decap

import "encoding/binary"

// stepVXLANGPE reads the header of the generic protocol extension for VXLAN
// (draft-ietf-nvo3-vxlan-gpe, section 3): that of VXLAN with a flag that says that
// the fourth byte numbers what follows.
func stepVXLANGPE(s *state, b []byte) (Proto, []byte, error) {
	const instance, protocol, version = 0x08, 0x04, 0x30
	if len(b) < 8 || b[0]&(instance|version) != instance {
		return 0, nil, DispUDP
	}
	next := protoEthernet
	if b[0]&protocol != 0 {
		next = nextProtocol(b[3])
	}
	if b[0]&^(instance|protocol) != 0 || b[1]|b[2]|b[7] != 0 || next == EtherType(0xffff) {
		s.doubt(DispUDP)
	}
	if err := s.tunnel("vxlan-gpe", int64(binary.BigEndian.Uint32(b[4:])>>8), false); err != nil {
		return 0, nil, err
	}
	return next, b[8:], nil
}
