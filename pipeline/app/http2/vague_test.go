package http2

import (
	"testing"

	xhttp2 "golang.org/x/net/http2"

	"recap/pipeline/exchange"
	"recap/reader/packet"
)

// joined returns a connection that is joined in the middle: what is coded before the
// first flush has passed already.
func joined(before func(c, s *end)) (*talk, *end, *end) {
	k := newTalk()
	c, s := k.ends[0], k.ends[1]
	before(c, s)
	c.buf.Reset()
	s.buf.Reset()
	c.WritePing(false, [8]byte{1})
	c.WriteWindowUpdate(0, 1)
	c.WritePing(true, [8]byte{2})
	c.flush()
	s.WritePing(false, [8]byte{2})
	s.WriteWindowUpdate(0, 1)
	s.WritePing(true, [8]byte{1})
	s.flush()
	return k, c, s
}

func midstream() Options {
	return Options{Midstream: [2]bool{true, true}, Passed: [2]bool{true, true}}
}

// TestVagueBlocks has header blocks whose pseudo-headers may be among the fields that the
// capture does not hold.
func TestVagueBlocks(t *testing.T) {
	for _, tt := range []struct {
		name   string
		before func(c, s *end)
		then   func(c, s *end)
		want   string
	}{
		{"an interim response with a status from before, and a response without a body",
			func(c, s *end) { s.block(":status", "103") },
			func(c, s *end) {
				c.get(7, "/a")
				c.flush()
				s.headers(7, false, ":status", "103", "link", "x")
				s.flush()
				s.headers(7, true, ":status", "200", "x-last", "1")
			}, `
			partial other GET shop.example /a
			 > {:method=GET; :scheme=https; :authority=shop.example; :path=/a}
			 < 0 {?idx=62=?idx=62; link=x}
			 < 200 {:status=200; x-last=1}
			 ! hpack_unknown`},
		{"an interim response with a status from before, and a response with a body",
			func(c, s *end) { s.block(":status", "103") },
			func(c, s *end) {
				c.get(7, "/a")
				c.flush()
				s.headers(7, false, ":status", "103")
				s.ok(7, "body", "content-type", "text/plain")
			}, `
			partial other GET shop.example /a
			 > {:method=GET; :scheme=https; :authority=shop.example; :path=/a}
			 < 0 {?idx=62=?idx=62}
			 < 200 {:status=200; content-type=text/plain} "body" size=4 wire=4 unhashed
			 ! hpack_unknown`},
		{"a response with a status from before, a body and trailers",
			func(c, s *end) { s.block(":status", "299") },
			func(c, s *end) {
				c.get(7, "/a")
				c.flush()
				s.headers(7, false, ":status", "299")
				s.WriteData(7, false, []byte("body"))
				s.headers(7, true, "x-end", "1")
			}, `
			partial other GET shop.example /a
			 > {:method=GET; :scheme=https; :authority=shop.example; :path=/a}
			 < 0 {?idx=62=?idx=62} "body" size=4 wire=4 unhashed trailers{x-end=1}
			 ! hpack_unknown`},
		{"trailers of a request whose head has passed, with a name from before",
			func(c, s *end) { c.block("x-sum", "0") },
			func(c, s *end) {
				c.headers(7, true, "x-sum", "0", "x-end", "1")
				c.flush()
				s.ok(7, "body")
			}, `
			partial other   
			 > {} trailers{?idx=62=?idx=62; x-end=1}
			 < 200 {:status=200} "body" size=4 wire=4
			 ! hpack_unknown`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k, c, s := joined(tt.before)
			tt.then(c, s)
			c.flush()
			s.flush()
			for _, piece := range []int{0, 1, 7} {
				feed(t, k.said, midstream(), piece).expect(t, tt.want)
			}
		})
	}
}

// TestVagueTimes: the response behind an interim one has its own times and packets.
func TestVagueTimes(t *testing.T) {
	k, c, s := joined(func(c, s *end) { s.block(":status", "103") })
	c.get(7, "/a")
	c.flush()
	s.headers(7, false, ":status", "103")
	s.flush()
	s.headers(7, true, ":status", "200", "x-last", "1")
	s.flush()
	p := feed(t, k.said, midstream(), 0).pairs[0]
	r := &p.Response
	if len(r.Interim) != 1 || r.Interim[0].TimeNS != 4000 || r.TimeNS != 5000 || r.EndTimeNS != 5000 {
		t.Errorf("interim %+v, response from %d to %d ns, want 4000, 5000 and 5000", r.Interim, r.TimeNS, r.EndTimeNS)
	}
	if len(r.Packets) != 1 || r.Packets[0] != 5 {
		t.Errorf("response in packets %v, want 5", r.Packets)
	}
	if want := s.block(":status", "200"); len(r.Head) == 0 || r.Head[0] != want[0] {
		t.Errorf("head %x, want the block of the response", r.Head)
	}
}

// TestCutBlock: what the capture does not hold of a header block is not held against its sender.
func TestCutBlock(t *testing.T) {
	k, c, s := start()
	c.get(1, "/a")
	c.flush()
	s.ok(1, "body")
	s.flush()
	last := len(k.said[4].b)
	h := play(t, cut(k, exchange.ToServer, last+65, last+66, 1, exchange.GapLost), Options{}, 0)
	for _, p := range h.pairs {
		if p.Anomalies.Has(exchange.AnomalyBadPseudoHeader) {
			t.Errorf("%s", pairText(p))
		}
	}
}

func TestContinuationFlood(t *testing.T) {
	for _, tt := range []struct {
		name   string
		frames int
		want   bool
	}{
		{"a header list of 1 MiB in the shortest frames", 64, false},
		{"empty frames without end", 10000, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k, c, s := start()
			c.get(1, "/before")
			c.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: 3, EndStream: true, BlockFragment: c.block(":method", "GET", ":scheme", "https", ":path", "/flood")})
			for range tt.frames {
				c.WriteContinuation(3, false, nil)
			}
			c.WriteContinuation(3, true, nil)
			c.get(5, "/after")
			c.flush()
			for id := uint32(1); id < 6; id += 2 {
				s.ok(id, "answer")
			}
			s.flush()
			h := feed(t, k.said, Options{}, 0)
			if len(h.pairs) != 3 {
				t.Fatalf("%d pairs, want 3", len(h.pairs))
			}
			for _, p := range h.pairs {
				want := tt.want && p.Request.Target == "/flood"
				if p.State != exchange.Complete || p.Anomalies.Has(exchange.AnomalyContinuationFlood) != want {
					t.Errorf("flood noted: want %t of\n%s", want, pairText(p))
				}
			}
		})
	}
}

// TestFinderAsks: who asks may stand behind a change of the table's size and behind
// fields that are not known.
func TestFinderAsks(t *testing.T) {
	for _, tt := range []struct {
		name          string
		block         string
		asks, answers bool
	}{
		{"a method", "\x82", true, false},
		{"a status", "\x88", false, true},
		{"a change of the size, and a status", "\x3f\xe1\x1f\x88", false, true},
		{"an unknown field, and a method", "\xbe\x82", true, false},
		{"a path with a value that goes on elsewhere", "\x44\x7f\x81", true, false},
		{"a status by name", "\x00\x07:status\x03200", false, true},
		{"another name first", "\x00\x03x-a\x03200\x88", false, false},
		{"a regular field of the static table", "\x8f\x88", false, false},
		{"nothing", "", false, false},
		{"an index without end", "\xff\xff\xff\xff", false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var f Finder
			f.look(&frame{typ: frameHeaders, length: len(tt.block)}, []byte(tt.block))
			if f.asks != tt.asks || f.answers != tt.answers {
				t.Errorf("asks %t, answers %t, want %t and %t", f.asks, f.answers, tt.asks, tt.answers)
			}
		})
	}
}

// TestFinderKeepsStep: behind a hole come empty frames, and a header block whose first
// frame is empty. Read from the second byte on they look like frames too.
func TestFinderKeepsStep(t *testing.T) {
	const frames = "\x00\x00\x00\x00\x00\x00\x00\x00\x09" + "\x00\x00\x00\x00\x00\x00\x00\x00\x03" +
		"\x00\x00\x00\x01\x01\x00\x00\x00\x09" + "\x00\x00\x01\x09\x04\x00\x00\x00\x09\x88"
	for _, piece := range []int{len(frames), 9, 1} {
		f := Finder{who: fromServer}
		for i := 0; i < len(frames); i += piece {
			if n := f.Feed(packet.Pos{}, []byte(frames[i:min(i+piece, len(frames))])); n > 0 {
				t.Errorf("in pieces of %d: %d bytes in front of the frames", piece, n)
			}
		}
		if !f.Found() {
			t.Errorf("in pieces of %d: no frames were found", piece)
		}
	}
}
