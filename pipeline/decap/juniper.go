package decap

import (
	"encoding/binary"

	"recap/reader/packet"
)

// Link types of what Juniper's routers capture on their own cards.
const (
	juniperMLPPP    packet.LinkType = 130
	juniperMLFR     packet.LinkType = 131
	juniperGGSN     packet.LinkType = 133
	juniperATM2     packet.LinkType = 135
	juniperServices packet.LinkType = 136
	juniperATM1     packet.LinkType = 137
	juniperPPPoE    packet.LinkType = 167
	juniperPPPoEATM packet.LinkType = 168
	juniperEthernet packet.LinkType = 178
	juniperPPP      packet.LinkType = 179
	juniperRelay    packet.LinkType = 180
	juniperCHDLC    packet.LinkType = 181
	juniperVoice    packet.LinkType = 183
	juniperSecure   packet.LinkType = 200
)

// juniperLinks are those types, and some more of which nothing is known but that a
// packet stands somewhere behind the header.
func juniperLinks() []Proto {
	var l []Proto
	for _, n := range [...]packet.LinkType{
		juniperMLPPP, juniperMLFR, 132, juniperGGSN, 134, juniperATM2, juniperServices, juniperATM1, 164, juniperPPPoE,
		juniperPPPoEATM, juniperEthernet, juniperPPP, juniperRelay, juniperCHDLC, juniperVoice, 194, juniperSecure, 232, 233, 238,
	} {
		l = append(l, Link(n))
	}
	return l
}

// stepJuniper reads what Juniper routers put before the packets that they capture: a
// magic number, flags, perhaps extensions with their length, and what the card adds.
func stepJuniper(s *state, b []byte) (Proto, []byte, error) {
	const extensions, noLink, inbound = 0x80, 0x02, 0x01
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
	if n > len(b) {
		return 0, nil, s.short()
	}
	if b = b[n:]; flags&noLink == 0 {
		return s.juniperCard(b, flags&inbound != 0)
	}
	if len(b) < 4 {
		return 0, nil, s.short()
	}
	number := binary.LittleEndian.Uint32(b)
	if b = b[4:]; number == 0xa248 && len(b) >= 4 {
		b = b[4:] // of unknown meaning
	}
	return juniperProto(number), b, nil
}

// juniperProto is what Juniper's numbers of protocols name.
func juniperProto(number uint32) Proto {
	switch number {
	case 2, 3, 4:
		return protoIPv4
	case 5:
		return EtherType(0x8847)
	case 6, 7, 8:
		return protoIPv6
	case 200:
		return protoPPP
	case 201, 205, 206:
		return EtherType(0xffff) // OSI, cells and calls
	case 202, 203:
		return EtherType(0) // LLC
	case 204:
		return protoEthernet
	case 207:
		return Link(packet.LinkFrameRelay)
	case 208:
		return Link(packet.LinkCHDLC)
	}
	return protoIP
}

// juniperCard reads what the kind of card puts before a packet.
func (s *state) juniperCard(b []byte, inbound bool) (Proto, []byte, error) {
	next, n := protoIP, 0
	switch packet.LinkType(s.proto) {
	case juniperEthernet, juniperPPPoE:
		return protoEthernet, b, nil
	case juniperPPP:
		return protoPPPFrame, b, nil
	case juniperRelay:
		return Link(packet.LinkFrameRelay), b, nil
	case juniperCHDLC:
		return Link(packet.LinkCHDLC), b, nil
	case juniperATM1, juniperATM2:
		return s.juniperATM(b)
	case juniperSecure:
		return s.juniperSecure(b)
	case juniperGGSN:
		if n = 4; len(b) >= n { // number of the protocol, VLAN
			next = juniperProto(uint32(binary.LittleEndian.Uint16(b)))
		}
	case juniperPPPoEATM:
		if n = 2; len(b) >= n {
			next = EtherType(binary.BigEndian.Uint16(b))
		}
	case juniperVoice:
		n = 18
	case juniperServices:
		if n = 12; inbound {
			n = 16
		}
	default:
		return s.juniperCookie(b)
	}
	if n > len(b) {
		return 0, nil, s.short()
	}
	return next, b[n:], nil
}

// juniperCookie looks for a packet behind a cookie of unknown make, whose length its
// first byte tells, or nothing.
func (s *state) juniperCookie(b []byte) (Proto, []byte, error) {
	for n := 0; n <= 20 && n < len(b); n += 2 {
		if next, ok := s.d.l2Payload(b[n:], true); ok {
			return next, b[n:], nil
		}
		if p := b[n:]; len(p) > 2 && p[0] == 0 && provesIP(p[2:]) && s.d.table[PPPProto(binary.BigEndian.Uint16(p))] != 0 {
			return protoPPP, p, nil
		}
	}
	return 0, nil, DispNonIP
}

// juniperATM reads the cookie of an ATM card, and what its circuit carries: LLC, PPP or IP.
func (s *state) juniperATM(b []byte) (Proto, []byte, error) {
	const cell, cells = 0x80, 0x70
	n := 4
	if s.proto == Link(juniperATM2) {
		n = 8
	}
	if len(b) < n+3 {
		return 0, nil, s.short()
	}
	if n == 4 && b[0] == cell || n == 8 && b[7]&cells != 0 {
		return 0, nil, DispNonIP
	}
	if b = b[n:]; b[0] == 3 { // LLC without addresses, as Cisco has it
		return protoNLPID, b[1:], nil
	}
	return Link(packet.LinkATM), b, nil
}

// juniperSecure reads the headers of the tunnel that a packet came in: Ethernet, IPv4,
// ESP, and 16 bytes more. The packet is as it was before encryption.
func (s *state) juniperSecure(b []byte) (Proto, []byte, error) {
	const ethernet, esp, more = 14, 8, 16
	if len(b) < ethernet+20 || binary.BigEndian.Uint16(b[12:]) != 0x0800 || b[ethernet+9] != 50 {
		return 0, nil, DispNonIP
	}
	s.setMACs(b)
	ip := b[ethernet:]
	n := int(ip[0]&15) * 4
	if n < 20 || len(ip) < n+esp+more {
		return 0, nil, s.short()
	}
	s.setAddr4(ip)
	return protoIP, ip[n+esp+more:], s.tunnel("esp", int64(binary.BigEndian.Uint32(ip[n:])), true)
}

// stepJuniperVN reads what Juniper's virtual networks (Contrail) put before the frames that
// they mirror: the host, flags, the names of both networks, each with type and length, and
// an end.
func stepJuniperVN(s *state, b []byte) (Proto, []byte, error) {
	const known, end = 4, 255
	for len(b) >= 2 {
		typ, n := b[0], 2+int(b[1])
		if n > len(b) || typ == 0 || typ > known && typ != end {
			break
		}
		if b = b[n:]; typ == end {
			return protoEthernet, b, nil
		}
	}
	return 0, nil, s.short()
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
