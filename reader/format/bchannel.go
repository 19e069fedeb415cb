package format

import (
	"encoding/binary"

	"recap/reader/packet"
)

// BChannel says what a frame of an ISDN B channel is, which such channels do not tell: PPP
// (RFC 1662, section 3.1), Cisco HDLC, or an IPv4 packet as it is. ok is false where it is
// none of them beyond doubt.
func BChannel(b []byte) (link packet.LinkType, ok bool) {
	switch {
	case len(b) < 4:
		return 0, false
	case b[0] == 0xff && b[1] == 0x03:
		return packet.LinkPPP, true
	case (b[0] == 0x0f || b[0] == 0x8f) && b[1] == 0 && chdlcProtocol(binary.BigEndian.Uint16(b[2:])):
		return packet.LinkCHDLC, true
	case soundIPv4(b):
		return packet.LinkIPv4, true
	}
	return 0, false
}

// chdlcProtocol says whether Cisco HDLC carries a protocol: IPv4, IPv6, or its keepalive.
func chdlcProtocol(p uint16) bool { return p == 0x0800 || p == 0x86dd || p == 0x8035 }

// soundIPv4 says whether b is a whole IPv4 packet with a right checksum of its header (RFC 791,
// section 3.1).
func soundIPv4(b []byte) bool {
	size := int(b[0]&0x0f) * 4
	if b[0]>>4 != 4 || size < 20 || len(b) < size || int(binary.BigEndian.Uint16(b[2:])) != len(b) {
		return false
	}
	var sum uint32
	for i := 0; i < size; i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	return sum>>16+sum&0xffff == 0xffff
}
