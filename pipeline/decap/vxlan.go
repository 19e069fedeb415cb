package decap

import "encoding/binary"

const vxlanName = "vxlan"

// stepVXLAN reads a VXLAN header (RFC 7348, section 5): flags, of which I must be
// set unless the frame proves itself, and the network identifier. Reserved bits that
// are set (group policies and other drafts use them) make it a guess.
func stepVXLAN(s *state, b []byte) (Proto, []byte, error) {
	if len(b) < 8+14 || b[0]&8 == 0 && !provesFrame(b[8:]) {
		return 0, nil, DispUDP
	}
	v := binary.BigEndian.Uint64(b)
	if v&^0xffff_ff00 != 8<<56 {
		s.doubt(DispUDP)
	}
	if err := s.tunnel(vxlanName, int64(v>>8&0xffffff), false); err != nil {
		return 0, nil, err
	}
	return protoEthernet, b[8:], nil
}
