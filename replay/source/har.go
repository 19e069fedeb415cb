// Package source reads pairs out of files that other tools write: HAR 1.2 and .gor.
package source

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

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
	Started    time.Time   `json:"startedDateTime"`
	Time       float64     `json:"time"` // ms
	Request    harRequest  `json:"request"`
	Response   harResponse `json:"response"`
	Timings    harTimings  `json:"timings"`
	ServerIP   string      `json:"serverIPAddress"`
	Connection string      `json:"connection"`
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
		Params   []harHeader `json:"params"`
	} `json:"postData"`
	BodySize int64 `json:"bodySize"`
	harMessage
	harTarget
}

type harResponse struct {
	Status  int32       `json:"status"`
	Reason  string      `json:"statusText"`
	Version string      `json:"httpVersion"`
	Headers []harHeader `json:"headers"`
	Content struct {
		Size     int64   `json:"size"`
		MIME     string  `json:"mimeType"`
		Text     *string `json:"text"`
		Encoding string  `json:"encoding"`
	} `json:"content"`
	BodySize int64        `json:"bodySize"`
	Interim  []harInterim `json:"_interim"`
	harMessage
}

// harTimings are ms, -1 where they do not apply.
type harTimings struct {
	Blocked float64 `json:"blocked"`
	DNS     float64 `json:"dns"`
	Connect float64 `json:"connect"`
	Send    float64 `json:"send"`
	Wait    float64 `json:"wait"`
	Receive float64 `json:"receive"`
}

// millis returns ms as nanoseconds; 0 for what does not apply or cannot be.
func millis(ms float64) int64 {
	if !(ms > 0 && ms < 1e12) {
		return 0
	}
	return int64(ms * 1e6)
}

func (e *harEntry) pair(n int64) (*exchange.Pair, error) {
	if e.harExtras.ID != "" {
		return e.recorded()
	}
	u, err := url.Parse(e.Request.URL)
	if err != nil {
		return nil, errors.New("its URL cannot be read") // the text may hold secrets
	}
	begin := e.Started.UnixNano()
	if e.Started.IsZero() {
		begin = exchange.NoTime
	} else {
		begin += millis(e.Timings.Blocked) + millis(e.Timings.DNS) + millis(e.Timings.Connect)
	}
	at := func(ms ...float64) int64 {
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
	q.Method, q.Target, q.Scheme, q.Host, q.Path, q.Query, q.URL = e.Request.Method, u.RequestURI(), u.Scheme, u.Host, u.EscapedPath(), u.RawQuery, e.Request.URL
	q.Headers = harHeaders(e.Request.Headers)
	if d := e.Request.PostData; d != nil {
		text := d.Text
		if text == "" && len(d.Params) > 0 {
			text = form(d.Params)
		}
		setBody(&q.Message, []byte(text), int64(len(text)))
	} else {
		setBody(&q.Message, nil, max(e.Request.BodySize, 0))
	}
	s := &p.Response
	if s.Status = e.Response.Status; s.Status <= 0 { // blocked, or the connection broke
		s.Status, p.State = 0, exchange.RequestOnly
		return p, nil
	}
	s.Present, s.TimeNS, s.EndTimeNS, s.Version, s.Reason = true, at(t.Send, t.Wait), at(t.Send, t.Wait, t.Receive), version(e.Response.Version), e.Response.Reason
	s.Headers = harHeaders(e.Response.Headers)
	var body []byte
	if text := e.Response.Content.Text; text != nil {
		if body, err = harBody(*text, e.Response.Content.Encoding); err != nil {
			return nil, err
		}
	}
	size := int64(len(body))
	if size == 0 {
		size = max(e.Response.Content.Size, 0) // tools leave bodies out and keep the size
	}
	setBody(&s.Message, body, size)
	if begin != exchange.NoTime {
		p.LatencyNS, p.DurationNS = millis(t.Wait), s.EndTimeNS-begin
	}
	return p, nil
}

// conn is the connection of an entry: entries that name the same one share it.
func (e *harEntry) conn(n int64, u *url.URL) *exchange.Conn {
	name := e.Connection
	if name == "" {
		name = "entry " + strconv.FormatInt(n, 10)
	}
	c := &exchange.Conn{ID: idOf("har connection", e.ServerIP, u.Host, name)}
	// Chrome writes IPv6 addresses in brackets.
	if a, err := netip.ParseAddr(strings.Trim(e.ServerIP, "[]")); err == nil {
		c.Server.IP = a.Unmap()
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443", "ws": "80", "wss": "443"}[u.Scheme]
	}
	if v, err := net.LookupPort("tcp", port); err == nil && port != "" && port[0] >= '0' && port[0] <= '9' {
		c.Server.Port = uint16(v)
	}
	return c
}

// harBody returns the bytes of a text, which may be base64.
func harBody(text, encoding string) ([]byte, error) {
	if encoding != "base64" {
		return []byte(text), nil
	}
	body, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("body: %w", err)
	}
	return body, nil
}

func harHeaders(list []harHeader) []exchange.Header {
	out := make([]exchange.Header, 0, len(list))
	for _, h := range list {
		out = append(out, exchange.Header(h))
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
