package decap

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"slices"
	"strings"
	"testing"

	"recap/pipeline/exchange"
	"recap/reader/packet"
)

func pkt(link packet.LinkType, b []byte) *packet.Packet {
	return &packet.Packet{Data: b, Length: uint32(len(b)), Link: link, Number: 1, TimeNS: 1}
}

// stackText writes a tunnel stack as type:id(src>dst), outermost first.
func stackText(stack []exchange.Tunnel) string {
	var l []string
	for _, t := range stack {
		e := fmt.Sprintf("%s:%d", t.Type, t.ID)
		if t.Src.IsValid() {
			e += fmt.Sprintf("(%v>%v)", t.Src, t.Dst)
		}
		l = append(l, e)
	}
	return strings.Join(l, " ")
}

// exact copies b into memory of its size, so that reading past its end does not go unseen.
func exact(b []byte) []byte { return slices.Clip(slices.Clone(b)) }

var (
	tcp4 = tcpSeg("GET / HTTP/1.1\r\n")
	in4  = ip4(clientIP, serverIP, 6, tcp4)
	in6  = ip6(client6, server6, 6, tcpSeg("GET / HTTP/1.1\r\n"))
	inE  = eth(0x0800, in4)
)

// over4 puts b of an IP protocol into IPv4 between outerA and outerB, and Ethernet.
func over4(proto int, b []byte) []byte { return eth(0x0800, ip4(outerA, outerB, proto, b)) }

// An encapsulated is a packet with the segment tcp4 or tcp6 in it.
type encapsulated struct {
	name  string
	link  packet.LinkType
	frame []byte
	stack string
	vlans string
}

// encapsulations has a packet or several for every line of the list.
func encapsulations() []encapsulated {
	const (
		pair  = "(192.0.2.1>192.0.2.2)"
		ether = packet.LinkEthernet
	)
	teb := func(flags int, fields ...[]byte) []byte {
		return over4(47, join(be16(flags), be16(0x6558), join(fields...), inE))
	}
	llc := func(oui ...byte) []byte {
		return join([]byte{0xaa, 0xaa, 3}, oui, be16(0x0800), in4)
	}
	hop := func(next int, b []byte) []byte { return join([]byte{byte(next), 0, 1, 4, 0, 0, 0, 0}, b) }
	erspan2 := join([]byte{0x10, 5, 0x01, 0x23}, be32(9))
	erspan3 := func(frame, sub byte) []byte {
		return join([]byte{0x20, 5, 0x01, 0x23}, be32(1), be16(0), []byte{frame << 2, sub})
	}
	return append([]encapsulated{
		{"Ethernet", ether, inE, "", "[]"},
		{"Ethernet with padding", ether, join(inE, make([]byte, 9)), "", "[]"},
		{"one VLAN tag", ether, eth(0x8100, vlanTag(7, 0x0800, in4)), "", "[7]"},
		{"priority bits beside the VLAN identifier", ether, eth(0x8100, vlanTag(0xe007, 0x0800, in4)), "", "[7]"},
		{"802.1ad outside 802.1Q", ether, eth(0x88a8, vlanTag(100, 0x8100, vlanTag(7, 0x0800, in4))), "", "[100 7]"},
		{"three tags of old numbers", ether, eth(0x9100, vlanTag(1, 0x9200, vlanTag(2, 0x9300, vlanTag(3, 0x0800, in4)))), "", "[1 2 3]"},
		{"802.3 with SNAP", ether, eth(len(llc(0, 0, 0)), llc(0, 0, 0)), "", "[]"},
		{"802.3 with SNAP of the bridge tunnel", ether, eth(len(llc(0, 0, 0xf8)), llc(0, 0, 0xf8)), "", "[]"},
		{"802.3 with IP's own SAP", ether, eth(3+len(in4), join([]byte{6, 6, 3}, in4)), "", "[]"},
		{"SNAP inside a VLAN", ether, eth(0x8100, vlanTag(7, len(llc(0, 0, 0)), llc(0, 0, 0))), "", "[7]"},
		{"SLL", packet.LinkSLL, join(be16(4), be16(1), be16(6), make([]byte, 8), be16(0x0800), in4), "", "[]"},
		{"SLL with a VLAN tag", packet.LinkSLL, join(be16(4), be16(1), be16(6), make([]byte, 8), be16(0x8100), vlanTag(9, 0x0800, in4)), "", "[9]"},
		{"SLL with LLC", packet.LinkSLL, join(be16(4), be16(1), be16(6), make([]byte, 8), be16(4), llc(0, 0, 0)), "", "[]"},
		{"SLL2", packet.LinkSLL2, join(be16(0x86dd), be16(0), be32(2), be16(1), []byte{0, 6}, make([]byte, 8), in6), "", "[]"},
		{"NULL, little endian", packet.LinkNull, join([]byte{2, 0, 0, 0}, in4), "", "[]"},
		{"NULL, big endian", packet.LinkNull, join([]byte{0, 0, 0, 2}, in4), "", "[]"},
		{"NULL, IPv6 of Darwin", packet.LinkNull, join([]byte{30, 0, 0, 0}, in6), "", "[]"},
		{"NULL, IPv6 of FreeBSD, big endian", packet.LinkNull, join([]byte{0, 0, 0, 28}, in6), "", "[]"},
		{"LOOP, IPv6 of OpenBSD", packet.LinkLoop, join([]byte{0, 0, 0, 24}, in6), "", "[]"},
		{"LOOP, IPv6 of Linux", packet.LinkLoop, join([]byte{0, 0, 0, 10}, in6), "", "[]"},
		{"raw IPv4", packet.LinkRaw, in4, "", "[]"},
		{"raw IPv6", packet.LinkRaw, in6, "", "[]"},
		{"raw as BSD numbers it", packet.LinkRawBSD, in4, "", "[]"},
		{"raw as OpenBSD numbers it", packet.LinkRawOBSD, in4, "", "[]"},
		{"link of IPv4 only", packet.LinkIPv4, in4, "", "[]"},
		{"link of IPv6 only", packet.LinkIPv6, in6, "", "[]"},
		{"IPv6 under the EtherType of IPv4", ether, eth(0x0800, in6), "", "[]"},

		{"IPv6", ether, eth(0x86dd, in6), "", "[]"},
		{"IPv6 with hop-by-hop options", ether, eth(0x86dd, ip6(client6, server6, 0, hop(6, tcp4))), "", "[]"},
		{"IPv6 with destination options", ether, eth(0x86dd, ip6(client6, server6, 60, hop(6, tcp4))), "", "[]"},
		{"IPv6 with a routing header at its end", ether, eth(0x86dd, ip6(client6, server6, 43, join([]byte{6, 0, 0, 0, 0, 0, 0, 0}, tcp4))), "", "[]"},
		{"IPv6 with three extension headers", ether, eth(0x86dd, ip6(client6, server6, 0, hop(60, hop(60, hop(6, tcp4))))), "", "[]"},
		{"IPv6 with an atomic fragment header", ether, eth(0x86dd, ip6(client6, server6, 44, join([]byte{6, 0, 0, 0}, be32(9), tcp4))), "", "[]"},
		{"IPv6 with AH", ether, eth(0x86dd, ip6(client6, server6, 51, join([]byte{6, 4}, make([]byte, 22), tcp4))), "", "[]"},
		{"IPv4 with AH", ether, eth(0x0800, ip4(clientIP, serverIP, 51, join([]byte{6, 4}, make([]byte, 22), tcp4))), "", "[]"},
		{"IPv4 with IPComp", ether, eth(0x0800, ip4(clientIP, serverIP, 108, join([]byte{6, 0, 0, 2}, deflated(tcp4)))), "", "[]"},
		{"IPv6 with IPComp", ether, eth(0x86dd, ip6(client6, server6, 108, join([]byte{6, 0, 0, 2}, deflated(tcp4)))), "", "[]"},
		{"IPComp with an agreed index, tunnel mode", ether, over4(108, join([]byte{4, 0, 1, 3}, deflated(in4))), "ipip:-1" + pair, "[]"},
		{"a jumbogram", ether, eth(0x86dd, jumbo(0, tcp4)), "", "[]"},

		{"VXLAN", ether, over4(17, udp(1, 4789, vxlan(42, inE))), "vxlan:42" + pair, "[]"},
		{"VXLAN at Linux's old port", ether, over4(17, udp(1, 8472, vxlan(42, inE))), "vxlan:42" + pair, "[]"},
		{"VXLAN over IPv6", ether, eth(0x86dd, ip6(client6, server6, 17, udp(1, 4789, vxlan(42, inE)))), "vxlan:42(2001::1>2001::2)", "[]"},
		{"VXLAN with reserved bits", ether, over4(17, udp(1, 4789, join([]byte{0x88, 0, 0, 5}, be32(42<<8|1), inE))), "vxlan:42" + pair, "[]"},
		{"VXLAN with VLANs outside and inside", ether, eth(0x8100, vlanTag(5, 0x0800, ip4(outerA, outerB, 17, udp(1, 4789, vxlan(42, eth(0x8100, vlanTag(6, 0x0800, in4))))))), "vxlan:42" + pair, "[5 6]"},
		{"VXLAN in VXLAN", ether, over4(17, udp(1, 4789, vxlan(1, over4(17, udp(1, 4789, vxlan(2, inE)))))), "vxlan:1" + pair + " vxlan:2" + pair, "[]"},
		{"GENEVE with Ethernet", ether, over4(17, udp(1, 6081, geneve(7, 0x6558, nil, inE))), "geneve:7" + pair, "[]"},
		{"GENEVE with options and IPv4", ether, over4(17, udp(1, 6081, geneve(7, 0x0800, make([]byte, 28), in4))), "geneve:7" + pair, "[]"},
		{"GENEVE with IPv6", ether, over4(17, udp(1, 6081, geneve(7, 0x86dd, nil, in6))), "geneve:7" + pair, "[]"},
		{"VXLAN in GENEVE, as AWS load balancers send mirrors", ether, over4(17, udp(1, 6081, geneve(0, 0x0800, make([]byte, 32), ip4(outerB, outerA, 17, udp(1, 4789, vxlan(9, inE)))))), "geneve:0" + pair + " vxlan:9(192.0.2.2>192.0.2.1)", "[]"},

		{"GRE", ether, over4(47, join(be16(0), be16(0x0800), in4)), "gre:-1" + pair, "[]"},
		{"GRE with IPv6", ether, over4(47, join(be16(0), be16(0x86dd), in6)), "gre:-1" + pair, "[]"},
		{"GRE with checksum", ether, over4(47, join(be16(0x8000), be16(0x0800), be32(0), in4)), "gre:-1" + pair, "[]"},
		{"GRE with checksum, key and sequence", ether, over4(47, join(be16(0xb000), be16(0x0800), be32(0), be32(77), be32(1), in4)), "gre:77" + pair, "[]"},
		{"GRE with source route", ether, over4(47, join(be16(0x4000), be16(0x0800), be32(0), be16(0x0800), []byte{0, 8, 10, 1, 1, 1, 10, 1, 1, 2}, be32(0), in4)), "gre:-1" + pair, "[]"},
		{"GRE with Ethernet", ether, teb(0), "gre:-1" + pair, "[]"},
		{"GRE with MPLS", ether, over4(47, join(be16(0), be16(0x8847), mplsLabel(16, 1, in4))), "gre:-1" + pair + " mpls:16", "[]"},
		{"NVGRE", ether, teb(0x2000, be32(0x1234_56_78)), "nvgre:1193046" + pair, "[]"},
		{"NVGRE of a reserved subnet without flow bits", ether, teb(0x2000, be32(42<<8)), "nvgre:42" + pair, "[]"},
		{"a bridge's small key is no subnet", ether, teb(0x2000, be32(1001)), "gre:1001" + pair, "[]"},
		{"WCCP redirect header", ether, over4(47, join(be16(0), be16(0x883e), be32(0), in4)), "gre:-1" + pair, "[]"},
		{"GRE with PPP of version 1 (PPTP)", ether, over4(47, join(be16(0x3081), be16(0x880b), be16(40), be16(5), be32(1), be32(2), []byte{0xff, 3, 0, 0x21}, in4)), "pptp:5" + pair, "[]"},
		{"ERSPAN type I", ether, over4(47, join(be16(0), be16(0x88be), inE)), "erspan:-1" + pair, "[]"},
		{"ERSPAN type II", ether, over4(47, join(be16(0x1000), be16(0x88be), be32(1), erspan2, inE)), "erspan:291" + pair, "[]"},
		{"ERSPAN type III", ether, over4(47, join(be16(0x1000), be16(0x22eb), be32(1), erspan3(0, 0), inE)), "erspan:291" + pair, "[]"},
		{"ERSPAN type III with sub-header", ether, over4(47, join(be16(0x1000), be16(0x22eb), be32(1), erspan3(0, 1), make([]byte, 8), inE)), "erspan:291" + pair, "[]"},
		{"ERSPAN type III with an IP packet", ether, over4(47, join(be16(0x1000), be16(0x22eb), be32(1), erspan3(2, 0), in6)), "erspan:291" + pair, "[]"},
		{"ERSPAN type III under the number of type II", ether, over4(47, join(be16(0x1000), be16(0x88be), be32(1), erspan3(0, 0), inE)), "erspan:291" + pair, "[]"},
		{"IPv4 in IPv4", ether, over4(4, in4), "ipip:-1" + pair, "[]"},
		{"IPv6 in IPv4", ether, over4(41, in6), "6in4:-1" + pair, "[]"},
		{"IPv4 in IPv6", ether, eth(0x86dd, ip6(client6, server6, 4, in4)), "4in6:-1(2001::1>2001::2)", "[]"},
		{"IPv6 in IPv6", ether, eth(0x86dd, ip6(client6, server6, 41, in6)), "6in6:-1(2001::1>2001::2)", "[]"},
		{"MPLS in IP", ether, over4(137, mplsLabel(16, 1, in4)), "mpls:16", "[]"},
		{"MPLS over UDP", ether, over4(17, udp(1, 6635, mplsLabel(16, 1, in4))), "mpls:16", "[]"},
		{"a pseudowire over UDP, with control word", ether, over4(17, udp(1, 6635, mplsLabel(16, 1, join(be32(0), eth(0x8100, vlanTag(3, 0x0800, in4)))))), "mpls:16", "[3]"},
		{"a pseudowire over UDP, without control word", ether, over4(17, udp(1, 6635, mplsLabel(16, 1, inE))), "mpls:16", "[]"},
		{"MPLS with IPv4", ether, eth(0x8847, mplsLabel(16, 1, in4)), "mpls:16", "[]"},
		{"MPLS multicast with IPv6 below two labels", ether, eth(0x8848, mplsLabel(16, 0, mplsLabel(17, 1, in6))), "mpls:16 mpls:17", "[]"},
		{"pseudowire with control word", ether, eth(0x8847, mplsLabel(16, 1, join(be32(5), inE))), "mpls:16", "[]"},
		{"pseudowire without control word", ether, eth(0x8847, mplsLabel(16, 1, inE)), "mpls:16", "[]"},
		{"pseudowire without control word, address like IPv4", ether, eth(0x8847, mplsLabel(16, 1, join([]byte{0x45}, inE[1:]))), "mpls:16", "[]"},
		{"pseudowire with control word, then a VLAN", ether, eth(0x8847, mplsLabel(16, 1, join(be32(0), eth(0x8100, vlanTag(3, 0x0800, in4))))), "mpls:16", "[3]"},
		{"PPPoE", ether, eth(0x8864, pppoe(17, join(be16(0x0021), in4))), "pppoe:17", "[]"},
		{"PPPoE with IPv6 and padding", ether, join(eth(0x8864, pppoe(17, join(be16(0x0057), in6))), make([]byte, 7)), "pppoe:17", "[]"},
		{"PPPoE with a protocol field of one byte", ether, eth(0x8864, pppoe(17, join([]byte{0x21}, in4))), "pppoe:17", "[]"},
		{"PPP link with address and control", packet.LinkPPP, join([]byte{0xff, 3, 0, 0x21}, in4), "", "[]"},
		{"PPP link without", packet.LinkPPP, join([]byte{0, 0x21}, in4), "", "[]"},
		{"GTP-U", ether, over4(17, udp(1, 2152, gtp(0x30, nil, in4))), "gtpu:77" + pair, "[]"},
		{"GTP-U with a sequence number", ether, over4(17, udp(1, 2152, gtp(0x32, []byte{0, 1, 0, 0}, in6))), "gtpu:77" + pair, "[]"},
		{"GTP-U with two extension headers", ether, over4(17, udp(1, 2152, gtp(0x34, []byte{0, 0, 0, 0x85, 1, 0, 9, 0x40, 2, 0, 0, 0, 0, 0, 0, 0}, in4))), "gtpu:77" + pair, "[]"},
		{"Teredo", ether, over4(17, udp(3544, 1, in6)), "teredo:-1" + pair, "[]"},
		{"Teredo with authentication and origin", ether, over4(17, udp(1, 3544, join([]byte{0, 1, 2, 1}, make([]byte, 12), make([]byte, 8), in6))), "teredo:-1" + pair, "[]"},
		{"L2TP", ether, over4(17, udp(1701, 1701, join(be16(2), be16(5), be16(6), []byte{0xff, 3, 0, 0x21}, in4))), "l2tp:6" + pair, "[]"},
		{"L2TP with length, sequence and offset", ether, over4(17, udp(1, 1701, join(be16(0x4a02), be16(14+3+2+len(in4)), be16(5), be16(6), be32(0), be16(3), make([]byte, 3), be16(0x21), in4, []byte("pad")))), "l2tp:6" + pair, "[]"},
		{"TZSP", ether, over4(17, udp(1, 37008, join([]byte{1, 0, 0, 1, 10, 1, 9, 0, 1}, inE))), "tzsp:-1" + pair, "[]"},
		{"AYIYA", ether, over4(17, udp(1, 5072, join([]byte{0x42, 0x52, 0x11, 41}, make([]byte, 4+16+20), in6))), "ayiya:-1" + pair, "[]"},
		{"VXLAN-GPE with IPv4", ether, over4(17, udp(1, 4790, join([]byte{0x0c, 0, 0, 1}, be32(3<<8), in4))), "vxlan-gpe:3" + pair, "[]"},
		{"VXLAN-GPE with NSH", ether, over4(17, udp(1, 4790, join([]byte{0x0c, 0, 0, 4}, be32(3<<8), nsh(3, inE)))), "vxlan-gpe:3" + pair + " nsh:9", "[]"},
		{"VXLAN-GPE without a protocol", ether, over4(17, udp(1, 4790, vxlan(3, inE))), "vxlan-gpe:3" + pair, "[]"},
		{"NSH", ether, eth(0x894f, nsh(1, in4)), "nsh:9", "[]"},
		{"GRE over UDP", ether, over4(17, udp(1, 4754, join(be16(0x2000), be16(0x0800), be32(5), in4))), "gre:5" + pair, "[]"},
		{"GRE over UDP with Ethernet", ether, over4(17, udp(1, 4754, join(be16(0), be16(0x6558), inE))), "gre:-1" + pair, "[]"},
		{"EoIP", ether, over4(47, join(be16(0x2001), be16(0x6400), be16(len(inE)), []byte{7, 1}, inE)), "eoip:263" + pair, "[]"},
		{"VXLAN without its flag, with a frame that proves itself", ether, over4(17, udp(1, 4789, join(make([]byte, 4), be32(42<<8), inE))), "vxlan:42" + pair, "[]"},
		{"GTP-U with a frame", ether, over4(17, udp(1, 2152, gtp(0x34, []byte{0, 0, 0, 0x85, 1, 0, 9, 0}, inE))), "gtpu:77" + pair, "[]"},
		{"GTP-U with a frame to an address like IPv6", ether, over4(17, udp(1, 2152, gtp(0x30, nil, join([]byte{0x60}, inE[1:])))), "gtpu:77" + pair, "[]"},
		{"GTP version 0", ether, over4(17, udp(3386, 3386, join([]byte{0x1e, 255}, be16(len(in4)), be16(1), be16(9), make([]byte, 12), in4))), "gtpv0:9" + pair, "[]"},
		{"CAPWAP with a frame", ether, over4(17, udp(9, 5247, capwap(0, 0, inE))), "capwap:-1" + pair, "[]"},
		{"CAPWAP with 802.11", ether, over4(17, udp(9, 5247, capwap(0x100, 0, join(wifi(0x08, 1, nil), llc(0, 0, 0))))), "capwap:-1" + pair, "[]"},
		{"CAPWAP with 802.11, frame control swapped", ether, over4(17, udp(5247, 9, capwap(0x100, 0, join(wifi(2, 0x88, be16(0)), llc(0, 0, 0))))), "capwap:-1" + pair, "[]"},
		{"LISP", ether, over4(17, udp(9, 4341, join(be32(-0x7f000000), be32(1), in4))), "lisp:-1" + pair, "[]"},
		{"LISP of an instance", ether, over4(17, udp(9, 4341, join(be32(0x08000000), be32(5<<8), in6))), "lisp:5" + pair, "[]"},
		{"LISP with a frame", ether, over4(17, udp(9, 4341, join(be32(0x0c000003), be32(5<<8), inE))), "lisp:5" + pair, "[]"},
		{"Mobile IP through translation", ether, over4(17, udp(434, 434, join([]byte{4, 4, 0, 0}, in4))), "mip:-1" + pair, "[]"},
		{"TRILL with options", ether, eth(0x22f3, join(be16(0x0045), be16(1), be16(2), be32(0), eth(0x8100, vlanTag(9, 0x0800, in4)))), "trill:-1", "[9]"},
		{"FabricPath", ether, eth(0x8903, join(be16(5<<6|32), inE)), "fabricpath:5", "[]"},
		{"B.A.T.M.A.N.", ether, eth(0x4305, join([]byte{0x40, 15}, make([]byte, 8), inE)), "batman:-1", "[]"},
		{"B.A.T.M.A.N. with four addresses", ether, eth(0x4305, join([]byte{0x42, 15}, make([]byte, 16), inE)), "batman:-1", "[]"},
		{"B.A.T.M.A.N. of version 14", ether, eth(0x4305, join([]byte{3, 14}, make([]byte, 8), inE)), "batman:-1", "[]"},
		{"HSR before a VLAN", ether, eth(0x892f, join(be32(0), be16(0x8100), vlanTag(2, 0x0800, in4))), "", "[2]"},
		{"an R-TAG", ether, eth(0xf1c1, join(be32(7), be16(0x0800), in4)), "", "[]"},
		{"Cisco's metadata", ether, eth(0x8909, join([]byte{1, 1, 0, 1}, be16(9), be16(0x0800), in4)), "", "[]"},
		{"Cisco's metadata with two options", ether, eth(0x8909, join([]byte{1, 2}, make([]byte, 8), be16(0x86dd), in6)), "", "[]"},
		{"Inter-Switch Link", ether, join([]byte{1, 0, 0x0c, 0, 0, 0}, testMACs[6:], be16(0), []byte{0xaa, 0xaa, 3}, make([]byte, 3), be16(5<<1), make([]byte, 4), inE, make([]byte, 8)), "", "[5]"},
		{"LLC of a frame longer than 1500 bytes", ether, eth(0x8870, llc(0, 0, 0)), "", "[]"},
		{"PPP with a bridged frame", packet.LinkPPP, join([]byte{0, 0x31, 0, 1}, inE), "", "[]"},
		{"PPP with a bridged frame of a numbered network", packet.LinkPPP, join([]byte{0, 0x31, 0x40, 1}, be32(9), inE), "", "[]"},
		{"PPP on several links", packet.LinkPPP, join([]byte{0, 0x3d, 0xc0, 0, 0, 1, 0x21}, in4), "", "[]"},
		{"a record of Endace's cards", 197, join(make([]byte, 8), []byte{2, 4}, be16(18+len(inE)), be16(0), be16(len(inE)), be16(0), inE), "", "[]"},
		{"a record of Endace's cards with an ATM frame", 197, join(make([]byte, 8), []byte{4, 4}, be16(20+len(in4)), be16(0), be16(4+len(in4)), be32(0x200), in4), "", "[]"},
		{"a link of TZSP", 128, join([]byte{1, 0, 0, 1, 1}, inE), "tzsp:-1", "[]"},
		{"EtherIP", ether, over4(97, join(be16(0x3000), inE)), "etherip:-1" + pair, "[]"},
		{"backbone bridging", ether, eth(0x88a8, vlanTag(8, 0x88e7, join(be32(0x10000005), eth(0x8100, vlanTag(9, 0x0800, in4))))), "pbb:5", "[8 9]"},
		{"VN-Tag between VLANs", ether, eth(0x8100, vlanTag(1, 0x8926, join(be32(0), be16(0x8100), vlanTag(2, 0x0800, in4)))), "", "[1 2]"},
		{"E-TAG before a VLAN", ether, eth(0x893f, join(make([]byte, 6), be16(0x8100), vlanTag(2, 0x0800, in4))), "", "[2]"},
		{"MACsec that is not encrypted", ether, eth(0x88e5, join([]byte{0x20, 0}, be32(7), make([]byte, 8), be16(0x0800), in4, make([]byte, 16))), "", "[]"},
		{"MACsec without a channel", ether, eth(0x88e5, join([]byte{0, 0}, be32(7), be16(0x86dd), in6, make([]byte, 16))), "", "[]"},
		{"L2TPv3 over IP", ether, over4(115, join(be32(5), inE)), "l2tpv3:5" + pair, "[]"},
		{"L2TPv3 over IP with cookie and sublayer", ether, over4(115, join(be32(5), be32(0x0800), be32(0x4500), be32(0), inE)), "l2tpv3:5" + pair, "[]"},
		{"L2TPv3 over UDP with a cookie and IP", ether, over4(17, udp(9, 1701, join(be16(3), be16(0), be32(5), be32(77), in4))), "l2tpv3:5" + pair, "[]"},
		{"L2TPv3 with PPP", ether, over4(115, join(be32(5), []byte{0xff, 3, 0, 0x57}, in6)), "l2tpv3:5" + pair, "[]"},
		{"L2TPv3 with HDLC", ether, over4(115, join(be32(5), be32(0), []byte{0x0f, 0, 8, 0}, in4)), "l2tpv3:5" + pair, "[]"},
		{"L2TPv3 with a VLAN", ether, over4(115, join(be32(5), eth(0x8100, vlanTag(3, 0x0800, in4)))), "l2tpv3:5" + pair, "[3]"},
		{"ESP without encryption, tunnel mode", ether, over4(50, espTrailer(5, 4, 12, in4)), "esp:5" + pair, "[]"},
		{"ESP without encryption, IPv6 inside, longer check value", ether, over4(50, espTrailer(5, 41, 16, in6)), "esp:5" + pair, "[]"},
		{"ESP without encryption, transport mode", ether, eth(0x0800, ip4(clientIP, serverIP, 50, espTrailer(5, 6, 12, tcp4))), "", "[]"},
		{"ESP without encryption over UDP", ether, over4(17, udp(4500, 4500, espTrailer(5, 4, 12, in4))), "esp:5" + pair, "[]"},
		{"ESP with VXLAN in transport mode", ether, over4(50, espTrailer(5, 17, 12, udp(1, 4789, vxlan(9, inE)))), "vxlan:9" + pair, "[]"},
		{"Juniper mirror", ether, over4(17, udp(1, 30030, join(be32(1), be32(2), in4))), "jmirror:2" + pair, "[]"},
		{"Juniper mirror with PPP", ether, over4(17, udp(1, 30030, join(be32(1), be32(2), []byte{0xff, 3, 0, 0x57}, in6))), "jmirror:2" + pair, "[]"},
		{"Juniper Ethernet link", 178, join([]byte("MGC\x80"), be16(3), []byte{1, 1, 9}, inE), "", "[]"},
		{"Juniper link without a link header", 178, join([]byte("MGC\x02"), be32(0), in6), "", "[]"},
		{"Juniper PPP link", 179, join([]byte("MGC\x01"), []byte{0xff, 3, 0, 0x21}, in4), "", "[]"},
		{"ARCNET", 7, join([]byte{1, 2, 212, 0}, be16(9), in4), "", "[]"},
		{"ARCNET of Linux", 129, join([]byte{1, 2}, be16(0), []byte{212, 0}, be16(9), in4), "", "[]"},
		{"ARCNET of Linux, old numbers", 129, join([]byte{1, 2}, be16(0), []byte{240}, in4), "", "[]"},
		{"mPacket, express", packet.LinkMPacket, join([]byte{0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0xd5}, inE, make([]byte, 4)), "", "[]"},
		{"mPacket, a whole frame that may be preempted", packet.LinkMPacket, join([]byte{0x55, 0x55, 0xe6}, inE, binary.LittleEndian.AppendUint32(nil, crc32.ChecksumIEEE(inE))), "", "[]"},
		{"pflog", 117, join([]byte{61, 2}, make([]byte, 62), in4), "", "[]"},
		{"enc", 109, join(be32(2), make([]byte, 8), in4), "", "[]"},
		{"PKTAP", 258, join([]byte{12, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0}, inE), "", "[]"},
		{"Prism", 119, join([]byte{0x44, 0, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0}, wifi(0x08, 1, nil), llc(0, 0, 0)), "", "[]"},
		{"AVS under the number of Prism", 119, join(be32(-0x7fdeefff), be32(12), be32(0), wifi(0x08, 1, nil), llc(0, 0, 0)), "", "[]"},
		{"Cisco HDLC", packet.LinkCHDLC, join([]byte{0x0f, 0}, be16(0x0800), in4), "", "[]"},
		{"FDDI", 10, join([]byte{0x51}, testMACs, llc(0, 0, 0)), "", "[]"},
		{"PPP link of another number", 50, join([]byte{0xff, 3, 0, 0x57}, in6), "", "[]"},
		{"PPPoE link", 51, pppoe(2, join(be16(0x57), in6)), "pppoe:2", "[]"},
		{"NFLOG", packet.LinkNFLOG, join([]byte{2, 0, 0, 0, 6, 0, 1, 0, 9, 9, 0, 0, byte(4 + len(in4)), 0, 9, 0}, in4), "", "[]"},
		{"NFLOG, big endian", packet.LinkNFLOG, join([]byte{2, 0, 0, 0, 0, 6, 0, 1, 9, 9, 0, 0, 0, byte(4 + len(in6)), 0, 9}, in6), "", "[]"},
		{"token ring", 6, join([]byte{0x10, 0x40}, testMACs, llc(0, 0, 0)), "", "[]"},
		{"token ring through bridges", 6, join([]byte{0x10, 0x40}, testMACs[:6], []byte{0x82, 0, 0, 0, 0, 1, 4, 0x80, 0, 0x10}, llc(0, 0, 0)), "", "[]"},
		{"ATM", 100, llc(0, 0, 0), "", "[]"},
		{"ATM without LLC", 11, in6, "", "[]"},
		{"ATM with bridged Ethernet", 100, join([]byte{0xaa, 0xaa, 3, 0, 0x80, 0xc2, 0, 7, 0, 0}, inE), "", "[]"},
		{"SunATM", 123, join([]byte{0x82, 0, 0, 32}, llc(0, 0, 0)), "", "[]"},
		{"SunATM with LAN emulation", 123, join([]byte{1, 0, 0, 32, 0, 1}, inE), "", "[]"},
		{"frame relay", 107, join([]byte{0x18, 0x41, 3, 0xcc}, in4), "", "[]"},
		{"frame relay, padded, SNAP", 107, join([]byte{0x18, 0x40, 0x11, 3, 0, 0x80, 0, 0, 0, 0x86, 0xdd}, in6), "", "[]"},
		{"frame relay, bridged", 107, join([]byte{0x18, 0x41, 3, 0, 0x80, 0, 0x80, 0xc2, 0, 7}, inE), "", "[]"},
		{"frame relay of Cisco", 107, join([]byte{0x18, 0x41, 8, 0}, in4), "", "[]"},
		{"PPP with a direction", 204, join([]byte{1, 0xff, 3, 0, 0x57}, in6), "", "[]"},
		{"Cisco HDLC with a direction", 205, join([]byte{1, 0x0f, 0}, be16(0x0800), in4), "", "[]"},
		{"frame relay with a direction", 206, join([]byte{0, 0x18, 0x41, 3, 0x8e}, in6), "", "[]"},
		{"IP over Fibre Channel", 122, join(make([]byte, 16), llc(0, 0, 0)), "", "[]"},
		{"IP over IEEE 1394", 138, join(make([]byte, 16), be16(0x0800), in4), "", "[]"},
		{"IP over InfiniBand", 242, join(make([]byte, 40), be16(0x0800), be16(0), in4), "", "[]"},
		{"IPNET", 226, join(make([]byte, 24), in6), "", "[]"},
		{"netANALYZER", 240, join(make([]byte, 4), inE, make([]byte, 4)), "", "[]"},
		{"netANALYZER, transparent", 241, join(make([]byte, 12), inE, make([]byte, 4)), "", "[]"},
		{"EPON", 259, join(make([]byte, 8), inE), "", "[]"},
		{"a Broadcom tag", 281, join(testMACs, be32(1), inE[12:]), "", "[]"},
		{"a Broadcom tag in front", 282, join(be32(1), inE), "", "[]"},
		{"a Marvell tag", 284, join(testMACs, be32(0x40000000), inE[12:]), "", "[]"},
		{"a long Marvell tag", 285, join(testMACs, be32(-0x25260000), be32(0x40000000), inE[12:]), "", "[]"},
		{"802.11 aggregate of one frame", packet.LinkWiFi, join(wifi(0x88, 1, []byte{0x80, 0}), subframe(llc(0, 0, 0))), "", "[]"},
		{"802.11", packet.LinkWiFi, join(wifi(0x08, 1, nil), llc(0, 0, 0)), "", "[]"},
		{"radiotap with 802.11 QoS", packet.LinkRadiotap, join([]byte{0, 0, 10, 0, 0, 0, 0, 0, 1, 2}, wifi(0x88, 2, []byte{0, 0}), llc(0, 0, 0)), "", "[]"},
		{"PPI with 802.11 of four addresses", packet.LinkPPI, join([]byte{0, 0, 8, 0, 105, 0, 0, 0}, wifi(0x88, 3, make([]byte, 8)), llc(0, 0, 0)), "", "[]"},
		{"Aruba's 802.11 in GRE", ether, over4(47, join(be16(0), be16(0x8200), wifi(0x08, 1, nil), llc(0, 0, 0))), "gre:-1" + pair, "[]"},
		{"everything at once", ether,
			eth(0x88a8, vlanTag(1, 0x8847, mplsLabel(2, 1, ip4(outerA, outerB, 47, join(be16(0x2000), be16(0x6558), be32(0x12345600),
				eth(0x8864, pppoe(3, join(be16(0x57), ip6(client6, server6, 4, in4))))))))),
			"mpls:2 nvgre:1193046" + pair + " pppoe:3 4in6:-1(2001::1>2001::2)", "[1]"},
	}, furtherEncapsulations()...)
}

func TestEncapsulations(t *testing.T) {
	for _, tt := range encapsulations() {
		t.Run(tt.name, func(t *testing.T) {
			d, slow := NewDecoder(Options{}), NewDecoder(Options{})
			slow.slowOnly = true
			// Twice: the first packet of a stack takes another path than later ones.
			for range 2 {
				disp, s := checkDecode(t, d, slow, pkt(tt.link, exact(tt.frame)))
				if disp != DispTCP {
					t.Fatalf("Decode = %v, want tcp", disp)
				}
				if got := string(s.Payload()); got != "GET / HTTP/1.1\r\n" {
					t.Errorf("payload %q", got)
				}
				if got := stackText(d.Stack(s.Stack)); got != tt.stack {
					t.Errorf("Stack = %s, want %s", got, tt.stack)
				}
				if got := fmt.Sprint(d.VLANStack(s.VLANs)); got != tt.vlans {
					t.Errorf("VLANStack = %s, want %s", got, tt.vlans)
				}
				if s.Key.LoPort != 40000 || s.Key.HiPort != 80 || s.Info&FromHi != 0 || s.Missing != 0 {
					t.Errorf("key %v, info %b, missing %d", s.Key, s.Info, s.Missing)
				}
			}
			// Every cut is accounted for and none panics.
			for n := range tt.frame {
				p := pkt(tt.link, exact(tt.frame[:n]))
				p.Length = uint32(len(tt.frame))
				if disp, s := checkDecode(t, d, slow, p); disp == DispTCP && n < len(tt.frame) {
					if got := int(s.Missing) + len(s.Payload()); s.Missing > 0 && got != 16 {
						t.Errorf("cut to %d: %d bytes missing and %d there, want 16 together", n, s.Missing, len(s.Payload()))
					}
				}
			}
		})
	}
}

func TestTunnelPorts(t *testing.T) {
	for _, tt := range []struct {
		name  string
		ports map[string][]uint16
		port  int
		want  Disposition
	}{
		{"a port of one's own", map[string][]uint16{"vxlan": {4789, 9999}}, 9999, DispTCP},
		{"the default beside it", map[string][]uint16{"vxlan": {4789, 9999}}, 4789, DispTCP},
		{"a default that is not named", map[string][]uint16{"vxlan": {9999}}, 4789, DispTCP},
		{"a port that is another tunnel's default", map[string][]uint16{"vxlan": {6081}}, 6081, DispTCP},
		{"a port of nobody", map[string][]uint16{"vxlan": {9999}}, 9998, DispUDP},
		{"switched off", map[string][]uint16{"vxlan": {}}, 4789, DispUDP},
		{"another tunnel's ports leave this one's", map[string][]uint16{"geneve": {4790}}, 4789, DispTCP},
		{"a name of a tunnel without ports", map[string][]uint16{"ipip": {4789}}, 4789, DispTCP},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, slow := NewDecoder(Options{TunnelPorts: tt.ports}), NewDecoder(Options{TunnelPorts: tt.ports})
			slow.slowOnly = true
			for range 2 {
				if got, _ := checkDecode(t, d, slow, pkt(packet.LinkEthernet, over4(17, udp(1, tt.port, vxlan(1, inE))))); got != tt.want {
					t.Errorf("Decode = %v, want %v", got, tt.want)
				}
			}
		})
	}
}

func TestClock(t *testing.T) {
	const s, h = int64(1e9), int64(3600e9)
	for _, tt := range []struct {
		name  string
		times []int64
		want  []int64
	}{
		{"steps forward", []int64{100, 150, 151}, []int64{0, 50, 51}},
		{"a step back, then on from there", []int64{100, 150, 120, 130}, []int64{0, 50, 50, 60}},
		{"an hour is believed", []int64{0, h}, []int64{0, h}},
		{"more than an hour is not", []int64{0, h + 1, h + 1 + s}, []int64{0, 0, s}},
		{"no time", []int64{5, packet.NoTime, 7}, []int64{0, 0, 2}},
		{"no time first", []int64{packet.NoTime, 5, 7}, []int64{0, 0, 2}},
		{"one packet fifty years ahead", []int64{0, s, 50 * 365 * 24 * h, 2 * s, 3 * s}, []int64{0, s, s, s, 2 * s}},
		{"the ends of time", []int64{math.MinInt64 + 1, math.MaxInt64, math.MinInt64 + 1, math.MinInt64 + 2}, []int64{0, 0, 0, 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var c clock
			for i, ts := range tt.times {
				if got := c.advance(ts); got != tt.want[i] {
					t.Errorf("advance(%d) = %d, want %d", ts, got, tt.want[i])
				}
			}
		})
	}
	t.Run("it stops at its largest value", func(t *testing.T) {
		c := clock{now: math.MaxInt64 - 5, started: true}
		if got := c.advance(10); got != math.MaxInt64 {
			t.Errorf("advance = %d, want %d", got, int64(math.MaxInt64))
		}
	})
}
