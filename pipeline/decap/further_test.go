package decap

import (
	"bytes"
	"encoding/binary"

	"recap/reader/packet"
)

// stt is a segment of STT, of a frame of total bytes, with its part at offset.
func stt(total, offset int, part []byte) []byte {
	return join(be16(9), be16(7471), be16(total), be16(offset), be32(77), []byte{0x50, 0x10}, be16(0), be32(0), part)
}

// sttFrame is a frame behind an STT header.
func sttFrame(tag int, b []byte) []byte {
	return join([]byte{0, 4, 0, 0}, be16(0), be16(tag), be32(0), be32(42), be16(0), b)
}

func lwapp(flags byte, b []byte) []byte {
	return join([]byte{flags, 7}, be16(len(b)), be16(0), b)
}

// bier is a BIER header behind its first word, around protocol next.
func bier(next byte, b []byte) []byte {
	return join([]byte{0x50, 0x10, 0, 0, 0, next}, be16(1), make([]byte, 8), b)
}

// geonet is a GeoNetworking packet of the kind and with the header that belongs to it.
func geonet(kind, header int, b []byte) []byte {
	return join([]byte{0x11, 0, 0x1a, 1}, []byte{0x30, byte(kind) << 4, 0, 0}, be16(len(b)), []byte{1, 0}, make([]byte, header), b)
}

// snapIP is LLC with SNAP before IPv4.
var snapIP = join([]byte{0xaa, 0xaa, 3, 0, 0, 0, 8, 0}, in4)

// mgc is a packet of a Juniper router.
func mgc(flags byte, parts ...[]byte) []byte {
	return join([]byte{'M', 'G', 'C', flags}, join(parts...))
}

func ax25(b []byte) []byte {
	return join([]byte("\x82\x82\x82\x82\x82\x82\x60\x84\x84\x84\x84\x84\x84\x61\x03\xcc"), b)
}

func gfp(typ int, parts ...[]byte) []byte {
	b := join(parts...)
	return join(be16(4+len(b)), be16(0), be16(typ), be16(0), b)
}

// fc is a frame of Fibre Channel with IP.
func fc(control byte, parts ...[]byte) []byte {
	return join([]byte{4, 0, 0, 1, 0, 0, 0, 2, 5, 0x38, 0, 0, 1, control}, make([]byte, 10), join(parts...))
}

func exported(name string, tags, b []byte) []byte {
	v := append([]byte(name), make([]byte, -len(name)&3)...)
	return join(be16(12), be16(len(v)), v, tags, be32(0), b)
}

// h4 is a packet between host and controller with a whole frame of L2CAP.
func h4(b []byte) []byte { return join([]byte{2}, leb16(0x200b), leb16(len(b)), b) }

func l2cap(parts ...[]byte) []byte {
	b := join(parts...)
	return join(leb16(len(b)), leb16(0x41), b)
}

// usbmon is a bulk transfer from a device.
func usbmon(header int, b []byte) []byte {
	return join(make([]byte, 8), []byte{'C', 3, 0x81, 5}, leb16(1), []byte{'-', 0}, make([]byte, 16), leb32(len(b)), leb32(len(b)), make([]byte, header-40), b)
}

// usbFreeBSD is the same as FreeBSD has it.
func usbFreeBSD(b []byte) []byte {
	return join(leb32(136+len(b)), leb32(0), []byte{5, 0, 1, 2}, make([]byte, 16), leb32(1), leb32(512), leb32(1), leb32(0x81), make([]byte, 84), leb32(len(b)), leb32(3), b)
}

func rndisPacket(b []byte) []byte {
	return join(leb32(1), leb32(44+len(b)), leb32(36), leb32(len(b)), make([]byte, 28), b)
}

// ncmBlock is a transfer block with frames, its table in front.
func ncmBlock(sign string, frames ...[]byte) []byte {
	at := 12 + 8 + 4*(len(frames)+1)
	var places []byte
	for _, f := range frames {
		places, at = join(places, leb16(at), leb16(len(f))), at+len(f)
	}
	places = join(places, leb32(0))
	return join([]byte("NCMH"), leb16(12), leb16(1), leb16(at), leb16(12), []byte(sign), leb16(8+len(places)), leb16(0), places, join(frames...))
}

// furtherDispositions are packets that look like furtherEncapsulations.
func furtherDispositions() []disposed {
	const ether = packet.LinkEthernet
	badSum := join(in4[:10], []byte{in4[10] ^ 1}, in4[11:])
	bad6 := join(in6, []byte{0})
	text := []byte("GET / HTTP/1.1\r\nHost: example\r\n\r\n")
	return []disposed{
		{"text at the port of LWAPP", ether, over4(17, udp(9, 12222, text)), "udp"},
		{"control of LWAPP", ether, over4(17, udp(9, 12223, lwapp(4, in4))), "udp"},
		{"control of LWAPP in Ethernet", ether, eth(0x88bb, lwapp(4, in4)), "non_ip"},
		{"LWAPP with a beacon", ether, over4(17, udp(9, 12222, lwapp(0, wifi(0x80, 0, make([]byte, 40))))), "udp"},
		{"LWAPP with a length past the end", ether, over4(17, udp(9, 12222, join([]byte{0, 7}, be16(999), be16(0), wifi(8, 1, snapIP)))), "udp"},
		{"noise at the old port of LWAPP", ether, over4(17, udp(9, 12220, eth(0x0800, badSum))), "udp"},
		{"text at the port of GUE", ether, over4(17, udp(9, 6080, text)), "udp"},
		{"control of GUE", ether, over4(17, udp(9, 6080, join([]byte{0x20, 4, 0, 0}, in4))), "udp"},
		{"GUE with options past the end", ether, over4(17, udp(9, 6080, join([]byte{0x1f, 4, 0, 0}, in4))), "udp"},
		{"GUE with a wrong checksum of IP", ether, over4(17, udp(9, 6080, join([]byte{0, 4, 0, 0}, badSum))), "udp"},
		{"GUE with a wrong length of IPv6", ether, over4(17, udp(9, 6080, join([]byte{0, 41, 0, 0}, bad6))), "udp"},
		{"GUE with a wrong checksum of TCP", ether, over4(17, udp(9, 6080, join([]byte{0, 6, 0, 0}, tcp4))), "udp"},
		{"GUE with GRE and noise", ether, over4(17, udp(9, 6080, join([]byte{0, 47, 0, 0}, be16(0), be16(0x0800), badSum))), "udp"},
		{"GUE with GRE cut short", ether, over4(17, udp(9, 6080, []byte{0, 47, 0, 0, 0, 0})), "udp"},
		{"GUE with labels without end", ether, over4(17, udp(9, 6080, join([]byte{0, 137, 0, 0}, make([]byte, 20)))), "udp"},
		{"GUE of variant 1, of noise", ether, over4(17, udp(9, 6080, badSum)), "udp"},
		{"GUE of another variant", ether, over4(17, udp(9, 6080, join([]byte{0x80, 4, 0, 0}, in4))), "udp"},
		{"BIER of another version", ether, eth(0xab37, join(be32(5<<12), []byte{0x51}, bier(4, in4)[1:])), "undecodable:bier_header"},
		{"BIER with more bits than bytes", ether, eth(0xab37, join(be32(5<<12), []byte{0x50, 0x70}, bier(4, in4)[2:])), "undecodable:bier_header"},
		{"BIER's own messages", ether, eth(0xab37, join(be32(5<<12), bier(5, in4))), "non_ip"},
		{"a beacon of GeoNetworking", ether, eth(0x8947, geonet(1, 24, nil)), "non_ip"},
		{"signed GeoNetworking", ether, eth(0x8947, join([]byte{0x12, 0, 0x1a, 1}, make([]byte, 80))), "non_ip"},
		{"GeoNetworking with a transport of its own", ether, eth(0x8947, join([]byte{0x11, 0, 0x1a, 1, 0x20, 0x40}, make([]byte, 80))), "non_ip"},
		{"Juniper ATM2 with a cell", 135, mgc(1, []byte{0, 0, 0, 0, 0, 0, 0, 0x10}, in4), "non_ip"},
		{"Juniper multilink of noise", 130, mgc(1, badSum), "non_ip"},
		{"Juniper virtual network of another kind", 184, []byte{9, 1, 2, 255, 0}, "undecodable:juniper_vn_header"},
		{"Juniper voice cut short", 183, mgc(1, make([]byte, 17)), "undecodable:juniper_header"},
		{"Juniper secure tunnel of another protocol", 200, mgc(1, inE), "non_ip"},
		{"Symantec's firewall with both types", 99, join(outerA[:], be16(0), be16(0x0800), be16(0), be16(0x0800), make([]byte, 32), in4), "undecodable:symantec_header"},
		{"Redback with OSI", 32, join(make([]byte, 16), be16(24), be16(2), be16(24), be16(24), in4), "non_ip"},
		{"Redback with a place past the end", 32, join(make([]byte, 16), be16(24), be16(1), be16(99), be16(99)), "undecodable:redback_header"},
		{"SITA with LAPB", 196, join([]byte{0, 0, 0, 0, 1}, in4), "non_ip"},
		{"AX.25 with ARP", 3, join(ax25(nil)[:15], []byte{0xcd}, make([]byte, 28)), "non_ip"},
		{"AX.25 with a poll", 3, join(ax25(nil)[:14], []byte{0x11}), "undecodable:ax25_header"},
		{"AX.25 with a reject", 3, join(ax25(nil)[:14], []byte{0x19, 0xcc}, in4), "non_ip"},
		{"AX.25 of addresses without end", 3, make([]byte, 100), "undecodable:ax25_header"},
		{"a command to the modem of AX.25", 202, []byte{6, 1}, "non_ip"},
		{"an idle frame of GFP", 171, make([]byte, 4), "undecodable:gfp_header"},
		{"GFP of management", 171, gfp(0x8001, inE), "non_ip"},
		{"GFP with Fibre Channel", 171, gfp(0x0003, inE), "non_ip"},
		{"Fibre Channel with SCSI", 224, join([]byte{6, 0, 0, 1, 0, 0, 0, 2, 8}, make([]byte, 60)), "non_ip"},
		{"an exported request without its segment", 252, exported("http", nil, text), "non_ip"},
		{"an exported segment of nobody", 252, exported("tcp", nil, tcp4), "non_ip"},
		{"exported tags without end", 252, []byte{0, 12, 0, 99}, "undecodable:exported_pdu_header"},
		{"a command to Bluetooth", 187, []byte{1, 3, 0x0c, 0}, "non_ip"},
		{"Bluetooth with a sound", 187, h4(l2cap([]byte{2, 8, 0}, badSum)), "non_ip"},
		{"Bluetooth with a part only", 187, join([]byte{2}, leb16(0x100b), leb16(4), make([]byte, 4)), "non_ip"},
		{"a control transfer of USB", 189, join(usbmon(48, inE)[:9], []byte{2}, usbmon(48, inE)[10:]), "non_ip"},
		{"USB with a disk's block", 189, usbmon(48, bytes.Repeat([]byte("USBC"), 8)), "non_ip"},
		{"USB with a frame whose checksum is wrong", 189, usbmon(48, eth(0x0800, badSum)), "non_ip"},
		{"NCM with places past the end", 220, usbmon(64, ncmBlock("NCM0", inE)[:40]), "undecodable:ethernet_short"},
		{"NCM with a table that is its own next", 220, usbmon(64, join([]byte("NCMH"), leb16(12), leb16(1), leb16(20), leb16(12), []byte("NCM0"), leb16(8), leb16(12))), "non_ip"},
		{"RNDIS with a place past the end", 189, usbmon(48, join(leb32(1), leb32(60), leb32(99), leb32(9), make([]byte, 44))), "non_ip"},
		{"an interrupt of USBPcap", 249, join(leb16(27), make([]byte, 20), []byte{1}, leb32(8), make([]byte, 8)), "non_ip"},
		{"DOCSIS with an encrypted frame", 143, docsis(1, 4, []byte{0x43, 0x11, 0x80, 1}, inE), "undecodable:docsis_encrypted"},
		{"an interrupt of macOS", 266, join(leb16(0x100), []byte{32, 1}, make([]byte, 24), []byte{2, 5, 0x81, 3}, inE), "non_ip"},
		{"macOS' header longer than the packet", 266, join(leb16(0x100), []byte{99, 1}, make([]byte, 28)), "undecodable:usb_darwin_header"},
		{"a transfer of FreeBSD without data", 186, usbFreeBSD(nil), "non_ip"},
		{"management of DOCSIS", 143, docsis(0xc2, 0, nil, inE), "non_ip"},
		{"DOCSIS of nothing", 143, make([]byte, 6), "undecodable:docsis_header"},
		{"signalling of DOCSIS' analyzer", 273, join([]byte{1, 11, 0, 0}, inE), "non_ip"},
	}
}

// crc16 is the check of ITU-T V.41, lowest bit first.
func crc16(b []byte) uint16 {
	sum := uint16(0xffff)
	for _, c := range b {
		sum ^= uint16(c)
		for range 8 {
			sum = sum>>1 ^ 0x8408*(sum&1)
		}
	}
	return sum
}

// docsis is a frame on a cable, with a check sequence.
func docsis(control, parameter byte, extension, b []byte) []byte {
	h := join([]byte{control, parameter}, be16(len(extension)+len(b)+4), extension)
	return join(h, leb16(int(^crc16(h))), b, make([]byte, 4))
}

// furtherEncapsulations are those that few captures hold.
func furtherEncapsulations() []encapsulated {
	const (
		pair  = "(192.0.2.1>192.0.2.2)"
		ether = packet.LinkEthernet
	)
	f := sttFrame(0, inE)
	wifiIP := join(wifi(0x08, 1, nil), snapIP)
	swapped := join([]byte{wifiIP[1], wifiIP[0]}, wifiIP[2:])
	return []encapsulated{
		{"STT", ether, over4(6, stt(len(f), 0, f)), "stt:42" + pair, "[]"},
		{"STT with a VLAN tag beside the frame", ether, over4(6, stt(len(f), 0, sttFrame(0x1005, inE))), "stt:42" + pair, "[5]"},
		{"STT over IPv6", ether, eth(0x86dd, ip6(client6, server6, 6, stt(len(f), 0, f))), "stt:42(2001::1>2001::2)", "[]"},
		{"LWAPP", ether, over4(17, udp(9, 12222, lwapp(0, wifiIP))), "lwapp:-1" + pair, "[]"},
		{"LWAPP with the frame control swapped", ether, over4(17, udp(12222, 9, lwapp(0, swapped))), "lwapp:-1" + pair, "[]"},
		{"LWAPP in Ethernet", ether, eth(0x88bb, lwapp(0, swapped)), "lwapp:-1", "[]"},
		{"LWAPP of Ethernet frames", ether, over4(17, udp(9, 12220, inE)), "lwapp:-1" + pair, "[]"},
		{"GUE with IPv4", ether, over4(17, udp(9, 6080, join([]byte{0, 4, 0, 0}, in4))), "gue:-1" + pair, "[]"},
		{"GUE with options and IPv6", ether, over4(17, udp(9, 6080, join([]byte{2, 41, 0x80, 0}, make([]byte, 8), in6))), "gue:-1" + pair, "[]"},
		{"GUE with GRE", ether, over4(17, udp(9, 6080, join([]byte{0, 47, 0, 0}, be16(0x2000), be16(0x6558), be32(5), inE))), "gue:-1" + pair + " gre:5" + pair, "[]"},
		{"GUE with a segment of the hosts themselves", ether, eth(0x0800, ip4(clientIP, serverIP, 17, udp(9, 6080, join([]byte{0, 6, 0, 0}, tcp4)))), "gue:-1(10.0.0.1>10.0.0.2)", "[]"},
		{"GUE of variant 1", ether, over4(17, udp(9, 6080, in4)), "gue:-1" + pair, "[]"},
		{"GUE of variant 1 with IPv6", ether, over4(17, udp(9, 6080, in6)), "gue:-1" + pair, "[]"},
		{"BIER with IPv4", ether, eth(0xab37, join(be32(5<<12), bier(4, in4))), "bier:5", "[]"},
		{"BIER with a label", ether, eth(0xab37, join(be32(5<<12), bier(1, mplsLabel(9, 1, in6)))), "bier:5 mpls:9", "[]"},
		{"BIER behind a label, with a frame", ether, eth(0x8847, mplsLabel(5, 1, bier(3, inE))), "mpls:5 bier:-1", "[]"},
		{"GeoNetworking to all of an area", ether, eth(0x8947, geonet(4, 44, in6)), "geonetworking:-1", "[]"},
		{"GeoNetworking to all around", ether, eth(0x8947, geonet(5, 28, in6)), "geonetworking:-1", "[]"},
		{"GeoNetworking to a station", ether, eth(0x8947, geonet(2, 48, in6)), "geonetworking:-1", "[]"},
		{"SRv6 with three segments, IPv4 at the end", ether, eth(0x86dd, ip6(client6, server6, 43, join([]byte{4, 6, 4, 0, 2, 0, 0, 0}, make([]byte, 48), in4))), "4in6:-1(2001::1>2001::2)", "[]"},
		{"SRv6 with a frame at the end", ether, eth(0x86dd, ip6(client6, server6, 43, join([]byte{143, 2, 4, 0, 0, 0, 0, 0}, make([]byte, 16), inE))), "", "[]"},
		{"VXLAN with a group policy", ether, over4(17, udp(1, 4789, join([]byte{0x88, 0, 0, 9}, be32(42<<8), inE))), "vxlan:42" + pair, "[]"},
		{"GENEVE with a critical option", ether, over4(17, udp(1, 6081, join([]byte{2, 0x40}, be16(0x6558), be32(42<<8), be16(0x102), []byte{0x80, 1}, be32(7), inE))), "geneve:42" + pair, "[]"},
		{"MPLS with an entropy label", ether, eth(0x8847, mplsLabel(16, 0, mplsLabel(7, 0, mplsLabel(99, 1, in4)))), "mpls:16 mpls:7 mpls:99", "[]"},
		{"MPLS in GRE", ether, over4(47, join(be16(0), be16(0x8847), mplsLabel(16, 1, inE))), "gre:-1" + pair + " mpls:16", "[]"},
		{"GRE with the routing of RFC 1701", ether, over4(47, join(be16(0x4000), be16(0x0800), be32(0), []byte{8, 0, 0, 4}, outerA[:], be32(0), in4)), "gre:-1" + pair, "[]"},
		{"GRE of WCCP", ether, over4(47, join(be16(0), be16(0x883e), be32(0), in4)), "gre:-1" + pair, "[]"},
		{"L2TP over IPv6", ether, eth(0x86dd, ip6(client6, server6, 17, udp(1701, 1701, join(be16(2), be16(5), be16(6), []byte{0xff, 3, 0, 0x21}, in4)))), "l2tp:6(2001::1>2001::2)", "[]"},
		{"IPv4 in IPv6 behind destination options", ether, eth(0x86dd, ip6(client6, server6, 60, join([]byte{4, 0, 4, 1, 4, 1, 0, 0}, in4))), "4in6:-1(2001::1>2001::2)", "[]"},
		{"five service tags", ether, eth(0x88a8, vlanTag(1, 0x88a8, vlanTag(2, 0x88a8, vlanTag(3, 0x88a8, vlanTag(4, 0x88a8, vlanTag(5, 0x0800, in4)))))), "", "[1 2 3 4 5]"},
		{"PPPoE in two VLANs", ether, eth(0x88a8, vlanTag(1, 0x8100, vlanTag(2, 0x8864, pppoe(17, join(be16(0x21), in4))))), "pppoe:17", "[1 2]"},
		{"a trailer of PRP", ether, join(inE, []byte{0, 1, 0xa0, 60, 0x88, 0xfb}), "", "[]"},
		{"ERSPAN of type III with a platform header", ether, over4(47, join(be16(0x1000), be16(0x22eb), be32(9), []byte{0x20, 5, 0x01, 0x23}, be32(1), be16(0), []byte{0, 1}, make([]byte, 8), inE)), "erspan:291" + pair, "[]"},
		{"Juniper virtual network", 184, join([]byte{1, 4}, outerA[:], []byte{2, 4, 0, 0, 0, 8, 3, 3, 'r', 'e', 'd', 4, 4, 'b', 'l', 'u', 'e', 255, 0}, inE), "", "[]"},
		{"Juniper PPPoE", 167, mgc(1, inE), "", "[]"},
		{"Juniper frame relay", 180, mgc(1, []byte{0x18, 0x41, 3, 0xcc}, in4), "", "[]"},
		{"Juniper C-HDLC", 181, mgc(1, []byte{0x0f, 0, 8, 0}, in4), "", "[]"},
		{"Juniper GGSN", 133, mgc(1, leb16(6), leb16(0), in6), "", "[]"},
		{"Juniper voice", 183, mgc(1, make([]byte, 18), in4), "", "[]"},
		{"Juniper services, inbound", 136, mgc(1, make([]byte, 16), in4), "", "[]"},
		{"Juniper services, outbound", 136, mgc(0, make([]byte, 12), in4), "", "[]"},
		{"Juniper ATM1 with LLC", 137, mgc(1, make([]byte, 4), snapIP), "", "[]"},
		{"Juniper ATM1 with IP", 137, mgc(1, make([]byte, 4), in4), "", "[]"},
		{"Juniper ATM2 with PPP", 135, mgc(1, make([]byte, 8), be16(0x21), in4), "", "[]"},
		{"Juniper ATM2 with numbers of Cisco", 135, mgc(1, make([]byte, 8), []byte{3, 0xcc}, in4), "", "[]"},
		{"Juniper ATM2 with OSI's LLC", 135, mgc(1, make([]byte, 8), []byte{0xfe, 0xfe, 3, 0xcc}, in4), "", "[]"},
		{"Juniper multilink PPP", 130, mgc(1, []byte{0x54, 0, 0, 0}, be16(0x21), in4), "", "[]"},
		{"Juniper multilink PPP of a link", 130, mgc(1, []byte{0xff, 3}, be16(0x57), in6), "", "[]"},
		{"Juniper multilink frame relay of a services card", 131, mgc(0, []byte{0x47, 0, 0, 0, 0, 0, 0, 0}, in4), "", "[]"},
		{"Juniper with the number of a protocol", 179, mgc(2, leb32(6), in6), "", "[]"},
		{"Juniper with a label", 136, mgc(3, leb32(5), mplsLabel(9, 1, in4)), "mpls:9", "[]"},
		{"Juniper secure tunnel", 200, mgc(1, eth(0x0800, ip4(outerA, outerB, 50, join(be32(5), be32(1), make([]byte, 16), in4)))), "esp:5" + pair, "[]"},
		{"Symantec's firewall", 99, join(outerA[:], be16(0), be16(0x0800), make([]byte, 36), in4), "", "[]"},
		{"Symantec's firewall, newer", 99, join(outerA[:], make([]byte, 6), be16(0x86dd), make([]byte, 44), in6), "", "[]"},
		{"Redback with IP", 32, join(make([]byte, 16), be16(24+len(in4)), be16(1), be16(24), be16(24), in4), "", "[]"},
		{"Redback with a frame", 32, join(make([]byte, 16), be16(24+len(inE)), be16(1), be16(24), be16(38), inE), "", "[]"},
		{"SITA with a frame", 196, join([]byte{0, 0, 0, 0, 2}, inE), "", "[]"},
		{"SITA with PPP", 196, join([]byte{0, 0, 0, 0, 7, 0xff, 3}, be16(0x21), in4), "", "[]"},
		{"SITA with token ring", 196, join([]byte{0, 0, 0, 0, 9, 0x10, 0x40}, testMACs, snapIP), "", "[]"},
		{"SITA with frame relay", 196, join([]byte{0, 0, 0, 0, 12, 0x18, 0x41, 3, 0xcc}, in4), "", "[]"},
		{"SLIP", 8, in4, "", "[]"},
		{"SLIP as BSD has it", 8, join(make([]byte, 16), in4), "", "[]"},
		{"a route of Linux to ATM", 18, in4, "", "[]"},
		{"C-HDLC of another number", 112, join([]byte{0x0f, 0, 8, 0}, in4), "", "[]"},
		{"PPP with the direction in place of the address", 166, join([]byte{1, 3, 0, 0x57}, in6), "", "[]"},
		{"ATM with PPP", 100, join(be16(0x21), in4), "", "[]"},
		{"ATM with PPP behind LLC", 100, join([]byte{0xfe, 0xfe, 3, 0xcf, 0, 0x21}, in4), "", "[]"},
		{"ATM with a bridged frame of its own circuit", 100, join(be16(0), inE), "", "[]"},
		{"AX.25", 3, ax25(inE[14:]), "", "[]"},
		{"AX.25 through two digipeaters, with KISS", 202, join([]byte{0}, []byte("\x82\x82\x82\x82\x82\x82\x60\x84\x84\x84\x84\x84\x84\x60\x86\x86\x86\x86\x86\x86\x60\x88\x88\x88\x88\x88\x88\x61"), []byte{3, 0xcc}, in4), "", "[]"},
		{"AX.25 in Ethernet", ether, eth(0x08ff, join(leb16(5+16+len(in4)), ax25(in4))), "", "[]"},
		{"frame relay in GRE", ether, over4(47, join(be16(0), be16(0x6559), []byte{0x18, 0x41, 3, 0xcc}, in4)), "gre:-1" + pair, "[]"},
		{"GFP with a frame", 171, gfp(0x0001, inE, make([]byte, 4)), "", "[]"},
		{"GFP with a frame of a channel and a check sequence", 171, join(gfp(0x1101, be16(0x0500), be16(0), inE, make([]byte, 8))), "", "[]"},
		{"GFP with PPP", 171, gfp(0x0002, []byte{0xff, 3, 0, 0x21}, in4), "", "[]"},
		{"GFP with a label", 170, gfp(0x000d, mplsLabel(9, 1, in4)), "mpls:9", "[]"},
		{"GFP with IPv6", 171, gfp(0x0011, in6), "", "[]"},
		{"Fibre Channel", 224, fc(0, snapIP), "", "[]"},
		{"Fibre Channel with long addresses", 224, fc(0x20, make([]byte, 16), snapIP), "", "[]"},
		{"Fibre Channel with its delimiters", 225, join([]byte{0xbc, 0xb5, 0x55, 0x55}, fc(0, snapIP), make([]byte, 8)), "", "[]"},
		{"an exported IP packet", 252, exported("ip", nil, in4), "", "[]"},
		{"an exported frame", 252, exported("eth_withoutfcs", nil, inE), "", "[]"},
		{"an exported segment", 252, exported("tcp", join(be16(20), be16(4), clientIP[:], be16(21), be16(4), serverIP[:]), tcp4), "", "[]"},
		{"BNEP", 187, h4(l2cap([]byte{2, 8, 0}, in4)), "", "[]"},
		{"BNEP with addresses and an extension", 201, join(be32(1), h4(l2cap([]byte{0x80}, testMACs, []byte{0x86, 0xdd, 0, 2, 9, 9}, in6))), "", "[]"},
		{"BNEP in Linux' monitor", 254, join(be16(0), be16(5), h4(l2cap([]byte{3}, testMACs[:6], be16(0x0800), in4))[1:]), "", "[]"},
		{"RNDIS", 189, usbmon(48, rndisPacket(inE)), "", "[]"},
		{"ECM", 220, usbmon(64, inE), "", "[]"},
		{"NCM", 220, usbmon(64, ncmBlock("NCM0", inE)), "", "[]"},
		{"MBIM", 220, usbmon(64, ncmBlock("IPS\x00", in6)), "", "[]"},
		{"EEM", 220, usbmon(64, join(leb16(len(inE)+4), inE, []byte{0xde, 0xad, 0xbe, 0xef})), "", "[]"},
		{"USBPcap", 249, join(leb16(27), make([]byte, 20), []byte{3}, leb32(len(inE)), inE), "", "[]"},
		{"USBPcap with NCM", 249, join(leb16(27), make([]byte, 20), []byte{3}, leb32(len(ncmBlock("NCM0", inE))), ncmBlock("NCM0", inE)), "", "[]"},
		{"USB of macOS with NCM", 266, join(leb16(0x100), []byte{32, 1}, leb32(len(ncmBlock("NCM0", inE))), make([]byte, 20), []byte{2, 5, 0x81, 2}, ncmBlock("NCM0", inE)), "", "[]"},
		{"USB of FreeBSD with NCM", 186, usbFreeBSD(ncmBlock("NCM0", inE)), "", "[]"},
		{"ATM with a frame of an emulated LAN", 100, join(be16(5), inE), "", "[]"},
		{"DOCSIS", 143, docsis(0, 0, nil, inE), "", "[]"},
		{"DOCSIS with an extended header", 143, docsis(1, 4, []byte{3, 0, 0, 0}, inE), "", "[]"},
		{"DOCSIS of an analyzer", 273, join([]byte{1, 1, 0, 3, 1, 1, 9}, docsis(0, 0, nil, inE)), "", "[]"},
		{"ERSPAN of type I behind a key", ether, over4(47, join(be16(0), be16(0x88be), inE)), "erspan:-1" + pair, "[]"},
	}
}

// native puts b into the byte order that most machines have.
func leb32(v int) []byte { return binary.LittleEndian.AppendUint32(nil, uint32(v)) }
func leb16(v int) []byte { return binary.LittleEndian.AppendUint16(nil, uint16(v)) }
