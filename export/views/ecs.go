package views

import (
	"io"
	"strconv"
	"strings"

	"recap/export"
	"recap/pipeline/exchange"
)

// ecsVersion is that of the Elastic Common Schema.
const ecsVersion = "8.17.0"

// NewECS returns a sink of documents of the Elastic Common Schema, with nested
// objects. Content types are in recap only: the schema wants media types that were
// found in the content.
func NewECS(w io.Writer, o export.Options) export.Sink {
	return newSink(w, o, ecs, "id", "community_id", "request.target", "client.mac", "server.mac", "duration_ns", "capture.interface")
}

func ecs(v *view, p *exchange.Pair) {
	v.Time("@timestamp", began(p))
	v.Open("ecs")
	v.Text("version", ecsVersion)
	v.Close()
	v.ecsEvent(p)
	v.ecsEnd("source", &v.conn.Client)
	v.ecsEnd("destination", &v.conn.Server)
	v.ecsNetwork(p)
	v.ecsHTTP(p)
	v.ecsURL(&p.Request)
	v.Open("user_agent")
	v.Str("original", v.heads.agent)
	v.CloseAny()
	v.ecsTLS()
	v.ecsObserver()
	v.recap(p)
}

func (v *view) ecsEvent(p *exchange.Pair) {
	v.Open("event")
	v.Raw("kind", `"event"`)
	v.Raw("category", `["network"]`)
	v.Raw("type", `["connection","protocol"]`)
	v.Raw("dataset", `"recap.http"`)
	v.ID("id", p.ID)
	v.Text("outcome", outcome(p))
	v.Time("start", began(p))
	v.Time("end", ended(p))
	if p.DurationNS != exchange.NoTime {
		v.Int("duration", p.DurationNS)
	}
	v.Close()
}

// outcome is what the status says of the request, as the client must see it.
func outcome(p *exchange.Pair) string {
	switch s := &p.Response; {
	case !s.Present || s.Status < 100:
		return "unknown"
	case s.Status < 400:
		return "success"
	}
	return "failure"
}

func (v *view) ecsEnd(name string, e *exchange.Endpoint) {
	v.Open(name)
	v.Addr("ip", e.IP)
	v.Int("port", int64(e.Port))
	v.MAC("mac", e, "0123456789ABCDEF", '-')
	v.Close()
}

func (v *view) ecsNetwork(p *exchange.Pair) {
	v.Open("network")
	v.Text("transport", transport(p))
	switch ip := v.conn.Client.IP; {
	case ip.Is4():
		v.Raw("type", `"ipv4"`)
	case ip.Is6():
		v.Raw("type", `"ipv6"`)
	}
	v.Raw("protocol", `"http"`)
	v.Str("community_id", v.conn.CommunityID)
	if n := len(v.conn.VLANs); n > 0 {
		v.ecsVLAN(v.conn.VLANs[0])
		if n > 1 {
			v.Open("inner")
			v.ecsVLAN(v.conn.VLANs[1])
			v.Close()
		}
	}
	v.Close()
}

// ecsVLAN writes an id, which the schema has as a word.
func (v *view) ecsVLAN(id int32) {
	v.Open("vlan")
	v.text = strconv.AppendInt(v.text[:0], int64(id), 10)
	v.Bytes("id", v.text)
	v.Close()
}

func (v *view) ecsHTTP(p *exchange.Pair) {
	q, s := &p.Request, &p.Response
	v.Open("http")
	v.Str("version", number(p.Protocol))
	if q.Present {
		v.Open("request")
		v.Str("method", q.Method)
		v.Str("referrer", v.heads.referer)
		v.ecsBody(&q.Message)
		v.CloseAny()
	}
	if s.Present {
		v.Open("response")
		if s.Status != 0 {
			v.Int("status_code", int64(s.Status))
		}
		v.ecsBody(&s.Message)
		v.CloseAny()
	}
	v.CloseAny()
}

func (v *view) ecsBody(m *exchange.Message) {
	v.Open("body")
	v.Int("bytes", m.BodyWireSize)
	v.Close()
}

func (v *view) ecsURL(q *exchange.Request) {
	if !q.Present {
		return
	}
	v.Open("url")
	v.Str("original", q.Target)
	v.Str("full", q.URL)
	v.Str("scheme", q.Scheme)
	name, port := splitHost(q.Host)
	v.Str("domain", name)
	if port != 0 {
		v.Int("port", port)
	}
	v.Str("path", q.Path)
	v.Str("query", q.Query)
	v.CloseAny()
}

func (v *view) ecsTLS() {
	t := v.conn.TLS
	if t == nil {
		return
	}
	v.Open("tls")
	if protocol, version, ok := strings.Cut(t.Version, " "); ok {
		v.Text("version", version)
		v.Text("version_protocol", strings.ToLower(protocol))
	}
	v.Str("cipher", t.Cipher)
	v.Str("next_protocol", t.ALPN)
	v.Open("client")
	v.Str("server_name", t.SNI)
	v.Str("ja3", t.JA3)
	v.CloseAny()
	v.CloseAny()
}

func (v *view) ecsObserver() {
	v.Open("observer")
	v.Raw("product", `"recap"`)
	v.Open("ingress")
	v.Open("interface")
	v.Str("name", v.conn.Interface)
	v.CloseAny()
	v.CloseAny()
	v.Close()
}
