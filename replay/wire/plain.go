package wire

import (
	"bytes"
	"errors"
	"strings"

	"recap/pipeline/exchange"
)

// ErrHead is for a message whose head would be read as something else once it stands in
// lines: a field of HTTP/2 may hold a line break, and with it another field, or a whole
// request. Heads that are stored as they were captured go out as they are.
var ErrHead = errors.New("lines of HTTP/1.1 cannot hold its head")

// plain reports whether the messages of p that go out can be written in lines.
func plain(p *exchange.Pair) bool {
	q, r := &p.Request, &p.Response
	if q.Present && !plainRequest(q) {
		return false
	}
	return !r.Present || plainResponse(r)
}

func plainRequest(q *exchange.Request) bool {
	if !plainList(q.Trailers, false) {
		return false
	}
	if _, _, ok := rawHead(&q.Message); ok {
		return true
	}
	lines := inLines(&q.Message)
	return q.Method != "" && plainWord(q.Method, lines) && plainWord(q.Target, lines) && plainText(q.Host) && plainList(q.Headers, lines)
}

func plainResponse(r *exchange.Response) bool {
	for i := range r.Interim {
		if !plainList(r.Interim[i].Headers, false) {
			return false
		}
	}
	if !plainList(r.Trailers, false) {
		return false
	}
	if _, _, ok := rawHead(&r.Message); ok {
		return true
	}
	return plainText(r.Reason) && plainList(r.Headers, inLines(&r.Message))
}

// inLines reports whether m stood in lines when it was captured: what is odd about it
// then, but for line breaks, its receiver has read as well.
func inLines(m *exchange.Message) bool { return strings.HasPrefix(m.Version, "HTTP/1.") }

// rawHead returns where the first line and the fields of a head end that is stored as it
// was captured; false where there is none.
func rawHead(m *exchange.Message) (line, fields int, ok bool) {
	line, fields = bytes.IndexByte(m.Head, '\n')+1, headEnd(m.Head)
	return line, fields, inLines(m) && fields >= line && line > 0
}

// plainText reports whether s breaks no line, but to fold it (RFC 9112, section 5.2).
func plainText(s string) bool {
	for {
		i := strings.IndexByte(s, '\n')
		if i < 0 {
			return true
		}
		if s = s[i+1:]; s == "" || s[0] != ' ' && s[0] != '\t' {
			return false
		}
	}
}

// plainWord is for what stands in the first line, between spaces.
func plainWord(s string, inLines bool) bool {
	for i := range len(s) {
		if c := s[i]; c == '\n' || c == '\r' || !inLines && (c <= ' ' || c == 0x7f) {
			return false
		}
	}
	return true
}

func plainList(list []exchange.Header, inLines bool) bool {
	for i := range list {
		name, value := list[i].Name, list[i].Value
		if !plainText(value) || strings.IndexByte(name, '\n') >= 0 {
			return false
		}
		if !inLines && (!plainName(name) || strings.IndexByte(value, '\r') >= 0 || strings.IndexByte(value, 0) >= 0) {
			return false
		}
	}
	return true
}

// plainName is for names outside HTTP/1.x, where a pseudo field begins with a colon.
func plainName(name string) bool {
	name = strings.TrimPrefix(name, ":")
	return name != "" && plainWord(name, false) && strings.IndexByte(name, ':') < 0
}
