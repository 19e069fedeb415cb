package decap

// stepAYIYA reads an AYIYA header (draft-massar-v6ops-ayiya-02, section 3):
// lengths of identity and signature, operation, next header, epoch.
func stepAYIYA(s *state, b []byte) (Proto, []byte, error) {
	if len(b) < 8 {
		return 0, nil, DispUDP
	}
	n := 8 + 1<<(b[0]>>4) + 4*int(b[1]>>4)
	const forward = 1
	if n >= len(b) || b[2]&15 != forward || b[3] != 41 || b[n]>>4 != 6 {
		return 0, nil, DispUDP
	}
	s.doubt(DispUDP)
	return protoIPv6, b[n:], s.tunnel("ayiya", -1, false)
}
