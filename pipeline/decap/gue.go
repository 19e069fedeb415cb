package decap

import "encoding/binary"

// stepGUE reads generic UDP encapsulation (draft-ietf-intarea-gue, section 3): of variant
// 0, a length of optional fields and the number of an IP protocol; of variant 1 an IP
// packet at once. What neither length nor checksum proves is none of it.
func stepGUE(s *state, b []byte) (Proto, []byte, error) {
	const variant, direct, control, length = 0xc0, 0x40, 0x20, 0x1f
	if len(b) < 4 {
		return 0, nil, DispUDP
	}
	switch {
	case b[0]&variant == direct:
		return s.directIP("gue", b)
	case b[0]&(variant|control) != 0:
		return 0, nil, DispUDP
	}
	next, n := b[1], 4+int(b[0]&length)*4
	if n > len(b) {
		return 0, nil, DispUDP
	}
	const gre, etherIP, mpls = 47, 97, 137
	switch rest := b[n:]; next {
	case 4, 41:
		return s.directIP("gue", rest)
	case gre, etherIP, mpls:
		if s.missing == 0 && !s.holdsIP(next, rest) {
			return 0, nil, DispUDP
		}
		s.doubt(DispUDP)
		return IPProto(next), rest, s.tunnel("gue", -1, false)
	default: // a segment between the hosts of the tunnel themselves
		if s.missing > 0 || !s.provesPayload(next, rest) {
			return 0, nil, DispUDP
		}
		return IPProto(next), rest, s.tunnel("gue", -1, false)
	}
}

// holdsIP reports whether an IP packet or a frame with one is at the end of b, behind the
// header of IP protocol next.
func (s *state) holdsIP(next byte, b []byte) bool {
	n := 2 // of EtherIP
	switch next {
	case 47:
		if len(b) < 4 {
			return false
		}
		n = 4
		for flags := binary.BigEndian.Uint16(b) & 0xb000; flags != 0; flags &= flags - 1 {
			n += 4 // checksum, key and sequence number
		}
	case 137:
		for n = 4; n <= len(b) && b[n-2]&1 == 0; n += 4 {
			continue
		}
	}
	return n < len(b) && (provesIP(b[n:]) || provesFrame(b[n:]))
}

// stepFOU reads IP directly behind UDP (foo over UDP of Linux), which no port is known for.
func stepFOU(s *state, b []byte) (Proto, []byte, error) { return s.directIP("fou", b) }

// directIP takes b for an IP packet in a tunnel over UDP, if it surely is one.
func (s *state) directIP(name string, b []byte) (Proto, []byte, error) {
	if !provesIP(b) && (s.missing == 0 || len(b) < 40 || b[0]>>4 != 6 || 40+int(binary.BigEndian.Uint16(b[4:])) != len(b)+s.missing) {
		return 0, nil, DispUDP
	}
	s.doubt(DispUDP)
	return protoIP, b, s.tunnel(name, -1, false)
}
