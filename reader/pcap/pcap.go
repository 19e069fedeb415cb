// Package pcap reads classic capture files: microsecond and nanosecond times,
// both byte orders, the record headers of Kuznetzov's patches and of Nokia's
// firewalls, AIX's link types and IXIA's file header. What wiretap/libpcap.c of
// Wireshark says of these variants was checked against files of its editcap.
//
// Seconds are read as unsigned (draft-ietf-opsawg-pcap): times run from 1970 to
// 2106, and every pair of seconds and fraction, also a fraction beyond a second,
// gives exact nanoseconds.
package pcap

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"

	"recap/reader/format"
	"recap/reader/packet"
)

// variant is what a magic number says of a file.
type variant struct {
	magic  uint32
	name   string
	unit   int64  // nanoseconds in a unit of the fraction
	frac   uint32 // units in a second
	extra  int    // bytes of file header beyond 24
	header int    // bytes of a record header
}

var variants = []variant{
	{0xa1b2c3d4, "pcap", 1000, 1e6, 0, 16},
	{0xa1b23c4d, "pcap-ns", 1, 1e9, 0, 16},
	// Kuznetzov's patches add interface index, protocol and packet type.
	{0xa1b2cd34, "pcap-modified", 1000, 1e6, 0, 24},
	// IXIA puts the size of the records after the file header.
	{0x1c0001ac, "pcap-ixia-hw", 1, 1e9, 4, 16},
	{0x1c0001ab, "pcap-ixia-sw", 1000, 1e6, 4, 16},
}

// Format is the entry for the list of formats.
var Format = format.Format{
	Name: "pcap",
	Match: func(head []byte) bool {
		_, _, ok := lookup(head)
		return ok
	},
	New: newParser,
}

func lookup(head []byte) (v variant, big, ok bool) {
	if len(head) < 4 {
		return v, false, false
	}
	m := binary.LittleEndian.Uint32(head)
	for _, v := range variants {
		if m == v.magic {
			return v, false, true
		}
		if m == bits.ReverseBytes32(v.magic) {
			return v, true, true
		}
	}
	return v, false, false
}

type state uint8

const (
	atHeader state = iota
	atFirst        // the file may be of another variant than its magic number says
	atRecord
	inZeros // stepping over zero bytes: padding, or a hole
	inScan  // looking for the next record after damage
)

// maxInterfaces bounds how many interface indexes of a modified file are told apart.
const maxInterfaces = 4096

type parser struct {
	in   *packet.Input
	file int32
	v    variant
	big  bool
	st   state

	maxPacket uint32
	snap      uint32
	swap      swapping
	link      packet.LinkType
	fcs       uint8
	ifaces    map[uint32]int32

	n        int64  // packets found
	first    uint32 // seconds of the first and the latest packet
	last     uint32
	lastCut  uint32 // captured length of the latest packet that was cut
	zeros    format.ZeroRun
	scan     format.Lost
	snapLies int64
	exceeds  int64
	odd      int64
}

// swapping says which length comes first in a record header. Until version 2.3
// it was the length on the wire; writers of 2.3 did not agree.
type swapping uint8

const (
	inOrder swapping = iota
	swapped
	perhaps
)

func newParser(in *packet.Input, file int32, lim format.Limits) format.Parser {
	return &parser{in: in, file: file, maxPacket: uint32(lim.WithDefaults().MaxPacket)}
}

// Parse implements [format.Parser].
func (p *parser) Parse(w *format.Window) (need int) {
	for {
		switch p.st {
		case atHeader:
			need = p.fileHeader(w)
		case atFirst:
			need = p.choose(w)
		case atRecord:
			need = p.records(w)
		case inZeros:
			need = p.zeroRun(w)
		case inScan:
			need = p.resync(w)
		}
		if need > 0 {
			return need
		}
		if w.EOF && w.Start == w.End {
			p.end()
			return 0
		}
	}
}

// end closes what is open at the end of the file.
func (p *parser) end() {
	p.flush()
	if p.st == inScan {
		p.scan.Close(p.in, p.n)
	}
}

// flush moves the counters of the hot loop into the input.
func (p *parser) flush() {
	p.in.CountAnomaly("snaplen_lie", p.snapLies)
	p.in.CountAnomaly("caplen_exceeds_len", p.exceeds)
	p.in.CountAnomaly("odd_fraction", p.odd)
	p.snapLies, p.exceeds, p.odd = 0, 0, 0
}

func (p *parser) fileHeader(w *format.Window) (need int) {
	b := w.Bytes()
	v, big, ok := lookup(b)
	size := 24
	if ok {
		size += v.extra
	}
	if len(b) < size {
		if !w.EOF {
			return size
		}
		p.damage(w.Offset(), 0, fmt.Sprintf("file ends inside the file header: %d of %d bytes", len(b), size), "")
		w.Lose(len(b))
		return 0
	}
	p.v, p.big = v, big
	p.in.Format = v.name
	o := p.order()
	major, minor := o.Uint16(b[4:]), o.Uint16(b[6:])
	if major != 2 || minor != 4 {
		p.in.AddAnomaly("odd_version")
	}
	// DG/UX writes version 543.0 and the lengths in the old order.
	if major == 2 && minor < 3 || major == 543 {
		p.swap = swapped
	} else if major == 2 && minor == 3 {
		p.swap = perhaps
	}
	if o.Uint32(b[8:]) != 0 {
		p.in.AddAnomaly("thiszone_set") // defined, but never honoured by readers
	}
	p.snap = o.Uint32(b[16:])
	p.linkType(o.Uint32(b[20:]))
	if link, ok := aixLinks[o.Uint32(b[20:])]; ok && v.magic == 0xa1b2c3d4 && major == 2 && minor == 2 {
		p.link = link
		p.v = variant{v.magic, "pcap-aix", 1, 1e9, 0, 16}
		p.in.Format = p.v.name
		v = p.v
	}
	p.in.Interfaces = append(p.in.Interfaces, packet.Interface{
		Link: p.link, SnapLen: p.snap, Resolution: map[int64]string{1: "10^-9", 1000: "10^-6"}[v.unit],
		Received: -1, Drops: -1,
	})
	w.Use(size)
	p.st = atFirst
	return 0
}

func (p *parser) order() binary.ByteOrder {
	if p.big {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

// linkType takes the link type field apart: 16 bits of type, and in the upper
// bits, where bit 26 says so, the length of the frame check sequence in 16-bit
// words (draft-ietf-opsawg-pcap, section 4).
func (p *parser) linkType(f uint32) {
	p.link = packet.LinkType(f)
	if f>>26&1 != 0 {
		p.fcs = uint8(f>>28) * 2
	}
	if f&0x0bff0000 != 0 || f>>26&1 == 0 && f>>28 != 0 {
		p.in.AddAnomaly("link_reserved_bits")
	}
}

// record is a record header.
type record struct {
	sec, frac   uint32
	caplen, len uint32
}

// header reads the record header at b, which holds 16 bytes.
func (p *parser) header(b []byte) record {
	_ = b[15]
	r := record{
		sec: binary.LittleEndian.Uint32(b), frac: binary.LittleEndian.Uint32(b[4:]),
		caplen: binary.LittleEndian.Uint32(b[8:]), len: binary.LittleEndian.Uint32(b[12:]),
	}
	if p.big {
		r.sec, r.frac = bits.ReverseBytes32(r.sec), bits.ReverseBytes32(r.frac)
		r.caplen, r.len = bits.ReverseBytes32(r.caplen), bits.ReverseBytes32(r.len)
	}
	if p.swap != inOrder && (p.swap == swapped || r.caplen > r.len) {
		r.caplen, r.len = r.len, r.caplen
	}
	return r
}

// records is the hot loop: it takes whole records until the window ends or one
// looks wrong.
func (p *parser) records(w *format.Window) (need int) {
	slab := w.Batch.Slab[:w.End]
	pos, start := w.Start, w.Start
	offset := w.Offset()
	hl := p.v.header
	ps := w.Batch.Packets
	// Up to this length nothing needs a closer look.
	plain := min(p.maxPacket, p.snap)
	n := p.n
	for {
		if len(slab)-pos < hl {
			need = hl
			break
		}
		r := p.header(slab[pos : pos+16 : pos+16])
		size := int(r.caplen)
		if r.caplen != r.len || r.caplen > plain || r.caplen == 0 {
			var act action
			p.n = n
			if act, size, need = p.look(slab[pos:], r, offset+int64(pos-start), w.EOF); act != take {
				w.Batch.Packets = ps
				w.Use(pos - start)
				return p.turn(w, act, r, need)
			}
		}
		if len(slab)-pos-hl < size {
			need = hl + size
			break
		}
		n++
		if n == 1 {
			p.first = r.sec
		}
		p.last = r.sec
		if r.frac >= p.v.frac {
			p.odd++
		}
		if len(ps) == cap(ps) {
			ps = grow(ps, w.Batch, size)
		}
		ps = ps[:len(ps)+1]
		data := pos + hl
		// Field by field: a literal is made elsewhere and copied in wider words than it
		// was written in, for which the processor waits.
		q := &ps[len(ps)-1]
		*q = packet.Packet{}
		q.Data = slab[data : data+size : data+size]
		q.TimeNS = int64(r.sec)*1e9 + int64(r.frac)*p.v.unit
		q.Number = n
		q.FileIndex = p.file
		q.FileNum = n
		q.Offset = offset + int64(pos-start)
		q.Length = r.len
		q.Link = p.link
		q.BigEndian = p.big
		q.FCSLen = p.fcs
		if hl >= 24 {
			q.Interface = p.iface(slab[pos+16:])
		}
		pos += hl + size
	}
	p.n = n
	w.Batch.Packets = ps
	w.Use(pos - start)
	p.flush()
	if !w.EOF || w.Start == w.End {
		if w.EOF {
			return 0
		}
		return need
	}
	p.cutTail(w, need)
	return 0
}

// grow makes room for as many packets as the slab will hold if they are like the
// one of the given size.
func grow(ps []packet.Packet, b *packet.Batch, size int) []packet.Packet {
	n := max(2*cap(ps), min(len(b.Slab)/(16+size)+1, 4096), 16)
	g := make([]packet.Packet, len(ps), n)
	copy(g, ps)
	return g
}

// iface maps the interface index of a modified record header.
func (p *parser) iface(b []byte) int32 {
	index := p.order().Uint32(b)
	if i, ok := p.ifaces[index]; ok {
		return i
	}
	if len(p.ifaces) >= maxInterfaces {
		p.in.AddAnomaly("interface_limit")
		return 0
	}
	if p.ifaces == nil {
		p.ifaces = map[uint32]int32{}
	}
	d := p.in.Interfaces[0]
	d.Name = fmt.Sprintf("ifindex %d", index)
	d.Packets = 0
	if len(p.ifaces) > 0 {
		p.in.Interfaces = append(p.in.Interfaces, d)
	} else {
		p.in.Interfaces[0] = d
	}
	i := int32(len(p.in.Interfaces) - 1)
	p.ifaces[index] = i
	return i
}

// cutTail records that the file ends inside the record at the window's start;
// need is how long the record, or its header, would be.
func (p *parser) cutTail(w *format.Window, need int) {
	if len(bytes.Trim(w.Bytes(), "\x00")) == 0 { // padding to the size of a block
		w.Pad(w.End - w.Start)
		p.in.AddAnomaly("zero_padding")
		return
	}
	have, what := w.End-w.Start, "record"
	if have < p.v.header {
		what = "record header"
	} else {
		have, need = have-p.v.header, need-p.v.header
	}
	p.damage(w.Offset(), p.n+1, fmt.Sprintf("file ends inside the %s: %d of %d bytes", what, have, need),
		"the capture was cut; copy it again if the original is longer")
	w.Lose(w.End - w.Start)
}

func (p *parser) damage(offset, number int64, why, hint string) {
	format.Damage(p.in, offset, number, p.n, why, hint)
}
