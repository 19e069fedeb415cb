package source

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"recap/pipeline/exchange"
)

// An entry is what a tool wrote; names with dots reach into objects.
type entry map[string]any

// harOf returns a HAR of one usual entry, changed.
func harOf(t testing.TB, change entry) string {
	t.Helper()
	all := map[string]any{
		"startedDateTime": "2026-11-20T10:00:00.000Z",
		"request":         map[string]any{"method": "GET", "url": "http://a.test/x", "httpVersion": "HTTP/1.1", "headers": []any{}, "bodySize": 0},
		"response": map[string]any{"status": 200, "statusText": "OK", "httpVersion": "HTTP/1.1", "headers": []any{}, "bodySize": 2,
			"content": map[string]any{"size": 2, "mimeType": "text/plain", "text": "ok"}},
	}
	for name, v := range change {
		at := all
		parts := strings.Split(name, ".")
		for _, part := range parts[:len(parts)-1] {
			at = at[part].(map[string]any)
		}
		if m, ok := v.(map[string]any); ok {
			maps.Copy(at[parts[len(parts)-1]].(map[string]any), m)
			continue
		}
		at[parts[len(parts)-1]] = v
	}
	b, err := json.Marshal(map[string]any{"log": map[string]any{"entries": []any{all}}})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestFormsOfHAR(t *testing.T) {
	const (
		usual  = `GET /x "" of 0; 200 "ok" of 2`
		broken = `GET /x "" of 0; 200 "" of 2`
	)
	list := func(name, value string) any { return []any{map[string]any{"name": name, "value": value}} }
	for _, tt := range []struct {
		name   string
		change entry
		want   string
	}{
		{"as HAR has it", nil, usual},
		{"numbers in quotes", entry{"response.status": "200", "response.bodySize": "2", "time": "7"}, usual},
		{"sizes with a point", entry{"response.content.size": 2.0, "request.bodySize": 0.0}, usual},
		{"a connection that is a number", entry{"connection": 443}, usual},
		{"a zone without a colon", entry{"startedDateTime": "2026-11-20T11:00:00.000+0100"}, usual},
		{"a time without a zone", entry{"startedDateTime": "2026-11-20 10:00:00"}, usual},
		{"a target that is no good URL", entry{"request.url": "http://a.test/100%/a b?c=%"}, `GET /100%/a%20b?c=% "" of 0; 200 "ok" of 2`},
		{"a name and a password in the URL", entry{"request.url": "http://u:p@a.test?q#f"}, `GET /?q "" of 0; 200 "ok" of 2`},
		{"a path instead of a URL", entry{"request.url": "/only"}, `GET /only "" of 0; 200 "ok" of 2`},
		{"a tunnel", entry{"request.method": "CONNECT", "request.url": "a.test:443"}, `CONNECT a.test:443 "" of 0; 200 "ok" of 2`},
		{"a data URL is no request", entry{"request.url": "data:text/plain,ok"}, `response_only`},
		{"a blob is no request", entry{"request.url": "blob:http://a.test/1"}, `response_only`},
		{"a page of an extension is no request", entry{"request.url": "chrome-extension://abc/x.js"}, `response_only`},
		{"no URL", entry{"request.url": ""}, `response_only`},
		{"base64 for URLs", entry{"response.content": map[string]any{"text": "_w", "encoding": "base64", "size": 1}}, `GET /x "" of 0; 200 "\xff" of 1`},
		{"base64 in lines", entry{"response.content": map[string]any{"text": "b\r\n2s=", "encoding": "base64"}}, usual},
		{"base64 that is none", entry{"response.content": map[string]any{"text": "!", "encoding": "base64"}}, broken},
		{"a body that the tool cut", entry{"response.content.size": 1000}, `GET /x "" of 0; 200 "ok" of 1000`},
		{"a size on the wire, with what coding saves", entry{"response.content": map[string]any{"size": 22, "compression": -20}}, usual},
		{"a size on the wire, of a coded body", entry{"response.content.size": 22, "response.bodySize": 22, "response.headers": list("Content-Encoding", "gzip")}, usual},
		{"a size in another character set", entry{"response.content": map[string]any{"size": 4, "mimeType": "text/plain; charset=utf-16"}}, usual},
		{"a response to HEAD has no body", entry{"request.method": "HEAD", "response.content": map[string]any{"size": 9, "text": nil}}, `HEAD /x "" of 0; 200 "" of 0`},
		{"a form", entry{"request.method": "POST", "request": map[string]any{"postData": map[string]any{
			"mimeType": "application/x-www-form-urlencoded; charset=utf-8", "params": list("a b", "c")}}}, `POST /x "a+b=c" of 5; 200 "ok" of 2`},
		{"a form with files, of which the bytes are not told", entry{"request.method": "POST", "request": map[string]any{"bodySize": 99, "postData": map[string]any{
			"mimeType": "multipart/form-data; boundary=x", "params": list("a", "c")}}}, `POST /x "" of 99; 200 "ok" of 2`},
		{"a request body in base64", entry{"request.method": "POST", "request": map[string]any{"postData": map[string]any{"text": "/w==", "encoding": "base64"}}}, `POST /x "\xff" of 1; 200 "ok" of 2`},
		{"a status that is none", entry{"response.status": 1e12}, `request_only`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for p, err := range HAR(t.Context(), strings.NewReader(harOf(t, tt.change))) {
				if err != nil {
					t.Fatal(err)
				}
				if got := told(p); got != tt.want {
					t.Errorf("the pair is %s, want %s", got, tt.want)
				}
				if p.Conn.TLS != nil {
					t.Error("it had TLS")
				}
				if p.Request.Present && p.Request.TimeNS != 1795168800e9 {
					t.Errorf("its time is %d", p.Request.TimeNS)
				}
			}
		})
	}
}

// told is what matters of a pair here.
func told(p *exchange.Pair) string {
	if p.State != exchange.Complete {
		return p.State.String()
	}
	q, s := &p.Request, &p.Response
	return fmt.Sprintf("%s %s %q of %d; %d %q of %d", q.Method, q.Target, q.Body, q.BodySize, s.Status, s.Body, s.BodySize)
}

func TestHARTellsOfTLS(t *testing.T) {
	for scheme, want := range map[string]bool{"http": false, "ws": false, "https": true, "WSS": true} {
		for p, err := range HAR(t.Context(), strings.NewReader(harOf(t, entry{"request.url": scheme + "://a.test/"}))) {
			if err != nil || (p.Conn.TLS != nil) != want {
				t.Errorf("%s: TLS %v, error %v", scheme, p.Conn.TLS, err)
			}
		}
	}
}

// A field that a tool made of several, a line each, is several again: none reaches into
// the head of a message as a field of another name.
func TestFieldsOfSeveralLines(t *testing.T) {
	har := harOf(t, entry{"response.headers": []any{map[string]any{"name": "Set-Cookie", "value": "a=1\nb=2\r\nX: y"}}})
	for p, err := range HAR(t.Context(), strings.NewReader(har)) {
		if err != nil {
			t.Fatal(err)
		}
		want := []exchange.Header{{Name: "Set-Cookie", Value: "a=1"}, {Name: "Set-Cookie", Value: "b=2"}, {Name: "Set-Cookie", Value: "X: y"}}
		if !slices.Equal(p.Response.Headers, want) {
			t.Errorf("fields %q, want %q", p.Response.Headers, want)
		}
	}
}
