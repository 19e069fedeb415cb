// Package quic reads QUIC connections (RFC 9000, 9001, 9369): what their Initial packets
// tell to anybody, and, where a key log holds the secrets, the streams inside.
package quic

import (
	"encoding/binary"

	"recap/pipeline/tls"
)

// packetType is the kind of a packet.
type packetType uint8

const (
	initial packetType = iota
	zeroRTT
	handshake
	retry
	short
)

// maxID bounds a connection ID, bytes (RFC 9000, section 17.2).
const maxID = 20

// A header is what stands in front of a packet before its protection is taken off.
type header struct {
	typ      packetType
	version  uint32
	dst, src []byte // connection IDs; dst of a short header is not told by it
	number   int    // where the packet number begins
	end      int    // of the packet in the datagram
}

// fixedBit is set in every packet but Version Negotiation (RFC 9000, section 17).
const fixedBit = 0x40

// MayBegin reports whether a datagram looks as if it began a connection: a long header
// of a version that is read.
func MayBegin(b []byte) bool {
	return len(b) >= 5 && b[0]&(0x80|fixedBit) == 0x80|fixedBit && known(binary.BigEndian.Uint32(b[1:]))
}

func known(version uint32) bool {
	return version == tls.QUICv1 || version == tls.QUICv2 || version == tls.QUICDraft29
}

// isLong reports whether b begins with a long header.
func isLong(b []byte) bool { return b[0]&0x80 != 0 }

// typeOf is the type in the first byte of a long header; version 2 numbers them anew
// (RFC 9369, section 3.2).
func typeOf(first byte, version uint32) packetType {
	t := first >> 4 & 3
	if version == tls.QUICv2 {
		t = (t + 3) & 3
	}
	return packetType(t)
}

// parseLong reads the long header of the packet at the start of b (RFC 9000, section
// 17.2) of a version that is known.
func parseLong(b []byte) (h header, ok bool) {
	if len(b) < 7 || b[0]&0xc0 != 0xc0 {
		return h, false
	}
	h.version = binary.BigEndian.Uint32(b[1:])
	if !known(h.version) {
		return h, false
	}
	h.typ = typeOf(b[0], h.version)
	n := 5
	if h.dst, n = connectionID(b, n); n < 0 {
		return h, false
	}
	if h.src, n = connectionID(b, n); n < 0 {
		return h, false
	}
	if h.typ == retry { // a token and an integrity tag follow, to the end
		h.number, h.end = len(b), len(b)
		return h, len(b)-n >= 16
	}
	if h.typ == initial {
		size, k := Varint(b[n:])
		if k == 0 || size > uint64(len(b)-n-k) {
			return h, false
		}
		n += k + int(size)
	}
	size, k := Varint(b[n:])
	if k == 0 || size > uint64(len(b)-n-k) || size < 4+tls.SampleLen {
		return h, false
	}
	h.number = n + k
	h.end = h.number + int(size)
	return h, true
}

// connectionID reads a connection ID and its length at b[n:]; the place behind it is
// negative where there is none.
func connectionID(b []byte, n int) ([]byte, int) {
	if n >= len(b) {
		return nil, -1
	}
	size := int(b[n])
	if n++; size > maxID || size > len(b)-n {
		return nil, -1
	}
	return b[n : n+size], n + size
}

// Varint reads a variable-length integer (RFC 9000, section 16) and returns how many
// bytes it took; 0 where b ends inside it.
func Varint(b []byte) (v uint64, n int) {
	if len(b) == 0 {
		return 0, 0
	}
	if n = 1 << (b[0] >> 6); len(b) < n {
		return 0, 0
	}
	v = uint64(b[0] & 0x3f)
	for _, c := range b[1:n] {
		v = v<<8 | uint64(c)
	}
	return v, n
}

// unprotect takes header protection off the packet p, whose packet number begins at at,
// and decrypts it with k; newest is the highest number so far in the packet's space.
// p stays as it is. The header goes to head, the plaintext behind what dst holds.
func unprotect(k *tls.PacketKey, p []byte, at int, newest int64, head *[]byte, dst []byte) (number int64, plain []byte, ok bool) {
	if len(p) < at+4+tls.SampleLen {
		return 0, nil, false
	}
	mask := k.Mask(p[at+4:])
	h := append((*head)[:0], p[:at+4]...)
	*head = h
	if isLong(p) {
		h[0] ^= mask[0] & 0x0f
	} else {
		h[0] ^= mask[0] & 0x1f
	}
	size := int(h[0]&3) + 1
	var truncated int64
	for i := range size {
		h[at+i] ^= mask[1+i]
		truncated = truncated<<8 | int64(h[at+i])
	}
	number = decodeNumber(newest, truncated, 8*size)
	plain, ok = k.Open(dst, h[:at+size], p[at+size:], uint64(number))
	return number, plain, ok
}

// decodeNumber completes a packet number of that many bits (RFC 9000, appendix A.3).
func decodeNumber(newest, truncated int64, bits int) int64 {
	expected := newest + 1
	window := int64(1) << bits
	n := expected&^(window-1) | truncated
	switch {
	case n <= expected-window/2 && n < 1<<62-window:
		return n + window
	case n > expected+window/2 && n >= window:
		return n - window
	}
	return n
}

// FirstID returns the connection ID that the client has chosen for the server, of a
// datagram that begins a connection; nil for another.
func FirstID(b []byte) []byte {
	if !MayBegin(b) {
		return nil
	}
	if h, ok := parseLong(b); ok && h.typ == initial {
		return h.dst
	}
	return nil
}

// Begins reports whether a datagram begins a connection beyond doubt: it is led by an
// Initial packet of a client that opens with the keys that its own connection ID gives.
func Begins(b []byte) bool {
	if !MayBegin(b) {
		return false
	}
	h, ok := parseLong(b)
	if !ok || h.typ != initial {
		return false
	}
	keys := tls.InitialKeys(h.version, h.dst)
	var head []byte
	_, _, ok = unprotect(keys[0], b[:h.end], h.number, -1, &head, nil)
	return ok
}
