package http

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	nethttp "net/http"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"

	"recap/pipeline/exchange"
	"recap/replay"
)

// readAll reads responses to method until one is the last, and tells all about them.
func readAll(src io.Reader, method string) (string, error) {
	var r reader
	r.reset(src)
	var p response
	var out strings.Builder
	for range 100 {
		if err := r.next(&p, method); err != nil {
			return out.String(), err
		}
		body, err := io.ReadAll(&p.body)
		fmt.Fprintf(&out, "%d %q %q %q %t\n", p.status, p.fields, body, p.trailers, p.close)
		if err != nil {
			return out.String(), err
		}
		if p.close {
			return out.String(), nil
		}
	}
	return out.String(), nil
}

func TestReadResponses(t *testing.T) {
	for _, tt := range []struct{ name, method, text, want, err string }{
		{"a length", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", `200 [{"Content-Length" "3"}] "abc" [] false`, "EOF"},
		{"no reason, bare line feeds", "GET", "HTTP/1.1 204\nA:b \n\n", `204 [{"A" "b"}] "" [] false`, "EOF"},
		{"up to the end", "GET", "HTTP/1.1 200 OK\r\n\r\nabc", `200 [] "abc" [] true`, ""},
		{"HTTP/1.0", "GET", "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na", `200 [{"Content-Length" "1"}] "a" [] true`, ""},
		{"HTTP/1.0 that goes on", "GET", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\na", `200 [{"Connection" "keep-alive"} {"Content-Length" "1"}] "a" [] false`, "EOF"},
		{"chunks and trailers", "GET", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\nT: 1\r\n\r\n",
			`200 [{"transfer-encoding" "chunked"}] "abc0123456789" [{"T" "1"}] false`, "EOF"},
		{"an answer to HEAD", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", `200 [{"Content-Length" "3"}] "" [] false`, "EOF"},
		{"interim responses", "GET", "HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 304 Not\r\n\r\n", `304 [] "" [] false`, "EOF"},
		{"nothing", "GET", "", "", "EOF"},
		{"half a head", "GET", "HTTP/1.1 200 OK\r\nA: b\r\n", "", "unexpected EOF"},
		{"half a body", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", `200 [{"Content-Length" "3"}] "ab" [] false`, "unexpected EOF"},
		{"half a chunk", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab", `200 [{"Transfer-Encoding" "chunked"}] "ab" [] false`, "unexpected EOF"},
		{"another protocol", "GET", "SSH-2.0-OpenSSH\r\n\r\n", "", `malformed response: status line "SSH-2.0-OpenSSH"`},
		{"two lengths", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n", "", `malformed response: length "4"`},
		{"a length below 0", "GET", "HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\n", "", `malformed response: length "-3"`},
		{"a chunk of no size", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", `200 [{"Transfer-Encoding" "chunked"}] "" [] false`, `malformed response: chunk size "x"`},
		{"a line that is no field", "GET", "HTTP/1.1 200 OK\r\nfield\r\n\r\n", "", `malformed response: header line "field"`},
		{"a head without end", "GET", "HTTP/1.1 200 OK\r\n" + strings.Repeat("A: b\r\n", maxHead/6), "", "malformed response: a head or line is longer than 262144 bytes"},
		{"interim responses without end", "GET", strings.Repeat("HTTP/1.1 100 Go\r\n\r\n", 200), "", "malformed response: too many interim responses"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := readAll(strings.NewReader(tt.text), tt.method)
			if errText(err) != tt.err || strings.TrimSuffix(got, "\n") != tt.want {
				t.Errorf("got %q, %v\nwant %q, %s", got, err, tt.want, tt.err)
			}
		})
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// The size of reads changes nothing, the buffer stays within its bound, and what
// net/http reads as well it reads the same.
func FuzzReadResponse(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 404 Not Found\r\n\r\n"), "GET")
	f.Add([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nA: b\r\n\r\n"), "POST")
	f.Fuzz(func(t *testing.T, text []byte, method string) {
		whole, wholeErr := readAll(bytes.NewReader(text), method)
		for _, src := range []io.Reader{iotest.OneByteReader(bytes.NewReader(text)), iotest.HalfReader(bytes.NewReader(text)), iotest.DataErrReader(bytes.NewReader(text))} {
			if got, err := readAll(src, method); got != whole || errText(err) != errText(wholeErr) {
				t.Fatalf("the size of reads changed the result: %q, %v; want %q, %v", got, err, whole, wholeErr)
			}
		}
		var r reader
		r.reset(bytes.NewReader(text))
		var p response
		if r.next(&p, method) != nil || p.status == 101 {
			return
		}
		body, err := io.ReadAll(&p.body)
		if len(r.buf) > maxHead || len(body) > len(text) {
			t.Errorf("a buffer of %d bytes, a body of %d", len(r.buf), len(body))
		}
		if err != nil {
			return
		}
		res, err := nethttp.ReadResponse(bufio.NewReader(bytes.NewReader(text)), &nethttp.Request{Method: method})
		if err != nil || res.StatusCode < 200 {
			return // it is stricter
		}
		if second, err := io.ReadAll(res.Body); err == nil && (int(p.status) != res.StatusCode || !bytes.Equal(body, second)) {
			t.Errorf("%d %q, net/http reads %d %q", p.status, body, res.StatusCode, second)
		}
	})
}

// Whatever stands in a pair, one request leaves, the one that the pair holds.
func FuzzWriteRequest(f *testing.F) {
	f.Add("GET", "/a?b", "host.example", "X-A", "b", []byte("body"))
	f.Add("POST", "http://evil/x", "a\r\nb", "Content-Length", "9", []byte("GET / HTTP/1.1\r\n\r\n"))
	f.Fuzz(func(t *testing.T, method, target, host, name, value string, body []byte) {
		p := &exchange.Pair{Protocol: "HTTP/1.1"}
		p.Request = exchange.Request{Method: method, Target: target, Host: host}
		p.Request.Present, p.Request.HasBody = true, true
		p.Request.Headers = []exchange.Header{{Name: name, Value: value}, {Name: "Host", Value: host}}
		p.Request.Body, p.Request.BodySize = body, int64(len(body))
		o := Options{AllowUnsafe: true, KeepSecrets: true}
		tg := &Target{o: o, remove: o.removals(), url: &url.URL{Host: "target.example"}}
		var q request
		if o.refusal(p) != nil || tg.prepare(&q, &p.Request, p.Protocol) != nil {
			return
		}
		out := append(q.appendHead(nil, replay.Marker{Seq: 7}.Append(nil)), q.body...)
		src := bufio.NewReader(bytes.NewReader(out))
		r, err := nethttp.ReadRequest(src)
		if err != nil {
			// It refuses hosts and targets of odd characters; they must be there, and nothing more.
			if lines := bytes.Count(out[:len(out)-len(body)], []byte("\n")); lines > 6 {
				t.Errorf("%d lines: %q", lines, out)
			}
			return
		}
		got, err := io.ReadAll(r.Body)
		if err != nil || !bytes.Equal(got, body) || r.Method != method || r.RequestURI != q.target || r.Header.Get(replay.MarkerHeader) == "" {
			t.Errorf("%q is read as %s %s %q, %v", out, r.Method, r.RequestURI, got, err)
		}
		if rest, _ := io.ReadAll(src); len(rest) > 0 {
			t.Errorf("%q: behind the request is %q", out, rest)
		}
	})
}
