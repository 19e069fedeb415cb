package http1

import (
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
	highBits = 0x8080808080808080
	spaces   = 0x2020202020202020

	lineFeeds = 0x0a0a0a0a0a0a0a0a
)

// controls has the highest bit set of each byte of w that is below the space.
func controls(w uint64) uint64 {
	// With its highest bit set, only a byte below the space loses that bit.
	return ^((w | highBits) - spaces) & ^w & highBits
}

// feeds has the highest bit set of each byte of w that is a LF, and no other.
func feeds(w uint64) uint64 {
	x := w ^ lineFeeds
	return ^((x&^highBits + ^uint64(highBits)) | x) & highBits
}

// run looks for the first CRLF CRLF in b, of at most 64 KiB, and at what is before it;
// without one, at all of b.
func (h *headScan) run(b []byte) {
	h.end, h.low, h.lines = -1, 0, 0
	var or uint64
	i := 0
	for ; i+8 <= len(b); i += 8 {
		w := binary.LittleEndian.Uint64(b[i:])
		low := controls(w)
		if low == 0 {
			or |= w
			continue
		}
		for m := feeds(w); m != 0; m &= m - 1 {
			j := i + bits.TrailingZeros64(m)>>3
			if h.line(b, j) {
				inside := ^uint64(0) >> (8 * (7 - (j - i))) // what of w is the head's
				h.end, h.low = j+1, h.low+bits.OnesCount64(low&inside)
				h.ascii = (or|w&inside)&highBits == 0
				return
			}
		}
		h.low += bits.OnesCount64(low)
		or |= w
	}
	for ; i < len(b); i++ {
		or |= uint64(b[i])
		if b[i] >= ' ' {
			continue
		}
		h.low++
		if b[i] == '\n' && h.line(b, i) {
			h.end = i + 1
			break
		}
	}
	h.ascii = or&highBits == 0
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
