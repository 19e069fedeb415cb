package http2

import (
	"bytes"

	"recap/pipeline/app"
	"recap/reader/packet"
)

// Finder looks for frames in a stream of bytes that need not begin with one: a
// connection joined in the middle, or behind a hole. What it finds is a chain of
// headers, each where the one before says. The zero Finder is ready.
type Finder struct {
	who   party
	max   int // longest payload of a frame; 0: as long as none was agreed on
	buf   []byte
	parts []part // of buf

	at    int // in buf: where the chain begins, or where to look next
	next  int // in buf: the end of the chain, where its next header must be
	links int // frames in the chain whose headers were read
	heavy int // those with a payload
	open  uint32
	found bool
	ended bool // the chain goes no further
	// asks and answers: the chain has a header block that can only be a
	// request's, a response's.
	asks, answers bool
}

type part struct {
	at packet.Pos
	n  int
}

const (
	// chain is how many headers in a row are taken for frames. Random bytes pass
	// for one header once in 2^22.
	chain = 3
	// maxFind bounds what a Finder keeps, bytes: a chain of the longest usual frames.
	maxFind = 80 << 10
	// maxFindFrame bounds the payloads that a chain may have.
	maxFindFrame = 32 << 10
)

// Feed takes the next bytes and returns how many, the oldest, the Finder has
// given up: they are in no frame. It keeps the others.
func (f *Finder) Feed(at packet.Pos, b []byte) (dropped int) {
	if len(f.buf) == 0 && !f.found {
		// Mostly there is nothing to be found: look before anything is copied.
		for i := 0; i < len(b); i++ {
			j := bytes.IndexByte(b[i:], 0)
			if j < 0 {
				return len(b)
			}
			if i += j; len(b)-i < frameHeader {
				break
			}
			if b[i+3] <= framePriorityUpdate {
				if h := readFrame(b[i:]); f.fits(&h) {
					break
				}
			}
			dropped = i + 1
		}
		for dropped < len(b) && b[dropped] != 0 {
			dropped++
		}
		at.Offset += int64(dropped)
		b = b[dropped:]
	}
	if len(b) == 0 {
		return dropped
	}
	f.buf = append(f.buf, b...)
	f.parts = append(f.parts, part{at, len(b)})
	f.scan()
	dropped += f.drop()
	if f.found && len(f.buf) > maxFind { // nobody takes it
		f.at = len(f.buf) - maxFind/2
		f.restart()
		f.scan()
		dropped += f.drop()
	}
	return dropped
}

func (f *Finder) fits(h *frame) bool {
	most := f.max
	if most == 0 {
		most = firstMaxFrame
	}
	return h.length <= min(most, maxFindFrame) && h.proper(f.who)
}

// scan goes on with the chain, or looks for another, until bytes are wanting.
func (f *Finder) scan() {
	for !f.ended {
		if f.links == 0 {
			// A header begins with the high byte of a length below 65,536.
			i := bytes.IndexByte(f.buf[f.at:], 0)
			if i < 0 {
				f.at = len(f.buf)
				return
			}
			f.at += i
			f.next = f.at
		}
		if len(f.buf)-f.next < frameHeader {
			return
		}
		h := readFrame(f.buf[f.next:])
		rest := f.buf[f.next+frameHeader:]
		if !f.fits(&h) {
			f.stop()
			continue
		}
		if len(rest) < min(h.length, 16) {
			return // a little more, to see what it says
		}
		if !f.follows(&h) || !h.properPayload(rest) {
			f.stop()
			continue
		}
		if h.typ == frameHeaders || h.typ == framePushPromise {
			f.look(&h, rest)
		}
		f.links++
		if h.length > 0 {
			f.heavy++
		}
		f.next += frameHeader + h.length
		f.found = f.found || f.links >= chain && f.heavy > 0 && f.open == 0 // what ends a header block is a frame like few others
		if f.links > 64 && !f.found {
			f.miss() // empty frames without end
		}
	}
}

// stop ends the chain in front of what is no header: it is one all the same, or
// there is none here.
func (f *Finder) stop() {
	if f.ended = f.found; !f.found {
		f.miss()
	}
}

// follows reports whether h may come behind the frames of the chain: nothing comes
// between the parts of a header block (RFC 9113, section 4.3).
func (f *Finder) follows(h *frame) bool {
	if f.links > 0 && (f.open != 0) != (h.typ == frameContinuation) || f.open != 0 && h.id != f.open {
		return false
	}
	switch h.typ {
	case frameHeaders, framePushPromise, frameContinuation:
		f.open = h.id
		if h.flags&flagEndHeaders != 0 {
			f.open = 0
		}
	}
	return true
}

// look sees from the start of a header block whose it is.
func (f *Finder) look(h *frame, b []byte) {
	skip := 0
	if h.flags&flagPadded != 0 {
		skip++
	}
	if h.typ == frameHeaders && h.flags&flagPriority != 0 {
		skip += 5
	}
	if h.typ == framePushPromise {
		f.answers = true
		return
	}
	b = b[:min(len(b), h.length)]
	b = b[min(skip, len(b)):]
	for len(b) > 0 {
		n, i, name := fieldName(b)
		switch {
		case n == 0:
			return
		case i >= 1 && i <= 7, asker(name):
			f.asks = true
			return
		case i >= 8 && i <= 14, string(name) == ":status":
			f.answers = true
			return
		case i >= 15 && i < uint64(dynamicFrom), len(name) > 0:
			return // pseudo-headers come first
		}
		b = b[n:]
	}
}

// asker reports whether name is a pseudo-header of requests.
func asker(name []byte) bool {
	switch string(name) {
	case ":method", ":scheme", ":authority", ":path", ":protocol":
		return true
	}
	return false
}

// fieldName returns the length of the representation at the start of b (RFC 7541,
// section 6), 0 where b does not hold all of it, and the index of its name or the name.
func fieldName(b []byte) (n int, i uint64, name []byte) {
	c, prefix := b[0], uint(4)
	switch {
	case c&0x80 != 0:
		prefix = 7
	case c&0x40 != 0:
		prefix = 6
	case c&0x20 != 0: // a change of the table's size
		_, n, _ = readInt(b, 5)
		return n, 0, nil
	}
	i, n, err := readInt(b, prefix)
	if err != nil || c&0x80 != 0 {
		return n, i, nil
	}
	var l literal
	if i == 0 {
		if n, err = l.read(b, n); err != nil {
			return 0, 0, nil
		}
		if name = l.b; l.huffman {
			name, _ = appendHuffman(nil, l.b)
		}
	}
	if n, err = l.read(b, n); err != nil {
		n = len(b) // the name is enough
	}
	return n, i, name
}

// miss gives up the chain: it began at no header.
func (f *Finder) miss() {
	f.at++
	f.restart()
}

func (f *Finder) restart() {
	f.links, f.heavy, f.open, f.found, f.ended, f.asks, f.answers = 0, 0, 0, false, false, false, false
}

// drop forgets what lies before at.
func (f *Finder) drop() int {
	n := f.at
	if n == 0 {
		return 0
	}
	f.buf = f.buf[:copy(f.buf, f.buf[n:])]
	f.at, f.next = 0, f.next-n
	left := n
	k := 0
	for left > 0 && left >= f.parts[k].n {
		left -= f.parts[k].n
		k++
	}
	f.parts = f.parts[:copy(f.parts, f.parts[k:])]
	if left > 0 {
		p := &f.parts[0]
		p.at.Offset += int64(left)
		p.n -= left
	}
	return n
}

// Found reports whether the bytes held begin with frames.
func (f *Finder) Found() bool { return f.found }

// Asks and Answers report whether what was found can only be what a client, or a
// server, sends.
func (f *Finder) Asks() bool    { return f.found && f.asks }
func (f *Finder) Answers() bool { return f.found && f.answers }

// Held returns how many bytes the Finder holds.
func (f *Finder) Held() int { return len(f.buf) }

// Memory returns what it holds, bytes.
func (f *Finder) Memory() int64 { return app.Grown(len(f.buf)) + 64*app.Grown(len(f.parts)) }

// Last settles a chain that nothing more will follow: frames up to the very end are
// taken for frames, even if they are few.
func (f *Finder) Last() bool {
	if !f.found && f.links >= chain-1 && f.heavy > 0 && f.next == len(f.buf) {
		f.found = true
	}
	return f.found
}

// Take hands over what the Finder holds, piece by piece, and empties it.
func (f *Finder) Take(each func(at packet.Pos, b []byte)) {
	b, parts := f.buf, f.parts
	f.Reset()
	for _, p := range parts {
		each(p.at, b[:p.n])
		b = b[p.n:]
	}
}

// Reset empties the Finder and returns how many bytes it held.
func (f *Finder) Reset() int {
	n := len(f.buf)
	*f = Finder{who: f.who, max: f.max}
	return n
}
