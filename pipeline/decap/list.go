package decap

import "recap/reader/packet"

// list names every encapsulation that recap reads. A further one is one file with
// its step and one line here. Index 0 stands for "none"; TCP ends every decoding
// and is no step.
func list() []encapsulation {
	return []encapsulation{
		{},
		// Links.
		{name: "ethernet", short: "ethernet_short", step: stepEthernet, from: []Proto{Link(packet.LinkEthernet), protoEthernet, IPProto(143)}},
		{name: "sll", step: stepSLL, from: []Proto{Link(packet.LinkSLL)}},
		{name: "sll2", step: stepSLL2, from: []Proto{Link(packet.LinkSLL2)}},
		{name: "null", step: stepNull, from: []Proto{Link(packet.LinkNull), Link(packet.LinkLoop)}},
		{name: "raw", short: "raw_short", step: stepRaw, from: []Proto{Link(packet.LinkRaw), Link(packet.LinkRawBSD), Link(packet.LinkRawOBSD)}},
		{name: "llc", step: stepLLC, from: lengths()},
		{name: "vlan", step: stepVLAN, from: []Proto{EtherType(0x8100), EtherType(0x88a8), EtherType(0x9100), EtherType(0x9200), EtherType(0x9300)}},
		{name: "vntag", step: stepVNTag, from: []Proto{EtherType(0x8926)}},
		{name: "etag", step: stepETag, from: []Proto{EtherType(0x893f)}},
		{name: "macsec", step: stepMACsec, from: []Proto{EtherType(0x88e5)}},
		{name: "pbb", step: stepPBB, from: []Proto{EtherType(0x88e7)}},
		{name: "chdlc", step: stepCHDLC, from: []Proto{Link(packet.LinkCHDLC)}},
		{name: "fddi", step: stepFDDI, from: []Proto{Link(10)}},
		{name: "nflog", step: stepNFLOG, from: []Proto{Link(packet.LinkNFLOG)}},
		{name: "radiotap", step: stepRadiotap, from: []Proto{Link(packet.LinkRadiotap)}},
		{name: "ppi", step: stepPPI, from: []Proto{Link(packet.LinkPPI)}},
		{name: "prism", step: stepPrism, from: []Proto{Link(119)}},
		{name: "avs", step: stepAVS, from: []Proto{Link(163)}},
		{name: "wifi", step: stepWiFi, from: []Proto{Link(packet.LinkWiFi)}},
		{name: "amsdu", step: stepAMSDU, from: []Proto{protoAMSDU}},
		{name: "arcnet", step: stepARCnet, from: []Proto{Link(7), Link(129)}},
		{name: "mpacket", step: stepMPacket, from: []Proto{Link(packet.LinkMPacket)}},
		{name: "pflog", step: stepPFLog, from: []Proto{Link(117)}},
		{name: "enc", step: stepENC, from: []Proto{Link(109)}},
		{name: "pktap", step: stepPKTAP, from: []Proto{Link(258)}},
		{name: "juniper", step: stepJuniper, from: []Proto{Link(178), Link(179), Link(181)}},
		// IP.
		{name: "ipv4", step: stepIPv4, from: []Proto{protoIPv4, Link(packet.LinkIPv4), PPPProto(0x0021)}},
		{name: "ipv6", step: stepIPv6, from: []Proto{protoIPv6, Link(packet.LinkIPv6), PPPProto(0x0057)}},
		{name: "ipv6_hop_by_hop", step: stepHopByHop, from: []Proto{IPProto(0)}},
		{name: "ipv6_routing", step: stepRouting, from: []Proto{IPProto(43)}},
		{name: "ipv6_fragment", step: stepFragment, from: []Proto{IPProto(44)}},
		{name: "ipv6_destination", step: stepDestination, from: []Proto{IPProto(60)}},
		{name: "ah", step: stepAH, from: []Proto{IPProto(51)}},
		{name: "ipcomp", step: stepIPComp, from: []Proto{IPProto(108)}},
		{name: "udp", step: stepUDP, from: []Proto{IPProto(17)}},
		// Tunnels.
		{name: vxlanName, step: stepVXLAN, ports: []uint16{4789, 8472}},
		{name: geneveName, step: stepGENEVE, ports: []uint16{6081}},
		{name: "vxlan-gpe", step: stepVXLANGPE, ports: []uint16{4790}},
		{name: "gtpu", step: stepGTPU, ports: []uint16{2152}},
		{name: "teredo", step: stepTeredo, ports: []uint16{3544}, bothPorts: true},
		{name: "l2tp", step: stepL2TP, ports: []uint16{1701}, bothPorts: true},
		{name: "l2tpv3", step: stepL2TPv3, from: []Proto{IPProto(115)}},
		{name: "esp", step: stepESP, from: []Proto{IPProto(50)}, ports: []uint16{4500}, bothPorts: true},
		{name: "jmirror", step: stepJMirror, ports: []uint16{30030}},
		{name: "tzsp", step: stepTZSP, ports: []uint16{37008}},
		{name: "ayiya", step: stepAYIYA, ports: []uint16{5072}, bothPorts: true},
		{name: "nsh", step: stepNSH, from: []Proto{EtherType(0x894f)}},
		{name: "etherip", step: stepEtherIP, from: []Proto{IPProto(97)}},
		{name: "gre", step: stepGRE, from: []Proto{IPProto(47)}},
		{name: "erspan2", short: "erspan_header", step: stepERSPAN2, from: []Proto{protoERSPAN}},
		{name: "erspan3", short: "erspan_header", step: stepERSPAN3, from: []Proto{EtherType(0x22eb)}},
		{name: "ipip", step: stepIPIP, from: []Proto{IPProto(4), IPProto(41)}},
		{name: mplsName, step: stepMPLS, from: []Proto{EtherType(0x8847), EtherType(0x8848), IPProto(137), PPPProto(0x0281), PPPProto(0x0283)}, ports: []uint16{6635}},
		{name: "pseudowire", step: stepPseudowire, from: []Proto{protoPseudowire}},
		{name: "pppoe", step: stepPPPoE, from: []Proto{EtherType(0x8864), Link(51)}},
		{name: "ppp", step: stepPPP, from: []Proto{protoPPP}},
		{name: "ppp_frame", short: "ppp_header", step: stepPPPFrame, from: []Proto{protoPPPFrame, Link(packet.LinkPPP), Link(50)}},
	}
}
