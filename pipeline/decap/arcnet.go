package decap

import "recap/reader/packet"

// stepARCnet reads the header of an ARCNET packet (RFC 1201; RFC 1051 for the old
// numbers): addresses, in Linux's form an offset, the protocol, and but for the old
// numbers a split flag and a sequence number.
func stepARCnet(s *state, b []byte) (Proto, []byte, error) {
	const ipOld, ip, ip6 = 240, 212, 196
	n := 2
	if s.proto == Link(packet.LinkType(129)) {
		n += 2
	}
	if len(b) <= n {
		return 0, nil, s.short()
	}
	var next Proto
	switch typ := b[n]; {
	case typ == ipOld:
		return protoIPv4, b[n+1:], nil
	case typ == ip:
		next = protoIPv4
	case typ == ip6:
		next = protoIPv6
	default:
		return 0, nil, DispNonIP
	}
	// A flag says that the packet is one of several; Linux puts them together.
	if len(b) < n+4 || b[n+1] != 0 {
		return 0, nil, s.short()
	}
	return next, b[n+4:], nil
}
