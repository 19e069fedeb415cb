package decap

import "encoding/binary"

// stepGFP reads a frame of the generic framing procedure (ITU-T G.7041, clause 6): its
// length, the kind of its payload and of what stands before that, each with a check.
func stepGFP(s *state, b []byte) (Proto, []byte, error) {
	const core, kind, extension, check = 4, 4, 4, 4
	if len(b) < core+kind {
		return 0, nil, s.short()
	}
	n, end := core+kind, core+int(binary.BigEndian.Uint16(b))
	typ := binary.BigEndian.Uint16(b[4:])
	switch typ >> 8 & 15 {
	case 0:
	case 1: // a channel
		n += extension
	default:
		return 0, nil, DispNonIP
	}
	if typ&0x1000 != 0 {
		end -= check
	}
	if end <= n || n > len(b) {
		return 0, nil, s.short()
	}
	const management = 4
	if typ>>13 == management {
		return 0, nil, DispNonIP
	}
	b = b[n:min(len(b), end)]
	switch typ & 0xff {
	case 1:
		return protoEthernet, b, nil
	case 2:
		return protoPPPFrame, b, nil
	case 12, 13:
		return EtherType(0x8847), b, nil
	case 16, 17:
		return protoIP, b, nil
	}
	return 0, nil, DispNonIP
}
