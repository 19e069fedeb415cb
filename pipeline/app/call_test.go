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
		{name: "GraphQL in a form with files", path: "/graphql", contentType: "multipart/form-data; boundary=b",
			body: "--b\r\nContent-Disposition: form-data; name=\"map\"\r\n\r\n{}\r\n--b\r\nContent-Disposition: form-data; name=\"operations\"\r\n\r\n{\"query\":\"mutation U { u }\"}\r\n--b--\r\n",
			want: "graphql U/mutation//1"},
		{name: "a form under the path of GraphQL", path: "/graphql", contentType: "multipart/form-data; boundary=b", body: "--b--\r\n", want: "graphql ///0"},
		{name: "GraphQL under another path", path: "/api", contentType: "application/json; charset=utf-8", body: `{"query":"# Q\n query Q($a: Int) { a(n: $a) }"}`, want: "graphql Q/query//1"},
		{name: "GraphQL in a batch under another path", path: "/api", contentType: "application/json", body: ` [{"query":"mutation { b }"}]`, want: "graphql /mutation//1"},
		{name: "GraphQL without a word below its path", path: "/graphql/v1", contentType: "application/json", body: `{"query":"{ me }"}`, want: "graphql /query//1"},
		{name: "GraphQL in a query string under another path", path: "/api", query: "query=mutation+M+%7Bm%7D", want: "graphql M/mutation//1"},
		{name: "GraphQL by the hash of a document", path: "/api", contentType: "application/json",
			body: `{"operationName":"P","extensions":{"persistedQuery":{"version":1,"sha256Hash":"ab"}}}`, want: "graphql P///1"},
		{name: "the same in a query string", path: "/api", query: "operationName=P&extensions=%7B%22persistedQuery%22%3A%7B%22sha256Hash%22%3A%22ab%22%7D%7D", want: "graphql P///1"},
		{name: "a hash of nothing", path: "/api", contentType: "application/json", body: `{"extensions":{"persistedQuery":{}}}`, want: "rest"},
		{name: "GraphQL of an older type", path: "/api", contentType: "application/graphql+json", body: `{"query":"{a}"}`, want: "graphql /query//1"},
		{name: "GraphQL in a plain form", path: "/graphql", contentType: "application/x-www-form-urlencoded", body: "query=mutation+M+%7Bm%7D", want: "graphql M/mutation//1"},
		{name: "GraphQL in a form with files under another path", path: "/api", contentType: "multipart/form-data; boundary=b",
			body: "--b\r\nContent-Disposition: form-data; name=\"operations\"\r\n\r\n{\"query\":\"mutation U { u }\"}\r\n--b--\r\n", want: "graphql U/mutation//1"},
		{name: "GraphQL with the document in the URL", path: "/graphql", query: "query=mutation+M+%7Bm%7D", contentType: "application/json", body: `{"variables":{}}`, want: "graphql M/mutation//1"},
		{name: "GraphQL behind a byte order mark, and a slash behind the path", path: "/graphql/", contentType: "application/json", body: "\xef\xbb\xbf" + `{"query":"query Q {q}"}`, want: "graphql Q/query//1"},
		{name: "a query string of another language", path: "/search", query: "query=%7Ba%7D", want: "other"},
		{name: "a query of braces in another language", path: "/api", contentType: "application/json", body: `{"query":"{name: 1}"}`, want: "rest"},
		{name: "a query of words", path: "/search", contentType: "application/json", body: `{"query":"query planner {"}`, want: "rest"},
		{name: "words that end in a brace", path: "/search", contentType: "application/json", body: `{"query":"query planner for {x}"}`, want: "rest"},
		{name: "a query that is an object", path: "/_search", contentType: "application/json", body: `{"query":{"match_all":{}}}`, want: "rest"},
		{name: "an empty list with the word", path: "/x", contentType: "application/json", body: `[ "query" ]`, want: "rest"},
		{name: "SOAP 1.1", path: "/s", contentType: "text/xml", soapAction: `"urn:get"`, want: "soap urn:get//1.1/1"},
		{name: "SOAP 1.2", path: "/s", contentType: `application/soap+xml; charset=utf-8; action="urn:put"`, want: "soap urn:put//1.2/1"},
		{name: "SOAP without an action", path: "/s", contentType: "text/xml; charset=utf-8",
			body: `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Header/><s:Body><m:GetPrice xmlns:m="x"/></s:Body></s:Envelope>`, want: "soap GetPrice//1.1/1"},
		{name: "SOAP 1.2 with an action that lacks its quotes", path: "/s", contentType: "application/soap+xml; action=urn:put", want: "soap urn:put//1.2/1"},
		{name: "an envelope of SOAP 1.2 under an older type", path: "/s", contentType: "text/xml", body: `<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"><e:Body><Put/></e:Body></e:Envelope>`, want: "soap Put//1.2/1"},
		{name: "SOAP with attachments", path: "/s", contentType: `multipart/related; boundary=b; type="application/xop+xml"; start="<r>"; start-info="application/soap+xml"`,
			body: "--b\r\nContent-Type: application/xop+xml\r\nContent-ID: <r>\r\n\r\n<e:Envelope xmlns:e=\"http://www.w3.org/2003/05/soap-envelope\"><e:Body><Put/></e:Body></e:Envelope>\r\n--b\r\n\r\nPNG\r\n--b--\r\n", want: "soap Put//1.2/1"},
		{name: "attachments without an envelope", path: "/s", contentType: "multipart/related; boundary=b", body: "--b\r\n\r\nx\r\n--b--\r\n", want: "other"},
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
	f.Add("/api", "", "application/json", []byte(`{"query":"subscription @x { a }"}`))
	f.Add("/api", "", "application/json", []byte(`[{"query":"fragment }"}]`))
	f.Add("/graphql", "", "multipart/form-data; boundary=b", []byte("--b\r\nContent-Disposition: form-data; name=\"operations\"\r\n\r\n{}\r\n--b--"))
	f.Add("/a/graphql", "", "application/graphql", []byte(`"""x""" query # "`))
	f.Add("/x", "extensions=%7B%22persistedQuery%22%3A%7B%22sha256Hash%22%3A1%7D%7D", "", []byte(nil))
	f.Add("/x", "", "multipart/related; action=urn:x", []byte("--b\r\n\r\n<Envelope xmlns=\"http://www.w3.org/2003/05/soap-envelope\"><Body><a/>"))
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
