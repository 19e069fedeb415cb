// Package netmon reads the captures of Microsoft's Network Monitor: files that
// begin with RTSS (1.x) or GMBU (2.0 to 2.3). Azure Network Watcher and the
// tools of Windows write them with the suffix .cap.
//
// Sources: Microsoft's "Capture File Format" of the NetMon 3.4 help and
// CAPTUREFILE_HEADER_VALUES of its Win32 documentation; for 1.x, and where those
// are silent, what wiretap/netmon.c of Wireshark says about files.
//
// The table of frames stands at the end of the file, but the frames stand one
// after the other before it: they are read in that order, so that a pipe will do,
// and a file that was cut before its table loses nothing else. When the table
// comes by, it is compared with what was found: frame_table_differs.
//
// Times: before 2.3 the file has the start in local time of a zone that it does
// not name. It is taken as UTC, whatever the zone of this machine, and the input
// carries the anomaly start_zone_unknown. Frames are milliseconds (1.x) or
// microseconds (2.x) after it, and may be before it. From 2.3 on each frame has
// its own time in UTC, in units of 100 ns.
package netmon

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"recap/reader/format"
	"recap/reader/packet"
)

// Format is the entry for the list of formats.
var Format = format.Format{
	Name: "netmon",
	Match: func(head []byte) bool {
		if len(head) < 6 {
			return false
		}
		m := string(head[:4])
		return m == "GMBU" && head[5] == 2 || m == "RTSS" && head[5] == 1
	},
	New: func(in *packet.Input, file int32, lim format.Limits) format.Parser {
		l := &layout{in: in, max: uint32(lim.WithDefaults().MaxPacket)}
		l.records = format.NewRecords(in, file, l)
		return l.records
	},
}

const fileHeader = 128

// Media types that are no packets ("special" ones of the help file), by name.
var metadata = map[uint16]string{
	0xffe0: "event", 0xfffb: "network_info_ex", 0xfffc: "payload_header", 0xfffd: "network_info",
	0xfffe: "dns_cache", 0xffff: "filter",
}

// linkOf maps a media type to the registry. 0xe000 and up are pcap link types of
// files that were converted; from there, 0xe080 to 0xe08a are Message Analyzer's
// own, of which one is 802.11.
func linkOf(media uint16) (link packet.LinkType, known bool) {
	switch {
	case media <= 1: // NetMon 3.4 writes 0 for Ethernet on VPN adapters
		return packet.LinkEthernet, true
	case media == 2:
		return packet.LinkTokenRing, true
	case media == 3:
		return packet.LinkFDDI, true
	case media == 6:
		return packet.LinkWiFi, true
	case media >= 7 && media <= 9: // tunnel interfaces, wireless WAN, raw IP
		return packet.LinkRaw, true
	case media == 0xe080:
		return packet.LinkWiFi, true
	case media > 0xe080 && media <= 0xe08a:
		return packet.LinkUnassigned + packet.LinkType(media&0xff), false
	case media&0xf000 == 0xe000:
		return packet.LinkType(media & 0xfff), true
	}
	return packet.LinkUnassigned + packet.LinkType(media&0x7f), false
}

type layout struct {
	in      *packet.Input
	records *format.Records
	max     uint32
	v1      bool
	minor   byte
	media   uint16
	start   int64 // nanoseconds
	trailer int
	tables  []table // in order of place
	frames  table
	ifaces  map[packet.LinkType]int32

	passed int64  // tables up to here have been passed
	n      int64  // records found, and the sum of their offsets
	sum    uint64 //
	tableN int64  // the same of the frame table
	tabSum uint64
	left   [4]byte // part of an entry that the window ended in
	leftN  int
	seen   bool // the whole frame table
}

// table is a stretch of the file that holds no frames.
type table struct {
	name       string
	start, end int64
}

func (l *layout) FileHeader(b []byte) int {
	if len(b) < fileHeader {
		return fileHeader
	}
	le := binary.LittleEndian
	l.v1 = string(b[:4]) == "RTSS"
	l.minor = b[4]
	l.media = le.Uint16(b[6:])
	if !l.v1 && l.minor > 3 || l.v1 && l.minor > 1 {
		l.in.AddAnomaly("odd_version")
	}
	l.in.Format = fmt.Sprintf("netmon-%d.%d", b[5], l.minor)
	l.trailer = 0
	if !l.v1 {
		l.trailer = []int{0, 2, 6, 15}[min(l.minor, 3)]
	}
	u16 := func(at int) int { return int(le.Uint16(b[at:])) }
	// A SYSTEMTIME: year, month, day of week, day, hour, minute, second, millisecond.
	l.start = time.Date(u16(8), time.Month(u16(10)), u16(14), u16(16), u16(18), u16(20), u16(22)*1e6, time.UTC).UnixNano()
	if y := u16(8); y < 1970 || y > 2200 {
		l.in.AddAnomaly("odd_start_time")
	}
	if !l.perFrameTime() {
		l.in.AddAnomaly("start_zone_unknown")
	}
	l.readTables(b)
	l.ifaces = map[packet.LinkType]int32{}
	if l.trailer == 0 {
		link, known := linkOf(l.media)
		if !known {
			l.in.AddAnomaly("unknown_media_type")
		}
		l.iface(link)
	}
	return fileHeader
}

func (l *layout) perFrameTime() bool { return !l.v1 && l.minor >= 3 }

// readTables notes where the header says that tables stand. Before 2.2 only the
// fields of the frame table mean anything.
func (l *layout) readTables(b []byte) {
	u32 := func(at int) int64 { return int64(binary.LittleEndian.Uint32(b[at:])) }
	l.frames = table{"frame table", u32(24), u32(24) + u32(28)}
	all := []table{l.frames}
	if !l.v1 && l.minor >= 2 {
		all = append(all, table{"comments", u32(40), u32(40) + u32(44)}, table{"network info", u32(56), u32(56) + u32(60)})
		if start := u32(48); start > 0 && u32(52) > 0 {
			// The header counts processes, not bytes: it goes on to the next table.
			all = append(all, table{"process info", start, -1})
		}
	}
	for _, t := range all {
		if t.start >= fileHeader && t.end != t.start {
			l.tables = append(l.tables, t)
		}
	}
	slices.SortStableFunc(l.tables, func(a, b table) int { return int(a.start - b.start) })
	for i := range l.tables {
		t := &l.tables[i]
		switch {
		case i+1 < len(l.tables) && (t.end < 0 || t.end > l.tables[i+1].start):
			t.end = l.tables[i+1].start
		case t.end < 0:
			t.end = format.NoBorder
		}
	}
}

func (l *layout) HeaderSize() int {
	if l.v1 {
		return 8
	}
	return 16
}

// Border implements [format.Layout].
func (l *layout) Border(offset int64) int64 {
	for _, t := range l.tables {
		if t.end > l.passed && t.start >= offset {
			return t.start
		}
		if t.end > l.passed && offset < t.end {
			return offset // inside
		}
	}
	return format.NoBorder
}

// Beyond implements [format.Layout]: it steps over a table, and reads that of frames.
func (l *layout) Beyond(w *format.Window) (need int) {
	for _, t := range l.tables {
		if t.end <= l.passed || w.Offset() < t.start || w.Offset() >= t.end {
			continue
		}
		n := int(min(t.end-w.Offset(), int64(len(w.Bytes()))))
		if t.name == l.frames.name {
			l.entries(w.Bytes()[:n])
		}
		w.Use(n)
		if w.Offset() < t.end {
			if w.EOF {
				return 0 // End tells that it was cut
			}
			return 1
		}
		l.passed = t.end
		if t.name == l.frames.name {
			l.seen = true
		} else {
			l.unknown(t.name)
		}
	}
	return 0
}

// entries reads more of the frame table: 32-bit offsets of records.
func (l *layout) entries(b []byte) {
	for len(b) > 0 {
		n := copy(l.left[l.leftN:], b)
		b = b[n:]
		if l.leftN += n; l.leftN == 4 {
			l.tableN++
			l.tabSum += uint64(binary.LittleEndian.Uint32(l.left[:]))
			l.leftN = 0
		}
	}
}

// End implements [format.Layout].
func (l *layout) End(offset int64) {
	for _, t := range l.tables {
		if t.end > l.passed && t.end != format.NoBorder {
			l.records.Damage(offset, 0, fmt.Sprintf("file ends before the end of the %s, which should be at byte %d", t.name, t.end),
				"the capture was cut; copy it again if the original is longer")
			return
		}
	}
	switch {
	case l.seen && (l.n != l.tableN || l.sum != l.tabSum):
		l.in.AddAnomaly("frame_table_differs")
	case !l.seen && l.ifaces != nil && l.frames.start < fileHeader:
		l.in.AddAnomaly("frame_table_missing")
	}
}

func (l *layout) unknown(name string) {
	format.StepOver(l.in, "netmon "+name)
}

// lengths reads the lengths and the time since the start in nanoseconds.
func (l *layout) lengths(b []byte) (orig, incl uint32, delta int64) {
	le := binary.LittleEndian
	if l.v1 {
		return uint32(le.Uint16(b[4:])), uint32(le.Uint16(b[6:])), int64(le.Uint32(b)) * 1e6
	}
	// Microseconds, unsigned in the help file; but times before the start are
	// written as the two's complement of units of 100 ns divided by ten.
	ticks := int64(le.Uint64(b) * 10)
	const most = 1 << 62 / 100
	return le.Uint32(b[8:]), le.Uint32(b[12:]), min(max(ticks, -most), most) * 100
}

func (l *layout) Header(b []byte) format.Header {
	orig, incl, delta := l.lengths(b)
	h := format.Header{Sec: 1<<40 + delta/1e9}
	if incl > l.max {
		return h
	}
	h.Size = l.HeaderSize() + int(incl) + l.trailer
	h.Fits = incl > 0 && incl <= orig && orig <= format.MaxWire
	if end := l.HeaderSize() + int(incl); h.Fits && l.trailer > 0 && len(b) >= end+2 {
		media := binary.LittleEndian.Uint16(b[end:])
		_, known := linkOf(media)
		h.Fits = known || metadata[media] != "" || media&0xf000 == 0xe000
	}
	h.Plain = h.Fits && incl == orig
	return h
}

// Why implements [format.Layout].
func (l *layout) Why(b []byte) string {
	orig, incl, _ := l.lengths(b)
	return format.WhyLengths(incl, orig, l.max)
}

func (l *layout) Other(b []byte) [2]int {
	orig, _, _ := l.lengths(b)
	if orig > l.max {
		return [2]int{}
	}
	return [2]int{l.HeaderSize() + int(orig) + l.trailer}
}

func (l *layout) Take(b []byte, p *packet.Packet) bool {
	orig, incl, delta := l.lengths(b)
	hs := l.HeaderSize()
	l.n++
	l.sum += uint64(p.Offset)
	data, trailer := b[hs:len(b)-l.trailer:len(b)-l.trailer], b[len(b)-l.trailer:]
	if incl > orig {
		l.in.AddAnomaly("caplen_exceeds_len")
	}
	media := l.media
	if l.trailer > 0 {
		media = binary.LittleEndian.Uint16(trailer)
		if name := metadata[media]; name != "" {
			l.unknown(name)
			return false
		}
	}
	link, known := linkOf(media)
	if !known && l.trailer > 0 {
		l.in.AddAnomaly("unknown_media_type")
	}
	if media == 6 {
		data, orig = l.wifi(data, orig)
	}
	p.Data, p.Length, p.Link = data, orig, link
	p.Interface = l.iface(link)
	p.TimeNS = l.start + delta
	if delta > 0 && p.TimeNS < l.start || delta < 0 && p.TimeNS > l.start {
		p.TimeNS, p.RawTicks = packet.NoTime, binary.LittleEndian.Uint64(b)
	}
	if l.perFrameTime() {
		p.TimeNS, p.RawTicks = fileTime(binary.LittleEndian.Uint64(trailer[6:]))
	}
	return true
}

// wifi takes off the metadata that NetMon puts before an 802.11 frame: a byte
// of version and two of length.
func (l *layout) wifi(data []byte, orig uint32) ([]byte, uint32) {
	if len(data) < 3 {
		return data, orig
	}
	n := int(binary.LittleEndian.Uint16(data[1:]))
	if n < 3 || n > len(data) || uint32(n) > orig {
		l.in.AddAnomaly("bad_wifi_metadata")
		return data, orig
	}
	return data[n:], orig - uint32(n)
}

// fileTime converts a FILETIME, units of 100 ns since 1601 in UTC.
func fileTime(t uint64) (ns int64, raw uint64) {
	const epoch = 116444736000000000 // 1970
	d := int64(t - epoch)
	if t > 1<<63 || d > 1<<63/100-1 || d < -(1<<63/100-1) {
		return packet.NoTime, t
	}
	return d * 100, 0
}

// iface returns the entry for packets of a link type.
func (l *layout) iface(link packet.LinkType) int32 {
	if i, ok := l.ifaces[link]; ok {
		return i
	}
	res := "10^-6"
	switch {
	case l.v1:
		res = "10^-3"
	case l.perFrameTime():
		res = "10^-7"
	}
	l.in.Interfaces = append(l.in.Interfaces, packet.Interface{Link: link, Resolution: res, Received: -1, Drops: -1})
	i := int32(len(l.in.Interfaces) - 1)
	l.ifaces[link] = i
	return i
}
