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
	asked, answered := MediaType(p.Request.ContentType), MediaType(p.Response.ContentType)
	switch {
	case websocket:
		return "websocket"
	case fold(answered, "text/event-stream"):
		return "sse"
	case startsFold(asked, "application/grpc"), startsFold(answered, "application/grpc"):
		return "grpc"
	case fold(asked, "application/graphql"), fold(asked, "application/graphql+json"), fold(answered, "application/graphql-response+json"),
		strings.HasSuffix(strings.TrimSuffix(p.Request.Path, "/"), "/graphql"), isGraphQL(asked, &p.Request):
		return "graphql"
	case startsFold(asked, "application/soap+xml"), startsFold(answered, "application/soap+xml"),
		field(p.Request.Headers, "soapaction"), isEnvelope(asked, p.Request.Body):
		return "soap"
	case structured(asked), structured(answered):
		return "rest"
	}
	return "other"
}

// fold and startsFold compare ASCII letters of either case; the length and the last
// letter come first, since nearly all that is compared differs in them.
func fold(v, want string) bool { return len(v) == len(want) && strings.EqualFold(v, want) }

func startsFold(v, want string) bool {
	n := len(want)
	return len(v) >= n && v[n-1]|0x20 == want[n-1] && strings.EqualFold(v[:n], want)
}

// MediaType returns a Content-Type value without its parameters.
func MediaType(v string) string {
	if i := strings.IndexByte(v, ';'); i >= 0 {
		v = v[:i]
	}
	return strings.TrimSpace(v)
}

// TypeIs compares a media type without its parameters.
func TypeIs(v, want string) bool { return fold(MediaType(v), want) }

// structured reports whether a media type is one that programs exchange.
func structured(mediaType string) bool {
	i := max(strings.LastIndexByte(mediaType, '/'), strings.LastIndexByte(mediaType, '+'))
	if i < 0 {
		return false
	}
	switch s := mediaType[i+1:]; len(s) {
	case 3:
		return fold(s, "xml")
	case 4:
		return fold(s, "json") || fold(s, "cbor")
	case 7:
		return fold(s, "msgpack")
	case 8:
		return fold(s, "x-ndjson")
	case 10:
		return fold(s, "x-protobuf")
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
