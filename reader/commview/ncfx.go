package commview

import (
	"encoding/binary"

	"recap/reader/packet"
)

const (
	ncfxHeader = 20
	radio      = 20 // bytes of the radio header of 802.11 packets
	radioMCS   = 4  // bytes of its first extension
)

// ncfx is the format with one length of 32 bits, which counts so many bytes of
// the header.
type ncfx struct{ counted int64 }

func (ncfx) headerSize() int      { return ncfxHeader }
func (ncfx) date() int            { return 4 }
func (ncfx) medium(b []byte) byte { return b[15] }

func (k ncfx) sizes(b []byte) (size, second int64) {
	return int64(binary.LittleEndian.Uint32(b)) + ncfxHeader - k.counted, 0
}

// sound asks for the values of the help file; a decrypted packet is flagged in
// byte 16, and the direction in byte 17 is of Ethernet only.
func (ncfx) sound(b []byte) bool {
	return soundClock(b[4:]) && b[15] <= wifi && b[16] <= 1 && b[17] <= 2 && (b[15] == ethernet || b[17] == 0) && b[18] == 0 && b[19] == 0
}

// fill takes the radio header off 802.11 packets. Its first two bytes are its length
// with all extensions; the last four say which of these there are.
func (ncfx) fill(in *packet.Input, b []byte) (data []byte, other string) {
	data = b[ncfxHeader:]
	if b[15] != wifi {
		return data, ""
	}
	if len(data) < radio {
		in.AddAnomaly("bad_wifi_metadata")
		return data, ""
	}
	n := int(binary.LittleEndian.Uint16(data))
	if n < radio || n > len(data) {
		in.AddAnomaly("bad_wifi_metadata")
		n = radio
		if data[16]&1 != 0 && len(data) >= radio+radioMCS {
			n += radioMCS
		}
	}
	return data[n:], ""
}
