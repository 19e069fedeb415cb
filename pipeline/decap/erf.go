package decap

import (
	"encoding/binary"

	"recap/reader/packet"
)

// stepERF reads a record of Endace's cards as other formats carry it (LINKTYPE_ERF):
// time, type, flags, lengths of the record and the frame, extension headers of 8 bytes
// whose first bit says that another follows, and what the type puts before the frame.
// Package reader/erf reads files of them.
func stepERF(s *state, b []byte) (Proto, []byte, error) {
	const header, extension, more = 16, 8, 0x80
	if len(b) < header {
		return 0, nil, s.short()
	}
	next, before := erfRecord(b[8] &^ more)
	n, wire := header, int(binary.BigEndian.Uint16(b[14:]))
	for follows := b[8]&more != 0; follows; n += extension {
		if len(b) < n+extension {
			return 0, nil, s.short()
		}
		follows = b[n]&more != 0
	}
	if n += before; n > len(b) {
		return 0, nil, s.short()
	}
	if next == Link(packet.LinkATM) {
		wire -= 4 // the header of the cell counts
	}
	return next, b[n:min(len(b), n+max(0, wire))], s.deeper()
}

// erfRecord tells what a record of type typ holds, and how many bytes stand before it:
// offset and padding of Ethernet, the number of a channel, the header of an ATM cell.
func erfRecord(typ byte) (Proto, int) {
	switch typ {
	case 2, 11, 16, 20:
		return protoEthernet, 2
	case 1, 10, 15, 19:
		return Link(packet.LinkCHDLC), 0
	case 5, 17:
		return Link(packet.LinkCHDLC), 4
	case 4:
		return Link(packet.LinkATM), 4
	case 9:
		return Link(packet.LinkATM), 8
	case 22, 23:
		return protoIP, 0
	}
	return EtherType(0xffff), 0
}
