package http3

import (
	"recap/pipeline/app/http2"
	"recap/pipeline/exchange"
	"recap/pipeline/quic"
	"recap/reader/packet"
)

// Frame types (RFC 9114, section 7.2).
const (
	frameData        = 0x0
	frameHeaders     = 0x1
	frameSettings    = 0x4
	framePushPromise = 0x5
)

// half is one direction of a stream.
type half struct {
	head   []byte // of a frame: type and length
	inside bool   // a frame
	typ    uint64
	size   int64 // of the frame's payload
	remain int64 // bytes of it to come
	lost   bool  // it is not known where frames begin
	holed  bool  // data wait for others
	large  bool  // the header block is longer than is read
	torn   bool  // bytes of it are missing

	promised bool   // the header block is of a request that the server answers unasked
	push     uint64 // its number

	block  []byte // header block that is not whole, or that waits for its table
	blocks []packet.Pos
	whole  bool    // it is whole, and waits
	events []event // that stand behind it
}

// waiting reports whether a header block waits for its table.
func (h *half) waiting() bool { return h.whole }

// happening is what has happened to a stream.
type happening uint8

const (
	wasData happening = iota
	wasGap
	wasFin
	wasReset
)

// event is something that stands behind a header block that waits.
type event struct {
	at     packet.Pos
	what   happening
	b      []byte
	n      int64
	reason string
}

// eventCost is about what an event takes beside its bytes.
const eventCost = 128

// header takes bytes of a frame's header, and returns what follows it.
func (h *half) header(b []byte) (rest []byte, whole bool) {
	for len(b) > 0 {
		h.head = append(h.head, b[0])
		b = b[1:]
		typ, n := quic.Varint(h.head)
		size, k := quic.Varint(h.head[n:])
		if n == 0 || k == 0 {
			continue
		}
		h.typ, h.size = typ, int64(size)
		h.remain, h.inside = h.size, true
		h.head = h.head[:0]
		return b, true
	}
	return nil, false
}

// request takes bytes of a request stream.
func (c *Conn) request(st *stream, d exchange.Dir, at packet.Pos, b []byte) {
	h := &st.half[d]
	for len(b) > 0 {
		switch {
		case h.lost || st.pair && !c.pairs.Open(st.number()):
			c.wasted += int64(len(b))
			return
		case h.waiting():
			c.later(st, d, event{at: at, b: append([]byte(nil), b...)})
			return
		case !h.inside:
			n := len(b)
			var whole bool
			b, whole = h.header(b)
			c.own += int64(n - len(b))
			c.pairs.Touch(d, st.number(), at)
			if whole {
				c.open(st, d, at)
			}
			continue
		}
		n := min(int64(len(b)), h.remain)
		h.remain -= n
		switch h.typ {
		case frameData:
			c.body(st, d, at, b[:n])
		case frameHeaders, framePushPromise:
			c.gather(h, at, b[:n])
		default:
			c.own += n
		}
		if b = b[n:]; h.remain == 0 {
			c.close(st, d, at)
		}
	}
}

// open begins a frame.
func (c *Conn) open(st *stream, d exchange.Dir, at packet.Pos) {
	h := &st.half[d]
	h.large, h.torn = false, false
	if h.typ == frameSettings { // has no place here (RFC 9114, section 7.2.4)
		c.pairs.Odd(st.number(), exchange.AnomalyBadFrame)
	}
	if h.remain == 0 {
		if h.typ == frameHeaders {
			c.gather(h, at, nil)
		}
		c.close(st, d, at)
	}
}

// close ends a frame.
func (c *Conn) close(st *stream, d exchange.Dir, at packet.Pos) {
	h := &st.half[d]
	h.inside = false
	switch h.typ {
	case frameHeaders:
		h.promised = false
	case framePushPromise:
		if !c.promise(st, d) {
			return
		}
	default:
		return
	}
	if len(c.blocked) < maxBlocked && c.mustWait(d, h) {
		c.block(st, h)
		return
	}
	c.fields(st, d)
}

// body takes bytes of a DATA frame.
func (c *Conn) body(st *stream, d exchange.Dir, at packet.Pos, b []byte) {
	st.pair = true
	c.pairs.Body(d, st.number(), at, b, int64(len(b))+st.half[d].remain)
}

// gather keeps bytes of a header block.
func (c *Conn) gather(h *half, at packet.Pos, b []byte) {
	if len(h.blocks) == 0 || h.blocks[len(h.blocks)-1].Number != at.Number {
		h.blocks = append(h.blocks, at)
		c.kept += 64
	}
	if len(h.block)+len(b) > maxBlock {
		h.large = true
		c.wasted += int64(len(b))
		return
	}
	h.block = append(h.block, b...)
	c.kept += int64(len(b))
}

// fields makes a message's fields of a header block.
func (c *Conn) fields(st *stream, d exchange.Dir) {
	h := &st.half[d]
	t := &c.sides[d].table
	block, ats := h.block, h.blocks
	c.release(h)
	decode := func(f http2.Fields) bool { return !h.large && t.decode(block, f) }
	if h.promised {
		h.promised = false
		if !c.pairs.Promise(pushNumber(h.push), ats, block, decode) {
			c.own += int64(len(block))
		}
		return
	}
	st.pair = true
	if h.torn {
		c.pairs.Head(d, st.number(), ats, block, nil)
		c.pairs.Odd(st.number(), exchange.AnomalyLostSegment)
		return
	}
	c.pairs.Head(d, st.number(), ats, block, decode)
	if st.kind == pushStream {
		c.pairs.Pushed(st.number())
	}
}

// release forgets the header block of h.
func (c *Conn) release(h *half) {
	c.kept -= int64(len(h.block)) + 64*int64(len(h.blocks))
	h.block, h.blocks = nil, nil
}

// requestGap notes n bytes of a request stream that the capture does not hold.
func (c *Conn) requestGap(st *stream, d exchange.Dir, at packet.Pos, n int64, reason string) {
	h := &st.half[d]
	if h.lost || st.pair && !c.pairs.Open(st.number()) {
		return
	}
	if h.inside && n <= h.remain {
		h.remain -= n
		if h.torn = h.typ == frameHeaders || h.typ == framePushPromise; h.typ == frameData {
			st.pair = true
			c.pairs.Gap(d, st.number(), n, reason)
		}
		if h.remain == 0 {
			c.close(st, d, at)
		}
		return
	}
	if h.inside && h.typ == frameData && h.remain > 0 {
		c.pairs.Gap(d, st.number(), h.remain, reason)
	}
	// Where the next frame begins is not known.
	c.settle(st, d)
	h.lost, h.inside = true, false
	st.pair = true
	c.pairs.Gap(d, st.number(), -1, reason)
}

// requestEnd ends a direction of a request stream.
func (c *Conn) requestEnd(st *stream, d exchange.Dir, at packet.Pos, what happening) {
	h := &st.half[d]
	open := c.pairs.Open(st.number())
	switch {
	case !open:
	case what == wasReset:
		c.pairs.Reset(d, st.number(), at)
	case h.inside || len(h.head) > 0 || h.lost:
		c.pairs.Cut(d, st.number(), at) // RFC 9114, section 7.1
	default:
		c.pairs.Fin(d, st.number(), at)
	}
}

// settle counts what is kept of a frame that does not go on.
func (c *Conn) settle(st *stream, d exchange.Dir) {
	h := &st.half[d]
	switch st.kind {
	case unknownStream:
		c.own += int64(len(h.head))
	case promisedStream:
		c.own += int64(len(h.head))
	case requestStream, pushStream:
		c.wasted += int64(len(h.block))
		c.release(h)
		for _, e := range h.events {
			c.wasted += int64(len(e.b))
			c.waits -= eventCost + int64(len(e.b))
		}
		h.events, h.whole = nil, false
	}
	h.head = nil
}
