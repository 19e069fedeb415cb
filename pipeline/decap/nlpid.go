package decap

import "encoding/binary"

// stepNLPID reads the number of a network layer protocol (ISO/IEC TR 9577), which frame
// relay, LLC and X.25 put before packets: IP, PPP, or SNAP with another number.
func stepNLPID(s *state, b []byte) (Proto, []byte, error) {
	const snap, ip, ip6, ppp = 0x80, 0xcc, 0x8e, 0xcf
	if len(b) < 1 {
		return 0, nil, s.short()
	}
	switch b[0] {
	case ip:
		return protoIPv4, b[1:], nil
	case ip6:
		return protoIPv6, b[1:], nil
	case ppp:
		return protoPPPFrame, b[1:], nil
	case snap:
		if len(b) < 6 {
			return 0, nil, s.short()
		}
		switch oui, typ := [3]byte(b[1:]), binary.BigEndian.Uint16(b[4:]); {
		case oui == [3]byte{}:
			return EtherType(typ), b[6:], nil
		case oui == [3]byte{0, 0x80, 0xc2} && (typ == 1 || typ == 7):
			return protoEthernet, b[6:], nil
		}
	}
	return 0, nil, DispNonIP
}
