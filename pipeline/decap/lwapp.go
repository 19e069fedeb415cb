package decap

import (
	"encoding/binary"

	"recap/pipeline/defrag"
)

// stepLWAPP reads a data message of LWAPP (RFC 5412, section 3.1), of which CAPWAP was
// made, over UDP or directly in Ethernet: version, number of the radio and flags, the
// number of a frame sent in two parts, the length, and an 802.11 frame.
func stepLWAPP(s *state, b []byte) (Proto, []byte, error) {
	const header, version, control, fragment, notLast = 6, 0xc0, 4, 2, 1
	otherwise := DispNonIP
	if s.overUDP() {
		otherwise = DispUDP
	}
	if len(b) < header || b[0]&(version|control) != 0 {
		return 0, nil, otherwise
	}
	n := int(binary.BigEndian.Uint16(b[2:]))
	if n == 0 || n > len(b)-header+s.missing {
		return 0, nil, otherwise
	}
	rest := b[header:min(len(b), header+n)]
	s.doubt(otherwise)
	if err := s.tunnel("lwapp", -1, false); err != nil {
		return 0, nil, err
	}
	if b[0]&fragment == 0 {
		return protoCAPWAPFrame, rest, nil
	}
	p := defrag.Piece{More: b[0]&notLast != 0, Data: rest, Missing: header + n - min(len(b), header+n), Snap: s.truncated}
	if !p.More {
		p.Number = 1
	}
	k := defrag.Key{Src: s.src, Dst: s.dst, V6: s.v6, Proto: protoOfNobody, ID: uint32(s.sport)<<16 | uint32(b[1])}
	return s.wifiFragment(protoCAPWAPFrame, k, p)
}

// stepLWAPPFrame reads the older form of LWAPP, of Ethernet frames without any header.
func stepLWAPPFrame(s *state, b []byte) (Proto, []byte, error) {
	if !provesFrame(b) {
		return 0, nil, DispUDP
	}
	s.doubt(DispUDP)
	return protoEthernet, b, s.tunnel("lwapp", -1, false)
}
