// Package radcom reads the captures of RADCOM's WAN and LAN analyzers: little-endian, times in
// microseconds.
//
// No description was published; the fields, and the way to the first record, are those that
// wiretap/radcom.c of Wireshark found.
//
// Times are local times of a zone that the file does not name. They are taken as UTC, whatever
// the zone of this machine, and the input carries the anomaly start_zone_unknown. Frames of
// LAPB, which carry X.25, are counted.
package radcom

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"

	"recap/reader/format"
	"recap/reader/packet"
)

const (
	name = "radcom"
	// recordHeader is the size of what stands before a packet.
	recordHeader = 39
	// fromTime is how far behind the words "Active Time" the kind of network is looked for,
	// and fromMark how far behind its mark it stands, bytes.
	fromTime = -8
	fromMark = 16
	// mostHeader is how far into a file its header may go.
	mostHeader = 1 << 16
	// atmHeader stands before packets of ATM, and is counted by their lengths.
	atmHeader = 8
)

var (
	words = []byte("Active Time")
	mark  = []byte{0x00, 0x42, 0x43, 0x09}
)

// network is a kind of network, by the first letters of its name.
type network struct {
	link packet.LinkType
	rest int // bytes between those letters and the first record
	skip int // bytes before each packet
}

var networks = map[string]network{
	"Ethe": {packet.LinkEthernet, 294, 0}, "LAPB": {noPacket, 297, 0}, "ATM/": {packet.LinkATM, 504, atmHeader},
}

// noPacket is the link type of networks that do not carry IP.
const noPacket packet.LinkType = 0xffff

// Format is the entry for the list of formats. Two bytes of the magic number differ.
var Format = format.Format{
	Name: name,
	Match: func(head []byte) bool {
		return len(head) >= 8 && head[0] == 0x42 && string(head[3:8]) == "\x34\x12\x66\x22\x88"
	},
	New: func(in *packet.Input, file int32, lim format.Limits) format.Parser {
		l := &layout{in: in, max: lim.WithDefaults().MaxPacket}
		l.records = format.NewRecords(in, file, l)
		return l.records
	},
}

type layout struct {
	in      *packet.Input
	records *format.Records
	max     int
	network network
	ended   bool // the last record was passed
}

// FileHeader implements [format.Layout].
func (l *layout) FileHeader(b []byte) int {
	size, ok := l.find(b)
	if !ok && len(b) < mostHeader {
		return len(b) + 1
	}
	if len(b) < size {
		return size
	}
	if !ok {
		size, l.network.link = 8, packet.LinkUnassigned
		l.in.AddAnomaly("unknown_media_type")
	}
	l.in.Format = name
	l.in.AddAnomaly("start_zone_unknown")
	l.in.Interfaces = append(l.in.Interfaces, packet.Interface{Link: l.network.link, Resolution: "10^-6", Received: -1, Drops: -1})
	return size
}

// find looks for the kind of network in a file header, and returns the size of that.
func (l *layout) find(b []byte) (size int, ok bool) {
	at := bytes.Index(b, words)
	if at < 0 {
		return 0, false
	}
	n := bytes.Index(b[max(at+fromTime, 0):], mark)
	if n < 0 {
		return 0, false
	}
	at = max(at+fromTime, 0) + n + fromMark
	if len(b) < at+4 {
		return 0, false
	}
	l.network, ok = networks[string(b[at:at+4])]
	return at + 4 + l.network.rest, ok
}

func (l *layout) HeaderSize() int { return recordHeader }

// lengths of a record: the bytes that follow its header, which are 0 in the last, those of the
// packet on the wire, and those captured.
func lengths(b []byte) (follow, wire, incl int) {
	le := binary.LittleEndian
	return int(le.Uint16(b[4:])), int(le.Uint16(b[23:])), int(le.Uint16(b[25:]))
}

// clock returns the time of a record in nanoseconds, and whether it is one.
func clock(b []byte) (ns int64, ok bool) {
	le := binary.LittleEndian
	year, month, day := int(le.Uint16(b[11:])), int(b[13]&0x0f), int(b[14])
	sec, usec := int64(le.Uint32(b[15:])), int64(le.Uint32(b[19:]))
	ok = year >= 1980 && year < 2200 && month >= 1 && month <= 12 && day >= 1 && day <= 31 && sec <= 86400 && usec < 1e6
	return (time.Date(year%2200, time.Month(month), day, 0, 0, 0, 0, time.UTC).Unix()+sec)*1e9 + usec*1000, ok
}

func (l *layout) Header(b []byte) format.Header {
	follow, wire, incl := lengths(b)
	ns, sound := clock(b)
	h := format.Header{Sec: ns / 1e9}
	if follow == 0 {
		h.Size, h.Fits, h.Plain = recordHeader, sound, sound
		return h
	}
	if incl > l.max {
		return h
	}
	h.Size = recordHeader + incl
	h.Fits = sound && incl >= l.network.skip && incl <= wire
	h.Plain = h.Fits && follow == incl
	return h
}

// Why implements [format.Layout].
func (l *layout) Why(b []byte) string {
	follow, wire, incl := lengths(b)
	if why := format.WhyLengths(incl, wire, l.max); why != "" || incl == follow {
		return why
	}
	return fmt.Sprintf("lengths %d and %d of one packet", incl, follow)
}

// Other returns the sizes that follow from the other lengths.
func (l *layout) Other(b []byte) [2]int {
	follow, wire, _ := lengths(b)
	return [2]int{recordHeader + min(follow, l.max), recordHeader + min(wire, l.max)}
}

func (l *layout) Take(b []byte, p *packet.Packet) bool {
	follow, wire, _ := lengths(b)
	switch {
	case follow == 0:
		l.ended = true
		return false
	case l.network.link == noPacket:
		format.StepOver(l.in, "radcom frame of LAPB")
		return false
	case len(b) < recordHeader+l.network.skip || wire < l.network.skip:
		format.StepOver(l.in, "radcom frame shorter than its header")
		return false
	}
	ns, ok := clock(b)
	if !ok {
		l.in.AddAnomaly("odd_time")
	}
	data := b[recordHeader+l.network.skip : len(b) : len(b)]
	if wire -= l.network.skip; wire < len(data) {
		l.in.AddAnomaly("caplen_exceeds_len")
	}
	p.Data, p.Length, p.Link, p.TimeNS = data, uint32(wire), l.network.link, ns
	return true
}

// Border implements [format.Layout]: nothing of use follows the last record.
func (l *layout) Border(offset int64) int64 {
	if l.ended {
		return offset
	}
	return format.NoBorder
}

// Beyond implements [format.Layout].
func (l *layout) Beyond(w *format.Window) (need int) {
	w.Use(len(w.Bytes()))
	if w.EOF {
		return 0
	}
	return 1
}

// End implements [format.Layout].
func (l *layout) End(int64) {}
