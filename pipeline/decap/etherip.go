package decap

// stepEtherIP reads an EtherIP header (RFC 3378, section 3): version 3 and zeros.
func stepEtherIP(s *state, b []byte) (Proto, []byte, error) {
	if len(b) < 2 || b[0]>>4 != 3 {
		return 0, nil, s.short()
	}
	return protoEthernet, b[2:], s.tunnel("etherip", -1, false)
}
