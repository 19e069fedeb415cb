package decap

import "encoding/binary"

// stepTRILL reads a TRILL header (RFC 6325, section 3.2): flags and hops, the nicknames
// of the switches at both ends, options in units of 4 bytes, the customer's frame.
func stepTRILL(s *state, b []byte) (Proto, []byte, error) {
	if len(b) < 6 {
		return 0, nil, s.short()
	}
	flags := binary.BigEndian.Uint16(b)
	n := 6 + int(flags>>6&0x1f)*4
	if flags>>14 != 0 || n > len(b) {
		return 0, nil, s.short()
	}
	return protoEthernet, b[n:], s.tunnelBelowIP("trill", -1, false)
}

// stepFabricPath reads what Cisco's FabricPath puts between its addresses and the
// customer's frame: 10 bits that name the forwarding tree, 6 of hops left. The two
// directions of a conversation may take different trees.
func stepFabricPath(s *state, b []byte) (Proto, []byte, error) {
	if len(b) < 2 {
		return 0, nil, s.short()
	}
	return protoEthernet, b[2:], s.tunnelBelowIP("fabricpath", int64(binary.BigEndian.Uint16(b)>>6), true)
}

// stepBatman reads a unicast packet of the mesh protocol B.A.T.M.A.N. advanced, of
// compatibility version 14 or 15, which number their kinds of packets differently. One
// kind also has an address of the sender.
func stepBatman(s *state, b []byte) (Proto, []byte, error) {
	const unicast14, fourAddresses14, unicast15, fourAddresses15 = 0x03, 0x09, 0x40, 0x42
	if len(b) < 2 {
		return 0, nil, s.short()
	}
	n := 10 // kind, version, hops, number of the table, receiver
	switch {
	case b[1] == 14 && b[0] == unicast14, b[1] == 15 && b[0] == unicast15:
	case b[1] == 14 && b[0] == fourAddresses14, b[1] == 15 && b[0] == fourAddresses15:
		n += 8
	default:
		return 0, nil, DispNonIP // routing, broadcasts, parts of frames
	}
	if n > len(b) {
		return 0, nil, s.short()
	}
	return protoEthernet, b[n:], s.tunnelBelowIP("batman", -1, false)
}

// stepRedundancy reads the tags of seamless redundancy, between the addresses and a
// frame's own type: that of HSR (IEC 62439-3, clause 5.8) and the R-TAG (IEEE 802.1CB,
// clause 7.8), both of 4 bytes. What a ring carries twice is two copies.
func stepRedundancy(s *state, b []byte) (Proto, []byte, error) {
	if len(b) < 6 {
		return 0, nil, s.short()
	}
	return EtherType(binary.BigEndian.Uint16(b[4:])), b[6:], s.deeper()
}

// stepMetaData reads Cisco's metadata tag, which says what security group sent a frame:
// version, the length of its options in units of 4 bytes, the options, a type.
func stepMetaData(s *state, b []byte) (Proto, []byte, error) {
	if len(b) < 2 {
		return 0, nil, s.short()
	}
	n := 2 + int(b[1])*4
	if b[0] != 1 || len(b) < n+2 {
		return 0, nil, s.short()
	}
	return EtherType(binary.BigEndian.Uint16(b[n:])), b[n+2:], s.deeper()
}

// isISL reports whether b is a frame of Cisco's Inter-Switch Link, around one of
// Ethernet: to one of its two group addresses, whose low half byte is the kind of
// frame, and with LLC as only it has.
func isISL(b []byte) bool {
	return len(b) >= islHeader && b[0]|2 == 3 && b[1] == 0 && b[2] == 0x0c && b[3] == 0 && b[4] == 0 && b[5]>>4 == 0 &&
		b[14] == 0xaa && b[15] == 0xaa && b[16] == 3
}

// islHeader is the length of what ISL puts before a frame.
const islHeader = 26

// stepISL reads the header of an ISL frame: addresses and length, LLC, the maker of the
// sender, 15 bits of VLAN and one for frames of the spanning tree, index, reserved.
func stepISL(s *state, b []byte) (Proto, []byte, error) {
	if len(b) < islHeader {
		return 0, nil, s.short()
	}
	return protoEthernet, b[islHeader:], s.vlan(binary.BigEndian.Uint16(b[20:]) >> 1)
}
