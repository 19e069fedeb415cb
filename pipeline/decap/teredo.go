package decap

import "encoding/binary"

// stepTeredo reads what stands before the IPv6 packet in a Teredo datagram (RFC
// 4380, section 5.1.1): perhaps an authentication, perhaps an origin.
func stepTeredo(s *state, b []byte) (Proto, []byte, error) {
	if len(b) >= 4 && b[0] == 0 && b[1] == 1 {
		n := 4 + int(b[2]) + int(b[3]) + 9 // identifier, authentication, nonce, confirmation
		if n > len(b) {
			return 0, nil, DispUDP
		}
		b = b[n:]
	}
	if len(b) >= 8 && b[0] == 0 && b[1] == 0 {
		b = b[8:]
	}
	if len(b) < 40 || b[0]>>4 != 6 {
		return 0, nil, DispUDP
	}
	if 40+int(binary.BigEndian.Uint16(b[4:])) != len(b) {
		s.doubt(DispUDP)
	}
	return protoIPv6, b, s.tunnel("teredo", -1, false)
}
