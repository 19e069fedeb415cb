// Package blf reads the binary logs of Vector Informatik's CANoe, CANalyzer and their
// relatives (files .blf): little-endian objects, most of them in containers that may be
// compressed with zlib. Objects of Ethernet and 802.11 frames are packets; those of other
// buses, and of measurements, are counted and stepped over.
//
// No description is public; the fields are those that the Vector_BLF library of Tobias
// Lorenz and wiretap/blf.h of Wireshark name.
//
// Times count from the start of the log, of a zone that the file does not name. It is taken
// as UTC, whatever the zone of this machine, and the input carries the anomaly
// start_zone_unknown.
//
// The place of a packet in the file is that of its container, where that is compressed.
package blf

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"recap/reader/format"
	"recap/reader/packet"
)

const (
	magic       = "LOGG"
	objectMagic = "LOBJ"

	leastFileHeader = 72
	mostFileHeader  = 4096
	objectHeader    = 16
	containerHeader = 16
	// mostPad is what stands behind an object so that the next begins at a multiple of four.
	mostPad = 3
	// headroom is what the headers of an object and of its frame may have.
	headroom = 4096
)

const cutHint = "the capture was cut; copy it again if the original is longer"

// Format is the entry for the list of formats.
var Format = format.Format{
	Name:  "blf",
	Match: func(head []byte) bool { return len(head) >= 8 && string(head[:4]) == magic && fileHeaderSize(head) > 0 },
	New: func(in *packet.Input, file int32, lim format.Limits) format.Parser {
		lim = lim.WithDefaults()
		return &parser{in: in, file: file, maxPacket: lim.MaxPacket, maxBlock: lim.MaxBlock, ifaces: map[iface]int32{}}
	},
}

// fileHeaderSize returns the size that a file gives of its header, 0 if it cannot be.
func fileHeaderSize(b []byte) int {
	n := binary.LittleEndian.Uint32(b[4:])
	if n < leastFileHeader || n > mostFileHeader {
		return 0
	}
	return int(n)
}

// parser takes objects out of a file, and out of its containers.
type parser struct {
	in                  *packet.Input
	file                int32
	maxPacket, maxBlock int
	begun               bool  // the file header was read
	start               int64 // nanoseconds since 1970
	n                   int64 // packets found
	ifaces              map[iface]int32
	unknown             [256]string // how objects of a type are counted

	zeros int // zero bytes passed as padding
	lost  lost
	unz   unpacker
	in0   stream
}

// lost is a stretch of the file that is being given up.
type lost struct {
	active bool
	offset int64
	n      int
}

// Parse implements [format.Parser]. It hands on what one container held before it reads
// the next, so that no batch holds more.
func (p *parser) Parse(w *format.Window) (need int) {
	if !p.begun {
		if need = p.header(w); need > 0 {
			return need
		}
	}
	for {
		b := w.Bytes()
		switch {
		case len(b) == 0 && w.EOF:
			p.end(w)
			return 0
		case len(w.Batch.Packets) > 0:
			return 1
		case len(b) < objectHeader && !w.EOF:
			return objectHeader
		}
		if need = p.object(w, b); need > 0 {
			return need
		}
	}
}

// header reads the file header.
func (p *parser) header(w *format.Window) (need int) {
	b := w.Bytes()
	size := leastFileHeader
	if len(b) >= 8 {
		size = max(size, fileHeaderSize(b))
	}
	if len(b) < size {
		if !w.EOF {
			return size
		}
		p.damage(w.Offset(), 0, fmt.Sprintf("file ends inside the file header: %d of %d bytes", len(b), size), "")
		w.Lose(len(b))
		p.begun = true
		return 0
	}
	le := binary.LittleEndian
	u16 := func(at int) int { return int(le.Uint16(b[at:])) }
	// A SYSTEMTIME: year, month, day of week, day, hour, minute, second, millisecond.
	if y := u16(40); y < 1970 || y > 2200 {
		p.in.AddAnomaly("odd_start_time")
	}
	p.start = time.Date(u16(40)%2200, time.Month(u16(42)), u16(46), u16(48), u16(50), u16(52), u16(54)*1e6, time.UTC).UnixNano()
	p.in.AddAnomaly("start_zone_unknown")
	p.in.Format = Format.Name
	p.begun = true
	w.Use(size)
	return 0
}

// An object is what the header of one says.
type object struct {
	header, size, kind int
	form               uint16 // of what follows the header
}

// next reads the header at b, which holds one; ok is false where none stands there.
func next(b []byte) (o object, ok bool) {
	le := binary.LittleEndian
	if string(b[:4]) != objectMagic {
		return o, false
	}
	o = object{header: int(le.Uint16(b[4:])), form: le.Uint16(b[6:]), size: int(le.Uint32(b[8:])), kind: int(le.Uint32(b[12:]))}
	return o, o.header >= objectHeader && o.size >= o.header
}

// object reads one object of the file itself.
func (p *parser) object(w *format.Window, b []byte) (need int) {
	switch {
	case len(b) < objectHeader && bytes.HasPrefix(b, []byte(objectMagic)):
		p.found(w)
		p.damage(w.Offset(), p.n+1, fmt.Sprintf("file ends inside the header of an object: %d of %d bytes", len(b), objectHeader), cutHint)
		w.Lose(len(b))
		return 0
	case len(b) < objectHeader || string(b[:4]) != objectMagic:
		return p.search(w, b)
	}
	o, ok := next(b)
	if !ok {
		p.lose(w, 4)
		return 0
	}
	most := p.maxBlock
	if _, frame := frames(o.kind); frame {
		most = p.maxPacket + headroom
	}
	if o.size > most {
		p.lose(w, 4)
		return 0
	}
	if see := o.size + mostPad + len(objectMagic); len(b) < see && !w.EOF {
		return see
	}
	if o.kind != typeContainer && passesOver(b, o.size) {
		p.lose(w, 4)
		return 0
	}
	p.found(w)
	whole := len(b) >= o.size
	body := b[:min(o.size, len(b))]
	unused := 0
	if o.kind == typeContainer && o.header == objectHeader && len(body) >= objectHeader+containerHeader {
		unused = p.container(body, w, whole)
	} else {
		unused = p.bare(body, w, whole)
	}
	if !whole {
		p.damage(w.Offset(), p.n+1, fmt.Sprintf("file ends inside an object: %d of %d bytes", len(b), o.size),
			cutHint)
		w.Use(len(body) - unused)
		w.Lose(unused)
		return 0
	}
	w.Use(o.size)
	return 0
}

// bare takes an object that stands in no container. It returns how many bytes of it
// nothing was done with.
func (p *parser) bare(body []byte, w *format.Window, whole bool) (unused int) {
	if _, frame := frames(int(binary.LittleEndian.Uint32(body[12:]))); !frame || !whole {
		p.stepOver(int(binary.LittleEndian.Uint32(body[12:])))
		return 0
	}
	// Frames are put together in place, so the object needs memory of its own.
	s := stream{b: bytes.Clone(body), rest: place{w.Offset(), true}}
	p.objects(&s, w)
	p.flush(&s, w)
	return 0
}

// search looks for the next object from b on, where none begins.
func (p *parser) search(w *format.Window, b []byte) (need int) {
	at := bytes.Index(b, []byte(objectMagic))
	n := at
	switch {
	case at > 0 && at <= mostPad && !p.lost.active && p.zeros == 0:
		w.Use(at)
		return 0
	case at < 0 && w.EOF:
		n = len(b)
	case at < 0:
		n = len(b) - len(objectMagic) + 1
	}
	if !p.lost.active && allZero(b[:n]) {
		p.zeros += n
		w.Pad(n)
	} else {
		p.lose(w, n)
	}
	if at < 0 && !w.EOF {
		return objectHeader
	}
	return 0
}

// lose gives up n bytes, and zero bytes before them.
func (p *parser) lose(w *format.Window, n int) {
	if !p.lost.active {
		p.lost = lost{active: true, offset: w.Offset() - int64(p.zeros), n: p.zeros}
		w.Unpad(p.zeros)
		p.zeros = 0
	}
	p.lost.n += n
	w.Lose(n)
}

// found ends what was given up: an object begins.
func (p *parser) found(w *format.Window) {
	if p.zeros > 0 {
		p.lose(w, 0)
	}
	p.endLost()
}

func (p *parser) endLost() {
	if !p.lost.active {
		return
	}
	p.damage(p.lost.offset, p.n+1, fmt.Sprintf("no object where one should be; %d bytes were skipped", p.lost.n), "")
	p.lost = lost{}
}

// end is called at the end of the file.
func (p *parser) end(w *format.Window) {
	p.endLost()
	if p.zeros > mostPad {
		p.in.AddAnomaly("zero_padding")
	}
	p.flush(&p.in0, w)
}

func (p *parser) damage(offset, number int64, why, hint string) {
	format.Damage(p.in, offset, number, p.n, why, hint)
}

func allZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// timeOf returns the time of an object whose header is b.
func (p *parser) timeOf(b []byte) (ns int64, raw uint64) {
	le := binary.LittleEndian
	flags, t := le.Uint32(b[16:]), le.Uint64(b[24:])
	unit := uint64(1)
	if flags == tenMicroseconds {
		unit = 10000
	}
	if t > uint64(math.MaxInt64)/unit || p.start > 0 && int64(t*unit) > math.MaxInt64-p.start {
		return packet.NoTime, t
	}
	return p.start + int64(t*unit), 0
}
