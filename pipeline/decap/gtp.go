package decap

import "encoding/binary"

// stepGTPU reads a GTP-U header (3GPP TS 29.281, section 5): version 1, type 255
// for user data, the receiver's tunnel endpoint, and extension headers.
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
	next, ok := s.d.userPacket(b[min(n, len(b)):])
	if !ok {
		return 0, nil, DispUDP
	}
	if err := s.tunnel("gtpu", int64(binary.BigEndian.Uint32(b[4:])), true); err != nil {
		return 0, nil, err
	}
	return next, b[n:], nil
}

// userPacket tells what a subscriber's packet b begins with, which no field says: IP, or
// in sessions that carry Ethernet a frame, whose first address may look like IP.
func (d *Decoder) userPacket(b []byte) (Proto, bool) {
	switch {
	case len(b) == 0:
		return 0, false
	case (b[0]>>4 == 4 || b[0]>>4 == 6) && (provesIP(b) || !provesFrame(b)):
		return protoIP, true
	}
	return protoEthernet, d.plausibleEthernet(b)
}

// stepGTPv0 reads a user packet of GTP version 0 (3GPP TS 09.60, section 6): 20 bytes
// with type 255, length, sequence, a flow label that the receiver chose, and the
// subscriber's tunnel.
func stepGTPv0(s *state, b []byte) (Proto, []byte, error) {
	const header, charging, userPacket = 20, 0x10, 255
	if len(b) < header || b[0]>>5 != 0 || b[0]&charging == 0 || b[1] != userPacket {
		return 0, nil, DispUDP
	}
	next, ok := s.d.userPacket(b[header:])
	if !ok {
		return 0, nil, DispUDP
	}
	s.doubt(DispUDP)
	return next, b[header:], s.tunnel("gtpv0", int64(binary.BigEndian.Uint16(b[6:])), true)
}
