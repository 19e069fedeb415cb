// Package pcapng reads pcapng captures (draft-ietf-opsawg-pcapng): any number of
// sections in either byte order, interfaces of any link type and clock, and all
// three kinds of packet blocks.
//
// No length in a file is believed before it fits its block, no block before
// its length is repeated at its end. Where that fails, reading goes on at the
// next block that can be believed, and the bytes between are counted as lost.
package pcapng

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"

	"recap/reader/format"
	"recap/reader/packet"
)

// Format is the entry for the list of formats.
var Format = format.Format{
	Name: "pcapng",
	Match: func(head []byte) bool {
		if len(head) < 12 || binary.LittleEndian.Uint32(head) != blockSection {
			return false
		}
		_, ok := sectionOrder(head)
		return ok
	},
	New: newParser,
}

// Block types (section 11.1 of the draft).
const (
	blockSection   = 0x0a0d0d0a // reads the same in both byte orders
	blockInterface = 1
	blockPacket    = 2 // obsolete
	blockSimple    = 3
	blockNames     = 4
	blockStats     = 5
	blockEnhanced  = 6
	blockJournal   = 9
	blockSecrets   = 10
	blockCustom    = 0x00000bad
	blockCustomNo  = 0x40000bad // not to be copied
)

const byteOrderMagic = 0x1a2b3c4d

// sectionOrder reads the byte order of a section header, of which b holds at
// least 12 bytes.
func sectionOrder(b []byte) (big, ok bool) {
	switch binary.LittleEndian.Uint32(b[8:]) {
	case byteOrderMagic:
		return false, true
	case bits.ReverseBytes32(byteOrderMagic):
		return true, true
	}
	return false, false
}

type state uint8

const (
	atBlock state = iota
	inZeros       // stepping over zero bytes: padding, or a hole
	inScan        // looking for the next block after damage
)

type parser struct {
	in        *packet.Input
	file      int32
	maxPacket uint32
	maxBlock  uint32
	st        state
	section   bool // a section header was seen
	big       bool
	ifaces    []iface // of the section
	undefined int32   // index of the entry for undefined interfaces, or -1
	warned    bool    // of an undefined interface in this section
	n         int64   // packets found
	budget    budget

	zeros   format.ZeroRun
	scan    format.Lost
	scanned int // bytes of the window already searched

	snapLies int64
	exceeds  int64
}

func newParser(in *packet.Input, file int32, lim format.Limits) format.Parser {
	lim = lim.WithDefaults()
	return &parser{in: in, file: file, maxPacket: uint32(lim.MaxPacket), maxBlock: uint32(lim.MaxBlock),
		undefined: -1, budget: newBudget()}
}

// Parse implements [format.Parser].
func (p *parser) Parse(w *format.Window) (need int) {
	for {
		switch p.st {
		case atBlock:
			need = p.blocks(w)
		case inZeros:
			need = p.zeroRun(w)
		case inScan:
			need = p.resync(w)
		}
		if need > 0 {
			p.flush()
			return need
		}
		if w.EOF && w.Start == w.End {
			p.flush()
			if p.st == inScan {
				p.scan.Close(p.in, p.n)
			}
			return 0
		}
	}
}

func (p *parser) flush() {
	p.in.CountAnomaly("snaplen_lie", p.snapLies)
	p.in.CountAnomaly("caplen_exceeds_len", p.exceeds)
	p.snapLies, p.exceeds = 0, 0
}

func (p *parser) u16(b []byte) uint16 {
	if p.big {
		return binary.BigEndian.Uint16(b)
	}
	return binary.LittleEndian.Uint16(b)
}

func (p *parser) u32(b []byte) uint32 {
	v := binary.LittleEndian.Uint32(b)
	if p.big {
		v = bits.ReverseBytes32(v)
	}
	return v
}

func (p *parser) u64(b []byte) uint64 {
	if p.big {
		return binary.BigEndian.Uint64(b)
	}
	return binary.LittleEndian.Uint64(b)
}

// blocks is the hot loop: enhanced packet blocks are taken here, all others by
// block.
func (p *parser) blocks(w *format.Window) (need int) {
	for {
		need = p.enhancedRun(w)
		if p.st != atBlock || need > 0 {
			return need
		}
		b := w.Bytes()
		if len(b) == 0 && w.EOF {
			return 0
		}
		if len(b) < 12 {
			if w.EOF {
				return p.tail(w, 12)
			}
			return 12
		}
		before := p.big
		total, why := p.frame(b)
		if why != "" {
			p.halfSection(b, before)
			return p.broken(w, why)
		}
		if len(b) < total {
			if w.EOF {
				return p.tail(w, total)
			}
			return total
		}
		size, more, why := p.closing(b, total, w.EOF)
		switch {
		case more > 0:
			return more
		case why != "":
			p.halfSection(b, before)
			return p.broken(w, why)
		case size < 0:
			p.st, p.zeros = inZeros, 0
			return 0
		}
		p.block(w, b[:size], total)
	}
}

// halfSection begins a section whose header is damaged behind its byte order, so
// that the blocks after it can be read. Any other damage leaves the byte order
// as it was.
func (p *parser) halfSection(b []byte, before bool) {
	big, ok := sectionOrder(b)
	if p.u32(b) != blockSection || !ok {
		p.big = before
		return
	}
	p.big = big
	p.newSection()
}

// enhancedRun takes enhanced packet blocks that are as they should be. It stops
// at anything else, with a need of 0.
func (p *parser) enhancedRun(w *format.Window) (need int) {
	slab := w.Batch.Slab[:w.End]
	start, pos := w.Start, w.Start
	offset := w.Offset()
	ps := w.Batch.Packets
	for {
		b := slab[pos:]
		if len(b) < 32 || p.u32(b) != blockEnhanced {
			break
		}
		total := p.u32(b[4:])
		if total < 32 || total&3 != 0 || total > p.maxBlock {
			break
		}
		if uint32(len(b)) < total {
			if !w.EOF {
				need = int(total)
			}
			break
		}
		ifc, caplen, length := p.u32(b[8:]), p.u32(b[20:]), p.u32(b[24:])
		if p.u32(b[total-4:]) != total || caplen > total-32 || caplen > p.maxPacket || ifc >= uint32(len(p.ifaces)) {
			break
		}
		f := &p.ifaces[ifc]
		ticks := uint64(p.u32(b[12:]))<<32 | uint64(p.u32(b[16:]))
		p.n++
		if len(ps) == cap(ps) {
			ps = grow(ps, w.Batch, int(total))
		}
		ps = ps[:len(ps)+1]
		q := &ps[len(ps)-1]
		*q = packet.Packet{
			Data:      b[28 : 28+caplen : 28+caplen],
			Number:    p.n,
			FileIndex: p.file,
			FileNum:   p.n,
			Offset:    offset + int64(pos-start),
			Length:    length,
			Interface: f.global,
			Link:      f.link,
			BigEndian: p.big,
			FCSLen:    f.fcs,
		}
		q.TimeNS = f.clock.time(ticks)
		if q.TimeNS == packet.NoTime {
			q.RawTicks = ticks
		}
		if caplen > length {
			p.exceeds++
		}
		if caplen > f.snap {
			p.snapLies++
		}
		if rest := 28 + (caplen+3)&^3; rest+8 <= total {
			p.packetOptions(q, f, b[rest:total-4])
		}
		pos += int(total)
	}
	w.Batch.Packets = ps
	w.Use(pos - start)
	return need
}

// grow makes room for as many packets as the slab will hold if they are like the
// one of the given size.
func grow(ps []packet.Packet, b *packet.Batch, size int) []packet.Packet {
	n := max(2*cap(ps), min(len(b.Slab)/size+1, 4096), 16)
	g := make([]packet.Packet, len(ps), n)
	copy(g, ps)
	return g
}

// frame reads the length of the block at b, which holds at least 12 bytes.
func (p *parser) frame(b []byte) (total int, why string) {
	typ := p.u32(b)
	if typ == blockSection {
		big, ok := sectionOrder(b)
		if !ok {
			return 0, "section header without byte order"
		}
		p.big = big
	} else if !p.section {
		return 0, "block outside any section"
	}
	n := p.u32(b[4:])
	switch {
	case n == 0 && typ == 0:
		return 12, "" // perhaps padding: closing decides
	case n < minBlock(typ):
		return 0, fmt.Sprintf("block length %d is too short for block type %#x", n, typ)
	case n > p.maxBlock:
		return 0, fmt.Sprintf("block length %d exceeds the limit of %d", n, p.maxBlock)
	}
	return int(n), ""
}

// minBlock is the least length that a block of the type can have.
func minBlock(typ uint32) uint32 {
	switch typ {
	case blockSection:
		return 28
	case blockInterface, blockSecrets:
		return 20
	case blockPacket, blockEnhanced:
		return 32
	case blockSimple, blockCustom, blockCustomNo:
		return 16
	case blockStats:
		return 24
	}
	return 12
}

// closing checks the length at the end of the block, all of which is in b, and
// returns how long it really is in the file: writers that forgot the padding, or
// did not count it, are understood. A negative size means zero bytes.
func (p *parser) closing(b []byte, total int, eof bool) (size, need int, why string) {
	if p.u32(b) == 0 && p.u32(b[4:]) == 0 {
		if p.u32(b[8:]) == 0 {
			return -1, 0, ""
		}
		return 0, 0, "block length 0"
	}
	if total&3 == 0 {
		if p.u32(b[total-4:]) == uint32(total) {
			return total, 0, ""
		}
	} else {
		padded := (total + 3) &^ 3
		if p.u32(b[total-4:]) == uint32(total) {
			p.in.AddAnomaly("odd_block_length")
			return total, 0, ""
		}
		if len(b) < padded && !eof {
			return 0, padded, ""
		}
		if len(b) >= padded && p.u32(b[padded-4:]) == uint32(total) {
			p.in.AddAnomaly("odd_block_length")
			return padded, 0, ""
		}
		return 0, 0, fmt.Sprintf("block length %d is no multiple of 4", total)
	}
	// The length in front is right if a block follows where it says.
	if len(b) < total+12 && !eof {
		return 0, total + 12, ""
	}
	if len(b) == total || len(b) >= total+12 && p.header(b[total:]) {
		p.in.AddAnomaly("trailer_mismatch")
		return total, 0, ""
	}
	return 0, 0, fmt.Sprintf("block length %d differs from the %d at its end", total, p.u32(b[total-4:]))
}

// header reports whether b, of at least 12 bytes, begins like a known block.
func (p *parser) header(b []byte) bool {
	big := p.big
	defer func() { p.big = big }()
	typ := p.u32(b)
	if typ == blockSection {
		var ok bool
		if p.big, ok = sectionOrder(b); !ok {
			return false
		}
	} else if !knownType(typ) {
		return false
	}
	n := p.u32(b[4:])
	return n >= minBlock(typ) && n&3 == 0 && n <= p.maxBlock
}

// block takes one block of size bytes whose own idea of its length is total.
func (p *parser) block(w *format.Window, b []byte, total int) {
	body := b[8:]
	if n := total - 12; n < len(body) {
		body = body[:n]
	}
	typ := p.u32(b)
	switch typ {
	case blockSection:
		p.sectionHeader(body)
	case blockInterface:
		p.interfaceBlock(body)
	case blockEnhanced, blockPacket, blockSimple:
		p.packetBlock(w, typ, body, len(b))
		return
	case blockNames:
		p.names(body)
	case blockStats:
		p.stats(body)
	case blockSecrets:
		p.secrets(body)
	case blockCustom, blockCustomNo:
		p.unknown(fmt.Sprintf("custom block of %d", p.u32(body)))
	default:
		p.unknown(fmt.Sprintf("block type %#x", typ))
	}
	w.Use(len(b))
}

// tail ends the file inside a block of need bytes, unless its length is a lie and
// blocks follow.
func (p *parser) tail(w *format.Window, need int) int {
	b := w.Bytes()
	if len(bytes.Trim(b, "\x00")) == 0 { // padding to the size of a block
		w.Pad(len(b))
		p.in.AddAnomaly("zero_padding")
		return 0
	}
	for at := 1; at < len(b); at++ {
		if ok, _ := p.candidate(b[at:], true); ok {
			return p.broken(w, fmt.Sprintf("block length %d reaches beyond the end of the file", need))
		}
	}
	what := "block"
	if len(b) < 12 {
		what = "block header"
	}
	p.damage(w.Offset(), p.n+1, fmt.Sprintf("file ends inside the %s: %d of %d bytes", what, len(b), need),
		"the capture was cut; copy it again if the original is longer")
	w.Lose(len(b))
	return 0
}

func (p *parser) damage(offset, number int64, why, hint string) {
	format.Damage(p.in, offset, number, p.n, why, hint)
}
