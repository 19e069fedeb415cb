package rf5

import (
	"bytes"
	"encoding/binary"
	"strings"

	"recap/reader/format"
	"recap/reader/packet"
)

// Types of records that describe a source.
const (
	typeSource  = 0x0007_0041
	typeSource2 = 0x0007_0043
)

// Places in the description of a source.
const (
	portAt     = 0x1a
	hardwareAt = 0x1e // length of the part on the hardware, and of two names behind it
	nameAt     = 0x20
	stackAt    = 0x22
	partsAt    = 0x24
)

const (
	hardwareATM = 0x0102_0000
	// Ports of ATM, in files without a part on the hardware.
	firstPortATM, lastPortATM = 0x14, 0x17
)

// sourceMask leaves off of the number of a source what some files add to it.
const sourceMask = 0x00ff_ffff

// maxSources bounds how many sources are remembered.
const maxSources = 1 << 16

// A source is a port of the analyzer, as the file describes it.
type source struct {
	name  string
	link  packet.LinkType
	known bool // what link is
	// undescribed stands for all sources that the file does not describe.
	undescribed bool
}

// An iface is a source with frames of one kind.
type iface struct {
	s    *source
	link packet.LinkType
}

// describes says whether the record describes a source.
func (h header) describes() bool { return h.kind() == typeSource || h.kind() == typeSource2 }

// plainSource says whether the lengths of a description at the beginning of v confirm each
// other, as far as v shows.
func (v view) plainSource(h header) bool {
	var b [partsAt]byte
	if !h.describes() || v.copy(b[:], 0) < partsAt {
		return false
	}
	be := binary.BigEndian
	behind := h.size() - partsAt - int(be.Uint16(b[hardwareAt:])) - int(be.Uint16(b[nameAt:])) - int(be.Uint16(b[stackAt:]))
	return behind >= 0 && behind < 4
}

// describe reads the description of a source.
func (p *parser) describe(b []byte) {
	if len(b) < partsAt {
		format.StepOver(p.in, "rf5 source that is cut short")
		return
	}
	be := binary.BigEndian
	hardware, name, stack := int(be.Uint16(b[hardwareAt:])), int(be.Uint16(b[nameAt:])), int(be.Uint16(b[stackAt:]))
	rest := b[partsAt:]
	if len(rest) < hardware+name+stack {
		format.StepOver(p.in, "rf5 source that is cut short")
		return
	}
	stackName := text(rest[hardware+name:][:stack])
	s := &source{name: strings.TrimSpace(text(rest[hardware:][:name]) + " " + stackName)}
	base := strings.ToLower(stackName[strings.LastIndexAny(stackName, `\/`)+1:])
	port := b[portAt]
	switch {
	case hardware >= 4 && be.Uint32(rest) == hardwareATM, hardware == 0 && port >= firstPortATM && port <= lastPortATM:
		s.link, s.known = packet.LinkATM, true
	case strings.Contains(base, "ethernet"):
		s.link, s.known = packet.LinkEthernet, true
	}
	if len(p.sources) >= maxSources {
		format.StepOver(p.in, "rf5 source beyond the limit")
		return
	}
	p.sources[header(b).source()] = s
}

// text returns a string that ends at its first zero byte.
func text(b []byte) string {
	b, _, _ = bytes.Cut(b, []byte{0})
	return strings.ToValidUTF8(string(b), "\uFFFD")
}

// source returns the source with a number, also one that the file does not describe.
func (p *parser) source(id uint32) *source {
	if s := p.sources[id]; s != nil {
		return s
	}
	if s := p.sources[id&sourceMask]; s != nil {
		return s
	}
	p.in.AddAnomaly("unknown_source")
	return &p.other
}

// linkOf says what a frame of s begins with. A frame that proves Ethernet does so for those
// that follow; the other proofs are shorter, and hold for their frame.
func (s *source) linkOf(frame []byte) (packet.LinkType, bool) {
	switch {
	case s.known:
		return s.link, true
	case ethernet(frame):
		s.link, s.known = packet.LinkEthernet, !s.undescribed
		return packet.LinkEthernet, true
	}
	return format.BChannel(frame)
}

// ethernet says whether a frame is one of Ethernet beyond doubt: it holds an IP packet that
// is as long as it says.
func ethernet(b []byte) bool {
	const ends, checkSequence, least = 12, 4, 60
	n := format.Implied(packet.LinkEthernet, b)
	return n > 0 && b[0]&1 == 0 && (n == len(b) || n+checkSequence == len(b) || n <= least && len(b) >= least && len(b) <= least+checkSequence)
}

// iface returns the entry for frames of s with a link type.
func (p *parser) iface(s *source, link packet.LinkType) int32 {
	key := iface{s, link}
	if i, ok := p.ifaces[key]; ok {
		return i
	}
	p.in.Interfaces = append(p.in.Interfaces, packet.Interface{Name: s.name, Link: link, Resolution: "500*10^-9", Received: -1, Drops: -1})
	p.ifaces[key] = int32(len(p.in.Interfaces) - 1)
	return p.ifaces[key]
}
