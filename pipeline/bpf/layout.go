package bpf

import (
	"encoding/binary"

	"recap/reader/packet"
)

// linkKind is how a link layer tells what it carries.
type linkKind uint8

const (
	kindNone linkKind = iota // in no way that is known
	kindEther
	kindSLL
	kindHDLC
	kindPPP
	kindNull // address family in either order
	kindRaw  // version nibble
	kindIPv4 // always IPv4
	kindIPv6
	kindLLC  // FDDI
	kindWiFi // LLC behind 802.11
	kindPFLog
	kindARCnet
)

// A layout says where in packets of a link type things are.
type layout struct {
	link     packet.LinkType
	kind     linkKind
	frame    pos    // beginning of the link layer
	ltype    pos    // of the field that names the protocol
	payload  pos    // behind the link layer
	nl       uint32 // network header, behind payload
	tunneled bool   // inside GENEVE or VXLAN
}

// links are the link types that filters know. Bases 1 and 2 are those of 802.11.
var links = []layout{
	{link: packet.LinkEthernet, kind: kindEther, ltype: pos{off: 12}, payload: pos{off: 14}},
	{link: packet.LinkNull, kind: kindNull, payload: pos{off: 4}},
	{link: packet.LinkLoop, kind: kindNull, payload: pos{off: 4}},
	{link: 109, kind: kindNull, payload: pos{off: 12}}, // enc
	{link: packet.LinkRaw, kind: kindRaw},
	{link: packet.LinkRawBSD, kind: kindRaw},
	{link: packet.LinkRawOBSD, kind: kindRaw},
	{link: packet.LinkIPv4, kind: kindIPv4},
	{link: packet.LinkIPv6, kind: kindIPv6},
	{link: packet.LinkSLL, kind: kindSLL, ltype: pos{off: 14}, payload: pos{off: 16}},
	{link: packet.LinkSLL2, kind: kindSLL, ltype: pos{off: 0}, payload: pos{off: 20}},
	{link: packet.LinkPPP, kind: kindPPP, ltype: pos{off: 2}, payload: pos{off: 4}},
	{link: 50, kind: kindPPP, ltype: pos{off: 2}, payload: pos{off: 4}},
	{link: 51, kind: kindPPP, ltype: pos{off: 6}, payload: pos{off: 8}},
	{link: packet.LinkCHDLC, kind: kindHDLC, ltype: pos{off: 2}, payload: pos{off: 4}},
	{link: 10, kind: kindLLC, payload: pos{off: 13}, nl: 8}, // FDDI
	{link: packet.LinkWiFi, kind: kindWiFi, frame: pos{base: 1}, payload: pos{base: 2}, nl: 8},
	{link: packet.LinkRadiotap, kind: kindWiFi, frame: pos{base: 1}, payload: pos{base: 2}, nl: 8},
	{link: packet.LinkPPI, kind: kindWiFi, frame: pos{base: 1}, payload: pos{base: 2}, nl: 8},
	{link: 117, kind: kindPFLog, payload: pos{base: 1}},
	{link: 7, kind: kindARCnet, ltype: pos{off: 2}, payload: pos{off: 6}},
	{link: 129, kind: kindARCnet, ltype: pos{off: 4}, payload: pos{off: 8}},
}

// prologue returns the instruction that finds the bases of layout l, as far as the
// expression looks at bytes behind them; or nil.
func (g *generator) prologue(l *layout) *cond {
	in := instr{a: 1}
	switch {
	case l.kind == kindWiFi && (g.used[1] || g.used[2]):
		in.op = opWiFi
		if l.link != packet.LinkWiFi {
			in.k = 1
		}
		if g.used[2] {
			in.mask = 1
		}
	case l.kind == kindPFLog && g.used[1]:
		in.op = opPFLog
	default:
		return nil
	}
	return &cond{op: condDo, l: always, in: in}
}

// linkType holds for packets that carry t: an EtherType, or an LLC access point up to
// 255.
func (g *generator) linkType(t uint32) *cond {
	if g.labels > 0 {
		// MPLS does not tell: behind the last label, the version nibble does.
		nibble := map[uint32]uint32{0x0800: 0x40, 0x86dd: 0x60}[t]
		if nibble == 0 {
			return never
		}
		return and(g.test(g.net(), 1<<32-4+2, 1, 1, equal, 1), g.test(g.net(), 0, 1, 0xf0, equal, nibble))
	}
	switch g.kind {
	case kindEther:
		return g.etherType(t, func() *cond { return negate(g.test(g.ltype, 0, 2, 1<<32-1, greater, 1500)) })
	case kindSLL:
		return g.etherType(t, func() *cond { return g.is(g.ltype, 0, 2, 4) })
	case kindHDLC:
		return g.is(g.ltype, 0, 2, t)
	case kindPPP:
		if p, ok := pppTypes[t]; ok {
			t = p
		}
		return g.is(g.ltype, 0, 2, t)
	case kindNull:
		return g.families(g.ltype, 4, t)
	case kindPFLog:
		return g.families(pos{off: 1}, 1, t)
	case kindARCnet:
		c := never
		for _, n := range map[uint32][]uint32{0x0800: {212, 240}, 0x86dd: {196}, 0x0806: {213, 241}, 0x8035: {214}}[t] {
			c = or(c, g.is(g.ltype, 0, 1, n))
		}
		return c
	case kindRaw:
		switch t {
		case 0x0800:
			return g.test(g.payload, 0, 1, 0xf0, equal, 0x40)
		case 0x86dd:
			return g.test(g.payload, 0, 1, 0xf0, equal, 0x60)
		}
	case kindIPv4:
		if t == 0x0800 {
			return always
		}
	case kindIPv6:
		if t == 0x86dd {
			return always
		}
	case kindLLC:
		return g.llcType(t)
	case kindWiFi:
		return and(g.test(g.frame, 0, 1, 0x0c, equal, 8), g.llcType(t))
	}
	return never
}

// pppTypes are the numbers that PPP has for EtherTypes.
var pppTypes = map[uint32]uint32{
	0x0800: 0x21, 0x86dd: 0x57, 0x6003: 0x27, 0x809b: 0x29, 0x0600: 0x25, 0xfe: 0x23, 0x42: 0x31, 0xe0: 0x2b, 0x8847: 0x281, 0x8848: 0x283,
}

// families holds for the address families of IPv4 and IPv6, which systems number in
// several ways and files have in either byte order.
func (g *generator) families(at pos, size uint8, t uint32) *cond {
	c := never
	for _, af := range map[uint32][]uint32{0x0800: {2}, 0x86dd: {24, 28, 30}}[t] {
		c = or(c, g.is(at, 0, size, af))
		if size == 4 {
			c = or(c, g.is(at, 0, 4, af<<24))
		}
	}
	return c
}

// etherType is linkType where the field is an EtherType or, where is8023 holds, says
// that LLC follows.
func (g *generator) etherType(t uint32, is8023 func() *cond) *cond {
	snap := func(oui, t uint32) *cond {
		return and(g.is(g.payload, 4, 4, oui<<16|t), g.is(g.payload, 0, 4, 0xaaaa0300|oui>>16))
	}
	switch {
	case t == 0x809b: // AppleTalk's organisation
		return or(g.is(g.ltype, 0, 2, t), and(is8023(), snap(0x080007, t)))
	case t == 0x80f3:
		return or(g.is(g.ltype, 0, 2, t), and(is8023(), snap(0, t)))
	case t == 0xe0: // IPX has all there is
		return or(g.is(g.ltype, 0, 2, 0x8137), and(is8023(), or(snap(0, 0x8137), g.is(g.payload, 0, 1, t), g.is(g.payload, 0, 2, 0xffff))))
	case t == 0xfe || t == 0xf0 || t == 0x06:
		return and(is8023(), g.is(g.payload, 0, 2, t<<8|t))
	case t <= 1500:
		return and(is8023(), g.is(g.payload, 0, 1, t))
	}
	return g.is(g.ltype, 0, 2, t)
}

func (g *generator) llcType(t uint32) *cond {
	switch {
	case t == 0xfe || t == 0xf0 || t == 0x06:
		return g.is(g.payload, 0, 2, t<<8|t)
	case t <= 1500:
		return g.is(g.payload, 0, 1, t)
	}
	return g.is(g.payload, 6, 2, t)
}

// llc holds for packets with LLC, of a kind of frame where n names one.
func (g *generator) llc(n *llcKind) *cond {
	c := always
	switch g.kind {
	case kindEther: // two bytes 0xff are raw IPX
		c = and(negate(g.test(g.ltype, 0, 2, 1<<32-1, greater, 1500)), negate(g.is(g.payload, 0, 2, 0xffff)))
	case kindLLC:
	case kindWiFi:
		c = g.test(g.frame, 0, 1, 0x0c, equal, 8)
	default:
		return never
	}
	if n.word == "" {
		return c
	}
	return and(c, g.test(g.payload, 2, 1, n.mask, equal, n.k))
}

// isoAt is where behind the link layer the network layer of ISO begins.
func (g *generator) isoAt() uint32 {
	switch g.kind {
	case kindEther, kindLLC, kindWiFi:
		return 3 // LLC
	}
	return 0
}

// framed is c for packets that have a link layer: one inside GENEVE may have none.
func (g *generator) framed(c *cond) *cond {
	if !g.tunneled {
		return c
	}
	return and(negate(&cond{op: condTest, in: instr{op: opFramed, a: g.frame.base, cond: greater}}), c)
}

// linkDst is f of where the destination of the link layer is.
func (g *generator) linkDst(f func(at pos, off uint32) *cond) *cond { return g.linkAddr(dst, f) }

func (g *generator) linkAddr(d dir, f func(at pos, off uint32) *cond) *cond {
	switch g.kind {
	case kindEther, kindLLC:
		off := uint32(0)
		if d == src {
			off = 6
		}
		if g.kind == kindLLC {
			off++ // behind frame control
		}
		return g.framed(f(g.frame, off))
	case kindWiFi:
		// Where addresses stand depends on the direction (IEEE 802.11, table 9-26).
		bit := func(off, mask uint32) *cond { return negate(g.test(g.frame, off, 1, mask, equal, 0)) }
		data, control := g.test(g.frame, 0, 1, 0x0c, equal, 8), bit(0, 4)
		if d == src {
			fromDS := or(and(bit(1, 1), f(g.frame, 24)), and(negate(bit(1, 1)), f(g.frame, 16)))
			return and(negate(control), or(and(negate(data), f(g.frame, 10)),
				and(data, or(and(bit(1, 2), fromDS), and(negate(bit(1, 2)), f(g.frame, 10))))))
		}
		return and(negate(control), or(and(negate(data), f(g.frame, 4)),
			and(data, or(and(bit(1, 1), f(g.frame, 16)), and(negate(bit(1, 1)), f(g.frame, 4))))))
	}
	return never
}

func (g *generator) mac(n *hostMAC, d dir) *cond {
	return g.linkAddr(d, func(at pos, off uint32) *cond {
		return and(g.is(at, off+2, 4, binary.BigEndian.Uint32(n.mac[2:])), g.is(at, off, 2, uint32(binary.BigEndian.Uint16(n.mac[:]))))
	})
}
