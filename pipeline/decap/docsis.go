package decap

import "encoding/binary"

// stepDOCSIS reads the header of a frame on a television cable (DOCSIS MAC and upper
// layer protocols, section 6.2): its kind, a parameter, a length, perhaps an extended
// header, a check. Inside is an Ethernet frame, or several frames with headers of their own.
func stepDOCSIS(s *state, b []byte) (Proto, []byte, error) {
	const header, hasExtension, concatenation, specific, isolated = 6, 1, 0xf8, 3, 2
	if len(b) < header {
		return 0, nil, s.short()
	}
	length := int(binary.BigEndian.Uint16(b[2:]))
	end := header + length
	if length == 0 || end > len(b)+s.lost {
		return 0, nil, s.short()
	}
	if rest := b[min(len(b), end):]; len(rest) > header+14 && s.inDOCSIS {
		s.leave(protoDOCSIS, rest)
	}
	b = b[:min(len(b), end)]
	if b[0]&^hasExtension == concatenation {
		s.inDOCSIS = true
		return protoDOCSIS, b[header:], s.deeper()
	}
	if kind := b[0] >> 6; kind == specific || kind != 0 && kind != isolated {
		return 0, nil, DispNonIP // management, requests, ATM
	}
	n := header
	if b[0]&hasExtension != 0 {
		n += int(b[1])
		if n > len(b) {
			return 0, nil, s.short()
		}
		if docsisEncrypted(b[4 : n-2]) {
			return 0, nil, dispDOCSIS
		}
	}
	return protoEthernet, b[n:], s.deeper()
}

// docsisEncrypted reports whether an extended header holds an element of baseline privacy
// that says that the frame is encrypted (section 6.2.7).
func docsisEncrypted(b []byte) bool {
	const up, down, enabled = 3, 4, 0x80
	for len(b) >= 2 {
		typ, n := b[0]>>4, 1+int(b[0]&15)
		if (typ == up || typ == down) && min(n, len(b)) >= 3 && b[2]&enabled != 0 {
			return true
		}
		b = b[min(len(b), n):]
	}
	return false
}

// stepXRA reads what Excentis' analyzer puts before a frame on a cable: version, direction
// and kind, and notes of a length that stands before them.
func stepXRA(s *state, b []byte) (Proto, []byte, error) {
	const header, fromChannel, fromOFDM, toChannel = 4, 0x01, 0x08, 0x50
	if len(b) < header {
		return 0, nil, s.short()
	}
	n := header + int(binary.BigEndian.Uint16(b[2:]))
	if n > len(b) {
		return 0, nil, s.short()
	}
	switch b[1] {
	case fromChannel, fromOFDM, toChannel:
		return Link(143), b[n:], nil
	}
	return 0, nil, DispNonIP // bursts and signalling
}
