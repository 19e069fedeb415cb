package format

import (
	"fmt"
	"math"
	"slices"

	"recap/reader/packet"
)

// A Layout tells [Records] what the records of a format look like: a header of
// fixed size, out of which follows how long the whole record is.
type Layout interface {
	// FileHeader reads the file header at b. It returns how many bytes it needs; if
	// b holds as many, it has read them.
	FileHeader(b []byte) (size int)
	// HeaderSize is how many bytes of a record Header reads.
	HeaderSize() int
	Header(b []byte) Header
	// Why says what is wrong with a header that does not fit; it may be empty.
	Why(b []byte) string
	// Other returns further sizes that the record at b may have, for when the first
	// leads nowhere; 0 for none.
	Other(b []byte) [2]int
	// Take fills p from a whole record. It reports false for a record that holds no
	// packet.
	Take(record []byte, p *packet.Packet) bool
	// Border returns where the next stretch of the file begins that holds no
	// records, seen from offset: at least offset, [NoBorder] if there is none.
	Border(offset int64) int64
	// Beyond moves w past such a stretch, which begins at its start. It returns
	// how many bytes it needs to see, or 0.
	Beyond(w *Window) (need int)
	// End is called once at the end of the file.
	End(offset int64)
}

// A Pager is a [Layout] of files in pages, of which the ends may be left unused.
type Pager interface {
	// Rest returns how many bytes follow from offset on, in which no record stands if
	// they are zero: up to the end of the page, 0 at its beginning.
	Rest(offset int64) int
}

// NoBorder is the border of a file that is all records.
const NoBorder = math.MaxInt64

// NoSec is the time of a record that tells none; it is near every other.
const NoSec = math.MinInt64

// NoTables is embedded by layouts whose files hold nothing but records.
type NoTables struct{}

func (NoTables) Border(int64) int64 { return NoBorder }
func (NoTables) Beyond(*Window) int { return 0 }
func (NoTables) End(int64)          {}

// Begins reports whether head begins with a record that is wholly consistent, and goes on
// with another if one stands there. least is how many bytes header needs. It is what tells
// a format without a magic number.
func Begins(head []byte, least int, header func([]byte) Header) bool {
	at := 0
	for i := range 2 {
		if len(head)-at < least {
			return i > 0 && (len(head) == at || len(head) == HeadSize)
		}
		h := header(head[at:])
		if !h.Fits {
			return false
		}
		if at += h.Size; at > len(head) {
			return len(head) == HeadSize
		}
	}
	return true
}

// Header is what a [Layout] reads from the beginning of a record.
type Header struct {
	Size  int   // bytes of the whole record; 0 if this can be none
	Pad   int   // so many of them, at the end, hold nothing: the last record may lack them
	Sec   int64 // time in seconds, to compare records by; NoSec if the record has none
	Plain bool  // its fields confirm each other
	Fits  bool  // all of it may be meant, as far as b shows: what searching goes by
	Alone bool  // nothing confirms its size: where the file ends before it, it may be wrong
}

const (
	// recordChain is how many consistent records in a row count as proof that a
	// place is right.
	recordChain = 3
	// recordNear is how far, in seconds, the times of a found record may be from
	// those of the packets before.
	recordNear = 30 * 86400
)

// MaxWire is the largest length on the wire that a record found by searching
// may claim.
const MaxWire = 1 << 18

// Records is a [Parser] for files of records. It steps over damage by looking for
// records that follow one another, and tells zero padding from a hole.
type Records struct {
	in     *packet.Input
	file   int32
	layout Layout
	pages  Pager // the layout, if it is one
	st     recordState

	n           int64 // packets found
	seen        bool  // a record was found
	first, last int64 // seconds of the first and the latest record
	zeros       ZeroRun
	scan        Lost
}

type recordState uint8

const (
	atFileHeader recordState = iota
	atRecord
	inZeros // stepping over zero bytes: padding, or a hole
	inScan  // looking for the next record after damage
)

// NewRecords returns a parser for one file.
func NewRecords(in *packet.Input, file int32, l Layout) *Records {
	pages, _ := l.(Pager)
	return &Records{in: in, file: file, layout: l, pages: pages}
}

// span is the part of the window before the next border. last says that no
// record can go on behind it.
func (r *Records) span(w *Window) (b []byte, last bool) {
	b = w.Bytes()
	if left := r.layout.Border(w.Offset()) - w.Offset(); left <= int64(len(b)) {
		return b[:left], true
	}
	return b, w.EOF
}

// Parse implements [Parser].
func (r *Records) Parse(w *Window) (need int) {
	for {
		if r.st != atFileHeader && r.layout.Border(w.Offset()) == w.Offset() {
			r.close()
			if need = r.layout.Beyond(w); need > 0 {
				return need
			}
			r.st = atRecord
			if w.Start < w.End {
				continue
			}
		} else {
			switch r.st {
			case atFileHeader:
				need = r.fileHeader(w)
			case atRecord:
				need = r.records(w)
			case inZeros:
				need = r.zeroRun(w)
			case inScan:
				need = r.resync(w)
			}
		}
		if need > 0 {
			return need
		}
		if w.EOF && w.Start == w.End {
			r.close()
			r.layout.End(w.Offset())
			return 0
		}
		if w.Start == w.End {
			return 1
		}
	}
}

// close ends what is open at a border or at the end of the file.
func (r *Records) close() {
	switch r.st {
	case inScan:
		r.scan.Close(r.in, r.n)
	case inZeros:
		r.in.AddAnomaly("zero_padding")
	}
	r.st = atRecord
}

func (r *Records) fileHeader(w *Window) (need int) {
	b := w.Bytes()
	size := r.layout.FileHeader(b)
	if len(b) >= size {
		w.Use(size)
		r.st = atRecord
		return 0
	}
	if !w.EOF {
		return size
	}
	r.Damage(w.Offset(), 0, fmt.Sprintf("file ends inside the file header: %d of %d bytes", len(b), size), "")
	w.Lose(len(b))
	return 0
}

// records takes whole records until the window ends or one looks wrong.
func (r *Records) records(w *Window) (need int) {
	hs := r.layout.HeaderSize()
	for {
		b, last := r.span(w)
		if n := r.unused(b, w.Offset()); n > 0 {
			if n > len(b) && !last {
				return n
			}
			w.Use(min(n, len(b)))
			continue
		}
		if len(b) < hs {
			return r.short(w, b, last, hs)
		}
		h := r.layout.Header(b)
		size := h.Size
		if !h.Plain {
			if allZero(b[:hs]) {
				r.st, r.zeros = inZeros, 0
				return 0
			}
			var ok bool
			if size, ok, need = r.look(b, h, last, w.Offset()); need > 0 {
				return need
			}
			if !ok {
				r.lose(w, 1, r.layout.Why(b)) // the header itself is no record
				return 0
			}
		}
		if len(b) < size && !(last && len(b) >= size-h.Pad) {
			return r.short(w, b, last, size)
		}
		r.take(w, b[:min(size, len(b))], h.Sec)
	}
}

// unused returns how many bytes at the beginning of b, which stands at offset, are the
// unused end of a page, as far as b shows.
func (r *Records) unused(b []byte, offset int64) int {
	if r.pages == nil || len(b) == 0 || b[0] != 0 {
		return 0
	}
	n := r.pages.Rest(offset)
	if !allZero(b[:min(n, len(b))]) {
		return 0
	}
	return n
}

// after returns where in b, which stands at offset, the next record begins behind the one
// that ends at at; it may be beyond b.
func (r *Records) after(b []byte, at int, offset int64) int {
	if r.pages == nil || at >= len(b) {
		return at
	}
	return at + r.unused(b[at:], offset+int64(at))
}

// short deals with a record of which the window holds only b.
func (r *Records) short(w *Window, b []byte, last bool, size int) (need int) {
	switch {
	case !last:
		return size
	case len(b) == 0:
		return 0
	case allZero(b):
		r.st, r.zeros = inZeros, 0
		return 0
	}
	what, have, want := "record", len(b), size
	if have < r.layout.HeaderSize() {
		what = "record header"
	}
	where := "file ends"
	if r.layout.Border(w.Offset()) == w.Offset()+int64(len(b)) {
		where = "table begins"
	}
	hint := "the capture was cut; copy it again if the original is longer"
	r.Damage(w.Offset(), r.n+1, fmt.Sprintf("%s inside the %s: %d of %d bytes", where, what, have, want), hint)
	w.Lose(len(b))
	return 0
}

func (r *Records) take(w *Window, record []byte, sec int64) {
	b := w.Batch
	// Filled in place: a packet of its own would be one allocation each.
	b.Packets = append(b.Packets, packet.Packet{FileIndex: r.file, Offset: w.Offset(), Number: r.n + 1, FileNum: r.n + 1})
	if last := len(b.Packets) - 1; r.layout.Take(record, &b.Packets[last]) {
		r.n++
	} else {
		b.Packets = b.Packets[:last]
	}
	w.Use(len(record))
	if sec == NoSec {
		return
	}
	if !r.seen {
		r.seen, r.first = true, sec
	}
	r.last = sec
}

// look decides on the size of a record whose header leaves doubts: the size that
// leads to a further record is right. ok is false where the header is worth nothing.
func (r *Records) look(b []byte, h Header, last bool, offset int64) (size int, ok bool, need int) {
	hs := r.layout.HeaderSize()
	if next := r.after(b, h.Size, offset); h.Fits && r.near(h.Sec, h.Sec) {
		switch {
		case len(b) >= next+hs:
			n := r.layout.Header(b[next:])
			if n.Fits && len(b) < next+n.Size && !last {
				return 0, false, next + n.Size // its end may tell that it is none
			}
			if n.Fits && r.near(n.Sec, h.Sec) || allZero(b[next:next+hs]) {
				return h.Size, true, 0
			}
		case !last:
			return 0, false, next + hs
		case len(b) <= next && !(h.Alone && len(b) < h.Size):
			return h.Size, true, 0 // it ends the file, or is cut
		}
	}
	other := r.layout.Other(b)
	sizes := []int{other[0], other[1], h.Size}
	slices.Sort(sizes) // the nearest record is the next one
	for _, n := range slices.Compact(sizes) {
		if n < hs || last && n > len(b) {
			continue
		}
		if n > len(b) {
			return 0, false, n
		}
		ok, more := r.chain(b[n:], offset+int64(n), h.Sec, last)
		switch {
		case more > 0:
			return 0, false, n + more
		case n == h.Size && (ok || last && n == len(b)):
			return n, true, 0
		case ok:
			why := r.layout.Why(b)
			if why == "" {
				why = fmt.Sprintf("record of %d bytes leads to no record", h.Size)
			}
			r.Damage(offset, r.n+1, fmt.Sprintf("%s; the next record follows after %d bytes", why, n), "")
			return n, true, 0
		}
	}
	if h.Size == 0 {
		return 0, false, 0
	}
	for at := 1; at < h.Size && at < len(b); at++ {
		ok, more := r.chain(b[at:], offset+int64(at), h.Sec, last)
		if more > 0 {
			// The search starts anew, so it waits for enough to keep that linear.
			return 0, false, max(at+more, len(b)+len(b)/2)
		}
		if ok {
			return 0, false, 0
		}
	}
	return h.Size, true, 0
}

// chain looks whether consistent records stand at the start of b, which stands at
// offset. It is sure after
// recordChain of them, or where the last ends with the records or before
// padding. A positive need says that it must see more.
func (r *Records) chain(b []byte, offset, sec int64, last bool) (ok bool, need int) {
	hs := r.layout.HeaderSize()
	at, least := 0, 1
	if hs < 16 {
		least = 2 // so few bytes may fit by chance
	}
	for i := range recordChain {
		if i > 0 {
			at = r.after(b, at, offset)
		}
		switch {
		case at > len(b) && last:
			return i >= least, 0
		case at == len(b) && last:
			return i >= least, 0
		case len(b)-at < hs && last:
			return i > least, 0
		case len(b)-at < hs:
			return false, at + hs
		case i >= least && allZero(b[at:at+hs]):
			return true, 0
		}
		h := r.layout.Header(b[at:])
		if !h.Fits || !r.near(h.Sec, sec) {
			return false, 0
		}
		if h.Sec != NoSec {
			sec = h.Sec
		}
		if at += h.Size; at > len(b) {
			if last {
				return i >= least || at-h.Pad <= len(b), 0
			}
			return false, at
		}
	}
	return true, 0
}

// near compares times: with those of the file so far, or, before any, with each
// other (sec 0 compares with nothing).
func (r *Records) near(sec, before int64) bool {
	if sec == NoSec {
		return true
	}
	if !r.seen {
		return before == 0 || before == NoSec || dist(sec, before) <= recordNear
	}
	return dist(sec, r.first) <= recordNear || dist(sec, r.last) <= recordNear
}

func dist(a, b int64) uint64 {
	if a < b {
		a, b = b, a
	}
	return uint64(a) - uint64(b)
}

// lose begins to give up bytes.
func (r *Records) lose(w *Window, n int, why string) {
	if why == "" {
		why = "record leads to no record"
	}
	r.st = inScan
	r.scan = Lost{Offset: w.Offset(), Packet: r.n + 1, Bytes: n, Why: why}
	w.Lose(n)
}

// resync gives up bytes until records stand in the window again.
func (r *Records) resync(w *Window) (need int) {
	b, last := r.span(w)
	for at := range b {
		ok, more := r.chain(b[at:], w.Offset()+int64(at), 0, last)
		if more == 0 && !ok {
			continue
		}
		r.scan.Lose(w, at)
		if ok {
			r.close()
			return 0
		}
		return more
	}
	r.scan.Lose(w, len(b))
	if last {
		return 0
	}
	return r.layout.HeaderSize()
}

// zeroRun steps over zero bytes: padding if the file ends with them, damage if a
// record follows.
func (r *Records) zeroRun(w *Window) (need int) {
	b, last := r.span(w)
	damage, need := r.zeros.Step(w, b, last, r.layout.HeaderSize())
	if damage {
		r.st = inScan
		r.scan = Lost{Offset: w.Offset() - int64(r.zeros), Packet: r.n + 1, Bytes: int(r.zeros), Why: "zero bytes where a record should be"}
	}
	return need
}

// Damage records a fault at a place in the file.
func (r *Records) Damage(offset, number int64, why, hint string) {
	Damage(r.in, offset, number, r.n, why, hint)
}

func allZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
