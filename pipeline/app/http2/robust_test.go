package http2

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"recap/pipeline/app"
	"recap/pipeline/exchange"
	"recap/reader/packet"
)

// TestLateRequest: reassembly may deliver a request later than its answer, which
// acknowledges it.
func TestLateRequest(t *testing.T) {
	k, c, s := start()
	c.get(1, "/late")
	c.flush()
	s.ok(1, "answer")
	s.flush()
	h := new(heard)
	p := New(testEnv(h), &exchange.Conn{}, Options{})
	last := len(k.said) - 1
	k.said[last], k.said[last-1] = k.said[last-1], k.said[last]
	var offset [2]int64
	for i, s := range k.said {
		p.Data(s.d, packet.Pos{Number: int64(i + 1), Offset: offset[s.d], Acked: 1 << 20}, s.b)
		offset[s.d] += int64(len(s.b))
	}
	h.expect(t, `
		complete other GET shop.example /late
		 > {:method=GET; :scheme=https; :authority=shop.example; :path=/late}
		 < 200 {:status=200} "answer" size=6 wire=6`)
}

// event is a step of a connection with holes.
type event struct {
	said
	gap    int64
	reason string
}

func play(t *testing.T, events []event, opt Options, piece int) *heard {
	t.Helper()
	h := new(heard)
	p := New(testEnv(h), &exchange.Conn{}, opt)
	var offset [2]int64
	at := packet.Pos{}
	var fed int64
	for _, e := range events {
		at.Offset = offset[e.d]
		at.Acked = offset[e.d.Reverse()]
		if e.gap != 0 {
			p.Gap(e.d, at, e.gap, e.reason)
			offset[e.d] += max(e.gap, 0)
			continue
		}
		fed += int64(len(e.b))
		for b := e.b; len(b) > 0; {
			n := len(b)
			if piece > 0 {
				n = min(n, piece)
			}
			at.Number++
			at.Offset = offset[e.d]
			p.Data(e.d, at, b[:n])
			offset[e.d] += int64(n)
			b = b[n:]
		}
	}
	p.End(app.EndCapture, at)
	if got := p.Tally(); got.HTTP+got.Other+got.Unparsed != fed {
		t.Errorf("tally %+v, fed were %d bytes", got, fed)
	}
	if p.held != 0 {
		t.Errorf("%d bytes held after the end", p.held)
	}
	return h
}

// cut takes the bytes from to of direction d out of what was said.
func cut(k *talk, d exchange.Dir, from, to int, n int64, reason string) []event {
	var list []event
	at := 0
	done := false
	for _, s := range k.said {
		if s.d != d {
			list = append(list, event{said: s})
			continue
		}
		a, b := at, at+len(s.b)
		at = b
		if a < from {
			list = append(list, event{said: said{d, s.b[:min(len(s.b), from-a)]}})
		}
		if b > from && !done {
			list = append(list, event{said: said{d: d}, gap: n, reason: reason})
			done = true
		}
		if b > to {
			list = append(list, event{said: said{d, s.b[max(0, to-a):]}})
		}
	}
	return list
}

func TestGaps(t *testing.T) {
	build := func() (*talk, int) {
		k, c, s := start()
		c.get(1, "/a")
		c.get(3, "/b")
		c.flush()
		s.headers(1, false, ":status", "200", "content-length", "12")
		s.headers(3, false, ":status", "200", "x-kept", "known")
		s.WriteData(1, false, []byte("abcdef"))
		s.WriteData(3, false, []byte("123"))
		s.WriteData(1, true, []byte("ghijkl"))
		s.WriteData(3, true, []byte("456"))
		s.flush()
		c.get(5, "/c")
		c.flush()
		s.headers(5, false, ":status", "200", "x-kept", "known", "x-new", "fresh")
		s.WriteData(5, true, []byte("c"))
		s.flush()
		c.get(7, "/d")
		c.flush()
		s.headers(7, false, ":status", "200", "x-new", "fresh")
		s.WriteData(7, true, []byte("d"))
		s.flush()
		n := 0
		for _, x := range k.said {
			if x.d == exchange.ToClient {
				if i := bytes.Index(x.b, []byte("abcdef")); i >= 0 {
					n += i
					break
				}
				n += len(x.b)
			}
		}
		return k, n
	}
	request := func(path string) string {
		return "\n\t\t\t > {:method=GET; :scheme=https; :authority=shop.example; :path=" + path + "}"
	}
	for _, tt := range []struct {
		name     string
		from, to int // relative to the "abcdef"
		n        int64
		want     string
	}{
		{"inside a DATA frame", 2, 5, 3, `
			partial other GET shop.example /a` + request("/a") + `
			 < 200 {:status=200; content-length=12} "abfghijkl" size=12 wire=12 unhashed gap=2+3:lost
			 ! lost_segment
			complete other GET shop.example /b` + request("/b") + `
			 < 200 {:status=200; x-kept=known} "123456" size=6 wire=6
			complete other GET shop.example /c` + request("/c") + `
			 < 200 {:status=200; x-kept=known; x-new=fresh} "c" size=1 wire=1
			complete other GET shop.example /d` + request("/d") + `
			 < 200 {:status=200; x-new=fresh} "d" size=1 wire=1`},
		{"over frames of two streams", 4, 12 + 6 + 4, 12 + 6, `
			partial other GET shop.example /a` + request("/a") + `
			 < 200 {:status=200; content-length=12} "abcd" size=6 wire=6 unhashed gap=4+2:lost gap=6+-1:lost
			 ! lost_segment
			partial other GET shop.example /b` + request("/b") + `
			 < 200 {:status=200; x-kept=known} "456" size=3 wire=3 unhashed gap=0+-1:lost
			 ! lost_segment resynchronized
			partial other GET shop.example /c` + request("/c") + `
			 < 200 {:status=200; ?idx=62=?idx=62; x-new=fresh} "c" size=1 wire=1 unhashed
			 ! hpack_unknown
			complete other GET shop.example /d` + request("/d") + `
			 < 200 {:status=200; x-new=fresh} "d" size=1 wire=1`},
		{"over the end of one stream", 18, 18 + 15, 15, `
			partial other GET shop.example /a` + request("/a") + `
			 < 200 {:status=200; content-length=12} "abcdef" size=6 wire=6 unhashed gap=6+-1:lost
			 ! lost_segment
			partial other GET shop.example /b` + request("/b") + `
			 < 200 {:status=200; x-kept=known} "123456" size=6 wire=6 unhashed gap=3+-1:lost
			 ! lost_segment resynchronized
			partial other GET shop.example /c` + request("/c") + `
			 < 200 {:status=200; ?idx=62=?idx=62; x-new=fresh} "c" size=1 wire=1 unhashed
			 ! hpack_unknown
			complete other GET shop.example /d` + request("/d") + `
			 < 200 {:status=200; x-new=fresh} "d" size=1 wire=1`},
		{"over another stream's frame only", 6, 6 + 12, 12, `
			complete other GET shop.example /a` + request("/a") + `
			 < 200 {:status=200; content-length=12} "abcdefghijkl" size=12 wire=12
			 ! resynchronized
			partial other GET shop.example /b` + request("/b") + `
			 < 200 {:status=200; x-kept=known} "456" size=3 wire=3 unhashed gap=0+-1:lost
			 ! lost_segment
			partial other GET shop.example /c` + request("/c") + `
			 < 200 {:status=200; ?idx=62=?idx=62; x-new=fresh} "c" size=1 wire=1 unhashed
			 ! hpack_unknown
			complete other GET shop.example /d` + request("/d") + `
			 < 200 {:status=200; x-new=fresh} "d" size=1 wire=1`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, piece := range splits {
				k, n := build()
				h := play(t, cut(k, exchange.ToClient, n+tt.from, n+tt.to, tt.n, exchange.GapLost), Options{}, piece)
				h.expect(t, tt.want)
				if t.Failed() {
					t.FailNow()
				}
			}
		})
	}
}

// TestJoinedAnywhere starts the capture at every byte of both sides in turn: no
// field may say what was not sent.
func TestJoinedAnywhere(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	k, c, s := start()
	for i := range 12 {
		id := uint32(2*i + 1)
		c.get(id, fmt.Sprint("/", i), "user-agent", "test/1.0", "x-n", fmt.Sprint(i%3), "cookie", strings.Repeat("c", r.IntN(40)))
		c.flush()
		s.ok(id, strings.Repeat("b", 1+r.IntN(50)), "server", "test", "x-m", fmt.Sprint(i%4), "content-type", "text/plain")
		s.flush()
	}
	whole := feed(t, k.said, Options{}, 0)
	truth := make(map[string]map[string]bool) // by path, fields
	all := make(map[string]bool)
	for _, p := range whole.pairs {
		for _, f := range append(p.Request.Headers, p.Response.Headers...) {
			all[f.Name+"="+f.Value] = true
			all[f.Name] = true
			all["="+f.Value] = true
		}
		truth[p.Request.Target] = nil
	}
	length := [2]int{}
	for _, x := range k.said {
		length[x.d] += len(x.b)
	}
	for d := range length {
		known := 0
		for from := 1; from < length[d]; from++ {
			events := cut(k, exchange.Dir(d), 0, from, -1, exchange.GapLost)
			// Without the gap: the capture just begins there.
			n := 0
			for _, e := range events {
				if e.gap == 0 {
					events[n] = e
					n++
				}
			}
			var opt Options
			opt.Midstream[d] = true
			h := play(t, events[:n], opt, 0)
			for _, p := range h.pairs {
				for _, f := range append(p.Request.Headers, p.Response.Headers...) {
					switch {
					case strings.HasPrefix(f.Name, "?idx="):
						if !strings.HasPrefix(f.Value, "?idx=") && !all["="+f.Value] {
							t.Errorf("from byte %d of side %d: value %q of %s was not sent", from, d, f.Value, f.Name)
						}
					case strings.HasPrefix(f.Value, "?idx="):
						t.Errorf("name %q with unknown value", f.Name)
					case !all[f.Name+"="+f.Value]:
						t.Errorf("from byte %d of side %d: %s=%s was not sent", from, d, f.Name, f.Value)
					default:
						known++
					}
				}
				if p.State == exchange.Complete && (p.Anomalies.Has(exchange.AnomalyHPACKUnknown)) {
					t.Errorf("complete with unknown fields")
				}
			}
			if len(h.pairs) == 0 {
				t.Errorf("no pairs from byte %d of side %d on", from, d)
			}
		}
		if known == 0 {
			t.Errorf("side %d: nothing was known", d)
		}
	}
}

// TestNamed: oddities that no other test looks for by name.
func TestNamed(t *testing.T) {
	for _, tt := range []struct {
		say  func(c, s *end)
		want exchange.Anomaly
	}{
		{func(c, s *end) {
			c.headers(1, false, ":method", "POST", ":scheme", "https", ":path", "/", "content-type", "application/grpc")
			c.WriteData(1, true, []byte("no message"))
		}, exchange.AnomalyBadGRPC},
		{func(c, s *end) {
			var fields []string
			for range 40 {
				fields = append(fields, "x-big", strings.Repeat("v", 30000))
			}
			c.get(1, "/", fields...)
		}, exchange.AnomalyHeaderListLimit},
		{func(c, s *end) {
			c.get(1, "/", "x", strings.Repeat("h", 2<<20))
		}, exchange.AnomalyHeadLimit},
		{func(c, s *end) {
			c.get(1, "/", "content-length", "x")
		}, exchange.AnomalyBadCL},
		{func(c, s *end) {
			c.get(1, "/", "content-length", "1", "content-length", "2")
		}, exchange.AnomalyDupCL},
		{func(c, s *end) {
			c.get(1, "/", ":path", "/twice")
		}, exchange.AnomalyBadPseudoHeader},
	} {
		k, c, s := start()
		tt.say(c, s)
		c.flush()
		s.flush()
		h := feed(t, k.said, Options{}, 0)
		found := false
		for _, p := range h.pairs {
			found = found || p.Anomalies.Has(tt.want)
		}
		if !found {
			t.Errorf("no %s", tt.want)
		}
	}
}

func TestFloods(t *testing.T) {
	const many = 20000
	for _, tt := range []struct {
		name  string
		say   func(c, s *end)
		peak  int64 // bytes of memory
		pairs int
		last  string // what stands in the last pair
	}{
		{"continuation, empty", func(c, s *end) {
			b := c.block(":method", "GET", ":scheme", "https", ":authority", "shop.example", ":path", "/flood")
			c.WriteRawFrame(1, 1, 1, b[:3])
			for range many {
				c.WriteContinuation(1, false, nil)
			}
			c.WriteContinuation(1, true, b[3:])
			c.get(3, "/after", "x-a", "1")
		}, 1 << 20, 2, "/after"},
		{"continuation, one field without end", func(c, s *end) {
			c.WriteRawFrame(1, 1, 1, []byte{0x82, 0x40, 1, 'a', 0x7f, 0xff, 0xff, 0xff, 0x7f})
			for range 300 {
				c.WriteContinuation(1, false, make([]byte, 16000))
			}
			c.WriteContinuation(1, true, nil)
			c.get(3, "/after")
		}, 5 << 20, 2, "/after"},
		{"continuation, one large field byte by byte", func(c, s *end) {
			c.WriteRawFrame(1, 1, 1, []byte{0x82, 0x40, 1, 'a', 0x7f, 0x81, 0xff, 0x3e}) // 1,048,448 bytes
			c.WriteContinuation(1, false, make([]byte, 500000))
			for range 3 * many {
				c.WriteContinuation(1, false, make([]byte, 1))
			}
			c.WriteContinuation(1, true, nil)
			c.get(3, "/after")
		}, 5 << 20, 2, "/after"},
		{"a large entry, again and again", func(c, s *end) {
			c.get(1, "/", "x-big", strings.Repeat("v", 3900))
			big := bytes.Repeat([]byte{0xbe}, 16000)
			for i := range 20 {
				id := uint32(2*i + 3)
				c.WriteRawFrame(1, 1, id, big)
				for range 5 {
					c.WriteContinuation(id, false, big)
				}
				c.WriteContinuation(id, true, nil)
			}
			c.get(101, "/after", "x-big", strings.Repeat("v", 3900))
		}, 4 << 20, 22, "/after"},
		{"ten million empty fields", func(c, s *end) {
			c.WriteRawFrame(1, 1, 1, bytes.Repeat([]byte{0, 0, 0}, 5000))
			for range 300 {
				c.WriteContinuation(1, false, bytes.Repeat([]byte{0, 0, 0}, 5000))
			}
			c.WriteContinuation(1, true, c.block("x-late", "1"))
			c.get(3, "/after", "x-late", "1")
		}, 5 << 20, 2, "x-late=1"},
		{"rapid reset", func(c, s *end) {
			for i := range 5 * many {
				c.get(uint32(2*i+1), "/reset")
				c.WriteRSTStream(uint32(2*i+1), 8)
			}
			c.get(10*many+1, "/after")
		}, 1 << 20, 5*many + 1, "/after"},
		{"streams without end", func(c, s *end) {
			for i := range many {
				c.headers(uint32(2*i+1), false, ":method", "POST", ":path", "/open")
			}
			c.get(2*many+1, "/after")
		}, 64 << 20, many + 1, "/after"},
		{"settings, pings, window updates, goaways", func(c, s *end) {
			c.get(1, "/after")
			for range many {
				c.WriteSettings()
				c.WritePing(false, [8]byte{})
				c.WriteWindowUpdate(1, 1)
				c.WriteGoAway(0, 1, nil)
			}
		}, 1 << 20, 1, "/after"},
		{"interim responses", func(c, s *end) {
			c.get(1, "/after")
			c.flush()
			for range many {
				s.headers(1, false, ":status", "103", "link", strings.Repeat("l", 1000))
			}
			s.ok(1, "done")
		}, 4 << 20, 1, "done"},
		{"padding and empty data", func(c, s *end) {
			c.headers(1, false, ":method", "POST", ":path", "/after")
			for range many {
				c.WriteData(1, false, nil)
				c.WriteDataPadded(1, false, nil, make([]byte, 20))
			}
		}, 1 << 20, 1, "/after"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k, c, s := start()
			tt.say(c, s)
			c.flush()
			s.flush()
			for _, piece := range []int{0, 1000} {
				h := feed(t, k.said, Options{}, piece)
				if h.peak > tt.peak {
					t.Errorf("%d bytes of memory, want at most %d", h.peak, tt.peak)
				}
				if len(h.pairs) != tt.pairs {
					t.Fatalf("%d pairs, want %d", len(h.pairs), tt.pairs)
				}
				last := pairText(h.pairs[len(h.pairs)-1])
				if !strings.Contains(last, tt.last) || strings.Contains(last, "?idx") {
					t.Errorf("last pair: %s", last)
				}
				for _, p := range h.pairs {
					if n := len(p.Request.Headers); n > 10000 {
						t.Errorf("%d fields stored", n)
					}
				}
			}
		})
	}
}

func TestStreamLimit(t *testing.T) {
	k, c, s := start()
	for i := range 5 {
		c.get(uint32(2*i+1), fmt.Sprint("/", i))
	}
	c.flush()
	for i := range 5 {
		s.ok(uint32(2*i+1), fmt.Sprint(i))
	}
	s.flush()
	h := feedEnv(t, k.said, Options{}, 0, func(env *app.Env) { env.Limits.OpenExchanges = 3 })
	var got []string
	for _, p := range h.pairs {
		got = append(got, fmt.Sprint(p.Request.Target, " ", p.State, " ", p.Response.Status, p.Anomalies.Has(exchange.AnomalyStreamLimit)))
	}
	want := "/0 request_only 0 true,/1 request_only 0 true,/2 complete 200 false,/3 complete 200 false,/4 complete 200 false"
	if strings.Join(got, ",") != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

// TestHoleAnywhere takes bytes out at every place of both sides in turn, with and
// without telling how many. What is then shown as whole is whole, and what is said
// is true.
func TestHoleAnywhere(t *testing.T) {
	k, c, s := start()
	truth := map[string]string{} // response by path
	for i := range 10 {
		id := uint32(2*i + 1)
		path := fmt.Sprint("/", i)
		if i%3 == 1 {
			c.headers(id, false, ":method", "POST", ":scheme", "https", ":authority", "shop.example", ":path", path, "x-up", fmt.Sprint(i%2))
			c.WriteDataPadded(id, false, []byte("upload"), make([]byte, i))
			c.WriteData(id, true, []byte(path))
		} else {
			c.get(id, path, "x-n", fmt.Sprint(i%4))
		}
		if i%2 == 1 {
			c.flush()
			var more []string
			if i%4 == 1 {
				more = []string{"content-length", "22"}
			}
			for _, j := range []int{i - 1, i} {
				s.headers(uint32(2*j+1), false, append([]string{":status", "200", "x-m", fmt.Sprint(j % 4)}, more...)...)
			}
			for n := range 2 {
				for _, j := range []int{i, i - 1} {
					s.WriteData(uint32(2*j+1), n == 1, fmt.Appendf(nil, "part %d of %d", n, j))
				}
			}
			s.flush()
			c.WriteWindowUpdate(0, 100)
			c.WritePing(true, [8]byte{1, 2})
		}
	}
	c.flush()
	whole := feed(t, k.said, Options{}, 0)
	fields := map[string]bool{}
	for _, p := range whole.pairs {
		truth[p.Request.Target] = string(p.Request.Body) + "|" + string(p.Response.Body)
		for _, f := range append(p.Request.Headers, p.Response.Headers...) {
			fields[f.Name+"="+f.Value], fields["="+f.Value] = true, true
		}
	}
	length := [2]int{}
	for _, x := range k.said {
		length[x.d] += len(x.b)
	}
	complete, state := 0, map[exchange.State]int{}
	for d := range length {
		for _, n := range []int{1, 2, 5, 9, 13, 20, 40, 111} {
			for from := len(Preface); from+n < length[d]; from++ {
				for _, told := range []int64{int64(n), -1} {
					h := play(t, cut(k, exchange.Dir(d), from, from+n, told, exchange.GapLost), Options{}, 0)
					for _, p := range h.pairs {
						state[p.State]++
						for _, f := range append(p.Request.Headers, p.Response.Headers...) {
							name := f.Name + "="
							if strings.HasPrefix(f.Name, "?idx=") {
								name = "="
							}
							if !fields[name+f.Value] && !strings.HasPrefix(f.Value, "?idx=") {
								t.Errorf("side %d, %d bytes at %d: %s=%s was not sent", d, n, from, f.Name, f.Value)
							}
						}
						if p.State != exchange.Complete {
							continue
						}
						complete++
						if got := string(p.Request.Body) + "|" + string(p.Response.Body); truth[p.Request.Target] != got {
							t.Errorf("side %d, %d bytes at %d (told %d): %s is complete with %q, want %q", d, n, from, told, p.Request.Target, got, truth[p.Request.Target])
						}
					}
				}
			}
		}
	}
	if complete == 0 || state[exchange.Partial] == 0 {
		t.Errorf("states %v", state)
	}
	t.Logf("states %v", state)
}
