// Package usbdump reads what FreeBSD's usbdump writes: little-endian, times in microseconds
// since 1970 as 32-bit seconds.
//
// Source: the file header and usb_dump_file of usbdump.c, and struct usbpf_framehdr and bpf_hdr
// of FreeBSD's headers.
//
// Records stand in blocks, each as the kernel gave it, with its length in front. That length says
// nothing that the records do not: it is stepped over where a record begins behind it.
package usbdump

import (
	"bytes"
	"encoding/binary"

	"recap/reader/format"
	"recap/reader/packet"
)

const (
	name  = "usbdump"
	magic = "\x0e\x00\x90\x9a"

	fileHeader   = 32
	blockHeader  = 4
	leastHeader  = 18
	recordHeader = 20 // with what fills it up to the alignment
	alignment    = 4
	// mostHeader bounds the length of a record's header, and mostAlign what records are
	// aligned to.
	mostHeader = 64
	mostAlign  = 16
)

// linkUSB is LINKTYPE_USB_FREEBSD of the registry.
const linkUSB packet.LinkType = 186

// Format is the entry for the list of formats.
var Format = format.Format{
	Name:  name,
	Match: func(head []byte) bool { return bytes.HasPrefix(head, []byte(magic)) },
	New: func(in *packet.Input, file int32, lim format.Limits) format.Parser {
		return format.NewRecords(in, file, &layout{in: in, max: uint32(lim.WithDefaults().MaxPacket)})
	},
}

type layout struct {
	format.NoTables
	in    *packet.Input
	max   uint32
	iface int32
}

func (l *layout) FileHeader(b []byte) int {
	if len(b) < fileHeader {
		return fileHeader
	}
	l.in.Format = name
	if b[4] != 0 || b[5] != 3 {
		l.in.AddAnomaly("odd_version")
	}
	l.iface = format.NewLinks(l.in, "10^-6").Interface(linkUSB)
	return fileHeader
}

func (l *layout) HeaderSize() int { return blockHeader + leastHeader }

// A record is what the header of one says.
type record struct {
	at         int // where it begins: behind the length of its block, if one stands in front
	sec, usec  uint32
	incl, orig uint32
	header     int // bytes of the header
	align      int
}

func recordAt(b []byte, at int) record {
	le := binary.LittleEndian
	b = b[at:]
	return record{at: at, sec: le.Uint32(b), usec: le.Uint32(b[4:]), incl: le.Uint32(b[8:]), orig: le.Uint32(b[12:]), header: int(b[16]), align: int(b[17])}
}

// sized reports whether the size of r may be meant.
func (l *layout) sized(r record) bool {
	return r.incl <= l.max && r.header >= leastHeader && r.header <= mostHeader && r.align <= mostAlign
}

func (l *layout) sound(r record) bool {
	return l.sized(r) && r.usec < 1e6 && r.incl > 0 && r.incl <= r.orig && r.orig <= format.MaxWire
}

// record reads the header at b, or behind the length of a block.
func (l *layout) record(b []byte) record {
	r := recordAt(b, 0)
	if len(b) < l.HeaderSize() {
		return r
	}
	if behind := recordAt(b, blockHeader); !l.sound(r) && (l.sound(behind) || !l.sized(r) && l.sized(behind)) {
		return behind
	}
	return r
}

// padded returns n with what fills it up to a multiple of align.
func padded(n, align int) int {
	if align > 0 {
		n += (align - n%align) % align
	}
	return n
}

func (l *layout) Header(b []byte) format.Header {
	r := l.record(b)
	h := format.Header{Sec: int64(r.sec)}
	if !l.sized(r) {
		return h
	}
	size := r.header + int(r.incl)
	h.Size = r.at + padded(size, r.align)
	h.Pad = h.Size - r.at - size
	h.Fits = l.sound(r)
	h.Plain = h.Fits && r.incl == r.orig
	return h
}

// Why implements [format.Layout].
func (l *layout) Why(b []byte) string {
	r := l.record(b)
	return format.WhyLengths(r.incl, r.orig, l.max)
}

// Other returns the size of a whole record with the header that FreeBSD writes.
func (l *layout) Other(b []byte) [2]int {
	r := l.record(b)
	if r.orig > l.max {
		return [2]int{}
	}
	return [2]int{r.at + padded(recordHeader+int(r.orig), alignment)}
}

func (l *layout) Take(b []byte, p *packet.Packet) bool {
	r := l.record(b)
	from := r.at + r.header
	if r.header < leastHeader || r.header > mostHeader || from >= len(b) {
		from = min(r.at+recordHeader, len(b))
	}
	if r.incl > r.orig {
		l.in.AddAnomaly("caplen_exceeds_len")
	}
	end := from + int(min(int64(r.incl), int64(len(b)-from)))
	p.Data, p.Length, p.Link, p.Interface = b[from:end:end], r.orig, linkUSB, l.iface
	p.TimeNS = int64(r.sec)*1e9 + int64(r.usec)*1e3
	return true
}
