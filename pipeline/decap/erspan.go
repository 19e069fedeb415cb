package decap

import "encoding/binary"

const erspanName = "erspan"

// stepERSPAN2 reads a header of ERSPAN type II (draft-foschiano-erspan-03,
// section 4.2): version 1, session in 10 bits. Sessions of the two directions of
// a conversation may differ.
func stepERSPAN2(s *state, b []byte) (Proto, []byte, error) {
	if len(b) < 8 {
		return 0, nil, s.short()
	}
	if b[0]>>4 == 2 {
		return EtherType(typeERSP3), b, nil // type III under the number of type II
	}
	if b[0]>>4 != 1 {
		return 0, nil, s.short()
	}
	if err := s.tunnel(erspanName, int64(binary.BigEndian.Uint16(b[2:])&0x3ff), true); err != nil {
		return 0, nil, err
	}
	return protoEthernet, b[8:], nil
}

// stepERSPAN3 reads a header of ERSPAN type III (section 4.3): version 2, session,
// time, security group, frame type, and perhaps a platform sub-header of 8 bytes.
func stepERSPAN3(s *state, b []byte) (Proto, []byte, error) {
	if len(b) < 12 || b[0]>>4 != 2 {
		return 0, nil, s.short()
	}
	if err := s.tunnel(erspanName, int64(binary.BigEndian.Uint16(b[2:])&0x3ff), true); err != nil {
		return 0, nil, err
	}
	frame, rest := b[10]>>2&0x1f, b[12:]
	if b[11]&1 != 0 {
		if len(rest) < 8 {
			return 0, nil, s.short()
		}
		rest = rest[8:]
	}
	switch frame {
	case 0:
		return protoEthernet, rest, nil
	case 2:
		return protoIP, rest, nil
	}
	return 0, nil, DispNonIP
}
