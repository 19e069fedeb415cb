package decap

import (
	"encoding/binary"

	"recap/reader/packet"
)

// stepTZSP reads a TaZmen sniffer header: version 1, type, encapsulated protocol,
// and tags up to an end tag.
func stepTZSP(s *state, b []byte) (Proto, []byte, error) {
	otherwise := DispUDP
	if !s.overUDP() {
		otherwise = DispNonIP // a link type of its own
	}
	if len(b) < 5 || b[0] != 1 || b[1] > 1 {
		return 0, nil, otherwise // other types carry no packet
	}
	var next Proto
	switch binary.BigEndian.Uint16(b[2:]) {
	case 1:
		next = protoEthernet
	case 18:
		next = Link(packet.LinkWiFi)
	default:
		return 0, nil, otherwise
	}
	for b = b[4:]; len(b) > 0; {
		switch {
		case b[0] == 1:
			s.doubt(otherwise)
			return next, b[1:], s.tunnel("tzsp", -1, false)
		case b[0] == 0:
			b = b[1:]
		case len(b) < 2 || 2+int(b[1]) > len(b):
			return 0, nil, otherwise
		default:
			b = b[2+int(b[1]):]
		}
	}
	return 0, nil, otherwise
}
