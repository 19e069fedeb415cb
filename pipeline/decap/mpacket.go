package decap

import (
	"encoding/binary"
	"hash/crc32"
)

// stepMPacket reads the preamble of an Ethernet frame that may be preempted (IEEE
// 802.3, clause 99.3): its last byte says whether this is a frame, or the beginning or
// a further part of one. A beginning that is all of it ends with the frame's own
// check sequence.
func stepMPacket(s *state, b []byte) (Proto, []byte, error) {
	n := 0
	for n < len(b) && n < 7 && b[n] == 0x55 {
		n++
	}
	if n == len(b) {
		return 0, nil, s.short()
	}
	mark, frame := b[n], b[n+1:]
	switch mark {
	case 0xd5:
		return protoEthernet, frame, nil
	case 0xe6, 0x4c, 0x7f, 0xb3:
		if end := len(frame) - 4; end > 0 && crc32.ChecksumIEEE(frame[:end]) == binary.LittleEndian.Uint32(frame[end:]) {
			return protoEthernet, frame[:end], nil
		}
		return 0, nil, dispMPacketFragment
	case 0x61, 0x52, 0x9e, 0x2a:
		return 0, nil, dispMPacketFragment
	case 0x07, 0x19:
		return 0, nil, DispNonIP // verify and respond: two stations ask each other
	}
	return 0, nil, s.short()
}
