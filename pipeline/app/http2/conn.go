// Package http2 reads HTTP/2 (RFC 9113) out of the two streams of a connection:
// one pair for each stream, and the messages of gRPC. It works on slices as they
// come, at any split, and also from the middle of a connection on.
package http2

import (
	"encoding/binary"

	"recap/pipeline/app"
	"recap/pipeline/app/coding"
	"recap/pipeline/exchange"
	"recap/reader/packet"
)

// Options of New. The zero Options stand for a connection that is known from its start.
type Options struct {
	// Midstream says, by direction, that the first bytes need not begin a frame and
	// that the state of header compression is not known.
	Midstream [2]bool
	// Passed says, by direction, that bytes came before those that the parser will get.
	Passed [2]bool
	// Ordinal is the place in the connection of the first pair.
	Ordinal int32
	// Upgraded is the exchange that asked for h2c and was answered with 101: stream 1
	// answers its request again (RFC 7540, section 3.2). It is read during New only.
	Upgraded *exchange.Pair
	// Cut says that the upgraded request is not whole.
	Cut bool
}

type mode uint8

const (
	inPreface mode = iota
	inHeader       // at a frame header
	inPrefix       // in what stands before the payload proper: padding length, priority, promised stream
	inData
	inBlock
	inSettings
	inSkip // in bytes that are not looked at: padding, payloads without interest
	lost   // out of step with the frames
)

// side is what is known of one direction.
type side struct {
	mode    mode
	f       frame
	buf     [frameHeader]byte // of a header or prefix
	n       int               // bytes in buf
	started []part            // of the frame, before it is known whose it is
	at      int64             // stream offset of the frame
	start   int64             // and of the first byte that came
	frames  *frameLog
	preface int  // bytes of the preface that came
	prefix  int  // length
	remain  int  // payload bytes to come, padding included
	pad     int  // padding bytes among them
	wasted  bool // what is skipped is in no message

	st    *stream // of the DATA frame
	block block
	dec   decoder
	find  Finder

	whole    bool   // in step from its first byte on
	fresh    bool   // nothing has come yet
	first    bool   // the next frame must be what a server sends first
	epoch    uint32 // counts the places where frames may be missing
	reason   string // of the last of them
	gapped   bool   // one of them was inside what was captured
	resumed  bool   // and reading has just gone on
	highest  uint32 // stream that this side has opened
	maxFrame int    // longest payload that the other side lets this one send
	end      int64  // offset behind the newest byte
	goAway   bool
	last     uint32 // stream that the sender of GOAWAY has dealt with
	failed   bool   // and the GOAWAY told of an error
	closed   bool
	disputes []dispute
}

// Conn reads one connection.
type Conn struct {
	env     *app.Env
	conn    *exchange.Conn
	version string // of the protocol, as records show it
	sides   [2]side
	streams map[uint32]*stream
	oldest  *stream // open streams in the order in which they came
	newest  *stream
	spare   *stream // closed streams, to be used again
	spares  int
	done    *[doneSlots]uint32 // streams that were given out lately
	ordinal int32
	tally   app.Tally
	held    int64              // what streams hold, bytes
	noted   exchange.Anomalies // for the next pair
	out     coding.Store       // decoded body
	resets  []resetStream      // oldest first
}

const doneSlots = 512

// New returns a parser for a connection.
func New(env *app.Env, conn *exchange.Conn, opt Options) *Conn {
	c := &Conn{env: env, conn: conn, version: "HTTP/2", ordinal: opt.Ordinal, streams: make(map[uint32]*stream)}
	for d := range c.sides {
		s := &c.sides[d]
		s.whole, s.fresh = !opt.Midstream[d], !opt.Passed[d]
		s.maxFrame = firstMaxFrame
		s.dec = newDecoder(s.whole)
		s.find = Finder{who: sender(exchange.Dir(d))}
		s.mode = inHeader
		switch {
		case opt.Midstream[d]:
			s.mode, s.reason = lost, exchange.GapLost
			s.epoch = 1
		case exchange.Dir(d) == exchange.ToServer:
			s.mode = inPreface
		}
	}
	if opt.Upgraded != nil {
		c.upgraded(opt.Upgraded, opt.Cut)
	}
	return c
}

// Tally implements app.Parser.
func (c *Conn) Tally() app.Tally { return c.tally }

// Memory implements app.Parser.
func (c *Conn) Memory() int64 {
	n := c.held + 16*app.Grown(len(c.resets)) + int64(c.spares)*streamCost/2 + 4<<10
	for d := range c.sides {
		s := &c.sides[d]
		if s.frames != nil {
			n += 24 * loggedFrames
		}
		n += s.dec.memory() + s.find.Memory() + app.Grown(len(s.block.part))
	}
	return n
}

// Data implements app.Parser.
func (c *Conn) Data(d exchange.Dir, at packet.Pos, b []byte) {
	s := &c.sides[d]
	if s.end == 0 {
		s.start = at.Offset
	}
	s.end = max(s.end, at.Offset+int64(len(b)))
	for len(b) > 0 {
		n := len(b)
		switch s.mode {
		case inPreface:
			b = c.readPreface(d, s, at, b)
		case inHeader:
			b = c.header(d, s, at, b)
		case inPrefix:
			b = c.readPrefix(d, s, at, b)
		case inData:
			b = c.data(d, s, at, b)
		case inBlock:
			b = c.blockData(d, s, at, b)
		case inSettings:
			b = c.settings(d, s, at, b)
		case inSkip:
			b = c.skip(d, s, at, b)
		case lost:
			b = c.search(d, s, at, b)
		}
		at.Offset += int64(n - len(b))
	}
	s.fresh = false
}

// readPreface takes the client's first bytes.
func (c *Conn) readPreface(d exchange.Dir, s *side, at packet.Pos, b []byte) []byte {
	k := 0
	for k < len(b) && s.preface < len(Preface) && b[k] == Preface[s.preface] {
		k++
		s.preface++
	}
	c.tally.HTTP += int64(k)
	switch {
	case s.preface == len(Preface):
		s.mode = inHeader
		c.answerBegins()
	case k < len(b): // there is none
		c.outOfStep(d, s, at)
	}
	return b[k:]
}

// answerBegins expects the server's side to be whole, if nothing has come of it so
// far: its first frame is then the first that it sent.
func (c *Conn) answerBegins() {
	if s := &c.sides[exchange.ToClient]; s.fresh && s.mode == lost {
		s.mode, s.whole, s.first, s.epoch = inHeader, true, true, 0
		s.dec = newDecoder(true)
	}
}

// header takes a frame header.
func (c *Conn) header(d exchange.Dir, s *side, at packet.Pos, b []byte) []byte {
	if s.n == 0 {
		s.at = at.Offset
	}
	if s.n == 0 && len(b) >= frameHeader {
		s.f = readFrame(b)
		if !c.fits(d, s) {
			c.outOfStep(d, s, at)
			return b
		}
		c.tally.HTTP += frameHeader
		c.begin(d, s, at)
		return b[frameHeader:]
	}
	k := copy(s.buf[s.n:frameHeader], b)
	if s.n += k; s.n < frameHeader {
		s.started = append(s.started, part{at, k})
		return b[k:]
	}
	s.f = readFrame(s.buf[:])
	if !c.fits(d, s) {
		head, started := s.buf[:], s.started
		s.started = nil
		c.outOfStep(d, s, at)
		for _, p := range started {
			c.search(d, s, p.at, head[:p.n])
			head = head[p.n:]
		}
		return b
	}
	c.tally.HTTP += frameHeader
	c.begin(d, s, at)
	return b[k:]
}

// fits reports whether the frame may be that long. One that is longer than
// was agreed on is still believed where all else is right: the SETTINGS that
// allowed it may be missing from the capture.
func (c *Conn) fits(d exchange.Dir, s *side) bool {
	if s.first {
		s.first = false
		return s.f.typ == frameSettings && s.f.flags == 0 && s.f.proper(fromServer)
	}
	return s.f.length <= s.maxFrame || s.f.proper(sender(d))
}

// outOfStep gives up the frames: what comes is none.
func (c *Conn) outOfStep(d exchange.Dir, s *side, at packet.Pos) {
	c.noted.Add(exchange.AnomalyBadFrame)
	c.lose(d, s, at, exchange.GapLost)
}

// lose notes that frames are missing from here on, until others are found.
func (c *Conn) lose(d exchange.Dir, s *side, at packet.Pos, reason string) {
	s.mode, s.whole, s.n, s.st = lost, false, 0, nil
	s.started = s.started[:0]
	s.epoch++
	s.reason, s.gapped = reason, true
	s.find.max = s.maxFrame
	s.dec.forget()
	c.breakBlock(d, s, at)
}

// search looks for frames, out of step with the stream.
func (c *Conn) search(d exchange.Dir, s *side, at packet.Pos, b []byte) []byte {
	c.tally.Unparsed += int64(s.find.Feed(at, b))
	if s.find.Found() {
		c.resume(d, s)
	}
	return nil
}

// resume goes on with what the Finder has found.
func (c *Conn) resume(d exchange.Dir, s *side) {
	s.mode = inHeader
	s.resumed = s.gapped
	s.find.Take(func(at packet.Pos, b []byte) { c.Data(d, at, b) })
}

// begin starts the frame s.f, whose header ends at at.
func (c *Conn) begin(d exchange.Dir, s *side, at packet.Pos) {
	f := &s.f
	s.remain, s.pad, s.n, s.prefix, s.wasted, s.st = f.length, 0, 0, 0, false, nil
	if s.block.open && (f.typ != frameContinuation || f.id != s.block.id) {
		// Nothing may come between the frames of a header block (RFC 9113, section 4.3).
		c.noted.Add(exchange.AnomalyBadFrame)
		s.dec.forget()
		c.breakBlock(d, s, at)
	}
	if int(f.typ) < len(shapes) && shapes[f.typ].known {
		p := &shapes[f.typ]
		if p.most > 0 && f.length != p.most || p.stream && f.id == 0 || p.noStream && f.id != 0 {
			c.badFrame(d, s, at)
			return
		}
	}
	switch f.typ {
	case frameData:
		s.prefix = int(f.flags & flagPadded >> 3)
	case frameHeaders:
		s.prefix = int(f.flags&flagPadded>>3) + 5*int(f.flags&flagPriority>>5)
	case framePushPromise:
		s.prefix = int(f.flags&flagPadded>>3) + 4
	case frameReset:
		s.prefix = 4
	case frameGoAway:
		s.prefix = 8
	case frameContinuation:
		if !s.block.open {
			// The beginning of the block is missing.
			s.dec.forget()
			if s.whole {
				c.noted.Add(exchange.AnomalyBadFrame)
			}
			s.wasted = true
			c.enter(d, s, at, inSkip)
			return
		}
		s.block.continues()
	case frameSettings:
		c.enter(d, s, at, inSettings)
		return
	default:
		c.enter(d, s, at, inSkip)
		return
	}
	if s.prefix > f.length {
		c.badFrame(d, s, at)
		return
	}
	if s.prefix > 0 {
		s.mode = inPrefix
		s.started = append(s.started, part{at: at})
		return
	}
	c.open(d, s, at)
}

// badFrame passes over a frame that breaks the protocol.
func (c *Conn) badFrame(d exchange.Dir, s *side, at packet.Pos) {
	c.noted.Add(exchange.AnomalyBadFrame)
	switch s.f.typ {
	case frameHeaders, framePushPromise, frameContinuation:
		if s.f.length > 0 || s.f.flags&flagEndHeaders == 0 {
			s.dec.forget()
		}
	}
	s.wasted = true
	c.enter(d, s, at, inSkip)
}

// enter goes into the payload, or over it where there is none.
func (c *Conn) enter(d exchange.Dir, s *side, at packet.Pos, m mode) {
	s.mode = m
	if s.remain == 0 {
		c.frameDone(d, s, at)
	}
}

// readPrefix takes what stands before the payload proper.
func (c *Conn) readPrefix(d exchange.Dir, s *side, at packet.Pos, b []byte) []byte {
	k := copy(s.buf[s.n:s.prefix], b)
	s.n += k
	s.remain -= k
	c.tally.HTTP += int64(k)
	if s.n < s.prefix {
		s.started = append(s.started, part{at: at})
		return b[k:]
	}
	s.n = 0
	c.open(d, s, at)
	return b[k:]
}

// open goes into the payload proper; the prefix is in s.buf.
func (c *Conn) open(d exchange.Dir, s *side, at packet.Pos) {
	p := s.buf[:s.prefix]
	switch s.f.typ {
	case frameData, frameHeaders, framePushPromise:
		if s.f.flags&flagPadded != 0 {
			if s.pad, p = int(p[0]), p[1:]; s.pad > s.remain {
				c.badFrame(d, s, at)
				return
			}
		}
	}
	switch s.f.typ {
	case frameData:
		c.openData(d, s, at)
	case frameHeaders:
		c.openHeaders(d, s, at)
	case framePushPromise:
		c.openPromise(d, s, at, binary.BigEndian.Uint32(p)&0x7fffffff)
	case frameContinuation:
		if s.block.st != nil {
			s.log(s.block.st)
		}
		c.touchStarted(s, s.block.st, d, at)
		c.enter(d, s, at, inBlock)
	case frameReset:
		c.reset(d, s.f.id, at)
		c.enter(d, s, at, inSkip)
	case frameGoAway:
		s.goAway = true
		s.last = binary.BigEndian.Uint32(p) & 0x7fffffff
		s.failed = binary.BigEndian.Uint32(p[4:]) != 0
		c.enter(d, s, at, inSkip)
	}
}

// settings takes the payload of SETTINGS.
func (c *Conn) settings(d exchange.Dir, s *side, at packet.Pos, b []byte) []byte {
	k := copy(s.buf[s.n:6], b[:min(len(b), s.remain)])
	s.n += k
	s.remain -= k
	c.tally.HTTP += int64(k)
	if s.n == 6 {
		s.n = 0
		if v := binary.BigEndian.Uint32(s.buf[2:]); binary.BigEndian.Uint16(s.buf[:]) == settingMaxFrame {
			// Frames under way may still have the length allowed before.
			other := &c.sides[d.Reverse()]
			other.maxFrame = max(other.maxFrame, int(min(v, 1<<24-1)))
		}
	}
	if s.remain == 0 {
		s.n = 0
		c.frameDone(d, s, at)
	}
	return b[k:]
}

// skip passes over bytes.
func (c *Conn) skip(d exchange.Dir, s *side, at packet.Pos, b []byte) []byte {
	k := min(len(b), s.remain)
	if s.wasted {
		c.tally.Unparsed += int64(k)
	} else {
		c.tally.HTTP += int64(k)
	}
	if s.st != nil {
		c.touch(s.st, d, at)
	} else if k := &s.block; k.open && k.st != nil {
		c.touch(k.st, k.d, at)
	}
	if s.remain -= k; s.remain == 0 {
		c.frameDone(d, s, at)
	}
	return b[k:]
}

// frameDone ends the frame.
func (c *Conn) frameDone(d exchange.Dir, s *side, at packet.Pos) {
	s.mode = inHeader
	s.started = s.started[:0]
	switch s.f.typ {
	case frameHeaders, framePushPromise, frameContinuation:
		if s.block.open && s.f.flags&flagEndHeaders != 0 {
			c.endBlock(d, s, at)
		}
	case frameData:
		if st := s.st; st != nil {
			s.st = nil
			if s.f.flags&flagEndStream != 0 {
				c.endStream(d, st, at)
			} else {
				c.charge(st)
			}
		}
	}
}

// Gap implements app.Parser.
func (c *Conn) Gap(d exchange.Dir, at packet.Pos, n int64, reason string) {
	s := &c.sides[d]
	s.fresh = false
	if n >= 0 {
		s.end = max(s.end, at.Offset+n)
	}
	switch {
	case n == 0:
		return
	case s.mode == lost:
		c.tally.Unparsed += int64(s.find.Reset()) // nothing may be glued together over the gap
		s.epoch++
		s.reason, s.gapped = reason, true
		return
	case s.mode == inPreface && n > 0 && n <= int64(len(Preface)-s.preface):
		// What is missing can only be bytes of it.
		app.AddGap(&c.noted, reason)
		if s.preface += int(n); s.preface == len(Preface) {
			s.mode = inHeader
			c.answerBegins()
		}
		return
	}
	inside := n > 0 && n <= int64(s.remain)
	switch s.mode {
	case inHeader:
		c.tally.Unparsed += int64(s.n)
	case inData:
		payload := int64(s.remain - s.pad)
		c.bodyGap(s.st, d, min(n, payload), reason)
	case inBlock:
		if st := s.block.st; st != nil {
			app.AddGap(&st.pair.Anomalies, reason)
		}
		s.dec.forget()
		c.breakBlock(d, s, at)
		s.mode, s.wasted = inSkip, true
	case inPrefix:
		switch s.f.typ {
		case frameData, frameHeaders, framePushPromise:
			// It is not known where in the frame anything lies.
			s.whole, s.reason = false, reason
			s.epoch++
			if s.f.typ != frameData {
				s.dec.forget()
			}
		}
		s.n, s.started = 0, s.started[:0]
		s.mode, s.wasted, s.f.typ = inSkip, true, framePing
	}
	if inside {
		c.passed(d, s, at, n)
		return
	}
	c.lose(d, s, at, reason)
}

// passed goes on behind a gap of n bytes in the payload.
func (c *Conn) passed(d exchange.Dir, s *side, at packet.Pos, n int64) {
	s.remain -= int(n)
	if s.mode == inSettings || s.mode == inData && s.remain <= s.pad {
		s.mode, s.n = inSkip, 0
	}
	if s.remain == 0 {
		c.frameDone(d, s, at)
	}
}

// Close implements app.Parser.
func (c *Conn) Close(d exchange.Dir, at packet.Pos) {
	s := &c.sides[d]
	s.closed = true
	c.settle(d, s)
}

// settle deals with what has waited for more bytes that will not come.
func (c *Conn) settle(d exchange.Dir, s *side) {
	switch s.mode {
	case lost:
		if s.find.Last() {
			c.resume(d, s)
			if s.mode != lost {
				return
			}
		}
		c.tally.Unparsed += int64(s.find.Reset())
	case inHeader:
		c.tally.Unparsed += int64(s.n)
		s.n = 0
		s.started = s.started[:0]
	}
}

// End implements app.Parser. More may come after it: late copies of packets.
func (c *Conn) End(reason app.EndReason, at packet.Pos) {
	for d := range c.sides {
		s := &c.sides[d]
		c.settle(exchange.Dir(d), s)
		if s.mode != inHeader && s.mode != inPreface && s.mode != lost {
			c.lose(exchange.Dir(d), s, at, exchange.GapLost)
		}
	}
	for c.oldest != nil {
		st := c.oldest
		switch {
		case reason == app.EndEvicted:
			st.pair.Anomalies.Add(exchange.AnomalyEvicted)
		case reason == app.EndRST && st.cut():
			st.pair.Anomalies.Add(exchange.AnomalyRST)
		}
		c.emit(st)
	}
	c.spare, c.spares, c.resets = nil, 0, nil
	c.out = coding.Store{}
}
