// Package http3 reads HTTP/3 (RFC 9114) out of the streams of a QUIC connection: one
// pair for each request stream, with header compression undone (QPACK, RFC 9204).
package http3

import (
	"recap/pipeline/app"
	"recap/pipeline/app/http2"
	"recap/pipeline/exchange"
	"recap/pipeline/quic"
	"recap/reader/packet"
)

// Conn reads one connection. It implements quic.Streams.
type Conn struct {
	pairs   *http2.Streams
	sides   [2]side
	streams map[uint64]*stream
	blocked []*stream // with header blocks that wait for a table, in the order in which they began to
	waits   int64     // bytes of what stands behind them
	bytes   int64     // of Data
	own     int64     // of them, in what belongs to no single exchange: settings, tables, frame headers
	wasted  int64     // in no message that could be made out
	kept    int64     // of header blocks on their way
}

// side is what one side says for the whole connection.
type side struct {
	table   table // of its encoder
	holed   bool  // instructions are there that wait for others
	encoder uint64
	hasEnc  bool
}

// stream is a stream that is not over.
type stream struct {
	id   uint64
	kind kind
	half [2]half
	over [2]bool
	pair bool   // one of it was begun
	push uint64 // of a pushStream: what it carries
	// blocked says that it stands in Conn.blocked.
	blocked bool
}

// kind of a stream.
type kind uint8

const (
	requestStream kind = iota
	unknownStream      // unidirectional, its type is still to come
	controlStream
	promisedStream // a push stream whose number is still to come
	pushStream
	encoderStream
	decoderStream
	otherStream
)

const (
	// maxBlock bounds a header block that is read, bytes.
	maxBlock = 1 << 20
	// maxBlocked bounds the streams that wait for tables. Peers allow each other some
	// hundred (RFC 9204, section 2.1.2).
	maxBlocked = 1000
	// maxWaits bounds what waits for tables in one connection, bytes.
	maxWaits = 4 << 20
	// streamCost is about what a stream takes, bytes.
	streamCost = 400
)

// New returns a reader of the streams of a connection.
func New(env *app.Env, conn *exchange.Conn) *Conn {
	return &Conn{pairs: http2.NewStreams(env, conn, "HTTP/3"), streams: make(map[uint64]*stream)}
}

// Tally accounts for every byte that Data got.
func (c *Conn) Tally() app.Tally {
	t := c.pairs.Tally()
	t.HTTP += c.own
	t.Unparsed += c.wasted
	return t
}

// Memory returns what is held, bytes.
func (c *Conn) Memory() int64 {
	n := c.pairs.Memory() + c.waits + c.kept + streamCost*int64(len(c.streams))
	for d := range c.sides {
		n += c.sides[d].table.memory()
	}
	return n
}

// find returns the stream.
func (c *Conn) find(id uint64) *stream {
	st := c.streams[id]
	if st == nil {
		st = &stream{id: id}
		switch {
		case id&2 != 0:
			st.kind = unknownStream
		case id&1 != 0 || id>>33 != 0:
			st.kind = otherStream // HTTP/3 has no use for them (RFC 9114, section 6.1)
		}
		c.streams[id] = st
	}
	return st
}

// number names the pair of a request stream or a push stream.
func (st *stream) number() uint32 {
	if st.kind == pushStream {
		return pushNumber(st.push)
	}
	return uint32(st.id >> 2)
}

// messages reports whether the stream carries messages.
func (st *stream) messages() bool { return st.kind == requestStream || st.kind == pushStream }

// Data implements quic.Streams.
func (c *Conn) Data(id uint64, d exchange.Dir, at packet.Pos, b []byte) {
	at.Acked = packet.NoOffset
	c.bytes += int64(len(b))
	st := c.find(id)
	if st.half[d].waiting() {
		c.later(st, d, event{at: at, b: append([]byte(nil), b...)})
	} else {
		c.data(st, d, at, b)
	}
	if c.waits > maxWaits {
		c.resume(true)
	}
}

func (c *Conn) data(st *stream, d exchange.Dir, at packet.Pos, b []byte) {
	switch st.kind {
	case requestStream, pushStream:
		c.request(st, d, at, b)
	case promisedStream:
		c.beginPush(st, d, at, b)
	case unknownStream:
		c.begin(st, d, at, b)
	case encoderStream:
		c.own += int64(len(b))
		c.sides[d].table.feed(b)
		c.resume(false)
	case controlStream:
		c.own += int64(len(b))
		c.control(st, d, b)
	case decoderStream:
		c.own += int64(len(b))
	default:
		c.wasted += int64(len(b))
	}
}

// number reads the number that a stream begins with, of which b holds the next bytes; ok is
// false while it is not whole.
func (c *Conn) number(h *half, b []byte) (n uint64, rest []byte, ok bool) {
	for i := range b {
		h.head = append(h.head, b[i])
		if v, size := quic.Varint(h.head); size > 0 {
			c.own += int64(size)
			h.head = h.head[:0]
			return v, b[i+1:], true
		}
	}
	return 0, nil, false
}

// begin reads the type of a unidirectional stream (RFC 9114, section 6.2).
func (c *Conn) begin(st *stream, d exchange.Dir, at packet.Pos, b []byte) {
	h, s := &st.half[d], &c.sides[d]
	typ, rest, ok := c.number(h, b)
	if !ok {
		return
	}
	switch typ {
	case 0:
		st.kind = controlStream
	case 1:
		st.kind = otherStream
		if d == exchange.ToClient {
			st.kind = promisedStream
		}
	case 2:
		st.kind = otherStream
		if !s.hasEnc {
			st.kind, s.encoder, s.hasEnc = encoderStream, st.id, true
			s.holed = h.holed
		}
	case 3:
		st.kind = decoderStream
	default:
		st.kind = otherStream
	}
	if len(rest) > 0 {
		c.data(st, d, at, rest)
	}
}

// Hole implements quic.Streams.
func (c *Conn) Hole(id uint64, d exchange.Dir, open bool) {
	c.find(id).half[d].holed = open
	if s := &c.sides[d]; s.hasEnc && s.encoder == id {
		s.holed = open
		c.resume(false)
	}
}

// Gap implements quic.Streams.
func (c *Conn) Gap(id uint64, d exchange.Dir, at packet.Pos, n int64, reason string) {
	at.Acked = packet.NoOffset
	st := c.find(id)
	if st.half[d].waiting() {
		c.later(st, d, event{at: at, what: wasGap, n: n, reason: reason})
		return
	}
	c.gap(st, d, at, n, reason)
}

func (c *Conn) gap(st *stream, d exchange.Dir, at packet.Pos, n int64, reason string) {
	switch st.kind {
	case requestStream, pushStream:
		c.requestGap(st, d, at, n, reason)
	case promisedStream:
		c.settle(st, d)
		st.kind = otherStream
	case encoderStream:
		c.sides[d].table.lose()
		c.resume(false)
	case unknownStream: // it may have been the encoder's
		c.own += int64(len(st.half[d].head))
		st.kind = otherStream
		c.sides[d].table.lose()
	case controlStream:
		st.kind = otherStream
	}
}

// Fin implements quic.Streams.
func (c *Conn) Fin(id uint64, d exchange.Dir, at packet.Pos) { c.end(id, d, at, wasFin) }

// Reset implements quic.Streams.
func (c *Conn) Reset(id uint64, d exchange.Dir, at packet.Pos) { c.end(id, d, at, wasReset) }

func (c *Conn) end(id uint64, d exchange.Dir, at packet.Pos, what happening) {
	at.Acked = packet.NoOffset
	st := c.find(id)
	if st.half[d].waiting() {
		c.later(st, d, event{at: at, what: what})
		return
	}
	c.ended(st, d, at, what)
}

// ended ends a direction of a stream.
func (c *Conn) ended(st *stream, d exchange.Dir, at packet.Pos, what happening) {
	if st.messages() {
		c.requestEnd(st, d, at, what)
	}
	if st.over[d] = true; st.over[d.Reverse()] || st.id&2 != 0 {
		c.forget(st)
	}
}

// forget ends the account of a stream.
func (c *Conn) forget(st *stream) {
	for d := range st.half {
		c.settle(st, exchange.Dir(d))
	}
	delete(c.streams, st.id)
}

// End implements quic.Streams.
func (c *Conn) End(reason app.EndReason, at packet.Pos) {
	at.Acked = packet.NoOffset
	c.resume(true)
	for _, st := range c.streams {
		for d := range st.half {
			c.settle(st, exchange.Dir(d))
		}
	}
	clear(c.streams)
	c.pairs.End(reason, at)
}
