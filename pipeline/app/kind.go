package app

import (
	"strings"

	"recap/pipeline/exchange"
)

// Kind names what sort of interface the exchange belongs to; docs/record.md gives
// the rules. websocket says that it was handed over to WebSocket. It also notes what the
// exchange calls, in p.Call.
func Kind(p *exchange.Pair, websocket bool) string {
	k := kindOf(p, websocket)
	p.Call = call(p, k)
	return k
}

func kindOf(p *exchange.Pair, websocket bool) string {
	req, resp := &p.Request, &p.Response
	switch {
	case websocket:
		return "websocket"
	case TypeIs(resp.ContentType, "text/event-stream"):
		return "sse"
	case hasType(req.ContentType, resp.ContentType, "application/grpc"):
		return "grpc"
	case TypeIs(req.ContentType, "application/graphql"), TypeIs(resp.ContentType, "application/graphql-response+json"), strings.HasSuffix(req.Path, "/graphql"):
		return "graphql"
	case hasType(req.ContentType, resp.ContentType, "application/soap+xml"), field(req.Headers, "soapaction"), isEnvelope(req.ContentType, req.Body):
		return "soap"
	case structured(req.ContentType), structured(resp.ContentType):
		return "rest"
	}
	return "other"
}

func hasType(a, b, want string) bool {
	return len(a) >= len(want) && strings.EqualFold(a[:len(want)], want) || len(b) >= len(want) && strings.EqualFold(b[:len(want)], want)
}

// TypeIs compares a media type without its parameters.
func TypeIs(v, want string) bool {
	v, _, _ = strings.Cut(v, ";")
	return strings.EqualFold(strings.TrimSpace(v), want)
}

// structured reports whether a media type is one that programs exchange.
func structured(v string) bool {
	if v == "" {
		return false
	}
	v, _, _ = strings.Cut(v, ";")
	v = strings.TrimSpace(v)
	if i := strings.LastIndexAny(v, "/+"); i >= 0 {
		switch s := v[i+1:]; {
		case strings.EqualFold(s, "json"), strings.EqualFold(s, "xml"), strings.EqualFold(s, "x-protobuf"),
			strings.EqualFold(s, "msgpack"), strings.EqualFold(s, "x-ndjson"), strings.EqualFold(s, "cbor"):
			return true
		}
	}
	return false
}

func field(list []exchange.Header, name string) bool {
	for i := range list {
		if len(list[i].Name) == len(name) && strings.EqualFold(list[i].Name, name) {
			return true
		}
	}
	return false
}
