// Package snoop reads the captures of Solaris' snoop (RFC 1761): big-endian, times
// in microseconds since 1970 as unsigned 32-bit seconds.
//
// Every record carries its own length beside that of the packet, so that damage of
// one of them is seen and mended by the other.
package snoop

import (
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
	Match: func(head []byte) bool { return len(head) >= len(magic) && string(head[:len(magic)]) == magic },
	New: func(in *packet.Input, file int32, lim format.Limits) format.Parser {
		return format.NewRecords(in, file, &layout{in: in, max: uint32(lim.WithDefaults().MaxPacket)})
	},
}

// links maps the data link types of RFC 1761, section 4, and those that Solaris
// added (DLPI media types), to the registry. LINKTYPE_TOKEN_RING and _FDDI are 6 and 10.
var links = map[uint32]packet.LinkType{
	0: packet.LinkEthernet, 4: packet.LinkEthernet, 24: packet.LinkEthernet, 25: packet.LinkEthernet,
	2: 6, 8: 10, 17: 123, 18: 19, 26: 242,
	0x80000001: packet.LinkRaw, 0x80000002: packet.LinkRaw, 0x80000005: 226,
}

type layout struct {
	format.NoTables
	in    *packet.Input
	max   uint32
	link  packet.LinkType
	drops uint32
}

func (l *layout) FileHeader(b []byte) int {
	if len(b) < fileHeader {
		return fileHeader
	}
	if v := binary.BigEndian.Uint32(b[8:]); v != 2 {
		l.in.AddAnomaly("odd_version")
	}
	typ := binary.BigEndian.Uint32(b[12:])
	link, ok := links[typ]
	if !ok {
		link = packet.LinkUnassigned + packet.LinkType(typ&0xff)
		l.in.AddAnomaly("unknown_media_type")
	}
	l.link = link
	l.in.Format = Format.Name
	l.in.Interfaces = append(l.in.Interfaces, packet.Interface{Link: link, Resolution: "10^-6", Received: -1, Drops: -1})
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
	if record < recordHeader || record-recordHeader > l.max+mostPad {
		return h
	}
	h.Size = int(record)
	pad := record - recordHeader - incl
	if incl > l.max || pad >= mostPad {
		return h
	}
	h.Pad = int(pad)
	h.Fits = incl <= orig && orig > 0 && orig <= format.MaxWire && usec < 1e6
	h.Plain = h.Fits && incl > 0
	return h
}

// Why implements [format.Layout].
func (l *layout) Why(b []byte) string {
	_, incl, record, _, _, _ := fields(b)
	switch {
	case record < recordHeader:
		return fmt.Sprintf("record length %d is less than that of its header", record)
	case record-recordHeader > l.max+mostPad:
		return fmt.Sprintf("record length %d exceeds the limit of %d", record, l.max)
	case incl > l.max || record-recordHeader-incl >= mostPad:
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
	orig, incl, _, drops, sec, usec := fields(b)
	room := uint32(len(b) - recordHeader)
	if incl > room || room-incl >= mostPad {
		// The record's own length was right; the length on the wire may be the second witness.
		l.in.AddAnomaly("length_mismatch")
		incl = room
		if orig <= room && room-orig < mostPad {
			incl = orig
		}
	}
	if usec >= 1e6 {
		l.in.AddAnomaly("odd_fraction")
	}
	if incl > orig {
		l.in.AddAnomaly("caplen_exceeds_len")
	}
	if drops > l.drops {
		l.drops = drops
		l.in.Interfaces[0].Drops = int64(drops)
	}
	p.Data = b[recordHeader : recordHeader+incl : recordHeader+incl]
	p.Length, p.Link, p.BigEndian = orig, l.link, true
	p.TimeNS = int64(sec)*1e9 + int64(usec)*1000
	return true
}
