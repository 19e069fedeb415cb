package targettest

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"recap/pipeline/exchange"
	"recap/replay"
)

// Events returns n whole pairs of four connections, one every millisecond, with
// response bodies of the given size.
func Events(n, body int) []replay.Event {
	var conns [4]*exchange.Conn
	for i := range conns {
		conns[i] = &exchange.Conn{
			ID:     exchange.ID{byte(i + 1)},
			Client: exchange.Endpoint{IP: netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)}), Port: uint16(40000 + i)},
			Server: exchange.Endpoint{IP: netip.AddrFrom4([4]byte{10, 0, 1, 1}), Port: 80},
		}
	}
	events := make([]replay.Event, n)
	for i := range events {
		events[i] = replay.Event{Pair: Pair(i, body, conns[i%len(conns)]), Seq: uint64(i), At: time.Duration(i) * time.Millisecond}
	}
	return events
}

// Pair returns a whole pair with number i in its path and bodies.
func Pair(i, body int, conn *exchange.Conn) *exchange.Pair {
	at := int64(1_600_000_000_000_000_000) + int64(i)*int64(time.Millisecond)
	p := &exchange.Pair{ID: exchange.ID{0xff, byte(i >> 16), byte(i >> 8), byte(i)}, Protocol: "HTTP/1.1", Kind: "rest", Conn: conn,
		Ordinal: int32(i / 4), LatencyNS: 1000, DurationNS: 2000}
	path := fmt.Sprintf("/api/cars/%d", i)
	p.Request = exchange.Request{Method: "POST", Target: path + "?x=1", Scheme: "http", Host: "api.example.com", Path: path, Query: "x=1",
		URL: "http://api.example.com" + path + "?x=1"}
	p.Response = exchange.Response{Status: 200, Reason: "OK"}
	fill(&p.Request.Message, fmt.Appendf(nil, `{"i":%d}`, i), at, exchange.Header{Name: "Host", Value: "api.example.com"})
	fill(&p.Response.Message, []byte(strings.Repeat("r", body)), at+1000, exchange.Header{Name: "Set-Cookie", Value: "a=1"}, exchange.Header{Name: "Set-Cookie", Value: "b=2"})
	p.Request.Head = head("POST "+p.Request.Target+" HTTP/1.1", p.Request.Headers)
	p.Response.Head = head("HTTP/1.1 200 OK", p.Response.Headers)
	return p
}

func fill(m *exchange.Message, body []byte, at int64, headers ...exchange.Header) {
	m.Present, m.Version, m.TimeNS, m.EndTimeNS = true, "HTTP/1.1", at, at+500
	m.ContentType = "application/json"
	m.Headers = append(headers, exchange.Header{Name: "Content-Type", Value: m.ContentType},
		exchange.Header{Name: "Content-Length", Value: fmt.Sprint(len(body))})
	m.Body, m.HasBody, m.BodySize, m.BodyWireSize = body, len(body) > 0, int64(len(body)), int64(len(body))
}

func head(line string, headers []exchange.Header) []byte {
	b := []byte(line + "\r\n")
	for _, h := range headers {
		b = append(b, h.Name+": "+h.Value+"\r\n"...)
	}
	return append(b, "\r\n"...)
}
