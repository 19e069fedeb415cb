// Package record knows the forms in which ingestors take pairs and give them out:
// it writes a pair with its marker as a record, reads records back, and tells
// beforehand what a receiver would refuse without a word.
//
// The forms are those of the public sources of Akto (its Kafka topics akto.api.logs
// and akto.api.logs2 and its HTTP endpoint), Metlo (its collector) and GoReplay (its
// Kafka output), and recap's own record.
package record

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"recap/pipeline/exchange"
	"recap/replay"
)

// Names of the forms.
const (
	AktoJSON  = "akto-json"
	AktoProto = "akto-proto"
	GoReplay  = "goreplay"
	Metlo     = "metlo"
	Recap     = "recap"
)

// Formats lists the forms that a record on its own can have.
func Formats() []string { return []string{AktoJSON, AktoProto, GoReplay, Metlo, Recap} }

// A Maker writes pairs as records. It is used from one goroutine; the zero value
// is good for all forms but recap's.
type Maker struct {
	// Account is akto_account_id; empty means the receiver's default, 1000000.
	Account string
	// VNI is akto_vxlan_id; negative or 0 means that of the pair's outermost VXLAN.
	VNI int64
	// Recap writes a pair as a line of recap's own record. The caller brings it,
	// because what fields there are is not known here.
	Recap func(dst []byte, p *exchange.Pair) []byte

	fields []exchange.Header
	names  map[string]headerKey // see key
	text   []byte
	inner  []byte
}

// Append appends the record of p in the given form to dst. marker is the value of
// the marker header in both messages, empty for none; at is the time of sending.
func (m *Maker) Append(dst []byte, form string, p *exchange.Pair, marker []byte, at time.Time) []byte {
	switch form {
	case AktoJSON:
		return m.aktoJSON(dst, p, marker, at)
	case AktoProto:
		return m.aktoProto(dst, p, marker, at)
	case GoReplay:
		return m.goReplay(dst, p, marker, at)
	case Metlo:
		return m.metlo(dst, p, marker)
	case Recap:
		return m.recap(dst, p, marker)
	}
	panic("record: unknown form " + strconv.Quote(form))
}

// recap appends the line of a copy of p that has the marker among its headers.
func (m *Maker) recap(dst []byte, p *exchange.Pair, marker []byte) []byte {
	q := *p
	if q.Request.Present {
		q.Request.Headers = slices.Clone(m.headers(&p.Request.Message, marker))
	}
	if q.Response.Present {
		q.Response.Headers = slices.Clone(m.headers(&p.Response.Message, marker))
	}
	return m.Recap(dst, &q)
}

// headers returns the fields of a message with the marker as the last one and
// without a marker of an earlier replay. The slice is used again by the next call, and
// the marker's field is the marker itself.
func (m *Maker) headers(msg *exchange.Message, marker []byte) []exchange.Header {
	m.fields = m.fields[:0]
	for _, h := range msg.Headers {
		old := len(h.Name) == len(replay.MarkerHeader) && strings.EqualFold(h.Name, replay.MarkerHeader)
		if !old && !strings.HasPrefix(h.Name, ":") {
			m.fields = append(m.fields, h)
		}
	}
	if len(marker) > 0 {
		m.fields = append(m.fields, exchange.Header{Name: replay.MarkerHeader, Value: unsafe.String(&marker[0], len(marker))})
	}
	return m.fields
}

// vni returns the id of the outermost VXLAN around the pair, 0 where there is none.
func (m *Maker) vni(p *exchange.Pair) int64 {
	if m.VNI > 0 {
		return m.VNI
	}
	if p.Conn != nil {
		for _, t := range p.Conn.Tunnels {
			if t.Type == "vxlan" && t.ID >= 0 {
				return t.ID
			}
		}
	}
	return 0
}

func (m *Maker) account() string {
	if m.Account == "" {
		return "1000000"
	}
	return m.Account
}

// ends returns the addresses of client and server, empty where unknown.
func ends(p *exchange.Pair) (client, server exchange.Endpoint) {
	if p.Conn == nil {
		return client, server
	}
	return p.Conn.Client, p.Conn.Server
}

// address is the text of an endpoint's address, empty where unknown.
func address(e exchange.Endpoint) string {
	if !e.IP.IsValid() {
		return ""
	}
	return e.IP.String()
}

// version is what Akto calls type: "HTTP/1.1".
func version(p *exchange.Pair) string {
	if p.Request.Version != "" {
		return p.Request.Version
	}
	return p.Protocol
}

// statusLine is what Go's http.Response has in Status: "200 OK".
func statusLine(r *exchange.Response) string {
	code := strconv.Itoa(int(r.Status))
	if r.Reason == "" {
		return code
	}
	return code + " " + r.Reason
}

// HTTPBytes is what a pair counts for in rates that are given in bits: the bytes of
// both heads and bodies as they are sent.
func HTTPBytes(p *exchange.Pair) uint64 {
	return messageBytes(&p.Request.Message) + messageBytes(&p.Response.Message)
}

func messageBytes(m *exchange.Message) uint64 {
	n := uint64(len(m.Head) + len(m.Body))
	if len(m.Head) == 0 {
		for _, h := range m.Headers {
			n += uint64(len(h.Name) + len(h.Value) + len(": \r\n"))
		}
	}
	return n
}

// Observe tells what a collector is to know of a pair: markers, sizes, and whether
// it is said to be not whole. o's markers point into p.
func Observe(p *exchange.Pair, o *replay.Observation) {
	*o = replay.Observation{RequestBody: -1, ResponseBody: -1, Cut: p.State == exchange.Partial}
	if p.Request.Present {
		o.Request, o.RequestBody = replay.FindMarker(p.Request.Headers), p.Request.BodySize
	}
	if p.Response.Present {
		o.Response, o.ResponseBody = replay.FindMarker(p.Response.Headers), p.Response.BodySize
	}
}
