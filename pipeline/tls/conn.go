// Package tls reads TLS connections (RFC 8446, RFC 5246 and older): what their
// handshakes tell in the clear, and, where a key log holds the secrets, the
// application data, which an inner parser gets as if it had come in the clear.
//
// It works on the two streams as they come, at any split, and goes on after a hole:
// the next record is found by opening it with the sequence numbers it may have.
package tls

import (
	"encoding/binary"
	"sync"

	"recap/pipeline/app"
	"recap/pipeline/exchange"
	"recap/reader/packet"
)

// Inner makes the parser of what a connection carries: "http/1" or "http/2". It may
// return nil for a protocol that nobody reads.
type Inner func(env *app.Env, conn *exchange.Conn, protocol string, midstream [2]bool) app.Parser

// Protocols that an Inner is asked for.
const (
	HTTP1 = "http/1"
	HTTP2 = "http/2"
)

type mode uint8

const (
	inStep    mode = iota // the next byte begins a record or goes on with the one in buf
	skipping              // inside a record that has a hole
	searching             // out of step: looking for a record that opens
	blind                 // given up
)

// part says which packet brought the next n bytes.
type part struct {
	at packet.Pos
	n  int
}

// side is one direction.
type side struct {
	mode  mode
	skip  int // bytes to come of a record with a hole
	buf   []byte
	parts []part // of buf

	sealed  bool // records are protected: before TLS 1.3, from ChangeCipherSpec on
	changed bool // a ChangeCipherSpec came before the version was known
	open    *opener
	seq     uint64 // of the next record, or of the first in the hole
	epoch   epoch  // of open
	from    epoch  // no earlier epoch is tried

	// The hole is what passed since the last record that was opened.
	holed   bool
	hole    int64 // bytes; meaningless while unsure
	unsure  bool
	failed  uint64 // records seen in the hole
	reason  string
	budget  int64 // bytes of ciphertext that may yet be tried in vain
	trusted bool  // a record was opened
	records int64 // that were opened
	length  int64 // sum of theirs

	message []byte // of the handshake, not whole yet
	pass    int    // bytes to come of a message that is too long
	plain   int64  // offset in the plaintext stream
	marks   *marks
	gapped  bool // the plaintext has a hole in front of the inner parser's start
	ended   bool // the inner parser was told
}

// epoch is a generation of TLS 1.3 keys.
type epoch uint8

const (
	early epoch = iota
	handshaking
	application
	none
)

// Conn reads one connection. It implements app.Parser.
type Conn struct {
	env   *app.Env
	info  *exchange.Conn
	view  *View
	make  Inner
	mid   [2]bool
	sides [2]side

	// The handshake, as far as it was seen.
	version     uint16 // chosen; 0 before the ServerHello
	clientRand  [32]byte
	serverRand  [32]byte
	hasClient   bool
	hasServer   bool
	offered     []byte // suites of the ClientHello
	session     []byte
	wanted      []byte // session that the client asks for
	resumed     bool
	suite       suite
	etm, ems    bool
	compressed  bool
	encrypted   [8]byte // beginning of the encrypted pre-master secret
	hasEnc      bool
	master      []byte
	transcript  []byte
	masterTried int // version of the view that master was last looked up in

	begins   bool // no byte of the client has come yet
	inner    app.Parser
	look     *[2]look
	other    bool // what is inside is another protocol
	frozen   bool // a pair refers to info
	ended    bool
	retried  bool // HelloRetryRequest
	earlyBuf []byte
	earlyAt  []part
	earlyOK  bool // early data was accepted
	earlyNo  bool // or refused

	fed, opaque, innerFed, otherBytes int64
}

// maxMessage bounds a handshake message, bytes.
const maxMessage = 256 << 10

// New returns a parser for a connection. keys may grow while it works; midstream
// tells which directions began before the capture. New sets conn.TLS and fills it
// until the first pair of the connection is given out.
func New(env *app.Env, conn *exchange.Conn, keys *View, midstream [2]bool, inner Inner) *Conn {
	if keys == nil {
		keys = new(View)
	}
	if conn.TLS == nil {
		conn.TLS = new(exchange.TLS)
	}
	c := &Conn{info: conn, view: keys, make: inner, mid: midstream, masterTried: -1, begins: true}
	own := *env
	emit, message := env.Emit, env.Message
	own.Emit = func(conn *exchange.Conn, p *exchange.Pair) {
		c.frozen = true
		emit(conn, p)
	}
	own.Message = func(m *exchange.StreamMessage) {
		c.frozen = true
		message(m)
	}
	c.env = &own
	for d := range c.sides {
		c.sides[d].budget = trialBudget
	}
	return c
}

// Decrypted reports whether application data was read.
func (c *Conn) Decrypted() bool { return c.info.TLS.Decrypted }

// Protocol is what was found inside, "" if nothing that is read.
func (c *Conn) Protocol() string {
	if c.inner == nil {
		return ""
	}
	if c.info.TLS.ALPN == "h2" {
		return HTTP2
	}
	return HTTP1
}

// Tally implements app.Parser. Where nothing was decrypted, all is opaque. Where
// something was, plaintext stands under what it was used for, records that did not
// open are opaque, and the rest (headers, tags, padding, handshake) is overhead.
func (c *Conn) Tally() app.Tally {
	if !c.info.TLS.Decrypted {
		return app.Tally{TLS: c.fed}
	}
	var t app.Tally
	if c.inner != nil {
		t = c.inner.Tally()
	}
	t.Other += c.otherBytes
	t.TLS += c.opaque
	t.TLSOverhead += c.fed - c.opaque - c.innerFed - c.otherBytes
	return t
}

// Memory implements app.Parser.
func (c *Conn) Memory() int64 {
	n := int64(2<<10) + int64(cap(c.earlyBuf)+cap(c.transcript)+cap(c.offered))
	for i := range c.sides {
		s := &c.sides[i]
		n += int64(cap(s.buf)+cap(s.message)) + 64*int64(cap(s.parts))
		if s.marks != nil {
			n += 1024
		}
		if s.open != nil {
			n += 2 << 10
		}
	}
	if c.look != nil {
		n += int64(cap(c.look[0].buf) + cap(c.look[1].buf))
	}
	if c.inner != nil {
		n += c.inner.Memory()
	}
	return n
}

// scratch holds buffers for the plaintext of one record.
var scratch = sync.Pool{New: func() any {
	b := make([]byte, 0, maxPayload)
	return &b
}}

// plausible reports whether a record header begins at b, which holds headerLen bytes.
func plausible(b []byte) bool {
	return b[0] >= typeCCS && b[0] <= typeHeartbeat && b[1] == 3 && b[2] <= 4 && int(b[3])<<8|int(b[4]) <= maxPayload
}

func recordLen(b []byte) int { return headerLen + int(binary.BigEndian.Uint16(b[3:])) }

// Data implements app.Parser.
func (c *Conn) Data(d exchange.Dir, at packet.Pos, b []byte) {
	c.fed += int64(len(b))
	s := &c.sides[d]
	for len(b) > 0 {
		if c.ended {
			c.opaque += int64(len(b))
			return
		}
		var n int
		switch s.mode {
		case inStep:
			n = c.step(d, s, at, b)
		case skipping:
			n = min(s.skip, len(b))
			c.pass(s, n)
			if s.skip -= n; s.skip == 0 {
				s.mode = inStep
			}
		case searching:
			n = min(len(b), headerLen+maxPayload)
			s.buf = append(s.buf, b[:n]...)
			s.parts = appendPart(s.parts, at, n)
			c.search(d, s, false)
		case blind:
			n = len(b)
			c.opaque += int64(n)
		}
		b = b[n:]
		at.Offset += int64(n)
	}
}

// pass counts n bytes that cannot be read.
func (c *Conn) pass(s *side, n int) {
	c.opaque += int64(n)
	s.hole += int64(n)
	s.holed = true
}

func appendPart(parts []part, at packet.Pos, n int) []part {
	if k := len(parts); k > 0 && parts[k-1].at.Number == at.Number && parts[k-1].at.Offset+int64(parts[k-1].n) == at.Offset {
		parts[k-1].n += n
		return parts
	}
	return append(parts, part{at, n})
}

// step takes the next record, or the next part of one, and returns how many bytes it took.
func (c *Conn) step(d exchange.Dir, s *side, at packet.Pos, b []byte) int {
	if c.begins && d == exchange.ToServer {
		if n, ok := c.oldStart(s, at, b); ok {
			return n
		}
	}
	if len(s.buf) == 0 && len(b) >= headerLen {
		if !plausible(b) {
			c.lose(d, s, at, "")
			return 0
		}
		if n := recordLen(b); n <= len(b) {
			one := [1]part{{at, n}}
			c.record(d, s, b[:n], one[:])
			return n
		}
	}
	want := headerLen
	if len(s.buf) >= headerLen {
		want = recordLen(s.buf)
	}
	n := min(want-len(s.buf), len(b))
	s.buf = append(s.buf, b[:n]...)
	s.parts = appendPart(s.parts, at, n)
	switch {
	case len(s.buf) < want:
	case want == headerLen && !plausible(s.buf):
		c.lose(d, s, at, "")
	case want > headerLen || recordLen(s.buf) == headerLen:
		c.record(d, s, s.buf, s.parts)
		s.buf, s.parts = s.buf[:0], s.parts[:0]
	}
	return n
}

// oldStart takes the part of a ClientHello in the form of SSL 2.0 that b holds.
func (c *Conn) oldStart(s *side, at packet.Pos, b []byte) (n int, ok bool) {
	have := len(s.buf)
	if have == 0 && b[0]&0x80 == 0 {
		c.begins = false
		return 0, false
	}
	want := 11
	if have >= want {
		want = oldHello(s.buf)
	}
	n = min(want-have, len(b))
	s.buf = append(s.buf, b[:n]...)
	s.parts = appendPart(s.parts, at, n)
	switch len(s.buf) {
	case 11:
		if oldHello(s.buf) == 0 {
			c.begins = false
			c.lose(exchange.ToServer, s, at, "")
		}
	case want:
		c.begins = false
		m := s.buf
		suites, session := int(m[5])<<8|int(m[6]), int(m[7])<<8|int(m[8])
		challenge := m[11+suites+session:]
		c.clientRand = [32]byte{}
		copy(c.clientRand[32-len(challenge):], challenge)
		c.hasClient = true
		s.buf, s.parts = s.buf[:0], s.parts[:0]
	}
	return n, true
}

// Close implements app.Parser.
func (c *Conn) Close(d exchange.Dir, at packet.Pos) {
	if c.ended {
		return
	}
	s := &c.sides[d]
	c.last(d, s, at)
	c.closeInner(d, s, at)
}

// last makes what can be made of the end of a direction.
func (c *Conn) last(d exchange.Dir, s *side, at packet.Pos) {
	if s.mode == searching {
		c.search(d, s, true)
	}
	if len(s.buf) > 0 {
		c.pass(s, len(s.buf))
		s.buf, s.parts = s.buf[:0], s.parts[:0]
	}
	if s.holed && s.mode != blind {
		if s.trusted {
			c.missing(d, s, at, -1)
		}
		s.holed = false
	}
	if d == exchange.ToServer {
		c.flushEarly()
	}
	if c.look != nil && c.inner == nil {
		c.believe(d)
	}
}

// closeInner tells the inner parser that d has ended.
func (c *Conn) closeInner(d exchange.Dir, s *side, at packet.Pos) {
	if s.ended {
		return
	}
	s.ended = true
	if c.inner != nil {
		at.Offset, at.Acked = s.plain, c.acked(d, at.Acked)
		c.inner.Close(d, at)
	}
}

// End implements app.Parser.
func (c *Conn) End(reason app.EndReason, at packet.Pos) {
	if c.ended {
		return
	}
	for d := range c.sides {
		c.last(exchange.Dir(d), &c.sides[d], at)
	}
	if c.look != nil {
		c.drop(&c.look[0])
		c.drop(&c.look[1])
		c.look = nil
	}
	c.ended = true
	if c.inner != nil {
		at.Offset, at.Acked = packet.NoOffset, packet.NoOffset
		c.inner.End(reason, at)
	}
	for d := range c.sides {
		s := &c.sides[d]
		s.buf, s.parts, s.message, s.open, s.marks = nil, nil, nil, nil, nil
	}
	c.transcript, c.offered, c.master, c.earlyBuf, c.earlyAt = nil, nil, nil, nil, nil
}

// record takes one whole record.
func (c *Conn) record(d exchange.Dir, s *side, rec []byte, parts []part) {
	typ := rec[0]
	if !c.isSealed(d, s, typ) {
		switch typ {
		case typeCCS:
			c.changeCipher(d, s)
		case typeHandshake:
			if !s.changed {
				c.handshake(d, s, rec[headerLen:])
			}
		case typeData, typeHeartbeat:
			c.fail(s, rec)
		}
		return
	}
	buf := scratch.Get().(*[]byte)
	before := *s
	plain, typ, seq, ok := c.unseal(d, s, rec, (*buf)[:0])
	if !ok {
		c.fail(s, rec)
		scratch.Put(buf)
		return
	}
	c.opened(d, s, &before, seq, parts[0].at, int64(len(rec)))
	c.use(d, s, rec, parts, plain, typ)
	if cap(plain) > cap(*buf) && cap(plain) <= 2*maxPayload {
		*buf = plain[:0]
	}
	scratch.Put(buf)
}

// isSealed reports whether a record of this type is encrypted.
func (c *Conn) isSealed(d exchange.Dir, s *side, typ byte) bool {
	switch {
	case c.version == versionTLS13:
		return typ == typeData
	case c.version == 0:
		return typ == typeData && d == exchange.ToServer && c.hasClient // early data
	}
	return s.sealed
}

// fail counts a record that does not open.
func (c *Conn) fail(s *side, rec []byte) {
	c.pass(s, len(rec))
	s.failed++
	if s.open != nil {
		s.open.passed(rec)
	}
}

// opened ends the hole in front of a record that was opened with the number seq, if
// there is one. before is the side as it was.
func (c *Conn) opened(d exchange.Dir, s, before *side, seq uint64, at packet.Pos, size int64) {
	s.trusted = true
	if s.mode != inStep {
		s.mode = inStep
	}
	if s.holed {
		switch {
		case before.open == s.open && seq == before.seq:
			// The peer's numbers have no hole: what did not open was not its own.
		case before.open == s.open:
			lost, over := int64(-1), s.open.overhead()
			if n := s.hole - int64(seq-before.seq)*int64(over); !s.unsure && over >= 0 && n >= 0 {
				lost = n
			}
			c.missing(d, s, at, lost)
		case s.open.tls13 && before.from < application && s.epoch == application && seq == 0 && s.open.updates == 0:
			// Records of the handshake only: they carry no application data.
		case !s.open.tls13 && before.open == nil && seq <= 1:
			// Only the Finished message was missed.
		default:
			c.missing(d, s, at, -1)
		}
	}
	s.seq = seq + 1
	s.records++
	s.length += size
	s.holed, s.hole, s.unsure, s.failed, s.reason = false, 0, false, 0, ""
}

// use takes the content of a record.
func (c *Conn) use(d exchange.Dir, s *side, rec []byte, parts []part, plain []byte, typ byte) {
	open := s.open
	switch typ {
	case typeCCS:
		c.changeCipher(d, s)
	case typeHandshake:
		c.handshake(d, s, plain)
	case typeAlert:
		// close_notify: the sender says no more (RFC 8446, section 6.1).
		if len(plain) == 2 && plain[1] == 0 {
			c.closeInner(d, s, parts[len(parts)-1].at)
		}
	case typeData:
		if open.tls13 && s.epoch == handshaking {
			break // not allowed there
		}
		if !c.frozen {
			c.info.TLS.Decrypted = true
		}
		before := s.plain
		if c.info.TLS.Decrypted {
			c.deliver(d, s, plain, parts, headerLen+open.lead())
		}
		s.mark(parts, before)
	}
	open.passed(rec)
}

// deliver hands plaintext on, divided as the packets divided the record: base is
// where in the record the plaintext begins. The last byte goes with the record's
// last packet, because without its tag the receiver has nothing.
func (c *Conn) deliver(d exchange.Dir, s *side, plain []byte, parts []part, base int) {
	done, end := 0, -base
	for i, p := range parts {
		end += p.n
		stop := min(max(end, 0), len(plain)-1)
		if i == len(parts)-1 {
			stop = len(plain)
		}
		if stop > done {
			c.plaintext(d, s, p.at, plain[done:stop])
			done = stop
		}
	}
}

// plaintext hands the next bytes on.
func (c *Conn) plaintext(d exchange.Dir, s *side, at packet.Pos, b []byte) {
	isEarly := s.open.tls13 && s.epoch == early
	if s.ended || isEarly && c.earlyNo {
		c.otherBytes += int64(len(b))
		return
	}
	if d == exchange.ToClient && len(c.earlyBuf) > 0 {
		c.acceptEarly() // an answer, and nothing that says no
	}
	at.Acked = c.acked(d, at.Acked)
	at.Offset = s.plain
	s.plain += int64(len(b))
	if isEarly && !c.earlyOK {
		if len(c.earlyBuf)+len(b) <= maxEarly {
			c.earlyBuf = append(c.earlyBuf, b...)
			c.earlyAt = append(c.earlyAt, part{at, len(b)})
			return
		}
		c.acceptEarly() // no server takes that much without a word
	}
	c.pour(d, at, b)
}

// maxEarly bounds the early data that waits for the server's word, bytes.
const maxEarly = 64 << 10

// Handshake messages that are looked at (RFC 8446, section 4; RFC 5246, section 7.4).
const (
	msgClientHello     = 1
	msgServerHello     = 2
	msgEndOfEarlyData  = 5
	msgEncryptedExts   = 8
	msgCertificate     = 11
	msgClientKey       = 16
	msgFinished        = 20
	msgKeyUpdate       = 24
	msgCertificateDone = 25
)
