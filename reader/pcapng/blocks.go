package pcapng

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"net/netip"
	"strings"

	"recap/reader/format"
	"recap/reader/packet"
)

// Bounds of what is remembered of one file besides its packets.
const (
	maxInterfaces     = 4096    // described in packet.Input
	maxSectionIfaces  = 1 << 20 // told apart in one section
	maxNames          = 1 << 16
	maxComments       = 4096
	maxSecrets        = 4096
	maxUnknown        = 256
	maxText           = 4 << 20 // names, comments and interface texts together, bytes
	maxSecretBytes    = 64 << 20
	maxOneText        = 16 << 10
	undefinedLinkType = packet.LinkType(0xffff)
)

// budget is what may still be remembered, bytes.
type budget struct{ text, secrets int }

func newBudget() budget { return budget{maxText, maxSecretBytes} }

// text copies an option's text if the budget allows.
func (p *parser) text(b []byte) string {
	b = bytes.TrimRight(b, "\x00")
	b = b[:min(len(b), maxOneText)]
	if len(b) > p.budget.text {
		p.in.AddAnomaly("text_limit")
		return ""
	}
	p.budget.text -= len(b)
	return string(b)
}

func (p *parser) comment(b []byte) {
	if len(p.in.Comments) >= maxComments {
		p.in.AddAnomaly("text_limit")
		return
	}
	if s := p.text(b); s != "" {
		p.in.Comments = append(p.in.Comments, s)
	}
}

func (p *parser) unknown(kind string) {
	if p.in.Unknown == nil {
		p.in.Unknown = map[string]int64{}
	}
	if _, ok := p.in.Unknown[kind]; !ok && len(p.in.Unknown) >= maxUnknown {
		kind = "others"
	}
	p.in.Unknown[kind]++
}

// options calls f for each option in b, up to the end mark (section 3.5).
func (p *parser) options(b []byte, f func(code uint16, value []byte)) {
	for len(b) >= 4 {
		code, n := p.u16(b), int(p.u16(b[2:]))
		if code == 0 {
			return
		}
		if n > len(b)-4 {
			p.in.AddAnomaly("bad_option")
			return
		}
		f(code, b[4:4+n])
		b = b[min(len(b), 4+(n+3)&^3):]
	}
	if len(b) > 0 {
		p.in.AddAnomaly("bad_option")
	}
}

const optComment = 1

// newSection forgets the interfaces of the section before.
func (p *parser) newSection() {
	p.section = true
	p.warned = false
	p.in.Sections++
	if cap(p.ifaces) > maxInterfaces {
		p.ifaces = nil
	}
	p.ifaces = p.ifaces[:0]
}

func (p *parser) sectionHeader(body []byte) {
	p.newSection()
	if major, minor := p.u16(body[4:]), p.u16(body[6:]); major != 1 || minor != 0 && minor != 2 {
		p.in.AddAnomaly("odd_version")
	}
	set := func(to *string, v []byte) {
		if *to == "" {
			*to = p.text(v)
		}
	}
	p.options(body[16:], func(code uint16, v []byte) {
		switch code {
		case optComment:
			p.comment(v)
		case 2:
			set(&p.in.Hardware, v)
		case 3:
			set(&p.in.OS, v)
		case 4:
			set(&p.in.Application, v)
		}
	})
}

// iface is what is needed of an interface to read its packets.
type iface struct {
	clock  clock
	snap   uint32 // no packet is longer; 0 in the file becomes the largest number
	global int32  // index into Input.Interfaces
	link   packet.LinkType
	fcs    uint8

	// Dropped packets as the last statistics have them, and as packets say.
	ifDrops, osDrops, saidDrops uint64
}

// drops is how many packets were dropped. What packets say is part of what the
// statistics say where there are both.
func (f *iface) drops() int64 {
	return int64(min(max(f.ifDrops+f.osDrops, f.saidDrops), 1<<63-1))
}

func (p *parser) interfaceBlock(body []byte) {
	d := packet.Interface{
		Link: packet.LinkType(p.u16(body)), SnapLen: p.u32(body[4:]), Section: p.in.Sections - 1,
		Received: -1, Drops: -1,
	}
	f := iface{link: d.Link, snap: d.SnapLen}
	if f.snap == 0 {
		f.snap = 1<<32 - 1
	}
	resolution := byte(6)
	keep := len(p.in.Interfaces) < maxInterfaces-2
	set := func(to *string, v []byte) {
		if keep {
			*to = p.text(v)
		}
	}
	p.options(body[8:], func(code uint16, v []byte) {
		switch code {
		case optComment:
			p.comment(v)
		case 2:
			set(&d.Name, v)
		case 3:
			set(&d.Description, v)
		case 9:
			if len(v) == 1 {
				resolution = v[0]
				return
			}
			p.in.AddAnomaly("bad_option")
		case 11:
			if len(v) > 1 && v[0] == 0 {
				set(&d.Filter, v[1:])
			}
		case 12:
			set(&d.OS, v)
		case 13:
			// In octets, whatever older drafts said of bits: more than the flags of a
			// packet can tell is no length.
			if len(v) == 1 && v[0] <= 15 {
				f.fcs = v[0]
				return
			}
			p.in.AddAnomaly("bad_option")
		case 14:
			if len(v) == 8 {
				d.OffsetSec = int64(p.u64(v))
				return
			}
			p.in.AddAnomaly("bad_option")
		case 15:
			set(&d.Hardware, v)
		}
	})
	f.clock = newClock(resolution, d.OffsetSec)
	d.Resolution = f.clock.String()
	if f.clock.kind == unusable {
		p.in.AddAnomaly("unusable_tsresol")
	}
	f.global = p.describe(d, keep)
	if len(p.ifaces) >= maxSectionIfaces {
		p.in.AddAnomaly("interface_limit")
		return
	}
	p.ifaces = append(p.ifaces, f)
}

// describe adds the interface to the input; those beyond the bound share one entry.
func (p *parser) describe(d packet.Interface, keep bool) int32 {
	n := len(p.in.Interfaces)
	if keep {
		p.in.Interfaces = append(p.in.Interfaces, d)
		return int32(n)
	}
	p.in.AddAnomaly("interface_limit")
	const further = "further interfaces"
	for i := n - 1; i >= n-2; i-- {
		if p.in.Interfaces[i].Name == further {
			return int32(i)
		}
	}
	p.in.Interfaces = append(p.in.Interfaces, packet.Interface{Name: further, Link: undefinedLinkType, Received: -1, Drops: -1})
	return int32(n)
}

// missing stands for an interface that the section does not describe: link type
// and clock of its packets are unknown, and are not guessed.
func (p *parser) missing(id uint32, offset int64) *iface {
	if p.undefined < 0 {
		p.undefined = int32(len(p.in.Interfaces))
		p.in.Interfaces = append(p.in.Interfaces, packet.Interface{Name: "undefined", Link: undefinedLinkType, Received: -1, Drops: -1})
	}
	p.in.AddAnomaly("undefined_interface")
	if !p.warned {
		p.warned = true
		p.damage(offset, p.n+1, fmt.Sprintf("interface %d is not described in its section", id),
			"its packets are kept, but their link type and time are unknown")
	}
	return &iface{clock: clock{kind: unusable}, snap: 1<<32 - 1, global: p.undefined, link: undefinedLinkType}
}

// packetBlock takes any packet block that the hot loop would not. size is the
// block's length in the file.
func (p *parser) packetBlock(w *format.Window, typ uint32, body []byte, size int) {
	var id, caplen, length uint32
	var ticks uint64
	timed := true
	var data []byte
	switch typ {
	case blockEnhanced:
		id = p.u32(body)
	case blockPacket:
		id = uint32(p.u16(body))
	}
	if typ == blockSimple {
		timed = false
		length, data = p.u32(body), body[4:]
		caplen = min(length, uint32(len(data)))
		if len(p.ifaces) > 0 {
			caplen = min(caplen, p.ifaces[0].snap)
		}
	} else {
		ticks = uint64(p.u32(body[4:]))<<32 | uint64(p.u32(body[8:]))
		caplen, length, data = p.u32(body[12:]), p.u32(body[16:]), body[20:]
	}
	offset := w.Offset()
	if uint64(caplen) > uint64(len(data)) {
		why := fmt.Sprintf("captured length %d exceeds the %d bytes of its block", caplen, len(data))
		if length == 0 || uint64(length) > uint64(len(data)) {
			p.damage(offset, p.n+1, why+"; the packet was dropped", "")
			w.Lose(size)
			return
		}
		p.damage(offset, p.n+1, fmt.Sprintf("%s; the length on the wire, %d, was used", why, length), "")
		caplen = length
	}
	var f *iface
	if uint64(id) < uint64(len(p.ifaces)) {
		f = &p.ifaces[id]
	} else {
		f = p.missing(id, offset)
	}
	rest := min(len(data), int(caplen+3)&^3)
	options := data[rest:]
	lost := 0
	if caplen > p.maxPacket {
		lost = int(caplen - p.maxPacket)
		p.damage(offset, p.n+1, fmt.Sprintf("captured length %d exceeds the limit of %d; the packet was cut", caplen, p.maxPacket),
			"raise the limit for packets")
		caplen = p.maxPacket
	}
	p.n++
	q := packet.Packet{
		Data: data[:caplen:caplen], TimeNS: packet.NoTime, RawTicks: ticks, Number: p.n, FileIndex: p.file,
		FileNum: p.n, Offset: offset, Length: length, Interface: f.global, Link: f.link, BigEndian: p.big, FCSLen: f.fcs,
	}
	if timed {
		if q.TimeNS = f.clock.time(ticks); q.TimeNS != packet.NoTime {
			q.RawTicks = 0
		}
	}
	if caplen > length {
		p.exceeds++
	}
	if caplen > f.snap {
		p.snapLies++
	}
	if typ == blockPacket {
		if n := p.u16(body[2:]); n != 0xffff { // which says that it is not known
			p.drop(&q, f, uint64(n))
		}
	}
	if typ != blockSimple && len(options) >= 4 {
		p.packetOptions(&q, f, options)
	}
	w.Batch.Packets = append(w.Batch.Packets, q)
	w.Use(size - lost)
	w.Lose(lost)
}

// packetOptions reads the options of a packet block.
func (p *parser) packetOptions(q *packet.Packet, f *iface, b []byte) {
	p.options(b, func(code uint16, v []byte) {
		switch code {
		case optComment:
			p.comment(v)
		case 2: // flags; bits 5 to 8 are the length of the frame check sequence
			if len(v) == 4 {
				if n := p.u32(v) >> 5 & 15; n > 0 {
					q.FCSLen = uint8(n)
				}
				return
			}
			p.in.AddAnomaly("bad_option")
		case 4: // packets dropped since the one before, by the interface and the system
			if len(v) == 8 {
				p.drop(q, f, p.u64(v))
				return
			}
			p.in.AddAnomaly("bad_option")
		}
	})
}

// drop notes that n packets were dropped in front of q.
func (p *parser) drop(q *packet.Packet, f *iface, n uint64) {
	if n == 0 {
		return
	}
	q.Dropped = uint32(min(n, math.MaxUint32))
	f.saidDrops += min(n, math.MaxUint64-f.saidDrops)
	p.in.Interfaces[f.global].Drops = f.drops()
}

// names reads a name resolution block (section 4.5).
func (p *parser) names(b []byte) {
	for len(b) >= 4 {
		typ, n := p.u16(b), int(p.u16(b[2:]))
		if typ == 0 {
			p.options(b[4:], func(code uint16, v []byte) {
				if code == optComment {
					p.comment(v)
				}
			})
			return
		}
		if n > len(b)-4 {
			p.in.AddAnomaly("bad_option")
			return
		}
		p.nameRecord(typ, b[4:4+n])
		b = b[min(len(b), 4+(n+3)&^3):]
	}
}

func (p *parser) nameRecord(typ uint16, v []byte) {
	size := map[uint16]int{1: 4, 2: 16, 3: 6, 4: 8}[typ]
	if size == 0 {
		p.unknown(fmt.Sprintf("name record type %d", typ))
		return
	}
	if len(v) <= size {
		p.in.AddAnomaly("bad_name_record")
		return
	}
	addr := ""
	if typ <= 2 {
		a, _ := netip.AddrFromSlice(v[:size])
		addr = a.String()
	} else {
		addr = strings.ReplaceAll(fmt.Sprintf("% x", v[:size]), " ", ":")
	}
	for name := range bytes.SplitSeq(bytes.TrimRight(v[size:], "\x00"), []byte{0}) {
		if len(name) == 0 {
			continue
		}
		if len(p.in.Names) >= maxNames {
			p.in.AddAnomaly("names_limit")
			return
		}
		if s := p.text(name); s != "" {
			p.in.Names = append(p.in.Names, packet.Name{Addr: addr, Name: s})
		}
	}
}

// stats reads an interface statistics block (section 4.6); its counters run from
// the start of the capture, so the last block counts.
func (p *parser) stats(body []byte) {
	id := p.u32(body)
	if uint64(id) >= uint64(len(p.ifaces)) {
		p.in.AddAnomaly("undefined_interface")
		return
	}
	f := &p.ifaces[id]
	g := f.global
	shared := p.in.Interfaces[g].Link == undefinedLinkType
	p.options(body[12:], func(code uint16, v []byte) {
		if code == optComment {
			p.comment(v)
			return
		}
		if code != 4 && code != 5 && code != 7 || shared {
			return
		}
		if len(v) != 8 {
			p.in.AddAnomaly("bad_option")
			return
		}
		n := min(p.u64(v), 1<<62)
		switch code {
		case 4:
			p.in.Interfaces[g].Received = int64(n)
			return
		case 5:
			f.ifDrops = n
		case 7:
			f.osDrops = n
		}
		p.in.Interfaces[g].Drops = f.drops()
	})
}

// secretsTLS is the type of a TLS key log ("TLSK").
const secretsTLS = 0x544c534b

// secrets reads a decryption secrets block (section 4.7).
func (p *parser) secrets(body []byte) {
	typ, n := p.u32(body), p.u32(body[4:])
	if typ != secretsTLS {
		p.unknown(fmt.Sprintf("secrets of type %q", binary.BigEndian.AppendUint32(nil, typ)))
		return
	}
	if uint64(n) > uint64(len(body)-8) {
		p.in.AddAnomaly("bad_secrets_length")
		n = uint32(len(body) - 8)
	}
	if int(n) > p.budget.secrets || len(p.in.Secrets) >= maxSecrets {
		p.in.AddAnomaly("secrets_limit")
		return
	}
	p.budget.secrets -= int(n)
	p.in.Secrets = append(p.in.Secrets, bytes.Clone(body[8:8+n]))
	p.in.SecretsAfter = append(p.in.SecretsAfter, p.n)
}
