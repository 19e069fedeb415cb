package decap

import (
	"testing"

	"recap/reader/packet"
)

// FuzzDecode takes packets of link type, length and bytes from its input. Every one
// has one disposition; a segment lies within its packet; the fast path decides as
// the slow one does; nesting is bounded; and the same input decodes the same way.
func FuzzDecode(f *testing.F) {
	teb := join(be16(0x2000), be16(0x6558), be32(0x12345678), inE)
	for _, b := range [][]byte{
		inE, eth(0x86dd, in6),
		over4(17, udp(1, 4789, vxlan(1, inE))), over4(17, udp(1, 6081, geneve(1, 0x0800, make([]byte, 8), in4))),
		over4(47, teb), over4(4, in4), over4(41, in6),
		over4(17, udp(1, 2152, gtp(0x34, []byte{0, 0, 0, 0x85, 1, 0, 9, 0}, in4))), over4(17, udp(1, 3544, in6)),
		over4(17, udp(1, 1701, join(be16(0x4a02), be16(60), be16(5), be16(6), be32(0), be16(0), be16(0x21), in4))),
		over4(17, udp(1, 4790, join([]byte{0x0c, 0, 0, 4}, be32(3<<8), nsh(3, inE)))), over4(17, udp(1, 37008, join([]byte{1, 0, 0, 1, 1}, inE))),
		over4(47, join(be16(0x1000), be16(0x22eb), be32(1), []byte{0x20, 5, 1, 0x23}, be32(1), be32(0), inE)),
		eth(0x8847, mplsLabel(16, 1, join(be32(0), inE))), eth(0x8864, pppoe(1, join(be16(0x21), in4))),
		eth(0x88a8, vlanTag(1, 0x8100, vlanTag(2, 0x0800, in4))),
		over4(17, udp(1, 5247, capwap(0x80, 0, inE[:32]))), over4(17, udp(1, 5247, capwap(0xc0, 32, inE[32:]))), over4(17, udp(1, 4754, teb[34:])),
		over4(17, udp(1, 4341, join(be32(0x08000000), be32(5<<8), in4))), over4(17, udp(1, 3386, join([]byte{0x1e, 255}, make([]byte, 18), in4))),
		over4(17, udp(1, 434, join([]byte{4, 4, 0, 0}, in4))), over4(47, join(be16(0x2001), be16(0x6400), be32(0), inE)),
		eth(0x22f3, join(be16(0x45), make([]byte, 8), inE)), eth(0x4305, join([]byte{0x42, 15}, make([]byte, 16), inE)), eth(0x8909, join([]byte{1, 1}, make([]byte, 4), be16(0x0800), in4)),
		eth(0x8864, pppoe(1, join([]byte{0, 0x3d, 0xc0, 0, 0, 1, 0x31, 0, 1}, inE))),
		eth(0x86dd, ip6(client6, server6, 44, join([]byte{6, 0, 0, 1}, be32(9), tcp4[:24]))),
		eth(0x0800, cut4(16, 9, 6, tcp4)[0]),
	} {
		f.Add(byte(1), b, b)
	}
	for _, e := range furtherEncapsulations() {
		f.Add(byte(e.link), e.frame, in4)
	}
	f.Add(byte(187), cutACL(40, l2cap([]byte{2, 8, 0}, in4))[0], cutACL(40, l2cap([]byte{2, 8, 0}, in4))[1])
	f.Add(byte(1), cutSTT(60, sttFrame(0, inE))[0], cutSTT(60, sttFrame(0, inE))[1])
	f.Add(byte(143), join([]byte{0xf8, 2}, be16(160), be16(0), docsis(0, 0, nil, inE), docsis(0, 0, nil, inE)), inE)
	for i, l := range list() {
		for _, p := range l.from {
			if p&^0xffff == spaceLink {
				f.Add(byte(p), in4, join(be32(i), in6))
			}
		}
	}
	f.Fuzz(func(t *testing.T, link byte, a, b []byte) {
		run := func() []Disposition {
			d, slow := NewDecoder(Options{FragmentBytes: 1 << 20}), NewDecoder(Options{FragmentBytes: 1 << 20})
			slow.slowOnly = true
			var got []Disposition
			for i, data := range [][]byte{a, b, a, b} {
				p := &packet.Packet{Data: exact(data), Length: uint32(len(data) + i%2), Link: packet.LinkType(link), Number: int64(i + 1), TimeNS: int64(i)}
				disp, _ := checkDecode(t, d, slow, p)
				got = append(got, disp)
			}
			checkSum(t, d, 4)
			return got
		}
		first, second := run(), run()
		for i := range first {
			if first[i] != second[i] {
				t.Fatalf("packet %d: Decode = %v, the second time %v", i, first[i], second[i])
			}
		}
	})
}
