// Package commview reads the packet logs of TamoSoft's CommView and CommView for
// WiFi: NCF and its successor NCFX. Both are little-endian, have no file header
// and no magic number, and are known by their first records.
//
// Sources: "CommView Log Files Format" of the program's help; for the headers of
// 802.11 packets, and for what a length of NCFX counts, what wiretap/commview.c of
// Wireshark says.
//
// Times are local times of a zone that the file does not name, with microseconds.
// They are taken as UTC, whatever the zone of this machine, and the input carries
// the anomaly start_zone_unknown. A packet that was stored compressed is counted
// and stepped over: how it is compressed was not published.
package commview

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"

	"recap/reader/format"
	"recap/reader/packet"
)

// Formats are the entries for the list of formats. In NCFX the length counts the
// header; Wireshark writes files in which it does not.
func Formats() []format.Format {
	return []format.Format{
		entry("commview-ncf", ncf{}),
		entry("commview-ncfx", ncfx{counted: ncfxHeader}),
		entry("commview-ncfx", ncfx{}),
	}
}

// A kind says how the records of one of the formats look. b holds at least a header.
type kind interface {
	headerSize() int
	// sizes returns the bytes of the whole record, and what a second length of the
	// header says of them, 0 if there is none.
	sizes(b []byte) (size, second int64)
	// sound says whether all other fields hold values that they may.
	sound(b []byte) bool
	// date returns the place of the first byte of the date.
	date() int
	// medium is the kind of network.
	medium(b []byte) byte
	// fill takes the packet out of a record, or says what it is instead.
	fill(in *packet.Input, record []byte) (data []byte, other string)
}

// Kinds of networks.
const (
	ethernet  = 0
	wifi      = 1
	tokenRing = 2
)

var links = map[byte]packet.LinkType{ethernet: packet.LinkEthernet, wifi: packet.LinkWiFi, tokenRing: packet.LinkTokenRing}

func entry(name string, k kind) format.Format {
	return format.Format{
		Name:  name,
		Weak:  true,
		Match: func(head []byte) bool { return match(k, head) },
		New: func(in *packet.Input, file int32, lim format.Limits) format.Parser {
			return format.NewRecords(in, file, &layout{in: in, name: name, kind: k, max: int64(lim.WithDefaults().MaxPacket)})
		},
	}
}

// match reports whether head begins with records of the kind.
func match(k kind, head []byte) bool {
	l := &layout{kind: k, max: format.DefaultMaxPacket}
	return format.Begins(head, k.headerSize(), l.Header)
}

type layout struct {
	format.NoTables
	in    *packet.Input
	name  string
	kind  kind
	max   int64
	links *format.Links
}

func (l *layout) FileHeader([]byte) int {
	l.in.Format = l.name
	l.in.AddAnomaly("start_zone_unknown")
	l.links = format.NewLinks(l.in, "10^-6")
	return 0
}

func (l *layout) HeaderSize() int { return l.kind.headerSize() }

func (l *layout) Header(b []byte) format.Header {
	size, second := l.kind.sizes(b)
	if !l.bounded(size) {
		return format.Header{}
	}
	h := format.Header{Size: int(size), Sec: clock(b[l.kind.date():]) / 1e9}
	sound := l.kind.sound(b)
	h.Plain = sound && second == size
	h.Fits = h.Plain || sound && second == 0 && !l.passesOver(b[:min(h.Size, len(b))])
	return h
}

// bounded says whether a record may be so long.
func (l *layout) bounded(size int64) bool {
	hs := int64(l.kind.headerSize())
	return size >= hs && size-hs <= l.max
}

// passesOver says whether a further record of the same day begins within the record at
// b: its length then is too large, and nothing else tells.
func (l *layout) passesOver(b []byte) bool {
	at, hs := l.kind.date(), l.kind.headerSize()
	day := b[at : at+4]
	for i := hs; ; i++ {
		n := bytes.Index(b[min(i+at, len(b)):], day)
		if i += n; n < 0 || len(b)-i < hs {
			return false
		}
		if l.kind.sound(b[i:]) {
			if size, _ := l.kind.sizes(b[i:]); l.bounded(size) {
				return true
			}
		}
	}
}

// Why implements [format.Layout].
func (l *layout) Why(b []byte) string {
	size, second := l.kind.sizes(b)
	switch hs := int64(l.kind.headerSize()); {
	case size < hs:
		return fmt.Sprintf("record length %d is less than that of its header", size)
	case size-hs > l.max:
		return fmt.Sprintf("packet length %d exceeds the limit of %d", size-hs, l.max)
	case !l.kind.sound(b):
		return "record header has fields that are out of range"
	case second != 0 && second != size:
		return fmt.Sprintf("lengths %d and %d of one packet", size-hs, second-hs)
	}
	return ""
}

// Other returns the size that follows from the second length.
func (l *layout) Other(b []byte) [2]int {
	if _, second := l.kind.sizes(b); l.bounded(second) {
		return [2]int{int(second)}
	}
	return [2]int{}
}

func (l *layout) Take(b []byte, p *packet.Packet) bool {
	data, other := l.kind.fill(l.in, b)
	if other != "" {
		format.StepOver(l.in, "commview "+other)
		return false
	}
	medium := l.kind.medium(b)
	link, ok := links[medium]
	if !ok {
		link = packet.LinkUnassigned + packet.LinkType(medium)
		l.in.AddAnomaly("unknown_media_type")
	}
	if !soundClock(b[l.kind.date():]) {
		l.in.AddAnomaly("odd_time")
	}
	p.Data, p.Length, p.Link = data[:len(data):len(data)], uint32(len(data)), link
	p.Interface = l.links.Interface(link)
	p.TimeNS = clock(b[l.kind.date():])
	return true
}

// clock reads a time: two bytes of year, one each of month, day, hour, minute and
// second, and four of microseconds.
func clock(b []byte) int64 {
	le := binary.LittleEndian
	t := time.Date(int(le.Uint16(b)%2200), time.Month(b[2]), int(b[3]), int(b[4]), int(b[5]), int(b[6]), 0, time.UTC)
	return t.Unix()*1e9 + int64(le.Uint32(b[7:]))*1000
}

// soundClock says whether a time is one; 2001 is about the year of the first format.
func soundClock(b []byte) bool {
	le := binary.LittleEndian
	y := le.Uint16(b)
	return y >= 1990 && y < 2200 && b[2] >= 1 && b[2] <= 12 && b[3] >= 1 && b[3] <= 31 &&
		b[4] < 24 && b[5] < 60 && b[6] <= 60 && le.Uint32(b[7:]) < 1e6
}
