// Package i4b reads the raw traces of isdntrace of ISDN4BSD: records in the byte order of
// the machine, times in microseconds since 1970 as 32-bit seconds.
//
// Source: the header of trace records in i4b_trace.h of ISDN4BSD. The file has no header and no magic
// number; it is known by its first two records.
//
// A trace holds frames of a D channel, which is signalling and is counted, and of two B
// channels: PPP, Cisco HDLC or IP. Which of them, no field tells; a frame that is none of
// them beyond doubt is counted.
package i4b

import (
	"encoding/binary"
	"fmt"

	"recap/reader/format"
	"recap/reader/packet"
)

const (
	name         = "i4btrace"
	recordHeader = 32
)

// Kinds of channels.
const (
	channelB1   = 2
	channelB2   = 3
	mostChannel = 3
)

// Bounds of fields of the header.
const (
	mostUnit  = 4
	mostTrunc = 2048
	mostFrame = 8192 // a buffer of the kernel holds less
)

// Format is the entry for the list of formats.
var Format = format.Format{
	Name:  name,
	Weak:  true,
	Match: match,
	New: func(in *packet.Input, file int32, lim format.Limits) format.Parser {
		return format.NewRecords(in, file, &layout{in: in, max: lim.WithDefaults().MaxPacket})
	},
}

// match asks that the first record be consistent, and followed by another or by nothing.
func match(head []byte) bool {
	l := &layout{max: format.DefaultMaxPacket}
	if l.FileHeader(head) > len(head) {
		return false
	}
	return format.Begins(head, recordHeader, l.Header)
}

type layout struct {
	format.NoTables
	in    *packet.Input
	max   int
	order binary.ByteOrder
	links *format.Links
}

// FileHeader implements [format.Layout]. There is none; the first record tells the byte order.
func (l *layout) FileHeader(b []byte) int {
	if len(b) < recordHeader {
		return recordHeader
	}
	l.order = binary.LittleEndian
	// All fields but the time hold small numbers.
	little, big := 0, 0
	for i := range 6 {
		le, be := binary.LittleEndian.Uint32(b[4*i:]), binary.BigEndian.Uint32(b[4*i:])
		if le < be {
			little++
		} else if be < le {
			big++
		}
	}
	if big > little {
		l.order = binary.BigEndian
	}
	if l.in != nil {
		l.in.Format = name
		l.links = format.NewLinks(l.in, "10^-6")
	}
	return 0
}

func (l *layout) HeaderSize() int { return recordHeader }

// fields of a header, in order.
func (l *layout) field(b []byte, i int) uint32 { return l.order.Uint32(b[4*i:]) }

func (l *layout) Header(b []byte) format.Header {
	size := l.field(b, 0)
	h := format.Header{Sec: int64(l.field(b, 6))}
	if size < recordHeader || size-recordHeader > uint32(l.max) {
		return h
	}
	if !l.passesOver(b[:min(int(size), len(b))], h.Sec) {
		h.Size, h.Fits = int(size), l.sound(b)
	}
	return h
}

// sound says whether the fields of a header hold values that they may.
func (l *layout) sound(b []byte) bool {
	size := l.field(b, 0)
	return size > recordHeader && size <= recordHeader+mostFrame && l.field(b, 1) <= mostUnit && l.field(b, 2) <= mostChannel &&
		l.field(b, 3) <= 1 && l.field(b, 4) <= mostTrunc && l.field(b, 7) < 1e6 && l.field(b, 6) > 0
}

// passesOver says whether a further record of about the same time begins within the record at
// b: its length then is too large, and nothing else tells.
func (l *layout) passesOver(b []byte, sec int64) bool {
	for i := recordHeader; i+recordHeader <= len(b); i++ {
		if d := int64(l.field(b[i:], 6)) - sec; d >= -day && d <= day && l.sound(b[i:]) {
			return true
		}
	}
	return false
}

const day = 86400 // seconds

// Why implements [format.Layout].
func (l *layout) Why(b []byte) string {
	switch size := l.field(b, 0); {
	case size < recordHeader:
		return fmt.Sprintf("record length %d is less than that of its header", size)
	case size-recordHeader > uint32(l.max):
		return fmt.Sprintf("packet length %d exceeds the limit of %d", size-recordHeader, l.max)
	case l.passesOver(b[:min(int(size), len(b))], int64(l.field(b, 6))):
		return fmt.Sprintf("record length %d passes over another record", size)
	case l.field(b, 2) > mostChannel:
		return fmt.Sprintf("channel of kind %d", l.field(b, 2))
	}
	return ""
}

func (l *layout) Other([]byte) [2]int { return [2]int{} }

func (l *layout) Take(b []byte, p *packet.Packet) bool {
	kind := l.field(b, 2)
	if kind != channelB1 && kind != channelB2 {
		format.StepOver(l.in, "i4btrace frame of no B channel")
		return false
	}
	data := b[recordHeader:len(b):len(b)]
	link, ok := format.BChannel(data)
	if !ok {
		format.StepOver(l.in, "i4btrace frame of a B channel that is neither PPP nor IP")
		return false
	}
	p.Data, p.Link, p.BigEndian = data, link, l.order == binary.BigEndian
	p.Length = uint32(len(data)) + l.field(b, 4)
	p.Interface = l.links.Interface(link)
	p.TimeNS = int64(l.field(b, 6))*1e9 + int64(l.field(b, 7))*1000
	return true
}
