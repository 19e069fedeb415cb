package http1

import (
	"bytes"
	"math"

	"recap/pipeline/app"
	"recap/pipeline/exchange"
	"recap/reader/packet"
)

// maxLengths is how many different readings of Content-Length are kept.
const maxLengths = 4

// framing is what a head says about the body behind it.
type framing struct {
	fields    int               // Content-Length fields
	lengths   [maxLengths]int64 // what they may mean, in the order of the head
	n         int               // of lengths
	badLength bool
	te        int    // Transfer-Encoding fields
	chunked   bool   // the last coding is chunked
	teOther   bool   // there is another coding that is not known
	hidden    bool   // what other readers may take for chunked, and a careful one does not
	claims    string // content codings that other readers may find
	upgrade   bool
	expect100 bool
	old       bool // HTTP/1.0 or earlier, or a version that is none
}

// announced reports whether a body is announced.
func (f *framing) announced() bool { return f.chunked || f.n > 0 && f.lengths[0] > 0 }

// sure reports whether the body is chunked and no reader can take it otherwise.
func (f *framing) sure() bool {
	return f.chunked && !f.teOther && f.te == 1 && f.fields == 0 && !f.old && !f.hidden
}

// claimed reports whether some reader may take the body for chunked.
func (f *framing) claimed() bool { return f.chunked || f.teOther || f.hidden }

// requestBody decides on the body of a request (RFC 9112, section 6.3).
func (c *Conn) requestBody(s *side, at *packet.Pos) {
	s.meta.setMethod()
	if f := &s.framing; f.expect100 && !f.announced() && !f.claimed() && s.over == 0 { // RFC 9110, section 10.1.1
		s.pair.Anomalies.Add(exchange.AnomalyExpectNoBody)
	}
	c.beginFramed(exchange.ToServer, s, at)
}

// setMethod notes what the method says about the response.
func (m *meta) setMethod() {
	m.head, m.connect = m.pair.Request.Method == "HEAD", m.pair.Request.Method == "CONNECT"
}

// responseBody decides on the body of a response (RFC 9112, section 6.3).
func (c *Conn) responseBody(s *side, at *packet.Pos) {
	f, m := &s.framing, s.meta
	resp := &s.pair.Response
	switch st := resp.Status; {
	case st == 101 && (m.upgrade || f.upgrade || !m.pair.Request.Present):
		c.upgrade(m)
		c.done(exchange.ToClient, s, at, false)
		c.handOver(false)
	case st >= 100 && st < 200 && st != 101 && !f.announced():
		c.interim(s, at)
	case m.connect && st >= 200 && st < 300:
		c.done(exchange.ToClient, s, at, false)
		c.handOver(true)
	case m.head, st == 204, st == 304, st >= 100 && st < 200:
		if f.announced() || f.hidden {
			s.state = inDoubt
			return
		}
		c.done(exchange.ToClient, s, at, false)
	case c.mayAnswerHead(s):
		s.state = inDoubt
	default:
		c.beginFramed(exchange.ToClient, s, at)
	}
}

// mayAnswerHead reports whether the response may be one to HEAD for all that is known:
// its request is not in the capture, and a body is announced.
func (c *Conn) mayAnswerHead(s *side) bool {
	f, m, st := &s.framing, s.msg, s.pair.Response.Status
	return !s.pair.Request.Present && st >= 200 && st != 204 && st != 304 && (f.sure() || f.n == 1 && f.lengths[0] > 0 && !f.claimed()) &&
		!app.TypeIs(m.ContentType, "application/http") && !app.TypeIs(m.ContentType, "message/http")
}

// answerHead ends a response that is taken for one to HEAD, and notes the other reading.
func (c *Conn) answerHead(s *side, at *packet.Pos) {
	s.msg.Alt = &exchange.AltFraming{Framing: exchange.FramingChunked, BodySize: -1, Next: -1}
	if f := &s.framing; !f.chunked {
		s.msg.Alt.Framing, s.msg.Alt.BodySize = exchange.FramingLength, f.lengths[0]
		if s.bodyAt >= 0 {
			s.msg.Alt.Next = s.bodyAt + f.lengths[0]
		}
	}
	c.bodiless(s, at)
}

// bodiless ends a response that may not have a body, and has none.
func (c *Conn) bodiless(s *side, at *packet.Pos) {
	if st := s.pair.Response.Status; st >= 100 && st < 200 && st != 101 {
		c.interim(s, at)
		return
	}
	c.done(exchange.ToClient, s, at, false)
}

// doubt decides on b, all that follows a response that may have no body but announces
// one (RFC 9112, section 6.3): some senders do send it, and where the request is not
// known it is the rule.
func (c *Conn) doubt(s *side, at *packet.Pos, b []byte, last bool) []byte {
	unknown := c.mayAnswerHead(s)
	switch v := DetectResponse(b); {
	case v == More && !last:
		s.part = b
		return nil
	case unknown:
		// Where its body would be, the next response is. A chunk does not begin so; another body may.
		if v == Yes && StrictStart(exchange.ToClient, b) && (s.framing.chunked || !c.quotes(s, at, b)) {
			c.answerHead(s, at)
			return b
		}
		c.touchHeld(s)
		c.beginFramed(exchange.ToClient, s, at)
		return b
	case v != No:
		c.bodiless(s, at)
		return b
	}
	c.touchHeld(s)
	s.pair.Anomalies.Add(exchange.AnomalyUnexpectedBody)
	c.beginFramed(exchange.ToClient, s, at)
	return b
}

// quotes reports whether b, where a body or the next response stands, is a body that
// begins as a response does: it ends where a message begins, or is too long to tell and
// was sent with no more knowledge of requests than its head.
func (c *Conn) quotes(s *side, at *packet.Pos, b []byte) bool {
	if n := s.framing.lengths[0]; int64(len(b)) > n {
		return StrictStart(exchange.ToClient, b[n:])
	}
	return !c.piped && at.Acked != packet.NoOffset && at.Acked <= s.turn.acked
}

// beginFramed begins the body that the head announces, where the message may have one.
func (c *Conn) beginFramed(d exchange.Dir, s *side, at *packet.Pos) {
	f := &s.framing
	switch {
	case f.n == 0 && f.te == 0 && !f.hidden && f.fields == 0: // nothing is said
		c.unframed(d, s, at)
		return
	case f.sure():
		c.beginBody(s, inChunkSize, 0)
		return
	}
	c.noteFraming(d, s)
	if f.claimed() {
		s.state, s.part, s.probed = inProbe, nil, false
		return
	}
	c.beginLength(d, s, at)
}

// unframed begins a body of which nothing is said: a request has none, a response all
// that follows.
func (c *Conn) unframed(d exchange.Dir, s *side, at *packet.Pos) {
	if d == exchange.ToServer {
		c.done(d, s, at, false)
		return
	}
	c.beginBody(s, inClose, -1)
}

// beginLength begins a body as the Content-Length fields have it, or as if there were none.
func (c *Conn) beginLength(d exchange.Dir, s *side, at *packet.Pos) {
	f := &s.framing
	if f.n == 0 {
		c.unframed(d, s, at)
		return
	}
	n, next := f.nextLength(-1)
	if n == 0 && next < 0 {
		c.emptyBody(d, s, at)
		return
	}
	c.beginBody(s, inLength, n)
	if n == 0 {
		s.state = inBoundary
	}
	if f.n == 1 && f.badLength {
		c.otherwise(d, s, framedUnsaid, -1)
	} else if f.n > 1 {
		c.otherwise(d, s, exchange.FramingLength, f.otherLength(n))
	}
}

// emptyBody ends a message whose body is announced to be empty.
func (c *Conn) emptyBody(d exchange.Dir, s *side, at *packet.Pos) {
	s.msg.HasBody = false
	c.done(d, s, at, false)
}

// nextLength returns the smallest announced length over n, and the one after it; -1 for none.
func (f *framing) nextLength(n int64) (length, after int64) {
	length, after = -1, -1
	for _, l := range f.lengths[:f.n] {
		switch {
		case l <= n:
		case length < 0 || l < length:
			length, after = l, length
		case after < 0 || l < after:
			after = l
		}
	}
	return length, after
}

// otherLength returns the first announced length that is not n.
func (f *framing) otherLength(n int64) int64 {
	for _, l := range f.lengths[:f.n] {
		if l != n {
			return l
		}
	}
	return -1
}

// noteFraming names what is odd about the framing fields.
func (c *Conn) noteFraming(d exchange.Dir, s *side) {
	f := &s.framing
	a := &s.pair.Anomalies
	if f.te > 0 && f.fields > 0 {
		a.Add(exchange.AnomalyTEAndCL)
	}
	if f.te > 1 {
		a.Add(exchange.AnomalyMultiTE)
	}
	if f.fields > 1 {
		a.Add(exchange.AnomalyDupCL)
	}
	if f.chunked && f.old {
		a.Add(exchange.AnomalyChunkedOldProto)
	}
	if f.te > 0 && f.teOther || f.hidden {
		a.Add(exchange.AnomalyUnknownTE)
	}
}

// contentLength reads one Content-Length field.
func (p *headParser) contentLength(v []byte) {
	f := &p.s.framing
	f.fields++
	n, ok := decimal(v)
	if ok && (len(v) == 1 || v[0] != '0') {
		f.addLength(n)
		return
	}
	p.add(exchange.AnomalyBadCL)
	f.badLength = true
	if ok {
		f.addLength(n)
		return
	}
	if n, ok := decimal(visible(v)); ok && !bytes.ContainsAny(v, " \t") { // digits with bytes between them that some do not see
		f.addLength(n)
		return
	}
	f.numbers(v)
	f.joined(v)
}

// joined notes the number that the digits of v are together, where blanks or underscores
// divide them and nothing else is there.
func (f *framing) joined(v []byte) {
	digits := make([]byte, 0, len(v))
	for _, c := range v {
		switch {
		case isDigit(c):
			digits = append(digits, c)
		case c != ' ' && c != '\t' && c != '_':
			return
		}
	}
	if n, ok := decimal(digits); ok {
		f.addLength(n)
	}
}

// likeLength reads a field that only some readers take for Content-Length. To the others a
// request has no body, unless another field says so.
func (p *headParser) likeLength(v []byte) {
	f := &p.s.framing
	n, ok := decimal(v)
	if !ok {
		return
	}
	if p.s.msg == &p.s.pair.Request.Message && f.fields == 0 {
		f.addLength(0)
	}
	p.add(exchange.AnomalyBadCL)
	f.fields, f.badLength = f.fields+1, true
	f.addLength(n)
}

// addLength notes one more reading of Content-Length.
func (f *framing) addLength(n int64) {
	for _, l := range f.lengths[:f.n] {
		if l == n {
			return
		}
	}
	if f.n < maxLengths {
		f.lengths[f.n] = n
		f.n++
	}
}

// beyond is a length larger than any capture, bytes.
const beyond = math.MaxInt64 / 4

// numbers notes every number in b that is not negative. Hexadecimal ones are numbers
// to some readers.
func (f *framing) numbers(b []byte) {
	for i := 0; i < len(b); {
		if !isDigit(b[i]) {
			i++
			continue
		}
		negative := i > 0 && b[i-1] == '-'
		j := i
		for j < len(b) && isDigit(b[j]) {
			j++
		}
		if n, ok := decimal(b[i:j]); negative {
		} else if !ok {
			f.addLength(beyond)
		} else if n == 0 && j < len(b) && b[j]|0x20 == 'x' {
			n, k := int64(0), j+1
			for v, hex := byte(0), true; k < len(b) && n < beyond>>4; k++ {
				if v, hex = unhex(b[k]); !hex {
					break
				}
				n = n<<4 | int64(v)
			}
			if k > j+1 {
				f.addLength(n)
				j = k
			} else {
				f.addLength(0)
			}
		} else {
			f.addLength(n)
		}
		i = j
	}
}

// decimal reads all of b as a number.
func decimal(b []byte) (int64, bool) {
	for len(b) > 1 && b[0] == '0' {
		b = b[1:]
	}
	if len(b) == 0 || len(b) > 18 {
		return 0, false
	}
	var n int64
	for _, c := range b {
		if !isDigit(c) {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}

// transferEncoding reads one Transfer-Encoding field: a list whose last coding must be chunked.
func (p *headParser) transferEncoding(v []byte) {
	f := &p.s.framing
	f.te++
	f.teOther = f.teOther || len(v) == 0 || v[len(v)-1] == ',' // an empty element, which not all readers pass over
	for len(v) > 0 {
		var one []byte
		if i := bytes.IndexByte(v, ','); i >= 0 {
			one, v = v[:i], v[i+1:]
		} else {
			one, v = v, nil
		}
		one = bytes.Trim(one, " \t")
		switch {
		case len(one) == 0:
			f.teOther = true // an empty element, which not all readers pass over
		case same(one, "chunked"):
			f.teOther = f.teOther || f.chunked // once is what is allowed (RFC 9112, section 7.1)
			f.chunked = true
		case same(one, "identity"): // alone it says nothing, beside others not all readers know it
			f.teOther = f.teOther || f.chunked || len(v) > 0
		case same(one, "gzip"), same(one, "x-gzip"), same(one, "deflate"), same(one, "compress"), same(one, "br"), same(one, "zstd"):
			p.add(exchange.AnomalyTECoding)
			m := p.s.msg
			m.ContentEncoding = app.AddCoding(m.ContentEncoding, p.str(one))
		default:
			f.teOther = true
		}
	}
}
