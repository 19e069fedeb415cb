package decap

import (
	"encoding/binary"

	"recap/reader/packet"
)

// stepTokenRing reads an IEEE 802.5 header: access and frame control, addresses, and
// where the source address says so the way through bridges, whose length it begins with.
func stepTokenRing(s *state, b []byte) (Proto, []byte, error) {
	const routed, length = 0x80, 0x1f
	if len(b) < 14 {
		return 0, nil, s.short()
	}
	if b[1]&0xc0 != 0x40 {
		return 0, nil, DispNonIP // no LLC frame
	}
	n := 14
	if b[8]&routed != 0 && len(b) > 14 {
		n += int(b[14] & length)
	}
	if n > len(b) {
		return 0, nil, s.short()
	}
	s.setMACs(b[2:])
	s.macs[6] &^= routed
	return EtherType(0), b[n:], nil
}

// stepATM reads what an ATM adaptation layer 5 frame holds (RFC 2684): LLC, behind
// which a bridged Ethernet frame may come, or IP without anything before it.
func stepATM(s *state, b []byte) (Proto, []byte, error) {
	const bridged, bridgedFCS, pad = 7, 1, 2
	if len(b) >= 8+pad && [6]byte(b[:6]) == [6]byte{0xaa, 0xaa, 3, 0, 0x80, 0xc2} {
		switch binary.BigEndian.Uint16(b[6:]) {
		case bridged, bridgedFCS: // the lengths inside leave the check sequence out
			return protoEthernet, b[8+pad:], nil
		}
	}
	switch {
	case provesIP(b):
		return protoIP, b, nil
	case len(b) > pad && provesIP(b[pad:]) && s.d.table[PPPProto(binary.BigEndian.Uint16(b))] != 0:
		return protoPPP, b, nil // RFC 2364, section 4
	case len(b) > pad && provesFrame(b[pad:]): // RFC 2684, section 6.2, and LAN emulation
		return protoEthernet, b[pad:], nil
	}
	return EtherType(0), b, nil
}

// stepSunATM reads the header that SunATM puts before a frame: flags and type,
// virtual path and circuit.
func stepSunATM(s *state, b []byte) (Proto, []byte, error) {
	const lane, llc = 1, 2
	if len(b) < 4 {
		return 0, nil, s.short()
	}
	switch b[0] & 0x0f {
	case llc:
		return Link(packet.LinkATM), b[4:], nil
	case lane: // a LAN emulation header of 2 bytes, then the frame
		if len(b) < 6 {
			return 0, nil, s.short()
		}
		return protoEthernet, b[6:], nil
	}
	return 0, nil, DispNonIP
}

// stepFrameRelay reads a Q.922 address, whose last byte has the lowest bit set, and
// the protocol behind it by its NLPID (RFC 2427), or as Cisco has it by an EtherType.
func stepFrameRelay(s *state, b []byte) (Proto, []byte, error) {
	const ui, longest = 3, 4
	n := 0
	for n < len(b) && n < longest && b[n]&1 == 0 {
		n++
	}
	if n++; n > longest || len(b) < n+2 {
		return 0, nil, s.short()
	}
	b = b[n:]
	if b[0] != ui {
		return EtherType(binary.BigEndian.Uint16(b)), b[2:], nil
	}
	if b = b[1:]; b[0] == 0 && len(b) > 1 {
		b = b[1:] // padding
	}
	return protoNLPID, b, nil
}

// stepDirection reads the byte that link types put before another one's header, to say
// who sent the frame.
func stepDirection(s *state, b []byte) (Proto, []byte, error) {
	if len(b) < 1 {
		return 0, nil, s.short()
	}
	switch s.proto {
	case Link(205):
		return Link(packet.LinkCHDLC), b[1:], nil
	case Link(206):
		return Link(packet.LinkFrameRelay), b[1:], nil
	case Link(166):
		if len(b) > 1 && b[1] == 3 { // in place of the address
			return protoPPP, b[2:], nil
		}
	}
	return protoPPPFrame, b[1:], nil
}

// stepLongAddresses reads links whose addresses have 8 bytes each: IP over Fibre
// Channel (RFC 2625) with LLC behind them, IP over IEEE 1394 as Apple has it with an
// EtherType.
func stepLongAddresses(s *state, b []byte) (Proto, []byte, error) {
	if len(b) < 18 {
		return 0, nil, s.short()
	}
	if s.proto == Link(122) {
		return EtherType(0), b[16:], nil
	}
	return EtherType(binary.BigEndian.Uint16(b[16:])), b[18:], nil
}

// stepIPoIB reads the header of IP over InfiniBand (RFC 4391): a global route of 40
// bytes, an EtherType, 2 bytes reserved.
func stepIPoIB(s *state, b []byte) (Proto, []byte, error) {
	if len(b) < 44 {
		return 0, nil, s.short()
	}
	return EtherType(binary.BigEndian.Uint16(b[40:])), b[44:], nil
}

// stepIPNET reads what Solaris puts before the packets of its IP observability
// devices: 24 bytes that tell of zones and interfaces.
func stepIPNET(s *state, b []byte) (Proto, []byte, error) {
	if len(b) < 24 {
		return 0, nil, s.short()
	}
	return protoIP, b[24:], nil
}

// stepBeforeEthernet reads headers of a fixed length before an Ethernet frame: those
// of netANALYZER, in transparent mode with the frame's preamble, of EPON, and the tag of
// Broadcom switches that stands in front.
func stepBeforeEthernet(s *state, b []byte) (Proto, []byte, error) {
	n := 4
	switch s.proto {
	case Link(241):
		n += 8
	case Link(259):
		n = 8
	}
	if len(b) < n {
		return 0, nil, s.short()
	}
	return protoEthernet, b[n:], nil
}

// stepSwitchTag reads the tags that switches put behind the addresses for their
// processor: of 4 bytes, with Marvell's long form of 8.
func stepSwitchTag(s *state, b []byte) (Proto, []byte, error) {
	n := 12 + 4
	if s.proto == Link(285) {
		n += 4
	}
	if len(b) < n+2 {
		return 0, nil, s.short()
	}
	s.setMACs(b)
	return EtherType(binary.BigEndian.Uint16(b[n:])), b[n+2:], nil
}
