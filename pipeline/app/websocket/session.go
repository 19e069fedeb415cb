// Package websocket reads the frames of a WebSocket connection (RFC 6455), behind the
// handshake of HTTP/1 or HTTP/2, and makes messages of them: unmasked, put together
// from their fragments, and decompressed (RFC 7692). It works on slices as they come,
// at any split.
package websocket

import (
	"bytes"
	"encoding/binary"
	"unicode/utf8"

	"recap/pipeline/app"
	"recap/pipeline/app/coding"
	"recap/pipeline/exchange"
	"recap/reader/packet"
)

type state uint8

const (
	inHeader  state = iota
	inPayload       // of a frame
	lost            // out of step with the frames
	foreign         // what came was no frame from the first byte on
)

// message is a message or control frame on its way.
type message struct {
	open       bool
	opcode     byte
	compressed bool
	holed      bool  // bytes of it are missing; what is behind them is not stored
	size       int64 // as sent, holes included
	store      coding.Store
	anomalies  exchange.Anomalies
}

// side is one direction.
type side struct {
	state  state
	head   [maxHeader]byte
	n      int   // bytes of head
	f      frame // whose payload is being read
	passed int64 // bytes of the payload
	begun  bool  // a frame was read
	closed bool  // a close frame was read
	data   message
	ctl    message // control frames may come between the fragments of a message
	past   window  // what compressed messages may refer to
	find   finder
	noted  exchange.Anomalies // for the next message
}

// reading returns the message that the frame belongs to.
func (x *side) reading() *message {
	if x.f.control() {
		return &x.ctl
	}
	return &x.data
}

// Session reads both directions of one WebSocket.
type Session struct {
	env      *app.Env
	conn     *exchange.Conn
	opt      Options
	sides    [2]side
	ordinal  int64
	unparsed int64
	other    int64
	src      bytes.Reader
	buf      []byte // for decompression
}

// NewSession returns a reader of what follows a handshake.
func NewSession(env *app.Env, conn *exchange.Conn, opt Options) *Session {
	s := &Session{env: env, conn: conn, opt: opt}
	for d := range s.sides {
		s.sides[d].find = finder{d: exchange.Dir(d), opt: &s.opt}
		s.sides[d].past.fresh = opt.Fresh[d]
	}
	return s
}

// Unparsed returns how many bytes belong to no frame.
func (s *Session) Unparsed() int64 {
	n := s.unparsed
	for d := range s.sides {
		n += int64(len(s.sides[d].find.buf))
	}
	return n
}

// Memory returns about what the session holds, bytes.
func (s *Session) Memory() int64 {
	n := int64(2<<10) + int64(len(s.buf))
	for d := range s.sides {
		x := &s.sides[d]
		n += x.find.memory() + int64(len(x.past.buf)) + app.Grown(len(x.data.store.Data)) + app.Grown(len(x.ctl.store.Data))
	}
	return n
}

// Data takes the next bytes of a direction; b is valid during the call only.
func (s *Session) Data(d exchange.Dir, at packet.Pos, b []byte) {
	x := &s.sides[d]
	for len(b) > 0 {
		switch x.state {
		case inHeader:
			b = s.header(d, x, at, b)
		case inPayload:
			b = s.payload(d, x, at, b)
		case lost:
			if x.find.feed(at, b) {
				s.resume(d, x)
			} else {
				s.unparsed += x.find.shed()
			}
			return
		case foreign:
			s.other += int64(len(b))
			return
		}
	}
}

// header takes bytes of a frame header.
func (s *Session) header(d exchange.Dir, x *side, at packet.Pos, b []byte) []byte {
	for len(b) > 0 {
		want := headerLen(x.head[:x.n])
		if want == 0 {
			want = 2
		}
		k := copy(x.head[x.n:want], b)
		b = b[k:]
		if x.n += k; x.n >= 2 && x.n == headerLen(x.head[:x.n]) {
			s.begin(d, x, at)
			return b
		}
	}
	return nil
}

// begin starts the frame whose header is in x.head.
func (s *Session) begin(d exchange.Dir, x *side, at packet.Pos) {
	x.f = readFrame(x.head[:x.n])
	f := &x.f
	allowed := byte(0)
	if s.opt.Other {
		allowed = bitsRSV
	} else if s.opt.Deflate {
		allowed = bitRSV1
	}
	odd := f.rsv()&^allowed != 0
	switch {
	case !x.begun && (odd || f.reserved()):
		s.other += int64(x.n)
		x.n, x.state = 0, foreign
		return
	case odd && f.reserved():
		// One of the two is a fault that may be read on behind; both together are no frame.
		head := x.head[:x.n]
		s.lose(d, x, at)
		x.find.feed(at, head) // too little to find anything in
		return
	}
	x.begun, x.passed, x.state = true, 0, inPayload
	m := x.reading()
	switch {
	case f.control():
		s.open(x, m)
		m.opcode = f.opcode()
		if !f.fin() || f.length > maxControl {
			m.anomalies.Add(exchange.AnomalyWebSocketBadControl)
		}
	case f.opcode() == opContinuation && m.open:
		odd = odd || f.rsv() != 0 && !s.opt.Other
	default:
		if m.open {
			m.anomalies.Add(exchange.AnomalyWebSocketBadSequence)
			s.give(d, x, m, at, true)
		}
		s.open(x, m)
		m.opcode = f.opcode()
		m.compressed = s.opt.Deflate && f.compressed()
		if m.compressed {
			m.store.Limit, m.store.Hash = coding.CodedLimit(m.store.Limit), false
		}
		if f.opcode() == opContinuation {
			m.anomalies.Add(exchange.AnomalyWebSocketBadSequence)
		}
	}
	if x.closed {
		m.anomalies.Add(exchange.AnomalyWebSocketBadSequence)
	}
	if odd || f.control() && f.rsv() != 0 && !s.opt.Other {
		m.anomalies.Add(exchange.AnomalyWebSocketReservedBits)
	}
	if f.reserved() {
		m.anomalies.Add(exchange.AnomalyWebSocketBadOpcode)
	}
	if !f.minimal {
		m.anomalies.Add(exchange.AnomalyWebSocketBadLength)
	}
	if f.masked != (d == exchange.ToServer) {
		m.anomalies.Add(exchange.AnomalyWebSocketBadMask)
	}
	if f.length == 0 {
		s.frameDone(d, x, at)
	}
}

// open begins a message.
func (s *Session) open(x *side, m *message) {
	lim := &s.env.Limits
	*m = message{open: true, anomalies: x.noted}
	x.noted = exchange.Anomalies{}
	m.store.Limit, m.store.Hash = max(0, lim.Body), lim.Hash
	if m == &x.ctl {
		m.store.Limit = max(maxControl, lim.Body)
	}
}

// payload takes bytes of a frame's payload.
func (s *Session) payload(d exchange.Dir, x *side, at packet.Pos, b []byte) []byte {
	n := int(min(int64(len(b)), x.f.length-x.passed))
	m := x.reading()
	m.size += int64(n)
	switch {
	case m.holed:
	case x.f.masked:
		if m.store.Data == nil {
			m.store.Data = s.env.Buffers.Get(0)
		}
		plain := append(s.env.Buffers.Get(n), b[:n]...)
		unmask(plain, x.f.key, x.passed)
		m.store.Write(plain)
		s.env.Buffers.Put(plain)
	default:
		if m.store.Data == nil {
			m.store.Data = s.env.Buffers.Get(0)
		}
		m.store.Write(b[:n])
	}
	if x.passed += int64(n); x.passed == x.f.length {
		s.frameDone(d, x, at)
	}
	return b[n:]
}

// frameDone ends a frame, and the message that it is the last of.
func (s *Session) frameDone(d exchange.Dir, x *side, at packet.Pos) {
	x.state, x.n = inHeader, 0
	if m := x.reading(); x.f.fin() || x.f.control() {
		s.give(d, x, m, at, false)
	}
}

// Gap tells of n bytes that are missing; n < 0: unknown how many.
func (s *Session) Gap(d exchange.Dir, at packet.Pos, n int64, reason string) {
	x := &s.sides[d]
	switch {
	case n == 0 || x.state == foreign:
	case x.state == inPayload && n > 0 && n <= x.f.length-x.passed:
		m := x.reading()
		m.holed = true
		m.size += n
		app.AddGap(&m.anomalies, reason)
		if x.passed += n; x.passed == x.f.length {
			s.frameDone(d, x, at)
		}
	case x.state == lost:
		s.unparsed += x.find.reset() // nothing may be glued together over the gap
	default:
		if x.state == inHeader {
			s.unparsed += int64(x.n)
		} else {
			app.AddGap(&x.reading().anomalies, reason)
		}
		s.lose(d, x, at)
		app.AddGap(&x.noted, reason)
	}
}

// lose notes that frames are missing from here on, until others are found.
func (s *Session) lose(d exchange.Dir, x *side, at packet.Pos) {
	s.giveOpen(d, x, at)
	x.state, x.n = lost, 0
	x.past.lose()
}

// giveOpen gives out what has begun and will not end.
func (s *Session) giveOpen(d exchange.Dir, x *side, at packet.Pos) {
	for _, m := range [2]*message{&x.ctl, &x.data} {
		if m.open {
			s.give(d, x, m, at, true)
		}
	}
}

// resume goes on with the frames that were found.
func (s *Session) resume(d exchange.Dir, x *side) {
	x.state, x.begun = inHeader, true
	x.noted.Add(exchange.AnomalyResynchronized)
	skipped, parts, b := x.find.take()
	s.unparsed += skipped
	for _, p := range parts {
		s.Data(d, p.at, b[:p.n])
		b = b[p.n:]
	}
}

// Close tells that a direction has ended.
func (s *Session) Close(d exchange.Dir, at packet.Pos) { s.end(d, at, exchange.AnomalyMessageCut) }

// End tells that nothing more will come.
func (s *Session) End(reason app.EndReason, at packet.Pos) {
	why := exchange.AnomalyMessageCut
	switch reason {
	case app.EndRST:
		why = exchange.AnomalyRST
	case app.EndEvicted:
		why = exchange.AnomalyEvicted
	}
	for d := range s.sides {
		s.end(exchange.Dir(d), at, why)
	}
}

func (s *Session) end(d exchange.Dir, at packet.Pos, why exchange.Anomaly) {
	x := &s.sides[d]
	for x.state == lost && x.find.last() {
		s.resume(d, x)
	}
	for _, m := range [2]*message{&x.ctl, &x.data} {
		if m.open {
			m.anomalies.Add(why)
		}
	}
	switch x.state {
	case inHeader:
		s.unparsed += int64(x.n)
		x.n = 0
		if x.data.open { // between its fragments
			s.lose(d, x, at)
		}
	case inPayload:
		s.lose(d, x, at)
	case lost:
		s.unparsed += x.find.reset()
	}
}

// give gives a message out; cut says that its end is missing.
func (s *Session) give(d exchange.Dir, x *side, m *message, at packet.Pos, cut bool) {
	m.open = false
	out := &exchange.StreamMessage{
		PairID: s.opt.PairID, Conn: s.conn, Ordinal: s.ordinal, Dir: d, Kind: "websocket", Type: opNames[m.opcode],
		TimeNS: at.TimeNS, Packet: at.Number, Size: m.size, WireSize: m.size,
		Compressed: m.compressed, Partial: cut || m.holed, Anomalies: m.anomalies,
	}
	s.ordinal++
	st, lent := &m.store, m.store.Data
	if m.compressed {
		st = s.inflate(x, m, out)
	} else if m.opcode == opText && !out.Partial && st.Whole() && !utf8.Valid(st.Data) {
		out.Anomalies.Add(exchange.AnomalyWebSocketBadText)
	}
	if m.opcode == opClose {
		x.closed = true
		readClose(st, out)
	}
	if !out.Partial {
		if st.Whole() {
			st.Hash = s.env.Limits.Hash
		}
		out.SHA256, out.Hashed = st.Sum()
	}
	if n := min(int64(len(st.Data)), max(0, s.env.Limits.Body)); n > 0 {
		// Not cut out of a larger buffer, which it would keep from being freed.
		out.Payload = append(make([]byte, 0, n), st.Data[:n]...)
	}
	if s.env.Limits.Body >= 0 && st.Size > int64(len(out.Payload)) {
		out.Anomalies.Add(exchange.AnomalyBodyLimit)
	}
	s.env.Buffers.Put(lent)
	*m = message{}
	s.env.Message(out)
}

// readClose takes the status off the payload of a close frame and leaves the reason
// (RFC 6455, section 7.4).
func readClose(st *coding.Store, out *exchange.StreamMessage) {
	switch n := len(st.Data); {
	case n == 0:
		return
	case n == 1:
		if !out.Partial {
			out.Anomalies.Add(exchange.AnomalyWebSocketBadClose)
		}
		return
	}
	code := binary.BigEndian.Uint16(st.Data)
	out.CloseCode = int32(code)
	st.Hash = st.Hash && st.Whole() // else it has the status in it
	st.Data = st.Data[2:]
	st.Size -= 2
	out.Size -= 2
	if !mayClose(code) || !out.Partial && !utf8.Valid(st.Data) {
		out.Anomalies.Add(exchange.AnomalyWebSocketBadClose)
	}
}

// mayClose reports whether a close frame may carry the status (RFC 6455, section 7.4,
// and the registry that it began).
func mayClose(code uint16) bool {
	switch {
	case code >= 3000 && code < 5000:
		return true
	case code == 1004, code == 1005, code == 1006, code > 1014:
		return false
	}
	return code >= 1000
}
