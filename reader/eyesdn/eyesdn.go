// Package eyesdn reads the captures of the EyeSDN USB probes for ISDN: frames between flags,
// times in microseconds since 1970.
//
// Source: the description at the head of wiretap/eyesdn.c of Wireshark. A frame begins with
// the byte ff; the bytes fe and ff within it stand as fe and the byte less two.
//
// Frames of the D channel and of ATM cells are counted. Which framing a B channel has, no
// field tells; a frame that is neither PPP nor Cisco HDLC nor IP beyond doubt is counted.
package eyesdn

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"recap/reader/format"
	"recap/reader/packet"
)

const (
	magic  = "EyeSDN"
	flag   = 0xff
	escape = 0xfe
	header = 12
	// mostB is the highest number of a B channel.
	mostB = 30
)

// Format is the entry for the list of formats.
var Format = format.Format{
	Name: "eyesdn",
	Match: func(head []byte) bool {
		return len(head) > len(magic) && string(head[:len(magic)]) == magic && head[len(magic)] == flag
	},
	New: func(in *packet.Input, file int32, lim format.Limits) format.Parser {
		in.Format = "eyesdn"
		return &parser{in: in, file: file, max: lim.WithDefaults().MaxPacket, links: format.NewLinks(in, "10^-6")}
	},
}

type parser struct {
	in    *packet.Input
	file  int32
	max   int
	links *format.Links
	begun bool  // the magic number was passed
	n     int64 // packets found

	// A run of bytes that are no frame.
	lost, lostAt int64
	why          string
	zeros        int64
}

// Parse implements [format.Parser].
func (p *parser) Parse(w *format.Window) (need int) {
	if !p.begun {
		if n := len(w.Bytes()); n < len(magic) && !w.EOF {
			return len(magic)
		} else if n < len(magic) {
			p.lose(w, n, "file ends inside the file header")
		} else {
			w.Use(len(magic))
		}
		p.begun = true
	}
	for w.Start < w.End {
		b := w.Bytes()
		if b[0] != flag {
			p.between(w, b)
			continue
		}
		p.settle(w, true)
		if need = p.frame(w, b); need > 0 {
			return need
		}
	}
	if !w.EOF {
		return 1
	}
	p.settle(w, false)
	return 0
}

// between steps over what stands before the next flag: zero bytes may be padding.
func (p *parser) between(w *format.Window, b []byte) {
	if n := len(b) - len(bytes.TrimLeft(b, "\x00")); n > 0 && p.lost == 0 {
		w.Pad(n)
		p.zeros += int64(n)
		return
	}
	n := bytes.IndexByte(b, flag)
	if n < 0 {
		n = len(b)
	}
	p.lose(w, n, "bytes between frames")
}

// lose gives up n bytes; those that follow one another are told once.
func (p *parser) lose(w *format.Window, n int, why string) {
	if p.lost == 0 {
		p.lostAt, p.why = w.Offset()-p.zeros, why
		p.lost = p.zeros
		w.Unpad(int(p.zeros))
		p.zeros = 0
	}
	p.lost += int64(n)
	w.Lose(n)
}

// settle tells what was lost before a flag, or before the end of the file.
func (p *parser) settle(w *format.Window, more bool) {
	if more && p.zeros > 0 {
		p.lose(w, 0, "zero bytes between frames")
	}
	if p.zeros > 0 {
		p.in.AddAnomaly("zero_padding")
	}
	if p.lost > 0 {
		p.in.AddDamage(&packet.Error{File: p.in.Name, Packet: p.n + 1, Offset: p.lostAt, Saved: format.Saved(p.n),
			Err: format.Cause(fmt.Sprintf("%s; %d bytes were skipped", p.why, p.lost))})
		p.lost = 0
	}
}

// unescape decodes up to n bytes of b to dst, which may be nil, and returns how many it found
// and how many bytes of b they take. It stops at a flag.
func unescape(dst, b []byte, n int) (found, size int) {
	for found < n && size < len(b) && b[size] != flag {
		c, step := b[size], 1
		if c == escape {
			if size+1 == len(b) || b[size+1] == flag {
				break
			}
			c, step = b[size+1]+2, 2
		}
		if dst != nil {
			dst[found] = c
		}
		found++
		size += step
	}
	return found, size
}

// frame reads the frame at b, which begins with a flag.
func (p *parser) frame(w *format.Window, b []byte) (need int) {
	body := b[1:]
	if len(body) > 0 && body[0] == flag { // an end of its own
		w.Use(1)
		return 0
	}
	var h [header]byte
	got, at := unescape(h[:], body, header)
	if got < header {
		return p.short(w, b, at, header-got, "frame header")
	}
	n := int(binary.BigEndian.Uint16(h[10:]))
	got, size := unescape(nil, body[at:], n)
	if got < n {
		return p.short(w, b, at+size, n-got, "frame")
	}
	end := 1 + at + size
	switch {
	case end == len(b) && !w.EOF:
		return end + 1
	case end < len(b) && b[end] != flag && b[end] != 0:
		p.lose(w, end, fmt.Sprintf("frame goes on behind its %d bytes", n))
	case h[8] > mostB && h[8] != 129 || h[9] > 1:
		p.lose(w, end, fmt.Sprintf("channel %d, direction %d", h[8], h[9]))
	case n > p.max:
		p.lose(w, end, fmt.Sprintf("packet length %d exceeds the limit of %d", n, p.max))
	default:
		p.take(w, h[:], body[at:at+size], n)
		w.Use(end)
	}
	return 0
}

// short deals with a frame that ends at at in the body of b, with more bytes to come.
func (p *parser) short(w *format.Window, b []byte, at, more int, what string) (need int) {
	end := 1 + at
	switch {
	case end < len(b) && b[end] == flag, end+1 < len(b): // also behind an escape
		p.lose(w, end, fmt.Sprintf("%s ends %d bytes early", what, more))
	case !w.EOF:
		return max(end+more, len(b)+1)
	default:
		p.lose(w, len(b), fmt.Sprintf("file ends inside the %s, %d bytes early", what, more))
	}
	return 0
}

// take emits a frame, if it can be used.
func (p *parser) take(w *format.Window, h, escaped []byte, n int) {
	if h[8] == 0 || h[8] > mostB {
		format.StepOver(p.in, "eyesdn frame of no B channel")
		return
	}
	data := w.Room(n)
	unescape(data, escaped, n)
	link, ok := format.BChannel(data)
	if !ok {
		format.StepOver(p.in, "eyesdn frame of a B channel that is neither PPP nor IP")
		return
	}
	p.n++
	usec := int64(h[0])<<16 | int64(h[1])<<8 | int64(h[2])
	if usec >= 1e6 {
		p.in.AddAnomaly("odd_fraction")
	}
	sec := int64(h[3])<<32 | int64(binary.BigEndian.Uint32(h[4:]))
	pk := packet.Packet{Data: data, Length: uint32(n), Link: link, Interface: p.links.Interface(link), Number: p.n, FileNum: p.n,
		FileIndex: p.file, Offset: w.Offset(), TimeNS: packet.NoTime}
	if sec < mostSec {
		pk.TimeNS = sec*1e9 + usec*1000
	} else {
		pk.RawTicks = uint64(sec)
	}
	w.Batch.Packets = append(w.Batch.Packets, pk)
}

// mostSec is the first second whose nanoseconds do not fit.
const mostSec = 9_223_372_036
