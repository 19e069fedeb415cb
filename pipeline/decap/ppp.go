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
