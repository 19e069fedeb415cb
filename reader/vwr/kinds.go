package vwr

import (
	"encoding/binary"

	"recap/reader/packet"
)

// A kind is what one generation of cards writes.
type kind struct {
	link    packet.LinkType
	before  int                // bytes before the frame
	behind  int                // and behind it, with padding to 4 bytes between
	length  func(b []byte) int // of the frame, as b, which is what follows the header, tells
	startAt int                // time, in what stands behind the frame
}

// fcs is what frames end with in place of a check sequence, bytes.
const fcs = 4

// measured is what a record of measurements and a frame has in front.
const measured = 100

// Kinds, of which the first whose lengths agree is right.
var (
	wifi1 = kind{link: packet.LinkWiFi, behind: 64, startAt: 24, length: func(b []byte) int {
		return int(binary.BigEndian.Uint16(b[len(b)-64+8:]))
	}}
	ethernet1 = kind{link: packet.LinkEthernet, behind: 44, startAt: 20, length: func(b []byte) int {
		return int(binary.BigEndian.Uint16(b[len(b)-44+8:]))
	}}
	wifi3 = kind{link: packet.LinkWiFi, before: 32, behind: 48, length: func(b []byte) int {
		return int(b[9])<<16 | int(b[10])<<8 | int(b[11])
	}}
	wifi2 = kind{link: packet.LinkWiFi, before: 20, behind: 48, length: func(b []byte) int {
		return int(b[4]&0x1f)<<8 | int(b[3])
	}}
	ethernet2 = kind{link: packet.LinkEthernet, behind: 48, startAt: 4, length: func(b []byte) int {
		return int(binary.BigEndian.Uint16(b[len(b)-48:]))
	}}
)

// third says whether a record is of the third generation.
func third(b []byte) bool { return b[deviceAt] == 48 || b[deviceAt] == 61 || b[deviceAt] == 68 }

// kindOf returns what a record with a frame is, nil if its lengths do not agree.
func (l *layout) kindOf(b []byte) *kind {
	for _, k := range [...]*kind{&wifi1, &ethernet1, &wifi3, &wifi2, &ethernet2} {
		if l.kind != nil && l.kind != k || k == &wifi2 && third(b) {
			continue
		}
		if k.agrees(b) {
			return k
		}
	}
	return nil
}

// body returns what of a record stands around its frame, and the frame.
func (k *kind) body(b []byte) []byte {
	if k == &wifi3 && b[0] == radioFrame {
		return b[min(len(b), headerSize+measured):]
	}
	return b[headerSize:]
}

// agrees says whether the lengths in a record go with each other.
func (k *kind) agrees(b []byte) bool {
	body := k.body(b)
	room := len(body) - k.before - k.behind
	if room < 0 {
		return false
	}
	n := k.length(body)
	switch k {
	case &wifi3:
		return third(b) && (n <= room && room-n < 8 || b[1]&reducedBits == reducedBits)
	case &wifi1: // the type of the frame is 802.11
		if body[len(body)-64+16]&0x7f != 1 {
			return false
		}
	}
	return (n+3)&^3 == room
}

// frame returns the frame in a record whose lengths agree, and its length on the wire.
func (k *kind) frame(b []byte) (data []byte, wire int) {
	body := k.body(b)
	n := k.length(body)
	data = body[k.before : len(body)-k.behind]
	switch k {
	case &wifi3:
		if b[1]&reducedBits != reducedBits {
			return data[:n], n
		}
		if n > len(data) {
			return data, n
		}
	case &wifi1: // what the physical layer puts before the frame comes first
		const ofdm = 2
		plcp := 6
		if body[len(body)-64+1]&7 == ofdm {
			plcp = 4
		}
		plcp = min(plcp, n)
		data, n = data[plcp:], n-plcp
	}
	n = max(0, n-fcs)
	return data[:n], n
}

// ticks returns the time of a record: two words, the lower one first.
func (k *kind) ticks(b []byte) uint64 {
	t := b[len(b)-k.behind+k.startAt:]
	return uint64(binary.BigEndian.Uint32(t[4:]))<<32 | uint64(binary.BigEndian.Uint32(t))
}
