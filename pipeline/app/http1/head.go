package http1

import (
	"bytes"
	"math"
	"strings"
	"unicode/utf8"
	"unsafe"

	"recap/pipeline/app"
	"recap/pipeline/exchange"
)

// parseHead reads msg.Head into the message's fields. It returns the length of the
// head: less than what msg.Head holds where the head ends earlier for a lenient reader.
// scan is what is known of it, nil for nothing.
func (c *Conn) parseHead(d exchange.Dir, s *side, scan *headScan) int {
	m := s.msg
	h := m.Head
	s.framing, s.eatCR = framing{}, false
	m.Headers = m.Headers[:0]
	m.ContentType, m.ContentEncoding = "", ""
	if scan == nil {
		scan = new(headScan)
		scan.run(h[:min(len(h), math.MaxUint16)])
	}
	p := headParser{c: c, s: s, text: scan.ascii && scan.end == len(h)}
	before := s.pair.Anomalies
	n := len(h)
	if !p.plainHead(d, h, scan) {
		s.pair.Anomalies = before
		m.HeadEscaped = false
		m.Headers = m.Headers[:0]
		m.ContentType, m.ContentEncoding = "", ""
		s.framing = framing{}
		if d == exchange.ToServer {
			s.pair.Request.Forget()
			s.meta.websocket, s.meta.upgrade = false, false
		} else {
			s.pair.Response.Version, s.pair.Response.Reason, s.pair.Response.Status = "", "", 0
		}
		p = headParser{c: c, s: s, text: p.text}
		n = p.oddHead(d, h)
	}
	if d == exchange.ToServer && !c.env.Counting {
		c.derive(&s.pair.Request, s.pair)
	}
	return n
}

// plainHead reads a head as nearly all are: lines of name, colon and value that end in
// CRLF, without other control bytes than tabs. It reports whether h is one.
func (p *headParser) plainHead(d exchange.Dir, h []byte, scan *headScan) bool {
	if scan.end != len(h) || scan.lines < 2 || scan.lines > scanLines || !scan.ascii && bytes.IndexByte(h, 0x7f) >= 0 {
		return false
	}
	n := int(scan.lf[0]) + 1
	if n < 2 || h[n-2] != '\r' {
		return false
	}
	if d == exchange.ToServer {
		if p.requestLine(h[:n-2]); p.s.pair.Request.Version == "HTTP/0.9" {
			return false
		}
	} else {
		p.statusLine(h[:n-2])
		if p.s.pair.Anomalies.Has(exchange.AnomalyBadStatusLine) {
			return false
		}
	}
	if m := p.s.msg; m.Headers == nil {
		m.Headers = make([]exchange.Header, 0, usualFields)
	}
	for _, lf := range scan.lf[1 : scan.lines-1] {
		end := int(lf) + 1
		if !p.plainField(h[n:end]) {
			return false
		}
		n = end
	}
	// The last line is empty: none is folded, and behind the others nothing hides.
	return scan.low == 2*scan.lines || scan.low == 2*scan.lines+bytes.Count(h, tab)
}

// usualFields is for how many fields there is room at once.
const usualFields = 16

var tab = []byte{'\t'}

// plainField stores a field whose line is as nearly all are: name, colon, value, CRLF,
// not folded. It reports whether it is one.
func (p *headParser) plainField(line []byte) bool {
	n := len(line) - 2
	if n < 2 || line[n] != '\r' {
		return false
	}
	i := nameEnd(line)
	if i == 0 || line[i] != ':' {
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

// headParser reads the lines of one head. Strings point into the head where its
// bytes are valid UTF-8, and are escaped copies where not.
type headParser struct {
	c    *Conn
	s    *side
	text bool // all of the head is ASCII

	fields int // seen

	loose bool // something in the head is odd: names and values may hide behind bytes that some readers do not see

	half        []byte // a line without a colon, which may be on the next
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
	if p.loose {
		p.notice(visible(name), bytes.Trim(value, " \t\r\v\f\x00"))
	} else {
		p.notice(name, value)
	}
	if p.fields++; p.fields > p.c.env.Limits.Fields {
		p.add(exchange.AnomalyHeadLimit)
		return
	}
	if p.c.env.Counting && p.text && !leads(name) {
		return
	}
	m.Headers = append(m.Headers, exchange.Header{Name: p.str(name), Value: p.str(value)})
}

// leads reports whether the fields of that name say what a connection goes on with.
func leads(name []byte) bool {
	const socket = "sec-websocket-"
	return len(name) == len("upgrade") || len(name) > len(socket) && same(name[:len(socket)], socket)
}

// notice acts on fields that say something about the message.
func (p *headParser) notice(name, value []byte) {
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
			if p.s.msg == &p.s.pair.Request.Message {
				p.s.meta.upgrade = true
			}
			if same(value, "websocket") {
				p.s.meta.websocket = true
			}
		}
	case 12:
		if same(name, "content-type") && m.ContentType == "" {
			m.ContentType = p.str(value)
		}
	case 13:
		if same(name, "contentlength") && p.loose { // a blank was between the words
			p.likeLength(value)
		}
	case 14:
		if same(name, "content-length") {
			p.contentLength(value)
		} else if alike(name, "content-length") {
			p.likeLength(value)
		}
	case 16:
		if same(name, "content-encoding") {
			p.contentEncoding(value)
		}
	case 17:
		if same(name, "transfer-encoding") {
			p.transferEncoding(value)
		} else if alike(name, "transfer-encoding") && bytes.Contains(squeezed(value), []byte("chunked")) {
			f.hidden = true
		}
	}
}

// alike reports whether name is want but for the byte between its words: servers that hand
// fields on as variables, in the manner of CGI (RFC 3875, section 4.1.18), write that as an
// underscore, and those behind them take the one name for the other.
func alike(name []byte, want string) bool {
	if name[0]|0x20 != want[0] || len(name) != len(want) {
		return false
	}
	i := strings.IndexByte(want, '-')
	return !isAlpha(name[i]) && !isDigit(name[i]) && same(name[:i], want[:i]) && same(name[i+1:], want[i+1:])
}

func (p *headParser) contentEncoding(value []byte) {
	m := p.s.msg
	if bytes.Contains(squeezed(value), []byte("chunked")) { // meant for Transfer-Encoding
		p.s.framing.hidden = true
	}
	m.ContentEncoding = app.AddCoding(m.ContentEncoding, p.str(value))
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
