package http2

import (
	"testing"

	"recap/pipeline/exchange"
)

func FuzzHTTP2(f *testing.F) {
	add := func(say func(c, s *end)) {
		k, c, s := start()
		say(c, s)
		c.flush()
		s.flush()
		var both [2][]byte
		for _, x := range k.said {
			both[x.d] = append(both[x.d], x.b...)
		}
		f.Add(both[0], both[1], byte(0), uint16(3))
		f.Add(both[0], both[1], byte(3), uint16(1))
	}
	add(func(c, s *end) {
		c.get(1, "/a")
		c.headers(3, false, ":method", "POST", ":scheme", "https", ":path", "/b", "content-type", "application/grpc")
		c.WriteData(3, true, []byte("\x00\x00\x00\x00\x03abc"))
		s.ok(1, zip("hello"), "content-encoding", "gzip")
		s.headers(3, false, ":status", "103")
		s.headers(3, false, ":status", "200")
		s.WriteDataPadded(3, false, []byte("xyz"), make([]byte, 5))
		s.headers(3, true, "grpc-status", "0")
		s.WriteGoAway(3, 0, nil)
	})
	add(func(c, s *end) {
		b := c.block(":method", "GET", ":scheme", "https", ":path", "/b", "x-y", "z")
		c.WriteRawFrame(1, 0, 1, b[:4])
		c.WriteContinuation(1, true, b[4:])
		c.WriteRSTStream(1, 8)
		s.headers(2, true, ":status", "200")
		s.WriteData(1, true, []byte("x"))
	})
	add(func(c, s *end) {
		c.get(1, "/events")
		c.headers(3, false, ":method", "CONNECT", ":protocol", "websocket", ":scheme", "https", ":authority", "shop.example", ":path", "/chat")
		c.WriteRSTStream(1, 8)
		s.headers(1, false, ":status", "200", "content-type", "text/event-stream")
		s.WriteData(1, false, []byte("id: 7\ndata: a\n\ndata: b"))
		s.headers(3, false, ":status", "200", "sec-websocket-extensions", "permessage-deflate")
		s.WriteData(3, true, []byte("\x01\x01a\x80\x01b\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00"))
	})
	f.Fuzz(func(t *testing.T, a, b []byte, flags byte, piece uint16) {
		if len(a)+len(b) > 1<<17 {
			return
		}
		opt := Options{Midstream: [2]bool{flags&1 != 0, flags&2 != 0}}
		said2 := []said{{0, a}, {1, b}}
		whole := feed(t, said2, opt, 0).text()
		if got := feed(t, said2, opt, int(piece%2000)+1).text(); got != whole {
			t.Fatalf("in pieces of %d:\n%s\nin one:\n%s", piece%2000+1, got, whole)
		}
		// With a hole: the account still balances.
		k := &talk{said: said2}
		d := exchange.Dir(flags >> 2 & 1)
		n := int(piece%64) + 1
		from := int(piece) % (len(said2[d].b) + 1)
		told := int64(n)
		if flags&8 != 0 {
			told = -1
		}
		holed := play(t, cut(k, d, from, from+n, told, exchange.GapSnaplen), opt, 0).text()
		if got := play(t, cut(k, d, from, from+n, told, exchange.GapSnaplen), opt, int(piece%100)+1).text(); got != holed {
			t.Fatalf("with a hole of %d bytes at %d in pieces of %d:\n%s\nin one:\n%s", n, from, piece%100+1, got, holed)
		}
	})
}
