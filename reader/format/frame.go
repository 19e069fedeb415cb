package format

import (
	"encoding/binary"

	"recap/reader/packet"
)

const (
	etherTypeIPv4 = 0x0800
	etherTypeIPv6 = 0x86dd
	// leastFrame is what Ethernet cards pad frames to, bytes without the check sequence.
	leastFrame    = 60
	checkSequence = 4
)

// ImpliedNeeds is how many bytes of a packet [Implied] may look at.
const ImpliedNeeds = 64

// Implied returns how many bytes the packet at b has, as far as its own IP header tells,
// and 0 where that cannot be seen: for formats whose records tell one length only.
func Implied(link packet.LinkType, b []byte) int {
	at := 0
	if link == packet.LinkEthernet {
		for at = 12; at+10 < ImpliedNeeds && len(b) >= at+2; at += 4 {
			switch binary.BigEndian.Uint16(b[at:]) {
			case etherTypeIPv4, etherTypeIPv6:
				return ipLength(b, at+2)
			case 0x8100, 0x88a8:
				continue
			}
			return 0
		}
		return 0
	}
	if link == packet.LinkRaw {
		return ipLength(b, at)
	}
	return 0
}

// ipLength returns where the IP packet that begins at at ends, 0 if that is not known.
func ipLength(b []byte, at int) int {
	if len(b) < at+6 {
		return 0
	}
	switch b[at] >> 4 {
	case 4: // RFC 791, section 3.1: the total length
		if n := int(binary.BigEndian.Uint16(b[at+2:])); n >= 20 {
			return at + n
		}
	case 6: // RFC 8200, section 3: the length without the header; 0 for jumbograms
		if n := int(binary.BigEndian.Uint16(b[at+4:])); n > 0 {
			return at + 40 + n
		}
	}
	return 0
}

// Confirm sets what h says of its size by the packet that begins at start in b: confirmed
// if the packet is as long as it says itself, with what Ethernet adds, and no fit if the record holds much more.
func (h *Header) Confirm(link packet.LinkType, b []byte, start int) {
	n := h.implied(link, b, start)
	padded := max(n, leastFrame)
	switch have := h.Size - h.Pad - start; {
	case n == 0:
	case have == n, have == n+checkSequence, have == padded, have == padded+checkSequence:
		h.Plain, h.Alone = h.Fits, false
	case have > padded+checkSequence:
		h.Fits = false
	}
}

// Wait makes h one that asks for as much of the packet that begins at start as it takes
// to see its length, where b holds less. It reports whether it did.
func (h *Header) Wait(b []byte, start int) bool {
	if len(b) >= start+ImpliedNeeds {
		return false
	}
	h.Size, h.Fits = start+ImpliedNeeds, true
	return true
}

// OtherSize returns the size of the record at b, whose header is h, by the length of the
// packet that begins at start; 0 if that cannot be seen.
func (h Header) OtherSize(link packet.LinkType, b []byte, start int) int {
	if n := h.implied(link, b, start); n > 0 {
		return start + n
	}
	return 0
}

// implied looks at no byte behind the record: how much b holds of what follows must not
// change what is found.
func (h Header) implied(link packet.LinkType, b []byte, start int) int {
	end := h.Size
	if end < start {
		end = start + ImpliedNeeds
	}
	if end = min(end, len(b)); end <= start {
		return 0
	}
	return Implied(link, b[start:end])
}
