package decap

import (
	"testing"

	"recap/reader/packet"
)

func benchDecode(b *testing.B, frames ...[]byte) {
	d := NewDecoder(Options{})
	var s Segment
	ps := make([]packet.Packet, len(frames))
	for i, f := range frames {
		ps[i] = packet.Packet{Data: f, Length: uint32(len(f)), Link: packet.LinkEthernet, TimeNS: int64(i)}
		if got := d.Decode(&ps[i], &s); got != DispTCP {
			b.Fatalf("Decode = %v, want tcp", got)
		}
	}
	b.SetBytes(int64(len(frames[0])))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if i == len(ps) {
			i = 0
		}
		d.Decode(&ps[i], &s)
	}
}

func BenchmarkDecode(b *testing.B) {
	opts := []byte{1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8}
	small := tcpOpts(40000, 80, 1, opts, nil)
	full := tcpOpts(40000, 80, 1, opts, make([]byte, 1448))
	b.Run("plain small", func(b *testing.B) { benchDecode(b, eth(0x0800, ip4(clientIP, serverIP, 6, small))) })
	b.Run("plain full", func(b *testing.B) { benchDecode(b, eth(0x0800, ip4(clientIP, serverIP, 6, full))) })
	b.Run("vlan", func(b *testing.B) { benchDecode(b, eth(0x8100, vlanTag(7, 0x0800, ip4(clientIP, serverIP, 6, full)))) })
	b.Run("ipv6", func(b *testing.B) { benchDecode(b, eth(0x86dd, ip6(client6, server6, 6, full))) })
	b.Run("vxlan", func(b *testing.B) {
		benchDecode(b, eth(0x0800, ip4(outerA, outerB, 17, udp(5555, 4789, vxlan(42, eth(0x0800, ip4(clientIP, serverIP, 6, full)))))))
	})
	b.Run("vxlan of 64 senders", func(b *testing.B) {
		var frames [][]byte
		for i := range 64 {
			src := outerA
			src[3] = byte(i)
			frames = append(frames, eth(0x0800, ip4(src, outerB, 17, udp(5555, 4789, vxlan(uint32(i), eth(0x0800, ip4(clientIP, serverIP, 6, full)))))))
		}
		benchDecode(b, frames...)
	})
	b.Run("geneve", func(b *testing.B) {
		benchDecode(b, eth(0x0800, ip4(outerA, outerB, 17, udp(5555, 6081, geneve(42, 0x6558, nil, eth(0x0800, ip4(clientIP, serverIP, 6, full)))))))
	})
	b.Run("slow path plain", func(b *testing.B) {
		f := eth(0x0800, ip4(clientIP, serverIP, 6, full))
		d := NewDecoder(Options{})
		d.slowOnly = true
		p := packet.Packet{Data: f, Length: uint32(len(f)), Link: packet.LinkEthernet}
		var s Segment
		b.ReportAllocs()
		for b.Loop() {
			d.Decode(&p, &s)
		}
	})
	b.Run("batch of 4096 from memory", func(b *testing.B) {
		// As the dispatcher sees it: each packet elsewhere, segments in a slice.
		const n = 4096
		f := eth(0x0800, ip4(clientIP, serverIP, 6, full))
		slab := make([]byte, 0, n*len(f))
		ps := make([]packet.Packet, n)
		for i := range ps {
			slab = append(slab, f...)
			ps[i] = packet.Packet{Data: slab[len(slab)-len(f):], Length: uint32(len(f)), Link: packet.LinkEthernet}
		}
		segs := make([]Segment, n)
		d := NewDecoder(Options{})
		b.ReportAllocs()
		for i := 0; b.Loop(); i = (i + 1) % n {
			d.Decode(&ps[i], &segs[i])
		}
	})
}

func BenchmarkChecksumOK(b *testing.B) {
	for _, n := range []int{0, 100, 1448, 65000} {
		b.Run(sizeName(n), func(b *testing.B) {
			f := eth(0x0800, ip4(clientIP, serverIP, 6, tcpOpts(40000, 80, 1, nil, make([]byte, n))))
			p := packet.Packet{Data: f, Length: uint32(len(f)), Link: packet.LinkEthernet}
			var s Segment
			if got := NewDecoder(Options{}).Decode(&p, &s); got != DispTCP {
				b.Fatalf("Decode = %v, want tcp", got)
			}
			b.SetBytes(int64(len(s.TCP)))
			b.ReportAllocs()
			for b.Loop() {
				s.ChecksumOK()
			}
		})
	}
}
