// Package source reads pairs out of files that other tools write: HAR 1.2 and .gor.
package source

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"recap/pipeline/exchange"
)

// HAR gives the entries of an HTTP Archive (version 1.2) in the order of the file, one
// at a time: the file may be larger than memory. A HAR holds bodies after content
// decoding, as pairs do.
func HAR(ctx context.Context, r io.Reader) iter.Seq2[*exchange.Pair, error] {
	return func(yield func(*exchange.Pair, error) bool) {
		d := json.NewDecoder(r)
		err := enter(d, "log", "entries")
		for n := int64(1); err == nil && d.More() && ctx.Err() == nil; n++ {
			var e harEntry
			if err = d.Decode(&e); err != nil {
				err = fmt.Errorf("entry %d: %w", n, err)
				break
			}
			p, perr := e.pair(n)
			if perr != nil {
				err = fmt.Errorf("entry %d: %w", n, perr)
				break
			}
			if !yield(p, nil) {
				return
			}
		}
		if err == nil && ctx.Err() == nil {
			_, err = d.Token() // the end of the list: a file that is cut has none
		}
		if err == nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			yield(nil, err)
		}
	}
}

// enter reads up to the first element of the list below these names.
func enter(d *json.Decoder, names ...string) error {
	for _, name := range names {
		if err := want(d, '{', "an object with "+name); err != nil {
			return err
		}
		for {
			t, err := d.Token()
			if err != nil {
				return err
			}
			if t == json.Delim('}') {
				return fmt.Errorf("no HAR: there is no %s", strings.Join(names, "."))
			}
			if t == name {
				break
			}
			var skip json.RawMessage
			if err := d.Decode(&skip); err != nil {
				return err
			}
		}
	}
	return want(d, '[', "a list of entries")
}

func want(d *json.Decoder, delim json.Delim, what string) error {
	t, err := d.Token()
	if err == nil && t != delim {
		err = fmt.Errorf("no HAR: %v where %s should be", t, what)
	}
	return err
}

type harEntry struct {
	Started    harTime     `json:"startedDateTime"`
	Request    harRequest  `json:"request"`
	Response   harResponse `json:"response"`
	Timings    harTimings  `json:"timings"`
	ServerIP   string      `json:"serverIPAddress"`
	Connection harName     `json:"connection"`
	harExtras
}

type harHeader struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type harRequest struct {
	Method   string      `json:"method"`
	URL      string      `json:"url"`
	Version  string      `json:"httpVersion"`
	Headers  []harHeader `json:"headers"`
	PostData *struct {
		MIME     string      `json:"mimeType"`
		Text     string      `json:"text"`
		Encoding string      `json:"_encoding"`
		Standard string      `json:"encoding"`
		Params   []harHeader `json:"params"`
	} `json:"postData"`
	BodySize harNumber `json:"bodySize"`
	harMessage
	harTarget
}

type harResponse struct {
	Status  harNumber   `json:"status"`
	Reason  string      `json:"statusText"`
	Version string      `json:"httpVersion"`
	Headers []harHeader `json:"headers"`
	Content struct {
		Size        harNumber `json:"size"`
		Compression harNumber `json:"compression"`
		MIME        string    `json:"mimeType"`
		Text        *string   `json:"text"`
		Encoding    string    `json:"encoding"`
	} `json:"content"`
	BodySize harNumber    `json:"bodySize"`
	Interim  []harInterim `json:"_interim"`
	harMessage
}

// harTimings are ms, -1 where they do not apply.
type harTimings struct {
	Blocked harMillis `json:"blocked"`
	DNS     harMillis `json:"dns"`
	Connect harMillis `json:"connect"`
	Send    harMillis `json:"send"`
	Wait    harMillis `json:"wait"`
	Receive harMillis `json:"receive"`
}

// millis returns ms as nanoseconds; 0 for what does not apply or cannot be.
func millis(ms harMillis) int64 {
	if !(ms > 0 && ms < 1e12) {
		return 0
	}
	return int64(ms * 1e6)
}

func (e *harEntry) pair(n int64) (*exchange.Pair, error) {
	if e.harExtras.ID != "" {
		return e.recorded()
	}
	return e.told(n), nil
}

// told returns the pair that an entry without extra fields tells of.
func (e *harEntry) told(n int64) *exchange.Pair {
	u, ok := cutURL(e.Request.Method, e.Request.URL)
	begin := e.Started.UnixNano()
	if e.Started.IsZero() {
		begin = exchange.NoTime
	} else {
		begin += millis(e.Timings.Blocked) + millis(e.Timings.DNS) + millis(e.Timings.Connect)
	}
	at := func(ms ...harMillis) int64 {
		if begin == exchange.NoTime {
			return begin
		}
		sum := begin
		for _, v := range ms {
			sum += millis(v)
		}
		return sum
	}
	t := e.Timings
	p := &exchange.Pair{
		ID: idOf("har pair", strconv.FormatInt(n, 10), e.Request.URL), LatencyNS: exchange.NoTime, DurationNS: exchange.NoTime,
		Protocol: version(e.Request.Version), Kind: "other", FirstPacket: n, LastPacket: n, Completed: n, Conn: e.conn(n, u),
	}
	q := &p.Request
	q.Present, q.TimeNS, q.EndTimeNS, q.Version = true, begin, at(t.Send), p.Protocol
	q.Method, q.Target, q.Scheme, q.Host, q.URL = e.Request.Method, u.target, u.scheme, u.host, e.Request.URL
	q.Path, q.Query, _ = strings.Cut(u.target, "?")
	q.Headers = harHeaders(e.Request.Headers)
	e.Request.body(&q.Message)
	s := &p.Response
	s.Present, s.TimeNS, s.EndTimeNS, s.Version, s.Reason = true, at(t.Send, t.Wait), at(t.Send, t.Wait, t.Receive), version(e.Response.Version), e.Response.Reason
	s.Status, s.Headers = e.Response.Status.code(), harHeaders(e.Response.Headers)
	e.Response.body(&s.Message, q.Method)
	switch {
	case !ok: // nothing that HTTP carries
		p.State, p.Request = exchange.ResponseOnly, exchange.Request{}
	case s.Status <= 0: // blocked, or the connection broke
		p.State, p.Response = exchange.RequestOnly, exchange.Response{}
		return p
	}
	if begin != exchange.NoTime {
		p.LatencyNS, p.DurationNS = millis(t.Wait), s.EndTimeNS-begin
	}
	return p
}

// conn is the connection of an entry: entries that name the same one share it.
func (e *harEntry) conn(n int64, u harURL) *exchange.Conn {
	name := string(e.Connection)
	if name == "" {
		name = "entry " + strconv.FormatInt(n, 10)
	}
	c := &exchange.Conn{ID: idOf("har connection", e.ServerIP, u.host, name)}
	// Chrome writes IPv6 addresses in brackets.
	if a, err := netip.ParseAddr(strings.Trim(e.ServerIP, "[]")); err == nil {
		c.Server.IP = a.Unmap()
	}
	if v, err := strconv.ParseUint(u.port, 10, 16); err == nil {
		c.Server.Port = uint16(v)
	}
	if u.scheme == "https" || u.scheme == "wss" {
		c.TLS = new(exchange.TLS) // of which no more is known
	}
	return c
}

// harHeaders returns the fields of a list. Some tools join fields of one name, a line
// each.
func harHeaders(list []harHeader) []exchange.Header {
	out := make([]exchange.Header, 0, len(list))
	for _, h := range list {
		for value := range strings.SplitSeq(h.Value, "\n") {
			out = append(out, exchange.Header{Name: h.Name, Value: strings.Trim(value, " \t\r")})
		}
	}
	return out
}

func form(params []harHeader) string {
	v := make([]string, len(params))
	for i, p := range params {
		v[i] = url.QueryEscape(p.Name) + "=" + url.QueryEscape(p.Value)
	}
	return strings.Join(v, "&")
}

// version returns the name that pairs use for a version of HTTP.
func version(text string) string {
	switch v := strings.ToUpper(text); v {
	case "H2", "HTTP/2", "HTTP/2.0":
		return "HTTP/2"
	case "H3", "HTTP/3", "HTTP/3.0":
		return "HTTP/3"
	case "HTTP/1.0", "HTTP/0.9":
		return v
	}
	return "HTTP/1.1"
}

// setBody stores a body of which so many bytes there were.
func setBody(m *exchange.Message, body []byte, size int64) {
	m.HasBody = size > 0
	m.Body, m.BodySize, m.BodyWireSize = body, size, size
	if len(body) == 0 {
		m.Body = nil
	} else if int64(len(body)) == size {
		m.Hashed, m.BodySHA256 = true, sha256.Sum256(body)
	}
	m.ContentType, m.ContentEncoding = field(m, "Content-Type"), field(m, "Content-Encoding")
}

func field(m *exchange.Message, name string) string {
	for _, h := range m.Headers {
		if strings.EqualFold(h.Name, name) {
			return h.Value
		}
	}
	return ""
}

// idOf names something for good.
func idOf(parts ...string) (id exchange.ID) {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	copy(id[:], h.Sum(nil))
	return id
}
