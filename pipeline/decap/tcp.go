package decap

import (
	"bytes"
	"encoding/binary"
)

// setTCP fills the fields of s that the TCP header tells (RFC 9293, section 3.1).
// s.HeaderLen bytes of b, at least 20, are the header.
func (s *Segment) setTCP(b []byte) {
	s.TCP = b
	_ = b[19]
	s.Seq = binary.BigEndian.Uint32(b[4:])
	s.Ack = binary.BigEndian.Uint32(b[8:])
	s.Flags = Flags(b[13] & 0x3f)
	s.Window = binary.BigEndian.Uint16(b[14:])
	s.TSVal = 0
	if s.HeaderLen == 20 {
		return
	}
	if s.HeaderLen >= 32 && binary.BigEndian.Uint32(b[20:]) == 0x0101080a {
		s.TSVal = binary.BigEndian.Uint32(b[24:])
		s.Info |= HasTS
		return
	}
	s.timestamp(b[20:s.HeaderLen])
}

// timestamp looks for the timestamps option (RFC 7323, section 3.2) among opts.
func (s *Segment) timestamp(opts []byte) {
	for len(opts) > 0 {
		switch {
		case opts[0] == 0: // end of list
			return
		case opts[0] == 1: // no operation
			opts = opts[1:]
			continue
		case len(opts) < 2 || opts[1] < 2 || int(opts[1]) > len(opts):
			return
		case opts[0] == 8 && opts[1] == 10:
			s.TSVal = binary.BigEndian.Uint32(opts[2:])
			s.Info |= HasTS
			return
		}
		opts = opts[opts[1]:]
	}
}

// TSEcr returns the timestamp of the peer that s echoes, where HasTS and it is an
// acknowledgement (RFC 7323, section 3.2).
func (s *Segment) TSEcr() uint32 {
	for opts := s.TCP[20:s.HeaderLen]; len(opts) >= 10; {
		switch {
		case opts[0] == 1: // no operation
			opts = opts[1:]
		case opts[0] == 8 && opts[1] == 10:
			return binary.BigEndian.Uint32(opts[6:])
		default: // its length was looked at when HasTS was found
			opts = opts[opts[1]:]
		}
	}
	return 0
}

// setMACs notes the addresses at the start of an Ethernet header.
func (s *Segment) setMACs(b []byte) {
	s.DstMAC, s.SrcMAC = [6]byte(b[:6]), [6]byte(b[6:12])
}

// setKey makes the flow key, the smaller address and port first. s.TCP is set.
func (s *Segment) setKey(src, dst *[16]byte, stack uint32, v6 bool) {
	sport, dport := binary.BigEndian.Uint16(s.TCP), binary.BigEndian.Uint16(s.TCP[2:])
	s.Key.Stack, s.Key.V6 = stack, v6
	if c := bytes.Compare(src[:], dst[:]); c > 0 || c == 0 && sport > dport {
		s.Info |= FromHi
		s.Key.Lo, s.Key.Hi, s.Key.LoPort, s.Key.HiPort = *dst, *src, dport, sport
		return
	}
	s.Key.Lo, s.Key.Hi, s.Key.LoPort, s.Key.HiPort = *src, *dst, sport, dport
}

// setKey4 is setKey for the addresses of the IPv4 header ip.
func (s *Segment) setKey4(ip []byte, stack uint32) {
	ports := binary.BigEndian.Uint32(s.TCP)
	src, dst := binary.BigEndian.Uint32(ip[12:]), binary.BigEndian.Uint32(ip[16:])
	k := &s.Key
	k.Stack, k.V6 = stack, false
	lo, hi := uint64(src)<<16|uint64(ports>>16), uint64(dst)<<16|uint64(ports&0xffff)
	if lo > hi {
		s.Info |= FromHi
		lo, hi = hi, lo
	}
	put4(&k.Lo, uint32(lo>>16))
	put4(&k.Hi, uint32(hi>>16))
	k.LoPort, k.HiPort = uint16(lo), uint16(hi)
}

// put4 writes a as an IPv4-mapped IPv6 address (RFC 4291, section 2.5.5.2).
func put4(to *[16]byte, a uint32) {
	binary.LittleEndian.PutUint64(to[:8], 0)
	binary.BigEndian.PutUint64(to[8:], 0xffff<<32|uint64(a))
}
