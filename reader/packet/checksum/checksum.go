// Package checksum computes the checksum of IP, TCP and UDP: one's complement sums
// of 16-bit words (RFC 1071), taken over words of 64 bits in the machine's order.
// Neither the word size nor the byte order changes the result, which is in the order
// of the words (RFC 1071, section 2).
package checksum

import (
	"encoding/binary"
	"math/bits"
)

// Sum returns the sum of b, the last word filled up with zeros.
func Sum(b []byte) uint64 {
	var s, k uint64
	le := binary.LittleEndian
	for len(b) >= 64 {
		s, k = bits.Add64(s, le.Uint64(b[0:8]), k)
		s, k = bits.Add64(s, le.Uint64(b[8:16]), k)
		s, k = bits.Add64(s, le.Uint64(b[16:24]), k)
		s, k = bits.Add64(s, le.Uint64(b[24:32]), k)
		s, k = bits.Add64(s, le.Uint64(b[32:40]), k)
		s, k = bits.Add64(s, le.Uint64(b[40:48]), k)
		s, k = bits.Add64(s, le.Uint64(b[48:56]), k)
		s, k = bits.Add64(s, le.Uint64(b[56:64]), k)
		b = b[64:]
	}
	for len(b) >= 8 {
		s, k = bits.Add64(s, le.Uint64(b), k)
		b = b[8:]
	}
	var last uint64
	for i, c := range b {
		last |= uint64(c) << (8 * i)
	}
	s, k = bits.Add64(s, last, k)
	s, k = bits.Add64(s, 0, k)
	return s + k
}

// Add adds two sums.
func Add(a, b uint64) uint64 {
	s, k := bits.Add64(a, b, 0)
	return s + k // it is no 1<<64-1 where there is a carry
}

// Fold reduces a sum to 16 bits.
func Fold(s uint64) uint16 {
	s = s>>32 + s&0xffffffff
	s = s>>32 + s&0xffffffff
	s = s>>16 + s&0xffff
	s = s>>16 + s&0xffff
	return uint16(s)
}
