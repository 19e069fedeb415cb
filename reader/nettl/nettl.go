// Package nettl reads the traces of HP-UX' nettl (files .TRC0 and .TRC1):
// big-endian, times in microseconds since 1970 as unsigned 32-bit seconds.
//
// No description was published; the fields are those that wiretap/nettl.c and
// nettl.h of Wireshark name, after <sys/netdiag1.h>.
//
// A trace holds records of many subsystems. Those of network cards and of IP are
// packets. Records of logs, and of layers above IP, which come without the headers
// below, are counted and stepped over.
package nettl

import (
	"encoding/binary"
	"fmt"

	"recap/reader/format"
	"recap/reader/packet"
)

// What files begin with: of HP-UX 9, and of 10 and 11.
const (
	magic9  = "\x00\x00\x00\x01\x00\x00\x00\x00\x00\x07\xd0\x00"
	magic10 = "TR\x00\x64\x00\x00\x00\x00\x00\x00\x00\x80"
)

const (
	fileHeader = 128
	// recordHeader is how much of a record header is read. Each tells its size: 64
	// bytes, or 68 of HP-UX 11.
	recordHeader     = 64
	mostRecordHeader = 256
	// pdu are the bits of the kind of a record that say that it holds a packet, going
	// in or out.
	pdu = 0x30000000
)

// Format is the entry for the list of formats.
var Format = format.Format{
	Name: "nettl",
	Match: func(head []byte) bool {
		return len(head) >= len(magic9) && (string(head[:len(magic9)]) == magic9 || string(head[:len(magic10)]) == magic10)
	},
	New: func(in *packet.Input, file int32, lim format.Limits) format.Parser {
		return format.NewRecords(in, file, &layout{in: in, max: lim.WithDefaults().MaxPacket})
	},
}

// subsystem says how the packets of one are wrapped.
type subsystem struct {
	name string
	link packet.LinkType
	pad  int // bytes before the packet, which the lengths count
}

// noPacket is the link type of subsystems whose records begin above IP.
const noPacket packet.LinkType = 0xffff

// driver is the subsystem of network cards that have none of their own. Its packets stand
// behind a header with lengths of their own.
const driver = 11

// subsystems other than Ethernet cards, by number.
var subsystems = map[uint16]subsystem{
	2: {"loopback", packet.LinkRaw, 26}, 6: {"TCP", packet.LinkRaw, 0}, 8: {"UDP", packet.LinkRaw, 0}, 9: {"IP", packet.LinkRaw, 0},
	244: {"IPv6", packet.LinkRaw, 0}, 268: {"SCTP", packet.LinkRaw, 8},
	23: {"ICMP", noPacket, 0}, 245: {"ICMPv6", noPacket, 0}, 267: {"telnet", noPacket, 0},
	34: {"X.25 level 2", noPacket, 0}, 35: {"X.25 level 3", noPacket, 0}, 95: {"HP-PB FDDI", noPacket, 0},
	31: {"token ring", packet.LinkTokenRing, 0}, 187: {"PCI token ring", packet.LinkTokenRing, 0},
	174: {"EISA FDDI", packet.LinkFDDI, 3}, 176: {"PCI FDDI", packet.LinkFDDI, 3}, 177: {"HSC FDDI", packet.LinkFDDI, 3},
	driver: {"driver", packet.LinkEthernet, 24},
}

type layout struct {
	format.NoTables
	in    *packet.Input
	max   int
	links *format.Links
	old   bool // from before HP-UX 11
}

func (l *layout) FileHeader(b []byte) int {
	if len(b) < fileHeader {
		return fileHeader
	}
	// The version of the system stands in nine bytes as a text: "B.11.11".
	l.old = string(b[99:101]) != "11"
	l.in.Format = Format.Name
	l.in.OS = "HP-UX " + text(b[97:106])
	l.in.Hardware = text(b[115:126])
	l.links = format.NewLinks(l.in, "10^-6")
	return fileHeader
}

// text returns a text that ends with a zero byte.
func text(b []byte) string {
	for i, c := range b {
		if c == 0 {
			return string(b[:i])
		}
	}
	return string(b)
}

func (l *layout) HeaderSize() int { return recordHeader }

// fields of a record header.
func fields(b []byte) (header, incl, orig, sec, usec uint32) {
	be := binary.BigEndian
	return uint32(be.Uint16(b)), be.Uint32(b[32:]), be.Uint32(b[36:]), be.Uint32(b[40:]), be.Uint32(b[44:])
}

func (l *layout) Header(b []byte) format.Header {
	header, incl, orig, sec, usec := fields(b)
	h := format.Header{Sec: int64(sec)}
	if header < recordHeader || header > mostRecordHeader || incl > uint32(l.max) {
		return h
	}
	h.Size = int(header + incl)
	h.Fits = incl <= orig && orig <= format.MaxWire && usec < 1e6 && header%4 == 0
	h.Plain = h.Fits && incl == orig && header <= recordHeader+4
	return h
}

// Why implements [format.Layout].
func (l *layout) Why(b []byte) string {
	header, incl, orig, _, _ := fields(b)
	if header < recordHeader || header > mostRecordHeader {
		return fmt.Sprintf("record header of %d bytes", header)
	}
	return format.WhyLengths(incl, orig, uint32(l.max))
}

func (l *layout) Other(b []byte) [2]int {
	_, incl, orig, _, _ := fields(b)
	var other [2]int
	for i, n := range []uint32{incl, orig} {
		if n <= uint32(l.max) {
			other[i] = l.usualHeader() + int(n)
		}
	}
	return other
}

func (l *layout) Take(b []byte, p *packet.Packet) bool {
	_, incl, _, sec, usec := fields(b)
	s, ok := subsystems[binary.BigEndian.Uint16(b[2:])]
	if !ok {
		s = subsystem{"card", packet.LinkEthernet, 0}
	}
	body := b[l.bodyStart(b):]
	if len(body) != int(incl) {
		l.in.AddAnomaly("length_mismatch")
	}
	switch {
	case binary.BigEndian.Uint32(b[12:])&pdu == 0:
		format.StepOver(l.in, "nettl record that is no packet")
		return false
	case s.link == noPacket:
		format.StepOver(l.in, "nettl "+s.name)
		return false
	}
	data, orig, ok := l.unwrap(b, body, s)
	if !ok {
		format.StepOver(l.in, "nettl "+s.name+" shorter than its wrapping")
		return false
	}
	if orig < uint32(len(data)) {
		l.in.AddAnomaly("caplen_exceeds_len")
	}
	if usec >= 1e6 {
		l.in.AddAnomaly("odd_fraction")
	}
	p.Data, p.Length, p.Link = data[:len(data):len(data)], orig, s.link
	p.Interface, p.BigEndian = l.links.Interface(s.link), true
	p.TimeNS = int64(sec)*1e9 + int64(usec)*1000
	return true
}

// bodyStart returns where the header of record b ends.
func (l *layout) bodyStart(b []byte) int {
	header := int(binary.BigEndian.Uint16(b))
	if header >= recordHeader && header <= min(mostRecordHeader, len(b)) {
		return header
	}
	l.in.AddAnomaly("length_mismatch")
	return min(l.usualHeader(), len(b))
}

func (l *layout) usualHeader() int {
	if l.old {
		return recordHeader
	}
	return recordHeader + 4
}

// unwrap returns the packet out of the body of record b, and its length on the wire.
func (l *layout) unwrap(b, body []byte, s subsystem) (data []byte, orig uint32, ok bool) {
	_, _, orig, _, _ = fields(b)
	pad, inner := s.pad, binary.BigEndian.Uint16(b[2:]) == driver
	if inner && l.old {
		pad -= 2
	}
	if len(body) < pad || orig < uint32(pad) {
		return nil, 0, false
	}
	data, orig = body[pad:], orig-uint32(pad)
	if inner {
		incl := int(binary.BigEndian.Uint16(body[4:]))
		data, orig = data[:min(len(data), incl)], uint32(binary.BigEndian.Uint16(body[6:]))
	}
	return data, orig, true
}
