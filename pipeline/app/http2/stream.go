package http2

import (
	"encoding/binary"
	"slices"
	"strings"

	"recap/pipeline/app"
	"recap/pipeline/app/coding"
	"recap/pipeline/app/grpc"
	"recap/pipeline/app/sse"
	"recap/pipeline/app/websocket"
	"recap/pipeline/exchange"
	"recap/reader/packet"
)

// half is one direction of a stream: the request or the response.
type half struct {
	begun   bool // something of it was seen
	ended   bool // all of it was seen
	reset   bool // its sender has ended it with RST_STREAM
	headed  bool // its header block was seen; of a response, the final one
	tailed  bool // its trailers were seen
	bad     bool // something of it is missing
	cut     bool // of a header block
	vague   bool // some of its fields are not known
	regular bool // of the block being read: a field that is no pseudo-header came
	pseudo  bool // of the block being read: a pseudo-header came
	epoch   uint32
	file    app.LastFile

	list    int64 // decoded size of the fields, as RFC 9113, section 10.5.1, counts
	interim int64 // of the interim responses
	lengths int   // Content-Length fields
	length  int64 // of the first

	store  coding.Store // the body as sent
	room   int64        // what store got at first
	wire   int64
	coded  bool
	holed  bool // a coded body has a hole: nothing behind it can be decoded
	unsure int  // holes of unknown size
	stream *coding.Stream
	out    *coding.Store // what stream made
	how    coding.Outcome
	key    uint64     // of the body in the memo
	last   packet.Pos // of the body
	grpc   *grpc.Reader
	events *sse.Reader // of a response of text/event-stream
}

// over reports whether nothing of the message may come any more.
func (h *half) over() bool { return h.ended || h.reset }

// stream is an exchange on its way.
type stream struct {
	id      uint32
	pair    *exchange.Pair
	half    [2]half // by Dir
	bad     bool
	head    bool // HEAD
	host    string
	socket  bool // RFC 8441
	frames  *websocket.Session
	pushed  bool
	encoded [2]string // grpc-encoding
	counted int64     // gRPC messages given out
	charged int64

	prev, next *stream
}

func (st *stream) side(d exchange.Dir) *half { return &st.half[d] }

func (st *stream) message(d exchange.Dir) *exchange.Message {
	if d == exchange.ToServer {
		return &st.pair.Request.Message
	}
	return &st.pair.Response.Message
}

// cut reports whether a message of it has begun and not ended.
func (st *stream) cut() bool {
	return st.half[0].begun && !st.half[0].ended || st.half[1].begun && !st.half[1].ended
}

// newStream opens a stream, and gives out the oldest where there are too many.
func (c *Conn) newStream(id uint32) *stream {
	if len(c.streams) >= max(2, c.env.Limits.OpenExchanges) {
		old := c.oldest
		for d := range c.sides {
			if s := &c.sides[d]; old == s.st || old == s.block.st {
				old = old.next // it is being read
			}
		}
		if old == nil {
			old = c.oldest
		}
		old.pair.Anomalies.Add(exchange.AnomalyStreamLimit)
		c.emit(old)
	}
	st := c.spare
	if st != nil {
		c.spare = st.next
		c.spares--
		st.next = nil
	} else {
		st = new(stream)
	}
	st.id = id
	st.pair = c.env.NewPair()
	p := st.pair
	p.Conn = c.conn
	p.Ordinal = c.ordinal
	c.ordinal++
	// The connection's id and the place in it: stable, and it shows what belongs together.
	copy(p.ID[:8], c.conn.ID[:8])
	binary.BigEndian.PutUint32(p.ID[8:], uint32(p.Ordinal))
	c.streams[id] = st
	if st.prev = c.newest; st.prev != nil {
		st.prev.next = st
	} else {
		c.oldest = st
	}
	c.newest = st
	return st
}

// find returns the stream that a frame of direction d belongs to, and opens it where
// need be; nil when the frame is for a stream that was given out, or for none that
// may be. head says that the frame begins a header block.
func (c *Conn) find(d exchange.Dir, id uint32, head bool) *stream {
	if st := c.streams[id]; st != nil {
		return st
	}
	s := &c.sides[d]
	asking := &c.sides[exchange.ToServer]
	odd := id&1 == 1
	switch {
	case d == exchange.ToServer && !odd:
		return nil
	case !head && s.whole:
		return nil // nothing comes before the header block
	case odd && id > asking.highest:
		// New, or the request is still to come.
	case odd && asking.whole, !odd && s.whole, c.given(id):
		return nil
	}
	if d == exchange.ToServer {
		s.highest = max(s.highest, id)
	}
	st := c.newStream(id)
	if !odd {
		st.pushed = true
		st.half[exchange.ToServer].ended = true
		st.pair.Anomalies.Add(exchange.AnomalyPushed)
	}
	return st
}

// given reports whether the stream was given out lately.
func (c *Conn) given(id uint32) bool {
	return c.done != nil && c.done[doneSlot(id)] == id
}

func doneSlot(id uint32) uint32 { return id >> 1 % doneSlots }

// touch notes that the packet at at carries part of a message.
func (c *Conn) touch(st *stream, d exchange.Dir, at packet.Pos) {
	c.env.Touch(st.pair, st.message(d), &st.side(d).file, &at)
}

// touchStarted notes the packets of a frame's beginning.
func (c *Conn) touchStarted(s *side, st *stream, d exchange.Dir, at packet.Pos) {
	if st != nil {
		for _, p := range s.started {
			c.touch(st, d, p.at)
		}
		c.touch(st, d, at)
	}
	s.started = s.started[:0]
}

// beginHalf notes that a message goes on with a frame, behind whatever may be missing before it.
func (c *Conn) beginHalf(d exchange.Dir, s *side, st *stream) *half {
	h := st.side(d)
	if s.resumed {
		s.resumed = false
		st.pair.Anomalies.Add(exchange.AnomalyResynchronized)
	}
	if !h.begun {
		h.begun = true
		h.epoch = s.epoch
		st.message(d).Present = true
	} else if h.epoch != s.epoch {
		h.epoch = s.epoch
		if !h.ended {
			c.bodyGap(st, d, -1, s.reason)
		}
	}
	return h
}

// endStream ends the message of direction d (END_STREAM).
func (c *Conn) endStream(d exchange.Dir, st *stream, at packet.Pos) {
	h := st.side(d)
	if !h.ended {
		h.ended = true
		if h.stream != nil {
			h.out, h.how = h.stream.Finish()
			h.stream = nil
		}
		c.endMessages(d, st, at)
	}
	req, resp := &st.half[exchange.ToServer], &st.half[exchange.ToClient]
	switch {
	case resp.over() && req.over():
		c.emit(st)
	case resp.ended && d == exchange.ToClient && !c.requestToCome(req, at):
		c.emit(st)
	default:
		c.charge(st)
	}
}

// requestToCome reports whether a request that is not whole when its response is may
// still become so.
func (c *Conn) requestToCome(req *half, at packet.Pos) bool {
	s := &c.sides[exchange.ToServer]
	switch {
	case s.mode == lost && s.find.Held() > 0:
		return true
	case req.begun:
		return req.epoch == s.epoch && !s.closed
	case s.closed:
		return false
	case at.Acked == packet.NoOffset:
		return !s.fresh
	}
	return at.Acked > s.end // the server had seen bytes that have not come yet
}

// maxReset bounds how many streams that were reset by one side wait for what the
// other may have sent before it knew.
const maxReset = 100

// reset ends a direction of a stream, or all of it (RST_STREAM). What the other side
// had sent by then may still come (RFC 9113, section 5.4.2).
func (c *Conn) reset(d exchange.Dir, id uint32, at packet.Pos) {
	st := c.streams[id]
	if st == nil {
		return
	}
	st.pair.Anomalies.Add(exchange.AnomalyStreamReset)
	h, other := &st.half[d], &st.half[d.Reverse()]
	if !h.ended {
		c.endMessages(d, st, at)
	}
	if h.reset || other.over() || c.sides[d.Reverse()].closed {
		c.emit(st)
		return
	}
	h.reset = true
	c.resets = append(c.resets, resetStream{id, st.pair.Ordinal})
	for len(c.resets) > maxReset {
		old := c.resets[0]
		c.resets = c.resets[:copy(c.resets, c.resets[1:])]
		if st := c.streams[old.id]; st != nil && st.pair.Ordinal == old.ordinal {
			c.emit(st)
		}
	}
	c.charge(st)
}

// resetStream is a stream that waits after RST_STREAM, unless it was given out.
type resetStream struct {
	id      uint32
	ordinal int32
}

// emit completes the pair of st and gives it out.
func (c *Conn) emit(st *stream) {
	p := st.pair
	for d := range st.half {
		h := &st.half[d]
		m := st.message(exchange.Dir(d))
		if !h.begun && !m.Present {
			continue
		}
		if s := &c.sides[d]; !h.ended && h.headed && h.epoch != s.epoch && !st.pushed {
			h.epoch = s.epoch
			c.bodyGap(st, exchange.Dir(d), -1, s.reason)
		}
		c.endMessages(exchange.Dir(d), st, packet.Pos{TimeNS: m.EndTimeNS, Number: lastOf(m.Packets)})
		c.endBody(st, h, m)
		if !h.ended || h.bad || h.vague {
			st.bad = true
		}
	}
	p.Conclude(st.bad)
	p.Protocol = c.version
	p.Kind = app.Kind(p, st.socket)
	p.Anomalies.Merge(&c.noted)
	c.noted = exchange.Anomalies{}
	c.noteGoAway(st)

	delete(c.streams, st.id)
	if c.done == nil {
		c.done = new([doneSlots]uint32)
	}
	c.done[doneSlot(st.id)] = st.id
	if st.prev != nil {
		st.prev.next = st.next
	} else {
		c.oldest = st.next
	}
	if st.next != nil {
		st.next.prev = st.prev
	} else {
		c.newest = st.prev
	}
	c.held -= st.charged
	for d := range c.sides {
		s := &c.sides[d]
		if s.st == st {
			s.st = nil
			s.wasted = true
			if s.mode == inData {
				s.mode = inSkip
			}
		}
		if s.block.st == st {
			s.block.st = nil
		}
	}
	c.env.Emit(c.conn, p)
	c.putSpare(st)
}

// noteGoAway names a GOAWAY that concerns the exchange (RFC 9113, section 6.8).
func (c *Conn) noteGoAway(st *stream) {
	opener := exchange.ToServer
	if st.pushed {
		opener = exchange.ToClient
	}
	answer := &c.sides[opener.Reverse()]
	if answer.goAway && st.id > answer.last || st.cut() && (c.sides[0].failed || c.sides[1].failed) {
		st.pair.Anomalies.Add(exchange.AnomalyGoAway)
	}
}

// maxSpares bounds how many closed streams wait for use.
const maxSpares = 16

// putSpare keeps st for another stream.
func (c *Conn) putSpare(st *stream) {
	if c.spares >= maxSpares {
		return
	}
	*st = stream{next: c.spare}
	c.spare = st
	c.spares++
}

func lastOf(l []int64) int64 {
	if len(l) == 0 {
		return 0
	}
	return l[len(l)-1]
}

// streamCost is about what an open stream takes beside buffers, bytes.
const streamCost = 2 << 10

// charge brings the account of memory up to date with what st holds.
func (c *Conn) charge(st *stream) {
	p := st.pair
	n := streamCost + app.Grown(len(p.Scratch)) + 32*int64(len(p.Response.Interim)) + st.half[exchange.ToClient].interim
	if st.frames != nil {
		n += st.frames.Memory()
	}
	for d := range st.half {
		h, m := &st.half[d], st.message(exchange.Dir(d))
		n += app.Grown(len(m.Head)) + 32*app.Grown(len(m.Headers)+len(m.Trailers)) + 8*app.Grown(len(m.Packets)) + 40*app.Grown(len(m.Gaps))
		if h.store.Data != nil {
			n += max(h.room, app.Grown(len(h.store.Data)))
		}
		if h.stream != nil {
			n += h.stream.Memory()
		}
		if h.out != nil {
			n += int64(len(h.out.Data))
		}
		if h.grpc != nil {
			n += h.grpc.Memory()
		}
		if h.events != nil {
			n += h.events.Memory()
		}
	}
	c.held += n - st.charged
	st.charged = n
}

// upgraded opens stream 1 with the request that asked for HTTP/2.
func (c *Conn) upgraded(from *exchange.Pair, cut bool) {
	c.sides[exchange.ToServer].highest = 1
	st := c.newStream(1)
	h := st.side(exchange.ToServer)
	h.begun, h.headed, h.ended = true, true, true
	p, old := st.pair, &from.Request
	req := &p.Request
	p.Files = append(p.Files, from.Files...)
	p.Anomalies = from.Anomalies
	st.bad = cut
	st.head = old.Method == "HEAD"
	*req = exchange.Request{Message: exchange.Message{
		Present: true, TimeNS: old.TimeNS, EndTimeNS: old.EndTimeNS, Clock: old.Clock, Version: old.Version,
		Headers: cloneFields(req.Headers, old.Headers), Trailers: cloneFields(req.Trailers, old.Trailers),
		Head: append(req.Head[:0], old.Head...), HeadEscaped: old.HeadEscaped,
		ContentType: strings.Clone(old.ContentType), ContentEncoding: strings.Clone(old.ContentEncoding),
		Body: slices.Clone(old.Body), HasBody: old.HasBody, BodySize: old.BodySize, BodyWireSize: old.BodyWireSize,
		BodySHA256: old.BodySHA256, Hashed: old.Hashed,
		Gaps: append(req.Gaps[:0], old.Gaps...), Packets: append(req.Packets[:0], old.Packets...),
	}, Method: strings.Clone(old.Method), Target: strings.Clone(old.Target), Scheme: strings.Clone(old.Scheme),
		Host: strings.Clone(old.Host), Path: strings.Clone(old.Path), Query: strings.Clone(old.Query), URL: strings.Clone(old.URL)}
	h.wire = -1 // the body is done
	c.charge(st)
}

func cloneFields(dst, src []exchange.Header) []exchange.Header {
	dst = dst[:0]
	for _, f := range src {
		dst = append(dst, exchange.Header{Name: strings.Clone(f.Name), Value: strings.Clone(f.Value)})
	}
	return dst
}
