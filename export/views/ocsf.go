package views

import (
	"io"
	"net/netip"
	"strconv"
	"strings"

	"recap/export"
	"recap/pipeline/exchange"
)

// ocsfVersion is that of the schema; the class is HTTP Activity.
const (
	ocsfVersion = "1.7.0"
	ocsfClass   = 4002
)

// NewOCSF returns a sink of events of the class HTTP Activity of the Open
// Cybersecurity Schema Framework. What recap knows beside them is under unmapped.
func NewOCSF(w io.Writer, o export.Options) export.Sink {
	return newSink(w, o, ocsf, "id", "flow_id", "community_id", "client.mac", "server.mac", "response.content_type", "response.reason")
}

func ocsf(v *view, p *exchange.Pair) {
	activity := int64(0)
	if p.Request.Present {
		activity = ocsfActivity(p.Request.Method)
	}
	v.Int("activity_id", activity)
	if activity == ocsfOther {
		v.Str("activity_name", p.Request.Method)
	}
	v.Raw("category_uid", "4")
	v.Int("class_uid", ocsfClass)
	v.Int("type_uid", ocsfClass*100+activity)
	v.Raw("severity_id", "1") // informational: recap does not judge
	v.ocsfTimes(p)
	v.ocsfStatus(p)
	v.Open("metadata")
	v.Text("version", ocsfVersion)
	v.Raw("product", `{"name":"recap"}`)
	v.ID("uid", p.ID)
	v.Close()
	v.ocsfEnd("src_endpoint", &v.conn.Client)
	v.ocsfEnd("dst_endpoint", &v.conn.Server)
	v.ocsfConnection(p)
	v.ocsfTLS()
	v.ocsfRequest(&p.Request)
	v.ocsfResponse(p)
	v.Open("unmapped")
	v.recap(p)
	v.CloseAny()
}

const ocsfOther = 99

// ocsfActivity returns the number of a method, which counts case (RFC 9110, section 9.1).
func ocsfActivity(method string) int64 {
	switch method {
	case "CONNECT":
		return 1
	case "DELETE":
		return 2
	case "GET":
		return 3
	case "HEAD":
		return 4
	case "OPTIONS":
		return 5
	case "POST":
		return 6
	case "PUT":
		return 7
	case "TRACE":
		return 8
	case "PATCH":
		return 9
	case "":
		return 0
	}
	return ocsfOther
}

func (v *view) ocsfTimes(p *exchange.Pair) {
	if at := began(p); at != exchange.NoTime {
		v.Int("time", export.Millis(at))
		v.Int("start_time", export.Millis(at))
	}
	if at := ended(p); at != exchange.NoTime {
		v.Int("end_time", export.Millis(at))
	}
	if p.DurationNS != exchange.NoTime {
		v.Int("duration", export.Millis(p.DurationNS))
	}
}

func (v *view) ocsfStatus(p *exchange.Pair) {
	id := int64(0)
	switch outcome(p) {
	case "success":
		id = 1
	case "failure":
		id = 2
	}
	v.Int("status_id", id)
	if s := &p.Response; s.Present && s.Status != 0 {
		v.text = strconv.AppendInt(v.text[:0], int64(s.Status), 10)
		v.Bytes("status_code", v.text)
	}
}

func (v *view) ocsfEnd(name string, e *exchange.Endpoint) {
	if !e.IP.IsValid() {
		return // the schema wants more than a port
	}
	v.Open(name)
	v.Addr("ip", e.IP)
	v.Int("port", int64(e.Port))
	v.MAC("mac", e, "0123456789ABCDEF", ':')
	v.Close()
}

func (v *view) ocsfConnection(p *exchange.Pair) {
	v.Open("connection_info")
	v.ID("uid", v.conn.ID)
	v.Str("community_uid", v.conn.CommunityID)
	v.Raw("direction_id", "0") // who is inside is not in the capture
	if t := transport(p); t == "udp" {
		v.Text("protocol_name", t)
		v.Raw("protocol_num", "17")
	} else {
		v.Text("protocol_name", t)
		v.Raw("protocol_num", "6")
	}
	switch ip := v.conn.Client.IP; {
	case ip.Is4():
		v.Raw("protocol_ver_id", "4")
	case ip.Is6():
		v.Raw("protocol_ver_id", "6")
	}
	v.Close()
}

// ocsfTLS writes what the schema takes: nothing where the version is not known.
func (v *view) ocsfTLS() {
	t := v.conn.TLS
	if t == nil || t.Version == "" {
		return
	}
	v.Open("tls")
	v.Text("version", t.Version)
	v.Str("cipher", t.Cipher)
	v.Str("sni", t.SNI)
	if t.JA3 != "" {
		v.Open("ja3_hash")
		v.Raw("algorithm_id", "1")
		v.Raw("algorithm", `"MD5"`)
		v.Text("value", t.JA3)
		v.Close()
	}
	v.Close()
	if t.JA4 != "" {
		v.OpenList("ja4_fingerprint_list")
		v.Open("")
		v.Raw("type_id", "1")
		v.Raw("type", `"JA4"`)
		v.Text("value", t.JA4)
		v.Close()
		v.Close()
	}
}

func (v *view) ocsfRequest(q *exchange.Request) {
	if !q.Present {
		return
	}
	v.Open("http_request")
	v.Str("http_method", q.Method)
	v.ocsfURL(q)
	v.Str("version", number(q.Version))
	v.Str("user_agent", v.heads.agent)
	v.Str("referrer", v.heads.referer)
	v.OpenList("x_forwarded_for")
	for part := range strings.SplitSeq(v.heads.forwarded, ",") {
		if a, err := netip.ParseAddr(strings.TrimSpace(part)); err == nil {
			v.Addr("", a)
		}
	}
	v.CloseAny()
	v.headers("http_headers", &q.Message)
	v.Int("body_length", q.BodyWireSize)
	v.Close()
}

// ocsfURL writes what is known of the URL; the schema wants the whole or the path.
func (v *view) ocsfURL(q *exchange.Request) {
	if q.URL == "" && q.Path == "" {
		return
	}
	v.Open("url")
	v.Str("url_string", q.URL)
	v.Str("scheme", q.Scheme)
	name, port := splitHost(q.Host)
	v.Str("hostname", name)
	if port != 0 {
		v.Int("port", port)
	}
	v.Str("path", q.Path)
	v.Str("query_string", q.Query)
	v.Close()
}

func (v *view) ocsfResponse(p *exchange.Pair) {
	s := &p.Response
	if !s.Present {
		return
	}
	v.Open("http_response")
	v.Int("code", int64(s.Status))
	v.Str("message", s.Reason)
	v.Str("content_type", s.ContentType)
	if p.LatencyNS != exchange.NoTime && p.LatencyNS >= 0 {
		v.Int("latency", export.Millis(p.LatencyNS))
	}
	v.headers("http_headers", &s.Message)
	v.Int("body_length", s.BodyWireSize)
	v.Close()
}
