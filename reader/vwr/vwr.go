// Package vwr reads the captures of VeriWave (Ixia) test sets, files .vwr: big-endian,
// records with a header of 16 bytes, of which some hold frames of Ethernet or 802.11 with
// the counters of the card around them.
//
// No description was published; the fields are those that wiretap/vwr.c of Wireshark, a
// contribution of the maker, names. The file has no header and no magic number: it is known
// by its first records with frames, whose lengths must agree.
//
// Times are nanoseconds, of the clock of the test set. Where that was not set, they are
// those since 1970, with the anomaly start_date_unknown.
package vwr

import (
	"encoding/binary"
	"fmt"
	"math"

	"recap/reader/format"
	"recap/reader/packet"
)

const (
	headerSize = 16
	// reducedBits are set in the second byte of the header where frames are cut.
	reducedBits = 0x30
	deviceAt    = 8
)

// Commands, the first byte of a record.
const (
	received   = 0x21
	sent       = 0x31
	radio      = 0x38 // measurements without a frame
	radioFrame = 0x39 // and with one
	other      = 0xfe
)

// Format is the entry for the list of formats.
var Format = format.Format{
	Name:  "vwr",
	Weak:  true,
	Match: match,
	New: func(in *packet.Input, file int32, lim format.Limits) format.Parser {
		return format.NewRecords(in, file, &layout{in: in, max: lim.WithDefaults().MaxPacket})
	},
}

// match asks for two frames whose lengths agree, or for one that ends the file.
func match(head []byte) bool {
	l := &layout{max: format.DefaultMaxPacket}
	frames := 0
	for b := head; len(b) >= headerSize; {
		h := l.Header(b)
		if h.Size > len(b) {
			return frames > 0 && len(head) >= format.HeadSize
		}
		if frame(b[0]) && h.Size > headerSize {
			k := l.kindOf(b[:h.Size])
			if k == nil {
				return false
			}
			l.kind = k
			if frames++; frames == 2 || h.Size == len(b) {
				return true
			}
		}
		b = b[h.Size:]
	}
	return false
}

type layout struct {
	format.NoTables
	in      *packet.Input
	max     int
	kind    *kind // of the frames; nil before the first
	links   *format.Links
	undated bool // a time without a date was found
}

func (l *layout) FileHeader([]byte) int {
	l.in.Format = Format.Name
	l.links = format.NewLinks(l.in, "10^-9")
	return 0
}

func (l *layout) HeaderSize() int { return headerSize }

func frame(command byte) bool {
	return command == received || command == sent || command == radio || command == radioFrame
}

// following returns how many bytes follow a header, and whether its command is a known one.
func following(b []byte) (n int, known bool) {
	switch c := b[0]; {
	case frame(c), c == 0xc1, c == 0x8b, c == 0xbb:
		return int(binary.BigEndian.Uint16(b[10:])), true
	case c == other:
		return int(binary.BigEndian.Uint16(b[14:])), true
	}
	return 0, false
}

// Header implements [format.Layout]. A frame is judged by the lengths around it, once all of
// it stands in b.
func (l *layout) Header(b []byte) format.Header {
	n, known := following(b)
	h := format.Header{Size: headerSize + n, Sec: format.NoSec, Fits: known, Alone: true}
	switch {
	case n > l.max:
		return format.Header{Sec: format.NoSec}
	case frame(b[0]) && b[0] != radio && n > 0 && len(b) >= h.Size:
		h.Fits = l.kindOf(b[:h.Size]) != nil
		h.Plain = h.Fits
	}
	return h
}

// Why implements [format.Layout].
func (l *layout) Why(b []byte) string {
	switch n, known := following(b); {
	case n > l.max:
		return fmt.Sprintf("record length %d exceeds the limit of %d", n, l.max)
	case !known:
		return fmt.Sprintf("record of command %#x leads to no record", b[0])
	default:
		return fmt.Sprintf("record length %d does not go with that of its frame", n)
	}
}

// Other implements [format.Layout]: a length stands behind the frame, where nothing leads.
func (l *layout) Other([]byte) [2]int { return [2]int{} }

func (l *layout) Take(b []byte, p *packet.Packet) bool {
	if !frame(b[0]) || b[0] == radio || len(b) == headerSize {
		format.StepOver(l.in, fmt.Sprintf("vwr record %#x", b[0]))
		return false
	}
	k := l.kindOf(b)
	if k == nil {
		format.StepOver(l.in, "vwr frame whose lengths do not agree")
		return false
	}
	l.kind = k
	data, wire := k.frame(b)
	if len(data) == 0 {
		format.StepOver(l.in, "vwr frame without bytes")
		return false
	}
	p.Data, p.Length, p.Link = data[:len(data):len(data)], uint32(wire), k.link
	p.Interface = l.links.Interface(k.link)
	l.time(k.ticks(b), p)
	return true
}

// firstDate is the first time that is taken for a date: 1990-01-01.
const firstDate = 631152000e9

func (l *layout) time(ns uint64, p *packet.Packet) {
	if ns > math.MaxInt64 {
		p.TimeNS, p.RawTicks = packet.NoTime, ns
		return
	}
	p.TimeNS = int64(ns)
	if ns < firstDate && !l.undated {
		l.undated = true
		l.in.AddAnomaly("start_date_unknown")
	}
}
