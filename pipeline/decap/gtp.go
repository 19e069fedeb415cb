package decap

import "encoding/binary"

// stepGTPU reads a GTP-U header (3GPP TS 29.281, section 5): version 1, type 255
// for user data, the receiver's tunnel endpoint, and extension headers. The payload
// is IP.
func stepGTPU(s *state, b []byte) (Proto, []byte, error) {
	if len(b) < 8 || b[0]>>4&^1 != 2 || b[1] != 255 {
		return 0, nil, DispUDP
	}
	const protocolType, extension, optional = 0x10, 4, 7
	if b[0]&protocolType == 0 {
		return 0, nil, DispUDP // GTP', charging records
	}
	n, end := 8, 8+int(binary.BigEndian.Uint16(b[2:]))
	if end != len(b) || b[0]&8 != 0 {
		s.doubt(DispUDP)
	}
	if b[0]&optional != 0 {
		if n += 4; n > len(b) {
			return 0, nil, DispUDP
		}
		// Each extension header ends with the type of the next; its length counts
		// units of 4 bytes (section 5.2.1).
		for b[0]&extension != 0 && b[n-1] != 0 {
			if n >= len(b) || b[n] == 0 || n+4*int(b[n]) > len(b) {
				return 0, nil, DispUDP
			}
			n += 4 * int(b[n])
		}
	}
	if n >= len(b) || b[n]>>4 != 4 && b[n]>>4 != 6 {
		return 0, nil, DispUDP
	}
	if err := s.tunnel("gtpu", int64(binary.BigEndian.Uint32(b[4:])), true); err != nil {
		return 0, nil, err
	}
	return protoIP, b[n:], nil
}
