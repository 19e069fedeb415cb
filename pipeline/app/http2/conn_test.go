package http2

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"strings"
	"testing"

	xhttp2 "golang.org/x/net/http2"

	"recap/pipeline/exchange"
)

func zip(s string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write([]byte(s))
	w.Close()
	return b.String()
}

// splits are the piece sizes that every table test runs with.
var splits = []int{0, 1, 2, 3, 7, 9, 10, 13, 64, 1000}

func TestPairs(t *testing.T) {
	for _, tt := range []struct {
		name string
		say  func(c, s *end)
		want string
	}{
		{"one get", func(c, s *end) {
			c.get(1, "/a?b=1", "accept", "*/*")
			c.flush()
			s.ok(1, "hello", "content-type", "text/plain", "content-length", "5")
		}, `
			complete other GET shop.example /a?b=1
			 > {:method=GET; :scheme=https; :authority=shop.example; :path=/a?b=1; accept=*/*}
			 < 200 {:status=200; content-type=text/plain; content-length=5} "hello" size=5 wire=5`},
		{"interleaved streams answered in the other order", func(c, s *end) {
			c.get(1, "/1")
			c.get(3, "/3")
			c.headers(5, false, ":method", "POST", ":scheme", "https", ":authority", "shop.example", ":path", "/5", "content-type", "application/json")
			c.WriteData(5, false, []byte(`{"a":`))
			c.flush()
			s.headers(3, false, ":status", "200")
			s.headers(1, false, ":status", "404")
			s.WriteData(3, false, []byte("three"))
			s.WriteData(1, false, []byte("o"))
			s.flush()
			c.WriteData(5, true, []byte(`1}`))
			c.flush()
			s.WriteData(3, true, []byte("!"))
			s.WriteData(1, true, []byte("ne"))
			s.headers(5, true, ":status", "201")
		}, `
			complete other GET shop.example /1
			 > {:method=GET; :scheme=https; :authority=shop.example; :path=/1}
			 < 404 {:status=404} "one" size=3 wire=3
			complete other GET shop.example /3
			 > {:method=GET; :scheme=https; :authority=shop.example; :path=/3}
			 < 200 {:status=200} "three!" size=6 wire=6
			complete rest POST shop.example /5
			 > {:method=POST; :scheme=https; :authority=shop.example; :path=/5; content-type=application/json} "{\"a\":1}" size=7 wire=7
			 < 201 {:status=201}`},
		{"continuation, padding, priority, trailers", func(c, s *end) {
			b := c.block(":method", "PUT", ":scheme", "https", ":authority", "shop.example", ":path", "/up", "x-long", strings.Repeat("v", 40))
			c.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: 1, BlockFragment: b[:5], PadLength: 7, Priority: xhttp2.PriorityParam{StreamDep: 0, Weight: 9}})
			c.WriteContinuation(1, false, b[5:6])
			c.WriteContinuation(1, false, nil)
			c.WriteContinuation(1, true, b[6:])
			c.WriteDataPadded(1, false, []byte("pad"), make([]byte, 9))
			c.WriteDataPadded(1, false, nil, make([]byte, 2))
			c.WriteDataPadded(1, false, []byte("ded"), []byte{})
			c.headers(1, true, "x-sum", "42")
			c.flush()
			s.headers(1, false, ":status", "200")
			s.WriteData(1, false, []byte("x"))
			s.headers(1, true, "server-timing", "a")
		}, `
			complete other PUT shop.example /up
			 > {:method=PUT; :scheme=https; :authority=shop.example; :path=/up; x-long=vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv} "padded" size=6 wire=6 trailers{x-sum=42}
			 < 200 {:status=200} "x" size=1 wire=1 trailers{server-timing=a}`},
		{"interim responses", func(c, s *end) {
			c.get(1, "/")
			c.flush()
			s.headers(1, false, ":status", "103", "link", "</a.css>")
			s.headers(1, false, ":status", "100")
			s.ok(1, "body")
		}, `
			complete other GET shop.example /
			 > {:method=GET; :scheme=https; :authority=shop.example; :path=/}
			 < 103 {:status=103; link=</a.css>}
			 < 100 {:status=100}
			 < 200 {:status=200} "body" size=4 wire=4`},
		{"pushed response", func(c, s *end) {
			c.get(1, "/")
			c.flush()
			s.WritePushPromise(xhttp2.PushPromiseParam{StreamID: 1, PromiseID: 2, EndHeaders: true, PadLength: 3,
				BlockFragment: s.block(":method", "GET", ":scheme", "https", ":authority", "shop.example", ":path", "/a.css")})
			s.ok(1, "page")
			s.ok(2, "css")
		}, `
			complete other GET shop.example /
			 > {:method=GET; :scheme=https; :authority=shop.example; :path=/}
			 < 200 {:status=200} "page" size=4 wire=4
			complete other GET shop.example /a.css
			 > {:method=GET; :scheme=https; :authority=shop.example; :path=/a.css}
			 < 200 {:status=200} "css" size=3 wire=3
			 ! pushed`},
		{"resets, before an answer and inside one", func(c, s *end) {
			c.get(1, "/1")
			c.WriteRSTStream(1, xhttp2.ErrCodeCancel)
			c.get(3, "/3")
			c.flush()
			s.headers(3, false, ":status", "200", "content-length", "10")
			s.WriteData(3, false, []byte("abc"))
			s.WriteRSTStream(3, xhttp2.ErrCodeInternal)
			s.flush()
			c.headers(5, false, ":method", "POST", ":scheme", "https", ":authority", "shop.example", ":path", "/5")
			c.WriteRSTStream(5, xhttp2.ErrCodeCancel)
		}, `
			request_only other GET shop.example /1
			 > {:method=GET; :scheme=https; :authority=shop.example; :path=/1}
			 < 0 -
			 ! stream_reset
			partial other GET shop.example /3
			 > {:method=GET; :scheme=https; :authority=shop.example; :path=/3}
			 < 200 {:status=200; content-length=10} "abc" size=3 wire=3 unhashed
			 ! short_body stream_reset
			partial other POST shop.example /5
			 > {:method=POST; :scheme=https; :authority=shop.example; :path=/5}
			 < 0 -
			 ! stream_reset`},
		{"goaway leaves a stream undone", func(c, s *end) {
			c.get(1, "/1")
			c.get(3, "/3")
			c.flush()
			s.WriteGoAway(1, xhttp2.ErrCodeNo, []byte("bye"))
			s.ok(1, "")
		}, `
			complete other GET shop.example /1
			 > {:method=GET; :scheme=https; :authority=shop.example; :path=/1}
			 < 200 {:status=200}
			request_only other GET shop.example /3
			 > {:method=GET; :scheme=https; :authority=shop.example; :path=/3}
			 < 0 -
			 ! goaway`},
		{"content codings are undone", func(c, s *end) {
			c.get(1, "/z")
			c.flush()
			z := zip("plain text, plain text")
			s.headers(1, false, ":status", "200", "content-encoding", "gzip", "content-length", fmt.Sprint(len(z)))
			s.WriteData(1, false, []byte(z[:10]))
			s.WriteData(1, true, []byte(z[10:]))
		}, fmt.Sprintf(`
			complete other GET shop.example /z
			 > {:method=GET; :scheme=https; :authority=shop.example; :path=/z}
			 < 200 {:status=200; content-encoding=gzip; content-length=%d} "plain text, plain text" size=22 wire=%[1]d`, len(zip("plain text, plain text")))},
		{"lengths, hosts and fields that contradict each other", func(c, s *end) {
			c.headers(1, false, ":method", "POST", ":scheme", "https", ":authority", "a.example", ":path", "/", "host", "b.example",
				"content-length", "3", "transfer-encoding", "chunked", "X-Upper", "1", "x-crlf", "a\r\nb: c")
			c.WriteData(1, true, []byte("0\r\n\r\nGET /x"))
			c.flush()
			s.ok(1, "")
		}, `
			complete other POST a.example /
			 > {:method=POST; :scheme=https; :authority=a.example; :path=/; host=b.example; content-length=3; transfer-encoding=chunked; X-Upper=1; x-crlf=a` + "\r\n\t\t\tb: c" + `} "0\r\n\r\nGET /x" size=11 wire=11
			 < 200 {:status=200}
			 ! authority_mismatch bad_header_line cl_mismatch connection_header`},
		{"no content in answers to HEAD, and 304", func(c, s *end) {
			c.headers(1, true, ":method", "HEAD", ":scheme", "https", ":authority", "shop.example", ":path", "/")
			c.get(3, "/n")
			c.flush()
			s.headers(1, true, ":status", "200", "content-length", "9")
			s.headers(3, true, ":status", "304", "content-length", "9")
		}, `
			complete other HEAD shop.example /
			 > {:method=HEAD; :scheme=https; :authority=shop.example; :path=/}
			 < 200 {:status=200; content-length=9}
			complete other GET shop.example /n
			 > {:method=GET; :scheme=https; :authority=shop.example; :path=/n}
			 < 304 {:status=304; content-length=9}`},
		{"connect, and websocket over a stream", func(c, s *end) {
			c.headers(1, false, ":method", "CONNECT", ":authority", "db.example:5432")
			c.headers(3, false, ":method", "CONNECT", ":protocol", "websocket", ":scheme", "https", ":path", "/chat", ":authority", "shop.example")
			c.flush()
			s.headers(1, false, ":status", "200")
			s.headers(3, false, ":status", "200")
			s.flush()
			c.WriteData(1, true, []byte("up"))
			c.flush()
			s.WriteData(1, true, []byte("down"))
			s.flush()
			c.WriteData(3, true, []byte("\x88\x80mask"))
			c.flush()
			s.WriteData(3, true, []byte("\x88\x00"))
		}, `
			complete other CONNECT db.example db.example:5432
			 > {:method=CONNECT; :authority=db.example:5432} "up" size=2 wire=2
			 < 200 {:status=200} "down" size=4 wire=4
			complete websocket CONNECT shop.example /chat
			 > {:method=CONNECT; :protocol=websocket; :scheme=https; :path=/chat; :authority=shop.example}
			 < 200 {:status=200}
			message 0 dir=0 close "" size=0 wire=0 compressed=false partial=false
			message 1 dir=1 close "" size=0 wire=0 compressed=false partial=false`},
		{"data on stream 0 and on streams that nobody opened", func(c, s *end) {
			c.get(1, "/1")
			c.WriteData(0, false, []byte("zero"))
			c.WriteData(9, true, []byte("nine"))
			c.flush()
			s.WriteData(0, true, []byte("zero"))
			s.WriteData(7, true, []byte("seven"))
			s.ok(1, "one")
		}, `
			complete other GET shop.example /1
			 > {:method=GET; :scheme=https; :authority=shop.example; :path=/1}
			 < 200 {:status=200} "one" size=3 wire=3
			 ! bad_frame`},
		{"frames of unknown types and wrong sizes", func(c, s *end) {
			c.WriteRawFrame(0xfa, 0xff, 77, []byte("grease"))
			c.WriteRawFrame(xhttp2.FramePing, 0, 0, []byte("short"))
			c.WriteRawFrame(xhttp2.FrameRSTStream, 0, 1, []byte("toolong"))
			c.WriteRawFrame(xhttp2.FrameHeaders, 0x28, 1, []byte{0, 0, 0})
			c.WriteRawFrame(xhttp2.FrameData, 0x8, 1, []byte{9, 0, 0})
			c.get(1, "/1")
			c.flush()
			s.ok(1, "one")
		}, `
			complete other GET shop.example /1
			 > {:method=GET; :scheme=https; :authority=shop.example; :path=/1}
			 < 200 {:status=200} "one" size=3 wire=3
			 ! bad_frame`},
		{"a header block that cannot be decoded spares the others", func(c, s *end) {
			c.headers(1, true, ":method", "GET", ":scheme", "https", ":authority", "shop.example", ":path", "/1", "x-a", "1")
			c.WriteRawFrame(xhttp2.FrameHeaders, 0x5, 3, []byte{0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
			c.headers(5, true, ":method", "GET", ":scheme", "https", ":authority", "shop.example", ":path", "/5", "x-a", "1")
			c.flush()
			s.ok(1, "")
			s.ok(3, "")
			s.ok(5, "")
		}, `
			complete other GET shop.example /1
			 > {:method=GET; :scheme=https; :authority=shop.example; :path=/1; x-a=1}
			 < 200 {:status=200}
			partial other GET  ` + `
			 > {:method=GET}
			 < 200 {:status=200}
			 ! bad_pseudo_header hpack_error
			partial other GET  /5
			 > {:method=GET; :scheme=https; ?idx=64=?idx=64; :path=/5; ?idx=63=?idx=63}
			 < 200 {:status=200}
			 ! hpack_unknown`},
		{"bytes that are not UTF-8", func(c, s *end) {
			c.get(1, "/\xff", "x-a", "\xe9t\xe9")
			c.flush()
			s.ok(1, "")
		}, `
			complete other GET shop.example /\xff
			 > {:method=GET; :scheme=https; :authority=shop.example; :path=/\xff; x-a=\xe9t\xe9}
			 < 200 {:status=200}
			 ! escaped_bytes`},
		{"an answer sent before the server had the request is none to it", func(c, s *end) {
			s.ok(1, "first")
			s.flush()
			c.get(1, "/1")
		}, `
			response_only other   ` + `
			 > -
			 < 200 {:status=200} "first" size=5 wire=5
			request_only other GET shop.example /1
			 > {:method=GET; :scheme=https; :authority=shop.example; :path=/1}
			 < 0 -`},
	} {
		t.Run(tt.name, func(t *testing.T) { expectSaid(t, tt.say, tt.want) })
	}
}

func TestGRPC(t *testing.T) {
	k, c, s := start()
	msg := func(flag byte, body string) []byte {
		return append([]byte{flag, 0, 0, 0, byte(len(body))}, body...)
	}
	c.headers(1, false, ":method", "POST", ":scheme", "https", ":authority", "shop.example", ":path", "/shop.Cart/Add",
		"content-type", "application/grpc+proto", "grpc-encoding", "gzip", "te", "trailers")
	c.WriteData(1, false, msg(0, "one")[:6])
	c.WriteData(1, false, append(msg(0, "one")[6:], msg(1, zip("two two two"))...))
	c.flush()
	s.headers(1, false, ":status", "200", "content-type", "application/grpc+proto")
	s.WriteData(1, false, msg(0, "yes"))
	s.flush()
	c.WriteData(1, true, msg(0, ""))
	c.flush()
	s.WriteData(1, false, msg(0, "no!")[:7])
	s.headers(1, true, "grpc-status", "13", "grpc-message", "broken")
	s.flush()
	z := len(zip("two two two"))
	for _, piece := range splits {
		h := feed(t, k.said, Options{}, piece)
		p := h.pairs[0]
		if p.Kind != "grpc" || p.State != exchange.Complete || fieldsText(p.Response.Trailers) != "grpc-status=13; grpc-message=broken" {
			t.Errorf("pieces of %d: got %s", piece, pairText(p))
		}
		h.pairs = nil
		h.expect(t, fmt.Sprintf(`
			message 0 dir=0 message "one" size=3 wire=3 compressed=false partial=false
			message 1 dir=0 message "two two two" size=11 wire=%d compressed=true partial=false
			message 2 dir=1 message "yes" size=3 wire=3 compressed=false partial=false
			message 3 dir=0 message "" size=0 wire=0 compressed=false partial=false
			message 4 dir=1 message "no" size=3 wire=3 compressed=false partial=true`, z))
	}
}
