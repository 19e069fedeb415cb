package decap

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"

	"recap/pipeline/exchange"
	"recap/reader/packet"
	"recap/reader/packet/checksum"
)

func TestFlowKey(t *testing.T) {
	back := func(stack func(ip []byte) []byte) [2]Segment {
		d := NewDecoder(Options{})
		var s [2]Segment
		reply := tcpOpts(80, 40000, 5, nil, []byte("HTTP/1.1 200 OK\r\n"))
		for i, ip := range [][]byte{in4, ip4(serverIP, clientIP, 6, reply)} {
			if got := d.Decode(pkt(packet.LinkEthernet, stack(ip)), &s[i]); got != DispTCP {
				t.Fatalf("Decode = %v, want tcp", got)
			}
		}
		return s
	}
	n := 0
	for _, tt := range []struct {
		name  string
		stack func(ip []byte) []byte
		same  bool
	}{
		{"plain", func(ip []byte) []byte { return eth(0x0800, ip) }, true},
		{"VLANs are not part of it", func(ip []byte) []byte { n++; return eth(0x8100, vlanTag(n, 0x0800, ip)) }, true},
		{"outer addresses are not", func(ip []byte) []byte {
			n++
			return eth(0x0800, ip4(ip4Addr{1, 1, 1, byte(n)}, outerB, 17, udp(1, 4789, vxlan(5, eth(0x0800, ip)))))
		}, true},
		{"VXLAN identifiers are", func(ip []byte) []byte { n++; return over4(17, udp(1, 4789, vxlan(uint32(n), eth(0x0800, ip)))) }, false},
		{"GENEVE identifiers are", func(ip []byte) []byte { n++; return over4(17, udp(1, 6081, geneve(uint32(n), 0x0800, nil, ip))) }, false},
		{"GRE keys are", func(ip []byte) []byte { n++; return over4(47, join(be16(0x2000), be16(0x0800), be32(n), ip)) }, false},
		{"NVGRE flow bits are not", func(ip []byte) []byte {
			n++
			return over4(47, join(be16(0x2000), be16(0x6558), be32(0x12345600+n), eth(0x0800, ip)))
		}, true},
		{"PPPoE sessions are", func(ip []byte) []byte { n++; return eth(0x8864, pppoe(n, join(be16(0x21), ip))) }, false},
		{"labels are not", func(ip []byte) []byte { n++; return eth(0x8847, mplsLabel(n, 1, ip)) }, true},
		{"nor is their number", func(ip []byte) []byte {
			if n++; n%2 == 0 {
				ip = mplsLabel(n, 1, ip)
				return eth(0x8847, mplsLabel(99, 0, ip))
			}
			return eth(0x8847, mplsLabel(n, 1, ip))
		}, true},
		{"ERSPAN sessions are not", func(ip []byte) []byte {
			n++
			return over4(47, join(be16(0x1000), be16(0x88be), be32(1), []byte{0x10, 5, 0, byte(n)}, be32(9), eth(0x0800, ip)))
		}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := back(tt.stack)
			if same := s[0].Key == s[1].Key; same != tt.same {
				t.Errorf("keys %v and %v: same = %t, want %t", s[0].Key, s[1].Key, same, tt.same)
			}
			if s[0].Info&FromHi != 0 || s[1].Info&FromHi == 0 {
				t.Errorf("FromHi %t and %t, want false and true", s[0].Info&FromHi != 0, s[1].Info&FromHi != 0)
			}
			if got := exchange.Addr(s[0].Key.Lo, s[0].Key.V6); got != netip.AddrFrom4(clientIP) {
				t.Errorf("Lo = %v, want the client", got)
			}
		})
	}
	t.Run("IPv6 with mapped addresses is not IPv4", func(t *testing.T) {
		mapped := func(a ip4Addr) (m ip6Addr) { m[10], m[11] = 0xff, 0xff; copy(m[12:], a[:]); return m }
		d, slow := NewDecoder(Options{}), NewDecoder(Options{})
		slow.slowOnly = true
		_, a := checkDecode(t, d, slow, pkt(packet.LinkEthernet, exact(inE)))
		_, b := checkDecode(t, d, slow, pkt(packet.LinkEthernet, exact(eth(0x86dd, ip6(mapped(clientIP), mapped(serverIP), 6, tcp4)))))
		if a.Key == b.Key || a.Key.V6 || !b.Key.V6 || a.Key.Lo != b.Key.Lo {
			t.Errorf("keys %v and %v", a.Key, b.Key)
		}
		if got := exchange.Addr(b.Key.Lo, b.Key.V6).String() + " " + exchange.Addr(a.Key.Lo, a.Key.V6).String(); got != "::ffff:10.0.0.1 10.0.0.1" {
			t.Errorf("addresses %s", got)
		}
		if ok, _ := b.ChecksumOK(); !ok {
			t.Errorf("checksum not ok")
		}
		_, c := checkDecode(t, d, slow, pkt(packet.LinkEthernet, exact(eth(0x86dd, ip6(mapped(outerA), mapped(outerB), 41, in6)))))
		if got := stackText(d.Stack(c.Stack)); got != "6in6:-1(::ffff:192.0.2.1>::ffff:192.0.2.2)" {
			t.Errorf("Stack = %s", got)
		}
	})
	t.Run("MergeTunnels leaves all out", func(t *testing.T) {
		d := NewDecoder(Options{MergeTunnels: true})
		var a, b Segment
		d.Decode(pkt(packet.LinkEthernet, inE), &a)
		for i := range 3 {
			d.Decode(pkt(packet.LinkEthernet, over4(17, udp(1, 4789, vxlan(uint32(i/2), inE)))), &b)
			if a.Key != b.Key || b.Stack == 0 {
				t.Errorf("keys %v and %v, stack %d", a.Key, b.Key, b.Stack)
			}
		}
	})
	t.Run("same addresses, ports decide", func(t *testing.T) {
		d := NewDecoder(Options{})
		var a, b Segment
		d.Decode(pkt(packet.LinkRaw, ip4(clientIP, clientIP, 6, tcpOpts(9, 7, 1, nil, nil))), &a)
		d.Decode(pkt(packet.LinkRaw, ip4(clientIP, clientIP, 6, tcpOpts(7, 9, 1, nil, nil))), &b)
		if a.Key != b.Key || a.Key.LoPort != 7 || a.Info&FromHi == 0 || b.Info&FromHi != 0 {
			t.Errorf("keys %v and %v, info %b and %b", a.Key, b.Key, a.Info, b.Info)
		}
	})
}

func TestSegmentFields(t *testing.T) {
	syn := tcpOpts(40000, 80, 0xfffffff0, []byte{2, 4, 5, 0xb4, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 7}, nil)
	syn[13] = 2
	data := tcpOpts(40000, 80, 5, []byte{1, 1, 8, 10, 9, 8, 7, 6, 0, 0, 0, 0}, []byte("x"))
	data[13] = 0x3f
	for _, tt := range []struct {
		name string
		tcp  []byte
		want Segment
	}{
		{"a SYN", syn, Segment{Seq: 0xfffffff0, Ack: 77, TSVal: 0x01020304, IPID: 0x1234, HeaderLen: 40, TTL: 64, Flags: SYN, Window: 1000, Info: HasMAC | HasTS}},
		{"data with the usual options", data, Segment{Seq: 5, Ack: 77, TSVal: 0x09080706, IPID: 0x1234, HeaderLen: 32, TTL: 64, Flags: FIN | SYN | RST | PSH | ACK | URG, Window: 1000, Info: HasMAC | HasTS}},
		{"an option past the end", tcpOpts(40000, 80, 5, []byte{3, 9, 0, 0}, nil), Segment{Seq: 5, Ack: 77, IPID: 0x1234, HeaderLen: 24, TTL: 64, Flags: PSH | ACK, Window: 1000, Info: HasMAC}},
		{"an option of no length", tcpOpts(40000, 80, 5, []byte{3, 0, 8, 10}, nil), Segment{Seq: 5, Ack: 77, IPID: 0x1234, HeaderLen: 24, TTL: 64, Flags: PSH | ACK, Window: 1000, Info: HasMAC}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, slow := NewDecoder(Options{}), NewDecoder(Options{})
			slow.slowOnly = true
			p := pkt(packet.LinkEthernet, exact(eth(0x0800, ip4(clientIP, serverIP, 6, tt.tcp))))
			p.Number, p.Interface, p.FileIndex = 77, 3, 4
			_, s := checkDecode(t, d, slow, p)
			w := tt.want
			w.Key, w.Number, w.TimeNS, w.Interface, w.FileIndex = s.Key, 77, 1, 3, 4
			w.DstMAC, w.SrcMAC = [6]byte(testMACs), [6]byte(testMACs[6:])
			if !equalSegments(*s, w) {
				t.Errorf("Decode = %+v\nwant %+v", *s, w)
			}
		})
	}
	t.Run("innermost addresses of a tunnel", func(t *testing.T) {
		inner := exact(inE)
		copy(inner, []byte{6, 6, 6, 6, 6, 6, 7, 7, 7, 7, 7, 7})
		d, slow := NewDecoder(Options{}), NewDecoder(Options{})
		slow.slowOnly = true
		for range 2 {
			_, s := checkDecode(t, d, slow, pkt(packet.LinkEthernet, over4(17, udp(1, 4789, vxlan(1, inner)))))
			if s.DstMAC != [6]byte(inner) || s.SrcMAC != [6]byte(inner[6:]) {
				t.Errorf("MACs %x > %x", s.SrcMAC, s.DstMAC)
			}
		}
	})
	t.Run("no addresses below a raw link", func(t *testing.T) {
		d := NewDecoder(Options{})
		var s Segment
		d.Decode(pkt(packet.LinkEthernet, inE), &s)
		d.Decode(pkt(packet.LinkRaw, in4), &s)
		if s.Info&HasMAC != 0 || s.SrcMAC != [6]byte{} {
			t.Errorf("info %b, MAC %x", s.Info, s.SrcMAC)
		}
	})
	t.Run("an IPv6 routing header names the destination", func(t *testing.T) {
		last := ip6Addr{0: 0x20, 1: 1, 15: 9}
		for _, tt := range []struct {
			name string
			head []byte
		}{
			{"type 0", join([]byte{6, 4, 0, 1, 0, 0, 0, 0}, make([]byte, 16), last[:])},
			{"type 2", join([]byte{6, 2, 2, 1, 0, 0, 0, 0}, last[:])},
			{"segment routing", join([]byte{6, 4, 4, 1, 1, 0, 0, 0}, last[:], make([]byte, 16))},
		} {
			var s Segment
			NewDecoder(Options{}).Decode(pkt(packet.LinkRaw, ip6(client6, server6, 43, join(tt.head, tcp4))), &s)
			if s.Key.Hi != last {
				t.Errorf("%s: Hi = %v, want %v", tt.name, exchange.Addr(s.Key.Hi, true), exchange.Addr(last, true))
			}
		}
	})
	t.Run("a home address takes the place of the source", func(t *testing.T) {
		home := ip6Addr{0: 0x20, 1: 0}
		var s Segment
		NewDecoder(Options{}).Decode(pkt(packet.LinkRaw, ip6(client6, server6, 60, join([]byte{6, 2, 1, 2, 0, 0, 0xc9, 16}, home[:], tcp4))), &s)
		if s.Key.Lo != home {
			t.Errorf("Lo = %v, want %v", exchange.Addr(s.Key.Lo, true), exchange.Addr(home, true))
		}
	})
}

func TestTruncation(t *testing.T) {
	payload := strings.Repeat("a", 100)
	inner := ip4(clientIP, serverIP, 6, tcpSeg(payload))
	zero := exact(inner)
	copy(zero[2:], be16(0))
	for _, tt := range []struct {
		name    string
		frame   []byte
		length  int // on the wire; 0 for that of frame
		payload int
		missing uint32
		info    Info
	}{
		{"whole", eth(0x0800, inner), 0, 100, 0, 0},
		{"cut by the snap length", eth(0x0800, inner)[:94], 154, 40, 60, CutBySnaplen},
		{"cut before the capture", eth(0x0800, inner)[:94], 0, 40, 60, CutByMirror},
		{"cut to the header", eth(0x0800, inner)[:54], 0, 0, 100, CutByMirror},
		{"cut inside VXLAN by the mirror", over4(17, udp(1, 4789, vxlan(1, eth(0x0800, inner)[:94]))), 0, 40, 60, CutByMirror},
		{"cut inside VXLAN by the snap length", over4(17, udp(1, 4789, vxlan(1, eth(0x0800, inner))))[:144], 204, 40, 60, CutBySnaplen},
		{"IPv6 cut", eth(0x86dd, ip6(client6, server6, 6, tcpSeg(payload)))[:114], 0, 40, 60, CutByMirror},
		{"jumbogram cut", eth(0x86dd, jumbo(60, tcpSeg(payload[:40]))), 0, 40, 60, CutByMirror},
		{"no IPv4 length: segmentation offload", eth(0x0800, zero), 0, 100, 0, 0},
		{"padding is no payload", join(eth(0x0800, inner), make([]byte, 30)), 0, 100, 0, 0},
		{"UDP shorter than its IP", over4(17, join(udp(1, 4789, vxlan(1, eth(0x0800, zero))), make([]byte, 8))), 0, 100, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, slow := NewDecoder(Options{}), NewDecoder(Options{})
			slow.slowOnly = true
			p := pkt(packet.LinkEthernet, exact(tt.frame))
			if tt.length != 0 {
				p.Length = uint32(tt.length)
			}
			disp, s := checkDecode(t, d, slow, p)
			if disp != DispTCP {
				t.Fatalf("Decode = %v, want tcp", disp)
			}
			if got := s.Info & (CutByMirror | CutBySnaplen); len(s.Payload()) != tt.payload || s.Missing != tt.missing || got != tt.info {
				t.Errorf("payload %d, missing %d, info %b; want %d, %d, %b", len(s.Payload()), s.Missing, got, tt.payload, tt.missing, tt.info)
			}
		})
	}
	t.Run("a frame check sequence is no payload", func(t *testing.T) {
		for present := range 5 { // of its 4 bytes
			p := pkt(packet.LinkEthernet, join(eth(0x0800, zero), make([]byte, present)))
			p.Length, p.FCSLen = uint32(len(eth(0x0800, zero))+4), 4
			var s Segment
			if NewDecoder(Options{}).Decode(p, &s); len(s.Payload()) != 100 {
				t.Errorf("%d bytes of it: payload %d, want 100", present, len(s.Payload()))
			}
		}
	})
}

func TestIPv4ChecksumIsNoted(t *testing.T) {
	for _, tt := range []struct {
		name string
		sum  uint16
		bad  bool
	}{
		{"right", 0xffff, false},
		{"wrong", 0x0102, true},
		{"left to an offload", 0, false},
	} {
		for _, outer := range []bool{false, true} {
			b, at := exact(inE), 24
			if outer {
				b = over4(17, udp(1, 4789, vxlan(1, inE)))
			}
			if tt.sum != 0xffff {
				binary.BigEndian.PutUint16(b[at:], tt.sum)
			}
			d, slow := NewDecoder(Options{}), NewDecoder(Options{})
			slow.slowOnly = true
			for range 2 {
				_, s := checkDecode(t, d, slow, pkt(packet.LinkEthernet, b))
				if got := s.Info&BadIPSum != 0; got != tt.bad {
					t.Errorf("%s, outer %t: BadIPSum = %t, want %t", tt.name, outer, got, tt.bad)
				}
			}
			if got := d.Counts().BadIPSum == 2; got != tt.bad {
				t.Errorf("%s: counted %d", tt.name, d.Counts().BadIPSum)
			}
		}
	}
}

func TestChecksumOK(t *testing.T) {
	decode := func(link packet.LinkType, b []byte) *Segment {
		var s Segment
		if got := NewDecoder(Options{}).Decode(pkt(link, b), &s); got != DispTCP {
			t.Fatalf("Decode = %v, want tcp", got)
		}
		return &s
	}
	with := func(n int, edit func(tcp []byte)) *Segment {
		tcp := tcpOpts(40000, 80, 1, nil, []byte(strings.Repeat("\xff\x00\xa5", n))[:n])
		edit(tcp)
		return decode(packet.LinkRaw, ip4(clientIP, serverIP, 6, tcp))
	}
	pseudo := func(n int) uint16 { return inet(clientIP[:], serverIP[:], be32(6), be32(n)) }
	for n := range 300 {
		if ok, _ := with(n, func([]byte) {}).ChecksumOK(); !ok {
			t.Errorf("%d bytes: not ok", n)
		}
		if ok, offload := with(n, func(tcp []byte) { tcp[n/2] ^= 1 }).ChecksumOK(); ok || offload {
			t.Errorf("%d bytes, one bit flipped: ok %t, offload %t", n, ok, offload)
		}
		for _, l := range []int{20 + n, 0} {
			if ok, offload := with(n, func(tcp []byte) { binary.BigEndian.PutUint16(tcp[16:], pseudo(l)) }).ChecksumOK(); ok || !offload {
				t.Errorf("%d bytes, pseudo header sum over %d left: ok %t, offload %t", n, l, ok, offload)
			}
		}
	}
	t.Run("both directions of IPv6", func(t *testing.T) {
		for _, a := range [][2]ip6Addr{{client6, server6}, {server6, client6}} {
			tcp := tcpOpts(1, 2, 3, nil, []byte("hello"))
			tcp[16], tcp[17] = 0, 0
			binary.BigEndian.PutUint16(tcp[16:], ^inet(a[0][:], a[1][:], be32(len(tcp)), be32(6), tcp))
			if ok, _ := decode(packet.LinkRaw, ip6(a[0], a[1], 6, tcp)).ChecksumOK(); !ok {
				t.Errorf("not ok")
			}
		}
	})
	t.Run("a cut segment passes", func(t *testing.T) {
		if ok, _ := decode(packet.LinkRaw, in4[:len(in4)-1]).ChecksumOK(); !ok {
			t.Errorf("not ok")
		}
	})
	t.Run("the sum of all ones is carried around", func(t *testing.T) {
		for n := range 200 {
			b := []byte(strings.Repeat("\xff", n))
			if got, want := checksum.Fold(checksum.Sum(b)), inet(b); got != want && !(got%0xffff == 0 && want%0xffff == 0) {
				if n%2 == 0 || got != want>>8|want<<8 {
					t.Errorf("sum of %d bytes = %#x, want %#x", n, got, want)
				}
			}
		}
	})
}
