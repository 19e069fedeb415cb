package http2

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"testing"
)

// TestMessages: events and WebSocket frames inside streams, in pieces of any size.
func TestMessages(t *testing.T) {
	for _, tt := range []struct {
		name string
		say  func(c, s *end)
		want string
	}{
		{"events, the last of them cut", func(c, s *end) {
			c.get(1, "/events")
			c.flush()
			s.headers(1, false, ":status", "200", "content-type", "text/event-stream; charset=utf-8")
			s.WriteData(1, false, []byte("\xef\xbb\xbfdata: one\nid: 1\n\nevent: tick\nda"))
			s.WriteData(1, false, []byte("ta: two\ndata: three\n\ndata: fo"))
		}, `
			partial sse GET shop.example /events
			 > {:method=GET; :scheme=https; :authority=shop.example; :path=/events}
			 < 200 {:status=200; content-type=text/event-stream; charset=utf-8} "\ufeffdata: one\nid: 1\n\n… 63" size=63 wire=63 unhashed
			message 0 dir=1 message "one" size=3 wire=20 compressed=false partial=false
			message 1 dir=1 tick "two\nthree" size=9 wire=35 compressed=false partial=false
			message 2 dir=1 message "fo" size=2 wire=8 compressed=false partial=true`},
		{"a WebSocket with compression", func(c, s *end) {
			c.headers(1, false, ":method", "CONNECT", ":protocol", "websocket", ":scheme", "https", ":authority", "shop.example", ":path", "/chat")
			c.flush()
			s.headers(1, false, ":status", "200", "sec-websocket-extensions", "permessage-deflate")
			s.WriteData(1, false, []byte("\x01\x02He"))
			s.WriteData(1, false, []byte("\x89\x00\x80\x03llo\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00"))
			s.flush()
			c.WriteData(1, false, []byte("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"))
			c.WriteData(1, true, nil)
			c.flush()
			s.WriteData(1, true, []byte("\x81\x05cut"))
		}, `
			complete websocket CONNECT shop.example /chat
			 > {:method=CONNECT; :protocol=websocket; :scheme=https; :authority=shop.example; :path=/chat}
			 < 200 {:status=200; sec-websocket-extensions=permessage-deflate}
			message 0 dir=1 ping "" size=0 wire=0 compressed=false partial=false
			message 1 dir=1 text "Hello" size=5 wire=5 compressed=false partial=false
			message 2 dir=1 text "Hello" size=5 wire=7 compressed=true partial=false
			message 3 dir=0 text "Hello" size=5 wire=5 compressed=false partial=false
			message 4 dir=1 text "cut" size=3 wire=3 compressed=false partial=true`},
		{"a response that was under way when its stream was reset", func(c, s *end) {
			c.get(1, "/1")
			c.get(3, "/3")
			c.WriteRSTStream(1, 8)
			c.flush()
			s.ok(1, "one", "content-type", "text/plain")
			s.ok(3, "three")
		}, `
			complete other GET shop.example /1
			 > {:method=GET; :scheme=https; :authority=shop.example; :path=/1}
			 < 200 {:status=200; content-type=text/plain} "one" size=3 wire=3
			 ! stream_reset
			complete other GET shop.example /3
			 > {:method=GET; :scheme=https; :authority=shop.example; :path=/3}
			 < 200 {:status=200} "three" size=5 wire=5`},
		{"a request whose stream the server resets goes on", func(c, s *end) {
			c.headers(1, false, ":method", "POST", ":scheme", "https", ":authority", "shop.example", ":path", "/1")
			c.flush()
			s.headers(1, false, ":status", "413")
			s.WriteRSTStream(1, 0)
			s.flush()
			c.WriteData(1, true, []byte("body"))
		}, `
			partial other POST shop.example /1
			 > {:method=POST; :scheme=https; :authority=shop.example; :path=/1} "body" size=4 wire=4
			 < 413 {:status=413}
			 ! stream_reset`},
		{"a side that goes on behind its own reset is not listened to", func(c, s *end) {
			c.headers(1, false, ":method", "POST", ":scheme", "https", ":authority", "shop.example", ":path", "/1")
			c.WriteRSTStream(1, 8)
			c.WriteData(1, true, []byte("body"))
			c.flush()
			s.ok(1, "")
		}, `
			partial other POST shop.example /1
			 > {:method=POST; :scheme=https; :authority=shop.example; :path=/1}
			 < 200 {:status=200}
			 ! bad_frame stream_reset`},
	} {
		t.Run(tt.name, func(t *testing.T) { expectSaid(t, tt.say, tt.want) })
	}
}

// TestEventsOfCodedBodies: events have the time of the packet that brought them, also
// where the body is compressed and never ends.
func TestEventsOfCodedBodies(t *testing.T) {
	k, c, s := start()
	c.get(1, "/events")
	c.flush()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	s.headers(1, false, ":status", "200", "content-type", "text/event-stream", "content-encoding", "gzip")
	for i := range 3 {
		fmt.Fprintf(z, "data: event %d\n\n", i)
		z.Flush()
		s.WriteData(1, false, b.Bytes())
		s.flush()
		b.Reset()
	}
	h := feed(t, k.said, Options{}, 0)
	if len(h.messages) != 3 {
		t.Fatalf("%d events", len(h.messages))
	}
	for i, m := range h.messages {
		if string(m.Payload) != fmt.Sprint("event ", i) || m.Packet != int64(len(k.said)-2+i) || m.Partial {
			t.Errorf("event %d: %q in packet %d of %d", i, m.Payload, m.Packet, len(k.said))
		}
	}
}

// TestManyResets: streams that were reset wait for what may come, but not many of them.
func TestManyResets(t *testing.T) {
	k, c, _ := start()
	const n = 10 * maxReset
	for i := range uint32(n) {
		c.get(2*i+1, "/")
		c.WriteRSTStream(2*i+1, 8)
	}
	c.flush()
	h := feed(t, k.said, Options{}, 1000)
	if len(h.pairs) != n || h.peak > 3*maxReset*streamCost {
		t.Errorf("%d pairs, %d bytes were held", len(h.pairs), h.peak)
	}
}

// TestFramesBehindTheEnd: what comes for a stream that was given out begins no other, also
// where the capture begins inside the connection.
func TestFramesBehindTheEnd(t *testing.T) {
	for _, options := range []Options{{}, midstream()} {
		k, c, s := start()
		c.get(1, "/1")
		c.flush()
		s.ok(1, "one")
		s.flush()
		s.WriteData(1, true, []byte("ghost"))
		s.flush()
		c.get(3, "/3")
		c.flush()
		s.ok(3, "three")
		s.flush()
		h := feed(t, k.said, options, 1<<20)
		if len(h.pairs) != 2 || string(h.pairs[0].Response.Body) != "one" || string(h.pairs[1].Response.Body) != "three" {
			t.Errorf("%+v: %d pairs, want 2:\n%s", options, len(h.pairs), h.text())
		}
	}
}
