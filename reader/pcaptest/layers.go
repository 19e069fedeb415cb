package pcaptest

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"recap/reader/packet"
)

var be = binary.BigEndian

type kind uint8

const (
	vlan kind = iota
	svlan
	mpls
	pppoe
	vxlan
	geneve
	gre
	gretap
	erspan1
	erspan2
	erspan3
	ipip
	gtpu
)

// tunnel reports whether the layer brings an IP header of its own.
func (k kind) tunnel() bool { return k >= vxlan }

var layerWords = map[string]kind{
	"vlan": vlan, "svlan": svlan, "mpls": mpls, "pppoe": pppoe, "vxlan": vxlan, "geneve": geneve,
	"gre": gre, "gretap": gretap, "erspan1": erspan1, "erspan": erspan2, "erspan3": erspan3,
	"ipip": ipip, "gtpu": gtpu,
}

// layer is one encapsulation of a line.
type layer struct {
	kind  kind
	id    uint64
	hasID bool
	outer [2]netip.AddrPort
}

func (p *lineParser) layer(k kind, val string, has bool) error {
	y := layer{kind: k, hasID: has, outer: p.outer}
	if has {
		n, err := strconv.ParseUint(val, 0, 32)
		if err != nil {
			return err
		}
		y.id = n
	} else if k != gre && k != gretap && k != ipip {
		return fmt.Errorf("wants =NUMBER")
	}
	p.l.layers = append(p.l.layers, y)
	return nil
}

type ipFields struct {
	ttl, id int
	df      bool
	badSum  bool
}

const (
	typeIPv4  = 0x0800
	typeIPv6  = 0x86dd
	typeMPLS  = 0x8847
	typePPPoE = 0x8864
	typeTEB   = 0x6558 // transparent Ethernet bridging
)

// unit is a piece of a packet on its way outwards: bytes and what they are.
type unit struct {
	b    []byte
	typ  uint16 // EtherType of b
	macs [2][6]byte
}

// frames builds the frame of a segment, or its fragments.
func (b *builder) frames(l *line, s segment) ([][]byte, error) {
	src, dst := l.src, l.dst
	if s.back {
		src, dst = dst, src
	}
	proto, body := uint8(6), []byte(nil)
	switch {
	case l.proto >= 0:
		proto, body = uint8(l.proto), s.payload
	case l.udp:
		proto, body = 17, udpHeader(src, dst, s.payload, l)
	default:
		body = tcpHeader(src, dst, s, l)
	}
	macs := macsOf(src.Addr(), dst.Addr())
	if l.mac != nil {
		macs = *l.mac
		if s.back {
			macs[0], macs[1] = macs[1], macs[0]
		}
	}
	units := []unit{}
	for _, d := range b.ip(src.Addr(), dst.Addr(), proto, body, l.ip, l.frag) {
		units = append(units, unit{d, etherType(src.Addr()), macs})
	}
	if err := b.wrap(l, &units); err != nil {
		return nil, err
	}
	var out [][]byte
	for _, u := range units {
		f, err := link(l.link, u)
		if err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	return out, nil
}

// wrap puts the line's layers around the units, innermost first.
func (b *builder) wrap(l *line, units *[]unit) error {
	firstTunnel := -1
	lastTunnel := -1
	for i, y := range l.layers {
		if y.kind.tunnel() {
			if firstTunnel < 0 {
				firstTunnel = i
			}
			lastTunnel = i
		}
	}
	if lastTunnel < 0 {
		lastTunnel = 0
	}
	for i := len(l.layers) - 1; i >= 0; i-- {
		y := l.layers[i]
		var next []unit
		for _, u := range *units {
			if l.mirror >= 0 && i == lastTunnel && y.kind.tunnel() {
				u = mirrorCut(u, l.mirror)
			}
			if !y.kind.tunnel() {
				next = append(next, y.shim(u))
				continue
			}
			frag := 0
			if i == firstTunnel {
				frag = l.ofrag
			}
			proto, body := y.encapsulate(u)
			macs := macsOf(y.outer[0].Addr(), y.outer[1].Addr())
			if l.omac != nil {
				macs = *l.omac
			}
			fields := ipFields{ttl: 64, id: -1}
			for _, d := range b.ip(y.outer[0].Addr(), y.outer[1].Addr(), proto, body, fields, frag) {
				next = append(next, unit{d, etherType(y.outer[0].Addr()), macs})
			}
		}
		*units = next
	}
	if l.mirror >= 0 && firstTunnel < 0 {
		for i := range *units {
			(*units)[i] = mirrorCut((*units)[i], l.mirror)
		}
	}
	return nil
}

// mirrorCut shortens the Ethernet frame that u will become to n bytes.
func mirrorCut(u unit, n int) unit {
	u.b = u.b[:min(len(u.b), max(0, n-14))]
	return u
}

// shim puts a layer that has no IP header in front of u.
func (y layer) shim(u unit) unit {
	switch y.kind {
	case vlan, svlan:
		h := be.AppendUint16(nil, uint16(y.id))
		h = be.AppendUint16(h, u.typ)
		u.b, u.typ = append(h, u.b...), 0x8100
		if y.kind == svlan {
			u.typ = 0x88a8
		}
	case mpls:
		e := uint32(y.id)<<12 | 64
		if u.typ != typeMPLS {
			e |= 1 << 8 // bottom of stack
		}
		u.b, u.typ = append(be.AppendUint32(nil, e), u.b...), typeMPLS
	case pppoe:
		h := []byte{0x11, 0}
		h = be.AppendUint16(h, uint16(y.id))
		h = be.AppendUint16(h, uint16(len(u.b)+2))
		h = be.AppendUint16(h, pppProto(u.typ))
		u.b, u.typ = append(h, u.b...), typePPPoE
	}
	return u
}

func pppProto(etherType uint16) uint16 {
	if etherType == typeIPv6 {
		return 0x0057
	}
	return 0x0021
}

// encapsulate returns u as the body of an outer IP packet and its protocol.
func (y layer) encapsulate(u unit) (proto uint8, body []byte) {
	switch y.kind {
	case vxlan:
		h := be.AppendUint32([]byte{8, 0, 0, 0}, uint32(y.id)<<8)
		return 17, y.udp(4789, append(h, ethernet(u)...))
	case geneve:
		h := []byte{0, 0, typeTEB >> 8, typeTEB & 0xff}
		h = be.AppendUint32(h, uint32(y.id)<<8)
		return 17, y.udp(6081, append(h, ethernet(u)...))
	case gtpu:
		h := []byte{0x30, 0xff}
		h = be.AppendUint16(h, uint16(len(u.b)))
		h = be.AppendUint32(h, uint32(y.id))
		return 17, y.udp(2152, append(h, u.b...))
	case gre:
		return 47, append(y.greHeader(u.typ), u.b...)
	case gretap:
		return 47, append(y.greHeader(typeTEB), ethernet(u)...)
	case erspan1:
		return 47, append([]byte{0, 0, 0x88, 0xbe}, ethernet(u)...)
	case erspan2:
		h := []byte{0x10, 0, 0x88, 0xbe, 0, 0, 0, 1} // sequence number present
		h = be.AppendUint16(h, 1<<12)
		h = be.AppendUint16(h, uint16(y.id)&0x3ff)
		h = be.AppendUint32(h, 0)
		return 47, append(h, ethernet(u)...)
	case erspan3:
		h := []byte{0x10, 0, 0x22, 0xeb, 0, 0, 0, 1}
		h = be.AppendUint16(h, 2<<12)
		h = be.AppendUint16(h, uint16(y.id)&0x3ff)
		h = be.AppendUint32(h, 0)
		h = be.AppendUint32(h, 0)
		return 47, append(h, ethernet(u)...)
	default: // ipip
		if u.typ == typeIPv6 {
			return 41, u.b
		}
		return 4, u.b
	}
}

func (y layer) greHeader(typ uint16) []byte {
	h := []byte{0, 0}
	if y.hasID {
		h[0] = 0x20
	}
	h = be.AppendUint16(h, typ)
	if y.hasID {
		h = be.AppendUint32(h, uint32(y.id))
	}
	return h
}

func (y layer) udp(port uint16, payload []byte) []byte {
	dst := y.outer[1]
	if dst.Port() == 0 {
		dst = netip.AddrPortFrom(dst.Addr(), port)
	}
	return udpHeader(y.outer[0], dst, payload, &line{})
}

func ethernet(u unit) []byte {
	f := append([]byte(nil), u.macs[1][:]...)
	f = append(f, u.macs[0][:]...)
	f = be.AppendUint16(f, u.typ)
	return append(f, u.b...)
}

var linkNames = map[string]packet.LinkType{
	"ethernet": packet.LinkEthernet, "raw": packet.LinkRaw, "sll": packet.LinkSLL, "sll2": packet.LinkSLL2,
	"null": packet.LinkNull, "loop": packet.LinkLoop, "ppp": packet.LinkPPP, "ipv4": packet.LinkIPv4,
	"ipv6": packet.LinkIPv6, "rawbsd": packet.LinkRawBSD, "chdlc": packet.LinkCHDLC,
}

// link puts the outermost header around u.
func link(l packet.LinkType, u unit) ([]byte, error) {
	isIP := u.typ == typeIPv4 || u.typ == typeIPv6
	switch l {
	case packet.LinkEthernet:
		return ethernet(u), nil
	case packet.LinkRaw, packet.LinkRawBSD, packet.LinkRawOBSD, packet.LinkIPv4, packet.LinkIPv6:
		if !isIP {
			return nil, fmt.Errorf("link type %d carries IP only", l)
		}
		return u.b, nil
	case packet.LinkNull, packet.LinkLoop:
		if !isIP {
			return nil, fmt.Errorf("link type %d carries IP only", l)
		}
		family := byte(2)
		if u.typ == typeIPv6 {
			family = 30
		}
		if l == packet.LinkLoop {
			return append([]byte{0, 0, 0, family}, u.b...), nil
		}
		return append([]byte{family, 0, 0, 0}, u.b...), nil
	case packet.LinkPPP:
		return append(be.AppendUint16([]byte{0xff, 3}, pppProto(u.typ)), u.b...), nil
	case packet.LinkCHDLC:
		return append(be.AppendUint16([]byte{0x0f, 0}, u.typ), u.b...), nil
	case packet.LinkSLL:
		h := []byte{0, 0, 0, 1, 0, 6}
		h = append(h, u.macs[0][:]...)
		h = append(h, 0, 0)
		return append(be.AppendUint16(h, u.typ), u.b...), nil
	case packet.LinkSLL2:
		h := be.AppendUint16(nil, u.typ)
		h = append(h, 0, 0, 0, 0, 0, 1, 0, 1, 0, 6)
		h = append(h, u.macs[0][:]...)
		return append(append(h, 0, 0), u.b...), nil
	}
	return nil, fmt.Errorf("link type %d cannot be written", l)
}

// macsOf gives locally administered addresses that show the IP address's end.
func macsOf(src, dst netip.Addr) (m [2][6]byte) {
	for i, a := range []netip.Addr{src, dst} {
		s := a.AsSlice()
		m[i][0] = 2
		copy(m[i][2:], s[len(s)-4:])
	}
	return m
}

func etherType(a netip.Addr) uint16 {
	if a.Is4() {
		return typeIPv4
	}
	return typeIPv6
}

// A counter numbers the IP packets of one sender in one connection, as many hosts do.
// Copies of a connection at another tap, written as a connection of its own, are
// numbered alike.
type counter struct {
	conn string
	src  netip.Addr
}

// ip returns the IP packet around body, or its fragments of frag bytes.
func (b *builder) ip(src, dst netip.Addr, proto uint8, body []byte, f ipFields, frag int) [][]byte {
	n := counter{b.counting, src}
	b.ipid[n]++
	id := uint32(b.ipid[n])
	if f.id >= 0 {
		id = uint32(f.id)
	}
	frag &^= 7
	if frag <= 0 {
		if src.Is4() {
			return [][]byte{ipv4(src, dst, proto, body, f, id, 0)}
		}
		return [][]byte{ipv6(src, dst, proto, body, f)}
	}
	var out [][]byte
	for off := 0; off == 0 || off < len(body); off += frag {
		end := min(off+frag, len(body))
		more := uint16(0)
		if end < len(body) {
			more = 1
		}
		if src.Is4() {
			out = append(out, ipv4(src, dst, proto, body[off:end], f, id, uint16(off/8)|more<<13))
			continue
		}
		h := []byte{proto, 0}
		h = be.AppendUint16(h, uint16(off)|more)
		h = be.AppendUint32(h, id)
		out = append(out, ipv6(src, dst, 44, append(h, body[off:end]...), f))
	}
	return out
}

func ipv4(src, dst netip.Addr, proto uint8, body []byte, f ipFields, id uint32, frag uint16) []byte {
	if f.df {
		frag |= 1 << 14
	}
	h := []byte{0x45, 0}
	h = be.AppendUint16(h, uint16(20+len(body)))
	h = be.AppendUint16(h, uint16(id))
	h = be.AppendUint16(h, frag)
	h = append(h, byte(f.ttl), proto, 0, 0)
	h = append(h, src.AsSlice()...)
	h = append(h, dst.AsSlice()...)
	sum := checksum(h)
	if f.badSum {
		sum ^= 0x5555
	}
	be.PutUint16(h[10:], sum)
	return append(h, body...)
}

func ipv6(src, dst netip.Addr, proto uint8, body []byte, f ipFields) []byte {
	h := []byte{0x60, 0, 0, 0}
	h = be.AppendUint16(h, uint16(len(body)))
	h = append(h, proto, byte(f.ttl))
	h = append(h, src.AsSlice()...)
	h = append(h, dst.AsSlice()...)
	return append(h, body...)
}

func tcpHeader(src, dst netip.AddrPort, s segment, l *line) []byte {
	options := l.options
	for len(options)%4 != 0 {
		options = append(options[:len(options):len(options)], 1)
	}
	h := be.AppendUint16(nil, src.Port())
	h = be.AppendUint16(h, dst.Port())
	h = be.AppendUint32(h, s.seq)
	h = be.AppendUint32(h, s.ack)
	flags := byte(0)
	for i, f := range "FSRPAUEC" {
		if strings.ContainsRune(s.flags, f) {
			flags |= 1 << i
		}
	}
	h = append(h, byte(5+len(options)/4)<<4, flags)
	h = be.AppendUint16(h, uint16(l.win))
	h = append(h, 0, 0)
	h = be.AppendUint16(h, uint16(l.urgptr))
	h = append(h, options...)
	h = append(h, s.payload...)
	be.PutUint16(h[16:], l.sum(src.Addr(), dst.Addr(), 6, h))
	return h
}

func udpHeader(src, dst netip.AddrPort, payload []byte, l *line) []byte {
	h := be.AppendUint16(nil, src.Port())
	h = be.AppendUint16(h, dst.Port())
	h = be.AppendUint16(h, uint16(8+len(payload)))
	h = append(h, 0, 0)
	h = append(h, payload...)
	sum := l.sum(src.Addr(), dst.Addr(), 17, h)
	if sum == 0 && !l.noSum {
		sum = 0xffff // zero means "none" (RFC 768)
	}
	be.PutUint16(h[6:], sum)
	return h
}

// sum is the checksum over pseudo-header and h, as the line wants it.
func (l *line) sum(src, dst netip.Addr, proto byte, h []byte) uint16 {
	if l.noSum {
		return 0
	}
	p := append(src.AsSlice(), dst.AsSlice()...)
	p = be.AppendUint32(p, uint32(len(h)))
	p = append(p, 0, 0, 0, proto)
	sum := checksum(append(p, h...))
	if l.badSum {
		sum ^= 0x5555
	}
	return sum
}

// checksum is the Internet checksum (RFC 1071).
func checksum(b []byte) uint16 {
	var sum uint32
	for ; len(b) >= 2; b = b[2:] {
		sum += uint32(b[0])<<8 | uint32(b[1])
		sum = sum&0xffff + sum>>16
	}
	if len(b) > 0 {
		sum += uint32(b[0]) << 8
	}
	for sum > 0xffff {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}
