// Package erf reads the Extensible Record Format of Endace's DAG cards: Ethernet,
// HDLC, IP and AAL5 records with extension headers, also the coloured and
// multi-channel kinds.
//
// Sources: Endace, "ERF types reference guide" (EDM11-01); LINKTYPE_ERF of the
// registry. The file has no header and no magic number: it is known by its
// first two records.
//
// Times are 64-bit fixed point, units of 2^-32 s since 1970. They become
// nanoseconds by rounding to the nearest, halves up, which can carry into the
// next second; two times that differ by less than half a nanosecond may become
// equal.
package erf

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"recap/reader/format"
	"recap/reader/packet"
)

// Format is the entry for the list of formats.
var Format = format.Format{
	Name:  "erf",
	Weak:  true,
	Match: match,
	New: func(in *packet.Input, file int32, lim format.Limits) format.Parser {
		return format.NewRecords(in, file, &layout{in: in, max: lim.WithDefaults().MaxPacket})
	},
}

const recordHeader = 16

// kind is what is known of a record type.
type kind struct {
	name string
	sub  int // bytes between the headers and the packet
	link packet.LinkType
}

// Markers for records whose link type stands in their data, or that hold no packet.
const (
	linkHDLC     = packet.LinkCHDLC
	linkNoPacket = packet.LinkType(0xffff)
)

// cellHeader is the length of the header of ATM cells, without its check, that stands
// before a frame of AAL5 and counts as a part of it.
const cellHeader = 4

// kinds by record type. Ethernet has two bytes of offset and padding before
// the frame, multi-channel records four of channel.
var kinds = [128]kind{
	1: {"HDLC_POS", 0, linkHDLC}, 2: {"ETH", 2, packet.LinkEthernet},
	4: {"AAL5", 0, packet.LinkATM}, 9: {"MC_AAL5", 4, packet.LinkATM}, 5: {"MC_HDLC", 4, linkHDLC}, 10: {"COLOR_HDLC_POS", 0, linkHDLC}, 11: {"COLOR_ETH", 2, packet.LinkEthernet},
	13: {"IP_COUNTER", 0, linkNoPacket}, 14: {"TCP_FLOW_COUNTER", 0, linkNoPacket},
	15: {"DSM_COLOR_HDLC_POS", 0, linkHDLC}, 16: {"DSM_COLOR_ETH", 2, packet.LinkEthernet},
	17: {"COLOR_MC_HDLC_POS", 4, linkHDLC}, 19: {"COLOR_HASH_POS", 0, linkHDLC},
	20: {"COLOR_HASH_ETH", 2, packet.LinkEthernet}, 22: {"IPV4", 0, packet.LinkIPv4}, 23: {"IPV6", 0, packet.LinkIPv6},
	27: {"META", 0, linkNoPacket}, 48: {"PAD", 0, linkNoPacket},
}

// dataLink finds the link type of HDLC, which carries PPP or Cisco's framing.
func dataLink(link packet.LinkType, data []byte) packet.LinkType {
	if link == linkHDLC && len(data) >= 2 && data[0] == 0xff && data[1] == 0x03 {
		return packet.LinkPPP
	}
	return link
}

// match asks that the first record be one of a packet or metadata, wholly
// consistent, and followed by another if that stands in head.
func match(head []byte) bool {
	l := &layout{max: format.DefaultMaxPacket}
	at := 0
	for i := range 2 {
		if len(head)-at < recordHeader {
			return i > 0 && (len(head) == at || len(head) == format.HeadSize)
		}
		h := l.Header(head[at:])
		// 2001 is about the year of the format.
		if !h.Fits || h.Sec < 978307200 && head[at+8]&0x7f != 27 {
			return false
		}
		if at += h.Size; at > len(head) {
			return len(head) == format.HeadSize && h.Plain
		}
	}
	return true
}

type layout struct {
	format.NoTables
	in    *packet.Input
	max   int
	ports [8]int32 // number of the interface entry from 1, by capture port
}

func (l *layout) FileHeader([]byte) int {
	l.in.Format = Format.Name
	return 0
}

func (l *layout) HeaderSize() int { return recordHeader }

// extensions returns how many bytes of extension headers follow the record
// header; b may end before they do. Each is 8 bytes, and its uppermost bit says
// whether another follows.
func extensions(b []byte) int {
	if b[8]&0x80 == 0 {
		return 0
	}
	n := 8
	for recordHeader+n-8 < len(b) && b[recordHeader+n-8]&0x80 != 0 {
		n += 8
	}
	return n
}

func lengths(b []byte) (record, wire int) {
	return int(binary.BigEndian.Uint16(b[10:])), int(binary.BigEndian.Uint16(b[14:]))
}

func (l *layout) Header(b []byte) format.Header {
	record, wire := lengths(b)
	k := kinds[b[8]&0x7f]
	h := format.Header{Size: record, Sec: int64(binary.LittleEndian.Uint32(b[4:]))}
	if record < recordHeader {
		h.Size = 0
		return h
	}
	if k.name == "" {
		return h
	}
	if k.link == linkNoPacket {
		h.Fits = record%8 == 0 && b[9]&0x10 == 0
		h.Plain = h.Fits && record > recordHeader
		return h
	}
	// Extension headers are not yet there where only the header is looked at.
	room := record - recordHeader - k.sub
	if b[8]&0x80 != 0 {
		room -= 8
	}
	h.Fits = room > 0 && wire > 0 && room-wire < 16+7*8
	// A whole packet and at most the padding to 8 bytes.
	h.Plain = h.Fits && room >= wire && room-wire < 8
	return h
}

// Why implements [format.Layout].
func (l *layout) Why(b []byte) string {
	record, wire := lengths(b)
	switch {
	case record < recordHeader:
		return fmt.Sprintf("record length %d is less than that of its header", record)
	case kinds[b[8]&0x7f].name != "" && !l.Header(b).Fits:
		return fmt.Sprintf("record length %d does not go with %d bytes on the wire", record, wire)
	}
	return ""
}

// Other returns the sizes that follow from the length on the wire, with and
// without padding to 8 bytes.
func (l *layout) Other(b []byte) [2]int {
	_, wire := lengths(b)
	n := recordHeader + extensions(b) + kinds[b[8]&0x7f].sub + wire
	return [2]int{(n + 7) &^ 7, n}
}

func (l *layout) Take(b []byte, p *packet.Packet) bool {
	k := kinds[b[8]&0x7f]
	_, wire := lengths(b)
	start := recordHeader + extensions(b) + k.sub
	if k.name == "" || k.link == linkNoPacket || start > len(b) {
		if k.name == "" {
			k.name = fmt.Sprintf("type %d", b[8]&0x7f)
		}
		format.StepOver(l.in, "erf "+k.name)
		return false
	}
	data := b[start:]
	data = data[:min(len(data), wire):min(len(data), wire)]
	if k.link == packet.LinkATM {
		data, wire = data[min(len(data), cellHeader):], max(0, wire-cellHeader)
	}
	if b[9]&0x10 != 0 {
		l.in.AddAnomaly("receive_error")
	}
	p.Data, p.Length, p.Link = data, uint32(wire), dataLink(k.link, data)
	p.TimeNS = nanoseconds(binary.LittleEndian.Uint64(b))
	p.Interface = l.port(b[9]&3|b[9]>>4&4, p.Link)
	if n := binary.BigEndian.Uint16(b[12:]); n > 0 && countsLosses(b[8]&0x7f) {
		p.Dropped = uint32(n)
		i := &l.in.Interfaces[p.Interface]
		i.Drops = max(i.Drops, 0) + int64(n)
	}
	p.BigEndian = true
	return true
}

// countsLosses reports whether records of the type say how many packets were lost
// since the one before; others have a color or a hash there.
func countsLosses(typ byte) bool { return typ < 10 || typ == 22 || typ == 23 }

// nanoseconds converts a time; see the comment of the package.
func nanoseconds(t uint64) int64 {
	hi, lo := bits.Mul64(t&0xffffffff, 1e9)
	lo, carry := bits.Add64(lo, 1<<31, 0)
	hi += carry
	return int64(t>>32)*1e9 + int64(hi<<32|lo>>32)
}

// port returns the interface entry of a capture port: bits 0 and 1 of the flags
// and, on later cards, bit 6.
func (l *layout) port(n byte, link packet.LinkType) int32 {
	if l.ports[n] == 0 {
		l.in.Interfaces = append(l.in.Interfaces, packet.Interface{Name: fmt.Sprintf("port %d", n), Link: link,
			Resolution: "2^-32", Received: -1, Drops: -1})
		l.ports[n] = int32(len(l.in.Interfaces))
	}
	return l.ports[n] - 1
}
