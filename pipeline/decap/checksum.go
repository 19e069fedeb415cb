package decap

import (
	"encoding/binary"
	"math/bits"

	"recap/reader/packet/checksum"
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
	addrs := checksum.Add(
		checksum.Add(load64(s.Key.Lo[:8]), load64(s.Key.Lo[8:])),
		checksum.Add(load64(s.Key.Hi[:8]), load64(s.Key.Hi[8:])))
	const proto = 6 << 8 // zero byte and protocol number, seen in little-endian order
	n := len(s.TCP)
	length := uint64(bits.ReverseBytes16(uint16(n))) + uint64(bits.ReverseBytes16(uint16(n>>16)))
	pseudo := checksum.Add(addrs, proto)
	if checksum.Fold(checksum.Add(checksum.Sum(s.TCP), checksum.Add(pseudo, length))) == 0xffff {
		return true, false
	}
	field := binary.LittleEndian.Uint16(s.TCP[16:])
	return false, field == checksum.Fold(checksum.Add(pseudo, length)) || field == checksum.Fold(pseudo)
}

func load64(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }

// ipv4SumWrong reports whether the checksum of the IPv4 header h of 20 bytes or
// more is wrong. A field of zero was left to an offload and is not.
func ipv4SumWrong(h []byte) bool {
	if checksum.Fold(checksum.Sum(h)) == 0xffff {
		return false
	}
	return h[10]|h[11] != 0
}
