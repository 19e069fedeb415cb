package sniffer

import (
	"encoding/binary"

	"recap/reader/format"
	"recap/reader/packet"
)

// Where a frame of ATM tells what it is.
const (
	atmStatusAt = 22
	atmKindAt   = 34 // adaptation layer, and what is above it
	atmMoreAt   = 35 // which of those
)

// Kinds of frames of ATM.
const (
	atmCell      = 0x100 // of the status: a single cell
	atmUnknown   = 0
	atmAAL5      = 3
	atmBridged   = 0x20 // without LLC
	atmLANE      = 0x30 // LAN emulation
	atmFrame     = 0x50 // frame relay
	laneControl  = 1
	bridgePrefix = 2 // bytes before a bridged frame
	bridged8023F = 1 // with a check sequence
	bridged8023  = 7
)

// atmFrameOf returns what in the frame data of record b is to be read, and its link type. ok
// is false for cells, and for messages that emulate no LAN.
func atmFrameOf(b, data []byte) (rest []byte, link packet.LinkType, ok bool) {
	kind, more := b[atmKindAt], b[atmMoreAt]
	if layer := kind & 0x0f; layer != atmAAL5 && layer != atmUnknown || binary.LittleEndian.Uint32(b[atmStatusAt:])&atmCell != 0 {
		return nil, 0, false
	}
	switch kind & 0xf0 {
	case atmFrame:
		return data, packet.LinkFrameRelay, true
	case atmBridged:
		if (more == bridged8023 || more == bridged8023F) && len(data) > bridgePrefix {
			return data[bridgePrefix:], packet.LinkEthernet, true
		}
	case atmLANE:
		rest, ok = format.EmulatedLAN(data)
		if more == 3 || more == 5 {
			return rest, packet.LinkTokenRing, ok
		}
		return rest, packet.LinkEthernet, ok
	}
	return data, packet.LinkATM, true
}

// What a capture of a wide area network is of, as a record about the capture tells.
const (
	wanSDLC       = 0
	wanFrameRelay = 2
	wanPPP        = 4
	wanUnknown    = 255
)

// wanRecord is the type of that record, and wanAt where in it the kind stands.
const (
	wanRecord = 7
	wanAt     = recordHeader + 4
)

// Bits of the status of frames.
const (
	channelBits = 0x18 // of synchronous lines: an ISDN D channel
	slipBit     = 0x10 // of asynchronous ones
)

// wanLink says what a frame of a wide area network begins with, which the file tells of few
// captures. ok is false where nothing proves it.
func (l *layout) wanLink(status byte, data []byte) (link packet.LinkType, ok bool) {
	switch {
	case l.wan == wanSDLC, l.net == synchronous && status&channelBits == channelBits:
		return 0, false
	case l.wan == wanFrameRelay:
		return packet.LinkFrameRelay, true
	case l.wan == wanPPP && status&slipBit == 0:
		return packet.LinkPPP, true
	}
	if link, ok = format.BChannel(data); ok || !frameRelay(data) {
		return link, ok
	}
	return packet.LinkFrameRelay, true
}

// frameRelay says whether a frame begins like one of frame relay (RFC 2427): an address of two
// bytes, an unnumbered frame, and IP or SNAP.
func frameRelay(b []byte) bool {
	if len(b) < 5 || b[0]&1 != 0 || b[1]&1 == 0 || b[2] != 3 {
		return false
	}
	id := b[3]
	if id == 0 {
		id = b[4] // behind a byte of padding
	}
	return id == 0xcc || id == 0x8e || id == 0x80
}
