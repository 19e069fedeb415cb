package bpf

import (
	"encoding/binary"

	"recap/reader/packet"
)

func join(parts ...[]byte) []byte {
	var b []byte
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

func be16(v int) []byte { return binary.BigEndian.AppendUint16(nil, uint16(v)) }
func be32(v int) []byte { return binary.BigEndian.AppendUint32(nil, uint32(v)) }

func v4(src, dst byte, proto, frag int, opts, b []byte) []byte {
	return join([]byte{0x45 + byte(len(opts)/4), 0}, be16(20+len(opts)+len(b)), be16(7), be16(frag), []byte{64, byte(proto), 0, 0}, []byte{10, 0, 0, src, 10, 0, 0, dst}, opts, b)
}

func v6(src, dst byte, next int, b []byte) []byte {
	addr := func(last byte) []byte { return join([]byte{0x20, 1, 0xd, 0xb8}, make([]byte, 11), []byte{last}) }
	return join([]byte{0x60, 0, 0, 0}, be16(len(b)), []byte{byte(next), 64}, addr(src), addr(dst), b)
}

func segment(sport, dport int, flags byte, payload string) []byte {
	return join(be16(sport), be16(dport), be32(1), be32(2), []byte{0x50, flags}, be16(9), be32(0), []byte(payload))
}

func datagram(sport, dport int, b []byte) []byte {
	return join(be16(sport), be16(dport), be16(8+len(b)), be16(0), b)
}

func framed(typ int, b []byte) []byte {
	return join([]byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1}, be16(typ), b)
}

// network returns packets of IP and what is like it, by EtherType.
func network() (list []struct {
	typ int
	b   []byte
}) {
	add := func(typ int, b []byte) {
		list = append(list, struct {
			typ int
			b   []byte
		}{typ, b})
	}
	get := segment(1234, 80, 0x18, "GET / HTTP/1.1\r\n\r\n")
	add(0x0800, v4(1, 2, 6, 0x4000, nil, get))
	add(0x0800, v4(2, 1, 6, 0, nil, segment(80, 1234, 0x12, "")))
	add(0x0800, v4(3, 2, 6, 0, []byte{1, 1, 1, 0}, segment(4000, 443, 2, "")))
	add(0x0800, v4(1, 1, 6, 0, nil, segment(85, 85, 1, "x")))
	add(0x0800, v4(1, 2, 6, 0x2000, nil, get))
	add(0x0800, v4(1, 2, 6, 0x2003, nil, get))
	add(0x0800, v4(1, 2, 17, 0, nil, datagram(53, 53, []byte("query and more"))))
	add(0x0800, v4(9, 2, 17, 5, nil, datagram(53, 53, []byte("fragment"))))
	add(0x0800, v4(1, 2, 132, 0, nil, join(be16(7), be16(9), make([]byte, 20))))
	add(0x0800, v4(1, 2, 1, 0, nil, join([]byte{8, 0}, make([]byte, 20))))
	add(0x0800, v4(1, 2, 2, 0, nil, make([]byte, 8)))
	add(0x0800, v4(1, 2, 47, 0, nil, join(be16(0), be16(0x0800), v4(3, 4, 6, 0, nil, get))))
	for _, p := range []int{50, 51, 103, 112} {
		add(0x0800, v4(1, 2, p, 0, nil, make([]byte, 12)))
		add(0x86dd, v6(1, 2, p, make([]byte, 12)))
	}
	add(0x86dd, v6(1, 2, 6, get))
	add(0x86dd, v6(2, 1, 17, datagram(9, 53, []byte("abcdefgh"))))
	add(0x86dd, v6(1, 2, 44, join([]byte{6, 0, 0, 1}, be32(9), get)))
	add(0x86dd, v6(1, 2, 58, join([]byte{135, 0}, make([]byte, 22))))
	add(0x86dd, v6(1, 2, 132, join(be16(7), be16(9), make([]byte, 20))))
	add(0x86dd, v6(1, 2, 0, join([]byte{6, 0, 1, 4, 0, 0, 0, 0}, get)))
	add(0x86dd, v6(1, 2, 0, join([]byte{60, 0, 1, 4, 0, 0, 0, 0}, []byte{43, 1}, make([]byte, 14), []byte{51, 0, 0, 0, 0, 0, 0, 0}, []byte{6, 4}, make([]byte, 22), get)))
	add(0x86dd, v6(1, 2, 60, join([]byte{59, 0, 1, 4, 0, 0, 0, 0}, []byte("nothing"))))
	add(0x0800, v4(1, 2, 51, 0, nil, join([]byte{6, 4}, make([]byte, 22), get)))
	add(0x0800, v4(1, 2, 51, 0, []byte{1, 1, 1, 0}, join([]byte{17, 1}, make([]byte, 10), datagram(53, 53, nil))))
	multicast := v6(1, 2, 17, datagram(546, 547, nil))
	multicast[24] = 0xff
	add(0x86dd, multicast)
	group := v4(1, 2, 17, 0, nil, datagram(5353, 5353, nil))
	group[16] = 224
	add(0x0800, group)
	add(0x0806, join(be16(1), be16(0x0800), []byte{6, 4}, be16(1), make([]byte, 6), []byte{10, 0, 0, 1}, make([]byte, 6), []byte{10, 0, 0, 2}))
	add(0x8035, join(be16(1), be16(0x0800), []byte{6, 4}, be16(3), make([]byte, 6), []byte{10, 0, 0, 3}, make([]byte, 6), []byte{10, 0, 0, 1}))
	return list
}

func ethernetFrames() (list [][]byte) {
	var snap = func(oui []byte, typ int, b []byte) []byte {
		p := join([]byte{0xaa, 0xaa, 3}, oui, be16(typ), b)
		return framed(len(p), p)
	}
	label := func(l, bottom int, b []byte) []byte { return join(be32(l<<12|bottom<<8|64), b) }
	geneve := func(vni, typ int, opts, b []byte) []byte {
		return join([]byte{byte(len(opts) / 4), 0}, be16(typ), be32(vni<<8), opts, b)
	}
	for _, n := range network() {
		list = append(list, framed(n.typ, n.b),
			framed(0x8100, join(be16(5), be16(n.typ), n.b)),
			framed(0x88a8, join(be16(0x6005), be16(0x8100), be16(6), be16(n.typ), n.b)),
			framed(0x9100, join(be16(7), be16(n.typ), n.b)),
			snap([]byte{0, 0, 0}, n.typ, n.b),
		)
		ppp := map[int]int{0x0800: 0x21, 0x86dd: 0x57}[n.typ]
		if ppp == 0 {
			continue
		}
		list = append(list, framed(0x8847, label(16, 1, n.b)), framed(0x8847, label(16, 0, label(17, 1, n.b))), framed(0x8847, label(18, 0, label(16, 0, label(17, 1, n.b)))),
			framed(0x8864, join([]byte{0x11, 0}, be16(3), be16(2+len(n.b)), be16(ppp), n.b)),
			framed(0x8100, join(be16(5), be16(0x8864), []byte{0x11, 0}, be16(3), be16(2+len(n.b)), be16(ppp), n.b)),
			framed(0x0800, v4(4, 5, 17, 0, nil, datagram(9, 6081, geneve(7, 0x6558, nil, framed(n.typ, n.b))))),
			framed(0x0800, v4(4, 5, 17, 0, []byte{1, 1, 1, 0}, datagram(9, 6081, geneve(8, 0x6558, make([]byte, 8), framed(n.typ, n.b))))),
			framed(0x0800, v4(4, 5, 17, 0, nil, datagram(9, 6081, geneve(7, n.typ, make([]byte, 8), n.b)))),
			framed(0x86dd, v6(4, 5, 17, datagram(9, 6081, geneve(7, 0x6558, nil, framed(0x8100, join(be16(5), be16(n.typ), n.b)))))),
		)
	}
	broadcast := framed(0x0806, network()[len(network())-2].b)
	copy(broadcast, "\xff\xff\xff\xff\xff\xff")
	multicast := framed(0x0800, network()[0].b)
	multicast[0] = 3
	return append(list, broadcast, multicast,
		framed(38, join([]byte{0x42, 0x42, 3}, make([]byte, 35))), framed(38, join([]byte{0xe0, 0xe0, 3}, make([]byte, 35))),
		framed(38, join([]byte{0xf0, 0xf0, 3}, make([]byte, 35))), framed(38, join([]byte{0xfe, 0xfe, 3}, make([]byte, 35))),
		framed(38, join([]byte{6, 6, 3}, make([]byte, 35))), framed(38, join([]byte{0xff, 0xff}, make([]byte, 36))),
		framed(0x8137, make([]byte, 30)), framed(0x809b, make([]byte, 30)), framed(0x80f3, make([]byte, 30)), framed(0x6003, make([]byte, 30)), framed(0x6004, make([]byte, 30)),
		snap([]byte{8, 0, 7}, 0x809b, make([]byte, 20)), snap([]byte{0, 0, 0}, 0x80f3, make([]byte, 20)), snap([]byte{0, 0, 0}, 0x8137, make([]byte, 20)),
		framed(0x8863, make([]byte, 20)), framed(0x88cc, make([]byte, 20)), nil)
}

// cuts adds to frames what is left of them after a cut at every third byte.
func cuts(whole [][]byte) (list []frame) {
	for _, b := range whole {
		list = append(list, frame{b, len(b)})
		for n := len(b) - 1; n >= 0; n -= 3 {
			list = append(list, frame{b[:n], len(b)})
		}
	}
	return list
}

type zoo struct {
	name   string
	link   packet.LinkType
	macs   bool
	frames []frame
}

// zoos returns frames of many kinds for each link type.
func zoos() []zoo {
	wrap := func(f func(typ int, b []byte) []byte) []frame {
		var list [][]byte
		for _, n := range network() {
			if b := f(n.typ, n.b); b != nil {
				list = append(list, b)
			}
		}
		return cuts(list)
	}
	ipOnly := func(f func(six bool, b []byte) []byte) []frame {
		return wrap(func(typ int, b []byte) []byte {
			if typ != 0x0800 && typ != 0x86dd {
				return nil
			}
			return f(typ == 0x86dd, b)
		})
	}
	llc := func(typ int, b []byte) []byte { return join([]byte{0xaa, 0xaa, 3, 0, 0, 0}, be16(typ), b) }
	wifi := func(control, flags byte) []byte {
		h := join([]byte{control, flags, 0, 0}, []byte{2, 0, 0, 0, 0, 2}, []byte{2, 0, 0, 0, 0, 1}, []byte{2, 0, 0, 0, 0, 3}, []byte{0, 0})
		if control&0x80 != 0 {
			h = append(h, 0, 0)
		}
		return h
	}
	air := func(head []byte) []frame {
		list := wrap(func(typ int, b []byte) []byte { return join(head, wifi(0x08, 1), llc(typ, b)) })
		list = append(list, wrap(func(typ int, b []byte) []byte { return join(head, wifi(0x88, 2), llc(typ, b)) })...)
		for _, control := range []byte{0x80, 0xb4, 0x48} {
			list = append(list, frame{join(head, wifi(control, 0), make([]byte, 40)), 80})
		}
		return append(list, frame{join(head, wifi(8, 3), make([]byte, 40)), 80}, frame{join(head, wifi(8, 0), make([]byte, 40)), 80})
	}
	null := func(six bool, b []byte) []byte {
		if six {
			return join([]byte{30, 0, 0, 0}, b)
		}
		return join([]byte{2, 0, 0, 0}, b)
	}
	ppp := func(six bool, b []byte) []byte {
		if six {
			return join([]byte{0xff, 3, 0, 0x57}, b)
		}
		return join([]byte{0xff, 3, 0, 0x21}, b)
	}
	raw := func(six bool, b []byte) []byte { return b }
	kind := 0 // of packet, to us or from us, and the number of an interface
	return []zoo{
		{"Ethernet", packet.LinkEthernet, true, cuts(ethernetFrames())},
		{"SLL", packet.LinkSLL, false, wrap(func(typ int, b []byte) []byte {
			kind++
			return join(be16(kind%5), be16(1), be16(6), make([]byte, 8), be16(typ), b)
		})},
		{"SLL2", packet.LinkSLL2, false, wrap(func(typ int, b []byte) []byte {
			kind++
			return join(be16(typ), be16(0), be32(kind%3), be16(1), []byte{byte(kind % 5)}, make([]byte, 9), b)
		})},
		{"NULL", packet.LinkNull, false, ipOnly(null)},
		{"raw", packet.LinkRaw, false, ipOnly(raw)},
		{"IPv4", packet.LinkIPv4, false, ipOnly(raw)},
		{"IPv6", packet.LinkIPv6, false, ipOnly(raw)},
		{"PPP", packet.LinkPPP, false, ipOnly(ppp)},
		{"HDLC", packet.LinkCHDLC, false, wrap(func(typ int, b []byte) []byte { return join([]byte{0xf, 0}, be16(typ), b) })},
		{"802.11", packet.LinkWiFi, true, air(nil)},
		{"radiotap", packet.LinkRadiotap, true, air([]byte{0, 0, 10, 0, 0, 0, 0, 0, 1, 2})},
	}
}
