package decap

import (
	"encoding/binary"

	"recap/reader/packet"
)

// exportedProto is what a name that Wireshark gives to a protocol stands for, of those that
// begin a packet.
func exportedProto(name string) Proto {
	switch name {
	case "ip", "raw_ip", "rawip":
		return protoIP
	case "ipv6":
		return protoIPv6
	case "eth", "eth_withoutfcs", "eth_withfcs", "eth_maybefcs":
		return protoEthernet
	case "tcp":
		return protoTCP
	case "ppp", "ppp_hdlc":
		return protoPPPFrame
	case "wlan", "wlan_withoutfcs", "wlan_withfcs":
		return Link(packet.LinkWiFi)
	case "llc":
		return EtherType(0)
	case "mpls":
		return EtherType(0x8847)
	}
	return EtherType(0xffff)
}

// stepExported reads a part of a packet that Wireshark exported (LINKTYPE_WIRESHARK_UPPER_PDU):
// tags with the name of its protocol and with addresses that stood in headers before it.
func stepExported(s *state, b []byte) (Proto, []byte, error) {
	const name, src4, dst4, src6, dst6 = 12, 20, 21, 22, 23
	next, addresses := EtherType(0xffff), 0
	for len(b) >= 4 {
		tag, n := binary.BigEndian.Uint16(b), int(binary.BigEndian.Uint16(b[2:]))
		b = b[4:]
		if tag == 0 {
			if next == protoTCP && addresses != 2 {
				return 0, nil, DispNonIP // of nobody
			}
			s.haveIP = addresses == 2
			return next, b, nil
		}
		if n > len(b) {
			break
		}
		switch v := b[:n]; {
		case tag == name:
			for len(v) > 0 && v[len(v)-1] == 0 {
				v = v[:len(v)-1]
			}
			next = exportedProto(string(v))
		case tag == src4 && n == 4:
			putAddr4(&s.src, v)
			s.v6, addresses = false, addresses+1
		case tag == dst4 && n == 4:
			putAddr4(&s.dst, v)
			addresses++
		case tag == src6 && n == 16:
			copy(s.src[:], v)
			s.v6, addresses = true, addresses+1
		case tag == dst6 && n == 16:
			copy(s.dst[:], v)
			addresses++
		}
		b = b[n:]
	}
	return 0, nil, s.short()
}
