package views

import (
	"bytes"
	"encoding/base64"
	"io"
	"strings"

	"recap/export"
	"recap/pipeline/exchange"
)

// NewZeek returns a sink of lines like those of Zeek's http.log, written as JSON.
//
// Other than Zeek, it gives uri as sent, not unescaped; the MIME types are the ones
// declared, not found in the content; and there are no passwords and no file ids.
func NewZeek(w io.Writer, o export.Options) export.Sink {
	return newSink(w, o, zeek, "flow_id", "request.target", "response.reason")
}

func zeek(v *view, p *exchange.Pair) {
	q, s := &p.Request, &p.Response
	if at := began(p); at != exchange.NoTime {
		v.Decimal("ts", export.Micros(at), 6)
	}
	v.ID("uid", v.conn.ID)
	v.Addr("id.orig_h", v.conn.Client.IP)
	v.Int("id.orig_p", int64(v.conn.Client.Port))
	v.Addr("id.resp_h", v.conn.Server.IP)
	v.Int("id.resp_p", int64(v.conn.Server.Port))
	v.Int("trans_depth", int64(p.Ordinal)+1)
	if q.Present {
		v.Str("method", q.Method)
		if v.heads.host == "" {
			v.heads.host = q.Host // :authority, or of the target
		}
		v.Str("host", v.heads.host)
		v.Str("uri", q.Target)
		v.Str("referrer", v.heads.referer)
	}
	switch {
	case s.Present:
		v.Str("version", number(s.Version))
	case q.Present:
		v.Str("version", number(q.Version))
	}
	v.Str("user_agent", v.heads.agent)
	v.Str("origin", v.heads.origin)
	if q.Present {
		v.Int("request_body_len", q.BodySize)
	}
	if s.Present {
		v.Int("response_body_len", s.BodySize)
		if s.Status != 0 {
			v.Int("status_code", int64(s.Status))
		}
		v.Str("status_msg", s.Reason)
	}
	if n := len(s.Interim); n > 0 {
		v.Int("info_code", int64(s.Interim[n-1].Status))
	}
	v.Raw("tags", "[]")
	v.username(q.Headers)
	v.proxied(q.Headers)
	v.mime("orig_mime_types", &q.Message)
	v.mime("resp_mime_types", &s.Message)
	v.recap(p)
}

// username writes the name of basic authentication (RFC 7617, section 2), and never
// the password behind it.
func (v *view) username(list []exchange.Header) {
	for _, h := range list {
		if !strings.EqualFold(h.Name, "authorization") && !strings.EqualFold(h.Name, "proxy-authorization") {
			continue
		}
		scheme, credentials, _ := strings.Cut(h.Value, " ")
		if !strings.EqualFold(scheme, "basic") {
			continue
		}
		v.text = append(v.text[:0], strings.TrimSpace(credentials)...)
		n, err := base64.StdEncoding.Decode(v.text, v.text)
		if name, _, ok := bytes.Cut(v.text[:n], []byte(":")); ok && err == nil {
			v.Bytes("username", name)
			return
		}
	}
}

var proxyHeaders = [...]string{"FORWARDED", "X-FORWARDED-FOR", "X-FORWARDED-FROM", "CLIENT-IP", "VIA", "XROXY-CONNECTION", "PROXY-CONNECTION"}

// proxyHeader returns the name in capitals of a field that says that the request came
// through a proxy, as Zeek has it; "" for others.
func proxyHeader(name string) string {
	for _, s := range proxyHeaders {
		if len(s) == len(name) && strings.EqualFold(s, name) {
			return s
		}
	}
	return ""
}

func (v *view) proxied(list []exchange.Header) {
	v.OpenList("proxied")
	for _, h := range list {
		if name := proxyHeader(h.Name); name != "" {
			v.text = append(append(append(v.text[:0], name...), " -> "...), h.Value...)
			v.Bytes("", v.text)
		}
	}
	v.CloseAny()
}

// mime writes the media type that a message declares for its body.
func (v *view) mime(name string, m *exchange.Message) {
	v.OpenList(name)
	if m.BodySize > 0 {
		v.Str("", mediaType(m.ContentType))
	}
	v.CloseAny()
}
