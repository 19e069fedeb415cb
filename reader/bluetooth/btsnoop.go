package bluetooth

import (
	"bytes"
	"encoding/binary"

	"recap/reader/format"
	"recap/reader/packet"
)

const (
	btsnoopName   = "btsnoop"
	btsnoopMagic  = "btsnoop\x00"
	btsnoopFile   = 16
	btsnoopRecord = 24
	// btsnoopEpoch is 1970 in microseconds since the beginning of the year 0, from which the
	// format counts.
	btsnoopEpoch = 0x00dcddb30f2f8000
)

// Data link types of the file header.
const (
	unframed = 1001 // the kind of a packet stands in the flags
	serial   = 1002 // in the first byte
	monitor  = 2001 // BlueZ' own: adapter and kind of event in the flags
)

// Flags of a record.
const (
	flagReceived       = 1
	flagCommandOrEvent = 2
)

// Btsnoop is the entry for the list of formats.
var Btsnoop = format.Format{
	Name:  btsnoopName,
	Match: func(head []byte) bool { return bytes.HasPrefix(head, []byte(btsnoopMagic)) },
	New: func(in *packet.Input, file int32, lim format.Limits) format.Parser {
		return format.NewRecords(in, file, &btsnoop{in: in, max: uint32(lim.WithDefaults().MaxPacket)})
	},
}

type btsnoop struct {
	format.NoTables
	in    *packet.Input
	max   uint32
	media uint32
	links *format.Links
	drops uint32
	mem   pieces
}

func (l *btsnoop) FileHeader(b []byte) int {
	if len(b) < btsnoopFile {
		return btsnoopFile
	}
	l.in.Format = btsnoopName
	l.links = format.NewLinks(l.in, "10^-6")
	if binary.BigEndian.Uint32(b[8:]) != 1 {
		l.in.AddAnomaly("odd_version")
	}
	link, known := l.link(binary.BigEndian.Uint32(b[12:]))
	if !known {
		l.in.AddAnomaly("unknown_media_type")
	}
	l.links.Interface(link)
	return btsnoopFile
}

func (l *btsnoop) link(media uint32) (link packet.LinkType, known bool) {
	switch l.media = media; media {
	case unframed, serial:
		return linkHCI, true
	case monitor:
		return linkMonitor, true
	}
	return packet.LinkUnassigned + packet.LinkType(media&0xff), false
}

func (l *btsnoop) HeaderSize() int { return btsnoopRecord }

func (l *btsnoop) Header(b []byte) format.Header {
	orig, incl, flags := l.fields(b)
	h := format.Header{Sec: int64(binary.BigEndian.Uint64(b[16:])-btsnoopEpoch) / 1e6}
	if incl > l.max {
		return h
	}
	h.Size = btsnoopRecord + int(incl)
	h.Fits = incl <= orig && orig <= format.MaxWire
	if l.media != monitor {
		h.Fits = h.Fits && incl > 0 && flags <= flagReceived|flagCommandOrEvent
	}
	h.Plain = h.Fits && incl == orig && incl > 0
	return h
}

// fields of a record header: lengths on the wire and as captured, flags.
func (l *btsnoop) fields(b []byte) (orig, incl, flags uint32) {
	be := binary.BigEndian
	return be.Uint32(b), be.Uint32(b[4:]), be.Uint32(b[8:])
}

// Why implements [format.Layout].
func (l *btsnoop) Why(b []byte) string {
	orig, incl, _ := l.fields(b)
	return format.WhyLengths(incl, orig, l.max)
}

// Other returns the size of a whole packet.
func (l *btsnoop) Other(b []byte) [2]int {
	orig, _, _ := l.fields(b)
	if orig > l.max {
		return [2]int{}
	}
	return [2]int{btsnoopRecord + int(orig)}
}

func (l *btsnoop) Take(b []byte, p *packet.Packet) bool {
	orig, _, flags := l.fields(b)
	data := b[btsnoopRecord:]
	if int(orig) < len(data) {
		l.in.AddAnomaly("caplen_exceeds_len")
	}
	received := flags&flagReceived != 0
	switch link, _ := l.link(l.media); {
	case l.media == unframed:
		l.mem.fill(p, received, kindOf(flags), data, int(orig))
	case l.media == serial:
		l.mem.fill(p, received, 0, data, int(orig))
	case l.media == monitor:
		p.Data, p.Length, p.Link = l.mem.join(b[8:12], data), orig+4, linkMonitor
	default:
		p.Data, p.Length, p.Link = data[:len(data):len(data)], orig, link
	}
	p.Interface, p.BigEndian = l.links.Interface(p.Link), true
	if drops := binary.BigEndian.Uint32(b[12:]); drops > l.drops {
		p.Dropped = drops - l.drops
		l.drops = drops
		l.in.Interfaces[0].Drops = int64(drops)
	}
	l.time(p, binary.BigEndian.Uint64(b[16:]))
	return true
}

// kindOf returns the kind of a packet whose record has these flags.
func kindOf(flags uint32) byte {
	switch flags & (flagReceived | flagCommandOrEvent) {
	case flagCommandOrEvent:
		return kindCommand
	case flagCommandOrEvent | flagReceived:
		return kindEvent
	}
	return kindACL
}

// time sets the time of p, of which raw are microseconds since the year 0.
func (l *btsnoop) time(p *packet.Packet, raw uint64) {
	const most = 1<<63/1000 - 1
	if us := int64(raw - btsnoopEpoch); us >= -most && us <= most {
		p.TimeNS = us * 1000
		return
	}
	p.TimeNS, p.RawTicks = packet.NoTime, raw
}
