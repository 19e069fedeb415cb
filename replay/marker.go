package replay

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
	"time"

	"recap/pipeline/exchange"
)

// MarkerHeader is the header field that carries a [Marker], in request and response.
const MarkerHeader = "X-Replay-Id"

// MarkerSize is the length of a marker in bytes, always.
const MarkerSize = 52

// A Marker names an event in everything that is made of it. As text it is lower-case
// hex, of fixed width so that a message's size does not depend on it:
//
//	89abcdef-00-000001-00000003e8-0000002540be4-d48bda49
//	run      |  loop   sequence   due, ns       check
//	         worker
//
// The check is a CRC-32 of all before it, so that half a marker, or text that only
// looks like one, is told from the truth.
type Marker struct {
	Run    uint32
	Worker uint8
	Loop   uint32        // 24 bits
	Seq    uint64        // 40 bits
	Due    time.Duration // 52 bits: when it was to leave, since the start of the run
}

// Where the fields stand, with the dash behind each.
const (
	markerWorker = 9
	markerLoop   = 12
	markerSeq    = 19
	markerDue    = 30
	markerCheck  = 44
)

// ErrNoMarker says that text is no marker at all.
var ErrNoMarker = errors.New("no replay marker")

// Append appends the text of m. Fields that are too large for their width wrap.
func (m Marker) Append(dst []byte) []byte {
	at := len(dst)
	dst = appendHex(dst, uint64(m.Run), 8)
	dst = append(dst, '-')
	dst = appendHex(dst, uint64(m.Worker), 2)
	dst = append(dst, '-')
	dst = appendHex(dst, uint64(m.Loop), 6)
	dst = append(dst, '-')
	dst = appendHex(dst, m.Seq, 10)
	dst = append(dst, '-')
	dst = appendHex(dst, uint64(max(m.Due, 0)), 13)
	dst = append(dst, '-')
	return appendHex(dst, uint64(crc32.ChecksumIEEE(dst[at:])), 8)
}

func (m Marker) String() string { return string(m.Append(nil)) }

// appendHex appends the lowest digits of v.
func appendHex(dst []byte, v uint64, digits int) []byte {
	var b [8]byte
	var text [16]byte
	binary.BigEndian.PutUint64(b[:], v)
	hex.Encode(text[:], b[:])
	return append(dst, text[16-digits:]...)
}

// ParseMarker reads the text of a marker. White space around it does not matter, nor
// does the case of its digits. Text of another shape is [ErrNoMarker]; one whose check
// is wrong is an error of its own.
func ParseMarker(text []byte) (Marker, error) {
	for len(text) > 0 && (text[0] == ' ' || text[0] == '\t') {
		text = text[1:]
	}
	for len(text) > 0 && (text[len(text)-1] == ' ' || text[len(text)-1] == '\t') {
		text = text[:len(text)-1]
	}
	if len(text) != MarkerSize {
		return Marker{}, ErrNoMarker
	}
	var lower [MarkerSize]byte
	for i, c := range text {
		if c >= 'A' && c <= 'F' {
			c |= 0x20
		}
		lower[i] = c
	}
	var m Marker
	ok := true
	field := func(from, to int) (v uint64) {
		for _, c := range lower[from:to] {
			switch {
			case c >= '0' && c <= '9':
				v = v<<4 | uint64(c-'0')
			case c >= 'a' && c <= 'f':
				v = v<<4 | uint64(c-'a'+10)
			default:
				ok = false
			}
		}
		ok = ok && (to == MarkerSize || lower[to] == '-')
		return v
	}
	m.Run = uint32(field(0, markerWorker-1))
	m.Worker = uint8(field(markerWorker, markerLoop-1))
	m.Loop = uint32(field(markerLoop, markerSeq-1))
	m.Seq = field(markerSeq, markerDue-1)
	m.Due = time.Duration(field(markerDue, markerCheck-1))
	check := uint32(field(markerCheck, MarkerSize))
	if !ok {
		return Marker{}, ErrNoMarker
	}
	if want := crc32.ChecksumIEEE(lower[:markerCheck]); check != want {
		return Marker{}, fmt.Errorf("replay marker %q is damaged: check %08x, want %08x", text, check, want)
	}
	return m, nil
}

// FindMarker returns the value of the first marker field of a message, empty where
// there is none. Names of fields have no case (RFC 9110, section 5.1).
func FindMarker(headers []exchange.Header) []byte {
	for i := range headers {
		if strings.EqualFold(headers[i].Name, MarkerHeader) {
			return []byte(headers[i].Value)
		}
	}
	return nil
}
