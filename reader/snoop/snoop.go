// Package snoop reads the captures of Solaris' snoop (RFC 1761): big-endian, times
// in microseconds since 1970 as unsigned 32-bit seconds.
//
// Every record carries its own length beside that of the packet, so that damage of
// one of them is seen and mended by the other.
package snoop

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"recap/reader/format"
	"recap/reader/packet"
)

const magic = "snoop\x00\x00\x00"

const (
	fileHeader   = 16
	recordHeader = 24
	// mostPad is the most padding that a writer is known to put after a packet:
	// records are multiples of 4 bytes.
	mostPad = 4
)

// Format is the entry for the list of formats.
var Format = format.Format{
	Name:  "snoop",
	Match: func(head []byte) bool { return bytes.HasPrefix(head, []byte(magic)) },
	New: func(in *packet.Input, file int32, lim format.Limits) format.Parser {
		return format.NewRecords(in, file, &layout{in: in, max: uint32(lim.WithDefaults().MaxPacket)})
	},
}

// links maps the data link types of RFC 1761, section 4, and those that Solaris
// added (DLPI media types), to the registry. LINKTYPE_TOKEN_RING and _FDDI are 6 and 10.
var links = map[uint32]packet.LinkType{
	0: packet.LinkEthernet, 4: packet.LinkEthernet, 24: packet.LinkEthernet, 25: packet.LinkEthernet,
	9: packet.LinkNull, 14: packet.LinkNull,
	2: packet.LinkTokenRing, 8: packet.LinkFDDI, 16: 122, 17: 123, 18: 123, 26: 242,
	0x80000001: packet.LinkRaw, 0x80000002: packet.LinkRaw, 0x80000005: 226,
}

// surveyorLinks are those of Shomiti's (Finisar's) Surveyor, which gave numbers that RFC 1761
// leaves open meanings of its own: speeds of Ethernet and of token ring, and 802.11.
var surveyorLinks = map[uint32]packet.LinkType{
	0: packet.LinkEthernet, 4: packet.LinkEthernet, 10: packet.LinkEthernet, 12: packet.LinkEthernet, 19: packet.LinkEthernet,
	2: packet.LinkTokenRing, 11: packet.LinkTokenRing, 13: packet.LinkTokenRing, 14: packet.LinkTokenRing, 8: packet.LinkFDDI, surveyorWiFi: packet.LinkWiFi,
}

const (
	surveyorWiFi = 18
	// trailer is what Surveyor puts behind each packet, which shows its files: status and
	// time of its hardware. Ethernet frames come with their check sequence.
	trailer       = 16
	checkSequence = 4
)

type layout struct {
	format.NoTables
	in    *packet.Input
	max   uint32
	media uint32 // as the file header has it
	told  bool   // that media is not known
	links *format.Links
	drops uint32
}

func (l *layout) FileHeader(b []byte) int {
	if len(b) < fileHeader {
		return fileHeader
	}
	if v := binary.BigEndian.Uint32(b[8:]); v < 2 || v > 5 {
		l.in.AddAnomaly("odd_version")
	}
	l.in.Format = Format.Name
	l.media, l.links = binary.BigEndian.Uint32(b[12:]), format.NewLinks(l.in, "10^-6")
	if link, known := l.linkOf(false); known {
		l.links.Interface(link)
	}
	return fileHeader
}

func (l *layout) HeaderSize() int { return recordHeader }

// fields of a record header (RFC 1761, section 3).
func fields(b []byte) (orig, incl, record, drops, sec, usec uint32) {
	_ = b[23]
	o := binary.BigEndian
	return o.Uint32(b), o.Uint32(b[4:]), o.Uint32(b[8:]), o.Uint32(b[12:]), o.Uint32(b[16:]), o.Uint32(b[20:])
}

func (l *layout) Header(b []byte) format.Header {
	orig, incl, record, _, sec, usec := fields(b)
	h := format.Header{Sec: int64(sec)}
	if record < recordHeader || record-recordHeader > l.max+trailer+mostPad {
		return h
	}
	h.Size = int(record)
	pad := record - recordHeader - incl
	if incl > l.max || !padding(pad) {
		return h
	}
	h.Pad = int(pad)
	h.Fits = incl <= orig && orig > 0 && orig <= format.MaxWire && usec < 1e6
	h.Plain = h.Fits && incl > 0
	return h
}

// padding says whether so many bytes may stand behind a packet.
func padding(n uint32) bool { return n < mostPad || surveyed(n) }

// surveyed says whether the trailer of Surveyor is among so many bytes.
func surveyed(n uint32) bool { return n-trailer < mostPad }

// linkOf returns the link type of the packets of the file, or of those in it that are of Surveyor.
func (l *layout) linkOf(surveyor bool) (link packet.LinkType, known bool) {
	table := links
	if surveyor {
		table = surveyorLinks
	}
	if link, known = table[l.media]; !known {
		link = packet.LinkUnassigned + packet.LinkType(l.media&0xff)
	}
	return link, known
}

// Why implements [format.Layout].
func (l *layout) Why(b []byte) string {
	_, incl, record, _, _, _ := fields(b)
	switch {
	case record < recordHeader:
		return fmt.Sprintf("record length %d is less than that of its header", record)
	case record-recordHeader > l.max+trailer+mostPad:
		return fmt.Sprintf("record length %d exceeds the limit of %d", record, l.max)
	case incl > l.max || !padding(record-recordHeader-incl):
		return fmt.Sprintf("record length %d does not go with captured length %d", record, incl)
	}
	return ""
}

// Other returns the size that follows from the captured length, with and without
// padding.
func (l *layout) Other(b []byte) [2]int {
	_, incl, _, _, _, _ := fields(b)
	if incl > l.max {
		return [2]int{}
	}
	n := recordHeader + int(incl)
	return [2]int{(n + 3) &^ 3, n}
}

func (l *layout) Take(b []byte, p *packet.Packet) bool {
	orig, incl, record, drops, sec, usec := fields(b)
	room := uint32(len(b) - recordHeader)
	if incl > room || !padding(room-incl) && !padding(record-recordHeader-incl) {
		// The record's own length was right; the length on the wire may be the second witness.
		l.in.AddAnomaly("length_mismatch")
		incl = room
		if orig <= room && padding(room-orig) {
			incl = orig
		}
	}
	if usec >= 1e6 {
		l.in.AddAnomaly("odd_fraction")
	}
	if incl > orig {
		l.in.AddAnomaly("caplen_exceeds_len")
	}
	p.Data = b[recordHeader : recordHeader+incl : recordHeader+incl]
	p.Length, p.BigEndian = orig, true
	// The length in the header counts, for the last record may lack what stands behind its packet.
	if !l.fill(p, surveyed(record-recordHeader-incl)) {
		format.StepOver(l.in, "snoop frame without its radio header")
		return false
	}
	if drops > l.drops {
		p.Dropped = drops - l.drops
		l.drops = drops
		l.in.Interfaces[0].Drops = int64(drops)
	}
	p.TimeNS = int64(sec)*1e9 + int64(usec)*1000
	return true
}

// fill sets the link type of a packet, and what is of its own in one of Surveyor.
func (l *layout) fill(p *packet.Packet, surveyor bool) bool {
	link, known := l.linkOf(surveyor)
	if !known && !l.told {
		l.told = true
		l.in.AddAnomaly("unknown_media_type")
	}
	p.Link, p.Interface = link, l.links.Interface(link)
	switch {
	case !surveyor:
	case link == packet.LinkEthernet:
		p.FCSLen = checkSequence
	case l.media == surveyorWiFi:
		// A header of the radio, whose length without these four bytes is in the fourth.
		const lengthAt = 3
		n := lengthAt + 1
		if len(p.Data) < n || len(p.Data) < n+int(p.Data[lengthAt]) {
			return false
		}
		n += int(p.Data[lengthAt])
		p.Data, p.Length = p.Data[n:], p.Length-uint32(min(n, int(p.Length)))
	}
	return true
}
