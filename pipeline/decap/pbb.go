package decap

import "encoding/binary"

// stepPBB reads the I-TAG of provider backbone bridging (IEEE 802.1Q, clause 9.7;
// once 802.1ah): 8 bits of priority and flags, 24 bits of service instance, and the
// customer's frame.
func stepPBB(s *state, b []byte) (Proto, []byte, error) {
	if len(b) < 4 {
		return 0, nil, s.short()
	}
	return protoEthernet, b[4:], s.tunnelBelowIP("pbb", int64(binary.BigEndian.Uint32(b)&0xffffff), false)
}
