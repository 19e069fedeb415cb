package decap

import "encoding/binary"

// stepCHDLC reads Cisco's HDLC header: address, control 0, EtherType.
func stepCHDLC(s *state, b []byte) (Proto, []byte, error) {
	if len(b) < 4 {
		return 0, nil, s.short()
	}
	if b[0] == 0xff && b[1] == 3 {
		return protoPPP, b[2:], nil // the link types of PPP are mixed up now and then
	}
	return EtherType(binary.BigEndian.Uint16(b[2:])), b[4:], nil
}

// stepFDDI reads an FDDI header: frame control, addresses, LLC.
func stepFDDI(s *state, b []byte) (Proto, []byte, error) {
	if len(b) < 13 {
		return 0, nil, s.short()
	}
	if b[0]&0xf0 != 0x50 {
		return 0, nil, DispNonIP // no LLC frame
	}
	s.setMACs(b[1:])
	return EtherType(0), b[13:], nil
}
