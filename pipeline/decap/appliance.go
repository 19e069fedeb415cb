package decap

import (
	"encoding/binary"

	"recap/reader/packet"
)

// stepSymantec reads what Symantec's firewalls (once Raptor) put before packets: the
// address of the interface and an EtherType among zeros, in one of two lengths that the
// place of the type tells.
func stepSymantec(s *state, b []byte) (Proto, []byte, error) {
	const older, newer = 44, 56
	if len(b) < older {
		return 0, nil, s.short()
	}
	switch first, second := binary.BigEndian.Uint16(b[6:]), binary.BigEndian.Uint16(b[10:]); {
	case first != 0 && second == 0:
		return EtherType(first), b[older:], nil
	case first == 0 && second != 0 && len(b) >= newer:
		return EtherType(second), b[newer:], nil
	}
	return 0, nil, s.short()
}

// stepRedback reads the header of Redback's SmartEdge routers: context, flags, circuit,
// length, kind of packet, and where its network layer and its data begin. A distance
// between the two is an Ethernet header.
func stepRedback(s *state, b []byte) (Proto, []byte, error) {
	const header, ip, firstFrame, secondFrame, broadcast = 24, 1, 3, 4, 8
	if len(b) < header {
		return 0, nil, s.short()
	}
	network, data := int(binary.BigEndian.Uint16(b[20:])), int(binary.BigEndian.Uint16(b[22:]))
	if network < header || network > len(b) {
		return 0, nil, s.short()
	}
	switch kind := binary.BigEndian.Uint16(b[18:]); {
	case data > network, kind == firstFrame, kind == secondFrame, kind == broadcast:
		return protoEthernet, b[network:], nil
	case kind == ip:
		return protoIP, b[network:], nil
	}
	return 0, nil, DispNonIP
}

// stepSITA reads the 5 bytes of SITA's wide area adapters: direction, signals, errors,
// and the protocol of the line.
func stepSITA(s *state, b []byte) (Proto, []byte, error) {
	const header = 5
	if len(b) < header {
		return 0, nil, s.short()
	}
	switch b[4] {
	case 2:
		return protoEthernet, b[header:], nil
	case 7:
		return protoPPPFrame, b[header:], nil
	case 9:
		return Link(6), b[header:], nil // Token Ring
	case 12:
		return Link(packet.LinkFrameRelay), b[header:], nil
	}
	return 0, nil, DispNonIP
}

// stepSLIP reads a packet of a serial line, of which BSD keeps direction and compressed
// header in 16 bytes before it.
func stepSLIP(s *state, b []byte) (Proto, []byte, error) {
	const header = 16
	if len(b) > header && b[0] <= 1 {
		b = b[header:]
	}
	return protoIP, b, nil
}
