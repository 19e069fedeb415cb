// Package netxray reads the captures of Cinco's NetXRay and of the Sniffers for
// Windows that followed it: files that begin with VL (before 1.0) or XCP (1.0, 1.1
// and 2.0 to 2.3). All are little-endian.
//
// No description was published; the fields, and the units of time, which hang on
// the kind of adapter, are those that wiretap/netxray.c of Wireshark found out.
//
// Packets stand from one offset of the header to another, and what stands outside
// is counted and not read. A capture that was taken in a ring begins in the middle
// of the file; it is read in the order of the file, not of time, and carries the
// anomaly circular_buffer.
package netxray

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"

	"recap/reader/format"
	"recap/reader/packet"
)

const (
	fileHeader = 128
	headerOf2  = 40 // of a record of version 2
)

// Format is the entry for the list of formats.
var Format = format.Format{
	Name:  "netxray",
	Match: func(head []byte) bool { return len(head) >= 12 && versionOf(head) >= 0 },
	New: func(in *packet.Input, file int32, lim format.Limits) format.Parser {
		l := &layout{in: in, max: lim.WithDefaults().MaxPacket}
		l.records = format.NewRecords(in, file, l)
		return l.records
	},
}

// versionOf returns ten times the major version plus the minor one, 0 for files from
// before versions, -1 for what is no file of this format.
func versionOf(b []byte) int {
	switch {
	case string(b[:4]) == "VL\x00\x00":
		return 0
	case string(b[:4]) != "XCP\x00":
		return -1
	}
	versions := map[string]int{"001.000\x00": 10, "001.100\x00": 11, "002.000\x00": 20, "002.001\x00": 21, "002.002\x00": 22, "002.003\x00": 23}
	if v, ok := versions[string(b[4:12])]; ok {
		return v
	}
	return -1
}

type layout struct {
	in      *packet.Input
	records *format.Records
	max     int
	header  int // bytes of a record header
	link    packet.LinkType
	// trailer says that records that are so flagged have four bytes after the packet;
	// fcs, that these are its frame check sequence.
	trailer, fcs bool

	perSecond uint64 // ticks; 0 if unknown
	start     int64  // seconds
	origin    uint64 // ticks at the start

	gaps   []gap // in order of place
	passed int64 // gaps up to here are behind
}

// gap is a stretch of the file that holds no records.
type gap struct{ start, end int64 }

func (l *layout) FileHeader(b []byte) int {
	if len(b) < fileHeader {
		return fileHeader
	}
	le := binary.LittleEndian
	version := versionOf(b)
	major := version / 10
	l.header = []int{16, 28, headerOf2}[major]
	l.in.Format = fmt.Sprintf("netxray-%d.%d", major, version%10)
	l.start = int64(le.Uint32(b[12:]))
	l.origin = le.Uint64(b[52:])
	l.network(b, major)
	l.units(b, version)
	l.stretches(int64(le.Uint32(b[24:])), int64(le.Uint32(b[28:])))
	return fileHeader
}

// network reads what kind of network the capture is of: a medium of NDIS less one, or,
// where the next byte is 2, the medium itself.
func (l *layout) network(b []byte, major int) {
	medium := int(b[44]) + 1
	if b[45] == 2 {
		medium--
	}
	link, known := linkOf(medium, major, b[84])
	if !known {
		l.in.AddAnomaly("unknown_media_type")
	}
	l.link = link
	framed := medium == 4 && (b[84] == wanPPP || b[84] == wanSDLC || b[84] == wanCHDLC)
	l.trailer = major == 2 && (medium == 1 || medium == 4 || medium == 10) && !framed
	l.fcs = b[77] == 0x34 && b[78] == 0x12 && (medium == 1 || medium == 10)
}

// Captures of wide area networks, by what the adapter said they are.
const (
	wanPPP   = 3
	wanFrame = 4
	wanSDLC  = 7
	wanCHDLC = 19
)

// linkOf maps a medium to the registry. Before 2.0, what NDIS calls a wide area
// network looks like Ethernet.
func linkOf(medium, major int, capture byte) (link packet.LinkType, known bool) {
	switch medium {
	case 1:
		return packet.LinkEthernet, true
	case 2:
		return packet.LinkTokenRing, true
	case 3:
		return packet.LinkFDDI, true
	case 9:
		return packet.LinkATM, major == 2 // records of earlier versions do not say what they hold
	case 10:
		return packet.LinkWiFi, true
	case 4:
		if major < 2 {
			return packet.LinkEthernet, true
		}
		wan := map[byte]packet.LinkType{wanPPP: packet.LinkPPP, wanFrame: packet.LinkFrameRelay, wanSDLC: 268, wanCHDLC: packet.LinkCHDLC}
		if link, ok := wan[capture]; ok {
			return link, true
		}
	}
	return packet.LinkUnassigned + packet.LinkType(medium&0xff), false
}

// units finds out how long a tick is. Versions before 2.0 count milliseconds, but 1.1
// microseconds. Later ones have a code, which means another thing with each kind of adapter.
func (l *layout) units(b []byte, version int) {
	switch {
	case version <= 10:
		l.perSecond = 1e3
	case version == 11:
		l.perSecond = 1e6
	case b[44] == 0 && b[45] != 2 || b[44] == 1 && b[45] == 2:
		l.ethernetUnits(b, version)
	case b[48] < 3:
		l.perSecond = []uint64{1e6, 1193000, 1193182}[b[48]]
	}
	res := fmt.Sprintf("1/%d", l.perSecond)
	switch l.perSecond {
	case 0:
		l.in.AddAnomaly("unknown_time_unit")
		res = ""
	case 1e3:
		res = "10^-3"
	case 1e6:
		res = "10^-6"
	case 1e9:
		res = "10^-9"
	}
	l.in.Interfaces = append(l.in.Interfaces, packet.Interface{Link: l.link, Resolution: res, Received: -1, Drops: -1})
}

// ethernetUnits are the units of Ethernet captures from 2.0 on, by the kind of adapter:
// an ordinary one, or one of several pods. From 2.2 on, the ticks of pods begin at zero.
func (l *layout) ethernetUnits(b []byte, version int) {
	capture, unit := b[84], b[48]
	tables := map[byte][3]uint64{0: {1e6, 1193000, 0}, 2: {1e9, 0, 31250000}, 3: {1e6, 0, 1250000}, 5: {1e6, 0, 0}, 6: {1e9, 0, 20000000}}
	if unit < 3 {
		l.perSecond = tables[capture][unit]
	}
	switch {
	case capture == 0 && unit == 2:
		l.perSecond = uint64(binary.LittleEndian.Uint32(b[76:])) // this header says it
	case capture != 0 && version >= 22:
		l.origin = 0
	}
}

// stretches notes what is outside of the packets. A header that was never finished names
// no end.
func (l *layout) stretches(start, end int64) {
	if start < fileHeader {
		start = fileHeader
		l.in.AddAnomaly("odd_start_offset")
	}
	if end >= fileHeader && end < start {
		l.in.AddAnomaly("circular_buffer")
		l.gaps = []gap{{end, start}}
		return
	}
	if start > fileHeader {
		l.gaps = append(l.gaps, gap{fileHeader, start})
	}
	if end >= fileHeader {
		l.gaps = append(l.gaps, gap{end, format.NoBorder})
	}
}

// Border implements [format.Layout].
func (l *layout) Border(offset int64) int64 {
	for _, g := range l.gaps {
		if g.end > l.passed && offset < g.end {
			return max(g.start, offset)
		}
	}
	return format.NoBorder
}

// Beyond implements [format.Layout].
func (l *layout) Beyond(w *format.Window) (need int) {
	for _, g := range l.gaps {
		if g.end <= l.passed || w.Offset() < g.start || w.Offset() >= g.end {
			continue
		}
		n := min(g.end-w.Offset(), int64(len(w.Bytes())))
		if n > 0 && w.Offset() == g.start {
			format.StepOver(l.in, "netxray stretch without packets")
		}
		w.Use(int(n))
		if w.Offset() < g.end && !w.EOF {
			return 1
		}
		l.passed = g.end
	}
	return 0
}

// End implements [format.Layout]: it tells of packets that should have come.
func (l *layout) End(offset int64) {
	for _, g := range l.gaps {
		at := g.end
		if at == format.NoBorder {
			at = g.start
		}
		if offset < at {
			l.records.Damage(offset, 0, fmt.Sprintf("file ends before byte %d, which its header names", at),
				"the capture was cut; copy it again if the original is longer")
			return
		}
	}
}

func (l *layout) HeaderSize() int { return l.header }

// lengths of a packet on the wire and as captured. Before 1.0 they are one.
func (l *layout) lengths(b []byte) (orig, incl int) {
	orig = int(binary.LittleEndian.Uint16(b[8:]))
	if l.header == 16 {
		return orig, orig
	}
	return orig, int(binary.LittleEndian.Uint16(b[10:]))
}

func (l *layout) Header(b []byte) format.Header {
	orig, incl := l.lengths(b)
	h := format.Header{Sec: math.MaxInt64}
	if ns, ok := l.time(b); ok {
		h.Sec = ns / 1e9
	}
	if l.perSecond == 0 {
		h.Sec = 0
	}
	if incl > l.max {
		return h
	}
	h.Size = l.header + incl
	least := 1
	if l.link == packet.LinkEthernet {
		least = 14 // the fields that are known are few, so that much is asked for
	}
	h.Fits = incl >= least && incl <= orig && h.Sec != math.MaxInt64
	h.Plain = h.Fits && incl == orig && l.header > 16
	return h
}

// Why implements [format.Layout].
func (l *layout) Why(b []byte) string {
	orig, incl := l.lengths(b)
	return format.WhyLengths(incl, orig, l.max)
}

func (l *layout) Other(b []byte) [2]int {
	orig, _ := l.lengths(b)
	if orig > l.max {
		return [2]int{}
	}
	return [2]int{l.header + orig}
}

func (l *layout) Take(b []byte, p *packet.Packet) bool {
	orig, incl := l.lengths(b)
	if incl > orig {
		l.in.AddAnomaly("caplen_exceeds_len")
	}
	data := b[l.header:]
	if l.trailer && bytes.Equal(b[14:16], []byte{0xff, 0xff}) && len(data) >= 4 && orig >= 4 {
		if l.fcs {
			p.FCSLen = 4
		} else {
			data, orig = data[:len(data)-4], orig-4
		}
	}
	link := l.link
	if link == packet.LinkATM && l.header == headerOf2 {
		if data, orig, link = l.atm(b, data, orig); data == nil {
			return false
		}
	}
	p.Data, p.Length, p.Link = data[:len(data):len(data)], uint32(orig), link
	ns, ok := l.time(b)
	if p.TimeNS = ns; !ok {
		p.TimeNS, p.RawTicks = packet.NoTime, binary.LittleEndian.Uint64(b)
	}
	return true
}

// time converts the ticks of a record to nanoseconds since 1970, cutting off what is
// less than one. ok is false where the unit is unknown or the result out of range.
func (l *layout) time(b []byte) (ns int64, ok bool) {
	if l.perSecond == 0 {
		return 0, false
	}
	ticks, sign := binary.LittleEndian.Uint64(b)-l.origin, int64(1)
	if int64(ticks) < 0 {
		ticks, sign = -ticks, -1
	}
	sec, rest := ticks/l.perSecond, ticks%l.perSecond
	hi, lo := bits.Mul64(rest, 1e9)
	part, _ := bits.Div64(hi, lo, l.perSecond) // rest < perSecond, so the quotient fits
	const most = math.MaxInt64/1000000000 - 1<<32
	if sec > most {
		return 0, false
	}
	return l.start*1e9 + sign*(int64(sec)*1e9+int64(part)), true
}
