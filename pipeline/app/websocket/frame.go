package websocket

import (
	"encoding/binary"
	"math"

	"recap/pipeline/exchange"
)

// Opcodes (RFC 6455, section 5.2).
const (
	opContinuation = 0x0
	opText         = 0x1
	opBinary       = 0x2
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xa
)

var opNames = [16]string{
	opContinuation: "continuation", opText: "text", opBinary: "binary", opClose: "close", opPing: "ping", opPong: "pong",
	3: "opcode_3", 4: "opcode_4", 5: "opcode_5", 6: "opcode_6", 7: "opcode_7",
	11: "opcode_11", 12: "opcode_12", 13: "opcode_13", 14: "opcode_14", 15: "opcode_15",
}

// Bits of the first two bytes.
const (
	bitFin    = 0x80
	bitRSV1   = 0x40 // compressed, under permessage-deflate
	bitsRSV   = 0x70
	bitMasked = 0x80
)

// maxHeader is the length of the longest frame header, bytes.
const maxHeader = 14

// frame is a frame header.
type frame struct {
	first   byte // FIN, reserved bits, opcode
	masked  bool
	key     [4]byte
	length  int64 // of the payload; math.MaxInt64 for what cannot be
	minimal bool  // the length is in its shortest form
}

func (f *frame) opcode() byte     { return f.first & 15 }
func (f *frame) fin() bool        { return f.first&bitFin != 0 }
func (f *frame) control() bool    { return f.first&8 != 0 }
func (f *frame) reserved() bool   { o := f.opcode() &^ 8; return o > 2 }
func (f *frame) rsv() byte        { return f.first & bitsRSV }
func (f *frame) compressed() bool { return f.first&bitRSV1 != 0 }

// headerLen returns the length of the header that b begins with; 0 where b is too
// short to tell.
func headerLen(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	n := 2
	switch b[1] & 127 {
	case 126:
		n += 2
	case 127:
		n += 8
	}
	if b[1]&bitMasked != 0 {
		n += 4
	}
	return n
}

// readFrame reads the header h, which is whole (RFC 6455, section 5.2).
func readFrame(h []byte) (f frame) {
	f.first, f.masked = h[0], h[1]&bitMasked != 0
	n := 2
	switch l := h[1] & 127; l {
	case 126:
		f.length = int64(binary.BigEndian.Uint16(h[2:]))
		f.minimal = f.length > 125
		n += 2
	case 127:
		v := binary.BigEndian.Uint64(h[2:])
		f.minimal = v > math.MaxUint16 && v <= math.MaxInt64
		f.length = int64(min(v, math.MaxInt64))
		n += 8
	default:
		f.length, f.minimal = int64(l), true
	}
	if f.masked {
		copy(f.key[:], h[n:])
	}
	return f
}

// proper reports whether nothing at all is odd about the frame, sent in direction d.
func (f *frame) proper(d exchange.Dir, o *Options) bool {
	allowed := byte(0)
	if o.Other {
		allowed = bitsRSV
	} else if o.Deflate && !f.control() && f.opcode() != opContinuation {
		allowed = bitRSV1
	}
	return f.minimal && !f.reserved() && f.rsv()&^allowed == 0 && f.masked == (d == exchange.ToServer) &&
		(!f.control() || f.fin() && f.length <= maxControl)
}

// maxControl is the longest payload of a control frame, bytes (RFC 6455, section 5.5).
const maxControl = 125

// unmask undoes the masking of b in place; at is where b begins in the payload
// (RFC 6455, section 5.3).
func unmask(b []byte, key [4]byte, at int64) {
	var k [8]byte
	for i := range k {
		k[i] = key[(at+int64(i))&3]
	}
	word := binary.LittleEndian.Uint64(k[:])
	i := 0
	for ; i+8 <= len(b); i += 8 {
		binary.LittleEndian.PutUint64(b[i:], binary.LittleEndian.Uint64(b[i:])^word)
	}
	for ; i < len(b); i++ {
		b[i] ^= k[i&7]
	}
}
