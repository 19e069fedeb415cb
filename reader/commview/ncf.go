package commview

import (
	"encoding/binary"

	"recap/reader/packet"
)

const ncfHeader = 24

// Bits of the flags of NCF.
const (
	ncfMedium     = 0x0f
	ncfCompressed = 0x40
	ncfReserved   = 0x80
)

// ncf is the format with lengths of 16 bits: that of what is stored, and that of
// the packet before compression.
type ncf struct{}

func (ncf) headerSize() int      { return ncfHeader }
func (ncf) date() int            { return 5 }
func (ncf) medium(b []byte) byte { return b[16] & ncfMedium }

func (ncf) sizes(b []byte) (size, second int64) {
	size = ncfHeader + int64(binary.LittleEndian.Uint16(b))
	if b[16]&ncfCompressed == 0 {
		second = ncfHeader + int64(binary.LittleEndian.Uint16(b[2:]))
	}
	return size, second
}

func (ncf) sound(b []byte) bool {
	return b[4] == 0 && soundClock(b[5:]) && b[16]&ncfReserved == 0 && b[16]&ncfMedium <= tokenRing && b[17] <= 100
}

func (k ncf) fill(in *packet.Input, b []byte) (data []byte, other string) {
	if b[16]&ncfCompressed != 0 {
		return nil, "compressed packet"
	}
	if size, second := k.sizes(b); size != second {
		in.AddAnomaly("length_mismatch")
	}
	return b[ncfHeader:], ""
}
