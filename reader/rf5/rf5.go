// Package rf5 reads the recordings of Tektronix K12xx and K15 analyzers (files .rf5):
// big-endian, a file header, then records that 16 bytes of no use interrupt every 8 KiB.
//
// No description was published; the fields are those that wiretap/k12.c of Wireshark
// names.
//
// A file names the stack of protocols that a source was decoded with, but not what its
// frames begin with. Sources of ATM say that they are such. Others are taken for Ethernet
// if their stack has that name, or once a frame of theirs proves that: Ethernet with an IP
// packet of the right length in it, PPP, Cisco HDLC, or IPv4 as it is. Frames before that
// are counted.
package rf5

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"

	"recap/reader/format"
	"recap/reader/packet"
)

const magic = "\x00\x00\x02\x00\x12\x05\x00\x10"

const (
	fileHeader = 512
	// Every page begins with a stretch that holds nothing of the records.
	page  = 8192
	blank = 16
	// recordHeader is length, type, length of the frame, and source.
	recordHeader = 16
	// recordExtra is what a record may have beside its frame, bytes.
	recordExtra = 4096
	// mostBehind is what may stand behind a frame without a further look, bytes: of ATM,
	// its circuit, and padding.
	mostBehind = 64
	timeAt     = 0x18
	frameAt    = 0x20
	frameAtK18 = 0x34
	typeFrame  = 0x0001_0020
	typeK18    = 0x000d_0020
	// typeMask takes the kind of a frame off.
	typeMask = 0xffff_fff0
	// lengthMask is what of the length of a frame counts, where all of it is too long.
	lengthMask = 0x1fff
	epoch      = 631152000 // 1990-01-01, seconds since 1970
	unit       = 500       // nanoseconds
	// mostTicks are the last that fit.
	mostTicks = (math.MaxInt64 - epoch*1_000_000_000) / unit
	// terminator may stand behind the last record.
	terminator = "\xff\xff"
)

// Format is the entry for the list of formats.
var Format = format.Format{
	Name:  "rf5",
	Match: func(head []byte) bool { return bytes.HasPrefix(head, []byte(magic)) },
	New: func(in *packet.Input, file int32, lim format.Limits) format.Parser {
		in.Format = "rf5"
		return &parser{in: in, file: file, max: lim.WithDefaults().MaxPacket, sources: map[uint32]*source{},
			other: source{undescribed: true}, ifaces: map[iface]int32{}}
	},
}

type parser struct {
	in      *packet.Input
	file    int32
	max     int
	begun   bool // the file header was passed
	n       int64
	sources map[uint32]*source
	other   source // stands for those that the file does not describe
	ifaces  map[iface]int32

	// A run of bytes that are no record.
	lost, zeros int64
	lostAt      int64
	why         string
}

// Parse implements [format.Parser].
func (p *parser) Parse(w *format.Window) (need int) {
	if !p.begun {
		switch n := len(w.Bytes()); {
		case n >= fileHeader:
			w.Use(fileHeader)
		case !w.EOF:
			return fileHeader
		default:
			p.lose(w, n, fmt.Sprintf("file ends inside the file header: %d of %d bytes", n, fileHeader))
		}
		p.begun = true
	}
	for w.Start < w.End {
		if n := within(w.Offset()); n > 0 {
			w.Use(min(n, w.End-w.Start))
			continue
		}
		if need = p.next(w, newView(w)); need > 0 {
			return need
		}
	}
	if !w.EOF {
		return 1
	}
	if p.zeros > 0 {
		p.in.AddAnomaly("zero_padding")
	}
	p.settle()
	return 0
}

// next deals with what stands at the beginning of v, which is no blank.
func (p *parser) next(w *format.Window, v view) (need int) {
	var buf [recordHeader]byte
	got := v.copy(buf[:], 0)
	if z := leadingZeros(buf[:got]); z == got && (w.EOF || got == recordHeader) {
		n := v.file(z)
		w.Pad(n)
		p.zeros += int64(n)
		return 0
	}
	if got < recordHeader {
		switch {
		case !w.EOF:
			return v.file(recordHeader)
		case bytes.HasPrefix(buf[:got], []byte(terminator)) && len(bytes.TrimRight(buf[:got], "\x00")) == len(terminator):
			w.Use(len(v.b))
		default:
			p.lose(w, len(v.b), fmt.Sprintf("file ends inside the record header: %d of %d bytes", got, recordHeader))
		}
		return 0
	}
	h := header(buf[:])
	if !p.sized(h) {
		p.lose(w, 1, fmt.Sprintf("record length %d of type %#x", h.size(), h.kind()))
		return 0
	}
	size := v.file(h.size())
	sure := p.lost == 0 && (h.plain() || v.plainSource(h))
	if !sure {
		if h.describes() && v.have() < partsAt && !w.EOF {
			return v.file(partsAt)
		}
		if sure, need = p.leads(v, h, w.EOF); need > 0 {
			return need
		}
	}
	switch {
	case !sure && h.sound() && w.EOF && size > len(v.b):
		// It is cut, or its length is wrong and others follow.
		p.lose(w, 1, fmt.Sprintf("file ends inside the record: %d of %d bytes", v.have(), h.size()))
	case !sure:
		p.lose(w, 1, fmt.Sprintf("record of type %#x and %d bytes leads to no record", h.kind(), h.size()))
	case size > len(v.b) && !w.EOF:
		return size
	case size > len(v.b):
		p.lose(w, len(v.b), fmt.Sprintf("file ends inside the record: %d of %d bytes", v.have(), h.size()))
	default:
		p.zeroHole(w)
		p.settle()
		p.record(w, v, h)
		w.Use(size)
	}
	return 0
}

// sized says whether a record may have the length that it tells.
func (p *parser) sized(h header) bool {
	return h.size() >= recordHeader && h.size() <= p.max+recordExtra
}

// leads says whether h, which stands at the beginning of v, is followed by a record, by zero
// bytes, or by the end of the file.
func (p *parser) leads(v view, h header, eof bool) (ok bool, need int) {
	at := h.size()
	for i := range 2 {
		var buf [recordHeader]byte
		got := v.copy(buf[:], at)
		n := header(buf[:])
		switch {
		case got < recordHeader && !eof:
			return false, v.file(at + recordHeader)
		case got == 0:
			// The file ends there, or before it.
			return v.have() == at && h.sound(), 0
		case leadingZeros(buf[:got]) == got, got < recordHeader && string(buf[:min(got, len(terminator))]) == terminator:
			return h.sound(), 0
		case got < recordHeader:
			return h.sound() && i == 0, 0
		case n.sound() && p.sized(n):
			return true, 0
		case !h.sound() || !p.sized(n):
			return false, 0
		}
		at += n.size()
	}
	return false, 0
}

// record takes the record at the beginning of v, which is whole.
func (p *parser) record(w *format.Window, v view, h header) {
	kind := h.kind()
	if !h.frame() {
		switch {
		case h.describes():
			p.describe(v.bytes(w, h.size()))
		case h.sound():
			format.StepOver(p.in, fmt.Sprintf("rf5 record %#x", kind))
		default:
			format.StepOver(p.in, "rf5 record of unknown type")
		}
		return
	}
	b := v.bytes(w, h.size())
	start := frameStart(kind)
	if len(b) < start {
		format.StepOver(p.in, "rf5 frame shorter than its header")
		return
	}
	n := h.length()
	if n > len(b)-start {
		p.in.AddAnomaly("length_mismatch")
		n = len(b) - start
	}
	data := b[start : start+n : start+n]
	s := p.source(h.source())
	link, ok := s.linkOf(data)
	if !ok {
		format.StepOver(p.in, "rf5 frame of a source whose link layer is not known")
		return
	}
	p.n++
	pk := packet.Packet{Data: data, Length: uint32(n), Link: link, Interface: p.iface(s, link), Number: p.n, FileNum: p.n,
		FileIndex: p.file, Offset: w.Offset()}
	ticks := binary.BigEndian.Uint64(b[timeAt:])
	if ticks > mostTicks {
		pk.TimeNS, pk.RawTicks = packet.NoTime, ticks
	} else {
		pk.TimeNS = epoch*1e9 + int64(ticks)*unit
	}
	w.Batch.Packets = append(w.Batch.Packets, pk)
}

// lose gives up n bytes; those that follow one another are told once.
func (p *parser) lose(w *format.Window, n int, why string) {
	p.zeroHole(w)
	if p.lost == 0 {
		p.lostAt, p.why = w.Offset(), why
	}
	p.lost += int64(n)
	w.Lose(n)
}

// zeroHole tells of zero bytes that something follows.
func (p *parser) zeroHole(w *format.Window) {
	if p.zeros == 0 {
		return
	}
	w.Unpad(int(p.zeros))
	if p.lost == 0 {
		p.lostAt, p.why = w.Offset()-p.zeros, "zero bytes where a record should be"
	}
	p.lost += p.zeros
	p.zeros = 0
}

// settle tells what was lost before a record, or before the end of the file.
func (p *parser) settle() {
	if p.lost > 0 {
		p.in.AddDamage(&packet.Error{File: p.in.Name, Packet: p.n + 1, Offset: p.lostAt, Saved: format.Saved(p.n),
			Err: format.Cause(fmt.Sprintf("%s; %d bytes were skipped", p.why, p.lost))})
		p.lost = 0
	}
}

func leadingZeros(b []byte) int { return len(b) - len(bytes.TrimLeft(b, "\x00")) }
