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
	ascii bool // no byte from 0x7f on in it
	low   int  // bytes below the space
	lines int  // of them ending in LF; more than scanLines are counted only
	lf    [scanLines]uint16
}

// Bytes of a word, each.
const (
	ones     = 0x0101010101010101
	newlines = 0x0a0a0a0a0a0a0a0a
	hyphens  = 0x2d2d2d2d2d2d2d2d
	highBits = 0x8080808080808080
	spaces   = 0x2020202020202020
)

// run looks for the first CRLF CRLF in b, of at most 64 KiB, and at what is before it;
// without one, at all of b. It goes by words: most hold nothing but text, and tell so at once.
func (h *headScan) run(b []byte) {
	h.end, h.lines = -1, 0
	var seen uint64
	i, low := 0, 0
	for ; i+8 <= len(b); i += 8 {
		w := binary.LittleEndian.Uint64(b[i:])
		// With its highest bit set, only a byte below the space loses that bit.
		controls := ^((w | highBits) - spaces) & ^w & highBits
		high := w | (w + ones) // with its highest bit set where a byte is 0x7f or more
		if controls == 0 {
			seen |= high
			continue
		}
		x := w ^ newlines
		for lf := ^(x&^highBits + ^uint64(highBits) | x) & highBits; lf != 0; lf &= lf - 1 {
			k := bits.TrailingZeros64(lf) / 8
			if h.line(b, i+k) {
				head := ^uint64(0) >> (56 - 8*k)
				h.end = i + k + 1
				h.low = low + bits.OnesCount64(controls&head)
				h.ascii = (seen|high&head)&highBits == 0
				return
			}
		}
		seen |= high
		low += bits.OnesCount64(controls)
	}
	for ; i < len(b) && h.end < 0; i++ {
		seen |= uint64(b[i]) | (uint64(b[i]) + 1)
		if b[i] < ' ' {
			low++
		}
		if b[i] == '\n' && h.line(b, i) {
			h.end = i + 1
		}
	}
	h.low, h.ascii = low, seen&highBits == 0
}

// nameEnd returns the place of the first byte of line, which ends in CRLF, that may not
// stand in a name (RFC 9110, section 5.6.2).
func nameEnd(line []byte) int {
	i := 0
	for ; i+8 <= len(line); i += 8 {
		// Most bytes of names are letters and hyphens: those are looked at by words.
		w := binary.LittleEndian.Uint64(line[i:])
		x := (w | spaces) &^ highBits
		letters := (x + (0x80-'a')*ones) &^ (x + (0x7f-'z')*ones) &^ w
		y := w ^ hyphens
		stops := ^(letters | ^(y&^highBits + ^uint64(highBits) | y)) & highBits
		if stops != 0 {
			i += bits.TrailingZeros64(stops) / 8
			break
		}
	}
	for isToken(line[i]) {
		i++
	}
	return i
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
