// Package iptrace reads the captures of AIX' iptrace, versions 1.0 and 2.0: big-endian,
// times in seconds (1.0) or nanoseconds (2.0) since 1970.
//
// No description was published; the fields are those that wiretap/iptrace.c of
// Wireshark found by inspection. A record tells one length, so how long a packet was on
// the wire is not known where less was captured.
package iptrace

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"recap/reader/format"
	"recap/reader/packet"
)

const (
	magic      = "iptrace "
	fileHeader = len("iptrace 1.0")
)

// What stands before a packet: eight bytes of length and time, of which the length counts
// neither, then what is told of the packet.
const (
	recordHeader = 8
	info1        = 22
	info2        = 32
	// fddiPad stands between that and an FDDI frame.
	fddiPad = 3
)

// Format is the entry for the list of formats.
var Format = format.Format{
	Name: "iptrace",
	Match: func(head []byte) bool {
		return len(head) >= fileHeader && (string(head[:fileHeader]) == magic+"1.0" || string(head[:fileHeader]) == magic+"2.0")
	},
	New: func(in *packet.Input, file int32, lim format.Limits) format.Parser {
		return format.NewRecords(in, file, &layout{in: in, max: lim.WithDefaults().MaxPacket})
	},
}

// links are the kinds of interfaces (ifType of SNMP) that are known.
var links = map[byte]packet.LinkType{
	4: packet.LinkRaw, 6: packet.LinkEthernet, 7: packet.LinkEthernet, 9: packet.LinkTokenRing,
	12: packet.LinkRaw, // switch of the SP
	15: packet.LinkFDDI, 24: packet.LinkRaw, 37: packet.LinkATM, 61: packet.LinkRaw, 199: 247,
}

// mostInterfaces bounds how many interfaces are told apart.
const mostInterfaces = 1000

// iface is how a record names an interface.
type iface struct {
	prefix [4]byte
	unit   byte
	kind   byte
}

type layout struct {
	format.NoTables
	in     *packet.Input
	max    int
	info   int
	ifaces map[iface]int32
}

func (l *layout) FileHeader(b []byte) int {
	if len(b) < fileHeader {
		return fileHeader
	}
	l.info = info1
	if b[8] == '2' {
		l.info = info2
	}
	l.ifaces = map[iface]int32{}
	l.in.Format = Format.Name + "-" + string(b[8:fileHeader])
	l.in.OS = "AIX"
	return fileHeader
}

func (l *layout) HeaderSize() int { return recordHeader + l.info }

func (l *layout) Header(b []byte) format.Header {
	be := binary.BigEndian
	n, start := be.Uint32(b), recordHeader+l.info
	h := format.Header{Sec: int64(be.Uint32(b[4:])), Alone: true}
	h.Fits = l.sound(b)
	if n < uint32(l.info) || n > uint32(l.max+l.info) {
		h.Fits = h.Fits && h.Wait(b, start)
		return h
	}
	h.Size = recordHeader + int(n)
	h.Confirm(links[b[recordHeader+20]], b, start)
	return h
}

// sound says whether all fields but the length hold values that they may.
func (l *layout) sound(b []byte) bool {
	info := b[recordHeader:]
	_, known := links[info[20]]
	return known && info[4] >= 'a' && info[4] <= 'z' && info[21] <= 1 &&
		(l.info == info1 || binary.BigEndian.Uint32(info[28:]) < 1e9)
}

// Why implements [format.Layout].
func (l *layout) Why(b []byte) string {
	switch n := binary.BigEndian.Uint32(b); {
	case n < uint32(l.info):
		return fmt.Sprintf("record length %d is less than that of its header", n)
	case n > uint32(l.max+l.info):
		return fmt.Sprintf("record length %d exceeds the limit of %d", n, l.max+l.info)
	}
	return ""
}

// Other returns the size that follows from the packet's own length.
func (l *layout) Other(b []byte) [2]int {
	if !l.sound(b) {
		return [2]int{}
	}
	return [2]int{l.Header(b).OtherSize(links[b[recordHeader+20]], b, recordHeader+l.info)}
}

func (l *layout) Take(b []byte, p *packet.Packet) bool {
	be := binary.BigEndian
	info, data := b[recordHeader:], b[recordHeader+l.info:]
	kind := info[20]
	link, ok := links[kind]
	if !ok {
		link = packet.LinkUnassigned + packet.LinkType(kind)
		l.in.AddAnomaly("unknown_media_type")
	}
	if link == packet.LinkFDDI {
		if len(data) < fddiPad {
			format.StepOver(l.in, "iptrace FDDI record shorter than its padding")
			return false
		}
		data = data[fddiPad:]
	}
	p.Data, p.Length, p.Link = data[:len(data):len(data)], uint32(len(data)), link
	p.Interface = l.iface(info, link)
	p.TimeNS = int64(be.Uint32(b[4:])) * 1e9
	if l.info == info2 {
		nsec := int64(be.Uint32(info[28:]))
		if nsec >= 1e9 {
			l.in.AddAnomaly("odd_fraction")
		}
		p.TimeNS = int64(be.Uint32(info[24:]))*1e9 + nsec
	}
	return true
}

// iface returns the index of the interface that a record names.
func (l *layout) iface(info []byte, link packet.LinkType) int32 {
	key := iface{prefix: [4]byte(info[4:8]), unit: info[3], kind: info[20]}
	if i, ok := l.ifaces[key]; ok {
		return i
	}
	if len(l.ifaces) >= mostInterfaces {
		key = iface{kind: info[20]}
		if i, ok := l.ifaces[key]; ok {
			return i
		}
	}
	return l.add(key, link)
}

// add makes an entry for an interface.
func (l *layout) add(key iface, link packet.LinkType) int32 {
	res := "10^0"
	if l.info == info2 {
		res = "10^-9"
	}
	name := ""
	if prefix, _, _ := bytes.Cut(key.prefix[:], []byte{0}); len(prefix) > 0 {
		name = fmt.Sprintf("%s%d", prefix, key.unit)
	}
	l.in.Interfaces = append(l.in.Interfaces, packet.Interface{Name: name, Link: link, Resolution: res, Received: -1, Drops: -1})
	i := int32(len(l.in.Interfaces) - 1)
	l.ifaces[key] = i
	return i
}
