package http1

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// scanLines is how many lines a headScan knows; longer heads are read another way.
const scanLines = 64

// A headScan is what one pass over a head finds.
type headScan struct {
	end   int  // length of the head with the CRLF CRLF that ends it; -1 for none
	ascii bool // no byte above 0x7f in it
	low   int  // bytes below the space
	lines int  // of them ending in LF; more than scanLines are counted only
	lf    [scanLines]uint16
}

// Bytes of a word, each.
const (
	ones     = 0x0101010101010101
	colons   = 0x3a3a3a3a3a3a3a3a
	highBits = 0x8080808080808080
	spaces   = 0x2020202020202020
)

// controls has the lowest bit set of each byte of w that is below the space.
func controls(w uint64) uint64 {
	// With its highest bit set, only a byte below the space loses that bit.
	return (^((w | highBits) - spaces) & ^w & highBits) >> 7
}

// run looks for the first CRLF CRLF in b, of at most 64 KiB, and at what is before it;
// without one, at all of b.
func (h *headScan) run(b []byte) {
	h.end, h.lines = -1, 0
	for i := 0; ; {
		n := bytes.IndexByte(b[i:], '\n')
		if n < 0 {
			break
		}
		i += n + 1
		if h.line(b, i-1) {
			h.end = i
			b = b[:i]
			break
		}
	}
	h.low, h.ascii = survey(b)
}

// survey counts the bytes of b that are below the space, and reports whether none is
// above 0x7f. It goes by words and has no branch that depends on them.
func survey(b []byte) (low int, ascii bool) {
	const most = 255 // words whose counts of each byte fit a byte
	var or uint64
	for {
		var counts uint64
		n := min(len(b)/8, most)
		for range n {
			w := binary.LittleEndian.Uint64(b)
			or |= w
			counts += controls(w)
			b = b[8:]
		}
		low += sumBytes(counts)
		if n < most {
			break
		}
	}
	if len(b) > 0 {
		last := [8]byte{' ', ' ', ' ', ' ', ' ', ' ', ' ', ' '}
		copy(last[:], b)
		w := binary.LittleEndian.Uint64(last[:])
		or |= w
		low += sumBytes(controls(w))
	}
	return low, or&highBits == 0
}

// nameEnd returns the place of the first byte of line, which ends in CRLF, that is a
// colon or not above the space.
func nameEnd(line []byte) int {
	i := 0
	for ; i+8 <= len(line); i += 8 {
		w := binary.LittleEndian.Uint64(line[i:])
		x := w ^ colons
		// The lowest bit set is right; a borrow may have set others above it.
		stops := (x-ones)&^x&highBits | ^((w|highBits)-(spaces+ones))&^w&highBits
		if stops != 0 {
			return i + bits.TrailingZeros64(stops)/8
		}
	}
	for line[i] > ' ' && line[i] != ':' {
		i++
	}
	return i
}

// sumBytes adds up the bytes of w.
func sumBytes(w uint64) int {
	const even = 0x00ff00ff00ff00ff
	w = w&even + w>>8&even
	return int(w * 0x0001000100010001 >> 48)
}

// line notes that a line of b ends at i, and reports whether an empty one does, below
// one that ends in CRLF too.
func (h *headScan) line(b []byte, i int) bool {
	if h.lines < scanLines {
		h.lf[h.lines] = uint16(i)
	}
	h.lines++
	return i >= 3 && b[i-1] == '\r' && b[i-2] == '\n' && b[i-3] == '\r'
}
