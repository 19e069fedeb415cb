package decap

import "encoding/binary"

// stepPPPoE reads the header of a PPPoE session (RFC 2516, section 4): version and
// type 1, code 0, session, length.
func stepPPPoE(s *state, b []byte) (Proto, []byte, error) {
	if len(b) < 6 {
		return 0, nil, s.short()
	}
	if b[0] != 0x11 || b[1] != 0 {
		return 0, nil, DispNonIP
	}
	if err := s.tunnelBelowIP("pppoe", int64(binary.BigEndian.Uint16(b[2:])), false); err != nil {
		return 0, nil, err
	}
	n, rest := int(binary.BigEndian.Uint16(b[4:])), b[6:]
	return protoPPP, rest[:min(n, len(rest))], nil
}
