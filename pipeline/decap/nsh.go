package decap

import "encoding/binary"

// stepNSH reads a network service header (RFC 8300, section 2): a service path,
// which the two directions do not share, metadata, and the number of what follows.
func stepNSH(s *state, b []byte) (Proto, []byte, error) {
	if len(b) < 8 || b[0]>>6 != 0 {
		return 0, nil, s.short()
	}
	n := int(b[1]&0x3f) * 4
	if n < 8 || n > len(b) {
		return 0, nil, s.short()
	}
	if err := s.tunnelBelowIP("nsh", int64(binary.BigEndian.Uint32(b[4:])>>8), true); err != nil {
		return 0, nil, err
	}
	return nextProtocol(b[3]), b[n:], nil
}

// nextProtocol is what the "next protocol" of NSH (RFC 8300, section 2.2) and
// VXLAN-GPE names.
func nextProtocol(n byte) Proto {
	switch n {
	case 1:
		return protoIPv4
	case 2:
		return protoIPv6
	case 3:
		return protoEthernet
	case 4:
		return EtherType(0x894f) // NSH
	case 5:
		return EtherType(0x8847) // MPLS
	}
	return EtherType(0xffff)
}
