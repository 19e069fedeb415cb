package decap

import (
	"bytes"
	"io"

	"github.com/klauspost/compress/flate"
)

// ipcompDeflate is the well-known CPI of DEFLATE (RFC 2394). Smaller ones are other
// algorithms; those from 256 up were agreed on somewhere else (RFC 3173, section 3.3).
const (
	ipcompDeflate = 2
	ipcompAgreed  = 256
)

// stepIPComp reads a compressed payload (RFC 3173, section 3): next header, flags,
// compression parameter index, data. Where the index does not tell the algorithm,
// what DEFLATE makes of it has to prove itself.
func stepIPComp(s *state, b []byte) (Proto, []byte, error) {
	if len(b) < 4 {
		return 0, nil, s.short()
	}
	next, cpi := b[0], int(b[2])<<8|int(b[3])
	if s.missing > 0 || cpi != ipcompDeflate && cpi < ipcompAgreed {
		return 0, nil, dispIPComp
	}
	plain, ok := inflate(b[4:])
	if !ok || cpi != ipcompDeflate && !s.provesPayload(next, plain) {
		return 0, nil, dispIPComp
	}
	s.info |= Reassembled
	return IPProto(next), plain, s.deeper()
}

// inflate undoes DEFLATE; ok reports that b is a whole stream, bytes of padding aside,
// of what fits into an IP datagram.
func inflate(b []byte) (plain []byte, ok bool) {
	r := flate.NewReader(bytes.NewReader(b))
	defer r.Close()
	plain, err := io.ReadAll(io.LimitReader(r, 1<<16))
	return plain, err == nil && len(plain) < 1<<16
}
