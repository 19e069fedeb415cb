package decap

import (
	"encoding/binary"

	"recap/reader/packet"
)

// stepL2TP reads a data message of L2TP version 2 (RFC 2661, section 3.1), or of
// version 3 (RFC 3931, section 4.1.2.1). Each side gives the session its own number.
func stepL2TP(s *state, b []byte) (Proto, []byte, error) {
	const (
		control  = 0x8000
		length   = 0x4000
		sequence = 0x0800
		offset   = 0x0200
		version  = 0x000f
	)
	if len(b) < 2 {
		return 0, nil, DispUDP
	}
	flags, n := binary.BigEndian.Uint16(b), 2
	if flags&version == 3 && flags&control == 0 && len(b) >= 8 {
		return s.l2tp3(b[4:], DispUDP)
	}
	if flags&version != 2 || flags&control != 0 {
		return 0, nil, DispUDP
	}
	if flags&length != 0 {
		if len(b) < 4 {
			return 0, nil, DispUDP
		}
		if l := int(binary.BigEndian.Uint16(b[2:])); l < len(b) {
			b = b[:l]
		}
		n += 2
	}
	ids := n
	if n += 4; flags&sequence != 0 {
		n += 4
	}
	if flags&offset != 0 {
		if n += 2; n > len(b) {
			return 0, nil, DispUDP
		}
		n += int(binary.BigEndian.Uint16(b[n-2:]))
	}
	if n >= len(b) {
		return 0, nil, DispUDP
	}
	s.doubt(DispUDP)
	if err := s.tunnel("l2tp", int64(binary.BigEndian.Uint16(b[ids+2:])), true); err != nil {
		return 0, nil, err
	}
	return protoPPPFrame, b[n:], nil
}

// stepL2TPv3 reads L2TP version 3 directly over IP (RFC 3931, section 4.1.1). Session 0
// is for control messages.
func stepL2TPv3(s *state, b []byte) (Proto, []byte, error) {
	if len(b) < 4 || binary.BigEndian.Uint32(b) == 0 {
		return 0, nil, DispOtherIP
	}
	return s.l2tp3(b, DispOtherIP)
}

// l2tp3 reads a data message from its session number on. A cookie of 4 or 8 bytes and
// a sublayer of 4 may follow, as both sides agreed on in messages that the capture
// need not hold; so the payload is where one is found. Without one, the packet is
// otherwise.
func (s *state) l2tp3(b []byte, otherwise Disposition) (Proto, []byte, error) {
	session, b := binary.BigEndian.Uint32(b), b[4:]
	for _, surely := range [...]bool{true, false} {
		for _, n := range [...]int{0, 4, 8, 12} {
			if n >= len(b) {
				break
			}
			if next, ok := s.d.l2Payload(b[n:], surely); ok {
				s.doubt(otherwise)
				return next, b[n:], s.tunnel("l2tpv3", int64(session), true)
			}
		}
	}
	return 0, nil, otherwise
}

// l2Payload tells what link layer or IP packet b is, surely or by its type alone.
func (d *Decoder) l2Payload(b []byte, surely bool) (Proto, bool) {
	type link struct {
		proto  Proto
		at     int // of the type, in two bytes
		header int
		fits   bool
	}
	if surely && provesIP(b) {
		return protoIP, true
	}
	for _, l := range [...]link{
		{protoEthernet, 12, 14, true},
		{protoPPPFrame, 2, 4, len(b) > 1 && b[0] == 0xff && b[1] == 3},
		{Link(packet.LinkCHDLC), 2, 4, len(b) > 1 && (b[0] == 0x0f || b[0] == 0x8f) && b[1] == 0},
	} {
		if !l.fits || len(b) < l.header {
			continue
		}
		next := EtherType(binary.BigEndian.Uint16(b[l.at:]))
		for surely && l.proto == protoEthernet && len(b) >= l.header+4 && d.isVLAN(next) {
			l.at, l.header = l.at+4, l.header+4
			next = EtherType(binary.BigEndian.Uint16(b[l.at:]))
		}
		if l.proto == protoPPPFrame {
			next = PPPProto(uint16(next))
		}
		if surely && provesIP(b[l.header:]) || !surely && (d.table[next] != 0 && next&0xffff > maxLength || l.proto == protoPPPFrame && d.table[next] != 0) {
			return l.proto, true
		}
	}
	return 0, false
}
