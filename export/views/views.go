// Package views writes pairs as the JSON lines of other tools and schemas: Zeek's
// http.log, Suricata's EVE, the Elastic Common Schema, and OCSF. One file to each.
//
// A view says what its format has fields for, and leaves a field out where the
// capture does not tell its value. What recap knows beside that stands in an object
// called recap, with the names of [export.PairSchema]: the state, the anomalies, the
// packets, holes, hashes. Bodies are in no view, headers in those that have a place for
// them.
package views

import (
	"io"
	"strconv"
	"strings"

	"recap/export"
	"recap/export/jsonl"
	"recap/pipeline/exchange"
)

// A view makes lines. It implements [jsonl.Rows].
type view struct {
	jsonl.Object
	facts *jsonl.Facts
	fill  func(v *view, p *exchange.Pair)
	conn  *exchange.Conn
	heads heads
	text  []byte // for strings that are made up on the spot
}

// mapped are the fields of the record that every view has a place for, and the bulky
// ones that are in none but where the format has one.
func mapped() []string {
	return []string{
		"client.ip", "client.port", "server.ip", "server.port",
		"request.time", "request.end_time", "request.method", "request.scheme", "request.host", "request.path", "request.query", "request.url",
		"request.headers", "request.body", "request.alt_framing.body",
		"response.time", "response.end_time", "response.status",
		"response.headers", "response.body", "response.alt_framing.body", "response.interim.time",
	}
}

// newSink returns a sink of lines that fill writes. The fields called own have a
// place of their own in the format.
func newSink(w io.Writer, o export.Options, fill func(*view, *exchange.Pair), own ...string) export.Sink {
	left := append(mapped(), own...)
	v := &view{fill: fill, facts: jsonl.NewFacts("", export.Without(export.PairSchema(), left...))}
	return jsonl.NewSink(w, o, jsonl.Lines(), v)
}

// Append implements [jsonl.Rows].
func (v *view) Append(dst []byte, p *exchange.Pair) []byte {
	if v.conn = p.Conn; v.conn == nil {
		v.conn = &exchange.Conn{}
	}
	v.heads.read(p)
	v.Begin(dst)
	v.fill(v, p)
	return v.End()
}

// Release implements [jsonl.Rows].
func (v *view) Release() {
	v.facts.Release()
	v.heads, v.conn = heads{}, nil
}

// recap writes what the format has no field for.
func (v *view) recap(p *exchange.Pair) {
	v.Open("recap")
	v.Add(v.facts, p)
	v.CloseAny()
}

// headers writes the fields of a message; nothing for one without any.
func (v *view) headers(name string, m *exchange.Message) {
	if len(m.Headers) > 0 {
		v.Headers(name, m.Headers)
	}
}

// heads are the values of some header fields, the first of each name.
type heads struct {
	host, agent, referer, origin, forwarded string // of the request
	location                                string // of the response
}

func (h *heads) read(p *exchange.Pair) {
	*h = heads{}
	for i := range p.Request.Headers {
		f := &p.Request.Headers[i]
		switch len(f.Name) { // a cheap no for nearly all
		case len("host"):
			first(&h.host, f, "host")
		case len("origin"):
			first(&h.origin, f, "origin")
		case len("referer"):
			first(&h.referer, f, "referer")
		case len("user-agent"):
			first(&h.agent, f, "user-agent")
		case len("x-forwarded-for"):
			first(&h.forwarded, f, "x-forwarded-for")
		}
	}
	for i := range p.Response.Headers {
		if f := &p.Response.Headers[i]; len(f.Name) == len("location") {
			first(&h.location, f, "location")
		}
	}
}

func first(to *string, f *exchange.Header, name string) {
	if *to == "" && strings.EqualFold(f.Name, name) {
		*to = f.Value
	}
}

// began returns when the first byte of the pair was seen that tells of its request:
// that of the request, or of the response where the request is not in the capture.
func began(p *exchange.Pair) int64 {
	switch {
	case p.Request.Present:
		return p.Request.TimeNS
	case p.Response.Present:
		return p.Response.TimeNS
	}
	return exchange.NoTime
}

// ended returns when the last byte of the pair was seen.
func ended(p *exchange.Pair) int64 {
	end := int64(exchange.NoTime)
	if p.Request.Present {
		end = p.Request.EndTimeNS
	}
	if p.Response.Present {
		end = max(end, p.Response.EndTimeNS)
	}
	return end
}

// number returns the number in a version of HTTP.
func number(version string) string { return strings.TrimPrefix(version, "HTTP/") }

// transport is what carries a pair: HTTP/3 comes over QUIC only, the rest over TCP.
func transport(p *exchange.Pair) string {
	if p.Protocol == "HTTP/3" {
		return "udp"
	}
	return "tcp"
}

// splitHost takes the port off a host. An IPv6 address keeps its brackets. The port
// is 0 where there is none, and where what stands there is none.
func splitHost(host string) (name string, port int64) {
	i := strings.LastIndexByte(host, ':')
	if i < 0 || strings.IndexByte(host, ':') != i && (i == 0 || host[i-1] != ']') {
		return host, 0
	}
	n, err := strconv.ParseUint(host[i+1:], 10, 16)
	if err != nil || n == 0 {
		return host, 0
	}
	return host[:i], int64(n)
}

// mediaType returns a Content-Type without its parameters.
func mediaType(contentType string) string {
	t, _, _ := strings.Cut(contentType, ";")
	return strings.TrimSpace(t)
}
