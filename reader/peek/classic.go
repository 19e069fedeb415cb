package peek

import (
	"encoding/binary"
	"fmt"
	"math"

	"recap/reader/format"
	"recap/reader/packet"
)

const (
	classicHeader = 50
	record56      = 26
	record7       = 16
	// epoch1904 is the beginning of 1904 before that of 1970, in seconds.
	epoch1904 = 2082844800
	// radio is what stands before an 802.11 frame in version 7, bytes.
	radio = 4
	// mostFrame is how long a frame may be without a further look, bytes.
	mostFrame = 18 << 10
	// noCheckSequence is the bit of a packet's status that says that the last four bytes
	// are not the check sequence.
	noCheckSequence = 0x01
)

type classic struct {
	format.NoTables
	in      *packet.Input
	max     int
	version byte
	link    packet.LinkType
	start   int64 // seconds
}

// matchClassic asks that the header hold nothing that it cannot, and that a record
// follow, if one stands in head.
func matchClassic(head []byte) bool {
	if len(head) < classicHeader {
		return false
	}
	c := &classic{max: format.DefaultMaxPacket}
	if !c.sound(head) {
		return false
	}
	c.read(head)
	rest := head[classicHeader:]
	if len(rest) < c.HeaderSize() {
		return len(rest) == 0
	}
	h := c.Header(rest)
	if !h.Fits {
		return false
	}
	if next := rest[min(h.Size, len(rest)):]; len(next) >= c.HeaderSize() {
		return c.Header(next).Fits
	}
	return true
}

// sound says whether the header of a file may be one.
func (c *classic) sound(b []byte) bool {
	be := binary.BigEndian
	version := b[0] &^ 0x80 // EtherHelp sets the highest bit
	media, physical := be.Uint32(b[22:]), be.Uint32(b[26:])
	return version >= 5 && version <= 7 && string(b[38:50]) == "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" &&
		(physical == 0 && media <= 1 || physical == 1 && media == 0)
}

// read takes in the header of a file.
func (c *classic) read(b []byte) {
	be := binary.BigEndian
	c.version = b[0] &^ 0x80
	switch {
	case be.Uint32(b[26:]) == 1:
		c.link = packet.LinkWiFi
	case be.Uint32(b[22:]) == 1:
		c.link = packet.LinkTokenRing
	default:
		c.link = packet.LinkEthernet
	}
	c.start = int64(be.Uint32(b[10:])) - epoch1904
}

func (c *classic) FileHeader(b []byte) int {
	if len(b) < classicHeader {
		return classicHeader
	}
	c.read(b)
	c.in.Format = fmt.Sprintf("%s-%d", Classic.Name, c.version)
	res := "10^-6"
	if c.version < 7 {
		res = "10^-3"
		c.in.AddAnomaly("start_zone_unknown")
	}
	format.NewLinks(c.in, res).Interface(c.link)
	return classicHeader
}

func (c *classic) HeaderSize() int {
	if c.version < 7 {
		return record56
	}
	return record7
}

// lengths returns the length on the wire and what was captured.
func (c *classic) lengths(b []byte) (wire, incl int) {
	be := binary.BigEndian
	at := 0
	if c.version == 7 {
		at = 2
	}
	wire, incl = int(be.Uint16(b[at:])), int(be.Uint16(b[at+2:]))
	if incl == 0 {
		incl = wire
	}
	return wire, incl
}

// time returns the time in nanoseconds since 1970; ok is false where that does not fit.
func (c *classic) time(b []byte) (ns int64, raw uint64, ok bool) {
	be := binary.BigEndian
	if c.version < 7 {
		return c.start*1e9 + int64(be.Uint32(b[6:]))*1e6, 0, true
	}
	t := be.Uint64(b[8:])
	if t > math.MaxInt64/1000 {
		return 0, t, false
	}
	return int64(t)*1000 - epoch1904*1e9, 0, true
}

func (c *classic) Header(b []byte) format.Header {
	wire, incl := c.lengths(b)
	ns, _, ok := c.time(b)
	h := format.Header{Sec: ns / 1e9}
	if c.version < 7 {
		// Any 32 bits are a time within weeks of all others, so it is told finer.
		h.Sec = ns / 16e6
	}
	if incl > c.max {
		return h
	}
	h.Size = c.HeaderSize() + incl
	if c.version == 7 && incl%2 == 1 {
		h.Size++
		h.Pad = 1
	}
	h.Fits = ok && wire > 0 && wire <= mostFrame && incl <= wire
	h.Alone = true
	start := c.HeaderSize()
	h.Confirm(c.link, b, start)
	if c.version < 7 && c.link == packet.LinkEthernet && len(b) >= min(h.Size, start+format.ImpliedNeeds) && h.OtherSize(c.link, b, start) == 0 {
		h.Fits = false // the header itself says too little to search by
	}
	return h
}

// Why implements [format.Layout].
func (c *classic) Why(b []byte) string {
	wire, incl := c.lengths(b)
	return format.WhyLengths(incl, wire, c.max)
}

// Other returns the size of the record of a whole packet.
func (c *classic) Other(b []byte) [2]int {
	wire, _ := c.lengths(b)
	if wire == 0 {
		return [2]int{}
	}
	if c.version == 7 {
		wire += wire % 2
	}
	return [2]int{c.HeaderSize() + wire}
}

func (c *classic) Take(b []byte, p *packet.Packet) bool {
	wire, incl := c.lengths(b)
	data := b[c.HeaderSize():]
	if incl > len(data) {
		c.in.AddAnomaly("length_mismatch")
	}
	data = data[:min(incl, len(data))]
	if len(data) > wire {
		c.in.AddAnomaly("caplen_exceeds_len")
	}
	if c.version == 7 {
		switch {
		case c.link == packet.LinkWiFi && len(data) < radio:
			format.StepOver(c.in, "peek 802.11 record shorter than its radio header")
			return false
		case c.link == packet.LinkWiFi:
			data, wire = trim(data[radio:], wire-radio)
		case c.link == packet.LinkEthernet && b[7]&noCheckSequence == 0 && len(data) == wire && wire > checkSequence:
			p.FCSLen = checkSequence
		}
	}
	p.Data, p.Length, p.Link = data[:len(data):len(data)], uint32(wire), c.link
	var ok bool
	if p.TimeNS, p.RawTicks, ok = c.time(b); !ok {
		p.TimeNS = packet.NoTime
	}
	return true
}
