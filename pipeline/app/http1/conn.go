// Package http1 reads HTTP/1.x messages (RFC 9112) out of the two streams of a
// connection and pairs requests with responses. It works on slices as they come,
// at any split, and is lenient: an odd message is read as a browser would read it,
// and the oddity is named.
package http1

import (
	"bytes"
	"slices"

	"recap/pipeline/app"
	"recap/pipeline/app/coding"
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
	remain  int64  // bytes to come of the body or chunk
	part    []byte // of a chunk line or trailer that is split over segments

	store   coding.Store // the body as sent
	room    int64        // what store got at first
	wire    int64        // all of it, holes included
	coded   bool         // the body is to be decoded
	holed   bool         // a coded body has a hole: nothing behind it can be decoded
	stream  *coding.Stream
	key     uint64 // of the body in the memo
	framing framing

	trailed  int64 // bytes of trailers that were stored
	junk     int64 // bytes that belong to no message since the last one
	gapped   bool  // lost because of a gap
	nested   bool  // tunnel: nothing has come yet, it may be HTTP
	anywhere bool  // lost: a message may begin at any byte
	closed   bool
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
	lastFile  int32
	hasFile   bool
	websocket bool
	afterGap  bool // requests may be missing before this one
	unsure    bool // and may be unanswered, so that order does not tell its response
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
	hidden  bool  // the gap holds a request for certain
	piped   bool  // the client was seen to pipeline
	matched bool  // a response that had its request has just ended
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
	for d, mid := range midstream {
		if mid {
			c.sides[d].state = lost
			c.missed(exchange.Dir(d))
		}
	}
	return c
}

// Tally implements app.Parser.
func (c *Conn) Tally() app.Tally {
	t := c.tally
	if c.next != nil {
		n := c.next.Tally()
		t.HTTP += n.HTTP
		t.Other += n.Other
		t.Unparsed += n.Unparsed
	}
	return t
}

// pairCost is what an open exchange takes beside its body, bytes.
const pairCost = 3 << 10

// Memory implements app.Parser.
func (c *Conn) Memory() int64 {
	n := c.held + int64(len(c.open)-c.first)*pairCost + 1<<10
	for i := range c.sides {
		s := &c.sides[i]
		n += grown(len(s.part))
		if s.store.Data != nil {
			n += max(s.room, grown(len(s.store.Data)))
		}
		if s.msg != nil {
			n += headCost(s.msg) + s.trailed
		}
		if s.stream != nil {
			n += s.stream.Memory()
		}
	}
	if c.next != nil {
		n += c.next.Memory()
	}
	return n
}

// Data implements app.Parser.
func (c *Conn) Data(d exchange.Dir, at packet.Pos, b []byte) {
	s := &c.sides[d]
	for first := true; len(b) > 0; first = false {
		n := len(b)
		switch s.state {
		case atStart:
			b = c.start(d, s, at, b)
		case inHead:
			b = c.head(d, s, at, b)
		case inLength, inChunk:
			b = c.counted(d, s, at, b)
		case inClose:
			c.touch(s, at)
			c.tally.HTTP += int64(len(b))
			c.bodyData(s, b)
			b = nil
		case inChunkSize:
			b = c.chunkSize(d, s, at, b)
		case inChunkEnd:
			b = c.chunkEnd(s, at, b)
		case inTrailer:
			b = c.trailer(d, s, at, b)
		case inDoubt:
			c.doubt(s, at, b)
		case lost:
			if c.next != nil {
				c.follow(d, s, at)
				continue
			}
			if len(s.part) > 0 {
				b = append(s.part, b...)
				at.Offset -= int64(len(s.part))
				n, s.part = len(b), nil
			}
			b = c.search(d, s, at, b, first)
		case tunnel:
			if c.next != nil {
				c.next.Data(d, at, b)
				return
			}
			b = c.tunnelled(d, s, at, b, first)
		}
		at.Offset += int64(n - len(b))
		if c.matched {
			c.answered, c.matched = at.Offset, false
		}
	}
}

// start begins a message at b, or finds that none begins here.
func (c *Conn) start(d exchange.Dir, s *side, at packet.Pos, b []byte) []byte {
	// A robust reader ignores empty lines before a start line (RFC 9112, section 2.2).
	n := 0
	for n < len(b) && (b[n] == '\r' || b[n] == '\n') {
		n++
	}
	c.tally.HTTP += int64(n)
	at.Offset += int64(n)
	if b = b[n:]; len(b) == 0 {
		return nil
	}
	if d == exchange.ToClient && c.answersOld() && DetectResponse(b) == No {
		c.begin(d, s, at)
		c.oldBody(s)
		return b
	}
	if !usualStart(d, b) {
		if eol := bytes.IndexByte(b, '\n'); !plausible(d, b) || eol >= 0 && !startLine(d, b[:eol+1]) {
			s.state, s.gapped, s.anywhere = lost, false, true
			return b
		}
	}
	c.begin(d, s, at)
	return b
}

// oldBody goes on with an HTTP/0.9 response, which is a body and nothing else (RFC 1945, section 6).
func (c *Conn) oldBody(s *side) {
	s.msg.Head = s.msg.Head[:0]
	s.pair.Response.Version = "HTTP/0.9"
	c.beginBody(s, inClose, -1)
}

// begin opens the message that starts at at.
func (c *Conn) begin(d exchange.Dir, s *side, at packet.Pos) {
	c.ended = false
	if d == exchange.ToServer {
		if len(c.open)-c.first >= max(2, c.env.Limits.OpenExchanges) {
			m := c.open[c.first]
			if m == c.sides[exchange.ToClient].meta { // its response is being read
				m = c.open[c.first+1]
			}
			m.pair.Anomalies.Add(exchange.AnomalyOpenExchangeLimit)
			c.drop(m)
		}
		m := c.newMeta()
		m.reqStart, m.reqAcked = at.Offset, at.Acked
		if n := len(c.open); n > c.first && at.Acked <= c.open[n-1].reqAcked {
			c.piped = true
		}
		if c.reqGap {
			// A request that is missing was answered before this one was sent, unless the
			// client pipelines: then responses cannot be told apart.
			m.afterGap, m.unsure = true, c.piped || c.hidden && at.Acked <= c.answered
			c.reqGap, c.hidden = false, false
		}
		m.queued = true
		c.open = append(c.open, m)
		s.meta, s.pair, s.msg = m, m.pair, &m.pair.Request.Message
		if s.junk > 0 {
			m.pair.Anomalies.Add(exchange.AnomalyJunkBeforeRequest)
		}
	} else {
		m := c.match(at)
		s.meta, s.pair, s.msg = m, m.pair, &m.pair.Response.Message
		if !m.reqDone && m.pair.Request.Present {
			m.pair.Anomalies.Add(exchange.AnomalyEarlyResponse)
		}
		if s.junk > 0 {
			m.pair.Anomalies.Add(exchange.AnomalyJunkBeforeResponse)
		}
	}
	if s.gapped {
		s.pair.Anomalies.Add(exchange.AnomalyResynchronized)
	}
	s.junk, s.gapped, s.anywhere = 0, false, false
	s.msg.Present = true
	s.msg.Head = s.msg.Head[:0]
	s.line, s.scanned, s.over, s.checked = 0, 0, 0, false
	s.state = inHead
}

// touch notes that the packet at at carries part of the message.
func (c *Conn) touch(s *side, at packet.Pos) {
	m := s.msg
	if n := len(m.Packets); n == 0 || m.Packets[n-1] != at.Number {
		if n == 0 {
			m.TimeNS, m.EndTimeNS = at.TimeNS, at.TimeNS
		}
		m.EndTimeNS = max(m.EndTimeNS, at.TimeNS)
		if n == 0 || m.Packets[n-1] < at.Number {
			m.Packets = append(m.Packets, at.Number)
		} else if i, ok := slices.BinarySearch(m.Packets, at.Number); !ok { // came out of order
			m.Packets = slices.Insert(m.Packets, i, at.Number)
		}
		if x := s.meta; !x.hasFile || x.lastFile != at.FileIndex {
			x.hasFile, x.lastFile = true, at.FileIndex
			name := c.env.FileName(at.FileIndex)
			for _, f := range s.pair.Files {
				if f == name {
					return
				}
			}
			s.pair.Files = append(s.pair.Files, name)
		}
	}
	if at.BadChecksum {
		s.pair.Anomalies.Add(exchange.AnomalyBadChecksum)
	}
}

// headMark ends a head as nearly all do.
var headMark = []byte("\r\n\r\n")

// head takes bytes of the start line and header block.
func (c *Conn) head(d exchange.Dir, s *side, at packet.Pos, b []byte) []byte {
	c.touch(s, at)
	m := s.msg
	if len(m.Head) == 0 && !(d == exchange.ToServer && isOld(b)) {
		// Most heads lie in one segment: copy once, and read each line once.
		end := bytes.Index(b, headMark) + len(headMark)
		if end >= len(headMark) && int64(end) <= c.env.Limits.Head {
			m.Head = append(m.Head, b[:end]...)
			end = c.headDone(d, s, at)
			return b[end:]
		}
		return c.headPart(d, s, at, b, 0)
	}
	return c.headPart(d, s, at, b, s.line)
}

// headPart appends b to a head that is not whole yet; line is where the line
// begins that the stored part ends in.
func (c *Conn) headPart(d exchange.Dir, s *side, at packet.Pos, b []byte, line int) []byte {
	m := s.msg
	old := len(m.Head)
	all := b
	if room := c.env.Limits.Head - int64(old); s.over > 0 || room <= 0 {
		return c.headOver(d, s, at, b)
	} else if int64(len(b)) > room {
		b = b[:room]
	}
	m.Head = append(m.Head, b...)
	before := line
	end, line := headEnd(m.Head, line, s.scanned)
	first := before == 0 && line > 0 // the start line has become whole
	if first && d == exchange.ToServer && isOld(m.Head) {
		end = bytes.IndexByte(m.Head, '\n') + 1 // one line is all of it
	}
	if end < 0 || first && !s.checked && !startLine(d, m.Head[:bytes.IndexByte(m.Head, '\n')+1]) {
		s.line, s.scanned = line, len(m.Head)
		c.tally.HTTP += int64(len(b))
		at.Offset -= int64(old)
		c.firstLine(d, s, at)
		return all[len(b):]
	}
	m.Head = m.Head[:end]
	c.tally.HTTP -= int64(old) // counted before
	c.headDone(d, s, at)
	return all[end-old:]
}

// firstLine looks at the start line of a head that came in pieces, once it is
// whole. If this is no message, the bytes so far, which begin at at, are junk.
func (c *Conn) firstLine(d exchange.Dir, s *side, at packet.Pos) {
	if s.checked {
		return
	}
	head := s.msg.Head
	if d == exchange.ToClient && s.pair.Request.Version == "HTTP/0.9" && DetectResponse(head) == No {
		body := bytes.Clone(head)
		c.tally.HTTP -= int64(len(body))
		c.oldBody(s)
		c.Data(d, at, body)
		return
	}
	eol := bytes.IndexByte(head, '\n')
	if eol < 0 && len(head) < maxLine {
		return
	}
	s.checked = true
	if eol >= 0 && startLine(d, head[:eol+1]) || eol < 0 && StrictStart(d, head) {
		return
	}
	junk := bytes.Clone(head)
	c.tally.HTTP -= int64(len(junk))
	c.abandon(d, s)
	s.state, s.gapped, s.anywhere = lost, false, true
	c.Data(d, at, junk)
}

// headOver takes bytes of a head that is over the limit: they are looked at for
// its end, not stored.
func (c *Conn) headOver(d exchange.Dir, s *side, at packet.Pos, b []byte) []byte {
	if s.over == 0 {
		copy(s.tail[:], tailOf(s.msg.Head))
	}
	for i := 0; i < len(b); i++ {
		s.over++
		copy(s.tail[:], s.tail[1:])
		s.tail[3] = b[i]
		if b[i] == '\n' && (s.tail[2] == '\n' || s.tail[2] == '\r' && s.tail[1] == '\n') {
			i++
			c.tally.HTTP += int64(i) - int64(len(s.msg.Head))
			c.headDone(d, s, at)
			return b[i:]
		}
	}
	c.tally.HTTP += int64(len(b))
	return nil
}

func tailOf(b []byte) []byte {
	var t [4]byte
	copy(t[max(0, 4-len(b)):], b[max(0, len(b)-4):])
	return t[:]
}

// headEnd returns the offset behind the empty line that ends the head in b, or -1,
// and where the last line begins. line is where a line begins, and no line end lies
// before from. Lines end in LF, with or without CR (RFC 9112, section 2.2).
func headEnd(b []byte, line, from int) (end, last int) {
	for {
		i := bytes.IndexByte(b[max(line, from):], '\n')
		if i < 0 {
			return -1, line
		}
		i += max(line, from)
		if n := i - line; line > 0 && (n == 0 || n == 1 && b[line] == '\r') {
			return i + 1, line
		}
		line = i + 1
	}
}

// Gap implements app.Parser.
func (c *Conn) Gap(d exchange.Dir, at packet.Pos, n int64, reason string) {
	const least = len("GET / HTTP/1.1\n\n") // no message is shorter
	s := &c.sides[d]
	over := n // what of the gap lies behind the message being read
	switch s.state {
	case tunnel:
		if c.next != nil {
			c.next.Gap(d, at, n, reason)
			return
		}
		c.tally.Other += int64(len(s.part))
		s.nested, s.part = false, nil
		return
	case atStart:
	case inDoubt:
		c.done(d, s, at, false)
	case lost:
		c.skip(s, len(s.part)) // nothing may be glued together over the gap
		s.part = nil
		s.gapped = true
		c.missed(d)
		return
	case inLength, inChunk:
		if n >= 0 && n <= s.remain {
			c.bodyGap(s, n, reason)
			if s.remain -= n; s.remain == 0 && s.state == inChunk {
				s.state = inChunkEnd
			} else if s.remain == 0 {
				c.done(d, s, at, false)
				c.answered, c.matched = at.Offset+n, false
			}
			return
		}
		over = 0
		if n >= 0 && s.state == inLength {
			over = n - s.remain
		}
		c.bodyGap(s, s.remain, reason)
		c.done(d, s, at, true)
	case inClose:
		c.bodyGap(s, n, reason)
		return
	case inHead:
		c.noteGap(s, reason)
		c.headCut(d, s, at)
		over = 0
	default:
		c.noteGap(s, reason)
		c.done(d, s, at, true)
		over = 0
	}
	c.matched = false
	c.outOfStep(d, s)
	c.hidden = c.hidden || d == exchange.ToServer && (over < 0 || over >= int64(least))
}

// noteGap names the reason of a gap in the message being read.
func (c *Conn) noteGap(s *side, reason string) {
	switch reason {
	case exchange.GapSnaplen:
		s.pair.Anomalies.Add(exchange.AnomalySnaplenCut)
	case exchange.GapMirrorTruncated:
		s.pair.Anomalies.Add(exchange.AnomalyMirrorTruncated)
	default:
		s.pair.Anomalies.Add(exchange.AnomalyLostSegment)
	}
}

func (c *Conn) outOfStep(d exchange.Dir, s *side) {
	s.state, s.gapped, s.anywhere, s.part = lost, true, false, s.part[:0]
	c.forgetInterim(s)
	c.missed(d)
}

// missed notes that whole messages may be missing.
func (c *Conn) missed(d exchange.Dir) {
	if d == exchange.ToServer {
		c.reqGap = true
	} else {
		c.respGap = true
	}
}

// Close implements app.Parser.
func (c *Conn) Close(d exchange.Dir, at packet.Pos) {
	s := &c.sides[d]
	s.closed = true
	if c.next != nil && s.state == tunnel {
		c.next.Close(d, at)
	}
	switch s.state {
	case atStart, lost, tunnel:
	case inClose:
		c.done(d, s, at, false)
		s.state = lost
	default:
		c.cut(d, s, at)
	}
}

// cut ends a message whose stream has ended before it did.
func (c *Conn) cut(d exchange.Dir, s *side, at packet.Pos) {
	switch s.state {
	case inHead:
		c.headCut(d, s, at)
	case inDoubt:
		c.done(d, s, at, false)
	case inLength:
		s.pair.Anomalies.Add(exchange.AnomalyShortBody)
		c.done(d, s, at, true)
	case inChunkSize, inChunk, inChunkEnd, inTrailer:
		s.pair.Anomalies.Add(exchange.AnomalyBadFinalChunk)
		c.done(d, s, at, true)
	}
	s.state = lost
}

// End implements app.Parser.
func (c *Conn) End(reason app.EndReason, at packet.Pos) {
	if c.next != nil {
		c.next.End(reason, at)
	}
	if c.ended {
		return
	}
	c.ended = true
	for d := range c.sides {
		s := &c.sides[d]
		switch s.state {
		case atStart, lost, tunnel:
			continue
		case inDoubt:
			c.done(exchange.Dir(d), s, at, false)
			continue
		}
		switch reason {
		case app.EndRST:
			s.pair.Anomalies.Add(exchange.AnomalyRST)
		case app.EndEvicted:
			s.pair.Anomalies.Add(exchange.AnomalyEvicted)
		}
		if s.state == inHead {
			c.headCut(exchange.Dir(d), s, at)
		} else {
			c.done(exchange.Dir(d), s, at, true)
		}
		s.state = lost
	}
	c.forgetInterim(&c.sides[exchange.ToClient])
	for c.first < len(c.open) {
		m := c.open[c.first]
		if reason == app.EndEvicted {
			m.pair.Anomalies.Add(exchange.AnomalyEvicted)
		}
		c.drop(m)
	}
	for i := range c.sides {
		s := &c.sides[i]
		if s.state == tunnel {
			c.tally.Other += int64(len(s.part))
		} else if s.state == lost {
			c.tally.Unparsed += int64(len(s.part))
		}
		s.free()
	}
}

// headCut ends a message inside its head: what is there is read as far as it goes.
func (c *Conn) headCut(d exchange.Dir, s *side, at packet.Pos) {
	if head := s.msg.Head; bytes.IndexByte(head, '\n') < 0 && !StrictStart(d, head) {
		// Too little to tell a message from junk.
		n := int64(len(head)) + s.over
		c.tally.HTTP -= n
		c.tally.Unparsed += n
		c.abandon(d, s)
		return
	}
	c.parseCut(d, s)
	if d == exchange.ToServer {
		s.meta.setMethod()
	} else if st := s.pair.Response.Status; st >= 100 && st < 200 && st != 101 {
		s.meta.bad = true
		c.interim(s, at) // the response proper is still to come
		return
	}
	c.finish(d, s, true)
}

// parseCut reads a head that is cut: whole lines, and of a cut start line what cannot be mistaken.
func (c *Conn) parseCut(d exchange.Dir, s *side) {
	m := s.msg
	head, odd := m.Head, s.pair.Anomalies
	if i := bytes.LastIndexByte(head, '\n'); i >= 0 {
		m.Head = head[:i+1]
		c.parseHead(d, s)
		m.Head = head
		return
	}
	i := bytes.IndexByte(head, '\r')
	if i >= 0 && i < len(head)-1 {
		m.Head = head[:i]
	}
	c.parseHead(d, s)
	m.Head = head
	escaped := s.pair.Anomalies.Has(exchange.AnomalyEscapedBytes)
	if s.pair.Anomalies = odd; escaped {
		s.pair.Anomalies.Add(exchange.AnomalyEscapedBytes)
	}
	if i >= 0 && i < len(head)-1 {
		s.pair.Anomalies.Add(exchange.AnomalyNonstdEOL)
	}
	switch {
	case d == exchange.ToServer:
		if v := &s.pair.Request.Version; *v != "HTTP/1.0" && *v != "HTTP/1.1" {
			*v = ""
		}
	case !StrictStart(d, head):
		s.pair.Response.Status, s.pair.Response.Reason = 0, ""
	}
}

func (s *side) free() {
	s.store, s.part = coding.Store{}, nil
	if s.stream != nil {
		s.stream.Finish()
		s.stream = nil
	}
}

// answersOld reports whether the oldest open request is HTTP/0.9.
func (c *Conn) answersOld() bool {
	return c.first < len(c.open) && c.open[c.first].reqDone && c.open[c.first].pair.Request.Version == "HTTP/0.9"
}

// isOld reports whether b begins with a whole HTTP/0.9 request: GET and a path,
// without a version (RFC 1945, section 4.1).
func isOld(b []byte) bool {
	i := bytes.IndexByte(b, '\n')
	if i < 0 || !bytes.HasPrefix(b, []byte("GET ")) {
		return false
	}
	t := bytes.TrimRight(b[4:i], " \t\r")
	return len(t) > 0 && !bytes.ContainsAny(t, " \t")
}
