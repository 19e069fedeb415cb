package decap

import "encoding/binary"

// stepBIER reads the header of bit index explicit replication (RFC 8296, section 2),
// which tells routers by a string of bits where copies of a packet go. In Ethernet the
// number of the forwarding table comes first; behind MPLS the label is that number.
func stepBIER(s *state, b []byte) (Proto, []byte, error) {
	id := int64(-1)
	if s.proto != protoBIER {
		if len(b) < 4 {
			return 0, nil, s.short()
		}
		id, b = int64(binary.BigEndian.Uint32(b)>>12), b[4:]
	}
	if len(b) < 8 {
		return 0, nil, s.short()
	}
	version, size := b[0]&15, b[1]>>4
	n := 8 + 4<<size // of 1 to 7, for 64 to 4096 bits
	if version != 0 || size < 1 || size > 7 || n > len(b) {
		return 0, nil, s.short()
	}
	next := EtherType(0xffff)
	switch b[5] & 0x3f {
	case 1:
		next = EtherType(0x8847)
	case 2:
		next = EtherType(0x8848)
	case 3:
		next = protoEthernet
	case 4:
		next = protoIPv4
	case 6:
		next = protoIPv6
	}
	return next, b[n:], s.tunnelBelowIP("bier", id, true)
}
