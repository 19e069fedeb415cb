package http2

import (
	"strings"
	"unsafe"

	"recap/pipeline/app"
	"recap/pipeline/app/grpc"
	"recap/pipeline/exchange"
	"recap/reader/packet"
)

const (
	// maxList bounds the decoded size of a header list, bytes.
	maxList = 1 << 20
	// listCost is what a field counts beside its bytes (RFC 9113, section 6.5.2).
	listCost = 32
	// manyFrames is more than a header list of maxList needs, in the shortest frames that
	// an endpoint may be limited to.
	manyFrames = 128
	// maxField bounds one field of a header block, bytes as sent.
	maxField = 1 << 20
)

// block is a header block that is being read: HEADERS or PUSH_PROMISE, and the
// CONTINUATION behind it.
type block struct {
	open    bool
	id      uint32  // of the frames
	st      *stream // the message's; nil: nobody wants it
	d       exchange.Dir
	frames  int // CONTINUATION so far
	trailer bool
	last    bool   // END_STREAM
	broken  bool   // it cannot be decoded
	part    []byte // the beginning of a field
	veiled  int    // fields at its beginning whose names are not known: pseudo-headers, perhaps
	doubt   bool   // trailers, or the response after one whose status is not known
	raw     []byte // of a block in doubt, as sent
	packets int    // that the message had before a block in doubt
	began   int64  // capture time of a block in doubt
	c       *Conn
}

// openHeaders begins a header block.
func (c *Conn) openHeaders(d exchange.Dir, s *side, at packet.Pos) {
	st := c.find(d, s.f.id, true)
	if st != nil && st.half[d].over() {
		c.noted.Add(exchange.AnomalyBadFrame) // the stream was closed on this side
		st = nil
	} else if st == nil && s.whole && c.sides[exchange.ToServer].whole && !c.given(s.f.id) {
		c.noted.Add(exchange.AnomalyBadFrame)
	}
	c.openBlock(d, s, st)
	if st != nil {
		h := c.beginHalf(d, s, st)
		s.block.last = s.f.flags&flagEndStream != 0
		s.block.trailer = h.headed
		if !h.headed {
			st.message(d).Begin = s.at + 1
		}
		s.log(st)
		c.openAfterVague(d, s, st, at)
		if h.headed && (h.tailed || !s.block.last) {
			st.pair.Anomalies.Add(exchange.AnomalyBadFrame) // trailers end a message
		}
		h.tailed = h.headed
		h.list, h.regular, h.pseudo = 0, false, false
	}
	c.touchStarted(s, st, d, at)
	c.enter(d, s, at, inBlock)
}

// openAfterVague looks at a block that would be trailers, behind one whose status is
// not known: that one may have been an interim response.
func (c *Conn) openAfterVague(d exchange.Dir, s *side, st *stream, at packet.Pos) {
	k, h, m := &s.block, st.side(d), st.message(d)
	if d != exchange.ToClient || !k.trailer || !h.vague && !h.bad || m.HasBody || st.pair.Response.Status != 0 || len(m.Trailers) > 0 {
		return
	}
	k.doubt, k.packets, k.began = true, len(m.Packets), at.TimeNS
	if len(s.started) > 0 {
		k.began = s.started[0].at.TimeNS
	}
	if !k.last {
		k.final(false) // trailers end a message
	}
}

// final takes the block for that of the response behind an interim one. touched says
// that packets of it were noted.
func (k *block) final(touched bool) {
	h, m := k.st.side(k.d), k.st.message(k.d)
	packets := m.Packets[min(k.packets, max(len(m.Packets)-1, 0)):]
	end := m.EndTimeNS
	k.c.interim(k.st, h)
	h.tailed, h.grpc = false, nil
	if touched && len(packets) > 0 {
		m.Packets = append(m.Packets, packets...)
		m.TimeNS, m.EndTimeNS = k.began, end
	}
	m.Head = append(m.Head, k.raw...)
	k.doubt, k.trailer, k.raw = false, false, nil
}

// openPromise begins the request of a pushed response (RFC 9113, section 8.4).
func (c *Conn) openPromise(d exchange.Dir, s *side, at packet.Pos, promised uint32) {
	var st *stream
	if d == exchange.ToClient && promised != 0 && promised&1 == 0 && c.streams[promised] == nil {
		st = c.newStream(promised)
		st.pushed = true
		st.pair.Anomalies.Add(exchange.AnomalyPushed)
	} else {
		c.noted.Add(exchange.AnomalyBadFrame)
	}
	c.openBlock(d, s, st)
	if st != nil {
		s.block.d, s.block.last = exchange.ToServer, true
		c.beginHalf(exchange.ToServer, &c.sides[exchange.ToServer], st)
	}
	c.touchStarted(s, st, exchange.ToServer, at)
	c.enter(d, s, at, inBlock)
}

// continues counts a further frame of the block.
func (k *block) continues() {
	if k.frames++; k.frames == manyFrames && k.st != nil {
		k.st.pair.Anomalies.Add(exchange.AnomalyContinuationFlood)
	}
}

func (c *Conn) openBlock(d exchange.Dir, s *side, st *stream) {
	s.block = block{open: true, id: s.f.id, st: st, d: d, part: s.block.part[:0], c: c}
}

// blockData takes bytes of a header block.
func (c *Conn) blockData(d exchange.Dir, s *side, at packet.Pos, b []byte) []byte {
	n := min(len(b), s.remain-s.pad)
	k := &s.block
	if k.st != nil {
		c.touch(k.st, k.d, at)
		c.tally.HTTP += int64(n)
		switch {
		case !k.trailer:
			c.keepHead(k, b[:n])
		case k.doubt:
			k.raw = append(k.raw, b[:min(n, maxTable)]...)
		}
	} else {
		c.tally.Unparsed += int64(n)
	}
	if !k.broken {
		s.decode(b[:n])
	}
	if s.remain -= n; s.remain == s.pad {
		s.wasted = k.st == nil
		c.enter(d, s, at, inSkip)
	}
	return b[n:]
}

// keepHead stores the block as it was sent.
func (c *Conn) keepHead(k *block, b []byte) {
	m := k.st.message(k.d)
	if room := c.env.Limits.Head - int64(len(m.Head)); int64(len(b)) > room {
		k.st.pair.Anomalies.Add(exchange.AnomalyHeadLimit)
		b = b[:max(room, 0)]
	}
	m.Head = append(m.Head, b...)
}

// decode takes the next bytes of the header block.
func (s *side) decode(b []byte) {
	k := &s.block
	glued := len(k.part) > 0
	if glued {
		k.part = append(k.part, b...)
		b = k.part
	}
	for len(b) > 0 {
		n, err := s.dec.step(b, k)
		if err == errMore && len(b) <= maxField {
			break
		}
		if err != nil {
			s.spoil()
			return
		}
		b = b[n:]
	}
	switch {
	case glued && len(b) == len(k.part): // nothing was whole
	case glued:
		k.part = k.part[:copy(k.part, b)]
	case len(b) > 0:
		k.part = append(k.part[:0], b...)
	}
}

// spoil gives up a block that cannot be decoded. What it would have done to the
// table is not known.
func (s *side) spoil() {
	k := &s.block
	k.broken, k.part = true, nil
	s.dec.forget()
	if k.st != nil {
		k.st.pair.Anomalies.Add(exchange.AnomalyHPACKError)
		k.st.half[k.d].bad = true
	}
}

// breakBlock ends a header block whose end is missing.
func (c *Conn) breakBlock(d exchange.Dir, s *side, at packet.Pos) {
	if !s.block.open {
		return
	}
	if st := s.block.st; st != nil {
		h := &st.half[s.block.d]
		h.bad, h.cut = true, true
	}
	s.block.part = s.block.part[:0]
	c.endBlock(d, s, at)
}

// endBlock makes a message's fields of a whole header block.
func (c *Conn) endBlock(d exchange.Dir, s *side, at packet.Pos) {
	k := &s.block
	if len(k.part) > 0 && !k.broken {
		s.spoil()
	}
	k.open = false
	if cap(k.part) > 4<<10 {
		k.part = nil
	}
	if cap(s.dec.tmp) > maxTable {
		s.dec.tmp = nil
	}
	st := k.st
	k.st = nil
	if st == nil {
		return
	}
	h, m := st.side(k.d), st.message(k.d)
	if !k.trailer {
		h.headed = true
		switch {
		case !h.pseudo && !h.bad && s.epoch > 0 && (k.veiled == 0 || k.last && k.veiled < fewestPseudo[k.d]):
			// Trailers; the header block is missing.
			m.Trailers = append(m.Trailers, m.Headers...)
			m.Headers, m.Head = m.Headers[:0], m.Head[:0]
			m.ContentType, m.ContentEncoding = "", ""
			h.bad = true
		case k.d == exchange.ToServer:
			c.request(st, h)
		default:
			if c.response(st, h, at) {
				return // interim
			}
		}
		c.beginFrames(st, k.d)
		if form := grpc.FormOf(m.ContentType); form != grpc.None && m.ContentEncoding == "" && !h.bad && c.env.Message != nil {
			h.grpc = grpc.NewReader(c.env, c.conn, grpc.Body{
				Pair: st.pair, Dir: k.d, Form: form, Encoding: st.encoded[k.d], Count: &st.counted,
			})
		}
	}
	if k.last {
		c.endStream(k.d, st, at)
		return
	}
	c.charge(st)
}

// fewestPseudo is how many pseudo-headers a message has at least, by direction, that
// may have trailers or no body (RFC 9113, section 8.3): all but CONNECT.
var fewestPseudo = [2]int{exchange.ToServer: 3, exchange.ToClient: 1}

// request derives what follows from a request's fields (RFC 9113, section 8.3.1).
func (c *Conn) request(st *stream, h *half) {
	p := st.pair
	req := &p.Request
	req.Version = c.version
	authority := req.Host // of :authority
	switch {
	case authority == "":
		authority = st.host
	case st.host != "" && st.host != authority:
		p.Anomalies.Add(exchange.AnomalyAuthorityMismatch)
	}
	req.Host = app.HostOnly(authority[strings.LastIndexByte(authority, '@')+1:])
	st.head = req.Method == "HEAD"
	if req.Method == "CONNECT" && !st.socket {
		req.Target = authority
		return
	}
	if !h.vague && !h.cut && (req.Method == "" || req.Scheme == "" || req.Target == "") {
		p.Anomalies.Add(exchange.AnomalyBadPseudoHeader)
	}
	req.Path, req.Query, _ = strings.Cut(req.Target, "?")
	if authority != "" && req.Scheme != "" && strings.HasPrefix(req.Target, "/") {
		n := len(p.Scratch)
		p.Scratch = append(p.Scratch, req.Scheme...)
		p.Scratch = append(p.Scratch, "://"...)
		p.Scratch = append(p.Scratch, authority...)
		p.Scratch = append(p.Scratch, req.Target...)
		req.URL = unsafe.String(&p.Scratch[n], len(p.Scratch)-n)
	}
}

// response looks at the status; it reports whether the response is an interim one.
func (c *Conn) response(st *stream, h *half, at packet.Pos) bool {
	p := st.pair
	resp := &p.Response
	resp.Version = c.version
	if resp.Status == 0 && !h.vague && !h.cut {
		p.Anomalies.Add(exchange.AnomalyBadPseudoHeader)
	}
	if resp.Status < 100 || resp.Status > 199 {
		return false
	}
	if c.sides[exchange.ToClient].block.last {
		p.Anomalies.Add(exchange.AnomalyBadFrame) // an interim response ends nothing
		return false
	}
	c.interim(st, h)
	return true
}

// interim puts what was read of a response among the interim ones.
func (c *Conn) interim(st *stream, h *half) {
	p := st.pair
	resp := &p.Response
	one := exchange.Interim{Status: resp.Status, TimeNS: resp.TimeNS}
	// All interim responses together keep no more than one header list may.
	h.interim += h.list + listCost
	switch {
	case resp.Status == 0 && len(resp.Headers) == 0:
		// Nothing of it is known.
	case h.interim <= maxList && len(resp.Interim) < c.env.Limits.Fields:
		one.Headers = append(one.Headers, resp.Headers...)
		resp.Interim = append(resp.Interim, one)
	default:
		h.interim -= h.list + listCost
		p.Anomalies.Add(exchange.AnomalyHeaderListLimit)
	}
	m := &resp.Message
	m.Headers, m.Head, m.Packets = m.Headers[:0], m.Head[:0], m.Packets[:0]
	m.ContentType, m.ContentEncoding, m.Version = "", "", ""
	m.TimeNS, m.EndTimeNS = exchange.NoTime, exchange.NoTime
	resp.Status = 0
	h.headed, h.list, h.lengths = false, 0, 0
	c.charge(st)
}

// wants implements sink.
func (k *block) wants() bool {
	if k.st == nil {
		return false
	}
	h := &k.st.half[k.d]
	m := k.st.message(k.d)
	if h.list < maxList && len(m.Headers)+len(m.Trailers) < k.c.env.Limits.Fields {
		return true
	}
	k.st.pair.Anomalies.Add(exchange.AnomalyHeaderListLimit)
	return false
}

// text implements sink.
func (k *block) text(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	p := k.st.pair
	n := len(p.Scratch)
	p.Scratch = append(p.Scratch, b...)
	return unsafe.String(&p.Scratch[n], len(b))
}

// field implements sink: it keeps a field, and notes it where it says something
// about the message.
func (k *block) field(e *entry) {
	st := k.st
	p := st.pair
	h, m := st.side(k.d), st.message(k.d)
	if odd := e.nameOdd | e.valueOdd; odd != 0 {
		k.odd(odd)
	}
	size := int64(e.nameLen) + int64(e.valueLen) + listCost
	if h.list += size; h.list > maxList {
		p.Anomalies.Add(exchange.AnomalyHeaderListLimit)
		return
	}
	f := exchange.Header{Name: e.name, Value: e.value}
	if k.doubt && (e.name == ":status" || e.nameOdd&oddUnknown != 0 && e.valueOdd == 0 && k.mayBePseudo(e)) {
		k.final(true)
	}
	k.doubt, k.raw = false, nil
	if k.trailer {
		if len(e.name) > 0 && e.name[0] == ':' {
			p.Anomalies.Add(exchange.AnomalyBadPseudoHeader)
		}
		m.Trailers = append(m.Trailers, f)
		return
	}
	m.Headers = append(m.Headers, f)
	if e.nameOdd&oddUnknown != 0 {
		if !h.regular && k.mayBePseudo(e) {
			k.veiled++
		}
		return
	}
	if len(e.name) > 0 && e.name[0] == ':' {
		if h.regular || !k.pseudo(e) {
			p.Anomalies.Add(exchange.AnomalyBadPseudoHeader)
		}
		h.pseudo = true
		return
	}
	h.regular = true
	if e.valueOdd&oddUnknown != 0 {
		return
	}
	switch e.name {
	case "content-type":
		if m.ContentType == "" {
			m.ContentType = e.value
		}
	case "content-encoding":
		m.ContentEncoding = app.AddCoding(m.ContentEncoding, e.value)
	case "content-length":
		n, ok := decimal(e.value)
		switch {
		case !ok:
			p.Anomalies.Add(exchange.AnomalyBadCL)
		case h.lengths == 0:
			h.length = n
			h.lengths++
		default:
			p.Anomalies.Add(exchange.AnomalyDupCL)
			h.lengths++
		}
	case "host":
		if st.host == "" && k.d == exchange.ToServer {
			st.host = e.value
		}
	case "grpc-encoding":
		st.encoded[k.d] = e.value
	case "transfer-encoding", "connection", "proxy-connection", "keep-alive", "upgrade":
		p.Anomalies.Add(exchange.AnomalyConnectionHeader) // RFC 9113, section 8.2.2
	}
}

// mayBePseudo reports whether a field whose name is not known may be a pseudo-header.
func (k *block) mayBePseudo(e *entry) bool {
	if k.d == exchange.ToServer || e.valueOdd&oddUnknown != 0 {
		return true
	}
	_, ok := decimal(e.value)
	return ok && len(e.value) == 3 && e.value[0] >= '1' && e.value[0] <= '5'
}

// odd names what is odd about a field.
func (k *block) odd(odd oddity) {
	p, h := k.st.pair, &k.st.half[k.d]
	if odd&oddUnknown != 0 {
		p.Anomalies.Add(exchange.AnomalyHPACKUnknown)
		h.vague = true
	}
	if odd&oddEscaped != 0 {
		p.Anomalies.Add(exchange.AnomalyEscapedBytes)
		k.st.message(k.d).HeadEscaped = true
	}
	if odd&oddChars != 0 {
		p.Anomalies.Add(exchange.AnomalyBadHeaderLine)
	}
}

// pseudo takes a pseudo-header; it reports whether it may stand there.
func (k *block) pseudo(e *entry) bool {
	p := k.st.pair
	if e.valueOdd&oddUnknown != 0 {
		return true
	}
	var to *string
	if k.d == exchange.ToServer {
		switch e.name {
		case ":method":
			to = &p.Request.Method
		case ":path":
			to = &p.Request.Target
		case ":scheme":
			to = &p.Request.Scheme
		case ":authority":
			to = &p.Request.Host
		case ":protocol": // RFC 8441, section 4
			k.st.socket = k.st.socket || e.value == "websocket"
			return true
		default:
			return false
		}
		if *to != "" {
			return false // the first counts
		}
		*to = e.value
		return true
	}
	if e.name != ":status" || p.Response.Status != 0 {
		return false
	}
	n, ok := decimal(e.value)
	if !ok || len(e.value) != 3 || n < 100 || n > 599 {
		p.Anomalies.Add(exchange.AnomalyBadStatus)
	}
	if ok && n < 1e9 {
		p.Response.Status = int32(n)
	}
	return true
}

// decimal reads all of s as a number.
func decimal(s string) (int64, bool) {
	if len(s) == 0 || len(s) > 18 {
		return 0, false
	}
	var n int64
	for i := range len(s) {
		c := s[i]
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}
