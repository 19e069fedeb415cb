package decap

import "encoding/binary"

// stepPPP reads a PPP protocol field: two bytes, or one where the first is odd
// (RFC 1661, sections 2 and 6.5).
func stepPPP(s *state, b []byte) (Proto, []byte, error) {
	switch {
	case len(b) >= 1 && b[0]&1 != 0:
		return PPPProto(uint16(b[0])), b[1:], nil
	case len(b) < 2:
		return 0, nil, s.short()
	}
	return PPPProto(binary.BigEndian.Uint16(b)), b[2:], nil
}

// stepPPPFrame reads the address and control bytes of PPP in HDLC-like framing
// (RFC 1662, section 3.1), which links may leave out (RFC 1661, section 6.6).
func stepPPPFrame(s *state, b []byte) (Proto, []byte, error) {
	if len(b) >= 2 && b[0] == 0xff && b[1] == 3 {
		b = b[2:]
	}
	return protoPPP, b, nil
}

// stepPPPBridged reads the header of a bridged frame (RFC 3518, section 4.2): flags with
// the length of padding, the kind of frame, perhaps the number of a network.
func stepPPPBridged(s *state, b []byte) (Proto, []byte, error) {
	const hasNetwork, ethernet = 0x40, 1
	if len(b) < 2 {
		return 0, nil, s.short()
	}
	n := 2
	if b[0]&hasNetwork != 0 {
		n += 4
	}
	if b[1] != ethernet || n > len(b) {
		return 0, nil, DispNonIP
	}
	return protoEthernet, b[n:], s.deeper()
}

// stepPPPMultilink reads the header of a packet on one of several links (RFC 1990,
// section 3): whether it is the first and the last part, and 24 bits of sequence. Parts
// of packets are not put together.
func stepPPPMultilink(s *state, b []byte) (Proto, []byte, error) {
	const whole = 0xc0 // first and last
	if len(b) < 4 {
		return 0, nil, s.short()
	}
	if b[0]&^0x3f != whole {
		return 0, nil, dispMultilinkPart
	}
	return protoPPP, b[4:], s.deeper()
}
