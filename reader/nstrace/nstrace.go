// Package nstrace reads the packet traces of Citrix NetScaler (nstrace, files .cap),
// versions 1.0, 2.0, 3.0 and 3.5: little-endian, in pages of 8 KiB, from 3.0 on of
// 16 KiB, of which the ends may be left unused.
//
// No description was published; the fields are those that wiretap/netscaler.c of
// Wireshark, a contribution of the maker, names.
//
// In 1.0, and in the first kinds of 2.0, a packet has its time relative to the packet
// before, and the file has the time to begin with: where packets were lost to damage,
// those behind are too early, and the input carries the anomaly relative_time_lost.
// Packets before the first absolute time have none. All other packets have their own
// time in nanoseconds since 1970.
package nstrace

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"

	"recap/reader/format"
	"recap/reader/packet"
)

// signatures are the texts that the first record holds, by version.
var signatures = []struct {
	version int // times ten
	text    string
	page    int // bytes
	unused  int // an unused stretch ends at a multiple of this
}{
	{10, "NetScaler Performance Data", 8192, 8192},
	{20, "NetScaler V20 Performance Data", 8192, 4096},
	{30, "Netscaler V30 Performance Data", 16384, 16384},
	{35, "Netscaler V35 Performance Data", 16384, 16384},
}

// What stands before the text in a record of the signature.
const (
	before10 = 8
	before20 = 3
)

// Types of records that hold no packets. In 1.0 a type has two bytes, of which the
// second is 1 for these.
const (
	typeSignature = 1
	typeAbsTime   = 7
	typeRelTime   = 8
)

// headerSize is the size of the smallest record.
const headerSize = 4

// Format is the entry for the list of formats.
var Format = format.Format{
	Name:  "nstrace",
	Match: func(head []byte) bool { return find(head) >= 0 },
	New: func(in *packet.Input, file int32, lim format.Limits) format.Parser {
		return format.NewRecords(in, file, &layout{in: in, max: lim.WithDefaults().MaxPacket})
	},
}

// find returns which signature stands in the first records of a file, -1 for none.
func find(head []byte) int {
	if len(head) < headerSize || head[0] == 0 {
		return -1
	}
	for i, s := range signatures {
		before := before20
		if s.version == 10 {
			before = before10
		}
		at := bytes.Index(head, []byte(s.text))
		if at < before {
			continue
		}
		b := head[at-before:]
		if s.version == 10 && b[0] == typeSignature && b[1] == 1 || s.version > 10 && b[0] == typeSignature && int(b[1]) > before+len(s.text) {
			return i
		}
	}
	return -1
}

type layout struct {
	format.NoTables
	in     *packet.Input
	max    int
	which  int // index into signatures
	family uint16
	iface  int32

	// The clock of relative times.
	base     int64 // seconds since 1970; 0 if not yet known
	ms, last uint64
	since    uint64 // nanoseconds, the sum of what packets tell
	relative bool   // a packet with a relative time was found
}

func (l *layout) FileHeader(b []byte) int {
	l.which = find(b)
	if l.which < 0 {
		if len(b) < format.HeadSize {
			return len(b) + 1
		}
		l.which = 1
	}
	s := signatures[l.which]
	l.in.Format = fmt.Sprintf("%s-%d.%d", Format.Name, s.version/10, s.version%10)
	l.iface = format.NewLinks(l.in, "10^-9").Interface(packet.LinkEthernet)
	return 0
}

// Rest implements [format.Pager].
func (l *layout) Rest(offset int64) int {
	s := signatures[l.which]
	if offset%int64(s.page) == 0 {
		return 0
	}
	return s.unused - int(offset%int64(s.unused))
}

// End implements [format.Layout].
func (l *layout) End(int64) {
	if l.relative && l.in.DamageCount > 0 {
		l.in.AddAnomaly("relative_time_lost")
	}
}

func (l *layout) HeaderSize() int { return headerSize }

func (l *layout) old() bool { return l.which == 0 }

// typeAndSize reads how a record begins: a type, and the size of all of it. From 2.0
// on both have one byte, the size two if the first has its highest bit set.
func (l *layout) typeAndSize(b []byte) (kind uint16, size int) {
	if l.old() {
		le := binary.LittleEndian
		return le.Uint16(b), int(le.Uint16(b[2:]))
	}
	size = int(b[1])
	if size >= 0x80 {
		size = size&0x7f | int(b[2])<<7
	}
	return uint16(b[0]), size
}

// kind returns what a record of a type looks like, with a header of 0 bytes if it is
// not known to hold a packet.
func (l *layout) kind(t uint16) kind {
	if l.old() {
		return kinds10(t)
	}
	return kinds[t&0xff]
}

// metadata says whether a type of record is known to hold no packet.
func (l *layout) metadata(kind uint16) (id uint16, ok bool) {
	id = kind
	if l.old() {
		id &= 0xff
		if kind>>8 != 1 {
			return 0, false
		}
	}
	return id, id == typeSignature || id == typeAbsTime || id == typeRelTime
}

// metadataSize is what a record that holds no packet must have.
func (l *layout) metadataSize(id uint16) int {
	switch {
	case id == typeSignature && l.old():
		return 64
	case id == typeSignature:
		return before20 + len(signatures[l.which].text) + 1
	case id == typeAbsTime && l.old():
		return 12
	case id == typeRelTime && !l.old():
		return 4
	}
	return 8
}

func (l *layout) Header(b []byte) format.Header {
	kind, size := l.typeAndSize(b)
	h := format.Header{Sec: format.NoSec}
	if size >= headerSize && size <= l.max+maxHeader && (l.which >= 2 || size <= signatures[l.which].page) {
		h.Size = size
	}
	if id, ok := l.metadata(kind); ok {
		h.Fits = size == l.metadataSize(id) && (id != typeSignature || l.signed(b))
		return h
	}
	k := l.kind(kind)
	if k.header == 0 || l.family != 0 && k.family != l.family {
		return h
	}
	if len(b) < k.header {
		h.Size = max(h.Size, k.header) // it takes the rest of the header to tell
		h.Fits = true
		return h
	}
	start, orig := k.start(b), k.orig(b)
	data := h.Size - start
	switch {
	case data < 0:
		h.Fits = orig < 0 && h.Wait(b, start)
		return h
	}
	h.Fits, h.Alone = true, orig < 0
	if orig >= 0 {
		h.Fits = data <= orig
		h.Plain = data == orig && k.absolute
	}
	if k.absolute {
		h.Sec = int64(k.time(b) / 1e9)
	} else {
		h.Fits = h.Fits && relative(k.time(b)) < mostBetween
	}
	if h.Alone {
		h.Confirm(packet.LinkEthernet, b, k.start(b))
	}
	return h
}

// signed says whether the text of the signature stands at b, as far as b shows.
func (l *layout) signed(b []byte) bool {
	text := signatures[l.which].text
	at := before20
	if l.old() {
		at = before10
	}
	return len(b) < at+len(text) || string(b[at:at+len(text)]) == text
}

// mostBetween is the most time between two packets, in nanoseconds, that needs no
// further look.
const mostBetween = 86400e9

// Why implements [format.Layout].
func (l *layout) Why(b []byte) string {
	kind, size := l.typeAndSize(b)
	switch {
	case size < headerSize:
		return fmt.Sprintf("record length %d is less than that of its header", size)
	case size > l.max+maxHeader:
		return fmt.Sprintf("record length %d exceeds the limit of %d", size, l.max)
	}
	return fmt.Sprintf("record of type %#x and %d bytes leads to no record", kind, size)
}

// Other returns the size that follows from the length of the packet.
func (l *layout) Other(b []byte) [2]int {
	t, _ := l.typeAndSize(b)
	k := l.kind(t)
	if k.header == 0 || len(b) < k.header || l.family != 0 && k.family != l.family {
		return [2]int{}
	}
	start := k.start(b)
	if orig := k.orig(b); orig >= 0 {
		return [2]int{start + orig}
	}
	return [2]int{l.Header(b).OtherSize(packet.LinkEthernet, b, start)}
}

func (l *layout) Take(b []byte, p *packet.Packet) bool {
	kind, _ := l.typeAndSize(b)
	if id, ok := l.metadata(kind); ok {
		l.clock(id, b)
		return false
	}
	k := l.kind(kind)
	switch {
	case k.header == 0:
		format.StepOver(l.in, fmt.Sprintf("nstrace record %#x", kind))
		return false
	case len(b) < k.header || len(b) < k.start(b):
		format.StepOver(l.in, "nstrace record shorter than its header")
		return false
	case k.offsetAt > 0 && binary.LittleEndian.Uint16(b[k.offsetAt:]) != 0:
		l.time(k, b, p)
		format.StepOver(l.in, "nstrace packet without its beginning")
		return false
	case k.nextAt > 0 && !k.framed(b):
		format.StepOver(l.in, "nstrace record without a frame")
		return false
	}
	l.family = k.family
	data := b[k.start(b):len(b):len(b)]
	orig := k.orig(b)
	switch {
	case orig < 0:
		orig = len(data)
	case orig < len(data):
		l.in.AddAnomaly("caplen_exceeds_len")
	}
	p.Data, p.Length, p.Link, p.Interface = data, uint32(orig), packet.LinkEthernet, l.iface
	l.time(k, b, p)
	return true
}

// clock reads a record of time.
func (l *layout) clock(id uint16, b []byte) {
	le := binary.LittleEndian
	if id == typeSignature || len(b) < l.metadataSize(id) {
		return
	}
	var ms uint64
	at := 4
	if l.old() {
		ms, at = uint64(le.Uint32(b[4:])), 8
	} else {
		ms = uint64(le.Uint16(b[2:]))
	}
	l.ms += ms
	if id == typeAbsTime {
		l.base, l.last = int64(le.Uint32(b[at:])), l.ms
		return
	}
	sec := (l.ms - l.last) / 1000
	l.base += int64(sec)
	l.last += 1000 * sec
}

// time sets the time of a packet out of its record.
func (l *layout) time(k kind, b []byte, p *packet.Packet) {
	t := k.time(b)
	if k.absolute {
		if p.TimeNS = int64(t); t > math.MaxInt64 {
			p.TimeNS, p.RawTicks = packet.NoTime, t
		}
		return
	}
	const most = 1 << 62
	l.relative = true
	l.since = min(l.since+relative(t), most)
	if l.base == 0 || l.since == most || l.base > most/1_000_000_000 {
		p.TimeNS, p.RawTicks = packet.NoTime, l.since
		return
	}
	p.TimeNS = l.base*1e9 + int64(l.since)
}

// relative returns the nanoseconds of a relative time, whose two highest bits say its
// unit: seconds, or thousandths of it, and so on.
func relative(t uint64) uint64 {
	unit := [4]uint64{1e9, 1e6, 1e3, 1}[t>>30&3]
	return t & (1<<30 - 1) * unit
}
