package decap

import (
	"encoding/binary"

	"recap/reader/packet"
)

// stepJuniper reads what Juniper routers put before the packets that they capture: a
// magic number, flags, perhaps extensions with their length.
func stepJuniper(s *state, b []byte) (Proto, []byte, error) {
	const extensions, noLink = 0x80, 0x02
	if len(b) < 4 || b[0] != 'M' || b[1] != 'G' || b[2] != 'C' {
		return 0, nil, s.short()
	}
	flags, n := b[3], 4
	if flags&extensions != 0 {
		if len(b) < 6 {
			return 0, nil, s.short()
		}
		n = 6 + int(binary.BigEndian.Uint16(b[4:]))
	}
	next := protoEthernet
	switch s.proto {
	case Link(179):
		next = protoPPPFrame
	case Link(181):
		next = Link(packet.LinkCHDLC)
	}
	if flags&noLink != 0 {
		next, n = protoIP, n+4 // after the number of a protocol
	}
	if n > len(b) {
		return 0, nil, s.short()
	}
	return next, b[n:], nil
}

// stepJMirror reads the header of Juniper's packet mirroring: the mirror's and the
// session's number, and the subscriber's packet, of IP or PPP.
func stepJMirror(s *state, b []byte) (Proto, []byte, error) {
	if len(b) < 8+20 {
		return 0, nil, DispUDP
	}
	next := protoIP
	switch rest := b[8:]; {
	case rest[0] == 0xff && rest[1] == 3 && rest[2] == 0 && (rest[3] == 0x21 || rest[3] == 0x57):
		next = protoPPPFrame
	case rest[0]>>4 != 4 && rest[0]>>4 != 6:
		return 0, nil, DispUDP
	}
	s.doubt(DispUDP)
	return next, b[8:], s.tunnel("jmirror", int64(binary.BigEndian.Uint32(b[4:])), true)
}
