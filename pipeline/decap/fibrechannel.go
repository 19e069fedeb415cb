package decap

// stepFibreChannel reads a frame of Fibre Channel (FC-FS, clause 9), perhaps behind the
// word that begins it on the wire: with type 5 an IP packet (RFC 4338) behind LLC, and
// often long addresses.
func stepFibreChannel(s *state, b []byte) (Proto, []byte, error) {
	const header, delimiter, device, ip = 24, 4, 4, 5
	if s.proto == Link(225) {
		b = b[min(len(b), delimiter):]
	}
	if len(b) < header {
		return 0, nil, s.short()
	}
	if b[0]&15 != device || b[8] != ip {
		return 0, nil, DispNonIP
	}
	n := header
	for _, o := range [...]struct {
		flag byte
		size int
	}{{0x40, 8}, {0x20, 16}} { // security, addresses
		if b[13]&o.flag != 0 {
			n += o.size
		}
	}
	if n += 8 << (b[13] & 3) &^ 8; n > len(b) { // a device header of 16, 32 or 64 bytes
		return 0, nil, s.short()
	}
	return EtherType(0), b[n:], nil
}
