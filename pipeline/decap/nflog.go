package decap

import "encoding/binary"

// stepNFLOG reads the header of LINKTYPE_NFLOG: family, version, resource, and
// attributes in the writer's byte order, of which number 9 is the packet.
func stepNFLOG(s *state, b []byte) (Proto, []byte, error) {
	if len(b) < 8 || b[1] != 0 {
		return 0, nil, s.short()
	}
	// Attribute numbers are small: the zero byte of the first one tells the order.
	var order binary.ByteOrder = binary.LittleEndian
	if b[6] == 0 {
		order = binary.BigEndian
	}
	for b = b[4:]; len(b) >= 4; {
		n, typ := int(order.Uint16(b)), order.Uint16(b[2:])
		if n < 4 {
			return 0, nil, s.short()
		}
		if typ&0x3fff == 9 {
			return protoIP, b[4:min(n, len(b))], nil
		}
		b = b[min((n+3)&^3, len(b)):]
	}
	return 0, nil, s.short()
}
