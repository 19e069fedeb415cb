package decap

import (
	"encoding/binary"

	"recap/pipeline/defrag"
)

// sttHeader is the length of an STT header with the padding behind it.
const sttHeader = 18

// stepSTT reads what stateless transport tunneling puts where a TCP header would be
// (draft-davie-stt, section 3): network cards shall cut a frame in parts as if it were
// a stream. The sequence number is the length of the frame and the part's place in it,
// the acknowledgement number names the frame.
//
// A connection to that port is none of it: the first part must prove itself by the header
// behind, others follow such a one.
func stepSTT(s *state, b []byte) (Proto, []byte, error) {
	const header, openOrClose = 20, byte(FIN | SYN | RST)
	if len(b) < header || b[12]>>4*4 != header || b[13]&openOrClose != 0 {
		return protoSegment, b, nil
	}
	part := b[header:]
	total, offset := int(binary.BigEndian.Uint16(b[4:])), int(binary.BigEndian.Uint16(b[6:]))
	end := offset + len(part) + s.missing
	switch {
	case s.d.sttSeen && offset == 0 && s.missing > 0 && len(part) < sttHeader+ethernetHeader:
		return 0, nil, s.short()
	case end == offset, end > total, offset == 0 && !s.d.provesSTT(part), offset > 0 && !s.d.sttSeen:
		return protoSegment, b, nil
	}
	s.d.sttSeen = true
	if offset == 0 && end == total {
		return protoSTT, part, nil
	}
	k := defrag.Key{Src: s.src, Dst: s.dst, V6: s.v6, Proto: protoOfNobody, ID: binary.BigEndian.Uint32(b[8:])}
	return s.fragment(protoSTT, k, defrag.Fragment{
		Offset: offset, More: end < total, AnyLength: true,
		Data: part, Missing: s.missing, Snap: s.truncated,
	})
}

// provesSTT reports whether b surely begins with an STT header: version 0, flags of
// which four are in use, what is reserved and padding 0, a frame whose type is known.
func (d *Decoder) provesSTT(b []byte) bool {
	return len(b) >= sttHeader && b[0] == 0 && b[1]&0xf0 == 0 && b[3]|b[16]|b[17] == 0 && d.plausibleEthernet(b[sttHeader:])
}

// stepSTTFrame reads the STT header of a whole frame: offloads, a VLAN tag that the frame
// itself does not hold, the context, which names the tenant.
func stepSTTFrame(s *state, b []byte) (Proto, []byte, error) {
	const tagged = 0x1000
	if len(b) < sttHeader {
		return 0, nil, s.short()
	}
	if err := s.tunnel("stt", int64(binary.BigEndian.Uint64(b[8:])), false); err != nil {
		return 0, nil, err
	}
	if tag := binary.BigEndian.Uint16(b[6:]); tag&tagged != 0 {
		if err := s.vlan(tag); err != nil {
			return 0, nil, err
		}
	}
	return protoEthernet, b[sttHeader:], nil
}
