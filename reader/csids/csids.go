// Package csids reads the IP logs of the Cisco Secure Intrusion Detection System: big-endian,
// IPv4 packets behind 8 bytes of time and length, and nothing else. It is known by its first
// two packets, whose headers must be sound.
//
// No description was published; the fields are those that wiretap/csids.c of Wireshark names.
// Times are seconds since 1970. Some versions swapped the bytes of the length, identification
// and fragment fields of IP headers: such headers are put right if their checksum then is, with
// the anomaly swapped_ip_header.
package csids

import (
	"encoding/binary"
	"fmt"

	"recap/reader/format"
	"recap/reader/packet"
)

const (
	before = 8
	// leastIP is the size of the smallest IPv4 header (RFC 791, section 3.1).
	leastIP = 20
)

// Format is the entry for the list of formats.
var Format = format.Format{
	Name:  "csids",
	Weak:  true,
	Match: match,
	New: func(in *packet.Input, file int32, lim format.Limits) format.Parser {
		return format.NewRecords(in, file, &layout{in: in, max: lim.WithDefaults().MaxPacket})
	},
}

// match asks for two packets with sound headers, or for one that ends the file.
func match(head []byte) bool {
	l := &layout{max: format.DefaultMaxPacket}
	at := 0
	for i := range 2 {
		if len(head)-at < before+leastIP {
			return i > 0 && (at == len(head) || len(head) == format.HeadSize)
		}
		b := head[at:]
		h := l.Header(b)
		if !h.Plain || !sound(b[before:], false) && !sound(b[before:], true) {
			return false
		}
		if at += h.Size; at > len(head) {
			return len(head) == format.HeadSize
		}
	}
	return true
}

type layout struct {
	format.NoTables
	in    *packet.Input
	max   int
	iface int32
	room  []byte // for packets that are put right
}

func (l *layout) FileHeader([]byte) int {
	l.in.Format = Format.Name
	l.iface = format.NewLinks(l.in, "10^0").Interface(packet.LinkRaw)
	return 0
}

func (l *layout) HeaderSize() int { return before + leastIP }

func (l *layout) Header(b []byte) format.Header {
	n := int(binary.BigEndian.Uint16(b[6:]))
	h := format.Header{Sec: int64(binary.BigEndian.Uint32(b))}
	if n < leastIP || n > l.max {
		return h
	}
	h.Size = before + n
	total, swapped := int(binary.BigEndian.Uint16(b[before+2:])), int(binary.LittleEndian.Uint16(b[before+2:]))
	h.Fits = b[4] == 0 && b[5] == 0 && b[before]>>4 == 4
	h.Plain = h.Fits && (total == n || swapped == n)
	h.Alone = !h.Plain
	return h
}

// Why implements [format.Layout].
func (l *layout) Why(b []byte) string {
	switch n := int(binary.BigEndian.Uint16(b[6:])); {
	case n < leastIP:
		return fmt.Sprintf("packet length %d is less than that of an IP header", n)
	case n > l.max:
		return fmt.Sprintf("packet length %d exceeds the limit of %d", n, l.max)
	}
	return ""
}

// Other returns the sizes that follow from the IP header.
func (l *layout) Other(b []byte) [2]int {
	return [2]int{before + int(binary.BigEndian.Uint16(b[before+2:])), before + int(binary.LittleEndian.Uint16(b[before+2:]))}
}

func (l *layout) Take(b []byte, p *packet.Packet) bool {
	data := b[before:len(b):len(b)]
	if !sound(data, false) && sound(data, true) {
		l.in.AddAnomaly("swapped_ip_header")
		data = l.swap(data)
	}
	p.Data, p.Length, p.Link, p.Interface = data, uint32(len(data)), packet.LinkRaw, l.iface
	p.TimeNS = int64(binary.BigEndian.Uint32(b)) * 1e9
	return true
}

// The fields that were swapped: of two bytes each, from the length on.
const firstSwapped, lastSwapped = 2, 6

// swap returns a copy of a packet with the fields put right. Copies share large pieces of
// memory.
func (l *layout) swap(b []byte) []byte {
	const piece = 256 << 10
	if cap(l.room)-len(l.room) < len(b) {
		l.room = make([]byte, 0, max(piece, len(b)))
	}
	at := len(l.room)
	l.room = append(l.room, b...)
	c := l.room[at:len(l.room):len(l.room)]
	for i := firstSwapped; i <= lastSwapped; i += 2 {
		c[i], c[i+1] = c[i+1], c[i]
	}
	return c
}

// sound says whether the header of an IPv4 packet has the right checksum, with fields swapped
// or not.
func sound(b []byte, swapped bool) bool {
	n := int(b[0]&15) * 4
	if n < leastIP || n > len(b) {
		return false
	}
	var sum uint32
	for i := 0; i < n; i += 2 {
		v := binary.BigEndian.Uint16(b[i:])
		if swapped && i >= firstSwapped && i <= lastSwapped {
			v = v<<8 | v>>8
		}
		sum += uint32(v)
	}
	return sum>>16+sum&0xffff == 0xffff
}
