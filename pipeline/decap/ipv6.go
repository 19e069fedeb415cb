package decap

import (
	"encoding/binary"

	"recap/pipeline/defrag"
)

// stepIPv6 reads an IPv6 header (RFC 8200, section 3).
func stepIPv6(s *state, b []byte) (Proto, []byte, error) {
	if len(b) > 0 && b[0]>>4 == 4 {
		return protoIPv4, b, nil // the layer below says otherwise, wrongly
	}
	if len(b) < 40 || b[0]>>4 != 6 {
		return 0, nil, s.short()
	}
	s.setAddr6(b)
	s.ttl, s.ipID = b[7], 0
	next, rest := IPProto(b[6]), b[40:]
	n := int(binary.BigEndian.Uint16(b[4:]))
	if n == 0 {
		// A jumbogram (RFC 2675) or segmentation offload: the rest of the frame.
		s.jumbo, n = true, len(rest)
	}
	s.missing = max(0, n-len(rest))
	return next, rest[:min(n, len(rest))], nil
}

// extension returns the extension header at the start of b (RFC 8200, section
// 4.2): its options and what follows. Over IPv4 there are none.
func (s *state) extension(b []byte) (opts []byte, next Proto, rest []byte, err error) {
	if !s.v6 {
		return nil, 0, nil, DispOtherIP
	}
	if len(b) < 8 {
		return nil, 0, nil, s.short()
	}
	n := 8 + int(b[1])*8
	if n > len(b) {
		return nil, 0, nil, s.short()
	}
	return b[2:n], IPProto(b[0]), b[n:], nil
}

// option returns the data of the option of type typ and length n among opts (RFC
// 8200, section 4.2).
func option(opts []byte, typ byte, n int) []byte {
	for len(opts) >= 2 {
		if opts[0] == 0 { // Pad1
			opts = opts[1:]
			continue
		}
		end := 2 + int(opts[1])
		if end > len(opts) {
			break
		}
		if opts[0] == typ && end == 2+n {
			return opts[2:end]
		}
		opts = opts[end:]
	}
	return nil
}

// stepHopByHop reads hop-by-hop options (RFC 8200, section 4.3). The jumbo
// payload option (RFC 2675, section 2) gives the payload length.
func stepHopByHop(s *state, b []byte) (Proto, []byte, error) {
	opts, next, rest, err := s.extension(b)
	if err != nil {
		return 0, nil, err
	}
	if s.jumbo {
		if o := option(opts, 0xc2, 4); o != nil {
			n := int64(binary.BigEndian.Uint32(o)) - int64(len(b)-len(rest))
			if n < 0 {
				return 0, nil, s.short()
			}
			s.missing = int(max(0, n-int64(len(rest))))
			rest = rest[:min(n, int64(len(rest)))]
		}
	}
	return next, rest, nil
}

// stepDestination reads destination options (RFC 8200, section 4.6). A home
// address (RFC 6275, section 6.3) takes the place of the source address.
func stepDestination(s *state, b []byte) (Proto, []byte, error) {
	opts, next, rest, err := s.extension(b)
	if err != nil {
		return 0, nil, err
	}
	if home := option(opts, 0xc9, 16); home != nil {
		copy(s.src[:], home)
	}
	return next, rest, nil
}

// stepRouting reads a routing header (RFC 8200, section 4.4). While segments are
// left the header names the final destination, which is the address that the
// conversation and its checksum have (section 8.1).
func stepRouting(s *state, b []byte) (Proto, []byte, error) {
	opts, next, rest, err := s.extension(b)
	if err != nil {
		return 0, nil, err
	}
	typ, left := opts[0], opts[1]
	if left == 0 {
		return next, rest, nil
	}
	switch addrs := opts[6:]; {
	case typ == 0 && len(addrs) >= 16: // RFC 2460, section 4.4
		copy(s.dst[:], addrs[len(addrs)/16*16-16:])
	case typ == 2 && len(addrs) == 16, // RFC 6275, section 6.4
		typ == 4 && len(addrs) >= 16: // RFC 8754, section 2: the last segment stands first
		copy(s.dst[:], addrs)
	}
	return next, rest, nil
}

// stepFragment reads a fragment header (RFC 8200, section 4.5).
func stepFragment(s *state, b []byte) (Proto, []byte, error) {
	if !s.v6 {
		return 0, nil, DispOtherIP
	}
	if len(b) < 8 {
		return 0, nil, s.short()
	}
	next, field := IPProto(b[0]), binary.BigEndian.Uint16(b[2:])
	offset, more := int(field&0xfff8), field&1 != 0
	if offset == 0 && !more {
		return next, b[8:], nil // atomic: never part of a datagram with others (RFC 6946)
	}
	return s.fragment(next, defrag.Key{Src: s.src, Dst: s.dst, ID: binary.BigEndian.Uint32(b[4:]), V6: true}, defrag.Fragment{
		Offset:  offset,
		More:    more,
		Data:    b[8:],
		Missing: s.missing, Snap: s.truncated,
	})
}

// stepAH reads an authentication header (RFC 4302, section 2), over IPv4 too. What
// it protects is not encrypted.
func stepAH(s *state, b []byte) (Proto, []byte, error) {
	if len(b) < 12 {
		return 0, nil, s.short()
	}
	n := 4 * (int(b[1]) + 2)
	if n < 12 || n > len(b) {
		return 0, nil, s.short()
	}
	return IPProto(b[0]), b[n:], nil
}
