package decap

import "encoding/binary"

// stepSLL reads the header of LINKTYPE_LINUX_SLL: packet type, hardware type,
// address length, 8 bytes of address, protocol.
func stepSLL(s *state, b []byte) (Proto, []byte, error) {
	if len(b) < 16 {
		return 0, nil, s.short()
	}
	return sllProto(binary.BigEndian.Uint16(b[2:]), binary.BigEndian.Uint16(b[14:])), b[16:], nil
}

// stepSLL2 reads the header of LINKTYPE_LINUX_SLL2: protocol, 2 bytes reserved,
// interface, hardware type, packet type, address length, 8 bytes of address.
func stepSLL2(s *state, b []byte) (Proto, []byte, error) {
	if len(b) < 20 {
		return 0, nil, s.short()
	}
	return sllProto(binary.BigEndian.Uint16(b[8:]), binary.BigEndian.Uint16(b)), b[20:], nil
}

// sllProto tells what a protocol field means under a hardware type (ARPHRD_ number).
// Numbers below 1536 are Linux's own and none of them leads to IP but LLC's.
func sllProto(hardware, proto uint16) Proto {
	const (
		netlink = 824
		llc     = 4
	)
	switch {
	case proto == llc:
		return EtherType(0) // LLC of unknown length
	case hardware == netlink || proto <= maxLength:
		return EtherType(0xffff)
	}
	return EtherType(proto)
}
