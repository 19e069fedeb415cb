package decap

import (
	"encoding/binary"
	"math/bits"

	"recap/reader/packet/checksum"
)

// stepESP reads an encapsulating security payload (RFC 4303, section 2) that is not
// encrypted (RFC 2410, RFC 4543): index, sequence number, payload, padding, next
// header, check value. Nothing in it says that it is not; but payloads prove
// themselves by lengths and checksums that must fit, and so tell how long the check
// value is. Over UDP it may be preceded by nothing else (RFC 3948, section 2).
func stepESP(s *state, b []byte) (Proto, []byte, error) {
	encrypted := DispOtherIP
	if s.proto&^0xffff != spaceIP {
		encrypted = DispUDP
	}
	if len(b) < 8+4 || binary.BigEndian.Uint32(b) == 0 {
		return 0, nil, encrypted
	}
	for _, vector := range [...]int{0, 8} {
		if next, rest, ok := s.espPayload(b, 8+vector); ok {
			if next == IPProto(4) || next == IPProto(41) {
				err := s.tunnel("esp", int64(binary.BigEndian.Uint32(b)), true)
				return protoIP, rest, err
			}
			return next, rest, s.deeper()
		}
	}
	return 0, nil, encrypted
}

// espPayload looks for a payload of ESP packet b at from.
func (s *state) espPayload(b []byte, from int) (Proto, []byte, bool) {
	if s.missing > 0 {
		// The trailer was cut off: only IPv4 in tunnel mode proves itself.
		if p := b[min(from, len(b)):]; len(p) >= 20 && p[0]>>4 == 4 && provesIP(p) && int(binary.BigEndian.Uint16(p[2:])) < len(p)+s.missing {
			return IPProto(4), p, true
		}
		return 0, nil, false
	}
	for _, check := range [...]int{12, 16, 0, 8, 20, 24, 32} {
		end := len(b) - check - 2
		if end < from || int(b[end]) > end-from {
			continue
		}
		p, pad, next := b[from:end-int(b[end])], b[end-int(b[end]):end], b[end+1]
		for i, c := range pad {
			if int(c) != i+1 { // section 2.4: 1, 2, 3, …
				p = nil
				break
			}
		}
		if s.provesPayload(next, p) {
			return IPProto(next), p, true
		}
	}
	return 0, nil, false
}

// provesPayload reports whether all of b is surely a payload of IP protocol next.
func (s *state) provesPayload(next byte, b []byte) bool {
	switch {
	case next == 4 && len(b) >= 20:
		return b[0]>>4 == 4 && provesIP(b) && int(binary.BigEndian.Uint16(b[2:])) == len(b)
	case next == 41 && len(b) >= 40:
		return b[0]>>4 == 6 && provesIP(b)
	case next == 6 && len(b) >= 20:
		return b[12]>>4 >= 5 && int(b[12]>>4*4) <= len(b) && s.checksummed(next, b)
	case next == 17 && len(b) >= 8:
		return int(binary.BigEndian.Uint16(b[4:])) == len(b) && (b[6]|b[7] == 0 || s.checksummed(next, b))
	}
	return false
}

// checksummed reports whether b, of IP protocol proto, has a right checksum with the
// pseudo header.
func (s *state) checksummed(proto byte, b []byte) bool {
	addrs := checksum.Add(checksum.Add(load64(s.src[:]), load64(s.src[8:])), checksum.Add(load64(s.dst[:]), load64(s.dst[8:])))
	pseudo := uint64(proto)<<8 + uint64(bits.ReverseBytes16(uint16(len(b))))
	return checksum.Fold(checksum.Add(checksum.Sum(b), checksum.Add(addrs, pseudo))) == 0xffff
}
