package decap

// typeBPQ names amateur radio in Ethernet, as the BPQ driver has it.
const typeBPQ = spaceEther | 0x08ff

// stepAX25 reads a frame of amateur radio (AX.25, section 3), behind the byte of KISS, in
// Ethernet behind a length, or behind nothing: addresses up to one whose last bit is set,
// control, the number of a protocol.
func stepAX25(s *state, b []byte) (Proto, []byte, error) {
	const address, most, supervisory, unnumbered, ui, poll, ip = 7, 10, 1, 3, 3, 0x10, 0xcc
	switch {
	case s.proto == typeBPQ:
		b = b[min(len(b), 2):]
	case s.proto != Link(202):
	case len(b) < 1 || b[0]&15 != 0:
		return 0, nil, DispNonIP // a command to the modem
	default:
		b = b[1:]
	}
	n := address
	for n <= len(b) && n < most*address && b[n-1]&1 == 0 {
		n += address
	}
	if n < 2*address || len(b) < n+2 || b[n-1]&1 == 0 {
		return 0, nil, s.short()
	}
	control := b[n]
	if control&3 == supervisory || control&3 == unnumbered && control&^poll != ui || b[n+1] != ip {
		return 0, nil, DispNonIP
	}
	return protoIPv4, b[n+2:], nil
}
