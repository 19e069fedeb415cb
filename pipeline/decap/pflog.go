package decap

import (
	"encoding/binary"

	"recap/reader/packet"
)

// stepPFLog reads the header of a packet filter's log: its length, which is filled up
// to a multiple of 4, and fields that say why the packet was logged.
func stepPFLog(s *state, b []byte) (Proto, []byte, error) {
	if len(b) < 2 {
		return 0, nil, s.short()
	}
	n := (int(b[0]) + 3) &^ 3
	if n < 28 || n > len(b) {
		return 0, nil, s.short()
	}
	return protoIP, b[n:], nil
}

// stepENC reads the header of OpenBSD's encapsulating interface: address family,
// security parameters index, flags.
func stepENC(s *state, b []byte) (Proto, []byte, error) {
	if len(b) < 12 {
		return 0, nil, s.short()
	}
	return protoIP, b[12:], nil
}

// stepPKTAP reads the header of Darwin's packet tap: its length, a record type, and
// the link type of what follows, little-endian.
func stepPKTAP(s *state, b []byte) (Proto, []byte, error) {
	if len(b) < 12 {
		return 0, nil, s.short()
	}
	n, link := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[8:])
	if n < 12 || n > uint32(len(b)) || link > 0xffff {
		return 0, nil, s.short()
	}
	return Link(packet.LinkType(link)), b[n:], s.deeper()
}
