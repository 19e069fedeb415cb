// Package sniffer reads the captures of Network General's Sniffer for DOS (files
// .ENC, .TRC, .FDC, .SYC), compressed or not: little-endian, a
// sequence of records of which some hold frames.
//
// Sources: the record formats of the "Sniffer Network Analyzer Operations" manual,
// as far as they are quoted in public; what it does not tell, as the units of time of
// later versions, is what wiretap/ngsniffer.c of Wireshark found out.
//
// Times count from the midnight before the capture, of a zone that the file does not
// name. It is taken as UTC, whatever the zone of this machine, and the input carries
// the anomaly start_zone_unknown. What is less than a nanosecond is cut off.
package sniffer

import (
	"encoding/binary"
	"fmt"
	"time"

	"recap/reader/format"
	"recap/reader/packet"
)

const magic = "TRSNIFF data    \x1a"

const (
	recordHeader  = 6
	versionRecord = 18
	fileHeader    = len(magic) + recordHeader + versionRecord
	formatAt      = 33 // whether the file is compressed
)

// Kinds of networks.
const (
	tokenRing    = 0
	ethernet     = 1
	synchronous  = 7 // wide area
	asynchronous = 8
	fddi         = 9
	atm          = 10
)

// Types of records.
const (
	typeVersion = 1
	typeEnd     = 3
	typeFrame   = 4
	typeFrame4  = 8  // as typeFrame, with 34 bytes about ATM before the frame
	typeFrame6  = 12 // as typeFrame, with 20 bytes more before the frame
)

// What stands between the record header and the frame.
const (
	frameHeader  = 14
	frame4Header = 48
	frame6Header = 34
)

// Format is the entry for the list of formats. Compressed files become such by [Unpack].
var Format = format.Format{
	Name: "sniffer",
	Match: func(head []byte) bool {
		return len(head) > formatAt && string(head[:len(magic)]) == magic && head[formatAt] == 1
	},
	New: func(in *packet.Input, file int32, lim format.Limits) format.Parser {
		return format.NewRecords(in, file, &layout{in: in, max: lim.WithDefaults().MaxPacket})
	},
}

type layout struct {
	format.NoTables
	in     *packet.Input
	max    int
	link   packet.LinkType // of all frames, but in captures of ATM and wide area networks
	links  *format.Links
	net    byte   // kind of the network
	wan    byte   // kind of a wide area network
	short  bool   // records of ATM are longer than they say
	errors byte   // bits of a frame's status that are errors of receiving
	unit   uint64 // picoseconds; 0 if unknown
	start  int64  // seconds
	last   int64  // seconds of the latest frame
	begun  bool   // a frame was found
}

// units of time by their code, in picoseconds.
var units = []uint64{15000000, 838096, 15000000, 500000, 2000000, 1000000, 100000}

func (l *layout) FileHeader(b []byte) int {
	if len(b) < fileHeader {
		return fileHeader
	}
	le := binary.LittleEndian
	v := b[len(magic)+recordHeader:]
	if le.Uint16(b[len(magic):]) != typeVersion {
		l.in.AddAnomaly("odd_version")
	}
	l.in.Format = fmt.Sprintf("%s-%d.%d", Format.Name, le.Uint16(v), le.Uint16(v[2:]))
	date := le.Uint16(v[6:]) // of DOS: 7 bits of years since 1980, 4 of month, 5 of day
	day := time.Date(1980+int(date>>9), time.Month(date>>5&15), int(date&31), 0, 0, 0, 0, time.UTC)
	if date>>5&15-1 >= 12 || date&31 == 0 {
		l.in.AddAnomaly("odd_start_time")
	}
	l.start, l.last = day.Unix(), day.Unix()
	l.in.AddAnomaly("start_zone_unknown")
	l.net, l.wan = v[9], wanUnknown
	l.short = le.Uint16(v) < 5 && le.Uint16(v[2:]) >= 95
	switch l.net {
	case tokenRing:
		l.link = packet.LinkTokenRing
	case ethernet:
		l.link, l.errors = packet.LinkEthernet, 0xfa
	case fddi:
		l.link = packet.LinkFDDI
	case atm:
	case synchronous, asynchronous:
		if le.Uint16(v) == 3 {
			l.wan = wanFrameRelay
		}
	default:
		l.link = packet.LinkUnassigned + packet.LinkType(l.net)
		l.in.AddAnomaly("unknown_media_type")
	}
	res := ""
	if int(v[11]) < len(units) {
		l.unit = units[v[11]]
		res = fmt.Sprintf("%d*10^-12", l.unit)
	} else {
		l.in.AddAnomaly("unknown_time_unit")
	}
	l.links = format.NewLinks(l.in, res)
	if !l.mixed() {
		l.links.Interface(l.link)
	}
	return fileHeader
}

// mixed says whether frames have link types of their own.
func (l *layout) mixed() bool {
	return l.net == atm || l.net == synchronous || l.net == asynchronous
}

func (l *layout) HeaderSize() int { return recordHeader }

// length returns how many bytes follow the record header at b.
func (l *layout) length(b []byte) int {
	n := int(binary.LittleEndian.Uint16(b[2:]))
	if l.short && l.net == atm && binary.LittleEndian.Uint16(b) == typeFrame4 {
		n += frame4Header - frameHeader // written as if the record were of typeFrame
	}
	return n
}

// frameStart returns where the frame begins in a record of a type, 0 if it holds none.
func (l *layout) frameStart(kind uint16) int {
	switch kind {
	case typeFrame:
		return recordHeader + frameHeader
	case typeFrame4:
		if l.net == atm {
			return recordHeader + frame4Header
		}
	case typeFrame6:
		return recordHeader + frame6Header
	}
	return 0
}

// Header implements [format.Layout]. The record header says little: a frame is judged by
// what follows it, if that stands in b.
func (l *layout) Header(b []byte) format.Header {
	le := binary.LittleEndian
	kind, n, reserved := le.Uint16(b), l.length(b), le.Uint16(b[4:])
	h := format.Header{Size: recordHeader + n, Sec: l.last}
	start := l.frameStart(kind)
	switch {
	case start > 0 && len(b) < recordHeader+frameHeader:
		// It takes the rest of the header to tell.
		h.Fits = true
		if h.Size < start || n > l.max+frame4Header {
			h.Size = start
		}
	case kind == 0 || n > l.max+frame4Header:
		h.Size = 0
	case kind == typeEnd:
		h.Fits = n == 0 && reserved == 0
		h.Plain = h.Fits
	case start == 0:
		// Records about the capture stand before the frames.
		h.Fits = !l.begun && kind >= 6 && kind <= 17 && reserved == 0
	case h.Size < start:
	default:
		incl, orig := int(le.Uint16(b[12:])), int(le.Uint16(b[16:]))
		h.Sec = l.time(b) / 1e9
		h.Fits = reserved == 0 && incl > 0 && start+incl <= h.Size && (orig == 0 || orig >= incl)
		h.Plain = h.Fits && start+incl == h.Size
		h.Fits = h.Fits && h.Size-start-incl < mostPad
	}
	return h
}

// mostPad is what may stand behind a frame without a further look, bytes.
const mostPad = 8

// Why implements [format.Layout].
func (l *layout) Why(b []byte) string {
	le := binary.LittleEndian
	kind, n := le.Uint16(b), l.length(b)
	if start := l.frameStart(kind); start > 0 {
		switch {
		case n > l.max+frame4Header:
			return fmt.Sprintf("record length %d exceeds the limit of %d", n, l.max)
		case recordHeader+n < start:
			return fmt.Sprintf("record length %d is less than that of its header", n)
		case len(b) >= recordHeader+frameHeader && start+int(le.Uint16(b[12:])) > recordHeader+n:
			return fmt.Sprintf("record length %d does not go with captured length %d", n, le.Uint16(b[12:]))
		}
	}
	return ""
}

// Other returns the size that follows from the captured length.
func (l *layout) Other(b []byte) [2]int {
	start := l.frameStart(binary.LittleEndian.Uint16(b))
	if start == 0 || len(b) < recordHeader+frameHeader {
		return [2]int{}
	}
	return [2]int{start + int(binary.LittleEndian.Uint16(b[12:]))}
}

func (l *layout) Take(b []byte, p *packet.Packet) bool {
	le := binary.LittleEndian
	kind := le.Uint16(b)
	start := l.frameStart(kind)
	if start == 0 || start > len(b) {
		if kind == wanRecord && len(b) > wanAt && !l.begun && l.wan == wanUnknown {
			l.wan = b[wanAt]
		}
		if kind != typeEnd {
			format.StepOver(l.in, fmt.Sprintf("sniffer record %d", kind))
		}
		return false
	}
	l.begun = true
	data := b[start:]
	incl, orig := int(le.Uint16(b[12:])), uint32(le.Uint16(b[16:]))
	if incl > len(data) {
		l.in.AddAnomaly("length_mismatch")
		incl = len(data)
	}
	if orig == 0 {
		orig = uint32(incl)
	}
	if uint32(incl) > orig {
		l.in.AddAnomaly("caplen_exceeds_len")
	}
	if b[14]&l.errors != 0 {
		l.in.AddAnomaly("receive_error")
	}
	p.Data, p.Length, p.Link = data[:incl:incl], orig, l.link
	if l.mixed() && !l.resolve(b, p) {
		return false
	}
	p.Interface = l.links.Interface(p.Link)
	if p.TimeNS = l.time(b); l.unit == 0 {
		p.TimeNS, p.RawTicks = packet.NoTime, ticks(b)
	}
	l.last = l.time(b) / 1e9
	return true
}

// resolve finds the link type of a frame in a capture that has several. It reports false for
// one that is none that can be read, which it counts.
func (l *layout) resolve(b []byte, p *packet.Packet) bool {
	l.last = l.time(b) / 1e9
	if l.net == atm {
		if binary.LittleEndian.Uint16(b) != typeFrame4 {
			p.Link = packet.LinkATM
			return true
		}
		rest, link, ok := atmFrameOf(b, p.Data)
		if !ok {
			format.StepOver(l.in, "sniffer cell or control message of ATM")
			return false
		}
		p.Length -= uint32(min(len(p.Data)-len(rest), int(p.Length)))
		p.Data, p.Link = rest, link
		return true
	}
	link, ok := l.wanLink(b[14], p.Data)
	if !ok {
		format.StepOver(l.in, "sniffer frame of an unknown protocol of wide area networks")
	}
	p.Link = link
	return ok
}

// ticks reads the 40 bits of time of a frame.
func ticks(b []byte) uint64 {
	return uint64(binary.LittleEndian.Uint32(b[6:])) | uint64(b[10])<<32
}

// time returns the time of a frame in nanoseconds since 1970: ticks, and days.
func (l *layout) time(b []byte) int64 {
	// 40 bits of ticks and 24 of picoseconds do not overflow.
	return l.start*1e9 + int64(ticks(b)*l.unit/1000) + int64(b[11])*86400e9
}
