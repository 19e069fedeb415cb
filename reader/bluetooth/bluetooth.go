// Package bluetooth reads what hosts log between them and their Bluetooth controllers: btsnoop
// of Symbian, Android and BlueZ, BlueZ' older hcidump, and PacketLogger of macOS.
//
// Sources: "BT Snoop File Format" of Frontline, a variant of RFC 1761, with its data link types
// and those that BlueZ added; of the two others no description was published, their fields are
// those that wiretap/hcidump.c and wiretap/packetlogger.c of Wireshark name.
//
// Who sent a packet, and what kind of packet it is, stand in the header of its record. They are
// put before its bytes as the link types of pcap have them.
package bluetooth

import (
	"encoding/binary"
	"fmt"

	"recap/reader/format"
	"recap/reader/packet"
)

// Link types of the registry.
const (
	linkHCI     packet.LinkType = 201 // 4 bytes of direction, one of the kind, the packet
	linkMonitor packet.LinkType = 254 // 2 bytes of the adapter, 2 of the kind of event, the event
)

// Kinds of packets, as the serial transport numbers them (Bluetooth Core, volume 4, part A).
const (
	kindCommand = 1
	kindACL     = 2
	kindSCO     = 3
	kindEvent   = 4
	kindISO     = 5 // isochronous data
)

// kindNeeds is how many bytes of a packet [ownLength] may look at.
const kindNeeds = 4

// ownLength returns how many bytes a packet of some kind has, as the header at b says
// (Bluetooth Core, volume 4, part E, section 5.4); 0 where that cannot be seen.
func ownLength(kind byte, b []byte) int {
	switch {
	case kind == kindEvent && len(b) >= 2:
		return 2 + int(b[1])
	case (kind == kindCommand || kind == kindSCO) && len(b) >= 3:
		return 3 + int(b[2])
	case kind == kindACL && len(b) >= kindNeeds:
		return 4 + int(binary.LittleEndian.Uint16(b[2:]))
	case kind == kindISO && len(b) >= kindNeeds:
		return 4 + int(binary.LittleEndian.Uint16(b[2:])&0x3fff)
	}
	return 0
}

// pieces makes packets of what a format has in two places. Its memory is never used again, so
// that packets may be kept.
type pieces struct{ free []byte }

func (m *pieces) join(front, b []byte) []byte {
	const block = 64 << 10
	n := len(front) + len(b)
	if len(m.free) < n {
		m.free = make([]byte, max(n, block))
	}
	data := m.free[:n:n]
	m.free = m.free[n:]
	copy(data[copy(data, front):], b)
	return data
}

// fill makes p a packet of a controller: data as captured, of orig bytes, sent by the host or
// received by it. kind is 0 where data begins with it.
func (m *pieces) fill(p *packet.Packet, received bool, kind byte, data []byte, orig int) {
	var front [5]byte
	if received {
		front[3] = 1
	}
	n := len(front)
	if front[4] = kind; kind == 0 {
		n--
	}
	p.Data, p.Length, p.Link = m.join(front[:n], data), uint32(n+orig), linkHCI
}

// logged is what the formats have in common whose records say one length: it is of the record,
// and what they hold says its own.
type logged struct {
	format.NoTables
	in    *packet.Input
	max   int
	start int // where in a record its packet begins, behind the kind
	links *format.Links
	mem   pieces
}

func (l *logged) begin(name string) {
	if l.in != nil {
		l.in.Format = name
		l.links = format.NewLinks(l.in, "10^-6")
	}
}

// packetIn returns what there is at b of the packet in a record of size bytes; nothing behind
// the record, for how much of that is there must not change what is found.
func (l *logged) packetIn(b []byte, size int) []byte {
	if size < l.start {
		size = l.start + kindNeeds
	}
	if size = min(size, len(b)); size < l.start {
		return nil
	}
	return b[l.start:size]
}

// confirm sets what h says of its size by the packet in the record at b: confirmed if that is
// as long as it says itself, and no fit if it is shorter. fits says whether all else may be
// meant; the size is 0 where it cannot be.
func (l *logged) confirm(h *format.Header, fits bool, kind byte, b []byte) {
	if len(b) < l.start+kindNeeds && (h.Size == 0 || h.Size > len(b) || !fits) {
		// The packet will tell, when enough of it is there.
		*h = format.Header{Size: l.start + kindNeeds, Sec: format.NoSec, Fits: true}
		return
	}
	own := ownLength(kind, l.packetIn(b, h.Size))
	h.Fits = fits && h.Size > 0 && (own == 0 || own >= h.Size-l.start)
	h.Plain = h.Fits && own == h.Size-l.start
	h.Alone = !h.Plain
}

// other returns the size of the record at b by the packet in it.
func (l *logged) other(h format.Header, kind byte, b []byte) [2]int {
	if n := ownLength(kind, l.packetIn(b, h.Size)); n > 0 && n <= l.max {
		return [2]int{l.start + n}
	}
	return [2]int{}
}

// why says what is wrong with a record whose length of n bytes is not to be believed.
func (l *logged) why(n int64) string {
	if n > int64(l.max) {
		return fmt.Sprintf("record length %d exceeds the limit of %d", n, l.max)
	}
	return fmt.Sprintf("record length %d does not go with what is in it", n)
}

// take fills p with the packet of a record.
func (l *logged) take(p *packet.Packet, received bool, kind byte, data []byte, sec, usec uint32) bool {
	l.mem.fill(p, received, kind, data, len(data))
	p.Interface = l.links.Interface(p.Link)
	p.TimeNS = int64(sec)*1e9 + int64(usec)*1e3
	return true
}

func le32(b []byte) uint32 { return binary.LittleEndian.Uint32(b) }
