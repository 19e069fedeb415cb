package wire

import (
	"encoding/binary"
	"math/bits"

	"recap/reader/packet/checksum"
)

// put stores the checksum field for the sum of everything else.
func put(field []byte, s uint64) { binary.LittleEndian.PutUint16(field, ^checksum.Fold(s)) }

// word is what the big-endian 16-bit value v adds to a sum.
func word(v uint16) uint64 { return uint64(bits.ReverseBytes16(v)) }

// copySum copies src to dst, which is at least as long, and returns its sum. What was
// copied is at hand to be summed: both at once take twice as long.
func copySum(dst, src []byte) uint64 {
	copy(dst, src)
	return checksum.Sum(src)
}

// shifted is the sum of bytes that begin at an odd place of what is summed up: their
// halves of each word are exchanged (RFC 1071, section 2B).
func shifted(s uint64) uint64 { return bits.RotateLeft64(s, 8) }
