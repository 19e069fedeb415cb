package decap

import (
	"encoding/binary"

	"recap/reader/packet"
)

// stepGRE reads a GRE header, over IP or UDP (RFC 8086).
func stepGRE(s *state, b []byte) (Proto, []byte, error) {
	if !s.overUDP() {
		return s.gre(b)
	}
	s.doubt(DispUDP)
	next, rest, err := s.gre(b)
	if err == DispOtherIP {
		err = DispUDP
	}
	return next, rest, err
}

// gre reads RFC 2784 with key and sequence of RFC 2890, the routing of RFC 1701, and
// version 1 as PPTP (RFC 2637, section 4.1) and EoIP have it.
func (s *state) gre(b []byte) (Proto, []byte, error) {
	if len(b) < 4 {
		return 0, nil, s.short()
	}
	const (
		checksum = 0x8000
		routing  = 0x4000
		key      = 0x2000
		sequence = 0x1000
		ack      = 0x0080 // version 1
	)
	flags, typ := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	version := flags & 7
	if version > 1 {
		return 0, nil, DispOtherIP
	}
	n, id := 4, int64(-1)
	if flags&(checksum|routing) != 0 && version == 0 {
		n += 4 // checksum and offset
	}
	if flags&key != 0 {
		if len(b) < n+4 {
			return 0, nil, s.short()
		}
		id = int64(binary.BigEndian.Uint32(b[n:]))
		n += 4
	}
	if flags&sequence != 0 {
		n += 4
	}
	if version == 1 {
		if flags&ack != 0 {
			n += 4
		}
		if n > len(b) || flags&key == 0 || typ != typePPP && typ != typeEoIP {
			return 0, nil, s.short()
		}
		if typ == typeEoIP {
			// Of the key, the second half is the tunnel's number, little-endian.
			return protoEthernet, b[n:], s.tunnel("eoip", int64(binary.LittleEndian.Uint16(b[6:])), false)
		}
		// The key is payload length and call identifier; each side has its own.
		if err := s.tunnel("pptp", id&0xffff, true); err != nil {
			return 0, nil, err
		}
		if n == len(b) {
			return 0, nil, DispOtherIP // an acknowledgement alone
		}
		return protoPPPFrame, b[n:], nil
	}
	if flags&routing != 0 {
		// Source route entries (RFC 1701): family, offset, length, data; an empty one ends.
		for {
			if len(b) < n+4 {
				return 0, nil, s.short()
			}
			family, l := binary.BigEndian.Uint16(b[n:]), int(b[n+3])
			n += 4 + l
			if family == 0 && l == 0 {
				break
			}
		}
	}
	if n > len(b) {
		return 0, nil, s.short()
	}
	return s.greProto(typ, flags&sequence != 0, id, b[n:])
}

// Protocol types of GRE that are not, or not only, EtherTypes.
const (
	typeTEB    = 0x6558 // transparent Ethernet bridging
	typePPP    = 0x880b
	typeEoIP   = 0x6400 // Ethernet over IP of MikroTik
	typeERSPAN = 0x88be // types I and II
	typeERSP3  = 0x22eb // type III
	typeWCCP   = 0x883e
	typeAruba  = 0x8200 // up to 0x82ff: 802.11 frames of Aruba access points
)

// greProto tells what b is behind a GRE header of type typ.
func (s *state) greProto(typ uint16, sequence bool, id int64, b []byte) (Proto, []byte, error) {
	switch typ {
	case typeERSPAN:
		if sequence {
			return protoERSPAN, b, nil
		}
		// Type I has no header of its own.
		return protoEthernet, b, s.tunnel(erspanName, -1, true)
	case typeERSP3:
		return EtherType(typ), b, nil
	}
	name := "gre"
	if vsid := id >> 8; typ == typeTEB && !sequence && vsid > 0 {
		// NVGRE (RFC 7637, section 3.2): 24 bits of subnet, 8 bits that spread
		// flows and so differ by direction. Linux bridges with plain keys, which
		// look the same; subnets below 0x1000 are reserved, so there a low byte
		// tells a key.
		if vsid >= 0x1000 || id&0xff == 0 {
			name, id = "nvgre", vsid
		}
	}
	if err := s.tunnel(name, id, false); err != nil {
		return 0, nil, err
	}
	if typ == typeWCCP {
		// The redirect header of version 2 (draft-wilson-wrec-wccp-v2-01, section
		// 4.12.1) is 4 bytes; version 1 has none.
		if len(b) >= 24 && b[0]>>4 != 4 {
			b = b[4:]
		}
		return protoIPv4, b, nil
	}
	if next := EtherType(typ); typ > maxLength && s.d.table[next] != 0 {
		return next, b, nil
	}
	switch {
	case typ == typePPP:
		return protoPPPFrame, b, nil
	case typ>>8 == typeAruba>>8:
		return Link(packet.LinkWiFi), b, nil
	}
	return 0, nil, DispOtherIP
}
