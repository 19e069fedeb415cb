package decap

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"recap/pipeline/exchange"
	"recap/reader/packet"
)

// A disposed is a packet without a segment, and what it counts as.
type disposed struct {
	name  string
	link  packet.LinkType
	frame []byte
	want  string
}

func TestDispositions(t *testing.T) {
	const ether = packet.LinkEthernet
	badVersion := exact(in4)
	badVersion[0] = 0x35
	badSum := exact(in4)
	badSum[10] ^= 1
	shortTotal := exact(in4)
	copy(shortTotal[2:], be16(19))
	dataOffset := func(v byte) []byte {
		b := exact(inE)
		b[14+20+12] = v << 4
		return b
	}
	icmpQuote := eth(0x0800, ip4(outerA, outerB, 1, join([]byte{3, 1, 0, 0, 0, 0, 0, 0}, in4)))
	for _, tt := range append([]disposed{
		{"UDP", ether, over4(17, udp(53, 53, []byte("hello"))), "udp"},
		{"UDP cut in its header", ether, over4(17, []byte{0, 53}), "udp"},
		{"DNS from VXLAN's port", ether, over4(17, udp(4789, 53, join(be16(1), be16(0x0100), be16(1), make([]byte, 6), []byte("\x07example\x00\x00\x01\x00\x01")))), "udp"},
		{"DNS to VXLAN's port", ether, over4(17, udp(53, 4789, join(be16(1), be16(0x8180), be16(1), make([]byte, 6), []byte("\x07example\x00\x00\x01\x00\x01")))), "udp"},
		{"DNS to VXLAN's port, its number like the flag", ether, over4(17, udp(53, 4789, join(be16(0x0801), be16(0x8180), be16(1), make([]byte, 6), []byte("\x07example\x00\x00\x01\x00\x01")))), "udp"},
		{"DNS to GENEVE's port", ether, over4(17, udp(53, 6081, join(be16(1), be16(0x8180), be16(1), make([]byte, 6), []byte("\x07example\x00\x00\x01\x00\x01")))), "udp"},
		{"text to GENEVE's port", ether, over4(17, udp(53, 6081, []byte("hello, this is no tunnel at all"))), "udp"},
		{"a header that sFlow sampled is no traffic", ether, over4(17, udp(1, 6343, join(be32(5), be32(1), outerA[:], make([]byte, 60), be32(1), be32(len(inE)), be32(4), be32(len(inE)), inE))), "udp"},
		{"HTTP quoted by ICMPv6 is no traffic", ether, eth(0x86dd, ip6(client6, server6, 58, join([]byte{1, 0, 0, 0, 0, 0, 0, 0}, in6))), "other_ip"},
		{"NAT-T keep-alive", ether, over4(17, udp(4500, 4500, []byte{0xff})), "udp"},
		{"IKE over NAT-T", ether, over4(17, udp(4500, 4500, make([]byte, 60))), "udp"},
		{"ESP over UDP", ether, over4(17, udp(4500, 4500, bytes.Repeat([]byte{0xa5}, 60))), "udp"},
		{"ESP with a checksum of TCP that is wrong", ether, over4(50, espTrailer(5, 6, 12, tcp4)), "other_ip"},
		{"L2TPv3 control", ether, over4(115, join(be32(0), in4)), "other_ip"},
		{"L2TPv3 of noise", ether, over4(115, join(be32(5), bytes.Repeat([]byte{0xa5}, 60))), "other_ip"},
		{"L2TPv3 of what only looks like IP", ether, over4(115, join(be32(5), eth(0x0800, bytes.Repeat([]byte{0xa5}, 60)))), "other_ip"},
		{"noise at the port of Juniper's mirror", ether, over4(17, udp(1, 30030, bytes.Repeat([]byte{0x45}, 60))), "udp"},
		{"IPComp of zeros", ether, over4(108, make([]byte, 40)), "undecodable:ipcomp"},
		{"IPComp cut in its header", ether, over4(108, []byte{6, 0, 0}), "undecodable:ipcomp_header"},
		{"IPComp with LZS", ether, over4(108, join([]byte{6, 0, 0, 3}, deflated(tcp4))), "undecodable:ipcomp"},
		{"IPComp with an agreed index, of noise", ether, over4(108, join([]byte{6, 0, 1, 3}, deflated(bytes.Repeat([]byte{0xa5}, 60)))), "undecodable:ipcomp"},
		{"IPComp of more than a datagram holds", ether, over4(108, join([]byte{6, 0, 0, 2}, deflated(make([]byte, 1<<16)))), "undecodable:ipcomp"},
		{"MACsec", ether, eth(0x88e5, join([]byte{0x2c, 0}, make([]byte, 60))), "undecodable:macsec_encrypted"},
		{"a part of a preempted frame", packet.LinkMPacket, join([]byte{0x55, 0x61, 0xe6}, inE), "undecodable:mpacket_fragment"},
		{"the beginning of a preempted frame", packet.LinkMPacket, join([]byte{0x55, 0xe6}, inE), "undecodable:mpacket_fragment"},
		{"mPacket of a preamble", packet.LinkMPacket, []byte{0x55, 0x55}, "undecodable:mpacket_header"},
		{"ARCNET with ARP", 129, []byte{1, 2, 0, 0, 213, 0, 0, 0}, "non_ip"},
		{"Juniper without its magic number", 178, inE, "undecodable:juniper_header"},
		{"an 802.11 fragment", packet.LinkWiFi, join(wifi(0x08, 5, nil), make([]byte, 40)), "fragment_held"},
		{"an 802.11 aggregate of ARP and UDP", packet.LinkWiFi, join(wifi(0x88, 1, []byte{0x80, 0}), subframe(join([]byte{0xaa, 0xaa, 3, 0, 0, 0, 8, 6}, make([]byte, 28))), subframe(join([]byte{0xaa, 0xaa, 3, 0, 0, 0, 8, 0}, over4(17, udp(1, 2, nil))[14:]))), "non_ip"},
		{"an 802.11 aggregate of ARP and damage", packet.LinkWiFi, join(wifi(0x88, 1, []byte{0x80, 0}), subframe(join([]byte{0xaa, 0xaa, 3, 0, 0, 0, 8, 6}, make([]byte, 28))), subframe([]byte{0xaa})), "undecodable:llc_header"},
		{"noise at VXLAN's port without the flag", ether, over4(17, udp(1, 4789, make([]byte, 60))), "udp"},
		{"noise at VXLAN's port with the flag and more", ether, over4(17, udp(1, 4789, []byte(strings.Repeat("\xff", 60)))), "udp"},
		{"VXLAN too short for a frame", ether, over4(17, udp(1, 4789, vxlan(1, make([]byte, 13)))), "udp"},
		{"VXLAN with ARP", ether, over4(17, udp(1, 4789, vxlan(1, eth(0x0806, make([]byte, 28))))), "non_ip"},
		{"GENEVE with version 1", ether, over4(17, udp(1, 6081, join([]byte{0x40, 0}, be16(0x6558), be32(0), inE))), "udp"},
		{"GENEVE with options past the end", ether, over4(17, udp(1, 6081, join([]byte{0x3f, 0}, be16(0x6558), be32(0), inE))), "udp"},
		{"GENEVE with an unknown protocol", ether, over4(17, udp(1, 6081, geneve(1, 0x1234, nil, inE))), "udp"},
		{"GTP-U signalling", ether, over4(17, udp(1, 2152, join([]byte{0x32, 1, 0, 4, 0, 0, 0, 0, 0, 1, 0, 0}))), "udp"},
		{"GTP-U with an extension of no length", ether, over4(17, udp(1, 2152, gtp(0x34, []byte{0, 0, 0, 0x85, 0, 0, 0, 0}, in4))), "udp"},
		{"L2TP control", ether, over4(17, udp(1, 1701, join(be16(0xc802), be16(12), make([]byte, 8)))), "udp"},
		{"noise at the port of GRE", ether, over4(17, udp(1, 4754, bytes.Repeat([]byte{0xa5}, 60))), "udp"},
		{"what only looks like GRE over UDP", ether, over4(17, udp(1, 4754, join(be16(0), be16(0x0800), bytes.Repeat([]byte{0xa5}, 60)))), "udp"},
		{"GRE over UDP with a keep-alive", ether, over4(17, udp(1, 4754, be32(0))), "udp"},
		{"encrypted CAPWAP", ether, over4(17, udp(9, 5247, join([]byte{1, 0, 0, 0}, inE))), "udp"},
		{"CAPWAP keep-alive", ether, over4(17, udp(9, 5247, capwap(8, 0, make([]byte, 20)))), "udp"},
		{"a fragment of CAPWAP", ether, over4(17, udp(9, 5247, capwap(0x80, 0, inE))), "fragment_held"},
		{"LISP of noise", ether, over4(17, udp(9, 4341, bytes.Repeat([]byte{0x45}, 60))), "udp"},
		{"a registration of Mobile IP", ether, over4(17, udp(434, 434, join([]byte{1, 4, 0, 0}, make([]byte, 40)))), "udp"},
		{"GTP version 0 of noise", ether, over4(17, udp(3386, 3386, join([]byte{0x1e, 255}, bytes.Repeat([]byte{0x45}, 60)))), "udp"},
		{"charging of GTP version 0", ether, over4(17, udp(3386, 3386, join([]byte{0x0e, 255}, make([]byte, 60)))), "udp"},
		{"routing of B.A.T.M.A.N.", ether, eth(0x4305, join([]byte{0, 15}, make([]byte, 22))), "non_ip"},
		{"TRILL of another version", ether, eth(0x22f3, join([]byte{0x40}, make([]byte, 60))), "undecodable:trill_header"},
		{"a bridged frame of token ring", packet.LinkPPP, join([]byte{0, 0x31, 0, 3}, inE), "non_ip"},
		{"a part of a packet on several links", packet.LinkPPP, join([]byte{0, 0x3d, 0x80, 0, 0, 1, 0x21}, in4), "undecodable:ppp_multilink_part"},
		{"a record of Endace's cards without a packet", 197, join(make([]byte, 8), []byte{27, 4}, make([]byte, 40)), "non_ip"},
		{"a link of TZSP with noise", 128, make([]byte, 60), "non_ip"},
		{"TZSP keep-alive", ether, over4(17, udp(1, 37008, []byte{1, 4, 0, 1, 1})), "udp"},
		{"Teredo bubble", ether, over4(17, udp(1, 3544, ip6(client6, server6, 59, nil))), "other_ip"},
		{"encrypted 802.11", packet.LinkWiFi, join(wifi(0x08, 0x41, nil), make([]byte, 40)), "undecodable:wifi_encrypted"},
		{"an 802.11 beacon", packet.LinkWiFi, join(wifi(0x80, 0, nil), make([]byte, 40)), "non_ip"},
		{"an 802.11 aggregate of nothing", packet.LinkWiFi, join(wifi(0x88, 1, []byte{0x80, 0}), make([]byte, 13)), "undecodable:amsdu_header"},
		{"NSH of 4 bytes", ether, eth(0x894f, join([]byte{0, 1, 1, 1}, make([]byte, 20))), "undecodable:nsh_header"},
		{"a frame without a valid packet at the port of MPLS", ether, over4(17, udp(1, 6635, mplsLabel(16, 1, join(be32(0), eth(0x0800, badSum))))), "udp"},
		{"noise at the port of MPLS", ether, over4(17, udp(1, 6635, mplsLabel(16, 1, badSum))), "udp"},
		{"HTTP quoted by ICMP is no traffic", ether, icmpQuote, "other_ip"},
		{"ICMPv6", ether, eth(0x86dd, ip6(client6, server6, 58, make([]byte, 8))), "other_ip"},
		{"ESP", ether, over4(50, make([]byte, 40)), "other_ip"},
		{"no next header", ether, eth(0x86dd, ip6(client6, server6, 59, nil)), "other_ip"},
		{"GRE with keep-alive", ether, over4(47, join(be16(0), be16(0))), "other_ip"},
		{"GRE of version 2", ether, over4(47, join(be16(2), be16(0x0800), in4)), "other_ip"},
		{"hop-by-hop options over IPv4", ether, over4(0, make([]byte, 40)), "other_ip"},
		{"ARP", ether, eth(0x0806, make([]byte, 46)), "non_ip"},
		{"an EtherType of nobody", ether, eth(0xfffe, in4), "non_ip"},
		{"a type between lengths and EtherTypes", ether, eth(1520, in4), "non_ip"},
		{"spanning tree", ether, eth(38, join([]byte{0x42, 0x42, 3}, make([]byte, 40))), "non_ip"},
		{"SNAP of Cisco", ether, eth(40, join([]byte{0xaa, 0xaa, 3, 0, 0, 0x0c, 0x20, 0}, make([]byte, 40))), "non_ip"},
		{"PPPoE with LCP", ether, eth(0x8864, pppoe(1, join(be16(0xc021), make([]byte, 10)))), "non_ip"},
		{"PPPoE discovery", ether, eth(0x8863, make([]byte, 20)), "non_ip"},
		{"MPLS with an associated channel", ether, eth(0x8847, mplsLabel(16, 1, join([]byte{0x10}, make([]byte, 30)))), "non_ip"},
		{"netlink in SLL", packet.LinkSLL, join(be16(4), be16(824), be16(0), make([]byte, 8), be16(0), in4), "non_ip"},
		{"loopback of AppleTalk", packet.LinkNull, join([]byte{16, 0, 0, 0}, in4), "non_ip"},

		{"a frame of 13 bytes", ether, make([]byte, 13), "undecodable:ethernet_short"},
		{"an empty frame", ether, nil, "undecodable:ethernet_short"},
		{"a tag of 3 bytes", ether, eth(0x8100, make([]byte, 3)), "undecodable:vlan_header"},
		{"IPv4 of 19 bytes", ether, eth(0x0800, in4[:19]), "undecodable:ipv4_header"},
		{"IPv4 of version 3", ether, eth(0x0800, badVersion), "undecodable:ipv4_header"},
		{"IPv4 whose header does not fit", ether, eth(0x0800, join([]byte{0x4f}, in4[1:24])), "undecodable:ipv4_header"},
		{"IPv4 with a header of 16 bytes", ether, eth(0x0800, join([]byte{0x44}, in4[1:])), "undecodable:ipv4_header"},
		{"IPv4 shorter than its header", ether, eth(0x0800, shortTotal), "undecodable:ipv4_length"},
		{"IPv6 of 39 bytes", ether, eth(0x86dd, in6[:39]), "undecodable:ipv6_header"},
		{"IPv6 with hop-by-hop options past the end", ether, eth(0x86dd, ip6(client6, server6, 0, []byte{6, 9, 0, 0, 0, 0, 0, 0})), "undecodable:ipv6_hop_by_hop_header"},
		{"TCP of 19 bytes", ether, eth(0x0800, ip4(clientIP, serverIP, 6, tcp4[:19])), "undecodable:tcp_header"},
		{"TCP cut in its header by the capture", ether, inE[:14+20+19], "undecodable:tcp_header_cut"},
		{"TCP cut in its options by the capture", ether, dataOffset(9)[:14+20+21], "undecodable:tcp_header_cut"},
		{"TCP with a data offset of 4", ether, dataOffset(4), "undecodable:tcp_header"},
		{"TCP with a data offset past the end", ether, dataOffset(15), "undecodable:tcp_header"},
		{"GRE of 3 bytes", ether, over4(47, make([]byte, 3)), "undecodable:gre_header"},
		{"GRE with a key past the end", ether, over4(47, join(be16(0x2000), be16(0x0800), be16(1))), "undecodable:gre_header"},
		{"ERSPAN of an unknown version", ether, over4(47, join(be16(0x1000), be16(0x88be), be32(0), be32(-1), be32(0), inE)), "undecodable:erspan_header"},
		{"MPLS without a bottom", ether, eth(0x8847, mplsLabel(16, 0, nil)), "undecodable:mpls_header"},
		{"raw IP of version 5", packet.LinkRaw, []byte{0x55}, "undecodable:ip_version"},
		{"raw IP of nothing", packet.LinkRaw, nil, "undecodable:raw_short"},
		{"SLL of 15 bytes", packet.LinkSLL, make([]byte, 15), "undecodable:sll_header"},
		{"CAN", 190, make([]byte, 80), "undecodable:link_type_190"},
		{"a link type of nobody", 65535, make([]byte, 80), "undecodable:link_type_65535"},
		{"an IPv4 fragment", ether, eth(0x0800, ip4Frag(clientIP, serverIP, 6, 1, 0x2000, tcp4[:24])), "fragment_held"},
		{"an IPv6 fragment", ether, eth(0x86dd, ip6(client6, server6, 44, join([]byte{6, 0, 0, 1}, be32(9), tcp4[:24]))), "fragment_held"},
		{"a fragment past the largest datagram", ether, eth(0x0800, ip4Frag(clientIP, serverIP, 6, 1, 0x1fff, tcp4)), "undecodable:fragment_oversize"},
		{"an IPv6 fragment of 7 bytes with more to come", ether, eth(0x86dd, ip6(client6, server6, 44, join([]byte{6, 0, 0, 1}, be32(9), tcp4[:7]))), "undecodable:fragment_malformed"},
	}, furtherDispositions()...) {
		t.Run(tt.name, func(t *testing.T) {
			d, slow := NewDecoder(Options{}), NewDecoder(Options{})
			slow.slowOnly = true
			disp, _ := checkDecode(t, d, slow, pkt(tt.link, exact(tt.frame)))
			if disp.String() != tt.want || disp.Error() != tt.want {
				t.Errorf("Decode = %v, want %s", disp, tt.want)
			}
			if got := strings.HasPrefix(tt.want, exchange.PacketUndecodable); got != disp.Undecodable() {
				t.Errorf("Undecodable = %t", disp.Undecodable())
			}
			m := map[string]int64{}
			d.AddTo(m)
			if len(m) != 1 || m[tt.want] != 1 {
				t.Errorf("AddTo = %v, want one %s", m, tt.want)
			}
		})
	}
}

func TestDepthIsBounded(t *testing.T) {
	nest := map[string]func(b []byte) []byte{
		"VLAN":  func(b []byte) []byte { return eth(0x8100, vlanTag(1, int(binary.BigEndian.Uint16(b[12:])), b[14:])) },
		"IPIP":  func(b []byte) []byte { return over4(4, b[14:]) },
		"GRE":   func(b []byte) []byte { return over4(47, join(be16(0), be16(0x0800), b[14:])) },
		"MPLS":  func(b []byte) []byte { return eth(0x8847, mplsLabel(9, 1, join(be32(0), b))) },
		"VXLAN": func(b []byte) []byte { return over4(17, udp(1, 4789, vxlan(1, b))) },
	}
	for name, wrap := range nest {
		t.Run(name, func(t *testing.T) {
			frame := inE
			for n := 0; n <= 60; n++ {
				want := DispTCP
				if n > 16 {
					want = dispDepth
				}
				d, slow := NewDecoder(Options{}), NewDecoder(Options{})
				slow.slowOnly = true
				if got, _ := checkDecode(t, d, slow, pkt(packet.LinkEthernet, frame)); got != want {
					t.Fatalf("%d deep: Decode = %v, want %v", n, got, want)
				}
				if n > 1 {
					var s Segment
					if got := NewDecoder(Options{MaxDepth: n - 1}).Decode(pkt(packet.LinkEthernet, frame), &s); got != dispDepth {
						t.Fatalf("%d deep with MaxDepth %d: Decode = %v, want %v", n, n-1, got, dispDepth)
					}
				}
				frame = wrap(frame)
			}
		})
	}
	t.Run("a thousand labels", func(t *testing.T) {
		b := in4
		for range 1000 {
			b = mplsLabel(1, 0, b)
		}
		var s Segment
		if got := NewDecoder(Options{}).Decode(pkt(packet.LinkEthernet, eth(0x8847, b)), &s); got != dispDepth {
			t.Errorf("Decode = %v, want %v", got, dispDepth)
		}
	})
}
