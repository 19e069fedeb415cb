package decap

import (
	"encoding/binary"
	"math/bits"
)

// ChecksumOK verifies the TCP checksum over the pseudo header and the segment
// (RFC 9293, section 3.1; RFC 8200, section 8.1). Where ok is false, offload
// tells that the field holds just the sum of the pseudo header, with or without
// the length in it: what a host leaves for its network card to complete, so not
// damage. A segment that the capture cut cannot be checked and passes.
func (s *Segment) ChecksumOK() (ok, offload bool) {
	if s.Missing != 0 {
		return true, false
	}
	// Sums are taken over words of the machine's order and compared in it: the
	// one's complement sum does not depend on byte order (RFC 1071, section 2B).
	// IPv4 addresses stand as ::ffff:a.b.c.d, whose prefix sums to 0xffff, which
	// is 0 in one's complement; and the sum does not ask which address is which.
	addrs := foldAdd(
		load64(s.Key.Lo[:8]), load64(s.Key.Lo[8:]),
		load64(s.Key.Hi[:8]), load64(s.Key.Hi[8:]))
	const proto = 6 << 8 // zero byte and protocol number, seen in little-endian order
	n := len(s.TCP)
	length := uint64(bits.ReverseBytes16(uint16(n))) + uint64(bits.ReverseBytes16(uint16(n>>16)))
	pseudo := uint64(addrs) + proto
	if fold(foldAdd(sum(s.TCP), pseudo+length, 0, 0)) == 0xffff {
		return true, false
	}
	field := binary.LittleEndian.Uint16(s.TCP[16:])
	return false, field == fold(pseudo+length) || field == fold(pseudo)
}

func load64(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }

// foldAdd adds with end-around carry.
func foldAdd(a, b, c, d uint64) uint64 {
	a, k := bits.Add64(a, b, 0)
	a, k = bits.Add64(a, c, k)
	a, k = bits.Add64(a, d, k)
	a, k = bits.Add64(a, 0, k)
	return a + k
}

// fold reduces a 64-bit one's complement sum to 16 bits.
func fold(s uint64) uint16 {
	s = s>>32 + s&0xffffffff
	s = s>>32 + s&0xffffffff
	s = s>>16 + s&0xffff
	s = s>>16 + s&0xffff
	return uint16(s)
}

// sum is the 64-bit one's complement sum of b as little-endian words, the last
// one filled up with zeros.
func sum(b []byte) uint64 {
	var s, k uint64
	for len(b) >= 64 {
		s, k = bits.Add64(s, load64(b[0:8]), k)
		s, k = bits.Add64(s, load64(b[8:16]), k)
		s, k = bits.Add64(s, load64(b[16:24]), k)
		s, k = bits.Add64(s, load64(b[24:32]), k)
		s, k = bits.Add64(s, load64(b[32:40]), k)
		s, k = bits.Add64(s, load64(b[40:48]), k)
		s, k = bits.Add64(s, load64(b[48:56]), k)
		s, k = bits.Add64(s, load64(b[56:64]), k)
		b = b[64:]
	}
	for len(b) >= 8 {
		s, k = bits.Add64(s, load64(b), k)
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

// ipv4SumWrong reports whether the checksum of the IPv4 header h of 20 bytes or
// more is wrong. A field of zero was left to an offload and is not.
func ipv4SumWrong(h []byte) bool {
	if fold(sum(h)) == 0xffff {
		return false
	}
	return h[10]|h[11] != 0
}
