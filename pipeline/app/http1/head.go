package http1

import (
	"bytes"
	"encoding/binary"
	"math"
	"unicode/utf8"
	"unsafe"

	"recap/pipeline/app"
	"recap/pipeline/exchange"
	"recap/reader/packet"
)

// framing is what a head says about the body behind it.
type framing struct {
	lengths   int   // Content-Length fields
	length    int64 // of the first; -1 none or unusable
	te        int   // Transfer-Encoding fields
	chunked   bool  // the last coding is chunked
	teOther   bool  // there is another coding
	upgrade   bool
	expect100 bool
	proto10   bool
}

// headDone reads a whole head, decides where the body ends, and returns the head's length.
func (c *Conn) headDone(d exchange.Dir, s *side, at packet.Pos) int {
	if d == exchange.ToServer && string(s.msg.Head) == http2Head && c.env.Upgrade != nil && c.next == nil {
		if n := c.switchOver(s, at); n > 0 {
			return n
		}
	}
	n := c.parseHead(d, s)
	s.msg.Head = s.msg.Head[:n]
	c.tally.HTTP += int64(n)
	if s.over > 0 {
		s.pair.Anomalies.Add(exchange.AnomalyHeadLimit)
	}
	if d == exchange.ToServer {
		c.requestBody(s, at)
	} else {
		c.responseBody(s, at)
	}
	return n
}

// requestBody decides on the body of a request (RFC 9112, section 6.3).
func (c *Conn) requestBody(s *side, at packet.Pos) {
	f, m := &s.framing, s.meta
	m.setMethod()
	c.noteFraming(s)
	switch {
	case f.chunked:
		c.beginBody(s, inChunkSize, 0)
	case f.length > 0:
		c.beginBody(s, inLength, f.length)
	default:
		c.done(exchange.ToServer, s, at, false)
	}
}

// setMethod notes what the method says about the response.
func (m *meta) setMethod() {
	m.head, m.connect = m.pair.Request.Method == "HEAD", m.pair.Request.Method == "CONNECT"
}

// responseBody decides on the body of a response (RFC 9112, section 6.3).
func (c *Conn) responseBody(s *side, at packet.Pos) {
	f, m := &s.framing, s.meta
	resp := &s.pair.Response
	switch st := resp.Status; {
	case st == 101:
		c.upgrade(m)
		c.done(exchange.ToClient, s, at, false)
		c.handOver(false)
		return
	case st >= 100 && st < 200:
		c.interim(s, at)
		return
	case m.connect && st >= 200 && st < 300:
		c.done(exchange.ToClient, s, at, false)
		c.handOver(true)
		return
	case st == 204 && !m.head && (f.chunked || f.length > 0):
		s.state = inDoubt
		return
	case m.head, st == 204, st == 304:
		c.done(exchange.ToClient, s, at, false)
		return
	}
	c.beginResponse(s, at)
}

// doubt decides on b, which follows a 204 response that announces a body: it may have
// none (RFC 9112, section 6.3), but some senders do.
func (c *Conn) doubt(s *side, at packet.Pos, b []byte) {
	if DetectResponse(b) != No {
		c.done(exchange.ToClient, s, at, false)
		return
	}
	s.pair.Anomalies.Add(exchange.AnomalyUnexpectedBody)
	c.beginResponse(s, at)
}

// beginResponse begins the body of a response that may have one.
func (c *Conn) beginResponse(s *side, at packet.Pos) {
	f := &s.framing
	c.noteFraming(s)
	switch {
	case f.chunked:
		c.beginBody(s, inChunkSize, 0)
	case f.length == 0:
		s.msg.HasBody = false
		c.done(exchange.ToClient, s, at, false)
	case f.length > 0:
		c.beginBody(s, inLength, f.length)
	default:
		c.beginBody(s, inClose, -1)
	}
}

// noteFraming names what is odd about the framing fields.
func (c *Conn) noteFraming(s *side) {
	f := &s.framing
	a := &s.pair.Anomalies
	if f.te > 0 && f.lengths > 0 {
		a.Add(exchange.AnomalyTEAndCL)
	}
	if f.te > 1 {
		a.Add(exchange.AnomalyMultiTE)
	}
	if f.lengths > 1 {
		a.Add(exchange.AnomalyDupCL)
	}
	if f.chunked && f.proto10 {
		a.Add(exchange.AnomalyChunkedOldProto)
	}
	if f.te > 0 && f.teOther {
		a.Add(exchange.AnomalyUnknownTE)
	}
}

// parseHead reads msg.Head into the message's fields. It returns the length of the
// head: less than what msg.Head holds where an empty line ends it earlier.
func (c *Conn) parseHead(d exchange.Dir, s *side) int {
	m := s.msg
	h := m.Head
	s.framing = framing{length: -1}
	m.Headers = m.Headers[:0]
	m.ContentType, m.ContentEncoding = "", ""
	p := headParser{c: c, s: s, text: plainText(h)}

	line, _ := nextLine(h)
	p.eol(line)
	if d == exchange.ToServer {
		p.requestLine(trimEOL(line))
	} else {
		p.statusLine(trimEOL(line))
	}
	n := len(line)
	lines := 1
	for ; n < len(h); lines++ {
		line := h[n:]
		if i := bytes.IndexByte(line, '\n'); i >= 0 {
			line = line[:i+1]
		}
		n += len(line)
		if p.plainField(line, h[n:]) {
			continue
		}
		body := trimEOL(line)
		if len(body) == 0 {
			break
		}
		p.eol(line)
		p.field(body)
	}
	p.flush()
	if bytes.Count(h[:n], cr) > lines+1-p.bareLF { // the empty line was not counted
		p.add(exchange.AnomalyBareCREOL)
	}
	if d == exchange.ToServer {
		c.derive(&s.pair.Request, s.pair)
	}
	return n
}

// plainField stores a field whose line is as nearly all are: name, colon, value,
// CRLF, not folded. It reports whether it is one.
func (p *headParser) plainField(line, rest []byte) bool {
	n := len(line) - 2
	if p.open || n < 2 || line[n] != '\r' || line[0] == ' ' || line[0] == '\t' ||
		len(rest) > 0 && (rest[0] == ' ' || rest[0] == '\t') {
		return false
	}
	i := bytes.IndexByte(line[:n], ':')
	if i <= 0 || line[i-1] == ' ' || line[i-1] == '\t' {
		return false
	}
	v := line[i+1 : n]
	for len(v) > 0 && (v[0] == ' ' || v[0] == '\t') {
		v = v[1:]
	}
	for len(v) > 0 && (v[len(v)-1] == ' ' || v[len(v)-1] == '\t') {
		v = v[:len(v)-1]
	}
	p.store(line[:i], v)
	return true
}

var cr = []byte{'\r'}

// nextLine cuts b behind its first LF.
func nextLine(b []byte) (line, rest []byte) {
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		return b[:i+1], b[i+1:]
	}
	return b, nil
}

func trimEOL(b []byte) []byte {
	if n := len(b); n > 0 && b[n-1] == '\n' {
		if b = b[:n-1]; n > 1 && b[n-2] == '\r' {
			b = b[:n-2]
		}
	}
	return b
}

// plainText reports whether all of b is ASCII.
func plainText(b []byte) bool {
	var or uint64
	for len(b) >= 32 {
		or |= binary.NativeEndian.Uint64(b) | binary.NativeEndian.Uint64(b[8:]) |
			binary.NativeEndian.Uint64(b[16:]) | binary.NativeEndian.Uint64(b[24:32])
		b = b[32:]
	}
	for _, x := range b {
		or |= uint64(x)
	}
	return or&0x8080808080808080 == 0
}

// headParser reads the lines of one head. Strings point into the head where its
// bytes are valid UTF-8, and are escaped copies where not.
type headParser struct {
	c    *Conn
	s    *side
	text bool // all of the head is ASCII

	bareLF int // lines that end in LF alone

	name, value []byte // of the field being read: more lines may fold into it
	open        bool
	folded      bool // value is a copy of its own
}

func (p *headParser) str(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	if p.text || utf8.Valid(b) {
		return unsafe.String(&b[0], len(b))
	}
	p.s.msg.HeadEscaped = true
	p.s.pair.Anomalies.Add(exchange.AnomalyEscapedBytes)
	return app.Escape(b)
}

func (p *headParser) add(a exchange.Anomaly) { p.s.pair.Anomalies.Add(a) }

// eol names line ends other than CRLF.
func (p *headParser) eol(line []byte) {
	n := len(line)
	if n > 0 && line[n-1] == '\n' && (n < 2 || line[n-2] != '\r') {
		p.add(exchange.AnomalyBareLFEOL)
		p.bareLF++
	}
}

// requestLine reads method, target and version (RFC 9112, section 3).
func (p *headParser) requestLine(b []byte) {
	req := &p.s.pair.Request
	// As nearly all are: METHOD SP target SP HTTP/1.1, without further white space.
	const version = " HTTP/1.1"
	if i, n := bytes.IndexByte(b, ' '), len(b)-len(version); i > 0 && i+1 < n && string(b[n:]) == version &&
		bytes.IndexByte(b[i+1:n], ' ') < 0 && bytes.IndexByte(b[:n], '\t') < 0 && allToken(b[:i]) {
		req.Method, req.Target, req.Version = p.str(b[:i]), p.str(b[i+1:n]), version[1:]
		return
	}
	i := bytes.IndexAny(b, " \t")
	if i < 0 {
		p.add(exchange.AnomalyBadRequestLine)
		req.Method = p.str(b)
		return
	}
	method, rest := b[:i], b[i:]
	if !allToken(method) || rest[0] == '\t' {
		p.add(exchange.AnomalyBadRequestLine)
	}
	target := bytes.Trim(rest, " \t")
	if j := lastVersion(target); j >= 0 && len(target)-j >= 5 && bytes.EqualFold(target[j:j+5], []byte("HTTP/")) {
		v := target[j:]
		target = bytes.TrimRight(target[:j], " \t")
		req.Version = p.version(v)
		if len(b) != len(method)+1+len(target)+1+len(v) || bytes.IndexByte(target, ' ') >= 0 {
			p.add(exchange.AnomalyBadRequestLine)
		}
	} else {
		req.Version = "HTTP/0.9"
		p.s.framing.proto10 = true
		if string(method) != "GET" {
			p.add(exchange.AnomalyBadVersion)
		}
	}
	req.Method, req.Target = p.str(method), p.str(target)
}

// version returns b as a string and names what is odd about it.
func (p *headParser) version(b []byte) string {
	switch string(b) {
	case "HTTP/1.1":
		return "HTTP/1.1"
	case "HTTP/1.0":
		p.s.framing.proto10 = true
		return "HTTP/1.0"
	}
	p.add(exchange.AnomalyBadVersion)
	return p.str(b)
}

// statusLine reads version, status and reason (RFC 9112, section 4).
func (p *headParser) statusLine(b []byte) {
	resp := &p.s.pair.Response
	if len(b) > 13 && string(b[:9]) == "HTTP/1.1 " && b[12] == ' ' && b[9] >= '1' && b[9] <= '5' && isDigit(b[10]) && isDigit(b[11]) {
		resp.Version = "HTTP/1.1"
		resp.Status = int32(b[9]-'0')*100 + int32(b[10]-'0')*10 + int32(b[11]-'0')
		resp.Reason = p.str(b[13:])
		return
	}
	i := bytes.IndexByte(b, ' ')
	if i < 0 {
		p.add(exchange.AnomalyBadStatusLine)
		resp.Version = p.version(b)
		return
	}
	resp.Version = p.version(b[:i])
	rest := b[i+1:]
	if t := bytes.TrimLeft(rest, " \t"); len(t) != len(rest) {
		p.add(exchange.AnomalyBadStatusLine)
		rest = t
	}
	n := 0
	for n < len(rest) && isDigit(rest[n]) && n < 9 {
		resp.Status = resp.Status*10 + int32(rest[n]-'0')
		n++
	}
	if n != 3 || resp.Status < 100 || resp.Status > 599 {
		p.add(exchange.AnomalyBadStatus)
	}
	rest = rest[n:]
	if len(rest) > 0 {
		if rest[0] != ' ' {
			p.add(exchange.AnomalyBadStatusLine)
		} else {
			rest = rest[1:]
		}
		resp.Reason = p.str(rest)
	}
}

// field reads one header line.
func (p *headParser) field(b []byte) {
	if len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		if p.open {
			// A folded line goes on with the value before it (RFC 9112, section 5.2).
			p.add(exchange.AnomalyObsFold)
			if !p.folded { // a copy that grows, so that many folds stay linear
				p.value, p.folded = append(make([]byte, 0, 2*len(p.value)+len(b)+64), p.value...), true
			}
			p.value = append(append(p.value, ' '), bytes.Trim(b, " \t")...)
			return
		}
		p.add(exchange.AnomalyWSBeforeHeader)
		b = bytes.TrimLeft(b, " \t")
	}
	p.flush()
	i := bytes.IndexByte(b, ':')
	if i <= 0 {
		p.add(exchange.AnomalyBadHeaderLine)
		return
	}
	name := b[:i]
	if c := name[i-1]; c == ' ' || c == '\t' {
		p.add(exchange.AnomalyWSBeforeColon)
		name = bytes.TrimRight(name, " \t")
	}
	v := b[i+1:]
	for len(v) > 0 && (v[0] == ' ' || v[0] == '\t') {
		v = v[1:]
	}
	for len(v) > 0 && (v[len(v)-1] == ' ' || v[len(v)-1] == '\t') {
		v = v[:len(v)-1]
	}
	p.name, p.value, p.open, p.folded = name, v, true, false
}

// flush stores the field being read.
func (p *headParser) flush() {
	if !p.open {
		return
	}
	p.open = false
	p.store(p.name, p.value)
}

// store keeps a field, and notes it where it says something about the message.
func (p *headParser) store(name, value []byte) {
	m := p.s.msg
	f := &p.s.framing
	switch len(name) {
	case 4:
		if same(name, "host") && p.s.msg == &p.s.pair.Request.Message && p.s.pair.Request.Host == "" {
			p.s.pair.Request.Host = p.str(value)
		}
	case 6:
		if same(name, "expect") {
			f.expect100 = true
		}
	case 7:
		if same(name, "upgrade") {
			f.upgrade = true
			if same(value, "websocket") {
				p.s.meta.websocket = true
			}
		}
	case 12:
		if same(name, "content-type") && m.ContentType == "" {
			m.ContentType = p.str(value)
		}
	case 14:
		if same(name, "content-length") {
			p.contentLength(value)
		}
	case 16:
		if same(name, "content-encoding") {
			p.contentEncoding(value)
		}
	case 17:
		if same(name, "transfer-encoding") {
			p.transferEncoding(value)
		}
	}
	if len(m.Headers) >= p.c.env.Limits.Fields {
		p.add(exchange.AnomalyHeadLimit)
		return
	}
	m.Headers = append(m.Headers, exchange.Header{Name: p.str(name), Value: p.str(value)})
}

func (p *headParser) contentEncoding(value []byte) {
	m := p.s.msg
	v := p.str(value)
	if same(value, "identity") {
		return
	}
	if m.ContentEncoding != "" {
		v = m.ContentEncoding + ", " + v // several fields are one list (RFC 9110, section 5.3)
	}
	m.ContentEncoding = v
}

// contentLength reads one Content-Length field.
func (p *headParser) contentLength(v []byte) {
	f := &p.s.framing
	n, ok := decimal(v)
	if !ok {
		p.add(exchange.AnomalyBadCL)
		n = prefixNumber(v)
	}
	if f.lengths == 0 {
		f.length = n
	}
	f.lengths++
}

// decimal reads all of b as a number.
func decimal(b []byte) (int64, bool) {
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

// prefixNumber reads the digits that b begins with; -1 where there are none or too many.
func prefixNumber(b []byte) int64 {
	b = bytes.TrimLeft(b, " \t+,")
	n := 0
	for n < len(b) && isDigit(b[n]) {
		n++
	}
	b = b[:n]
	for len(b) > 1 && b[0] == '0' {
		b = b[1:]
	}
	v, ok := decimal(b)
	if !ok {
		if len(b) > 18 {
			return math.MaxInt64 / 4 // larger than any capture
		}
		return -1
	}
	return v
}

// transferEncoding reads one Transfer-Encoding field: a list whose last coding must be chunked.
func (p *headParser) transferEncoding(v []byte) {
	f := &p.s.framing
	f.te++
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
		case same(one, "chunked"):
			f.chunked = true
		case same(one, "identity"):
		case same(one, "gzip"), same(one, "x-gzip"), same(one, "deflate"):
			m := p.s.msg
			if m.ContentEncoding == "" {
				m.ContentEncoding = p.str(one)
			} else {
				m.ContentEncoding += ", " + p.str(one)
			}
		default:
			f.teOther = true
		}
	}
}

// same reports whether b is s but for the case of ASCII letters; s is lower case.
func same(b []byte, s string) bool {
	if len(b) != len(s) {
		return false
	}
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		if c != s[i] {
			return false
		}
	}
	return true
}
