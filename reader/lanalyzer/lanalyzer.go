// Package lanalyzer reads the traces of Novell's LANalyzer (files .TR1 to .TRZ):
// little-endian, a sequence of records of which some hold packets.
//
// Sources: Novell, "Trace File Formats" (TID022037), as wiretap/lanalyzer.c of
// Wireshark carries it, and what that found out about times.
//
// Times are units of half a microsecond. They are taken as wiretap takes them: since
// the midnight that began the day of the trace, in a zone that the file does not name.
// It is taken as UTC, whatever the zone of this machine, and the input carries the
// anomaly start_zone_unknown.
package lanalyzer

import (
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"recap/reader/format"
	"recap/reader/packet"
)

// Types of records.
const (
	typeRegular = 0x1001
	typeSummary = 0x1002
	typePacket  = 0x1005
	typeCyclic  = 0x1007
)

const (
	recordHeader = 4
	// packetHeader is what stands between the record header and the packet.
	packetHeader = 32
	bothHeaders  = recordHeader + packetHeader
	// summary is the least size of the body of a summary record.
	summary = 210
	// mostHeader is how far into a file its summary is looked for.
	mostHeader = 1 << 16
	// checkSequence is what lengths on the wire count and files do not hold.
	checkSequence = 4
)

// Format is the entry for the list of formats.
var Format = format.Format{
	Name:  "lanalyzer",
	Match: match,
	New: func(in *packet.Input, file int32, lim format.Limits) format.Parser {
		return format.NewRecords(in, file, &layout{in: in, max: lim.WithDefaults().MaxPacket})
	},
}

// match asks for two records of header types, as the magic number is but two bytes.
func match(head []byte) bool {
	kind, size := record(head)
	if kind != typeRegular && kind != typeCyclic || size < recordHeader+2 || size > len(head) {
		return false
	}
	kind, size = record(head[size:])
	return size > 0 && isHeader(kind)
}

// isHeader says whether records of a type stand before the packets.
func isHeader(kind uint16) bool {
	return kind >= 0x1001 && kind <= 0x100b && kind != typePacket || kind >= 0x1032 && kind <= 0x1036
}

// record returns type and size of the record at b, size 0 if b holds no record header.
func record(b []byte) (kind uint16, size int) {
	if len(b) < recordHeader {
		return 0, 0
	}
	return binary.LittleEndian.Uint16(b), recordHeader + int(binary.LittleEndian.Uint16(b[2:]))
}

type layout struct {
	format.NoTables
	in    *packet.Input
	max   int
	link  packet.LinkType
	start int64 // seconds
	last  int64 // seconds of the latest packet
	begun bool  // a packet was found
}

// FileHeader implements [format.Layout]: the header ends with the summary, whose place
// among the records before the packets is not fixed.
func (l *layout) FileHeader(b []byte) int {
	for at := 0; ; {
		if len(b) < at+recordHeader {
			return at + recordHeader
		}
		kind, size := record(b[at:])
		if kind == typePacket || !isHeader(kind) || at+size > mostHeader {
			l.begin(nil, b)
			return at
		}
		if len(b) < at+size {
			return at + size
		}
		body := b[at+recordHeader : at+size]
		if at += size; kind == typeSummary && len(body) >= summary {
			l.begin(body, b)
			return at
		}
	}
}

// begin reads the summary, which may be missing, and the comment of the first record.
func (l *layout) begin(b, head []byte) {
	l.in.Format = Format.Name
	l.in.AddAnomaly("start_zone_unknown")
	if _, size := record(head); size > recordHeader+2 && size <= len(head) {
		if text, _, _ := strings.Cut(string(head[recordHeader+2:size]), "\x00"); text != "" {
			l.in.Comments = append(l.in.Comments, text)
		}
	}
	iface := packet.Interface{Link: packet.LinkEthernet, Resolution: "1/2000000", Received: -1, Drops: -1}
	if b == nil {
		l.in.AddAnomaly("summary_missing")
	} else {
		le := binary.LittleEndian
		l.start = time.Date(int(le.Uint16(b[2:])), time.Month(b[1]), int(b[0]), 0, 0, 0, 0, time.UTC).Unix()
		if y := le.Uint16(b[2:]); y < 1970 || y > 2200 {
			l.start = 0
			l.in.AddAnomaly("odd_start_time")
		}
		iface.SnapLen = uint32(le.Uint16(b[30:]))
		switch board := le.Uint16(b[188:]); board {
		case 226:
		case 227:
			iface.Link = packet.LinkTokenRing
		default:
			iface.Link = packet.LinkUnassigned + packet.LinkType(board&0xff)
			l.in.AddAnomaly("unknown_media_type")
		}
	}
	l.link, l.last = iface.Link, l.start
	l.in.Interfaces = append(l.in.Interfaces, iface)
}

func (l *layout) HeaderSize() int { return recordHeader }

// lengths of a packet, of which b holds the header: on the wire with the check
// sequence, and as captured.
func lengths(b []byte) (wire, incl int) {
	return int(binary.LittleEndian.Uint16(b[8:])), int(binary.LittleEndian.Uint16(b[10:]))
}

// Header implements [format.Layout]. The record header says little: a packet is judged
// by what follows it, if that stands in b.
func (l *layout) Header(b []byte) format.Header {
	kind, size := record(b)
	h := format.Header{Size: size, Sec: l.last}
	switch {
	case kind == typePacket && len(b) < bothHeaders:
		// It takes the rest of the header to tell.
		h.Fits = true
		if size < bothHeaders || size > l.max+bothHeaders {
			h.Size = bothHeaders
		}
	case kind != typePacket && !isHeader(kind) || size > l.max+bothHeaders:
		h.Size = 0
	case kind != typePacket:
		h.Fits = !l.begun
	case size < bothHeaders:
	default:
		wire, incl := lengths(b)
		h.Sec = l.time(b) / 1e9
		h.Fits = incl > 0 && bothHeaders+incl <= size && size-bothHeaders-incl < mostPad && wire >= incl
		h.Plain = h.Fits && bothHeaders+incl == size
	}
	return h
}

// mostPad is what may stand behind a packet without a further look, bytes.
const mostPad = 8

// Why implements [format.Layout].
func (l *layout) Why(b []byte) string {
	kind, size := record(b)
	if kind != typePacket {
		return fmt.Sprintf("record type %#x", kind)
	}
	switch {
	case size > l.max+bothHeaders:
		return fmt.Sprintf("record length %d exceeds the limit of %d", size, l.max)
	case size < bothHeaders:
		return fmt.Sprintf("record length %d is less than that of its header", size)
	}
	if len(b) >= bothHeaders {
		if _, incl := lengths(b); bothHeaders+incl > size {
			return fmt.Sprintf("record length %d does not go with captured length %d", size, incl)
		}
	}
	return ""
}

// Other returns the size that follows from the captured length.
func (l *layout) Other(b []byte) [2]int {
	if kind, _ := record(b); kind != typePacket || len(b) < bothHeaders {
		return [2]int{}
	}
	_, incl := lengths(b)
	return [2]int{bothHeaders + incl}
}

func (l *layout) Take(b []byte, p *packet.Packet) bool {
	if kind, _ := record(b); kind != typePacket || len(b) < bothHeaders {
		if l.begun {
			format.StepOver(l.in, fmt.Sprintf("lanalyzer record %#x", kind))
		}
		return false
	}
	l.begun = true
	wire, incl := lengths(b)
	data := b[bothHeaders:]
	if incl > len(data) {
		l.in.AddAnomaly("length_mismatch")
		incl = len(data)
	}
	if wire-checkSequence >= incl {
		wire -= checkSequence
	}
	if incl > wire {
		l.in.AddAnomaly("caplen_exceeds_len")
	}
	p.Data, p.Length, p.Link = data[:incl:incl], uint32(wire), l.link
	p.TimeNS = l.time(b)
	l.last = p.TimeNS / 1e9
	return true
}

// time returns the time of a packet in nanoseconds since 1970: 48 bits of half
// microseconds do not overflow.
func (l *layout) time(b []byte) int64 {
	le := binary.LittleEndian
	return l.start*1e9 + (int64(le.Uint32(b[12:]))|int64(le.Uint16(b[16:]))<<32)*500
}
