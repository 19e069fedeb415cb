package decap

import "encoding/binary"

// ethernetHeader is the length of a header of Ethernet without tags.
const ethernetHeader = 14

// stepEthernet reads an Ethernet II or 802.3 header.
func stepEthernet(s *state, b []byte) (Proto, []byte, error) {
	if len(b) < 14 {
		return 0, nil, s.short()
	}
	if isISL(b) {
		return protoISL, b, nil
	}
	s.setMACs(b)
	return EtherType(binary.BigEndian.Uint16(b[12:])), b[14:], nil
}

// stepVLAN reads a tag of IEEE 802.1Q or 802.1ad: 12 bits of identifier, and the
// type or length of what follows.
func stepVLAN(s *state, b []byte) (Proto, []byte, error) {
	if len(b) < 4 {
		return 0, nil, s.short()
	}
	if err := s.vlan(binary.BigEndian.Uint16(b)); err != nil {
		return 0, nil, err
	}
	return EtherType(binary.BigEndian.Uint16(b[2:])), b[4:], nil
}

// isVLAN reports whether p names a VLAN tag.
func (d *Decoder) isVLAN(p Proto) bool {
	return d.table[p] != 0 && d.table[p] == d.table[EtherType(0x8100)]
}

// maxLength is the largest value of the type field that is a length (IEEE 802.3,
// clause 3.2.6).
const maxLength = 1500

// typeLongLLC is the type of frames with LLC of more than 1500 bytes
// (draft-ietf-isis-ext-eth-01).
const typeLongLLC = 0x8870

// lengths are the "EtherTypes" that are lengths of 802.3 frames.
func lengths() []Proto {
	l := make([]Proto, maxLength+1)
	for i := range l {
		l[i] = EtherType(uint16(i))
	}
	return l
}

// stepLLC reads an LLC header (IEEE 802.2), whose frame length is the number that
// led here, and the SNAP header inside. A length of 0 means unknown, as does the type
// of frames that are longer than lengths can say.
func stepLLC(s *state, b []byte) (Proto, []byte, error) {
	if n := int(s.proto & 0xffff); n > 0 && n <= maxLength && n < len(b) {
		b = b[:n]
	}
	switch {
	case len(b) < 3:
		return 0, nil, s.short()
	case b[0]|1 == 7 && b[1]|1 == 7 && b[2] == 3: // IP by its own SAP (RFC 948)
		return protoIP, b[3:], nil
	case b[0] == 0xfe && b[1]|1 == 0xff && b[2] == 3: // OSI's, with the number of a protocol
		return protoNLPID, b[3:], nil
	case b[0]|1 == 0xab && b[1]|1 == 0xab && b[2] == 3:
		if len(b) < 8 {
			return 0, nil, s.short()
		}
		oui, typ := b[3:6], binary.BigEndian.Uint16(b[6:])
		// RFC 1042: the organisation 0 numbers by EtherType; 00-00-f8 is the
		// bridge tunnel (IEEE 802.1H), whose types are EtherTypes too.
		if oui[0] == 0 && oui[1] == 0 && (oui[2] == 0 || oui[2] == 0xf8) && typ > maxLength {
			return EtherType(typ), b[8:], nil
		}
	}
	return 0, nil, DispNonIP
}

// plausibleEthernet reports whether an Ethernet header may start at b: its type is
// one that can be read or a length that fits.
func (d *Decoder) plausibleEthernet(b []byte) bool {
	if len(b) < 14 {
		return false
	}
	switch t := binary.BigEndian.Uint16(b[12:]); {
	case t <= maxLength:
		return int(t) <= len(b)-14 && t > 2
	case t == 0x0806: // ARP
		return true
	default:
		return d.table[EtherType(t)] != 0
	}
}
