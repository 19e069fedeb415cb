package decap

import (
	"encoding/binary"

	"recap/reader/packet"
)

// stepRadiotap reads a radiotap header: version 0, its length little-endian. A flag
// in its fields says whether the frame ends with a check sequence, which the length
// fields inside leave out of the payload anyhow.
func stepRadiotap(s *state, b []byte) (Proto, []byte, error) {
	if len(b) < 8 || b[0] != 0 {
		return 0, nil, s.short()
	}
	n := int(binary.LittleEndian.Uint16(b[2:]))
	if n < 8 || n > len(b) {
		return 0, nil, s.short()
	}
	return Link(packet.LinkWiFi), b[n:], nil
}

// stepPPI reads a per-packet information header: its length and the link type of
// what follows, little-endian.
func stepPPI(s *state, b []byte) (Proto, []byte, error) {
	if len(b) < 8 || b[0] != 0 {
		return 0, nil, s.short()
	}
	n, link := int(binary.LittleEndian.Uint16(b[2:])), binary.LittleEndian.Uint32(b[4:])
	if n < 8 || n > len(b) || link > 0xffff {
		return 0, nil, s.short()
	}
	return Link(packet.LinkType(link)), b[n:], s.deeper()
}

// stepWiFi reads an IEEE 802.11 data frame that is not encrypted (clause 9.3.2) and
// carries LLC, or several such frames (an A-MSDU).
func stepWiFi(s *state, b []byte) (Proto, []byte, error) {
	if len(b) < 24 {
		return 0, nil, DispNonIP // control frames are short
	}
	const (
		toDS, fromDS, moreFragments, protected, order = 1, 2, 4, 0x40, 0x80
		qos, noData                                   = 0x80, 0x40
	)
	kind, flags := b[0]&0x0c, b[1]
	switch {
	case kind != 8 || b[0]&3 != 0 || b[0]&noData != 0:
		return 0, nil, DispNonIP // management, control, no data
	case flags&protected != 0:
		return 0, nil, dispWiFiEncrypted
	case flags&moreFragments != 0 || binary.LittleEndian.Uint16(b[22:])&15 != 0:
		return 0, nil, dispWiFiFragment
	}
	n, aggregate := 24, false
	if flags&(toDS|fromDS) == toDS|fromDS {
		n += 6
	}
	if b[0]&qos != 0 {
		if len(b) < n+2 {
			return 0, nil, s.short()
		}
		aggregate = b[n]&0x80 != 0
		if n += 2; flags&order != 0 {
			n += 4 // HT control
		}
	}
	if n > len(b) {
		return 0, nil, s.short()
	}
	// Destination and source by direction (table 9-26).
	dst, src := b[4:10], b[10:16]
	switch flags & (toDS | fromDS) {
	case toDS:
		dst = b[16:22]
	case fromDS:
		src = b[16:22]
	case toDS | fromDS:
		if len(b) < 30 {
			return 0, nil, s.short()
		}
		dst, src = b[16:22], b[24:30]
	}
	copy(s.macs[:6], dst)
	copy(s.macs[6:], src)
	s.info |= HasMAC
	if aggregate {
		return protoAMSDU, b[n:], nil
	}
	return EtherType(0), b[n:], nil
}

// stepPrism reads the header that drivers of Prism cards put before 802.11 frames:
// a code, and the header's length in the machine's order.
func stepPrism(s *state, b []byte) (Proto, []byte, error) {
	if len(b) < 8 {
		return 0, nil, s.short()
	}
	if b[0] == 0x80 && b[1] == 0x21 {
		return Link(163), b, nil
	}
	n := binary.LittleEndian.Uint32(b[4:])
	if n > 0xffff {
		n = binary.BigEndian.Uint32(b[4:])
	}
	if n < 8 || n > uint32(len(b)) {
		return 0, nil, s.short()
	}
	return Link(packet.LinkWiFi), b[n:], nil
}

// stepAVS reads the header of AVS before 802.11 frames: version, length.
func stepAVS(s *state, b []byte) (Proto, []byte, error) {
	if len(b) < 8 {
		return 0, nil, s.short()
	}
	n := binary.BigEndian.Uint32(b[4:])
	if n < 8 || n > uint32(len(b)) {
		return 0, nil, s.short()
	}
	return Link(packet.LinkWiFi), b[n:], nil
}
