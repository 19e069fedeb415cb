package http2

import (
	"recap/pipeline/app"
	"recap/pipeline/exchange"
	"recap/reader/packet"
)

// Streams makes pairs of the streams of a connection whose frames and header blocks
// another package reads: HTTP/3 (RFC 9114), which says by other means what HTTP/2 says.
// Streams are named by numbers that the caller chooses.
type Streams struct{ c *Conn }

// NewStreams returns Streams for a connection whose records are to show version.
func NewStreams(env *app.Env, conn *exchange.Conn, version string) *Streams {
	c := &Conn{env: env, conn: conn, version: version, streams: make(map[uint32]*stream)}
	for d := range c.sides {
		c.sides[d].mode, c.sides[d].whole = inHeader, true
	}
	return &Streams{c}
}

// Open reports whether a pair of the stream is on its way.
func (x *Streams) Open(id uint32) bool { return x.c.streams[id] != nil }

// begin returns the stream, opened where need be, and its side.
func (x *Streams) begin(d exchange.Dir, id uint32) (*stream, *half) {
	st := x.c.streams[id]
	if st == nil {
		st = x.c.newStream(id)
	}
	return st, x.c.beginHalf(d, &x.c.sides[d], st)
}

// Touch notes that the packet at at carries part of a message of the stream.
func (x *Streams) Touch(d exchange.Dir, id uint32, at packet.Pos) {
	if st := x.c.streams[id]; st != nil && st.half[d].begun {
		x.c.touch(st, d, at)
	}
}

// Head takes a header block, raw, which came with the packets ats: decode puts its fields
// into the [Fields] it gets, and reports whether the block could be read; nil for a block
// that is not whole.
func (x *Streams) Head(d exchange.Dir, id uint32, ats []packet.Pos, raw []byte, decode func(f Fields) bool) {
	c := x.c
	s := &c.sides[d]
	st, h := x.begin(d, id)
	s.block = block{open: true, id: id, st: st, d: d, trailer: h.headed, c: c}
	if h.tailed {
		st.pair.Anomalies.Add(exchange.AnomalyBadFrame) // trailers end a message
	}
	h.tailed = h.headed
	h.list, h.regular, h.pseudo = 0, false, false
	for _, at := range ats {
		c.touch(st, d, at)
	}
	c.tally.HTTP += int64(len(raw))
	if !s.block.trailer {
		c.keepHead(&s.block, raw)
	}
	if decode == nil {
		h.bad, h.vague = true, true
	} else if !decode(Fields{&s.block}) {
		s.spoil()
	}
	var at packet.Pos
	if len(ats) > 0 {
		at = ats[len(ats)-1]
	}
	c.endBlock(d, s, at)
}

// Promise takes a header block of the server that is the request of a response which it
// pushes, as stream id; the rest is as in Head. It reports whether it has used raw: a
// second promise of one response says nothing new.
func (x *Streams) Promise(id uint32, ats []packet.Pos, raw []byte, decode func(f Fields) bool) bool {
	c := x.c
	s := &c.sides[exchange.ToServer]
	if st := c.streams[id]; st != nil && st.half[exchange.ToServer].begun {
		return false
	}
	st, h := x.begin(exchange.ToServer, id)
	x.Pushed(id)
	s.block = block{open: true, id: id, st: st, d: exchange.ToServer, last: true, c: c}
	for _, at := range ats {
		c.touch(st, exchange.ToServer, at)
	}
	c.tally.HTTP += int64(len(raw))
	c.keepHead(&s.block, raw)
	if decode == nil {
		h.bad, h.vague = true, true
	} else if !decode(Fields{&s.block}) {
		s.spoil()
	}
	c.endBlock(exchange.ToServer, s, ats[len(ats)-1])
	return true
}

// Pushed notes that the server answers unasked.
func (x *Streams) Pushed(id uint32) {
	if st := x.c.streams[id]; st != nil {
		st.pushed = true
		st.pair.Anomalies.Add(exchange.AnomalyPushed)
	}
}

// Body takes the next bytes of a body; frame is how many bytes its piece has, these
// included.
func (x *Streams) Body(d exchange.Dir, id uint32, at packet.Pos, b []byte, frame int64) {
	c := x.c
	st, h := x.begin(d, id)
	x.headless(st, d, h)
	if len(b) > 0 && !st.message(d).HasBody && st.frames == nil {
		c.beginBody(st, d, int(min(frame, firstBody)))
	}
	c.payload(d, st, at, b)
	c.charge(st)
}

// headless notes a body whose header block is missing.
func (x *Streams) headless(st *stream, d exchange.Dir, h *half) {
	switch {
	case h.tailed:
		st.pair.Anomalies.Add(exchange.AnomalyBadFrame)
	case !h.headed:
		h.headed, h.bad = true, true
	}
}

// Gap notes that n bytes of a body are missing; n < 0: of the stream, it is not known of
// what.
func (x *Streams) Gap(d exchange.Dir, id uint32, n int64, reason string) {
	st, h := x.begin(d, id)
	x.headless(st, d, h)
	x.c.bodyGap(st, d, n, reason)
	h.bad = true
	app.AddGap(&st.pair.Anomalies, reason)
	x.c.charge(st)
}

// Odd notes something about the exchange.
func (x *Streams) Odd(id uint32, a exchange.Anomaly) {
	if st := x.c.streams[id]; st != nil {
		st.pair.Anomalies.Add(a)
	}
}

// Fin ends the message of a direction.
func (x *Streams) Fin(d exchange.Dir, id uint32, at packet.Pos) {
	if st := x.c.streams[id]; st != nil {
		x.c.endStream(d, st, at)
	}
}

// Cut ends the message of a direction, whose sender has left it unfinished.
func (x *Streams) Cut(d exchange.Dir, id uint32, at packet.Pos) {
	if st := x.c.streams[id]; st != nil {
		st.half[d].bad = true
		x.Fin(d, id, at)
	}
}

// Reset notes that the sender of a direction has given the stream up.
func (x *Streams) Reset(d exchange.Dir, id uint32, at packet.Pos) { x.c.reset(d, id, at) }

// End gives out what is left.
func (x *Streams) End(reason app.EndReason, at packet.Pos) { x.c.End(reason, at) }

// Tally accounts for what Head and Body got.
func (x *Streams) Tally() app.Tally { return x.c.Tally() }

// Memory returns what is held, bytes.
func (x *Streams) Memory() int64 { return x.c.Memory() }

// Fields takes the fields of a header block.
type Fields struct{ k *block }

// Wants reports whether there is use for further fields.
func (f Fields) Wants() bool { return f.k.wants() }

// Add takes a field.
func (f Fields) Add(name, value Text) {
	e := entry{name: name.s, value: value.s, nameLen: name.n, valueLen: value.n, nameOdd: name.odd, valueOdd: value.odd}
	f.k.field(&e)
}

// Literal makes a Text for Add of bytes that stand in the block.
func (f Fields) Literal(b []byte, isName bool) Text { return newText(b, isName, f.k.text) }

// A Text is a name or a value as a record shows it.
type Text struct {
	s   string
	n   int32 // bytes as sent
	odd oddity
}

// Len returns how many bytes were sent.
func (t Text) Len() int { return int(t.n) }

// String returns t as a record shows it.
func (t Text) String() string { return t.s }

// NewText makes a Text that stays, for a table.
func NewText(b []byte, isName bool) Text { return newText(b, isName, clone) }

// Known makes a Text of a string that may stand where it is used.
func Known(s string) Text { return Text{s: s, n: int32(len(s))} }

// Unknown makes the Text of what the capture does not hold, at index i.
func Unknown(i uint64) Text {
	s := unknown(i)
	return Text{s: s, n: int32(len(s)), odd: oddUnknown}
}

func newText(b []byte, isName bool, keep func([]byte) string) Text {
	allowed := &valueChars
	if isName {
		allowed = &nameChars
	}
	s, odd := textOf(b, allowed, keep)
	return Text{s, int32(len(b)), odd}
}

// ReadInt reads an integer with a prefix of that many bits (RFC 7541, section 5.1) at
// the start of b, and returns how many bytes it took; 0 where b ends inside it.
func ReadInt(b []byte, prefix uint) (v uint64, n int, ok bool) {
	if len(b) == 0 {
		return 0, 0, true
	}
	v, n, err := readInt(b, prefix)
	return v, n, err != errHPACK
}

// AppendHuffman appends what src codes to dst; ok is false where src is no whole string
// (RFC 7541, section 5.2).
func AppendHuffman(dst, src []byte) (_ []byte, ok bool) { return appendHuffman(dst, src) }
