// Package http1 reads HTTP/1.x messages (RFC 9112) out of the two streams of a
// connection and pairs requests with responses. It works on slices as they come,
// at any split, and is lenient: an odd message is read as a browser would read it,
// and the oddity is named.
package http1

import (
	"math"

	"recap/pipeline/app"
	"recap/pipeline/app/coding"
	"recap/pipeline/app/grpc"
	"recap/pipeline/app/sse"
	"recap/pipeline/exchange"
	"recap/reader/packet"
)

type state uint8

const (
	atStart     state = iota // between messages, in step with the stream
	inHead                   // inside start line or header block
	inLength                 // inside a body of known length
	inChunkSize              // at a chunk size line
	inChunk                  // inside a chunk
	inChunkEnd               // at the line end behind a chunk
	inTrailer                // at the trailer section
	inClose                  // inside a body that ends with the connection
	lost                     // out of step: looking for the start of a message
	tunnel                   // handed over to another protocol
	inDoubt                  // behind a head that announces a body where there may be none
	inProbe                  // at a body that may be chunked or not
	inBoundary               // behind one of several announced lengths
	inChunkPeek              // behind a chunk size that ended in LF, at CR LF
	opening                  // at what may become the start of a response
	refused                  // at a body that the server has not waited for, and that may not come
)

// side is what is known of one direction.
type side struct {
	state state
	pair  *exchange.Pair    // that the message being read belongs to
	msg   *exchange.Message // being read
	meta  *meta             // of pair

	line    int   // in msg.Head: where the line being read begins
	scanned int   // in msg.Head: no line end before this
	over    int64 // bytes of the head that were not stored
	tail    [4]byte
	checked bool   // the start line was looked at
	old     bool   // it is that of HTTP/0.9, or has lost its version
	remain  int64  // bytes to come of the body or chunk
	part    []byte // of a chunk line or trailer that is split over segments

	store    coding.Store // the body as sent
	room     int64        // what store got at first
	wire     int64        // all of it, holes included
	coded    bool         // the body is to be decoded
	holed    bool         // a coded body has a hole: nothing behind it can be decoded
	stream   *coding.Stream
	events   *sse.Reader // of a response of text/event-stream
	grpc     *grpc.Reader
	key      uint64 // of the body in the memo
	framing  framing
	alt      *alt   // the other reading of an ambiguous message; nil for none
	after    *alt   // that of an earlier one, whose body goes on behind the message
	from     int64  // stream offset of the message
	bodyAt   int64  // and of its body
	probed   bool   // the chunks were looked at before
	skips    bool   // what looks like data, such as line ends, stands between chunk sizes and data
	extended bool   // the chunk line before has an extension
	junked   int    // lines of junk before chunk sizes
	eatCR    bool   // a CR behind the head belongs to it
	pending  bool   // the head may have ended: the next byte tells
	rest     []byte // what was taken for the head and is not
	stray    stray
	heldAt   int64 // stream offset behind part, while the next bytes decide

	trailed int64 // bytes of trailers that were stored
	junk    int64 // bytes that belong to no message since the last one
	// junkAcked is what of the other stream had been received when the last of them was sent.
	junkAcked int64
	turn      turn
	resumed   bool // a message was found out of step
	gapped    bool // lost because of a gap
	nested    bool // tunnel: nothing has come yet, it may be HTTP
	anywhere  bool // lost: a message may begin at any byte
	closed    bool
}

// meta is what pairing needs to know of an open exchange.
type meta struct {
	pair      *exchange.Pair
	reqDone   bool
	respDone  bool
	bad       bool // one of the messages is not whole
	queued    bool
	head      bool  // HEAD
	connect   bool  // CONNECT
	reqStart  int64 // stream offset of the request
	reqAcked  int64 // what of the response stream the client had when it sent it
	held      int64 // bytes of memory that the pair owns
	interim   int64 // bytes of its interim responses
	file      app.LastFile
	messages  int64 // of gRPC-Web that were given out
	websocket bool
	early     bool  // the request had not ended when the response began that is being read
	upgrade   bool  // the request asks for another protocol
	afterGap  bool  // requests may be missing before this one
	unsure    bool  // and may be unanswered, so that order does not tell its response
	hiddenAt  int64 // where in the request stream a hole before it begins that may hold others; -1 for none
}

// Conn reads one connection.
type Conn struct {
	env   *app.Env
	conn  *exchange.Conn
	sides [2]side
	open  []*meta // exchanges without a whole response, oldest first
	first int     // open[first:] is the queue
	spare *meta   // to be used again

	ordinal int32
	tally   app.Tally
	held    int64 // bytes of bodies that open pairs own
	reqGap  bool  // requests may have been lost since the last response was paired
	respGap bool  // responses may have been lost
	mid     bool  // requests from before the capture may wait
	skipped bool  // a response begins in a hole
	passed  int   // how many of open[first:] no response to come can answer
	hidden  bool  // the gap is long enough to hold a request
	// hiddenAt is where in the request stream that gap begins.
	hiddenAt int64
	heard    int64 // where in the request stream the next bytes are to begin
	piped    bool  // the client was seen to pipeline
	matched  bool  // a response that had its request has just ended
	// answered is where in the response stream the last response ended that had its request.
	answered int64
	ended    bool
	next     app.Parser   // of the protocol behind an upgrade
	out      coding.Store // decoded body, reused
}

// New returns a parser for a connection. Of a connection that began before the
// capture, each side is looked for the start of a message.
func New(env *app.Env, conn *exchange.Conn, midstream [2]bool) *Conn {
	c := &Conn{env: env, conn: conn}
	// Its other page, if new, is written before it is read, which costs one fault, not two.
	c.heard = 0
	for d, mid := range midstream {
		c.sides[d].junkAcked = math.MinInt64
		c.sides[d].turn = newTurn(mid)
		if mid {
			c.sides[d].state, c.mid = lost, true
			c.missed(exchange.Dir(d))
		}
	}
	return c
}

// Passed tells, before any data, that the client has sent bytes that are none of a message
// to come, the last of them when it had received the response stream up to acked.
func (c *Conn) Passed(acked int64) { c.sides[exchange.ToServer].junkAcked = acked }

// Tally implements app.Parser.
func (c *Conn) Tally() app.Tally {
	t := c.tally
	if c.next != nil {
		n := c.next.Tally()
		t.HTTP += n.HTTP
		t.Other += n.Other
		t.Unparsed += n.Unparsed
		t.TLS += n.TLS
		t.TLSOverhead += n.TLSOverhead
	}
	return t
}

// parserCost is what a parser takes beside what it reads, bytes.
const parserCost = 1536

// pairCost is what an open exchange takes beside its body, bytes.
const pairCost = 3 << 10

// Reading returns the stream offset at which the message begins that is being read in
// direction d; what lies before it is over. Between messages that is all there is.
func (c *Conn) Reading(d exchange.Dir) int64 {
	switch s := &c.sides[d]; s.state {
	case atStart, opening:
		return math.MaxInt64
	case lost, tunnel:
		return 0
	default:
		return s.from
	}
}

// Memory implements app.Parser.
func (c *Conn) Memory() int64 {
	n := c.held + int64(len(c.open)-c.first)*pairCost + parserCost
	for i := range c.sides {
		s := &c.sides[i]
		n += app.Grown(len(s.part))
		if s.store.Data != nil {
			n += max(s.room, app.Grown(len(s.store.Data)))
		}
		if s.msg != nil {
			n += headCost(s.msg) + s.trailed
		}
		if s.stream != nil {
			n += s.stream.Memory()
		}
		if s.events != nil {
			n += s.events.Memory()
		}
		if s.grpc != nil {
			n += s.grpc.Memory()
		}
		n += s.alt.memory() + s.after.memory()
	}
	if c.next != nil {
		n += c.next.Memory()
	}
	return n
}

// Data implements app.Parser.
func (c *Conn) Data(d exchange.Dir, at packet.Pos, b []byte) {
	s := &c.sides[d]
	if o := &c.sides[d.Reverse()]; o.pending || o.state >= inDoubt {
		c.otherSpoke(d.Reverse(), o, &at)
	}
	if d == exchange.ToServer {
		c.heard = at.Offset + int64(len(b))
	}
	for first := true; len(b) > 0; first = false {
		n := len(b)
		if s.after != nil {
			s.follow(at.Offset, b)
		}
		if s.eatCR && s.state != inHead {
			if b = c.lastCR(s, b); len(b) == 0 {
				return
			}
			at.Offset += int64(n - len(b))
			n = len(b)
		}
		switch s.state {
		case atStart:
			b = c.start(d, s, &at, b)
		case inHead:
			b = c.head(d, s, &at, b)
		case inLength, inChunk:
			b = c.counted(d, s, &at, b)
		case inClose:
			c.touch(s, &at)
			c.tally.HTTP += int64(len(b))
			c.bodyData(s, b)
			b = nil
		case inChunkSize:
			b = c.chunkSize(d, s, &at, b)
		case inChunkEnd:
			b = c.chunkEnd(s, &at, b)
		case inTrailer:
			b = c.trailer(d, s, &at, b)
		case inDoubt, inProbe, inBoundary, inChunkPeek, opening, refused:
			b = c.look(d, s, &at, b)
		case lost:
			if c.next != nil {
				c.follow(d, s, &at)
				continue
			}
			if len(s.part) > 0 {
				b = append(s.part, b...)
				at.Offset -= int64(len(s.part))
				n, s.part = len(b), nil
			}
			b = c.search(d, s, &at, b, first)
		case tunnel:
			if c.next != nil {
				c.next.Data(d, at, b)
				return
			}
			b = c.tunnelled(d, s, &at, b, first)
		}
		at.Offset += int64(n - len(b))
		if c.matched {
			c.answered, c.matched = at.Offset, false
		}
	}
}

// lastCR passes over the CR with which a head ends whose lines end in LF CR.
func (c *Conn) lastCR(s *side, b []byte) []byte {
	s.eatCR = false
	if b[0] == '\r' {
		c.tally.HTTP++
		return b[1:]
	}
	return b
}
