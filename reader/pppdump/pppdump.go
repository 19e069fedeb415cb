// Package pppdump reads what pppd's option "record" writes: the bytes of a serial line in both
// directions, with times in tenths of seconds.
//
// Source: the manual pages pppd(8) and pppdump(8), and the description of records in
// wiretap/pppdump.c of Wireshark.
//
// Frames are those of RFC 1662, section 4, between flags; they may go over several records, and
// those of the two directions may be mixed. A line also carries the talk of modems and logins,
// and frames that were damaged on it. So only what has a right check sequence, of 16 or 32 bits,
// is a packet; the rest is counted.
package pppdump

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"recap/reader/format"
	"recap/reader/packet"
)

// Kinds of records.
const (
	sentData  = 1
	recvData  = 2
	endOfSent = 3
	endOfRecv = 4
	longStep  = 5 // tenths of seconds in four bytes
	shortStep = 6 // and in one
	setTime   = 7 // seconds since 1970 in four bytes
)

// headerSizes are the bytes of a record without its data, by kind.
var headerSizes = [8]int{sentData: 3, recvData: 3, endOfSent: 1, endOfRecv: 1, longStep: 5, shortStep: 2, setTime: 5}

const (
	flag   = 0x7e
	escape = 0x7d
)

// Format is the entry for the list of formats.
var Format = format.Format{Name: name, Weak: true, Match: match, New: newParser}

func newParser(in *packet.Input, file int32, lim format.Limits) format.Parser {
	in.Format = name
	return &parser{in: in, file: file, max: lim.WithDefaults().MaxPacket, links: format.NewLinks(in, "10^-1"), now: packet.NoTime}
}

const name = "pppdump"

// size returns how many bytes the record at b takes; 0 if it is none, or b does not hold its header.
func size(b []byte) int {
	if len(b) == 0 || b[0] == 0 || b[0] > setTime || len(b) < headerSizes[b[0]] {
		return 0
	}
	n := headerSizes[b[0]]
	if b[0] <= recvData {
		n += int(binary.BigEndian.Uint16(b[1:]))
	}
	return n
}

// Years that the time at the beginning of a file may be of: pppd is of 1989.
const (
	firstSec = 599616000  // 1989
	lastSec  = 4102444800 // 2100
)

// match asks for a time, records one behind another, and a frame with a right check sequence.
func match(head []byte) bool {
	if len(head) < 6 || head[0] != setTime {
		return false
	}
	if sec := int64(binary.BigEndian.Uint32(head[1:])); sec < firstSec || sec > lastSec {
		return false
	}
	at := 0
	for at < len(head) {
		n := size(head[at:])
		if n == 0 && len(head)-at < 5 && len(head) == format.HeadSize || len(bytes.TrimLeft(head[at:], "\x00")) == 0 {
			break
		}
		if n == 0 {
			return false
		}
		at += n
	}
	at = min(at, len(head))
	b := &packet.Batch{Slab: head}
	newParser(&packet.Input{}, 0, format.Limits{}).Parse(&format.Window{Batch: b, End: at, EOF: len(head) < format.HeadSize})
	return len(b.Packets) > 0
}

// A line is one direction.
type line struct {
	data    []byte // of the frame, as far as it came
	offset  int64  // of its first byte
	raw     int64  // bytes of the file that it takes
	escaped bool   // the next byte is
	tooLong bool
}

type parser struct {
	in    *packet.Input
	file  int32
	max   int
	links *format.Links
	now   int64 // nanoseconds
	n     int64 // packets found

	lines [2]line // sent and received
	cur   *line   // of the record whose data follow
	left  int     // bytes of data that follow
	start int64   // offset of that record

	lost, lostAt int64 // a run of bytes that are no records
	zeros        int64
}

// Parse implements [format.Parser].
func (p *parser) Parse(w *format.Window) (need int) {
	for w.Start < w.End {
		b := w.Bytes()
		if p.left > 0 {
			n := min(p.left, len(b))
			p.bytes(w, b[:n])
			w.Use(n)
			p.left -= n
			continue
		}
		if len(b) < probe && !w.EOF {
			return probe
		}
		if n := len(b) - len(bytes.TrimLeft(b, "\x00")); n > 0 && p.lost == 0 {
			w.Pad(n)
			p.zeros += int64(n)
			continue
		}
		if !plausible(b) {
			p.lose(w)
			continue
		}
		p.settle(w)
		if !p.record(w, b) {
			p.cut(w, b)
		}
	}
	if !w.EOF {
		return 1
	}
	if p.lost > 0 {
		p.settle(w)
	}
	p.end(w)
	return 0
}

// probe is how many bytes it takes to judge a record that follows something else.
const probe = 64

// plausible says whether b begins with a record, and what follows it in b with another.
func plausible(b []byte) bool {
	b = b[:min(len(b), probe)]
	for range 3 {
		n := size(b)
		switch {
		case n > 0 && n >= len(b):
			return true
		case n == 0:
			return len(b) > 0 && b[0] > 0 && b[0] <= setTime && len(b) < headerSizes[b[0]] // goes on behind b
		}
		b = b[n:]
	}
	return true
}

// record takes a record, or the header of one with data. It reports false if that is cut.
func (p *parser) record(w *format.Window, b []byte) bool {
	n := headerSizes[b[0]]
	if len(b) < n {
		return false
	}
	switch be := binary.BigEndian; b[0] {
	case sentData, recvData:
		p.cur, p.left, p.start = &p.lines[b[0]-sentData], int(be.Uint16(b[1:])), w.Offset()
	case endOfSent, endOfRecv:
		w.Use(n)
		p.frame(w, &p.lines[b[0]-endOfSent])
		return true
	case longStep:
		p.step(int64(be.Uint32(b[1:])))
	case shortStep:
		p.step(int64(b[1]))
	case setTime:
		p.now = int64(be.Uint32(b[1:])) * 1e9
	}
	w.Use(n)
	return true
}

// step moves the time on by so many tenths of seconds.
func (p *parser) step(tenths int64) {
	if p.now != packet.NoTime && p.now < 1<<62 {
		p.now += tenths * 1e8
	}
}

// bytes takes data of the current record.
func (p *parser) bytes(w *format.Window, b []byte) {
	l := p.cur
	for i, c := range b {
		if c == flag {
			p.frame(w, l)
			continue
		}
		if l.raw == 0 {
			l.offset = w.Offset() + int64(i)
		}
		l.raw++
		switch {
		case c == escape && !l.escaped:
			l.escaped = true
			continue
		case l.escaped:
			c ^= 0x20
			l.escaped = false
		}
		if len(l.data) >= p.max {
			l.tooLong = true
			continue
		}
		l.data = append(l.data, c)
	}
}

// frame ends the frame of a line.
func (p *parser) frame(w *format.Window, l *line) {
	raw := l.raw
	l.raw = 0
	fcs := checkSequence(l.data)
	switch {
	case raw == 0:
		return
	case l.tooLong:
		p.damage(l.offset, fmt.Sprintf("frame of more than %d bytes", p.max), "")
		p.in.LostBytes += raw
	case fcs == 0 || l.escaped:
		format.StepOver(p.in, "pppdump bytes that are no frame with a right check sequence")
	default:
		p.n++
		data := w.Room(len(l.data))
		copy(data, l.data)
		w.Batch.Packets = append(w.Batch.Packets, packet.Packet{Data: data, Length: uint32(len(data)), FCSLen: fcs, Link: packet.LinkPPP,
			TimeNS: p.now, Number: p.n, FileNum: p.n, FileIndex: p.file, Offset: l.offset, Interface: p.links.Interface(packet.LinkPPP)})
	}
	l.data, l.escaped, l.tooLong = l.data[:0], false, false
}

// checkSequence returns how many bytes of a right check sequence end a frame: 2 (RFC 1662,
// appendix C.2), 4 (appendix C.3), or 0 if it has none.
func checkSequence(b []byte) uint8 {
	if len(b) < 4 {
		return 0
	}
	fcs := uint16(0xffff)
	for _, c := range b {
		fcs ^= uint16(c)
		for range 8 {
			if fcs&1 != 0 {
				fcs = fcs>>1 ^ 0x8408
			} else {
				fcs >>= 1
			}
		}
	}
	switch {
	case fcs == 0xf0b8:
		return 2
	case len(b) > 4 && crc32.ChecksumIEEE(b[:len(b)-4]) == binary.LittleEndian.Uint32(b[len(b)-4:]):
		return 4
	}
	return 0
}

// lose gives up a byte that begins no record.
func (p *parser) lose(w *format.Window) {
	p.hole(w)
	p.lost++
	w.Lose(1)
}

// hole turns zero bytes that something follows into lost ones.
func (p *parser) hole(w *format.Window) {
	if p.lost == 0 {
		p.lostAt = w.Offset() - p.zeros
	}
	w.Unpad(int(p.zeros))
	p.lost, p.zeros = p.lost+p.zeros, 0
}

// settle tells what was lost up to here.
func (p *parser) settle(w *format.Window) {
	if p.zeros > 0 {
		p.hole(w)
	}
	if p.lost > 0 {
		p.damage(p.lostAt, fmt.Sprintf("no record begins here; %d bytes were skipped", p.lost), "")
		p.lost = 0
	}
}

// cut gives up a record that the end of the file cuts in its header.
func (p *parser) cut(w *format.Window, b []byte) {
	p.damage(w.Offset(), fmt.Sprintf("file ends inside the record header: %d of %d bytes", len(b), headerSizes[b[0]]), cutHint)
	w.Lose(len(b))
}

const cutHint = "the capture was cut; copy it again if the original is longer"

// end tells what the end of the file cuts.
func (p *parser) end(w *format.Window) {
	if p.left > 0 {
		p.damage(p.start, fmt.Sprintf("file ends inside the record, %d bytes early", p.left), cutHint)
	}
	for i := range p.lines {
		if l := &p.lines[i]; l.raw > 0 {
			p.in.LostBytes += l.raw
			p.damage(l.offset, fmt.Sprintf("file ends inside a frame, after %d bytes", len(l.data)), "")
		}
	}
	if p.zeros > 0 {
		p.in.AddAnomaly("zero_padding")
	}
}

func (p *parser) damage(offset int64, why, hint string) {
	format.Damage(p.in, offset, p.n+1, p.n, why, hint)
}
