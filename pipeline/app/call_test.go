package app

import (
	"fmt"
	"testing"
	"unicode/utf8"

	"recap/pipeline/exchange"
)

func TestCalls(t *testing.T) {
	for _, tt := range []struct {
		name, path, query, contentType, soapAction, body string
		want                                             string // kind operation/type/version/batch
	}{
		{name: "GraphQL in an object", path: "/graphql", contentType: "application/json", body: `{"query":"query Orders($n: Int) { orders(first: $n) { id } }","variables":{}}`,
			want: "graphql Orders/query//1"},
		{name: "GraphQL without a word", path: "/graphql", contentType: "application/json", body: `{"query":"{ me { name } }"}`, want: "graphql /query//1"},
		{name: "GraphQL of several operations, one of them named", path: "/v1/graphql", contentType: "application/json",
			body: `{"operationName":"B","query":"query A { a } mutation B { b(x: \"mutation C {\") }"}`, want: "graphql B/mutation//1"},
		{name: "GraphQL behind a fragment and a comment", path: "/graphql", contentType: "application/graphql", body: "# mutation X {\nfragment F on T { id }\nsubscription S { s }", want: "graphql S/subscription//1"},
		{name: "GraphQL in a query string", path: "/graphql", query: "query=query%20Q%20%7Bq%7D&operationName=Q", want: "graphql Q/query//1"},
		{name: "GraphQL in a batch", path: "/graphql", contentType: "application/json", body: `[{"query":"query A { a }"},{"query":"mutation B { b }"}]`, want: "graphql A,B/query,mutation//2"},
		{name: "GraphQL by a stored query", path: "/graphql", contentType: "application/json", body: `{"operationName":"P","extensions":{}}`, want: "graphql P///1"},
		{name: "GraphQL that is cut", path: "/graphql", contentType: "application/json", body: `{"query":"query A`, want: "graphql ///0"},
		{name: "SOAP 1.1", path: "/s", contentType: "text/xml", soapAction: `"urn:get"`, want: "soap urn:get//1.1/1"},
		{name: "SOAP 1.2", path: "/s", contentType: `application/soap+xml; charset=utf-8; action="urn:put"`, want: "soap urn:put//1.2/1"},
		{name: "SOAP without an action", path: "/s", contentType: "text/xml; charset=utf-8",
			body: `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Header/><s:Body><m:GetPrice xmlns:m="x"/></s:Body></s:Envelope>`, want: "soap GetPrice//1.1/1"},
		{name: "XML that is no envelope", path: "/s", contentType: "text/xml", body: "<a/>", want: "rest"},
		{name: "gRPC", path: "/shop.Orders/List", contentType: "application/grpc+proto", want: "grpc shop.Orders/List///1"},
		{name: "something else", path: "/graphql/x", contentType: "text/html", want: "other"},
	} {
		p := &exchange.Pair{}
		r := &p.Request
		r.Path, r.Query, r.ContentType, r.Body = tt.path, tt.query, tt.contentType, []byte(tt.body)
		if tt.soapAction != "" {
			r.Headers = []exchange.Header{{Name: "SOAPAction", Value: tt.soapAction}}
		}
		got := Kind(p, false)
		if c := p.Call; c != nil {
			got = fmt.Sprintf("%s %s/%s/%s/%d", got, c.Operation, c.Type, c.Version, c.Batch)
		}
		if got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

// FuzzCall: names are UTF-8 and bounded, whatever is sent.
func FuzzCall(f *testing.F) {
	f.Add("/graphql", "query=%7Ba%7D", "application/json", []byte(`[{"query":"fragment F on T { a } query Q { b }"}]`))
	f.Add("/s", "", "text/xml", []byte(`<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><a/>`))
	f.Add("/a/graphql", "", "application/graphql", []byte(`"""x""" query # "`))
	f.Fuzz(func(t *testing.T, path, query, contentType string, body []byte) {
		p := &exchange.Pair{}
		p.Request.Path, p.Request.Query, p.Request.ContentType, p.Request.Body = path, query, contentType, body
		kind := Kind(p, false)
		c := p.Call
		if (c != nil) != (kind == "graphql" || kind == "soap" || kind == "grpc") {
			t.Fatalf("%s has call %+v", kind, c)
		}
		if c != nil && (!utf8.ValidString(c.Operation) || len(c.Operation) > maxCallName) {
			t.Fatalf("operation is %q", c.Operation)
		}
	})
}
