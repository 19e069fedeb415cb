package decap

import (
	"encoding/binary"

	"recap/reader/packet/checksum"
)

const mplsName = "mpls"

// stepMPLS reads a label stack (RFC 3032, section 2.1): 20 bits of label, the
// bottom-of-stack bit, and no word on what follows.
func stepMPLS(s *state, b []byte) (Proto, []byte, error) {
	overUDP := s.overUDP()
	if overUDP {
		s.doubt(DispUDP)
	}
	for bottom := false; !bottom; b = b[4:] {
		if len(b) < 4 {
			return 0, nil, s.short()
		}
		e := binary.BigEndian.Uint32(b)
		if err := s.tunnelBelowIP(mplsName, int64(e>>12), true); err != nil {
			return 0, nil, err
		}
		bottom = e&0x100 != 0
	}
	switch {
	case len(b) == 0:
		return 0, nil, DispNonIP
	case overUDP && !provesIP(b): // RFC 7510 has no header that could prove the guess
		if !provesFrame(b) && (b[0]>>4 != 0 || len(b) < 4 || !provesFrame(b[4:])) {
			return 0, nil, DispUDP
		}
		return protoPseudowire, b, nil
	case b[0]>>4 == 4 && (len(b) < 20 || b[0]&15 >= 5 && !(ipv4SumWrong(b[:20]) && s.d.plausibleEthernet(b))):
		return protoIPv4, b, nil
	case b[0]>>4 == 6 && !(len(b) >= 40 && s.d.table[IPProto(b[6])] == 0 && b[6] != 6 && s.d.plausibleEthernet(b)):
		return protoIPv6, b, nil
	case b[0] == 0x50 && len(b) >= 8 && !s.d.plausibleEthernet(b): // RFC 8296, section 2.1.2
		return protoBIER, b, nil
	}
	return protoPseudowire, b, nil
}

// provesIP reports whether b is surely an IP packet: the checksum of an IPv4 header
// is right, or the length of an IPv6 packet fits.
func provesIP(b []byte) bool {
	if len(b) >= 40 && b[0]>>4 == 6 {
		return 40+int(binary.BigEndian.Uint16(b[4:])) == len(b)
	}
	if len(b) < 20 || b[0]>>4 != 4 {
		return false
	}
	hl := int(b[0]&15) * 4
	return hl >= 20 && hl <= len(b) && checksum.Fold(checksum.Sum(b[:hl])) == 0xffff
}

// provesFrame reports whether b is surely an Ethernet frame: what it carries, behind any
// VLAN tags, is surely an IP packet.
func provesFrame(b []byte) bool {
	const addresses, tag = 12, 4
	for b = b[min(len(b), addresses):]; len(b) > tag; b = b[tag:] {
		switch binary.BigEndian.Uint16(b) {
		case 0x8100, 0x88a8:
		case 0x0800, 0x86dd:
			return provesIP(b[2:])
		default:
			return false
		}
	}
	return false
}

// stepPseudowire reads an Ethernet pseudowire (RFC 4448), with or without its
// control word, whose first nibble is 0 (RFC 4385, section 3).
func stepPseudowire(s *state, b []byte) (Proto, []byte, error) {
	if len(b) >= 4 && b[0]>>4 == 0 && s.d.plausibleEthernet(b[4:]) {
		return protoEthernet, b[4:], nil
	}
	if s.d.plausibleEthernet(b) {
		return protoEthernet, b, nil
	}
	return 0, nil, DispNonIP
}
