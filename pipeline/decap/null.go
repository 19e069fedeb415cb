package decap

import "encoding/binary"

// stepNull reads the address family of BSD loopback captures: 4 bytes in the
// writer's byte order (LINKTYPE_NULL) or in network order (LINKTYPE_LOOP). Files
// have both where they should not, and a family is a small number, so the order
// that makes it small is taken.
func stepNull(s *state, b []byte) (Proto, []byte, error) {
	if len(b) < 4 {
		return 0, nil, s.short()
	}
	af := binary.LittleEndian.Uint32(b)
	if af > 0xffff {
		af = binary.BigEndian.Uint32(b)
	}
	rest := b[4:]
	switch af {
	case 2:
		return protoIPv4, rest, nil
	// NetBSD and OpenBSD, FreeBSD, Darwin; Linux and Windows number it so too.
	case 24, 28, 30, 10, 23:
		return protoIPv6, rest, nil
	}
	if af > maxLength && af <= 0xffff {
		return EtherType(uint16(af)), rest, nil // written by tools that take it for one
	}
	return 0, nil, DispNonIP
}

// stepRaw reads no header: the version nibble says which IP it is.
func stepRaw(s *state, b []byte) (Proto, []byte, error) {
	if len(b) == 0 {
		return 0, nil, s.short()
	}
	switch b[0] >> 4 {
	case 4:
		return protoIPv4, b, nil
	case 6:
		return protoIPv6, b, nil
	}
	return 0, nil, dispIPVersion
}
