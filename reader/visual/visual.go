// Package visual reads the traffic captures of Visual Networks' Visual UpTime:
// little-endian, times in milliseconds since a start in whole seconds since 1970.
//
// No description was published; the fields are those that wiretap/visual.c of
// Wireshark, a contribution of the maker, names.
//
// An index of all packets stands behind the last. It is not needed, but compared
// with what was found: frame_table_differs.
package visual

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"

	"recap/reader/format"
	"recap/reader/packet"
)

const magic = "\x05VNF"

const (
	fileHeader   = 192
	recordHeader = 20
	hasIndex     = 1 // of the flags of a file
)

// Format is the entry for the list of formats.
var Format = format.Format{
	Name:  "visual",
	Match: func(head []byte) bool { return bytes.HasPrefix(head, []byte(magic)) },
	New: func(in *packet.Input, file int32, lim format.Limits) format.Parser {
		l := &layout{in: in, max: lim.WithDefaults().MaxPacket}
		l.records = format.NewRecords(in, file, l)
		return l.records
	},
}

// medium is what an ifType of SNMP means here.
type medium struct {
	link packet.LinkType
	fcs  int // bytes of frame check sequence, which only the length on the wire counts
}

var media = map[uint16]medium{
	6: {packet.LinkEthernet, 4}, 9: {packet.LinkTokenRing, 0}, 32: {packet.LinkFrameRelay, 2},
	22: {packet.LinkCHDLC, 2}, 118: {packet.LinkCHDLC, 2}, // or PPP, as each packet tells
}

// hintPPP is the hint in a record header that the packet is PPP.
const hintPPP = 14

type layout struct {
	in      *packet.Input
	records *format.Records
	max     int
	medium  medium
	links   *format.Links
	start   int64 // seconds

	total   int64 // packets, as the file header says; 0 if there is no index
	n       int64 // records found, the first's offset, and the sum of the offsets
	first   int64
	sum     uint64
	entries int64 // index entries read, and their sum
	entSum  uint64
	behind  bool // the index has been passed, or is none
}

func (l *layout) FileHeader(b []byte) int {
	if len(b) < fileHeader {
		return fileHeader
	}
	le := binary.LittleEndian
	l.start = int64(le.Uint32(b[8:]))
	kind := le.Uint16(b[12:])
	m, ok := media[kind]
	if !ok {
		m.link = packet.LinkUnassigned + packet.LinkType(kind&0xff)
		l.in.AddAnomaly("unknown_media_type")
	}
	l.medium = m
	if le.Uint16(b[18:]) != 1 {
		l.in.AddAnomaly("odd_version")
	}
	if le.Uint16(b[16:])&hasIndex != 0 {
		l.total = int64(le.Uint32(b[4:]))
	}
	if text, _, _ := strings.Cut(string(b[128:192]), "\x00"); text != "" {
		l.in.Comments = append(l.in.Comments, text)
	}
	l.in.Format = Format.Name
	l.links = format.NewLinks(l.in, "10^-3")
	return fileHeader
}

// Border implements [format.Layout]: the index stands behind as many packets as the
// file header says.
func (l *layout) Border(offset int64) int64 {
	if l.behind || l.total == 0 || l.n < l.total {
		return format.NoBorder
	}
	return offset
}

// Beyond implements [format.Layout]: it reads the index. What does not begin like one
// is left for records.
func (l *layout) Beyond(w *format.Window) (need int) {
	le := binary.LittleEndian
	b := w.Bytes()
	if len(b) < 4 && !w.EOF {
		return 4
	}
	if len(b) < 4 || l.entries == 0 && int64(le.Uint32(b)) != l.first {
		l.close(w)
		return 0
	}
	n := min(len(b)/4, int(min(l.total-l.entries, 1<<30)))
	for i := range n {
		l.entSum += uint64(le.Uint32(b[4*i:]))
	}
	l.entries += int64(n)
	w.Use(4 * n)
	if l.entries < l.total && !w.EOF {
		return len(w.Bytes())/4*4 + 4
	}
	l.close(w)
	return 0
}

// close ends the index, whole or not.
func (l *layout) close(w *format.Window) {
	l.behind = true
	if l.entries < l.total && l.entries > 0 || w.EOF && len(w.Bytes()) < 4 && l.entries < l.total {
		l.cut(w.Offset())
		w.Lose(len(w.Bytes()))
		return
	}
	if l.entries != l.n || l.entSum != l.sum {
		l.in.AddAnomaly("frame_table_differs")
	}
}

func (l *layout) cut(offset int64) {
	l.records.Damage(offset, 0, fmt.Sprintf("file ends before the end of its index of %d packets", l.total),
		"the capture was cut; copy it again if the original is longer")
}

// End implements [format.Layout]. Where records were lost and not all were found, the
// index may be among what was lost.
func (l *layout) End(offset int64) {
	if l.total > 0 && !l.behind && (l.in.DamageCount == 0 || l.n >= l.total) {
		l.cut(offset)
	}
}

// isIndex says whether b begins with the index, for files of which records were lost, so
// that it comes sooner than the count of records says.
func (l *layout) isIndex(b []byte) bool {
	if l.behind || l.first == 0 || l.total < recordHeader/4 || 4*l.total > int64(l.max) || int64(binary.LittleEndian.Uint32(b)) != l.first {
		return false
	}
	for at := 4; at+4 <= recordHeader; at += 4 {
		if binary.LittleEndian.Uint32(b[at:]) < binary.LittleEndian.Uint32(b[at-4:])+recordHeader {
			return false
		}
	}
	return true
}

func (l *layout) HeaderSize() int { return recordHeader }

func lengths(b []byte) (orig, incl int) {
	return int(binary.LittleEndian.Uint16(b[4:])), int(binary.LittleEndian.Uint16(b[6:]))
}

func (l *layout) Header(b []byte) format.Header {
	orig, incl := lengths(b)
	if l.isIndex(b) {
		return format.Header{Size: int(4 * l.total), Sec: l.start, Fits: true, Plain: true}
	}
	h := format.Header{Sec: l.start + int64(binary.LittleEndian.Uint32(b)/1000)}
	if incl > l.max {
		return h
	}
	h.Size = recordHeader + incl
	reserved := string(b[14:20]) == "\x00\x00\x00\x00\x00\x00"
	h.Fits = reserved && incl > 0 && incl <= orig
	h.Plain = h.Fits && (incl == orig || incl == orig-l.medium.fcs)
	return h
}

// Why implements [format.Layout].
func (l *layout) Why(b []byte) string {
	orig, incl := lengths(b)
	return format.WhyLengths(incl, orig, l.max)
}

// Other returns the sizes of a whole packet, without and with a check sequence.
func (l *layout) Other(b []byte) [2]int {
	orig, _ := lengths(b)
	if orig > l.max || orig < l.medium.fcs {
		return [2]int{}
	}
	return [2]int{recordHeader + orig - l.medium.fcs, recordHeader + orig}
}

func (l *layout) Take(b []byte, p *packet.Packet) bool {
	if l.isIndex(b) {
		l.behind = true
		l.in.AddAnomaly("frame_table_differs")
		return false
	}
	orig, _ := lengths(b)
	data := b[recordHeader:len(b):len(b)]
	if l.n == 0 {
		l.first = p.Offset
	}
	l.n++
	l.sum += uint64(p.Offset)
	if orig < len(data) {
		l.in.AddAnomaly("caplen_exceeds_len")
	}
	// Wireshark writes lengths that do not count the check sequence.
	if orig-l.medium.fcs >= len(data) {
		orig -= l.medium.fcs
	}
	p.Data, p.Length, p.Link = data, uint32(orig), l.medium.link
	if p.Link == packet.LinkCHDLC && (b[12] == hintPPP || len(data) >= 2 && data[0] == 0xff && data[1] == 0x03) {
		p.Link = packet.LinkPPP
	}
	p.Interface = l.links.Interface(p.Link)
	p.TimeNS = l.start*1e9 + int64(binary.LittleEndian.Uint32(b))*1e6
	return true
}
