package http2

import (
	"encoding/binary"
	"slices"
)

// huffmanBits holds the code lengths of RFC 7541, appendix B, by symbol. The code is
// canonical: among codes of one length the values rise with the symbol, and shorter
// codes come first. So the lengths say all.
var huffmanBits = [257]uint8{
	13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
	28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
	6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
	5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
	13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
	7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
	15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
	6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
	20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
	24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
	22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
	21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
	26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
	19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
	20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
	26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
	30, // the end of the string, which never stands in one
}

const (
	huffmanMin   = 5
	huffmanMax   = 30
	huffmanShort = 8 // codes up to this length are found in one step
	endOfString  = 256
)

type huffmanTable struct {
	// short has, for the next 8 bits, symbol<<4 | length; 0 where the code is longer.
	short [1 << huffmanShort]uint16
	// Codes of length n are those below limit[n], all codes left-aligned to 32 bits;
	// first[n] is the first of them and index[n] its place in symbols.
	limit   [huffmanMax + 1]uint64
	first   [huffmanMax + 1]uint32
	index   [huffmanMax + 1]int
	symbols [257]uint16
}

var huffman = newHuffmanTable()

func newHuffmanTable() *huffmanTable {
	t := new(huffmanTable)
	var code uint64
	n := 0
	for length := huffmanMin; length <= huffmanMax; length++ {
		step := uint64(1) << (32 - length)
		t.first[length], t.index[length] = uint32(code), n
		for sym, l := range huffmanBits {
			if int(l) != length {
				continue
			}
			if length <= huffmanShort {
				for i := code >> 24; i < (code+step)>>24; i++ {
					t.short[i] = uint16(sym<<4 | length)
				}
			}
			t.symbols[n] = uint16(sym)
			n++
			code += step
		}
		t.limit[length] = code
	}
	return t
}

// appendHuffman appends what src codes to dst. ok is false where src is no whole
// string: it holds the end symbol, or its padding is not the 0 to 7 ones that
// RFC 7541, section 5.2, wants.
func appendHuffman(dst, src []byte) (_ []byte, ok bool) {
	t := huffman
	dst = slices.Grow(dst, len(src)*8/huffmanMin)
	var acc uint64 // the next bits, left-aligned
	bits := 0      // of them
	for {
		if len(src) >= 8 && bits < huffmanMax {
			// Eight bytes at once. What does not fit whole is there again next time.
			acc |= binary.BigEndian.Uint64(src) >> bits
			src = src[(63-bits)>>3:]
			bits |= 56
		}
		for bits <= 56 && len(src) > 0 {
			acc |= uint64(src[0]) << (56 - bits)
			bits += 8
			src = src[1:]
		}
		// While no string end is near: codes of up to 30 bits fit.
		for bits >= huffmanMax {
			if s := t.short[acc>>56]; s != 0 {
				dst = append(dst, byte(s>>4))
				acc <<= s & 15
				bits -= int(s & 15)
				continue
			}
			sym, n := t.long(uint32(acc >> 32))
			if sym >= endOfString {
				return dst, false
			}
			dst = append(dst, byte(sym))
			acc <<= n
			bits -= n
		}
		if len(src) == 0 {
			break
		}
	}
	for bits > 0 {
		sym, n := uint16(0), 0
		if s := t.short[acc>>56]; s != 0 {
			sym, n = s>>4, int(s&15)
		} else {
			sym, n = t.long(uint32(acc >> 32))
		}
		if n > bits || sym >= endOfString {
			// What is left is shorter than any code that it begins: padding.
			return dst, bits < 8 && acc>>(64-bits) == 1<<bits-1
		}
		dst = append(dst, byte(sym))
		acc <<= n
		bits -= n
	}
	return dst, true
}

// long finds a code of more than 8 bits at the left of v.
func (t *huffmanTable) long(v uint32) (sym uint16, n int) {
	for n = huffmanShort + 1; n < huffmanMax; n++ {
		if uint64(v) < t.limit[n] {
			break
		}
	}
	if uint64(v) >= t.limit[n] {
		return endOfString, n
	}
	return t.symbols[t.index[n]+int((v-t.first[n])>>(32-n))], n
}
