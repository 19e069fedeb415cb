// Package capsa reads the captures of Colasoft's Capsa and Packet Builder (files .cscpkt):
// little-endian, a file header, then blocks of up to 200 records of Ethernet, each behind a
// table of where they stand.
//
// No description was published; the fields are those that wiretap/capsa.c of Wireshark names.
// Times are microseconds since 1970.
package capsa

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"

	"recap/reader/format"
	"recap/reader/packet"
)

const (
	magic      = "cpse"
	kindAt     = 4
	fileHeader = 0x44ef
	// recordHeader is what both kinds of records have at least.
	recordHeader = 32
	tableMark    = 0xfe
	tableSize    = 1 + 200*4 + 4
	// mostBehind is what may stand behind a packet without a further look, bytes.
	mostBehind = 8
	fcs        = 4
)

// A kind says where the fields of a record are.
type kind struct {
	name     string
	lengthAt int // of the record, of the packet as stored, and on the wire
	timeAt   int
	countsAt int // two counts of words that follow the header; 0 if there are none
}

var kinds = map[uint16]kind{
	1: {"capsa", 16, 8, 24},
	2: {"capsa-packet-builder", 0, 16, 0},
}

// Format is the entry for the list of formats.
var Format = format.Format{
	Name: "capsa",
	Match: func(head []byte) bool {
		return len(head) >= kindAt+2 && strings.HasPrefix(string(head[:kindAt]), magic) && kinds[binary.LittleEndian.Uint16(head[kindAt:])].name != ""
	},
	New: func(in *packet.Input, file int32, lim format.Limits) format.Parser {
		return format.NewRecords(in, file, &layout{in: in, max: lim.WithDefaults().MaxPacket})
	},
}

type layout struct {
	format.NoTables
	in    *packet.Input
	max   int
	kind  kind
	iface int32
}

func (l *layout) FileHeader(b []byte) int {
	if len(b) < fileHeader {
		return fileHeader
	}
	l.kind = kinds[binary.LittleEndian.Uint16(b[kindAt:])]
	l.in.Format = l.kind.name
	l.iface = format.NewLinks(l.in, "10^-6").Interface(packet.LinkEthernet)
	return fileHeader
}

func (l *layout) HeaderSize() int { return recordHeader }

// fields returns the lengths of the record at b, and how many bytes stand before its packet.
func (l *layout) fields(b []byte) (size, stored, wire, start int) {
	le := binary.LittleEndian
	at := l.kind.lengthAt
	start = recordHeader
	if c := l.kind.countsAt; c > 0 {
		start += 4 * (int(b[c]) + int(b[c+1]))
	}
	return int(le.Uint16(b[at:])), int(le.Uint16(b[at+2:])), int(le.Uint16(b[at+4:])), start
}

func (l *layout) time(b []byte) uint64 { return binary.LittleEndian.Uint64(b[l.kind.timeAt:]) }

// table says whether a table of places stands at b: they grow, and the first is behind it.
func table(b []byte) bool {
	if b[0] != tableMark {
		return false
	}
	last := uint32(tableSize - 1)
	for at := 1; at+4 <= recordHeader; at += 4 {
		n := binary.LittleEndian.Uint32(b[at:])
		if n == 0 && at > 1 {
			return true
		}
		if n <= last || n-last > math.MaxUint16 {
			return false
		}
		last = n
	}
	return true
}

func (l *layout) Header(b []byte) format.Header {
	if table(b) {
		return format.Header{Size: tableSize, Sec: format.NoSec, Fits: true, Plain: true}
	}
	size, stored, wire, start := l.fields(b)
	h := format.Header{Sec: int64(min(l.time(b)/1e6, math.MaxInt64))}
	if size >= recordHeader && stored <= l.max {
		h.Size = size
	}
	behind := size - start - stored
	h.Fits = h.Size > 0 && stored > 0 && behind >= 0 && wire >= stored
	h.Plain = h.Fits && behind < mostBehind
	h.Alone = !h.Plain
	return h
}

// Why implements [format.Layout].
func (l *layout) Why(b []byte) string {
	switch size, stored, _, start := l.fields(b); {
	case size < recordHeader:
		return fmt.Sprintf("record length %d is less than that of its header", size)
	case stored > l.max:
		return fmt.Sprintf("packet length %d exceeds the limit of %d", stored, l.max)
	case start+stored > size:
		return fmt.Sprintf("record length %d does not go with packet length %d", size, stored)
	}
	return ""
}

// Other returns the size that follows from the length of the packet.
func (l *layout) Other(b []byte) [2]int {
	_, stored, _, start := l.fields(b)
	return [2]int{start + stored, (start + stored + 3) &^ 3}
}

func (l *layout) Take(b []byte, p *packet.Packet) bool {
	if table(b) {
		return false
	}
	_, stored, wire, start := l.fields(b)
	if start > len(b) {
		format.StepOver(l.in, "capsa record shorter than its header")
		return false
	}
	if stored > len(b)-start {
		l.in.AddAnomaly("length_mismatch")
		stored = len(b) - start
	}
	if wire == stored+fcs {
		wire = stored // it counts the check sequence, which is not stored
	}
	if wire < stored {
		l.in.AddAnomaly("caplen_exceeds_len")
	}
	p.Data, p.Length, p.Link, p.Interface = b[start:start+stored:start+stored], uint32(wire), packet.LinkEthernet, l.iface
	if t := l.time(b); t > math.MaxInt64/1000 {
		p.TimeNS, p.RawTicks = packet.NoTime, t
	} else {
		p.TimeNS = int64(t) * 1000
	}
	return true
}
