package textdump

import (
	"bytes"
	"fmt"

	"recap/reader/format"
	"recap/reader/packet"
)

// maxLine is the longest line of a format whose lines do not hold whole packets, bytes.
const maxLine = 4096

// parser takes lines out of a window and puts records together with a dialect.
type parser struct {
	style
	in    *packet.Input
	file  int32
	links *format.Links
	d     dialect
	line  int64 // lines seen
	limit int   // of a line, bytes
	n     int64 // packets found
	good  int64 // records found that are whole
	known int64 // lines found that say something of the file

	open   bool
	rec    record
	spare  record // for a header that may come
	offset int64  // of the first line of the record
	first  int64  // its number
	size   int64  // bytes of the file that the record takes

	looked  int   // bytes at the beginning of the window without an end of line
	inLong  bool  // within a line that is too long
	zeros   int64 // zero bytes passed since the last line
	noUse   string
	noBytes string
}

func newParser(s style, in *packet.Input, file int32, lim format.Limits) *parser {
	lim = lim.WithDefaults()
	in.Format = s.name
	for _, a := range s.anomalies {
		in.AddAnomaly(a)
	}
	p := &parser{style: s, in: in, file: file, links: format.NewLinks(in, s.resolution), d: s.dialect(in),
		limit: maxLine + s.perByte*lim.MaxPacket, noUse: s.name + " line of no packet", noBytes: s.name + " header without a packet"}
	p.rec.max, p.spare.max = lim.MaxPacket, lim.MaxPacket
	return p
}

// Parse implements [format.Parser].
func (p *parser) Parse(w *format.Window) (need int) {
	for w.Start < w.End {
		b := w.Bytes()
		switch {
		case p.inLong:
			p.long(w, b)
		case b[0] == 0:
			p.zeroRun(w, b)
		case p.zeros > 0:
			w.Unpad(int(p.zeros))
			p.damage(w.Offset()-p.zeros, fmt.Sprintf("%d zero bytes within the text", p.zeros), "")
			p.zeros = 0
		default:
			size, ends := p.find(b, w.EOF)
			if size > p.limit {
				p.line++
				p.interrupt(w)
				p.begin(w.Offset())
				p.rec.fail(fmt.Sprintf("line of more than %d bytes", p.limit))
				p.looked, p.inLong = 0, true
				continue
			}
			if size == 0 {
				p.looked = len(b)
				return len(b) + 1
			}
			p.looked = 0
			p.take(w, b[:size], ends)
		}
	}
	if w.EOF {
		p.end(w)
		return 0
	}
	return 1
}

// find returns how many bytes the first line of b takes, and whether it has an end. It
// is 0 where that is not in b; what is longer than the limit may be so too.
func (p *parser) find(b []byte, eof bool) (size int, ends bool) {
	rest := b[p.looked:]
	n := bytes.IndexByte(rest, '\n')
	if n >= 0 {
		rest = rest[:n]
	}
	switch zero := bytes.IndexByte(rest, 0); {
	case zero >= 0:
		return p.looked + zero, false
	case n >= 0:
		return p.looked + n + 1, true
	case eof || len(b) > p.limit:
		return len(b), false
	}
	return 0, false
}

// long gives up the rest of a line that is too long.
func (p *parser) long(w *format.Window, b []byte) {
	n := bytes.IndexByte(b, '\n') + 1
	if n > 0 {
		p.inLong = false
	} else {
		n = len(b)
	}
	p.size += int64(n)
	w.Use(n)
}

// zeroRun steps over zero bytes at the beginning of b: padding, if nothing follows.
func (p *parser) zeroRun(w *format.Window, b []byte) {
	n := len(b) - len(bytes.TrimLeft(b, "\x00"))
	w.Pad(n)
	p.zeros += int64(n)
	if p.interrupt(w); p.open {
		p.rec.fail("zero bytes within the record")
	}
}

// interrupt ends the open record, if it is whole, before something that is no text.
func (p *parser) interrupt(w *format.Window) {
	if p.open && p.rec.bad == "" && p.rec.headed && p.whole() {
		p.finish(w)
	}
}

// take deals with one line.
func (p *parser) take(w *format.Window, b []byte, ends bool) {
	line := b
	if ends {
		line = bytes.TrimSuffix(b[:len(b)-1], []byte("\r"))
	}
	p.line++
	p.judge(w, line, int64(len(b)), ends)
	w.Use(len(b))
}

func (p *parser) judge(w *format.Window, line []byte, size int64, ends bool) {
	p.spare.reset()
	switch p.d.begin(line, &p.spare) {
	case known:
		p.known++
		p.finish(w)
		return
	case header:
		if p.partial && len(p.rec.data) > 0 {
			p.rec.whole = true
		}
		p.finish(w)
		p.begin(w.Offset())
		p.rec, p.spare = p.spare, p.rec
		p.size = size
		p.rec.whole = p.rec.whole && ends
		return
	}
	if p.open && p.further(w, line, size, ends) {
		return
	}
	switch {
	case blank(line, 0, len(line)):
	case !ends:
		p.lose(w.Offset(), p.line, size, "file ends inside the line", cutHint)
	case p.d.stray(line):
		p.begin(w.Offset())
		p.rec.fail("bytes without a header")
		p.size = size
	default:
		format.StepOver(p.in, p.noUse)
	}
}

// further offers a line to the open record, and says whether it belongs to that.
func (p *parser) further(w *format.Window, line []byte, size int64, ends bool) bool {
	r, was, mine := &p.rec, p.rec.bad, false
	switch {
	case !ends && p.whole():
	case was != "" && (!r.headed || len(r.data) > 0):
		mine = p.d.stray(line)
	case r.whole:
		mine = p.after(line)
	default:
		mine = p.d.next(line, r)
		if !ends && mine {
			// What looks wrong, or short, may be so for want of the rest.
			r.bad, r.whole, r.short = was, len(r.data) == r.length, false
		}
	}
	if !mine {
		p.finish(w)
		return false
	}
	p.size += size
	return true
}

// after says whether a line belongs to the open record, whose dump has ended. More of the dump,
// or of a row of it, shows that it was broken.
func (p *parser) after(line []byte) bool {
	bytes, _ := words(line)
	if bytes > 0 || p.d.stray(line) {
		p.rec.fail("dump goes on behind its end")
		return true
	}
	return blank(line, 0, len(line))
}

// whole says whether a record is whole if nothing follows it: a short row ends a dump that
// shows a packet in part.
func (p *parser) whole() bool {
	p.rec.whole = p.rec.whole || p.partial && p.rec.short
	return p.rec.whole
}

// begin opens a record that begins at offset with the current line.
func (p *parser) begin(offset int64) {
	if p.open {
		return
	}
	p.rec.reset()
	p.open, p.offset, p.first, p.size = true, offset, p.line, 0
}

// finish ends the record, if one is open.
func (p *parser) finish(w *format.Window) {
	if !p.open {
		return
	}
	p.open = false
	r := &p.rec
	switch {
	case r.bad != "":
		p.lose(p.offset, p.first, p.size, r.bad, "")
	case !r.headed:
		p.lose(p.offset, p.first, p.size, "header of the record is not valid", "")
	case len(r.data) == 0 && !p.partial && r.other == "":
		p.lose(p.offset, p.first, p.size, "record holds no bytes", "")
	case len(r.data) <= r.skip && r.other == "":
		format.StepOver(p.in, p.noBytes)
	case !r.whole:
		p.lose(p.offset, p.first, p.size, fmt.Sprintf("record ends after %d bytes of a packet of %d", len(r.data), r.length), "")
	case r.other != "":
		p.good++
		format.StepOver(p.in, r.other)
	default:
		p.good++
		p.emit(w)
	}
}

// emit hands the packet on.
func (p *parser) emit(w *format.Window) {
	r := &p.rec
	p.n++
	data := w.Room(len(r.data) - r.skip)
	copy(data, r.data[r.skip:])
	w.Batch.Packets = append(w.Batch.Packets, packet.Packet{
		Data: data, TimeNS: r.timeNS, Number: p.n, FileNum: p.n, FileIndex: p.file, Offset: p.offset,
		Length: uint32(max(r.length, len(r.data)) - r.skip), Link: r.link, Interface: p.links.Interface(r.link),
	})
}

const cutHint = "the capture was cut; copy it again if the original is longer"

// end deals with what is open at the end of the file.
func (p *parser) end(w *format.Window) {
	r := &p.rec
	switch {
	case !p.open:
	case r.bad == "" && r.headed && p.whole() && len(r.data) > r.skip:
		p.finish(w)
	case r.bad == "":
		p.lose(p.offset, p.first, p.size, fmt.Sprintf("file ends inside the record, after %d bytes of the packet", len(r.data)), cutHint)
	default:
		p.lose(p.offset, p.first, p.size, r.bad, "")
	}
	p.open = false
	if p.zeros > 0 {
		p.in.AddAnomaly("zero_padding")
	}
}

// lose gives up bytes of the file that begin at offset with the given line.
func (p *parser) lose(offset, line, size int64, why, hint string) {
	p.in.LostBytes += size
	p.damage(offset, fmt.Sprintf("line %d: %s", line, why), hint)
}

func (p *parser) damage(offset int64, why, hint string) {
	format.Damage(p.in, offset, p.n+1, p.n, why, hint)
}
