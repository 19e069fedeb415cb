// Package fiveviews reads the captures of InfoVista's 5View: little-endian,
// times in nanoseconds since 1970 as unsigned 32-bit seconds.
//
// No description was published; the fields are those that wiretap/5views.c of
// Wireshark names. A record has one length, which is that of the packet both as
// captured and on the wire, so that a capture that was cut short by a snap
// length cannot be told from a whole one.
package fiveviews

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"recap/reader/format"
	"recap/reader/packet"
)

const (
	magic = 0xaaaaaaaa

	infoHeader   = 32
	recordHeader = 36
	// recordStart is what all records begin with: the key, the size of the header
	// and its type, which says that it holds a time.
	recordStart = "\xee\xee\x33\x33\x24\x00\x00\x40"
	// mostInfo is the most that may stand between the file header and the first
	// record, bytes; two attributes of 12 bytes are usual.
	mostInfo = 1 << 16
)

// File types: captures, by the kind of network.
const (
	captureMask     = 0xff000000
	captureFile     = 0x18000000
	captureEthernet = captureFile | 0x1000
)

// Format is the entry for the list of formats.
var Format = format.Format{
	Name: "5views",
	Match: func(head []byte) bool {
		return len(head) >= 20 && binary.LittleEndian.Uint32(head) == magic &&
			binary.LittleEndian.Uint32(head[16:])&captureMask == captureFile
	},
	New: func(in *packet.Input, file int32, lim format.Limits) format.Parser {
		return format.NewRecords(in, file, &layout{in: in, max: uint32(lim.WithDefaults().MaxPacket)})
	},
}

type layout struct {
	format.NoTables
	in   *packet.Input
	max  uint32
	link packet.LinkType
}

func (l *layout) FileHeader(b []byte) int {
	if len(b) < infoHeader {
		return infoHeader
	}
	le := binary.LittleEndian
	size := infoHeader
	if info := le.Uint32(b[12:]); info <= mostInfo {
		size += int(info)
	} else {
		l.in.AddAnomaly("odd_info_size")
	}
	if len(b) < size {
		return size
	}
	if le.Uint32(b[8:]) != 0x10000 {
		l.in.AddAnomaly("odd_version")
	}
	l.link = packet.LinkEthernet
	if kind := le.Uint32(b[16:]); kind != captureEthernet {
		l.link = packet.LinkUnassigned + packet.LinkType(kind>>12&0xfff)
		l.in.AddAnomaly("unknown_media_type")
	}
	l.in.Format = Format.Name
	l.in.Interfaces = append(l.in.Interfaces, packet.Interface{Link: l.link, Resolution: "10^-9", Received: -1, Drops: -1})
	return size
}

func (l *layout) HeaderSize() int { return recordHeader }

func (l *layout) Header(b []byte) format.Header {
	le := binary.LittleEndian
	h := format.Header{Sec: int64(le.Uint32(b[24:]))}
	n := le.Uint32(b[16:])
	if string(b[:4]) != recordStart[:4] || n > l.max {
		return h
	}
	h.Size = recordHeader + int(n)
	// Nothing in the header confirms the length: the record that follows has to, so
	// this is never Plain, and a length that passes over another record does not fit.
	h.Fits = string(b[4:8]) == recordStart[4:] && le.Uint32(b[28:]) < 1e9 &&
		!bytes.Contains(b[recordHeader:min(h.Size, len(b))], []byte(recordStart))
	return h
}

// Why implements [format.Layout].
func (l *layout) Why(b []byte) string {
	le := binary.LittleEndian
	if string(b[:4]) != recordStart[:4] {
		return fmt.Sprintf("record begins with %x instead of %x", b[:4], recordStart[:4])
	}
	if n := le.Uint32(b[16:]); n > l.max {
		return fmt.Sprintf("record length %d exceeds the limit of %d", n, l.max)
	}
	return ""
}

func (l *layout) Other([]byte) [2]int { return [2]int{} }

func (l *layout) Take(b []byte, p *packet.Packet) bool {
	le := binary.LittleEndian
	if kind := le.Uint32(b[12:]); kind != 0 {
		format.StepOver(l.in, fmt.Sprintf("5views record %d", kind))
		return false
	}
	nsec := le.Uint32(b[28:])
	if nsec >= 1e9 {
		l.in.AddAnomaly("odd_fraction")
	}
	p.Data = b[recordHeader:len(b):len(b)]
	p.Length, p.Link = uint32(len(p.Data)), l.link
	p.TimeNS = int64(le.Uint32(b[24:]))*1e9 + int64(nsec)
	return true
}
