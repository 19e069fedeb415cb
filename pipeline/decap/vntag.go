package decap

import "encoding/binary"

// stepVNTag reads a VN-Tag (Cisco's; that of IEEE is the E-TAG): 4 bytes of virtual
// interfaces, which are no tunnel and say nothing of the conversation, and a type.
func stepVNTag(s *state, b []byte) (Proto, []byte, error) {
	if len(b) < 6 {
		return 0, nil, s.short()
	}
	return EtherType(binary.BigEndian.Uint16(b[4:])), b[6:], s.deeper()
}

// stepETag reads an E-TAG (IEEE 802.1BR, clause 7.5): 6 bytes of virtual ports, and a
// type.
func stepETag(s *state, b []byte) (Proto, []byte, error) {
	if len(b) < 8 {
		return 0, nil, s.short()
	}
	return EtherType(binary.BigEndian.Uint16(b[6:])), b[8:], s.deeper()
}
