package checksum_test

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"recap/reader/packet/checksum"
)

// plain is the sum of RFC 1071, word by word.
func plain(b []byte) uint16 {
	var s uint32
	for ; len(b) > 1; b = b[2:] {
		s += uint32(binary.LittleEndian.Uint16(b))
	}
	if len(b) == 1 {
		s += uint32(b[0])
	}
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return uint16(s)
}

func TestSumIsThatOfTheWords(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		b := make([]byte, r.IntN(400))
		ones := r.IntN(3) // bytes of ones give carries without end
		for i := range b {
			if b[i] = byte(r.Uint32()); ones == 2 || ones == 1 && r.IntN(4) > 0 {
				b[i] = 0xff
			}
		}
		if got, want := checksum.Fold(checksum.Sum(b)), plain(b); got != want {
			t.Fatalf("sum of %x is %x, want %x", b, got, want)
		}
		cut := r.IntN(len(b)/2+1) * 2
		if got, want := checksum.Fold(checksum.Add(checksum.Sum(b[:cut]), checksum.Sum(b[cut:]))), plain(b); got != want {
			t.Fatalf("sum of %x and %x is %x, want %x", b[:cut], b[cut:], got, want)
		}
	}
}
