package rf5

import (
	"encoding/binary"

	"recap/reader/format"
)

// A header is how a record begins.
type header []byte

func (h header) size() int      { return int(min(binary.BigEndian.Uint32(h), 1<<30)) }
func (h header) kind() uint32   { return binary.BigEndian.Uint32(h[4:]) }
func (h header) source() uint32 { return binary.BigEndian.Uint32(h[12:]) }

// frame says whether the record holds a frame.
func (h header) frame() bool {
	k := h.kind() & typeMask
	return k == typeFrame || k == typeK18
}

func frameStart(kind uint32) int {
	if kind == typeK18 {
		return frameAtK18
	}
	return frameAt
}

// length returns the length of the frame; some writers keep something else in the upper
// bits of its field.
func (h header) length() int {
	n := int(min(binary.BigEndian.Uint32(h[8:]), 1<<30))
	if frameStart(h.kind())+n > h.size() {
		n &= lengthMask
	}
	return n
}

// sound says whether the type is one that records have: data, text or events,
// configuration.
func (h header) sound() bool {
	k := h.kind()
	low := k & 0xffff
	switch k >> 16 {
	case 0x1, 0xd:
		return low >= 0x20 && low <= 0x2f
	case 0x2:
		return low >= 0x30 && low <= 0x3f
	case 0x7:
		return low >= 0x40 && low <= 0x4f
	}
	return false
}

// plain says whether the lengths of a record with a frame confirm each other.
func (h header) plain() bool {
	if !h.frame() {
		return false
	}
	behind := h.size() - frameStart(h.kind()) - h.length()
	return behind >= 0 && behind < mostBehind
}

// within returns how many bytes a blank goes on at an offset in the file, 0 if there is none.
func within(offset int64) int {
	return max(0, blank-int((offset-fileHeader)%page))
}

// A view shows the records in a part of the file, without the blanks. It does not begin in
// one.
type view struct {
	b    []byte
	left int // bytes before the first blank
}

func newView(w *format.Window) view {
	return view{w.Bytes(), page - int((w.Offset()-fileHeader)%page)}
}

// file returns how many bytes of the file n bytes of records take.
func (v view) file(n int) int {
	if n <= v.left {
		return n
	}
	return n + (n-v.left+page-blank-1)/(page-blank)*blank
}

// have returns how many bytes of records v has.
func (v view) have() int {
	n := len(v.b)
	if n <= v.left {
		return n
	}
	whole, rest := (n-v.left)/page, (n-v.left)%page
	return v.left + whole*(page-blank) + max(0, rest-blank)
}

// copy fills dst with what stands behind at bytes of records, and returns how many it found.
func (v view) copy(dst []byte, at int) (n int) {
	for n < len(dst) {
		from := v.file(at+n+1) - 1
		if from >= len(v.b) {
			break
		}
		// Up to the next blank.
		to := len(v.b)
		if from < v.left {
			to = min(to, v.left)
		} else {
			to = min(to, from+page-(from-v.left)%page)
		}
		n += copy(dst[n:], v.b[from:to])
	}
	return n
}

// bytes returns the first n bytes of records, in the memory of the batch.
func (v view) bytes(w *format.Window, n int) []byte {
	if n <= v.left {
		return v.b[:n:n]
	}
	b := w.Room(n)
	v.copy(b, 0)
	return b
}
