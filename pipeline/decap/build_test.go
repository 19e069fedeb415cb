package decap

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
)

// Builders of headers, innermost first: each returns its header and what it is given.

type ip4Addr = [4]byte
type ip6Addr = [16]byte

var (
	clientIP = ip4Addr{10, 0, 0, 1}
	serverIP = ip4Addr{10, 0, 0, 2}
	outerA   = ip4Addr{192, 0, 2, 1}
	outerB   = ip4Addr{192, 0, 2, 2}
	client6  = ip6Addr{0: 0x20, 1: 1, 15: 1}
	server6  = ip6Addr{0: 0x20, 1: 1, 15: 2}
)

func sizeName(n int) string { return fmt.Sprintf("%d bytes", n) }

func join(parts ...[]byte) []byte {
	var b []byte
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

func be16(v int) []byte { return binary.BigEndian.AppendUint16(nil, uint16(v)) }
func be32(v int) []byte { return binary.BigEndian.AppendUint32(nil, uint32(v)) }

var testMACs = []byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1}

func eth(typ int, b []byte) []byte { return join(testMACs, be16(typ), b) }

func vlanTag(id, typ int, b []byte) []byte { return join(be16(id), be16(typ), b) }

// inet is the plain 16-bit one's complement sum, as RFC 1071 has it.
func inet(parts ...[]byte) uint16 {
	b, s := join(parts...), uint32(0)
	if len(b)%2 == 1 {
		b = append(b, 0)
	}
	for ; len(b) > 0; b = b[2:] {
		s += uint32(b[0])<<8 | uint32(b[1])
		s = s>>16 + s&0xffff
	}
	return uint16(s)
}

func ip4(src, dst ip4Addr, proto int, b []byte) []byte {
	return ip4Frag(src, dst, proto, 0x1234, 0x4000, b)
}

// ip4Frag is ip4 with identification and the 16 bits of flags and fragment offset.
func ip4Frag(src, dst ip4Addr, proto, id, frag int, b []byte) []byte {
	n := 20 + len(b)
	if n > 0xffff {
		n = 0
	}
	h := join([]byte{0x45, 0}, be16(n), be16(id), be16(frag), []byte{64, byte(proto), 0, 0}, src[:], dst[:])
	binary.BigEndian.PutUint16(h[10:], ^inet(h))
	return join(h, b)
}

func ip6(src, dst ip6Addr, next int, b []byte) []byte {
	return join([]byte{0x60, 0, 0, 0}, be16(len(b)), []byte{byte(next), 64}, src[:], dst[:], b)
}

// tcpOpts is a segment from clientIP to serverIP with a right checksum.
func tcpOpts(sport, dport, seq int, opts, payload []byte) []byte {
	h := join(be16(sport), be16(dport), be32(seq), be32(77), []byte{byte(20+len(opts)) << 2, 0x18}, be16(1000), be32(0), opts)
	n := len(h) + len(payload)
	binary.BigEndian.PutUint16(h[16:], ^inet(clientIP[:], serverIP[:], be32(6), be32(n), h, payload))
	return join(h, payload)
}

func tcpSeg(payload string) []byte { return tcpOpts(40000, 80, 1000, nil, []byte(payload)) }

func udp(sport, dport int, b []byte) []byte {
	return join(be16(sport), be16(dport), be16(8+len(b)), be16(0), b)
}

func vxlan(vni uint32, b []byte) []byte {
	return join([]byte{8, 0, 0, 0}, be32(int(vni<<8)), b)
}

func geneve(vni uint32, typ int, opts, b []byte) []byte {
	return join([]byte{byte(len(opts) / 4), 0}, be16(typ), be32(int(vni<<8)), opts, b)
}

func mplsLabel(label, bottom int, b []byte) []byte {
	return join(be32(label<<12|bottom<<8|64), b)
}

func pppoe(session int, b []byte) []byte {
	return join([]byte{0x11, 0}, be16(session), be16(len(b)), b)
}

// deflated is b as DEFLATE compresses it.
func deflated(b []byte) []byte {
	var out bytes.Buffer
	w, _ := flate.NewWriter(&out, 9)
	w.Write(b)
	w.Close()
	return out.Bytes()
}

// espTrailer puts b of an IP protocol into ESP without encryption, with a check value.
func espTrailer(spi, next, check int, b []byte) []byte {
	pad := []byte{1, 2, 3}[:-(len(b)+2)&3]
	return join(be32(spi), be32(1), b, pad, []byte{byte(len(pad)), byte(next)}, bytes.Repeat([]byte{0xa5}, check))
}

// subframe is a frame of an aggregate.
func subframe(b []byte) []byte {
	f := join(testMACs, be16(len(b)), b)
	return join(f, make([]byte, -len(f)&3))
}

func gtp(flags byte, opts, b []byte) []byte {
	return join([]byte{flags, 255}, be16(len(opts)+len(b)), be32(77), opts, b)
}

// capwap is a CAPWAP header of 8 bytes, with flags as they lie in its first word and the
// offset of a fragment in bytes.
func capwap(flags, offset int, b []byte) []byte {
	return join(be32(2<<19|1<<9|flags), be16(7), be16(offset), b)
}

func nsh(next byte, b []byte) []byte {
	return join([]byte{0, 6, 1, next}, be32(9<<8|255), make([]byte, 16), b)
}

// wifi is an IEEE 802.11 header with a first byte, flags, and what follows the
// sequence number.
func wifi(fc, flags byte, rest []byte) []byte {
	return join([]byte{fc, flags, 0, 0}, make([]byte, 18), []byte{0x10, 0}, rest)
}

// jumbo is an IPv6 packet whose length stands in the jumbo payload option.
func jumbo(extra int, b []byte) []byte {
	p := ip6(client6, server6, 0, join([]byte{6, 0, 0xc2, 4}, be32(8+len(b)+extra), b))
	copy(p[4:], be16(0))
	return p
}
