package websocket

import (
	"bytes"
	"encoding/binary"
	"unicode/utf8"

	"recap/pipeline/app"
	"recap/pipeline/exchange"
	"recap/reader/packet"
)

// finder looks for frames in a stream of which it is not known where they begin. It
// believes a row of frames, each of them beyond reproach, which end where the next
// begins: one alone is a matter of a few bits.
type finder struct {
	d     exchange.Dir
	opt   *Options
	buf   []byte
	parts []part
	start int   // no row begins before
	gone  int64 // bytes that were let go of since the hole
	later int   // of the row: where the first message behind its first frame begins; 0: not known
	next  int   // of the row that may begin at start: where the next frame must begin
	count int   // frames of it
	open  bool
	ended bool // a close frame was the last of it
}

type part struct {
	at packet.Pos
	n  int
}

const (
	// rowLength is how many frames in a row are believed, endLength how many are where
	// the last of them is a close frame that ends the stream.
	rowLength, endLength = 8, 3
	// longestFound bounds a frame of the row, bytes, and so what has to be kept.
	longestFound = 16 << 10
)

func (f *finder) memory() int64 { return app.Grown(len(f.buf)) + 64*int64(len(f.parts)) }

// feed takes the next bytes and reports whether frames were found.
func (f *finder) feed(at packet.Pos, b []byte) bool {
	f.buf = append(f.buf, b...)
	f.parts = append(f.parts, part{at, len(b)})
	return f.search(false)
}

// last reports whether frames are found, now that nothing more will come.
func (f *finder) last() bool { return f.search(true) }

func (f *finder) search(last bool) bool {
	for f.start < len(f.buf) {
		ok, more := f.step()
		switch {
		case f.count >= rowLength, last && f.ended && f.count >= endLength && f.next == len(f.buf):
			f.begin()
			return true
		case more && !last:
			return false
		case !ok:
			f.start++
			f.row()
		}
	}
	return false
}

// row begins a row at start.
func (f *finder) row() { f.next, f.later, f.count, f.open, f.ended = f.start, 0, 0, false, false }

// begin decides where the row begins. What comes before its first true frame may look like
// another that leads to it, by accident: the first frame is taken for one only where it
// stands right behind the hole, or where it reads as text.
func (f *finder) begin() {
	if f.gone+int64(f.start) > 0 && f.later > 0 && f.later < f.next && !f.reads() {
		f.start = f.later
	}
}

// reads reports whether the frame at start holds text.
func (f *finder) reads() bool {
	b := f.buf[f.start:]
	n := headerLen(b)
	h := readFrame(b[:n])
	if h.opcode() != opText || h.compressed() || !h.fin() || h.length < 4 {
		return false
	}
	b = b[n : n+int(h.length)]
	if h.masked {
		b = bytes.Clone(b)
		unmask(b, h.key, 0)
	}
	for _, c := range b {
		if c < ' ' && c != '\t' && c != '\n' && c != '\r' {
			return false
		}
	}
	return utf8.Valid(b)
}

// step takes the next frame of the row; more says that it is not whole.
func (f *finder) step() (ok, more bool) {
	b := f.buf[f.next:]
	n := headerLen(b)
	if n == 0 || n > len(b) {
		return false, true
	}
	h := readFrame(b[:n])
	if f.ended || h.length > longestFound || !h.proper(f.d, f.opt) ||
		!h.control() && f.open != (h.opcode() == opContinuation) {
		return false, false
	}
	if int64(len(b)-n) < h.length {
		return false, true
	}
	if h.opcode() == opClose && !closes(h, b[n:n+int(h.length)]) {
		return false, false
	}
	f.next += n + int(h.length)
	f.count++
	if !h.control() {
		f.open = !h.fin()
	}
	f.ended = h.opcode() == opClose
	if f.later == 0 && !f.open {
		f.later = f.next
	}
	return true, false
}

// closes reports whether b, masked as h says, may be the payload of a close frame.
func closes(h frame, b []byte) bool {
	if len(b) < 2 {
		return len(b) == 0
	}
	code := [2]byte{b[0], b[1]}
	if h.masked {
		code[0] ^= h.key[0]
		code[1] ^= h.key[1]
	}
	return mayClose(binary.BigEndian.Uint16(code[:]))
}

// shed lets go of bytes in front of start, and returns how many.
func (f *finder) shed() int64 {
	n := f.start
	if n < longestFound && n < len(f.buf) {
		return 0 // not worth moving the rest
	}
	f.buf = f.buf[:copy(f.buf, f.buf[n:])]
	f.drop(n)
	f.start -= n
	f.next -= n
	f.later = max(f.later-n, 0)
	f.gone += int64(n)
	return int64(n)
}

// drop takes n bytes off parts.
func (f *finder) drop(n int) {
	i := 0
	for i < len(f.parts) && n >= f.parts[i].n {
		n -= f.parts[i].n
		i++
	}
	f.parts = f.parts[:copy(f.parts, f.parts[i:])]
	if n > 0 {
		f.parts[0].n -= n
		f.parts[0].at.Offset += int64(n)
	}
}

// take hands over the bytes from the row on, and how many there were in front of it.
func (f *finder) take() (skipped int64, parts []part, b []byte) {
	n := f.start
	f.drop(n)
	parts, b = f.parts, f.buf[n:]
	f.buf, f.parts, f.start, f.gone = nil, nil, 0, 0
	f.row()
	return int64(n), parts, b
}

// reset forgets all bytes and returns how many there were.
func (f *finder) reset() int64 {
	n := len(f.buf)
	f.buf, f.parts, f.start, f.gone = nil, nil, 0, 0
	f.row()
	return int64(n)
}
