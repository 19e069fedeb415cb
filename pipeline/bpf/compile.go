package bpf

import (
	"encoding/binary"
	"errors"
	"slices"

	"recap/reader/packet"
)

// A cond is a tree of instructions that test.
type cond struct {
	op   condOp
	l, r *cond
	in   instr
}

type condOp uint8

const (
	condTrue condOp = iota
	condFalse
	condAnd
	condOr
	condNot
	condTest // in, which goes on by what it finds
	condDo   // in, then l
)

var always, never = &cond{op: condTrue}, &cond{op: condFalse}

func and(list ...*cond) *cond {
	c := always
	for _, d := range list {
		switch {
		case c.op == condFalse || d.op == condTrue:
		case c.op == condTrue || d.op == condFalse:
			c = d
		default:
			c = &cond{op: condAnd, l: c, r: d}
		}
	}
	return c
}

func or(list ...*cond) *cond {
	c := never
	for _, d := range list {
		switch {
		case c.op == condTrue || d.op == condFalse:
		case c.op == condFalse || d.op == condTrue:
			c = d
		default:
			c = &cond{op: condOr, l: c, r: d}
		}
	}
	return c
}

func negate(c *cond) *cond {
	switch c.op {
	case condTrue:
		return never
	case condFalse:
		return always
	}
	return &cond{op: condNot, l: c}
}

// maxCode bounds the instructions of a program.
const maxCode = 1 << 16

// compile makes the program of an expression for packets of layout l.
func compile(n node, l layout) (*program, error) {
	g := &generator{layout: l, outer: l.link, bases: 3}
	c := always
	if n != nil {
		c = g.cond(n)
	}
	if g.err == "" && g.size > maxCode {
		g.err = "the expression is too long"
	}
	if g.err != "" {
		return nil, errors.New(g.err)
	}
	p := &program{}
	p.entry = p.emit(c, accept, reject)
	if start := g.prologue(&l); start != nil && p.entry >= 0 {
		p.entry = p.emit(start, p.entry, reject)
	}
	return p, nil
}

// emit appends the code of c, which goes on at yes or no, and returns where it starts.
// Code is written from its end, so that it is known where to go on.
func (p *program) emit(c *cond, yes, no int32) int32 {
	switch c.op {
	case condTrue:
		return yes
	case condFalse:
		return no
	case condAnd:
		return p.emit(c.l, p.emit(c.r, yes, no), no)
	case condOr:
		return p.emit(c.l, yes, p.emit(c.r, yes, no))
	case condNot:
		return p.emit(c.l, no, yes)
	case condDo:
		yes = p.emit(c.l, yes, no)
	}
	in := c.in
	in.jt, in.jf = yes, no
	if in.op == opTest && in.base == 0 && !in.tran {
		in.op = opPlain
	}
	p.code = append(p.code, in)
	return int32(len(p.code) - 1)
}

// A generator turns nodes into conds. Its layout moves inwards as it goes through
// the expression from left to right.
type generator struct {
	layout
	outer  packet.LinkType
	labels int   // MPLS labels gone through
	bases  uint8 // given out; 1 and 2 are for the link layer
	used   [3]bool
	size   int
	err    string
}

// pos is a place in the packet.
type pos struct {
	base uint8
	off  uint32
}

func (g *generator) test(at pos, off uint32, size uint8, mask uint32, op uint8, k uint32) *cond {
	g.size++
	g.use(at.base)
	return &cond{op: condTest, in: instr{op: opTest, size: size, base: at.base, off: at.off + off, mask: mask, cond: op, k: k}}
}

func (g *generator) use(base uint8) {
	if int(base) < len(g.used) {
		g.used[base] = true
	}
}

func (g *generator) is(at pos, off uint32, size uint8, k uint32) *cond {
	return g.test(at, off, size, 1<<32-1, equal, k)
}

// net is the place of the network header.
func (g *generator) net() pos { return pos{g.payload.base, g.payload.off + g.nl} }

func (g *generator) cond(n node) *cond {
	if g.size > maxCode {
		return never // compile reports it
	}
	switch n := n.(type) {
	case *junction:
		l := g.cond(n.l)
		r := g.cond(n.r)
		if n.and {
			return and(l, r)
		}
		return or(l, r)
	case *not:
		return negate(g.cond(n.x))
	case *isProto:
		return g.proto(n.p)
	case *host4:
		return g.host4(n)
	case *host6:
		return and(g.linkType(0x86dd), g.dir(n.d, func(d dir) *cond { return g.addr6(n, d) }))
	case *hostMAC:
		return g.dir(n.d, func(d dir) *cond { return g.mac(n, d) })
	case *portRange:
		return g.ports(n)
	case *protoNumber:
		return g.protoNumber(n)
	case *llcKind:
		return g.llc(n)
	case *whence:
		return g.whence(n)
	case *cast:
		return g.cast(n)
	case *inside:
		return g.inside(n)
	case *relation:
		return g.relation(n)
	}
	panic("bpf: a node of no kind")
}

// dir joins what f gives for source and destination.
func (g *generator) dir(d dir, f func(dir) *cond) *cond {
	switch d {
	case either:
		return or(f(src), f(dst))
	case both:
		return and(f(src), f(dst))
	}
	return f(d)
}

func (g *generator) proto(p proto) *cond {
	d := &protos[p]
	if d.ether != 0 {
		return g.linkType(d.ether)
	}
	c := never
	if d.v4 {
		c = or(c, g.ip4Proto(d.ip))
	}
	if d.v6 {
		if p == icmp6 {
			return or(c, and(g.linkType(0x86dd), g.ip6Proto(d.ip)))
		}
		c = or(c, and(g.linkType(0x86dd), g.ip6Proto(d.ip)))
	}
	return c
}

func (g *generator) ip4Proto(n uint32) *cond {
	return and(g.linkType(0x0800), g.is(g.net(), 9, 1, n))
}

// ip6Proto looks at the next header, also behind a fragment header.
func (g *generator) ip6Proto(n uint32) *cond {
	return or(g.is(g.net(), 6, 1, n), and(g.is(g.net(), 6, 1, 44), g.is(g.net(), 40, 1, n)))
}

func (g *generator) protoNumber(n *protoNumber) *cond {
	switch {
	case n.chain:
		return or(g.chain(n, ip), g.chain(n, ip6))
	case n.p == iso:
		return and(g.linkType(protos[iso].ether), g.is(g.payload, g.isoAt(), 1, n.n))
	}
	switch n.p {
	case link:
		return g.linkType(n.n)
	case ip:
		return g.ip4Proto(n.n)
	case ip6:
		return and(g.linkType(0x86dd), g.ip6Proto(n.n))
	}
	return or(g.ip4Proto(n.n), and(g.linkType(0x86dd), g.ip6Proto(n.n)))
}

// chain looks for a protocol behind extension headers, in IPv4 those of
// authentication. Later fragments are looked at as if they had headers.
func (g *generator) chain(n *protoNumber, version proto) *cond {
	if n.p != none && n.p != version {
		return never
	}
	at := g.net()
	g.size++
	g.use(at.base)
	c := &cond{op: condTest, in: instr{op: opChain, base: at.base, off: at.off, tran: version == ip, cond: equal, k: n.n}}
	return and(g.linkType(protos[version].ether), c)
}

// whence looks at what the header of a capture of all interfaces says.
func (g *generator) whence(n *whence) *cond {
	const outgoing = 4
	var sent *cond
	switch {
	case n.word == ifindex && g.outer == packet.LinkSLL2:
		return g.is(pos{}, 4, 4, n.n)
	case n.word == ifindex:
		return never
	case g.outer == packet.LinkSLL:
		sent = g.is(pos{}, 0, 2, outgoing)
	case g.outer == packet.LinkSLL2:
		sent = g.is(pos{}, 10, 1, outgoing)
	default:
		return never
	}
	if n.word == inbound {
		return negate(sent)
	}
	return sent
}

func (g *generator) host4(n *host4) *cond {
	at := func(ether uint32, from, to uint32) *cond {
		return and(g.linkType(ether), g.dir(n.d, func(d dir) *cond {
			off := from
			if d == dst {
				off = to
			}
			return g.test(g.net(), off, 4, n.mask, equal, n.addr)
		}))
	}
	c := never
	if n.p == none || n.p == ip {
		c = at(0x0800, 12, 16)
	}
	if (n.p == none || n.p == arp) && g.labels == 0 {
		c = or(c, at(0x0806, 14, 24))
	}
	if (n.p == none || n.p == rarp) && g.labels == 0 {
		c = or(c, at(0x8035, 14, 24))
	}
	return c
}

func (g *generator) addr6(n *host6, d dir) *cond {
	off := uint32(8)
	if d == dst {
		off = 24
	}
	addr, c := n.addr.Addr().As16(), always
	// Words behind the prefix are looked at too: they must be there.
	for i, bits := 0, n.addr.Bits(); i < 16; i, bits = i+4, bits-32 {
		mask := ^uint32(0) << max(0, min(32-bits, 32))
		c = and(c, g.test(g.net(), off+uint32(i), 4, mask, equal, binary.BigEndian.Uint32(addr[i:])))
	}
	return c
}

// ports looks at ports of IPv6 without extension headers, and of IPv4 first fragments.
func (g *generator) ports(n *portRange) *cond {
	protocols := func(off uint32) *cond {
		if n.p != none {
			return g.is(g.net(), off, 1, protos[n.p].ip)
		}
		return or(g.is(g.net(), off, 1, 6), g.is(g.net(), off, 1, 17), g.is(g.net(), off, 1, 132))
	}
	port := func(tran bool, off uint32) *cond {
		return g.dir(n.d, func(d dir) *cond {
			off := off
			if d == dst {
				off += 2
			}
			at := func(op uint8, k uint32) *cond {
				c := g.test(g.net(), off, 2, 1<<32-1, op, k)
				c.in.tran, c.in.nl = tran, g.net().off
				return c
			}
			if n.lo == n.hi {
				return at(equal, n.lo)
			}
			return and(at(atLeast, n.lo), negate(at(greater, n.hi)))
		})
	}
	return or(
		and(g.linkType(0x86dd), protocols(6), port(false, 40)),
		and(g.linkType(0x0800), protocols(9), g.first(), port(true, 0)))
}

// first holds for IPv4 packets that are no later fragments.
func (g *generator) first() *cond { return g.test(g.net(), 6, 2, 0x1fff, equal, 0) }

func (g *generator) cast(n *cast) *cond {
	switch {
	case n.p == ip:
		return and(g.linkType(0x0800), g.test(g.net(), 16, 1, 1<<32-1, atLeast, 224))
	case n.p == ip6:
		return and(g.linkType(0x86dd), g.is(g.net(), 24, 1, 255))
	case n.multicast:
		return g.linkDst(func(at pos, off uint32) *cond { return g.test(at, off, 1, 1, equal, 1) })
	}
	return g.linkDst(func(at pos, off uint32) *cond {
		return and(g.is(at, off+2, 4, 1<<32-1), g.is(at, off, 2, 0xffff))
	})
}

func (g *generator) inside(n *inside) *cond {
	switch n.what {
	case "vlan":
		return g.vlan(n)
	case "mpls":
		return g.mpls(n)
	case "pppoes":
		return g.pppoes(n)
	}
	return g.overUDP(n)
}

// vlan looks for a VLAN tag, and moves behind it.
func (g *generator) vlan(n *inside) *cond {
	c := never
	switch g.kind {
	case kindEther, kindSLL, kindHDLC, kindWiFi:
		c = or(g.linkType(0x8100), g.linkType(0x88a8), g.linkType(0x9100))
	}
	if !n.any {
		c = and(c, g.test(g.net(), 0, 2, 0x0fff, equal, n.id))
	}
	g.ltype.off += 4
	g.payload.off += 4
	return c
}

// mpls looks for a label, and moves behind it.
func (g *generator) mpls(n *inside) *cond {
	var c *cond
	if g.labels > 0 {
		c = g.test(g.net(), 1<<32-4+2, 1, 1, equal, 0) // the label before is not the last
	} else {
		c = g.linkType(0x8847)
	}
	if !n.any {
		c = and(c, g.test(g.net(), 0, 4, 0xfffff000, equal, n.id<<12))
	}
	g.nl += 4
	g.labels++
	return c
}

// pppoes looks for a PPPoE session, and moves into PPP.
func (g *generator) pppoes(n *inside) *cond {
	c := g.linkType(0x8864)
	if !n.any {
		c = and(c, g.is(g.net(), 2, 2, n.id))
	}
	at := pos{g.payload.base, g.payload.off + g.nl + 6}
	g.layout = layout{kind: kindPPP, frame: at, ltype: at, payload: pos{at.base, at.off + 2}}
	g.labels = 0
	return c
}

// overUDP looks for GENEVE or VXLAN, and moves into the frame inside.
func (g *generator) overUDP(n *inside) *cond {
	if int(g.bases)+3 > maxBases {
		g.err = "there are too many tunnels in the expression"
		return never
	}
	op, port := opGeneve, uint32(6081)
	if n.what == "vxlan" {
		op, port = opVXLAN, 4789
	}
	via := func(v4 bool) *cond {
		off := uint32(40)
		udp := and(g.linkType(0x86dd), g.is(g.net(), 6, 1, 17))
		if v4 {
			off, udp = 0, and(g.linkType(0x0800), g.is(g.net(), 9, 1, 17), g.first())
		}
		at := func(o uint32, size uint8, mask, k uint32) *cond {
			c := g.test(g.net(), off+o, size, mask, equal, k)
			c.in.tran, c.in.nl = v4, g.net().off
			return c
		}
		c := and(udp, at(2, 2, 1<<32-1, port))
		if op == opVXLAN {
			c = and(c, at(8, 1, 8, 8))
		} else {
			c = and(c, at(8, 1, 0xc0, 0))
		}
		if !n.any {
			c = and(c, at(12, 4, 0xffffff00, n.id<<8))
		}
		g.use(g.payload.base)
		do := &cond{op: condDo, l: always, in: instr{op: op, a: g.bases, base: g.payload.base, tran: v4, nl: g.net().off}}
		return and(c, do)
	}
	c := or(via(true), via(false))
	b := g.bases
	g.bases += 3
	g.layout = layout{kind: kindEther, ltype: pos{b, 0}, frame: pos{b + 1, 0}, payload: pos{b + 2, 0}, tunneled: true}
	g.labels = 0
	return c
}

// relation compares two numbers, where the packet has what they are made of.
func (g *generator) relation(n *relation) *cond {
	need := and(g.needs(n.l), g.needs(n.r))
	op, negated := uint8(equal), false
	switch n.op {
	case "!=":
		negated = true
	case ">":
		op = greater
	case ">=":
		op = atLeast
	case "<":
		op, negated = atLeast, true
	case "<=":
		op, negated = greater, true
	}
	c := g.simple(n.l, n.r, op)
	if c == nil {
		c = &cond{op: condTest, in: instr{op: opTestReg, cond: op, a: 0, b: 1}}
		list := append(g.number(n.l, 0), g.number(n.r, 1)...)
		for _, in := range slices.Backward(list) {
			c = &cond{op: condDo, l: c, in: in}
		}
		g.size += len(list) + 1
	}
	if negated {
		c = negate(c)
	}
	return and(need, c)
}

// needs holds for packets that have what a is made of.
func (g *generator) needs(a arith) *cond {
	switch a := a.(type) {
	case *calc:
		if a.sign {
			return g.needs(a.r)
		}
		return g.needs(a.l) // libpcap forgets about the right one
	case *load:
		c := g.needs(a.at)
		switch d := &protos[a.p]; {
		case a.p == link:
			return c
		case a.p == icmp6:
			return and(c, g.linkType(0x86dd), g.is(g.net(), 6, 1, d.ip))
		case d.ip != 0: // over IPv4 only
			return and(g.linkType(0x0800), c, g.proto(a.p), g.first())
		default:
			return and(c, g.proto(a.p))
		}
	}
	return always
}

// place returns an instruction for where byte 0 of what p names is.
func (g *generator) place(p proto) instr {
	at := g.net()
	if p == link {
		at = g.frame
	}
	g.use(at.base)
	switch d := &protos[p]; {
	case p == link:
		return instr{base: at.base, off: at.off}
	case p == icmp6:
		return instr{base: at.base, off: at.off + 40}
	case d.ip != 0:
		return instr{base: at.base, off: at.off, tran: true, nl: at.off}
	}
	return instr{base: at.base, off: at.off}
}

// simple returns a comparison that takes one instruction, or nil.
func (g *generator) simple(l, r arith, op uint8) *cond {
	k, ok := r.(constant)
	if !ok {
		return nil
	}
	mask := uint32(1<<32 - 1)
	if c, ok := l.(*calc); ok && c.op == "&" {
		if m, ok := c.r.(constant); ok {
			l, mask = c.l, uint32(m)
		}
	}
	g.size++
	switch a := l.(type) {
	case length:
		if mask == 1<<32-1 {
			return &cond{op: condTest, in: instr{op: opTestLen, cond: op, k: uint32(k)}}
		}
	case *load:
		at, ok := a.at.(constant)
		in := g.place(a.p)
		if off := uint64(in.off) + uint64(at); ok && off < 1<<31 {
			in.op, in.size, in.off, in.mask, in.cond, in.k = opTest, uint8(a.size), uint32(off), mask, op, uint32(k)
			return &cond{op: condTest, in: in}
		}
	}
	return nil
}

// number returns instructions that compute a into a register; the ones above it are free.
func (g *generator) number(a arith, reg uint8) []instr {
	if reg >= maxRegs {
		g.err = "the arithmetic is nested too deeply"
		return nil
	}
	switch a := a.(type) {
	case constant:
		return []instr{{op: opConst, a: reg, k: uint32(a)}}
	case length:
		return []instr{{op: opLen, a: reg}}
	case *load:
		in := g.place(a.p)
		in.op, in.size, in.a, in.b, in.index = opLoad, uint8(a.size), reg, reg, true
		return append(g.number(a.at, reg), in)
	case *calc:
		op := a.op[0]
		switch a.op {
		case "<<":
			op = left
		case ">>":
			op = right
		}
		return append(append(g.number(a.l, reg), g.number(a.r, reg+1)...), instr{op: opArith, cond: op, a: reg, b: reg + 1})
	}
	panic("bpf: a number of no kind")
}
