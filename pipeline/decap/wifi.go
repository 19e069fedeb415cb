package decap

import (
	"encoding/binary"

	"recap/pipeline/defrag"
	"recap/reader/packet"
)

// Flags of a frame in the headers that drivers put before it.
const (
	wifiFCS = 0x10 // the frame ends with its check sequence
	wifiPad = 0x20 // its header is padded to a multiple of 4 bytes
)

// stepRadiotap reads a radiotap header: version 0, its length and fields little-endian.
func stepRadiotap(s *state, b []byte) (Proto, []byte, error) {
	if len(b) < 8 || b[0] != 0 {
		return 0, nil, s.short()
	}
	n := int(binary.LittleEndian.Uint16(b[2:]))
	if n < 8 || n > len(b) {
		return 0, nil, s.short()
	}
	return Link(packet.LinkWiFi), s.wifiBody(radiotapFlags(b[:n]), b[n:]), nil
}

// radiotapFlags returns the flags field of header b, 0 where it has none. Words of bits
// tell which fields there are, their top bits whether another word follows. The first
// two fields are a time of 8 bytes, aligned to as many, and the flags.
func radiotapFlags(b []byte) byte {
	const hasTime, hasFlags, more = 1, 2, 1 << 31
	if len(b) < 8 {
		return 0
	}
	present, at := binary.LittleEndian.Uint32(b[4:]), 8
	for word := present; word&more != 0 && at+4 <= len(b); at += 4 {
		word = binary.LittleEndian.Uint32(b[at:])
	}
	if present&hasTime != 0 {
		at = (at+7)&^7 + 8
	}
	if present&hasFlags == 0 || at >= len(b) {
		return 0
	}
	return b[at]
}

// wifiBody notes the flags of an 802.11 frame, and takes its check sequence off it, of
// which the capture may have cut a part already.
func (s *state) wifiBody(flags byte, b []byte) []byte {
	s.wifiPad = flags&wifiPad != 0
	if flags&wifiFCS == 0 {
		return b
	}
	cut := min(max(0, 4-s.lost), len(b))
	s.lost = max(0, s.lost-4)
	return b[:len(b)-cut]
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
	if packet.LinkType(link) == packet.LinkWiFi {
		return Link(packet.LinkWiFi), s.wifiBody(ppiFlags(b[8:n]), b[n:]), s.deeper()
	}
	return Link(packet.LinkType(link)), b[n:], s.deeper()
}

// ppiFlags returns the flags, in those of radiotap, of the field "802.11-Common" among
// the fields b: type and length, then a time and 2 bytes of flags.
func ppiFlags(b []byte) byte {
	for len(b) >= 4 {
		typ, n := binary.LittleEndian.Uint16(b), int(binary.LittleEndian.Uint16(b[2:]))
		if b = b[4:]; n > len(b) {
			break
		}
		if typ == 2 && n >= 10 && b[8]&1 != 0 {
			return wifiFCS
		}
		b = b[n:]
	}
	return 0
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
	fc, flags := b[0], b[1]
	if s.wifiSwapped {
		fc, flags = flags, fc
		s.wifiSwapped = false
	}
	switch {
	case fc&0x0c != 8 || fc&3 != 0 || fc&noData != 0:
		return 0, nil, DispNonIP // management, control, no data
	case flags&protected != 0:
		return 0, nil, dispWiFiEncrypted
	}
	const noTID = 16
	n, aggregate, tid := 24, false, byte(noTID)
	if flags&(toDS|fromDS) == toDS|fromDS {
		n += 6
	}
	if fc&qos != 0 {
		if len(b) < n+2 {
			return 0, nil, s.short()
		}
		aggregate, tid = b[n]&0x80 != 0, b[n]&15
		if n += 2; flags&order != 0 {
			n += 4 // HT control
		}
	}
	if s.wifiPad {
		n = (n + 3) &^ 3
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
	next := EtherType(0)
	if aggregate {
		next = protoAMSDU
	}
	control := binary.LittleEndian.Uint16(b[22:])
	if number := int(control & 15); number != 0 || flags&moreFragments != 0 {
		// Sequence numbers count by transmitter, receiver and traffic identifier.
		k := defrag.Key{ID: uint32(control >> 4), Proto: tid}
		copy(k.Src[:], b[10:16])
		copy(k.Dst[:], b[4:10])
		p := defrag.Piece{Number: number, More: flags&moreFragments != 0, Data: b[n:], Missing: s.lost, Snap: s.truncated}
		if s.haveIP {
			p.Missing = s.missing // the frame is in a tunnel
		}
		return s.wifiFragment(next, k, p)
	}
	return next, b[n:], nil
}

// wifiFragment holds a fragment, and goes on with the frame where it is whole now.
func (s *state) wifiFragment(next Proto, k defrag.Key, p defrag.Piece) (Proto, []byte, error) {
	c, err := s.context(next, &k)
	if err != nil {
		return 0, nil, err
	}
	frame, status := s.d.frames802.Add(s.now, k, p, c)
	return s.piece(k, &frame, status)
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
