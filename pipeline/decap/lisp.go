package decap

import "encoding/binary"

// stepLISP reads a LISP data header (RFC 9300, section 5.1): flags, a nonce, and 24
// bits of instance where a flag says so. What follows is IP, or with the flag P (RFC
// 9305) what the fourth byte numbers as NSH does.
func stepLISP(s *state, b []byte) (Proto, []byte, error) {
	const instance, protocol = 0x08, 0x04
	if len(b) < 8+20 {
		return 0, nil, DispUDP
	}
	next, id := protoIP, int64(-1)
	switch {
	case b[0]&protocol != 0:
		next = nextProtocol(b[3])
	case b[8]>>4 != 4 && b[8]>>4 != 6:
		return 0, nil, DispUDP
	}
	if b[0]&instance != 0 {
		id = int64(binary.BigEndian.Uint32(b[4:]) >> 8)
	}
	s.doubt(DispUDP)
	return next, b[8:], s.tunnel("lisp", id, false)
}

// stepMobileIP reads a data message of Mobile IP through address translation (RFC
// 3519, section 3.2): type 4, the number of the protocol inside, 2 bytes reserved.
func stepMobileIP(s *state, b []byte) (Proto, []byte, error) {
	const data = 4
	if len(b) < 4+20 || b[0] != data || b[1] != 4 && b[1] != 41 {
		return 0, nil, DispUDP
	}
	s.doubt(DispUDP)
	return protoIP, b[4:], s.tunnel("mip", -1, false)
}
