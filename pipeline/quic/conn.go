package quic

import (
	"bytes"
	"slices"
	"strings"

	"recap/pipeline/app"
	"recap/pipeline/exchange"
	"recap/pipeline/tls"
	"recap/reader/packet"
)

// Streams reads what the streams of a connection carry. Streams are named by their
// IDs; the data of one come in order, in each direction.
type Streams interface {
	// Data hands over the next bytes of a stream; b is valid during the call only.
	Data(id uint64, d exchange.Dir, at packet.Pos, b []byte)
	// Gap tells of n bytes of a stream that the capture does not hold.
	Gap(id uint64, d exchange.Dir, at packet.Pos, n int64, reason string)
	// Hole tells whether data of the stream are there that wait for others.
	Hole(id uint64, d exchange.Dir, open bool)
	// Fin tells that the sender has ended the stream.
	Fin(id uint64, d exchange.Dir, at packet.Pos)
	// Reset tells that the sender has given the stream up.
	Reset(id uint64, d exchange.Dir, at packet.Pos)
	// End tells that nothing more will come.
	End(reason app.EndReason, at packet.Pos)
	// Tally accounts for every byte that Data got.
	Tally() app.Tally
	// Memory returns what is held, bytes.
	Memory() int64
}

// Inner makes what reads the streams of a connection that speaks protocol, a name of
// ALPN; nil for one that nobody reads.
type Inner func(protocol string) Streams

// Packet number spaces (RFC 9000, section 12.3).
const (
	initialSpace = iota
	handshakeSpace
	appSpace
	spaces
)

// space is what is known of the packets of one direction in one space.
type space struct {
	newest int64 // packet number; -1 before the first
	seen   ranges
	key    *tls.PacketKey
	crypto reassembly
	text   []byte // handshake messages that are not whole yet
	large  bool   // one was too long: nothing more is read
}

func newSpace() space { return space{newest: -1, crypto: newReassembly()} }

// side is one direction.
type side struct {
	spaces [spaces]space
	ids    [][]byte // connection IDs that packets to the other side carry: what it chose
	// idLen is the length of IDs in short headers of this direction; negative while unknown.
	idLen      int
	prev, next *tls.PacketKey // of 1-RTT: before and after the key update
	phase      byte
	early      *tls.PacketKey // 0-RTT
	segment    int            // size of the datagrams that stand in one packet of the capture; 0: none did
	searches   int            // for segment, in vain
}

// A Conn reads one connection.
type Conn struct {
	info    *exchange.Conn
	make    Inner
	hello   *tls.Handshake
	version uint32
	initial map[initialOf]*[2]*tls.PacketKey
	sides   [2]side
	streams streams
	maxHeld int64
	pending []pending // packets that wait for keys
	waits   int64     // bytes of pending
	failed  int       // packets that did not open, of late
	answer  bool      // an Initial of the server was read
	inner   Streams
	frozen  bool
	closed  bool
	opened  bool // 1-RTT or 0-RTT data was read

	head  []byte // buffers
	plain []byte
	tally Tally
	fed   int64
}

// initialOf names a set of Initial keys.
type initialOf struct {
	version uint32
	id      string
}

// pending is a packet that came before its keys.
type pending struct {
	d  exchange.Dir
	at packet.Pos
	b  []byte
}

// Tally divides the bytes that a Conn got.
type Tally struct {
	app.Tally
	Duplicate int64
	Late      int64 // of streams, behind a hole that was given up
}

const (
	// maxPending and maxPendingBytes bound what waits for keys.
	maxPending      = 64
	maxPendingBytes = 96 << 10
	// maxIDs bounds the connection IDs that are remembered of each side.
	maxIDs = 32
	// maxInitials bounds the sets of Initial keys: one for each version and, after Retry, ID.
	maxInitials = 4
)

// New returns a Conn. It sets info.TLS and fills it until Freeze. keys may grow while it
// works; held bounds the stream data that wait behind holes, bytes.
func New(info *exchange.Conn, keys *tls.View, held int64, inner Inner) *Conn {
	info.TLS = new(exchange.TLS)
	c := &Conn{info: info, make: inner, maxHeld: min(held, maxHeld), hello: tls.NewHandshake(info.TLS, keys), initial: make(map[initialOf]*[2]*tls.PacketKey)}
	for d := range c.sides {
		s := &c.sides[d]
		s.idLen = -1
		for i := range s.spaces {
			s.spaces[i] = newSpace()
		}
	}
	return c
}

// Freeze ends the changes to what New was given: a pair refers to it.
func (c *Conn) Freeze() {
	c.frozen = true
	c.hello.Freeze()
}

// Closed reports whether one of the sides said that the connection ends.
func (c *Conn) Closed() bool { return c.closed }

// Answered reports whether an Initial packet of the server was read.
func (c *Conn) Answered() bool { return c.answer }

// Decrypted reports whether data of streams was read.
func (c *Conn) Decrypted() bool { return c.opened }

// HTTP reports whether what is inside is read.
func (c *Conn) HTTP() bool { return c.inner != nil }

// Owns reports whether a datagram belongs to the connection, by the connection IDs it
// carries; also one whose IDs do not say.
func (c *Conn) Owns(d exchange.Dir, b []byte) bool {
	if !isLong(b) {
		for _, id := range c.sides[d].ids {
			if len(b) > len(id) && bytes.Equal(b[1:1+len(id)], id) {
				return true
			}
		}
		return len(c.sides[d].ids) == 0
	}
	h, ok := parseLong(b)
	switch {
	case !ok || len(c.sides[d].ids) == 0:
		return true
	case h.typ == initial && d == exchange.ToServer && !c.answer && len(h.src) > 0 && c.sides[exchange.ToClient].has(h.src):
		return true // after a Retry that the capture lacks
	}
	return c.sides[d].has(h.dst)
}

func (s *side) has(id []byte) bool {
	return slices.ContainsFunc(s.ids, func(x []byte) bool { return bytes.Equal(x, id) })
}

// learn notes a connection ID that packets of the side may carry.
func (s *side) learn(id []byte) {
	if !s.has(id) && len(s.ids) < maxIDs {
		s.ids = append(s.ids, slices.Clone(id))
	}
}

// frame takes a frame of a packet, and returns how many of its bytes are accounted for
// as data of streams.
func (c *Conn) frame(d exchange.Dir, at packet.Pos, in int, f *frame) int64 {
	switch f.typ {
	case frameCrypto:
		c.crypto(d, at, in, f)
	case frameClose, frameCloseApp:
		c.closed = true
	case frameNewID:
		if in == appSpace {
			c.sides[d.Reverse()].learn(f.data)
		}
	case frameStream:
		if in == appSpace {
			return c.stream(d, at, f)
		}
	case frameReset:
		if in == appSpace {
			c.reset(d, at, f)
		}
	}
	return 0
}

// crypto takes handshake bytes.
func (c *Conn) crypto(d exchange.Dir, at packet.Pos, in int, f *frame) {
	sp := &c.sides[d].spaces[in]
	if sp.large || in == appSpace { // tickets only
		return
	}
	if f.off+int64(len(f.data)) > sp.crypto.next+maxCrypto {
		return
	}
	got := len(sp.text)
	sp.crypto.push(f.off, f.data, at, func(_ packet.Pos, b []byte) { sp.text = append(sp.text, b...) })
	if len(sp.text) == got {
		return
	}
	told := false
	for {
		n := tls.MessageLen(sp.text)
		if n > tls.MaxMessage {
			sp.large, sp.text = true, nil
			break
		}
		if n == 0 || n > len(sp.text) {
			break
		}
		c.hello.Message(d, sp.text[:n])
		sp.text = sp.text[n:]
		told = true
	}
	if len(sp.text) == 0 {
		sp.text = nil
	}
	if told && len(c.pending) > 0 {
		c.replay()
	}
}

// maxCrypto bounds how far ahead handshake bytes are held, bytes.
const maxCrypto = 64 << 10

// ready makes the reader of streams, once.
func (c *Conn) ready() {
	if c.opened {
		return
	}
	c.opened = true
	if !c.frozen {
		c.info.TLS.Decrypted = true
	}
	protocol := c.info.TLS.ALPN
	if protocol == "" { // 0-RTT, or the handshake is missing
		protocol, _, _ = strings.Cut(c.info.TLS.Offered, ",")
	}
	if c.make != nil {
		c.inner = c.make(protocol)
	}
}

// End gives out what is left.
func (c *Conn) End(reason app.EndReason, at packet.Pos) {
	for _, p := range c.pending {
		c.tally.TLS += int64(len(p.b))
	}
	c.pending, c.waits = nil, 0
	c.flush(at)
	if c.inner != nil {
		c.inner.End(reason, at)
	}
}

// Tally accounts for every byte that Datagram got. Where no data was read, all is opaque.
func (c *Conn) Tally() Tally {
	t := c.tally
	if !c.opened {
		return Tally{Tally: app.Tally{TLS: c.fed}}
	}
	if c.inner != nil {
		in := c.inner.Tally()
		t.HTTP += in.HTTP
		t.Other += in.Other
		t.Unparsed += in.Unparsed
	}
	return t
}

// Memory returns what c holds, bytes.
func (c *Conn) Memory() int64 {
	n := int64(4<<10) + c.waits + 100*int64(len(c.pending)) + c.streams.memory()
	for d := range c.sides {
		s := &c.sides[d]
		n += 48 * int64(len(s.ids))
		for i := range s.spaces {
			sp := &s.spaces[i]
			n += sp.seen.memory() + sp.crypto.memory() + int64(len(sp.text))
		}
	}
	if c.inner != nil {
		n += c.inner.Memory()
	}
	return n
}
