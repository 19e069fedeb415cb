package decap

import (
	"encoding/binary"

	"recap/pipeline/defrag"
	"recap/reader/packet"
)

// protoOfNobody is the protocol number under which fragments of CAPWAP are held: one
// that no IP datagram has (RFC 5237, section 2).
const protoOfNobody = 255

// stepCAPWAP reads a data message between an access point and its controller (RFC
// 5415, section 4.3): version and type, of which 1 is encrypted; the header's length;
// whether an 802.11 or an 802.3 frame follows; perhaps the place of a fragment.
func stepCAPWAP(s *state, b []byte) (Proto, []byte, error) {
	const native, fragment, last, keepAlive, reserved, bindings = 1 << 8, 1 << 7, 1 << 6, 1 << 3, 7, 3
	if len(b) < 8 || b[0] != 0 {
		return 0, nil, DispUDP
	}
	fields := binary.BigEndian.Uint32(b)
	n := int(fields>>19&0x1f) * 4
	if n < 8 || n >= len(b) || fields&(keepAlive|reserved) != 0 || fields>>9&0x1f > bindings || b[7]&reserved != 0 {
		return 0, nil, DispUDP
	}
	s.doubt(DispUDP)
	if err := s.tunnel("capwap", -1, false); err != nil {
		return 0, nil, err
	}
	next := protoEthernet
	if fields&native != 0 {
		next = protoCAPWAPFrame
	}
	if fields&fragment == 0 {
		return next, b[n:], nil
	}
	// Each sender numbers fragmented messages of its port (section 4.3).
	k := defrag.Key{Src: s.src, Dst: s.dst, V6: s.v6, Proto: protoOfNobody,
		ID: uint32(s.sport)<<16 | uint32(binary.BigEndian.Uint16(b[4:]))}
	return s.fragment(next, k, defrag.Fragment{
		Offset: int(binary.BigEndian.Uint16(b[6:])>>3) * 8, More: fields&last == 0,
		Data: b[n:], Header: n, Missing: s.missing, Snap: s.truncated,
	})
}

// stepCAPWAPFrame looks at the frame control of an 802.11 frame, whose two bytes some
// controllers and their access points send in the other order.
func stepCAPWAPFrame(s *state, b []byte) (Proto, []byte, error) {
	const data, kind, way = 8, 0x0f, 3
	s.wifiSwapped = len(b) >= 2 && b[1]&kind == data && (b[0]&kind != data || b[1]&way == 0 && b[0]&way != 0)
	return Link(packet.LinkWiFi), b, nil
}
