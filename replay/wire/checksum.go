package wire

import (
	"encoding/binary"
	"math/bits"
)

// Sums are one's complement sums over words of the machine's order, kept in 64 bits
// and folded at the end: the result does not depend on the word size, and in its byte
// order it is that of the words (RFC 1071, sections 2A to 2C).

func load64(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }

// add adds with end-around carry.
func add(a, b uint64) uint64 {
	s, k := bits.Add64(a, b, 0)
	return s + k
}

// fold reduces a sum to 16 bits.
func fold(s uint64) uint16 {
	s = s>>32 + s&0xffffffff
	s = s>>32 + s&0xffffffff
	s = s>>16 + s&0xffff
	s = s>>16 + s&0xffff
	return uint16(s)
}

// put stores the checksum field for the sum of everything else.
func put(field []byte, s uint64) { binary.LittleEndian.PutUint16(field, ^fold(s)) }

// word is what the big-endian 16-bit value v adds to a sum.
func word(v uint16) uint64 { return uint64(bits.ReverseBytes16(v)) }

// copySum copies src to dst, which is at least as long, and returns the sum of the
// bytes, the last word filled up with zeros.
func copySum(dst, src []byte) uint64 {
	dst = dst[:len(src)]
	var s, k uint64
	for len(src) >= 32 {
		a, b, c, d := load64(src), load64(src[8:]), load64(src[16:]), load64(src[24:32])
		s, k = bits.Add64(s, a, k)
		s, k = bits.Add64(s, b, k)
		s, k = bits.Add64(s, c, k)
		s, k = bits.Add64(s, d, k)
		le := binary.LittleEndian
		le.PutUint64(dst, a)
		le.PutUint64(dst[8:], b)
		le.PutUint64(dst[16:], c)
		le.PutUint64(dst[24:32], d)
		src, dst = src[32:], dst[32:]
	}
	for len(src) >= 8 {
		a := load64(src)
		s, k = bits.Add64(s, a, k)
		binary.LittleEndian.PutUint64(dst, a)
		src, dst = src[8:], dst[8:]
	}
	var last uint64
	for i, c := range src {
		last |= uint64(c) << (8 * i)
		dst[i] = c
	}
	s, k = bits.Add64(s, last, k)
	s, k = bits.Add64(s, 0, k)
	return s + k
}

// sum is copySum without the copy.
func sum(b []byte) uint64 {
	var s uint64
	for len(b) >= 8 {
		s = add(s, load64(b))
		b = b[8:]
	}
	var last uint64
	for i, c := range b {
		last |= uint64(c) << (8 * i)
	}
	return add(s, last)
}

// shifted is the sum of bytes that begin at an odd place of what is summed up: their
// halves of each word are exchanged (RFC 1071, section 2B).
func shifted(s uint64) uint64 { return bits.RotateLeft64(s, 8) }
