package http1

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"recap/pipeline/app"
	"recap/pipeline/exchange"
)

// TestOddMessages shows how malformed messages are read, and what the oddity is called.
// req and resp are one message each; where one is empty, a plain one stands in.
func TestOddMessages(t *testing.T) {
	const cl = "HTTP/1.1 200 OK\r\nContent-Length: "
	for _, tt := range []struct {
		name      string
		req, resp string
		want      string
		headers   string // of the odd message
		anomalies string
	}{
		{name: "a folded header", req: "GET /a HTTP/1.1\r\nX: one\r\n\ttwo\r\n   three\r\nY: z\r\n\r\n", want: `complete GET /a -> 200 "ok"`,
			headers: "X=one two three|Y=z", anomalies: "obs_fold"},
		{name: "lines that end in LF alone", req: "GET /a HTTP/1.1\nX: one\n\n", want: `complete GET /a -> 200 "ok"`,
			headers: "X=one", anomalies: "bare_lf_eol"},
		{name: "an empty line that ends in LF alone", req: "GET /a HTTP/1.1\r\nX: one\r\n\n", want: `complete GET /a -> 200 "ok"`,
			headers: "X=one", anomalies: "bad_head_end bare_lf_eol"},
		{name: "CR alone between two headers", resp: "HTTP/1.1 200 OK\r\nX: 1\rY: 2\r\nContent-Length: 2\r\n\r\nok", want: `complete GET /a -> 200 "ok"`,
			headers: "X=1|Y=2|Content-Length=2", anomalies: "bare_cr_eol"},
		{name: "CR alone and LF alone", resp: "HTTP/1.1 200 OK\nX: 1\rY: 2\nContent-Length: 2\r\n\r\nok", want: `complete GET /a -> 200 "ok"`,
			headers: "X=1|Y=2|Content-Length=2", anomalies: "bare_cr_eol bare_lf_eol"},
		{name: "a head of CR alone", resp: "HTTP/1.1 200 OK\rContent-Length: 2\r\rok", want: `complete GET /a -> 200 "ok"`, anomalies: "bare_cr_eol nonstd_eol"},
		{name: "white space before the colon", resp: "HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok", want: `complete GET /a -> 200 "ok"`,
			headers: "Content-Length=2", anomalies: "ws_before_colon"},
		{name: "white space before the first header", resp: "HTTP/1.1 200 OK\r\n Content-Length: 2\r\n\r\nok", want: `complete GET /a -> 200 "ok"`,
			headers: "Content-Length=2", anomalies: "ws_before_header"},
		{name: "a line without a colon", resp: "HTTP/1.1 200 OK\r\nfoo bar\r\nContent-Length: 2\r\n\r\nok", want: `complete GET /a -> 200 "ok"`,
			headers: "Content-Length=2", anomalies: "bad_header_line"},
		{name: "a line that begins with a colon", resp: "HTTP/1.1 200 OK\r\n: x\r\nContent-Length: 2\r\n\r\nok", want: `complete GET /a -> 200 "ok"`,
			headers: "Content-Length=2", anomalies: "bad_header_line"},
		{name: "bytes that are not UTF-8", req: "GET /\xff\xe9?\xc3\xa9 HTTP/1.1\r\nX\x80: \xe9t\xc3\xa9\r\n\r\n", want: `complete GET /\xff\xe9?é -> 200 "ok"`,
			headers: `X\x80=\xe9té`, anomalies: "bad_header_line escaped_bytes"},
		{name: "two equal lengths", resp: cl + "2\r\nContent-Length: 2\r\n\r\nok", want: `complete GET /a -> 200 "ok"`, anomalies: "dup_cl"},
		{name: "two lengths that differ: the first counts", resp: cl + "2\r\nContent-Length: 9\r\n\r\nok", want: `complete GET /a -> 200 "ok"`, anomalies: "dup_cl"},
		{name: "a length and chunks: the chunks count", resp: cl + "1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", want: `complete GET /a -> 200 "ok"`, anomalies: "te_and_cl"},
		{name: "a length with a plus", resp: cl + "+2\r\n\r\nok", want: `complete GET /a -> 200 "ok"`, anomalies: "bad_cl"},
		{name: "a length with junk behind", resp: cl + "2;\r\n\r\nok", want: `complete GET /a -> 200 "ok"`, anomalies: "bad_cl"},
		{name: "a list of lengths", resp: cl + "2,2\r\n\r\nok", want: `complete GET /a -> 200 "ok"`, anomalies: "bad_cl"},
		{name: "a length with many zeros in front", resp: cl + "00000000000000000000002\r\n\r\nok", want: `complete GET /a -> 200 "ok"`, anomalies: "bad_cl"},
		{name: "a negative length", resp: cl + "-2\r\n\r\nok", want: `complete GET /a -> 200 "ok"`, anomalies: "bad_cl"},
		{name: "a length of 2^64", resp: cl + "18446744073709551616\r\n\r\nok", want: `partial GET /a -> 200 "ok"`, anomalies: "bad_cl short_body"},
		{name: "no length", resp: cl + "\r\n\r\nok", want: `complete GET /a -> 200 "ok"`, anomalies: "bad_cl"},
		{name: "a length too large", resp: cl + "9\r\n\r\nok", want: `partial GET /a -> 200 "ok"`, anomalies: "short_body"},
		{name: "chunks under HTTP/1.0", resp: "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", want: `complete GET /a -> 200 "ok"`, anomalies: "chunked_old_proto"},
		{name: "two transfer codings in two fields", resp: "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
			want: `complete GET /a -> 200 "ok"`, anomalies: "multi_te"},
		{name: "a transfer coding that is not known", resp: "HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\nok", want: `complete GET /a -> 200 "ok"`, anomalies: "unknown_te"},
		{name: "a version that is not HTTP's", resp: "HTTP/1.2 200 OK\r\nContent-Length: 2\r\n\r\nok", want: `complete GET /a -> 200 "ok"`, anomalies: "bad_version"},
		{name: "a version in lower case", req: "GET /a http/1.1\r\n\r\n", want: `complete GET /a -> 200 "ok"`, anomalies: "bad_version"},
		{name: "a status of four digits", resp: "HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\nok", want: `complete GET /a -> 2000 "ok"`, anomalies: "bad_status"},
		{name: "a status of 000", resp: "HTTP/1.1 000 OK\r\nContent-Length: 2\r\n\r\nok", want: `complete GET /a -> 0 "ok"`, anomalies: "bad_status"},
		{name: "a status without a reason", resp: "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", want: `complete GET /a -> 200 "ok"`},
		{name: "a status line with two spaces", resp: "HTTP/1.1  200 OK\r\nContent-Length: 2\r\n\r\nok", want: `complete GET /a -> 200 "ok"`, anomalies: "bad_status_line"},
		{name: "a status line without a status", resp: "HTTP/1.1\r\nContent-Length: 2\r\n\r\nok", want: `complete GET /a -> 0 "ok"`, anomalies: "bad_status_line"},
		{name: "a target with a space", req: "GET /a b HTTP/1.1\r\n\r\n", want: `complete GET /a b -> 200 "ok"`, anomalies: "bad_request_line"},
		{name: "two spaces before the version", req: "GET /a  HTTP/1.1\r\n\r\n", want: `complete GET /a -> 200 "ok"`, anomalies: "bad_request_line"},
		{name: "a request line without a version", req: "POST /a\r\n\r\n", want: `complete POST /a -> 200 "ok"`, anomalies: "bad_version"},
		{name: "LF alone behind a chunk size", resp: chunk + "2\nok\r\n0\r\n\r\n", want: `complete GET /a -> 200 "ok"`, anomalies: "bare_lf_chunk_ext"},
		{name: "junk behind a chunk size", resp: chunk + "2x\r\nok\r\n0\r\n\r\n", want: `complete GET /a -> 200 "ok"`, anomalies: "bad_chunk_line"},
		{name: "white space in front of a chunk size", resp: chunk + " \t2\r\nok\r\n0\r\n\r\n", want: `complete GET /a -> 200 "ok"`, anomalies: "bad_chunk_line"},
		{name: "an empty line in front of a chunk size", resp: chunk + "\r\n2\r\nok\r\n0\r\n\r\n", want: `complete GET /a -> 200 "ok"`, anomalies: "bad_chunk_line"},
		{name: "no line end behind a chunk", resp: chunk + "2\r\nok0\r\n\r\n", want: `complete GET /a -> 200 "ok"`, anomalies: "bad_chunk_line"},
		{name: "a last chunk of many zeros", resp: chunk + "2\r\nok\r\n00000000000000000000\r\n\r\n", want: `complete GET /a -> 200 "ok"`, anomalies: "chunk_size_zeros"},
		{name: "junk behind the size of the last chunk", resp: chunk + "2\r\nok\r\n0x\r\n\r\n", want: `complete GET /a -> 200 "ok"`, anomalies: "bad_chunk_line bad_final_chunk"},
		{name: "a trailer without a colon", resp: chunk + "2\r\nok\r\n0\r\nfoo\r\n\r\n", want: `complete GET /a -> 200 "ok"`, anomalies: "bad_final_chunk"},
		{name: "no size at all", resp: chunk + "2\r\nok\r\nxyz\r\n0\r\n\r\n", want: `complete GET /a -> 200 "ok"`, anomalies: "bad_chunk_line"},
		{name: "a size that overflows", resp: chunk + "2\r\nok\r\n10000000000000000000\r\n0\r\n\r\n", want: `partial GET /a -> 200 "ok"`, anomalies: "bad_chunk_line"},
		{name: "a chunked body that just ends", resp: chunk + "2\r\nok\r\n", want: `partial GET /a -> 200 "ok"`, anomalies: "bad_final_chunk"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlayer()
			req, resp := tt.req, tt.resp
			if req == "" {
				req = get
			}
			if resp == "" {
				resp = ok2
			}
			p.play(c(req), s(resp), cClose, sClose)
			p.end(t, app.EndFIN)
			if got := lines(p.pairs); got != tt.want+"\n" {
				t.Errorf("pairs are\n\t%swant\n\t%s", got, tt.want)
			}
			if got := anomalies(p.pairs); got != tt.anomalies {
				t.Errorf("anomalies are %q, want %q", got, tt.anomalies)
			}
			if tt.headers != "" && len(p.pairs) > 0 {
				m := &p.pairs[0].Request.Message
				if tt.req == "" {
					m = &p.pairs[0].Response.Message
				}
				if got := headers(m); got != tt.headers {
					t.Errorf("headers are %s, want %s", got, tt.headers)
				}
				if m.HeadEscaped != strings.Contains(tt.anomalies, "escaped_bytes") {
					t.Errorf("HeadEscaped is %t", m.HeadEscaped)
				}
			}
		})
	}
}

func headers(m *exchange.Message) string {
	var all []string
	for _, h := range m.Headers {
		all = append(all, h.Name+"="+h.Value)
	}
	return strings.Join(all, "|")
}

func TestTargets(t *testing.T) {
	for _, tt := range []struct{ line, host, want string }{
		{"GET /a/b?c=d&e HTTP/1.1", "x:81", "http x /a/b c=d&e http://x:81/a/b?c=d&e"},
		{"GET http://u:p@h.example:8080/x?y HTTP/1.1", "other", "http h.example /x y http://u:p@h.example:8080/x?y"},
		{"GET http://h HTTP/1.1", "h", "http h /  http://h"},
		{"OPTIONS * HTTP/1.1", "h:1", "http h *  "},
		{"CONNECT h:443 HTTP/1.1", "z", " h   "},
		{"GET /a HTTP/1.1", "[::1]:80", "http [::1] /a  http://[::1]:80/a"},
		{"GET /a HTTP/1.0", "", "http  /a  "},
	} {
		p := newPlayer()
		head := tt.line + "\r\n"
		if tt.host != "" {
			head += "Host: " + tt.host + "\r\n"
		}
		p.play(c(head + "\r\n"))
		p.end(t, app.EndFIN)
		r := &p.pairs[0].Request
		if got := fmt.Sprintf("%s %s %s %s %s", r.Scheme, r.Host, r.Path, r.Query, r.URL); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.line, got, tt.want)
		}
	}
}

func TestKinds(t *testing.T) {
	for _, tt := range []struct{ req, resp, want string }{
		{"", "Content-Type: application/json; charset=utf-8", "rest"},
		{"Content-Type: application/problem+xml", "", "rest"},
		{"", "Content-Type: text/event-stream", "sse"},
		{"Content-Type: application/grpc+proto", "", "grpc"},
		{"Content-Type: application/graphql", "", "graphql"},
		{"SOAPAction: x", "", "soap"},
		{"", "Content-Type: text/html", "other"},
	} {
		p := newPlayer()
		p.play(c("GET / HTTP/1.1\r\n"+tt.req+"\r\n\r\n"), s("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"+tt.resp+"\r\n\r\n"))
		p.end(t, app.EndFIN)
		if got := p.pairs[0].Kind; got != tt.want {
			t.Errorf("%q, %q: %s, want %s", tt.req, tt.resp, got, tt.want)
		}
	}
}

func TestHeadLimitOfAHeadThatIsCut(t *testing.T) {
	p := newPlayer()
	p.play(c("GET /a HTTP/1.1\r\n" + strings.Repeat("X: 1\r\n", int(p.env.Limits.Head))))
	p.end(t, app.EndCapture)
	if q := p.pairs[0]; q.State != exchange.Partial || !q.Anomalies.Has(exchange.AnomalyHeadLimit) {
		t.Errorf("%s has no head_limit", lines(p.pairs))
	}
}

func TestHeadLimit(t *testing.T) {
	for _, tt := range []struct {
		name  string
		split int // bytes of each packet
		extra int // bytes of the head over the limit
	}{
		{"in one piece", 1 << 20, 1},
		{"in pieces", 100, 500},
		{"byte by byte", 1, 3},
		{"as long as may be", 1000, 0},
		{"as long as may be, in one piece with what follows", 1 << 20, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlayer()
			limit := int(p.env.Limits.Head)
			head := "GET /a HTTP/1.1\r\nX: "
			head += strings.Repeat("x", limit+tt.extra-len(head)-4) + "\r\n\r\n"
			all := head + getB
			for len(all) > 0 {
				n := min(tt.split, len(all))
				p.play(c(all[:n]))
				all = all[n:]
			}
			p.play(s(ok2), s(okB))
			p.end(t, app.EndFIN)
			if got := lines(p.pairs); got != want(`
				complete GET /a -> 200 "ok"
				complete GET /b -> 200 "b's"`) {
				t.Fatalf("pairs are\n%s", got)
			}
			if over := p.pairs[0].Anomalies.Has(exchange.AnomalyHeadLimit); over != (tt.extra > 0) {
				t.Errorf("head_limit is %t", over)
			}
			if m := &p.pairs[0].Request.Message; len(m.Head) != limit || !strings.HasPrefix(head, string(m.Head)) {
				t.Errorf("%d bytes of head are stored, want %d", len(m.Head), limit)
			}
		})
	}
	t.Run("too many fields, and a length behind them", func(t *testing.T) {
		p := newPlayer()
		p.play(c("POST /a HTTP/1.1\r\n"+strings.Repeat("x: y\r\n", 200)+"Content-Length: 3\r\n\r\nabc"), s(ok2))
		p.end(t, app.EndFIN)
		if q := p.pairs[0]; line(q) != `complete POST /a "abc" -> 200 "ok"` || len(q.Request.Headers) != 100 || !q.Anomalies.Has(exchange.AnomalyHeadLimit) {
			t.Errorf("%s with %d headers", line(q), len(q.Request.Headers))
		}
	})
	t.Run("a flood of interim responses", func(t *testing.T) {
		p := newPlayer()
		p.play(c(get))
		for range 10_000 {
			p.play(s("HTTP/1.1 103 Early Hints\r\nLink: " + strings.Repeat("l", 1000) + "\r\n\r\n"))
		}
		p.play(s(ok2))
		p.end(t, app.EndFIN)
		if q := p.pairs[0]; q.Response.Status != 200 || !q.Anomalies.Has(exchange.AnomalyHeadLimit) || len(q.Response.Interim) > 9 {
			t.Errorf("status %d after %d interim responses", q.Response.Status, len(q.Response.Interim))
		}
	})
	t.Run("a flood of short trailers", func(t *testing.T) {
		p := newPlayer()
		p.play(c(get), s(chunk+"0\r\n"+strings.Repeat("X: y\r\n", 200)+"\r\n"))
		p.end(t, app.EndFIN)
		if q := p.pairs[0]; q.State != exchange.Complete || !q.Anomalies.Has(exchange.AnomalyHeadLimit) || len(q.Response.Trailers) != 100 {
			t.Errorf("%v with %d trailers", q.State, len(q.Response.Trailers))
		}
	})
	t.Run("a flood of trailers", func(t *testing.T) {
		p := newPlayer()
		p.play(c(get), s(chunk+"0\r\n"))
		for range 1000 {
			p.play(s("X: " + strings.Repeat("t", 1000) + "\r\n"))
		}
		p.play(s("\r\n"))
		p.end(t, app.EndFIN)
		if q := p.pairs[0]; q.State != exchange.Complete || !q.Anomalies.Has(exchange.AnomalyHeadLimit) || len(q.Response.Trailers) > 8 {
			t.Errorf("%v with %d trailers", q.State, len(q.Response.Trailers))
		}
	})
}

func TestMemoryOfOpenExchanges(t *testing.T) {
	p := newPlayer()
	req := "GET /a HTTP/1.1\r\nX: " + strings.Repeat("x", 4000) + "\r\n\r\n"
	for range 50 {
		p.play(c(req))
	}
	if m := p.conn.Memory(); m < 50*4000 {
		t.Errorf("50 open requests of 4000 bytes are said to take %d bytes", m)
	}
	p.end(t, app.EndFIN)
	if m := p.conn.Memory(); m > 64<<10 {
		t.Errorf("%d bytes are held when all is given out", m)
	}
}

// TestHostileHeadsAreLinear doubles inputs on which a careless reader is quadratic.
func TestHostileHeadsAreLinear(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a second")
	}
	for _, tt := range []struct {
		name string
		make func(n int) []move
	}{
		{"folds", func(n int) []move {
			return []move{c("GET /a HTTP/1.1\r\nX: 1\r\n" + strings.Repeat(" a\r\n", n) + "\r\n")}
		}},
		{"a head in small pieces", func(n int) []move {
			l := []move{c("GET /a HTTP/1.1\r\nX: ")}
			for range n {
				l = append(l, c("xy"))
			}
			return l
		}},
		{"a line that never ends", func(n int) []move {
			l := []move{c("GET /")}
			for range n {
				l = append(l, c("xy"))
			}
			return l
		}},
		{"junk that looks like a beginning", func(n int) []move {
			l := []move{c("\x00\n")}
			for range n {
				l = append(l, c("GE"))
			}
			return l
		}},
		{"pipelined requests", func(n int) []move { return []move{c(strings.Repeat(get, n))} }},
		{"one-byte chunks", func(n int) []move { return []move{c(get), s(chunk + strings.Repeat("1\r\nx\r\n", n))} }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cost := func(n int) time.Duration {
				best := time.Hour
				for range 7 { // a loaded machine spoils most of them
					p := newPlayer()
					p.env.Limits.Head = 1 << 20
					p.env.Limits.OpenExchanges = 10_000
					list := tt.make(n)
					start := time.Now()
					p.play(list...)
					p.end(t, app.EndFIN)
					best = min(best, time.Since(start))
				}
				return best
			}
			// A generous factor over four doublings: 16 is linear, 256 quadratic.
			// What is quadratic is so each time; a machine that others load is slow now and then.
			var a, b time.Duration
			for range 5 {
				if a, b = cost(4000), cost(64_000); b <= 80*a+20*time.Millisecond {
					return
				}
			}
			t.Errorf("16 times the input took %v after %v", b, a)
		})
	}
}

// FuzzHead: strings are valid UTF-8, and the head is what was on the wire.
func FuzzHead(f *testing.F) {
	f.Add([]byte("GET /\xff HTTP/1.1\r\nX: \xe9\r\n y\r\n\r\n"))
	f.Add([]byte("POST http://h/ HTTP/1.0\nContent-Length: 3\n\nabc"))
	f.Fuzz(func(t *testing.T, head []byte) {
		p := newPlayer()
		p.play(c(string(head)), cClose)
		p.end(t, app.EndFIN)
		for _, q := range p.pairs {
			r := &q.Request
			all := []string{r.Method, r.Target, r.Version, r.Scheme, r.Host, r.Path, r.Query, r.URL, r.ContentType, r.ContentEncoding, q.Kind, q.Protocol}
			for _, h := range append(append([]exchange.Header(nil), r.Headers...), r.Trailers...) {
				all = append(all, h.Name, h.Value)
			}
			for _, v := range all {
				if !utf8.ValidString(v) {
					t.Fatalf("%q is not UTF-8", v)
				}
			}
			if !bytes.Contains(head, r.Head) {
				t.Fatalf("head %q is not in the input", r.Head)
			}
			if !r.HeadEscaped && r.Present {
				for _, v := range []string{r.Method, r.Target} {
					if !bytes.Contains(r.Head, []byte(v)) {
						t.Fatalf("%q is not in the head %q", v, r.Head)
					}
				}
			}
		}
	})
}

// What stands behind a head without LF is a request only if it begins as one, and no pair
// holds on to more of the stream than its own head.
func TestHeadsWithoutLF(t *testing.T) {
	const one = "GET /a HTTP/1.1\rHost: x\r\r"
	for _, tt := range []struct {
		name, text string
		want       int
	}{
		{"requests", strings.Repeat(one, 1000), 1000},
		{"a request and then words", one + strings.Repeat("word\r\r", 5000), 1},
		{"words in a value", "GET /a HTTP/1.1\r\nX: " + strings.Repeat("word\r\r", 5000), 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlayer()
			p.play(c(tt.text), cClose)
			p.end(t, app.EndFIN)
			if len(p.pairs) != tt.want {
				t.Fatalf("%d pairs, want %d", len(p.pairs), tt.want)
			}
			for _, q := range p.pairs[:min(len(p.pairs), 900)] { // the last ones are all that there is
				if n := cap(q.Request.Head); n > 2*len(q.Request.Head)+firstStep/16 {
					t.Fatalf("a head of %d bytes holds on to %d", len(q.Request.Head), n)
				}
			}
		})
	}
}
