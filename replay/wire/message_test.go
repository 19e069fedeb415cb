package wire

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/binary"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"

	"recap/pipeline/exchange"
	"recap/reader/packet/checksum"
	"recap/replay"
	"recap/replay/targettest"
)

const testMarker = "0000000a-00-000001-00000003e8-0000002540be4-1c291ca3"

// written returns the two messages of p as they go out.
func written(p *exchange.Pair, marker string) (req, resp string, ends bool) {
	w := writer{marker: []byte(marker)}
	q, a := w.request(p)
	r, b := w.response(p)
	text := func(m *message) string {
		out := make([]byte, m.size)
		m.copyTo(out, w.buf, 0)
		return string(out)
	}
	return text(&q), text(&r), a || b
}

// lines makes the line ends of a message; bodies of these tests hold none.
func lines(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }

func TestMessagesAreTrueForWhatIsStored(t *testing.T) {
	get := "GET / HTTP/1.1\nHost: x\n\n"
	type msg struct {
		head, body, coding, version string
		list, trailers              []exchange.Header
		wire                        int64
	}
	for _, tt := range []struct {
		name      string
		method    string
		status    int32
		req, resp msg
		want      string // of the response, or of the request where it begins with one
		ends      bool
	}{
		{"a body of known length", "GET", 200, msg{head: get}, msg{head: "HTTP/1.1 200 OK\nX:  a\nContent-Length: 3\n\n", body: "abc"},
			"HTTP/1.1 200 OK\nX:  a\nContent-Length: 3\n\nabc", false},
		{"a length that was another", "GET", 200, msg{head: get}, msg{head: "HTTP/1.1 200 OK\ncontent-length: 20\nB: 1\n\n", body: "abc", coding: "gzip", wire: 20},
			"HTTP/1.1 200 OK\nContent-Length: 3\nB: 1\n\nabc", false},
		{"a content coding that was undone", "GET", 200, msg{head: get}, msg{head: "HTTP/1.1 200 OK\nContent-Encoding: gzip\nContent-Length: 20\n\n", body: "abc", coding: "gzip", wire: 20},
			"HTTP/1.1 200 OK\nContent-Length: 3\n\nabc", false},
		{"a content coding that is still there", "GET", 200, msg{head: get}, msg{head: "HTTP/1.1 200 OK\nContent-Encoding: gzip\nContent-Length: 4\n\n", body: "\x1f\x8b\x08x", coding: "gzip", wire: 4},
			"HTTP/1.1 200 OK\nContent-Encoding: gzip\nContent-Length: 4\n\n\x1f\x8b\x08x", false},
		{"chunks", "GET", 200, msg{head: get}, msg{head: "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n", body: "abc"},
			"HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n3\nabc\n0\n\n", false},
		{"chunks and a length", "GET", 200, msg{head: get}, msg{head: "HTTP/1.1 200 OK\nContent-Length: 9\nTransfer-Encoding: chunked\n\n", body: "abc"},
			"HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n3\nabc\n0\n\n", false},
		{"trailers", "GET", 200, msg{head: get}, msg{head: "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n", body: "abc", trailers: []exchange.Header{{Name: "Sum", Value: "1"}}},
			"HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n3\nabc\n0\nSum: 1\n\n", false},
		{"a body up to the end of the connection", "GET", 200, msg{head: get}, msg{head: "HTTP/1.1 200 OK\nA: b\n\n", body: "abc"},
			"HTTP/1.1 200 OK\nA: b\nTransfer-Encoding: chunked\n\n3\nabc\n0\n\n", false},
		{"the same under HTTP/1.0", "GET", 200, msg{head: get}, msg{head: "HTTP/1.0 200 OK\nA: b\n\n", body: "abc", version: "HTTP/1.0"},
			"HTTP/1.0 200 OK\nA: b\nContent-Length: 3\n\nabc", true},
		{"an answer to HEAD", "HEAD", 200, msg{head: "HEAD / HTTP/1.1\n\n"}, msg{head: "HTTP/1.1 200 OK\nContent-Length: 99\nContent-Encoding: br\nA: b\n\n"},
			"HTTP/1.1 200 OK\nContent-Encoding: br\nA: b\n\n", true},
		{"no content", "PUT", 204, msg{head: get}, msg{head: "HTTP/1.1 204 No Content\nA: b\n\n"}, "HTTP/1.1 204 No Content\nA: b\n\n", false},
		{"not modified", "GET", 304, msg{head: get}, msg{head: "HTTP/1.1 304 Not Modified\nContent-Length: 9\n\n"},
			"HTTP/1.1 304 Not Modified\nContent-Length: 9\n\n", false},
		{"an upgrade", "GET", 101, msg{head: get}, msg{head: "HTTP/1.1 101 Switching Protocols\nUpgrade: websocket\n\n"},
			"HTTP/1.1 101 Switching Protocols\nUpgrade: websocket\n\n", true},
		{"a connection that ends", "GET", 200, msg{head: get}, msg{head: "HTTP/1.1 200 OK\nConnection: foo, Close\nContent-Length: 0\n\n"},
			"HTTP/1.1 200 OK\nConnection: foo, Close\nContent-Length: 0\n\n", true},
		{"no body and no length", "GET", 200, msg{head: get}, msg{head: "HTTP/1.1 200 OK\n\n"}, "HTTP/1.1 200 OK\nContent-Length: 0\n\n", false},
		{"folded fields", "GET", 200, msg{head: get}, msg{head: "HTTP/1.1 200 OK\nA: b\n c\nContent-Length: 1\n 2\nD: e\n\n", body: "x"},
			"HTTP/1.1 200 OK\nA: b\n c\nContent-Length: 1\nD: e\n\nx", false},
		{"a marker of another run", "GET", 200, msg{head: get}, msg{head: "HTTP/1.1 200 OK\nx-replay-id: 1\nContent-Length: 0\n\n"}, "HTTP/1.1 200 OK\nContent-Length: 0\n\n", false},
		{"a request without body", "GET", 200, msg{head: get}, msg{}, get, false},
		{"a request with body", "POST", 200, msg{head: "POST / HTTP/1.1\nContent-Length: 4\nHost: x\n\n", body: "abcd"}, msg{}, "POST / HTTP/1.1\nContent-Length: 4\nHost: x\n\nabcd", false},
		{"a request in chunks", "POST", 200, msg{head: "POST / HTTP/1.1\nTransfer-encoding: Chunked\nHost: x\n\n"}, msg{}, "POST / HTTP/1.1\nTransfer-Encoding: chunked\nHost: x\n\n0\n\n", false},
		{"a request of HTTP/2", "GET", 200, msg{version: "HTTP/2", list: []exchange.Header{{Name: ":method", Value: "GET"}, {Name: ":authority", Value: "y"},
			{Name: "cookie", Value: "a=1"}, {Name: "b", Value: "2"}, {Name: "cookie", Value: "c=3"}}}, msg{}, "GET /t HTTP/1.1\nHost: y\nCookie: a=1; c=3\nb: 2\n\n", false},
		{"a request as a table has it", "GET", 200, msg{list: []exchange.Header{{Name: "hOst", Value: "z"}}}, msg{}, "GET /t HTTP/1.1\nhOst: z\n\n", false},
		{"a response of HTTP/2", "GET", 404, msg{head: get}, msg{version: "HTTP/2", body: "ab", list: []exchange.Header{{Name: ":status", Value: "404"}, {Name: "a", Value: "b"}}},
			"HTTP/1.1 404 Not Found\na: b\nTransfer-Encoding: chunked\n\n2\nab\n0\n\n", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := &exchange.Pair{Request: exchange.Request{Method: tt.method, Target: "/t"}, Response: exchange.Response{Status: tt.status}}
			set := func(m *exchange.Message, in *msg) {
				m.Version = "HTTP/1.1"
				if in.version != "" {
					m.Version = in.version
				}
				m.Present, m.Head, m.Body, m.Headers, m.Trailers = true, []byte(lines(in.head)), []byte(in.body), in.list, in.trailers
				m.ContentEncoding, m.BodySize, m.BodyWireSize = in.coding, int64(len(in.body)), max(in.wire, int64(len(in.body)))
			}
			set(&p.Request.Message, &tt.req)
			set(&p.Response.Message, &tt.resp)
			req, resp, ends := written(p, "")
			got := resp
			if !strings.HasPrefix(tt.want, "HTTP/") {
				got = req
			}
			if want := lines(tt.want); got != want {
				t.Errorf("sent %q, want %q", got, want)
			}
			if ends != tt.ends {
				t.Errorf("the connection ends: %t, want %t", ends, tt.ends)
			}
			// The marker stands in both, before the empty line, and changes nothing else.
			q, r, _ := written(p, testMarker)
			field := replay.MarkerHeader + ": " + testMarker + "\r\n"
			if strings.Replace(q, field, "", 1) != req || strings.Replace(r, field, "", 1) != resp || q == req || r == resp {
				t.Errorf("with marker %q %q", q, r)
			}
		})
	}
}

// FuzzMessages: what net/http reads in a message, it reads in the message as it goes
// out; and in whatever pieces it goes out, the bytes and their sums are the same.
func FuzzMessages(f *testing.F) {
	for _, seed := range []string{
		"POST /a HTTP/1.1\nHost: x\nContent-Length: 3\n\nabc|HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n3\nabc\n0\nA: b\n\n",
		"HEAD / HTTP/1.1\nHost: x\n\n|HTTP/1.1 200 OK\nContent-Length: 9\n\n",
		"PUT / HTTP/1.0\nTransfer-Encoding: chunked\n\n1\na\n0\n\n|HTTP/1.0 304 No\nA: b\n c\n\n",
		"GET / HTTP/1.1\nConnection: close\n\n|HTTP/1.1 500 X\n\nup to the end",
	} {
		req, resp, _ := strings.Cut(seed, "|")
		f.Add([]byte(lines(req)), []byte(lines(resp)), uint16(7))
	}
	f.Fuzz(func(t *testing.T, req, resp []byte, piece uint16) {
		q, qBody := readRequest(req)
		if q == nil {
			return
		}
		r, rBody := readResponse(resp, q)
		if r == nil || r.StatusCode < 100 {
			return
		}
		p := &exchange.Pair{Request: exchange.Request{Method: q.Method, Target: q.RequestURI}, Response: exchange.Response{Status: int32(r.StatusCode)}}
		message := func(m *exchange.Message, raw, body []byte, version string, trailer http.Header) {
			m.Present, m.Version, m.Body, m.HasBody, m.BodySize, m.BodyWireSize = true, version, body, len(body) > 0, int64(len(body)), int64(len(body))
			m.Head = raw[:emptyLine(raw)]
		}
		if emptyLine(req) < 0 || emptyLine(resp) < 0 {
			return // HTTP ended by the end of the connection
		}
		message(&p.Request.Message, req, qBody, q.Proto, q.Trailer)
		message(&p.Response.Message, resp, rBody, r.Proto, r.Trailer)
		outQ, outR, _ := written(p, testMarker)
		if n := len(outQ) + len(outR) - len(req) - len(resp) - len(qBody) - len(rBody); n > 400 {
			t.Fatalf("%d bytes more than came in", n)
		}
		q2, qBody2 := readRequest([]byte(outQ))
		if q2 == nil {
			t.Fatalf("request %q cannot be read", outQ)
		}
		if q2.Method != q.Method || q2.RequestURI != q.RequestURI || !bytes.Equal(qBody2, qBody) || q2.Header.Get(replay.MarkerHeader) != testMarker {
			t.Fatalf("request %q became %q", req, outQ)
		}
		r2, rBody2 := readResponse([]byte(outR), q)
		if r2 == nil {
			t.Fatalf("response %q cannot be read", outR)
		}
		if r2.StatusCode != r.StatusCode || !bytes.Equal(rBody2, rBody) || r2.Header.Get(replay.MarkerHeader) != testMarker {
			t.Fatalf("response %q became %q", resp, outR)
		}
		pieces(t, p, int(piece)%3000+1)
	})
}

// emptyLine returns where the first empty line of b ends, -1 where there is none.
func emptyLine(b []byte) int {
	for i := range b {
		if b[i] != '\n' {
			continue
		}
		if bytes.HasPrefix(b[i+1:], []byte("\n")) {
			return i + 2
		}
		if bytes.HasPrefix(b[i+1:], []byte("\r\n")) {
			return i + 3
		}
	}
	return -1
}

// pieces compares the messages of p, copied in pieces of n bytes, with the whole ones.
func pieces(t *testing.T, p *exchange.Pair, n int) {
	w := writer{marker: []byte(testMarker)}
	w.request(p)
	m, _ := w.response(p)
	whole := make([]byte, m.size)
	m.copyTo(whole, w.buf, 0)
	for off := 0; off < m.size; off += n {
		out := make([]byte, min(n, m.size-off))
		s := m.copyTo(out, w.buf, off)
		if !bytes.Equal(out, whole[off:off+len(out)]) {
			t.Fatalf("piece at %d differs", off)
		}
		var b [2]byte
		binary.LittleEndian.PutUint16(b[:], checksum.Fold(s))
		if got, want := binary.BigEndian.Uint16(b[:]), inet(out); got != want && got^want != 0xffff {
			t.Fatalf("sum of the piece at %d is %#x, want %#x", off, got, want)
		}
	}
}

func readRequest(b []byte) (*http.Request, []byte) {
	in := bufio.NewReader(bytes.NewReader(b))
	q, err := http.ReadRequest(in)
	if err != nil {
		return nil, nil
	}
	body, err := io.ReadAll(q.Body)
	if err != nil {
		return nil, nil
	}
	if _, err := in.ReadByte(); err == nil {
		return nil, nil // something stands behind it
	}
	return q, body
}

func readResponse(b []byte, q *http.Request) (*http.Response, []byte) {
	in := bufio.NewReader(bytes.NewReader(b))
	r, err := http.ReadResponse(in, q)
	if err != nil {
		return nil, nil
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, nil
	}
	if _, err := in.ReadByte(); err == nil {
		return nil, nil
	}
	return r, body
}

// Bodies go out under the codings that they were recorded with, and come back as they
// are stored.
func TestBodiesAreCodedAgain(t *testing.T) {
	body := bytes.Repeat([]byte("all of the body, "), 100)
	decoders := map[string]func(io.Reader) (io.Reader, error){
		"gzip":    func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) },
		"deflate": func(r io.Reader) (io.Reader, error) { return zlib.NewReader(r) },
		"br":      func(r io.Reader) (io.Reader, error) { return brotli.NewReader(r), nil },
		"zstd":    func(r io.Reader) (io.Reader, error) { return zstd.NewReader(r) },
	}
	for _, tt := range []struct {
		codings string
		undo    []string // in the order of decoding; nil where nothing is coded
	}{
		{"gzip", []string{"gzip"}}, {"X-GZIP", []string{"gzip"}}, {"deflate", []string{"deflate"}}, {"br", []string{"br"}}, {"zstd", []string{"zstd"}},
		{"gzip, br", []string{"br", "gzip"}}, {"identity", []string{}}, {"compress", nil}, {"gzip, dcb", nil},
	} {
		t.Run(tt.codings, func(t *testing.T) {
			p := targettest.Pair(1, 0, nil)
			m := &p.Response.Message
			m.Head = []byte("HTTP/1.1 200 OK\r\nContent-Encoding: " + tt.codings + "\r\nContent-Length: 7\r\n\r\n")
			m.Body, m.BodySize, m.BodyWireSize, m.ContentEncoding = body, int64(len(body)), 7, tt.codings
			target := &Target{}
			for range 2 { // encoders are used again
				e := replay.Event{Pair: p}
				target.Prepare(&e)
				w := writer{coded: e.Body}
				msg, _ := w.response(p)
				out := make([]byte, msg.size)
				msg.copyTo(out, w.buf, 0)
				resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(out)), nil)
				if err != nil {
					t.Fatal(err)
				}
				if got := resp.Header.Get("Content-Encoding"); tt.undo == nil && got != "" || tt.undo != nil && got != tt.codings {
					t.Errorf("Content-Encoding %q", got)
				}
				var r io.Reader = resp.Body
				for _, name := range tt.undo {
					if r, err = decoders[name](r); err != nil {
						t.Fatal(err)
					}
				}
				if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, body) {
					t.Errorf("%d bytes came back, %v; want %d", len(got), err, len(body))
				}
			}
			decoded := &Target{opt: Options{Decoded: true}}
			e := replay.Event{Pair: p}
			if decoded.Prepare(&e); e.Body[1] != nil {
				t.Error("coded, although bodies were to go out decoded")
			}
		})
	}
}

// Interim responses go where they were, unless told otherwise.
func TestInterimResponses(t *testing.T) {
	p := targettest.Pair(1, 3, nil)
	p.Response.Interim = []exchange.Interim{{Status: 100}, {Status: 103, Headers: []exchange.Header{{Name: ":status", Value: "103"}, {Name: "Link", Value: "</a.css>"}}}}
	for _, early := range []bool{true, false} {
		w := writer{early: early}
		m, _ := w.response(p)
		out := make([]byte, m.size)
		m.copyTo(out, w.buf, 0)
		want := lines("HTTP/1.1 100 Continue\n\nHTTP/1.1 103 Early Hints\nLink: </a.css>\n\nHTTP/1.1 200 OK\n")
		if strings.HasPrefix(string(out), want) != early || early != bytes.Contains(out, []byte("103")) {
			t.Errorf("early %t: %s", early, out)
		}
	}
}
