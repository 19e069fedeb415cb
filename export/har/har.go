// Package har writes pairs as an HTTP Archive, version 1.2: one object that holds one
// entry to a pair, in the order of the other outputs, each on a line of its own.
//
// Where the format wants a value that the capture does not tell, it is the format's
// own word for that: -1 for sizes and timings, empty text, status 0. What the format
// has no field for stands beside its fields, under the names of [export.PairSchema]
// with an underscore in front; a message that is not in the capture has _absent.
// Strings, headers and the parts of query strings and cookies are as sent.
package har

import (
	"io"

	"recap/export"
	"recap/export/jsonl"
	"recap/pipeline/exchange"
)

// formatVersion counts the changes of what is written beside the format's own
// fields. It is not the version of the tool: the file depends on the pairs alone.
const formatVersion = "1"

// New returns a sink that writes to w.
func New(w io.Writer, o export.Options) export.Sink {
	return jsonl.NewSink(w, o, jsonl.Frame{
		Head:   `{"log":{"version":"1.2","creator":{"name":"recap","version":"` + formatVersion + `"},"entries":[` + "\n",
		Before: ",\n",
		Tail:   "\n]}}\n",
	}, newArchive())
}

// An archive makes entries. It implements [jsonl.Rows].
type archive struct {
	jsonl.Object
	pair, request, response *jsonl.Facts
	conn                    *exchange.Conn
}

func newArchive() *archive {
	// These have a field of the format's own.
	schema := export.Without(export.PairSchema(),
		"request.time", "request.end_time", "request.version", "request.method", "request.url", "request.headers",
		"request.content_type", "request.body", "request.body_wire_size",
		"response.time", "response.end_time", "response.version", "response.status", "response.reason", "response.headers",
		"response.content_type", "response.body", "response.body_size", "response.body_wire_size", "response.interim.time")
	return &archive{
		pair:     jsonl.NewFacts("_", export.Without(schema, "request", "response", "flow_id")),
		request:  jsonl.FactsOf("_", export.Only(schema, "request")),
		response: jsonl.FactsOf("_", export.Only(schema, "response")),
	}
}

// Append implements [jsonl.Rows].
func (a *archive) Append(dst []byte, p *exchange.Pair) []byte {
	if a.conn = p.Conn; a.conn == nil {
		a.conn = &exchange.Conn{}
	}
	a.Begin(dst)
	a.started(p)
	t := timingsOf(p)
	a.Decimal("time", t.total(), 6)
	a.writeRequest(p)
	a.writeResponse(p)
	a.Raw("cache", "{}")
	a.writeTimings(t)
	a.Addr("serverIPAddress", a.conn.Server.IP)
	a.ID("connection", a.conn.ID)
	a.Add(a.pair, p)
	return a.End()
}

// Release implements [jsonl.Rows].
func (a *archive) Release() {
	a.pair.Release()
	a.request.Release()
	a.response.Release()
	a.conn = nil
}

// unknownTime is written where the format wants a time and there is none. Readers
// that know of none take it for the year 1, not for a time in the capture.
const unknownTime = `"0001-01-01T00:00:00.000Z"`

// started writes when the first byte of the request was seen; of the response, where
// the request is not in the capture.
func (a *archive) started(p *exchange.Pair) {
	at := int64(exchange.NoTime)
	switch {
	case p.Request.Present:
		at = p.Request.TimeNS
	case p.Response.Present:
		at = p.Response.TimeNS
	}
	if at == exchange.NoTime {
		a.Raw("startedDateTime", unknownTime)
		return
	}
	a.Time("startedDateTime", at)
}

func (a *archive) writeRequest(p *exchange.Pair) {
	q := &p.Request
	a.Open("request")
	a.Text("method", q.Method)
	u := q.URL
	if u == "" { // of CONNECT, and of OPTIONS with an asterisk
		u = q.Target
	}
	a.Text("url", u)
	a.Text("httpVersion", q.Version)
	a.cookies(q.Headers)
	a.Headers("headers", q.Headers)
	a.query(q.Query)
	a.postData(&q.Message)
	a.sizes(&q.Message)
	a.True("_absent", !q.Present)
	a.True("_no_url", q.Present && q.URL == "")
	a.Add(a.request, p)
	a.Close()
}

func (a *archive) writeResponse(p *exchange.Pair) {
	s := &p.Response
	a.Open("response")
	a.Int("status", int64(s.Status))
	a.Text("statusText", s.Reason)
	a.Text("httpVersion", s.Version)
	a.setCookies(s.Headers)
	a.Headers("headers", s.Headers)
	a.content(&s.Message)
	a.Text("redirectURL", location(s.Headers))
	a.sizes(&s.Message)
	a.True("_absent", !s.Present)
	a.Add(a.response, p)
	a.Close()
}

// sizes writes how many bytes head and body had on the wire, -1 where that is not known:
// HTTP/2 and HTTP/3 compress heads.
func (a *archive) sizes(m *exchange.Message) {
	head, body := int64(-1), int64(-1)
	if len(m.Head) > 0 {
		head = int64(len(m.Head))
	}
	if m.Present {
		body = m.BodyWireSize
	}
	a.Int("headersSize", head)
	a.Int("bodySize", body)
}

// postData writes the stored part of a request's body. The format has text only here;
// what is not is base64, and _encoding says so.
func (a *archive) postData(m *exchange.Message) {
	if !m.HasBody {
		return
	}
	a.Open("postData")
	a.Text("mimeType", m.ContentType)
	if encoding := a.Body("text", m.Body); encoding != "utf8" {
		a.Text("_encoding", encoding)
	}
	a.Close()
}

// content writes the stored part of a response's body.
func (a *archive) content(m *exchange.Message) {
	a.Open("content")
	size := int64(-1)
	if m.Present {
		size = m.BodySize
	}
	a.Int("size", size)
	if m.Present && m.BodySize != m.BodyWireSize {
		a.Int("compression", m.BodySize-m.BodyWireSize)
	}
	a.Text("mimeType", m.ContentType)
	if m.HasBody {
		if encoding := a.Body("text", m.Body); encoding != "utf8" {
			a.Text("encoding", encoding)
		}
	}
	a.Close()
}

// timings are the parts of an entry's time in nanoseconds, -1 where not known.
type timings struct{ send, wait, receive int64 }

func timingsOf(p *exchange.Pair) timings {
	t := timings{-1, -1, -1}
	q, s := &p.Request, &p.Response
	if q.Present {
		t.send = span(q.TimeNS, q.EndTimeNS)
	}
	if q.Present && s.Present && p.LatencyNS != exchange.NoTime {
		t.wait = max(p.LatencyNS, 0) // a response that came early was not waited for
	}
	if s.Present {
		t.receive = span(s.TimeNS, s.EndTimeNS)
	}
	return t
}

// span returns how long after from to is; -1 where one of them is not known, or the
// clock went back.
func span(from, to int64) int64 {
	if from == exchange.NoTime || to == exchange.NoTime || to < from || to-from < 0 {
		return -1
	}
	return to - from
}

// total is the sum of what is known, as the format wants it.
func (t timings) total() int64 {
	sum := int64(0)
	for _, v := range []int64{t.send, t.wait, t.receive} {
		if v > 0 && sum+v > sum {
			sum += v
		}
	}
	return sum
}

func (a *archive) writeTimings(t timings) {
	a.Open("timings")
	a.millis("send", t.send)
	a.millis("wait", t.wait)
	a.millis("receive", t.receive)
	a.Close()
}

func (a *archive) millis(name string, ns int64) {
	if ns < 0 {
		a.Raw(name, "-1")
		return
	}
	a.Decimal(name, ns, 6)
}
