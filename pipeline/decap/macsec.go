package decap

import "encoding/binary"

// stepMACsec reads a MACsec tag (IEEE 802.1AE, clause 9.3): control bits, a length,
// a packet number, perhaps a channel identifier. Frames may be protected without
// being encrypted; then their own type follows, and at the end a check value, which
// the length fields inside leave out.
func stepMACsec(s *state, b []byte) (Proto, []byte, error) {
	const version, hasChannel, encrypted, changed = 0x80, 0x20, 0x08, 0x04
	if len(b) < 6 || b[0]&version != 0 {
		return 0, nil, s.short()
	}
	if b[0]&(encrypted|changed) != 0 {
		return 0, nil, dispMACsec
	}
	n := 6
	if b[0]&hasChannel != 0 {
		n += 8
	}
	if len(b) < n+2 {
		return 0, nil, s.short()
	}
	return EtherType(binary.BigEndian.Uint16(b[n:])), b[n+2:], s.deeper()
}
