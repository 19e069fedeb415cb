package http2

import (
	"encoding/binary"

	"recap/pipeline/exchange"
)

// Frame types (RFC 9113, section 6), and two of the extensions that are seen.
const (
	frameData           = 0
	frameHeaders        = 1
	framePriority       = 2
	frameReset          = 3
	frameSettings       = 4
	framePushPromise    = 5
	framePing           = 6
	frameGoAway         = 7
	frameWindowUpdate   = 8
	frameContinuation   = 9
	frameAltSvc         = 10 // RFC 7838, section 4
	frameOrigin         = 12 // RFC 8336
	framePriorityUpdate = 16 // RFC 9218, section 7.1
)

const (
	flagEndStream  = 0x1
	flagAck        = 0x1
	flagEndHeaders = 0x4
	flagPadded     = 0x8
	flagPriority   = 0x20
)

const (
	frameHeader = 9
	// firstMaxFrame is the longest payload that may be sent until SETTINGS say otherwise, bytes.
	firstMaxFrame   = 16384
	settingMaxFrame = 5
)

// Preface begins what a client sends (RFC 9113, section 3.4).
const Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// frame is a frame header.
type frame struct {
	length int
	typ    uint8
	flags  uint8
	id     uint32
	odd    bool // the reserved bit is set
}

// MayAnswer reports whether b may be the first that a server sends: SETTINGS (RFC
// 9113, section 3.4).
func MayAnswer(b []byte) bool {
	const like = "\x00nn\x04\x00\x00\x00\x00\x00"
	for i := range min(len(b), len(like)) {
		if like[i] != 'n' && b[i] != like[i] {
			return false
		}
	}
	if len(b) < len(like) {
		return true
	}
	f := readFrame(b)
	return f.proper(fromServer)
}

// readFrame reads the header at the start of b, which must hold 9 bytes.
func readFrame(b []byte) frame {
	id := binary.BigEndian.Uint32(b[5:])
	return frame{
		length: int(b[0])<<16 | int(b[1])<<8 | int(b[2]),
		typ:    b[3], flags: b[4], id: id & 0x7fffffff, odd: id>>31 != 0,
	}
}

// shape is what the header of a frame of some type looks like.
type shape struct {
	known    bool
	flags    uint8 // that are defined
	least    int   // payload bytes
	most     int   // 0: any number
	stream   bool  // belongs to a stream
	noStream bool  // belongs to none
	both     bool  // belongs to either
}

var shapes = [...]shape{
	frameData:           {known: true, flags: 0x09, stream: true},
	frameHeaders:        {known: true, flags: 0x2d, stream: true},
	framePriority:       {known: true, least: 5, most: 5, stream: true},
	frameReset:          {known: true, least: 4, most: 4, stream: true},
	frameSettings:       {known: true, flags: flagAck, noStream: true},
	framePushPromise:    {known: true, flags: 0x0c, least: 5, stream: true},
	framePing:           {known: true, flags: flagAck, least: 8, most: 8, noStream: true},
	frameGoAway:         {known: true, least: 8, noStream: true},
	frameWindowUpdate:   {known: true, least: 4, most: 4, both: true},
	frameContinuation:   {known: true, flags: flagEndHeaders, stream: true},
	frameAltSvc:         {known: true, least: 2, both: true},
	frameOrigin:         {known: true, noStream: true},
	framePriorityUpdate: {known: true, least: 4, noStream: true},
}

// proper reports whether f is as a peer would send it: the strict test, for places
// where the reader is out of step with the frames. Whose frames they are may be unknown.
func (f *frame) proper(who party) bool {
	if int(f.typ) >= len(shapes) || f.odd {
		return false
	}
	s := &shapes[f.typ]
	if !s.known || f.flags&^s.flags != 0 || f.length < s.least || s.most > 0 && f.length > s.most ||
		s.stream && f.id == 0 || s.noStream && f.id != 0 {
		return false
	}
	switch f.typ {
	case frameSettings:
		return f.length%6 == 0 && f.length <= 6*64 && (f.flags&flagAck == 0 || f.length == 0)
	case frameHeaders, frameData:
		if f.typ == frameHeaders && f.length == 0 && f.flags&flagEndHeaders != 0 {
			return false // a header block has fields
		}
		// Streams that a server opens carry nothing from the client (RFC 9113, section 8.4).
		return f.id&1 == 1 || who != fromClient
	case framePushPromise:
		return f.id&1 == 1 && who != fromClient
	}
	return true
}

// properPayload tests the first bytes of f's payload, as far as b holds them.
func (f *frame) properPayload(b []byte) bool {
	if len(b) > f.length {
		b = b[:f.length]
	}
	switch {
	case f.typ == frameWindowUpdate && len(b) == 4:
		n := binary.BigEndian.Uint32(b)
		return n != 0 && n>>31 == 0
	case f.typ == frameReset && len(b) == 4:
		return b[0] == 0 && b[1] == 0 && b[2] == 0
	case f.typ == frameGoAway && len(b) >= 8:
		return b[0] < 0x80 && b[4] == 0 && b[5] == 0 && b[6] == 0
	case f.typ == frameSettings && len(b) >= 2:
		return b[0] == 0 || b[0]&0x0f == b[1]&0x0f // a small identifier, or one that is there to be ignored
	case (f.typ == frameData || f.typ == frameHeaders || f.typ == framePushPromise) && f.flags&flagPadded != 0 && len(b) >= 1:
		return int(b[0]) < f.length
	}
	return true
}

// party is who sends.
type party uint8

const (
	fromAnyone party = iota
	fromClient
	fromServer
)

func sender(d exchange.Dir) party {
	if d == exchange.ToServer {
		return fromClient
	}
	return fromServer
}
