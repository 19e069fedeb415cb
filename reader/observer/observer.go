// Package observer reads the buffer files of Network Instruments' (later Viavi's)
// Observer: little-endian, times in nanoseconds since 2000.
//
// No description was published; the fields are those that wiretap/observer.c and
// observer.h of Wireshark name.
//
// Files of 13.10 and later say that their times are UTC. Others hold local times
// of a zone that they do not name: these are taken as UTC, whatever the zone of
// this machine, and the input carries the anomaly start_zone_unknown.
package observer

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"strings"

	"recap/reader/format"
	"recap/reader/packet"
)

const (
	magic       = "ObserverPktBuffer"
	recordMagic = 0x88888888

	fileHeader   = 36
	recordHeader = 48
	epoch        = 946684800 // 2000 in seconds since 1970
	// checkSequence is what lengths on the wire count and files do not hold.
	checkSequence = 4
	// mostPad is what may stand behind a packet without a further look.
	mostPad = 8
)

// Format is the entry for the list of formats.
var Format = format.Format{
	Name:  "observer",
	Match: func(head []byte) bool { return bytes.HasPrefix(head, []byte(magic)) },
	New: func(in *packet.Input, file int32, lim format.Limits) format.Parser {
		return format.NewRecords(in, file, &layout{in: in, max: lim.WithDefaults().MaxPacket})
	},
}

const linkFibre packet.LinkType = 225 // Fibre Channel with its delimiters

var links = map[byte]packet.LinkType{0: packet.LinkEthernet, 1: packet.LinkTokenRing, 8: linkFibre, 9: packet.LinkWiFi}

type layout struct {
	format.NoTables
	in    *packet.Input
	max   int
	links *format.Links
}

// FileHeader implements [format.Layout]. The header tells where the first packet
// stands, up to 16 MB into the file.
func (l *layout) FileHeader(b []byte) int {
	if len(b) < fileHeader {
		return fileHeader
	}
	size := int(binary.LittleEndian.Uint16(b[32:])) | int(b[31])<<16
	if size < fileHeader {
		l.in.AddAnomaly("odd_start_offset")
		size = fileHeader
	}
	if len(b) < size {
		return size
	}
	l.in.Format = Format.Name
	l.links = format.NewLinks(l.in, "10^-9")
	if !l.elements(b[fileHeader:size], int(b[35])) {
		l.in.AddAnomaly("start_zone_unknown")
	}
	return size
}

// Types of the elements in the file header.
const (
	elementComment = 2
	elementTimes   = 4
)

// elements reads the n elements of the file header, each a type and a length with
// these two. It reports whether one of them says that times are UTC.
func (l *layout) elements(b []byte, n int) (utc bool) {
	le := binary.LittleEndian
	for range n {
		if len(b) < 4 || int(le.Uint16(b[2:])) < 4 || int(le.Uint16(b[2:])) > len(b) {
			l.in.AddAnomaly("bad_file_header_element")
			return utc
		}
		kind, data := le.Uint16(b), b[4:le.Uint16(b[2:])]
		b = b[4+len(data):]
		switch {
		case kind == elementComment:
			l.in.Comments = append(l.in.Comments, strings.TrimRight(string(data), "\x00\n"))
		case kind == elementTimes && len(data) >= 4:
			// Wireshark up to 4.0 writes four bytes more before the number.
			utc = le.Uint32(data[len(data)-4:]) == 1
		}
	}
	return utc
}

func (l *layout) HeaderSize() int { return recordHeader }

// sizes of a record: what was captured, the length on the wire with the check sequence,
// and where the frame and the next record begin.
func sizes(b []byte) (incl, wire, frame, next int) {
	le := binary.LittleEndian
	return int(le.Uint16(b[8:])), int(le.Uint16(b[10:])), int(le.Uint16(b[12:])), int(le.Uint16(b[14:]))
}

func (l *layout) Header(b []byte) format.Header {
	le := binary.LittleEndian
	incl, wire, frame, next := sizes(b)
	h := format.Header{Sec: int64(le.Uint64(b[40:]) / 1e9)}
	if le.Uint32(b) != recordMagic || next < recordHeader || next-recordHeader > l.max+math.MaxUint16 {
		return h
	}
	h.Size = next
	pad := next - frame - incl
	h.Fits = frame >= recordHeader && pad >= 0 && pad < mostPad && incl <= l.max && incl <= wire
	h.Plain = h.Fits && pad == 0
	return h
}

// Why implements [format.Layout].
func (l *layout) Why(b []byte) string {
	incl, _, frame, next := sizes(b)
	switch {
	case binary.LittleEndian.Uint32(b) != recordMagic:
		return fmt.Sprintf("record begins with %x instead of %x", b[:4], uint32(recordMagic))
	case next < recordHeader:
		return fmt.Sprintf("record length %d is less than that of its header", next)
	case next < frame+incl:
		return fmt.Sprintf("record length %d does not go with captured length %d", next, incl)
	}
	return ""
}

// Other returns the size that follows from the captured length.
func (l *layout) Other(b []byte) [2]int {
	incl, _, frame, _ := sizes(b)
	if binary.LittleEndian.Uint32(b) != recordMagic || frame < recordHeader || incl > l.max {
		return [2]int{}
	}
	return [2]int{frame + incl, recordHeader + incl}
}

func (l *layout) Take(b []byte, p *packet.Packet) bool {
	if kind := b[19]; kind != 0 {
		format.StepOver(l.in, fmt.Sprintf("observer record %d", kind))
		return false
	}
	incl, wire, frame, _ := sizes(b)
	if frame < recordHeader || frame > len(b) {
		l.in.AddAnomaly("length_mismatch")
		frame = recordHeader
	}
	data := b[frame:]
	if incl > len(data) {
		l.in.AddAnomaly("length_mismatch")
		incl = len(data)
	}
	link, ok := links[b[16]]
	if !ok {
		link = packet.LinkUnassigned + packet.LinkType(b[16])
		l.in.AddAnomaly("unknown_media_type")
	}
	if link != linkFibre {
		wire = max(wire-checkSequence, 0)
	}
	if incl > wire && wire > 0 {
		incl = wire // the check sequence, or part of it
	}
	p.Data, p.Length, p.Link = data[:incl:incl], uint32(wire), link
	p.Interface = l.links.Interface(link)
	ns := binary.LittleEndian.Uint64(b[40:])
	p.TimeNS = int64(ns) + epoch*1e9
	if ns > math.MaxInt64-epoch*1e9 {
		p.TimeNS, p.RawTicks = packet.NoTime, ns
	}
	return true
}
