package peek

import (
	"bytes"
	"encoding/binary"
	"math"
	"strconv"

	"recap/reader/format"
	"recap/reader/packet"
)

const (
	magic = "\x7fver"
	// epoch1601 is the beginning of 1601 before that of 1970, in nanoseconds.
	epoch1601 = 11644473600 * 1e9
	// A section begins with its name, its length, and a number that is the same in all.
	sectionHeader = 12
	packetSection = "pkts"
	sectionNumber = 0x200
	// mostFileHeader bounds how far into the file the packets may begin.
	mostFileHeader = 1 << 20
)

// Before a packet stand fields: a tag of two bytes, and four of value. That of what was
// captured is the last.
const (
	field       = 6
	leastFields = 4
	mostFields  = 64

	tagLength    = 0
	tagTimeLow   = 1
	tagTimeHigh  = 2
	tagCaptured  = 0xffff
	mostKnownTag = 0x0fff
)

type tagged struct {
	format.NoTables
	in    *packet.Input
	max   int
	link  packet.LinkType
	fcs   bool // the last four bytes of a packet are its check sequence; else they are none of it
	iface int32
}

// FileHeader implements [format.Layout]. Sections of XML stand before that of the packets;
// their lengths are not needed to find it.
func (l *tagged) FileHeader(b []byte) int {
	at := packetsAt(b)
	switch {
	case at < 0 && len(b) < mostFileHeader:
		return 2*len(b) + sectionHeader
	case at < 0:
		at = 0
	case len(b) < at+sectionHeader:
		return at + sectionHeader
	default:
		at += sectionHeader
	}
	if v, ok := number(b[:at], "FileVersion"); !ok || v != 9 {
		l.in.AddAnomaly("odd_version")
	}
	kind, ok := number(b[:at], "MediaSubType")
	switch {
	case ok && kind == 0:
		l.link = packet.LinkEthernet
	case ok && kind <= 3:
		l.link, l.fcs = packet.LinkWiFi, kind == 3
	default:
		l.link = packet.LinkUnassigned + packet.LinkType(kind&0xff)
		l.in.AddAnomaly("unknown_media_type")
	}
	l.in.Format = Tagged.Name
	l.iface = format.NewLinks(l.in, "10^-9").Interface(l.link)
	return at
}

// packetsAt returns where the section of packets begins in b, -1 if b does not show it.
func packetsAt(b []byte) int {
	for at := len(magic); ; at++ {
		i := bytes.Index(b[min(at, len(b)):], []byte(packetSection))
		if i < 0 {
			return -1
		}
		at += i
		if len(b) < at+sectionHeader {
			return at
		}
		if n := binary.LittleEndian.Uint32(b[at+8:]); n == 0 || n == sectionNumber {
			return at
		}
	}
}

// number returns the number that is the text of an XML element.
func number(b []byte, element string) (uint64, bool) {
	_, after, ok := bytes.Cut(b, []byte("<"+element+">"))
	if !ok {
		return 0, false
	}
	text, _, _ := bytes.Cut(after, []byte("<"))
	n, err := strconv.ParseUint(string(bytes.TrimSpace(text)), 10, 32)
	return n, err == nil
}

func (l *tagged) HeaderSize() int { return leastFields * field }

// fields are those that matter of what stands before a packet.
type fields struct {
	size       int // bytes of all fields; 0 if they do not end
	seen       int // bits of the tags of length and time
	wire, incl uint32
	time       uint64
	short      bool // b ends before the fields
	odd        bool // a tag came twice, or is none
}

const allSeen = 1<<tagLength | 1<<tagTimeLow | 1<<tagTimeHigh

// read reads the fields before a packet.
func read(b []byte) (f fields) {
	le := binary.LittleEndian
	for at := 0; at < mostFields*field; at += field {
		if len(b) < at+field {
			f.short = true
			return f
		}
		tag, v := le.Uint16(b[at:]), le.Uint32(b[at+2:])
		switch tag {
		case tagLength:
			f.wire = v
		case tagTimeLow:
			f.time |= uint64(v)
		case tagTimeHigh:
			f.time |= uint64(v) << 32
		case tagCaptured:
			if f.incl = v; v == 0 {
				f.incl = f.wire
			}
			f.size = at + field
			return f
		default:
			f.odd = f.odd || tag > mostKnownTag
			continue
		}
		f.odd = f.odd || f.seen&(1<<tag) != 0
		f.seen |= 1 << tag
	}
	return f
}

// begins says whether a field may begin at b.
func begins(b []byte) bool { return binary.LittleEndian.Uint16(b) <= mostKnownTag }

// since1601 converts nanoseconds since 1601.
func since1601(t uint64) (ns int64, raw uint64) {
	const epoch = uint64(epoch1601)
	if t < epoch && epoch-t > math.MaxInt64 {
		return packet.NoTime, t
	}
	return int64(t - epoch), 0
}

func (l *tagged) Header(b []byte) format.Header {
	f := read(b)
	ns, _ := since1601(f.time)
	h := format.Header{Sec: ns / 1e9}
	switch {
	case !begins(b):
		return h
	case f.short:
		h.Size, h.Fits, h.Sec = len(b)/field*field+field, true, format.NoSec
		return h
	case f.size == 0 || f.incl > uint32(l.max):
		return h
	}
	h.Size = f.size + int(f.incl)
	h.Fits = f.seen == allSeen && !f.odd && f.incl <= f.wire && f.wire <= format.MaxWire && ns != packet.NoTime
	h.Alone = true
	h.Plain = h.Fits && f.incl == f.wire && f.incl == binary.LittleEndian.Uint32(b[f.size-4:])
	return h
}

// Why implements [format.Layout].
func (l *tagged) Why(b []byte) string {
	switch f := read(b); {
	case !begins(b):
		return "no field of a packet where one should be"
	case f.size == 0:
		return "fields before a packet do not end"
	case f.seen != allSeen:
		return "record lacks length or time"
	default:
		return format.WhyLengths(f.incl, f.wire, uint32(l.max))
	}
}

// Other returns the size of the record of a whole packet.
func (l *tagged) Other(b []byte) [2]int {
	f := read(b)
	if !begins(b) || f.size == 0 || f.wire == 0 || f.wire > uint32(l.max) {
		return [2]int{}
	}
	return [2]int{f.size + int(f.wire)}
}

func (l *tagged) Take(b []byte, p *packet.Packet) bool {
	f := read(b)
	if f.size == 0 || f.seen&(1<<tagLength) == 0 {
		format.StepOver(l.in, "peek record without a length")
		return false
	}
	data, wire := b[f.size:], int(f.wire)
	if uint32(len(data)) != f.incl {
		l.in.AddAnomaly("length_mismatch")
	}
	data = data[:min(len(data), int(f.incl))]
	if len(data) > wire {
		l.in.AddAnomaly("caplen_exceeds_len")
	}
	switch {
	case !l.fcs && len(data) <= wire:
		data, wire = trim(data, wire)
	case l.fcs && len(data) == wire && wire > checkSequence:
		p.FCSLen = checkSequence
	}
	p.Data, p.Length, p.Link, p.Interface = data[:len(data):len(data)], uint32(wire), l.link, l.iface
	p.TimeNS, p.RawTicks = since1601(f.time)
	if f.seen&(1<<tagTimeLow|1<<tagTimeHigh) != 1<<tagTimeLow|1<<tagTimeHigh {
		p.TimeNS = packet.NoTime
	}
	return true
}
