package wire

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"
	"unsafe"

	"recap/pipeline/exchange"
	"recap/reader/packet/checksum"
	"recap/replay"
)

// A message is one side of an exchange as it goes out: head, body, tail. Head and
// tail stand in the talk's buffer, the body in the pair.
type message struct {
	head, tail span
	body       []byte
	mark       int // where the marker's value stands in the buffer; 0 for nowhere
	size       int // of all three, bytes
	sent       int
}

type span struct{ from, to int }

// framing is how the end of a body is told.
type framing uint8

const (
	noBody  framing = iota // the head's own fields stay
	silent                 // no body, and no field that speaks of one
	length                 // Content-Length
	chunked                // Transfer-Encoding: chunked
)

// A writer builds the two messages of a pair, one after the other, in one buffer.
type writer struct {
	buf    []byte
	coded  [2][]byte // bodies that were coded again, by exchange.Dir; nil where there are none
	early  bool      // interim responses are written too
	marker []byte    // any value: all have one width; empty for no marker
}

// whole reports, as an error, that a pair cannot be sent as it was.
func whole(p *exchange.Pair) error {
	switch {
	case !p.Request.Present:
		return ErrNoRequest
	case !p.Response.Present:
		return ErrNoResponse
	case p.State != exchange.Complete:
		return ErrNotWhole
	case p.Anomalies.Has(exchange.AnomalyUnknownTE), p.Anomalies.Has(exchange.AnomalyHeadLimit), p.Anomalies.Has(exchange.AnomalyHeaderListLimit):
		return ErrNotStored
	}
	for _, m := range []*exchange.Message{&p.Request.Message, &p.Response.Message} {
		if m.HasBody && int64(len(m.Body)) != m.BodySize || len(m.Gaps) > 0 {
			return ErrNotStored
		}
	}
	if upgradesToHTTP2(p) {
		return ErrUpgrade
	}
	return nil
}

// upgrades reports whether m is about going over to a protocol.
func upgrades(m *exchange.Message, protocol string) bool {
	for i := range m.Headers {
		if strings.EqualFold(m.Headers[i].Name, "upgrade") && has(m.Headers[i].Value, protocol) {
			return true
		}
	}
	return false
}

// request appends the request of p. ends says that nothing may follow it on its
// connection.
func (w *writer) request(p *exchange.Pair) (m message, ends bool) {
	q := &p.Request
	h, content := w.begin(&q.Message, exchange.ToServer)
	f := silent
	switch {
	case h.chunked && h.is11 || len(q.Trailers) > 0 && h.is11:
		f = chunked
	case len(content) > 0 || h.length:
		f = length
	}
	m.head.from = len(w.buf)
	if h.raw {
		w.text(h.start)
	} else {
		w.text(q.Method, " ", target(q), " ", h.version, "\r\n")
	}
	w.fields(&h, f, len(content), !h.raw)
	if !h.raw && !h.host && q.Host != "" {
		w.text("Host: ", q.Host, "\r\n")
	}
	w.end(&m, f, content, q.Trailers)
	return m, h.close || q.Method == "CONNECT"
}

// target is the target of a request line.
func target(q *exchange.Request) string {
	if q.Target == "" {
		return "/"
	}
	return q.Target
}

// response appends the response of p.
func (w *writer) response(p *exchange.Pair) (m message, ends bool) {
	r := &p.Response
	h, content := w.begin(&r.Message, exchange.ToClient)
	var f framing
	body := len(content)
	tunnel := p.Request.Method == "CONNECT" && r.Status/100 == 2
	switch {
	case p.Request.Method == "HEAD", tunnel:
		f, ends, body = silent, true, 0
	case r.Status/100 == 1, r.Status == 204, r.Status == 304:
		f, ends, body = noBody, r.Status/100 == 1, 0
	case h.is11 && (h.chunked || !h.length || len(r.Trailers) > 0):
		f = chunked
	default:
		f = length
	}
	if f == chunked && body == 0 && !h.chunked && len(r.Trailers) == 0 {
		f = length // closed without a byte
	}
	m.head.from = len(w.buf)
	if w.early && h.is11 {
		for i := range r.Interim {
			w.interim(&r.Interim[i])
		}
	}
	if h.raw {
		w.text(h.start)
	} else {
		w.status(r, h.version)
	}
	w.fields(&h, f, body, false)
	w.end(&m, f, content[:body], r.Trailers)
	return m, ends || h.close
}

// interim appends a 1xx response.
func (w *writer) interim(r *exchange.Interim) {
	w.text("HTTP/1.1 ", strconv.Itoa(int(r.Status)), " ", http.StatusText(int(r.Status)), "\r\n")
	for i := range r.Headers {
		if h := &r.Headers[i]; !strings.HasPrefix(h.Name, ":") {
			w.text(h.Name, ": ", h.Value, "\r\n")
		}
	}
	w.text("\r\n")
}

func (w *writer) status(r *exchange.Response, version string) {
	status, reason := int(r.Status), r.Reason
	if status == 0 {
		status = 200 // HTTP/0.9 has no status line, and only success
	}
	if reason == "" {
		reason = http.StatusText(status)
	}
	w.text(version, " ", strconv.Itoa(status), " ", reason, "\r\n")
}

// A head is what is known of a message's head before it is written again.
type head struct {
	raw     bool   // lines are the head as captured; else list are its fields
	start   string // first line with its end
	lines   string // the rest
	list    []exchange.Header
	version string
	is11    bool
	chunked bool // the body was chunked
	length  bool // there was a Content-Length
	host    bool
	close   bool // the connection ends behind this message
	coded   bool // the body is still coded, so Content-Encoding stays
}

// begin reads the head of m, and returns the body that goes with it.
func (w *writer) begin(m *exchange.Message, d exchange.Dir) (h head, body []byte) {
	h.version = m.Version
	if !inLines(m) {
		h.version = "HTTP/1.1"
		if m.Version == "HTTP/0.9" {
			h.version = "HTTP/1.0"
		}
	}
	h.is11 = h.version != "HTTP/1.0"
	if i, n, ok := rawHead(m); ok {
		// The text is used only until the head is written again.
		h.raw, h.start, h.lines = true, unsafe.String(&m.Head[0], i), unsafe.String(&m.Head[0], n)[i:]
	} else {
		h.list = m.Headers
	}
	h.coded, body = asSent(m), m.Body
	if b := w.coded[d]; b != nil {
		h.coded, body = true, b
	}
	keep := false
	for name, value := range h.each() {
		switch {
		case is(name, "transfer-encoding"):
			h.chunked = h.chunked || has(value, "chunked")
		case is(name, "content-length"):
			h.length = true
		case is(name, "host"):
			h.host = true
		case is(name, "connection"):
			h.close = h.close || has(value, "close")
			keep = keep || has(value, "keep-alive")
		}
	}
	h.close = h.close || !h.is11 && !keep
	return h, body
}

// headEnd returns the length of a raw head without the empty line at its end, 0 where
// that is missing or not the first.
func headEnd(b []byte) int {
	for i := 0; ; {
		n := bytes.IndexByte(b[i:], '\n')
		if n < 0 {
			return 0
		}
		i += n + 1
		switch rest := b[i:]; {
		case len(rest) > 0 && rest[0] == '\n':
			return end(i, len(rest) == 1)
		case len(rest) > 1 && rest[0] == '\r' && rest[1] == '\n':
			return end(i, len(rest) == 2)
		}
	}
}

func end(i int, last bool) int {
	if last {
		return i
	}
	return 0
}

// asSent reports whether the stored body is still content-coded: decoding was left
// out, or nothing came of it.
func asSent(m *exchange.Message) bool {
	if m.ContentEncoding == "" || m.BodySize != m.BodyWireSize {
		return false
	}
	if len(m.Body) == 0 {
		return true // of nothing, either is true
	}
	for _, magic := range []string{"\x1f\x8b", "\x28\xb5\x2f\xfd", "\x78\x01", "\x78\x9c", "\x78\xda"} {
		if bytes.HasPrefix(m.Body, []byte(magic)) {
			return true
		}
	}
	// Text is not what any coding leaves.
	return bytes.IndexFunc(m.Body[:min(len(m.Body), 64)], func(r rune) bool { return r < 9 || r == 0xfffd }) >= 0
}

// each iterates over the fields; of a folded one it gives the first line.
func (h *head) each() func(yield func(name, value string) bool) {
	return func(yield func(name, value string) bool) {
		for rest := h.lines; len(rest) > 0; {
			var line string
			line, rest = cutField(rest)
			if name, value := cutLine(line); !yield(name, value) {
				return
			}
		}
		for i := range h.list {
			if !yield(h.list[i].Name, h.list[i].Value) {
				return
			}
		}
	}
}

// cutField takes a field with its folded lines (RFC 9112, section 5.2) off b.
func cutField(b string) (field, rest string) {
	n := 0
	for {
		i := strings.IndexByte(b[n:], '\n')
		if i < 0 {
			return b, ""
		}
		n += i + 1
		if n == len(b) || b[n] != ' ' && b[n] != '\t' {
			return b[:n], b[n:]
		}
	}
}

// cutLine divides a field at its colon.
func cutLine(line string) (name, value string) {
	name, value, _ = strings.Cut(line, ":")
	return strings.TrimSpace(name), strings.TrimSpace(value)
}

func is(name, want string) bool { return len(name) == len(want) && strings.EqualFold(name, want) }

// has reports whether the list of tokens value holds token.
func has(value, token string) bool {
	for t := range strings.SplitSeq(value, ",") {
		if is(strings.TrimSpace(t), token) {
			return true
		}
	}
	return false
}

func (w *writer) text(parts ...string) {
	for _, s := range parts {
		w.buf = append(w.buf, s...)
	}
}

// fields appends the fields of h that stay true for a body of n bytes under f, and
// the one that frames it in the place of the first that did.
func (w *writer) fields(h *head, f framing, n int, joined bool) {
	framed := f <= silent
	frame := func() {
		if framed {
			return
		}
		framed = true
		if f == chunked {
			w.text("Transfer-Encoding: chunked\r\n")
			return
		}
		w.text("Content-Length: ")
		w.buf = strconv.AppendInt(w.buf, int64(n), 10)
		w.text("\r\n")
	}
	// keep tells which fields stay as they are.
	keep := func(name string) bool {
		switch {
		case f != noBody && (is(name, "content-length") || is(name, "transfer-encoding")):
			frame()
			return false
		case is(name, "content-encoding"):
			return h.coded || f <= silent
		case is(name, replay.MarkerHeader):
			return false
		}
		return true
	}
	for rest := h.lines; len(rest) > 0; {
		var field string
		field, rest = cutField(rest)
		if name, _ := cutLine(field); keep(name) {
			w.text(field)
		}
	}
	w.listed(h, keep, joined)
	frame()
}

// listed appends the fields of a head that is not there as it was sent.
func (w *writer) listed(h *head, keep func(string) bool, joined bool) {
	cookies := false
	for i := range h.list {
		e := &h.list[i]
		if strings.HasPrefix(e.Name, ":") {
			if e.Name == ":authority" && !h.host {
				w.text("Host: ", e.Value, "\r\n")
				h.host = true
			}
			continue
		}
		if !keep(e.Name) {
			continue
		}
		if joined && strings.EqualFold(e.Name, "cookie") {
			// HTTP/2 may divide the field; elsewhere it stands once (RFC 9113, section 8.2.3).
			if !cookies {
				w.cookies(h.list)
			}
			cookies = true
			continue
		}
		w.text(e.Name, ": ", e.Value, "\r\n")
	}
}

func (w *writer) cookies(list []exchange.Header) {
	sep := "Cookie: "
	for i := range list {
		if strings.EqualFold(list[i].Name, "cookie") {
			w.text(sep, list[i].Value)
			sep = "; "
		}
	}
	w.text("\r\n")
}

// end appends the marker and what stands around the body.
func (w *writer) end(m *message, f framing, body []byte, trailers []exchange.Header) {
	if len(w.marker) > 0 {
		w.text(replay.MarkerHeader, ": ")
		m.mark = len(w.buf)
		w.buf = append(w.buf, w.marker...)
		w.text("\r\n")
	}
	w.text("\r\n")
	m.body = nil
	if f >= length {
		m.body = body
	}
	if f == chunked && len(m.body) > 0 {
		w.buf = strconv.AppendInt(w.buf, int64(len(m.body)), 16)
		w.text("\r\n")
	}
	m.head.to = len(w.buf)
	m.tail.from = len(w.buf)
	if f == chunked {
		if len(m.body) > 0 {
			w.text("\r\n")
		}
		w.text("0\r\n")
		for i := range trailers {
			w.text(trailers[i].Name, ": ", trailers[i].Value, "\r\n")
		}
		w.text("\r\n")
	}
	m.tail.to = len(w.buf)
	m.size = m.head.to - m.head.from + len(m.body) + m.tail.to - m.tail.from
}

// copyTo copies the len(dst) bytes of m from offset off on to dst, and returns their sum.
func (m *message) copyTo(dst, buf []byte, off int) (s uint64) {
	done := 0
	for _, part := range [...][]byte{buf[m.head.from:m.head.to], m.body, buf[m.tail.from:m.tail.to]} {
		if off >= len(part) {
			off -= len(part)
			continue
		}
		part = part[off:min(len(part), off+len(dst)-done)]
		p := copySum(dst[done:], part)
		if done&1 == 1 {
			p = shifted(p)
		}
		s = checksum.Add(s, p)
		done, off = done+len(part), 0
		if done == len(dst) {
			break
		}
	}
	return s
}
