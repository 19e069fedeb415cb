package http

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	nethttp "net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"recap/pipeline/exchange"
	"recap/replay"
	"recap/replay/targettest"
)

// run sends events to base and returns what was found.
func run(t *testing.T, base string, o Options, env replay.Env, events []replay.Event) *Findings {
	t.Helper()
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	target, err := Open(t.Context(), u, o, env)
	if err != nil {
		t.Fatal(err)
	}
	if err := target.Send(t.Context(), events); err != nil {
		t.Error(err)
	}
	if err := target.Close(t.Context()); err != nil {
		t.Error(err)
	}
	return target.(replay.Reporter).Report().(*Findings)
}

// get returns an event with a recorded GET that was answered with 200 and body.
func get(seq int, conn byte, path, body string) replay.Event {
	p := &exchange.Pair{ID: exchange.ID{9, byte(seq)}, Protocol: "HTTP/1.1", Conn: &exchange.Conn{ID: exchange.ID{conn}}}
	p.Request = exchange.Request{Method: "GET", Target: path, Host: "recorded.example"}
	p.Request.Present = true
	p.Request.Headers = []exchange.Header{{Name: "Host", Value: "recorded.example"}, {Name: "X-Odd-case", Value: "1"}, {Name: "x-odd-CASE", Value: "2"}}
	p.Response = exchange.Response{Status: 200}
	p.Response.Present = true
	p.Response.Body, p.Response.HasBody, p.Response.BodySize = []byte(body), true, int64(len(body))
	return replay.Event{Pair: p, Seq: uint64(seq), At: time.Duration(seq) * time.Millisecond}
}

func serve(t *testing.T, h nethttp.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func text200(w nethttp.ResponseWriter, _ *nethttp.Request) { io.WriteString(w, "ok") }

func TestConnectionsAndTheirOrderAreKept(t *testing.T) {
	var mu sync.Mutex
	got := map[string][]string{}
	markers := map[string]bool{}
	base := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		mu.Lock()
		defer mu.Unlock()
		got[r.RemoteAddr] = append(got[r.RemoteAddr], r.URL.Path)
		markers[r.Header.Get(replay.MarkerHeader)] = true
		text200(w, r)
	})
	const n = 400
	var events []replay.Event
	for i := range n {
		e := get(i, byte(1+i%5), fmt.Sprintf("/%d/%04d", i%5, i), "ok")
		e.Loop = uint32(i / (n / 2)) // connections of another loop are others
		events = append(events, e)
	}
	env := &targettest.Env{}
	f := run(t, base, Options{}, env, events)
	if err := env.Balance(n); err != nil {
		t.Error(err)
	}
	if len(got) != 10 || f.Connections.Opened != 10 || f.Answered != n || len(env.Waits()) != n {
		t.Errorf("%d connections at the server, %d opened, %d answered, %d waits", len(got), f.Connections.Opened, f.Answered, len(env.Waits()))
	}
	for addr, paths := range got {
		if !slices.IsSorted(paths) || paths[0][:3] != paths[len(paths)-1][:3] {
			t.Errorf("%s: %v", addr, paths)
		}
	}
	if len(markers) != n || markers[""] {
		t.Errorf("%d markers", len(markers))
	}
}

func TestTheRequestIsSentAsRecorded(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	heads := make(chan string, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		b := make([]byte, 4096)
		n, _ := c.Read(b)
		heads <- string(b[:n])
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	}()
	e := get(0, 1, "/a%2Fb?q=%zz", "ok")
	e.Pair.Request.Headers = append(e.Pair.Request.Headers, exchange.Header{Name: "Authorization", Value: "Basic x"},
		exchange.Header{Name: "Expect", Value: "100-continue"}, exchange.Header{Name: "X-Gone", Value: "1"}, exchange.Header{Name: "content-encoding", Value: "gzip"})
	e.Pair.Request.Body, e.Pair.Request.HasBody, e.Pair.Request.BodySize = []byte("plain"), true, 5
	run(t, "http://"+l.Addr().String()+"/v1/?set=X-New:%20a&remove=x-gone&host=recorded.example=other.example", Options{}, &targettest.Env{}, []replay.Event{e})
	marker := replay.Marker{Run: 1}.String()
	want := "GET /v1/a%2Fb?q=%zz HTTP/1.1\r\nHost: other.example\r\nX-Odd-case: 1\r\nx-odd-CASE: 2\r\nX-New: a\r\nX-Replay-Id: " + marker +
		"\r\nContent-Length: 5\r\n\r\nplain"
	if got := <-heads; got != want {
		t.Errorf("got\n%q, want\n%q", got, want)
	}
}

func TestWhatIsLeftOut(t *testing.T) {
	base := serve(t, text200)
	change := func(do func(*exchange.Pair)) func(int) replay.Event {
		return func(i int) replay.Event {
			e := get(i, 1, "/", "ok")
			do(e.Pair)
			return e
		}
	}
	for _, tt := range []struct {
		name, reason string
		unsafe       bool
		event        func(int) replay.Event
	}{
		{"a method that changes things", "unsafe_method", false, change(func(p *exchange.Pair) { p.Request.Method = "POST" })},
		{"a method that nobody knows", "unsafe_method", false, change(func(p *exchange.Pair) { p.Request.Method = "get" })},
		{"the same when allowed", "", true, change(func(p *exchange.Pair) { p.Request.Method = "DELETE" })},
		{"a tunnel, also when unsafe methods are allowed", "connect", true, change(func(p *exchange.Pair) { p.Request.Method, p.Request.Target = "CONNECT", "192.0.2.1:443" })},
		{"a response alone", "no_request", true, change(func(p *exchange.Pair) { p.Request = exchange.Request{} })},
		{"a body with a hole", "not_whole", true, change(func(p *exchange.Pair) { p.Request.BodySize = 10 })},
		{"a handshake of WebSocket", "upgrade", true, change(func(p *exchange.Pair) { p.Kind = "websocket" })},
		{"a line break in a field", "unsendable", true, change(func(p *exchange.Pair) {
			p.Request.Headers = []exchange.Header{{Name: "A", Value: "b\r\n\r\nGET / HTTP/1.1"}}
		})},
		{"a space in the target", "unsendable", true, change(func(p *exchange.Pair) { p.Request.Target = "/ HTTP/1.1\r\nx: y" })},
		{"a method that is none", "unsendable", true, change(func(p *exchange.Pair) { p.Request.Method = "GET /x" })},
	} {
		t.Run(tt.name, func(t *testing.T) {
			env := &targettest.Env{}
			f := run(t, base, Options{AllowUnsafe: tt.unsafe}, env, []replay.Event{tt.event(0)})
			if err := env.Balance(1); err != nil {
				t.Error(err)
			}
			if tt.reason == "" {
				if f.Answered != 1 {
					t.Errorf("not answered: %+v", f)
				}
				return
			}
			if f.Answered != 0 || f.LeftOut[tt.reason] != 1 || env.Counted("left_out_"+tt.reason) != 1 || env.Left()[0][0] != tt.reason {
				t.Errorf("answered %d, left out %v, failures %v", f.Answered, f.LeftOut, env.Failures())
			}
		})
	}
}

func TestCredentialsAreTakenOut(t *testing.T) {
	heads := make(chan nethttp.Header, 1)
	queries := make(chan string, 1)
	base := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		heads <- r.Header
		queries <- r.URL.RawQuery
		text200(w, r)
	})
	secrets := func() []replay.Event {
		e := get(0, 1, "/a?x=1&access_token=s3cret&y=2", "ok")
		for _, name := range []string{"Authorization", "Cookie", "X-Api-Key", "Proxy-Authorization", "X-Amz-Security-Token"} {
			e.Pair.Request.Headers = append(e.Pair.Request.Headers, exchange.Header{Name: name, Value: "s3cret"})
		}
		return []replay.Event{e}
	}
	run(t, base, Options{}, &targettest.Env{}, secrets())
	if h, q := <-heads, <-queries; strings.Contains(fmt.Sprint(h, q), "s3cret") || q != "x=1&y=2" {
		t.Errorf("%v %q", h, q)
	}
	again := secrets()
	want := slices.Clone(again[0].Pair.Request.Headers)
	run(t, base, Options{}, &targettest.Env{}, again)
	<-heads
	<-queries
	if q := &again[0].Pair.Request; !slices.Equal(q.Headers, want) || !strings.Contains(q.Target, "s3cret") {
		t.Errorf("the pair, which another pass may send meanwhile, was changed to %v %s", q.Headers, q.Target)
	}
	run(t, base, Options{KeepSecrets: true}, &targettest.Env{}, secrets())
	if h, q := <-heads, <-queries; h.Get("Authorization") != "s3cret" || h.Get("Cookie") != "s3cret" || !strings.Contains(q, "s3cret") {
		t.Errorf("%v %q", h, q)
	}
	run(t, base, Options{Strip: func(r *exchange.Request) { r.Headers = nil }}, &targettest.Env{}, secrets())
	if h, _ := <-heads, <-queries; h.Get("Authorization") != "" || h.Get("X-Odd-Case") != "" {
		t.Errorf("%v", h)
	}
}

func TestFailuresAreCountedByPair(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				b := make([]byte, 4096)
				n, _ := c.Read(b)
				switch {
				case bytes.Contains(b[:n], []byte("/silent")):
					io.Copy(io.Discard, c)
				case bytes.Contains(b[:n], []byte("/cut")):
					io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nok")
				case bytes.Contains(b[:n], []byte("/junk")):
					io.WriteString(c, "SSH-2.0-x\r\n\r\n")
				case bytes.Contains(b[:n], []byte("/endless")):
					io.WriteString(c, "HTTP/1.1 200 OK\r\nA: ")
					for {
						if _, err := io.WriteString(c, strings.Repeat("a", 1<<16)); err != nil {
							return
						}
					}
				}
			}()
		}
	}()
	paths := []string{"/silent", "/cut", "/junk", "/nothing", "/endless"}
	var events []replay.Event
	for i, p := range paths {
		events = append(events, get(i, byte(i+1), p, "ok"))
	}
	env := &targettest.Env{}
	f := run(t, "http://"+l.Addr().String()+"?timeout=300ms", Options{}, env, events)
	if err := env.Balance(len(paths)); err != nil {
		t.Error(err)
	}
	want := map[string]int64{"timeout": 1, "early_close": 2, "malformed_response": 2}
	if fmt.Sprint(f.Errors) != fmt.Sprint(want) || len(f.Examples) != len(paths) {
		t.Errorf("errors %v, want %v; %d examples", f.Errors, want, len(f.Examples))
	}
	env = &targettest.Env{}
	f = run(t, "http://"+targettest.FreeAddress(t), Options{}, env, []replay.Event{get(0, 1, "/", "")})
	if f.Errors["connect"] != 1 || env.Balance(1) != nil {
		t.Errorf("nobody listens: %v, %v", f.Errors, env.Balance(1))
	}
}

// The latency from the intended moment includes the time behind a slow response.
func TestLatencyCountsFromTheIntendedMoment(t *testing.T) {
	base := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if r.URL.Path == "/slow" {
			time.Sleep(300 * time.Millisecond)
		}
		text200(w, r)
	})
	events := []replay.Event{get(0, 1, "/slow", "ok")}
	for i := 1; i < 10; i++ {
		events = append(events, get(i, 1, "/", "ok"))
	}
	f := run(t, base, Options{}, &targettest.FreeEnv{Began: time.Now()}, events)
	const stall = int64(250 * time.Millisecond)
	if l := f.Latency; l.Intended.P50NS < stall || l.Service.P50NS > stall || l.SendDelay.P50NS < stall || f.Late < 9 {
		t.Errorf("intended %d, service %d, delay %d, late %d", l.Intended.P50NS, l.Service.P50NS, l.SendDelay.P50NS, f.Late)
	}
}

func TestABoundHoldsBackAndLosesNothing(t *testing.T) {
	var mu sync.Mutex
	open, most := 0, 0
	s := httptest.NewUnstartedServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		time.Sleep(2 * time.Millisecond)
		text200(w, r)
	}))
	s.Config.ConnState = func(_ net.Conn, state nethttp.ConnState) {
		mu.Lock()
		defer mu.Unlock()
		switch state {
		case nethttp.StateNew:
			open++
			most = max(most, open)
		case nethttp.StateClosed:
			open--
		}
	}
	s.Start()
	defer s.Close()
	var events []replay.Event
	for i := range 100 {
		events = append(events, get(i, byte(i+1), "/", "ok"))
	}
	env := &targettest.Env{}
	f := run(t, s.URL+"?connections=3", Options{MaxPending: 2}, env, events)
	if err := env.Balance(100); err != nil {
		t.Error(err)
	}
	// The server hears of an end a moment after the next connection.
	if f.Answered != 100 || f.Connections.Most != 3 || most > 6 || f.Connections.Evicted != 97 || len(f.HeldBack) == 0 {
		t.Errorf("answered %d, most %d (server: %d), evicted %d, held back %v", f.Answered, f.Connections.Most, most, f.Connections.Evicted, f.HeldBack)
	}
}

// Connections that come and go as fast as they can, with idle ones closed for others.
func TestConnectionsComeAndGo(t *testing.T) {
	base := serve(t, text200)
	const n = 5000
	var events []replay.Event
	for i := range n {
		e := get(i, byte(i%23), "/", "ok")
		e.Loop = uint32(i / 97)
		events = append(events, e)
	}
	env := &targettest.FreeEnv{Began: time.Now()}
	f := run(t, base+"?connections=8", Options{MaxPending: 40}, env, events)
	if f.Answered != n || env.Accepted.Load() != n || f.Connections.Most != 8 || f.Connections.Evicted == 0 {
		t.Errorf("answered %d, most %d, evicted %d, errors %v", f.Answered, f.Connections.Most, f.Connections.Evicted, f.Errors)
	}
}

func TestNothingIsSentAfterTheEnd(t *testing.T) {
	arrived := make(chan string, 100)
	release := make(chan struct{})
	base := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		arrived <- r.URL.Path
		<-release
		text200(w, r)
	})
	u, _ := url.Parse(base)
	env := &targettest.Env{}
	target, err := Open(t.Context(), u, Options{}, env)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var events []replay.Event
	for i := range 20 {
		events = append(events, get(i, 1, "/", "ok"))
	}
	if err := target.Send(ctx, events); err != nil {
		t.Fatal(err)
	}
	<-arrived
	cancel()
	time.AfterFunc(50*time.Millisecond, func() { close(release) })
	if err := target.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := target.Send(ctx, get20()); !errors.Is(err, context.Canceled) {
		t.Errorf("Send after the end gives %v", err)
	}
	f := target.(replay.Reporter).Report().(*Findings)
	if len(arrived) != 0 || f.Answered != 1 || f.Unsent != 19 || len(env.SentOrder()) != 1 {
		t.Errorf("%d more arrived, %d answered, %d unsent, sent %v", len(arrived), f.Answered, f.Unsent, env.SentOrder())
	}
}

func get20() []replay.Event { return []replay.Event{get(20, 1, "/", "ok")} }

func TestAStoppedRunDoesNotWaitForever(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	u, _ := url.Parse("http://" + l.Addr().String())
	env := &targettest.Env{}
	target, err := Open(t.Context(), u, Options{}, env)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if err := target.Send(ctx, []replay.Event{get(0, 1, "/", "ok")}); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(50*time.Millisecond, cancel)
	began := time.Now()
	if err := target.Close(t.Context()); err != nil || time.Since(began) > 10*time.Second {
		t.Errorf("%v after %v", err, time.Since(began))
	}
	f := target.(replay.Reporter).Report().(*Findings)
	if f.Errors["stopped"] != 1 || env.Balance(1) != nil {
		t.Errorf("%v, %v", f.Errors, env.Balance(1))
	}
}

// A target closes idle connections as it likes: the next request goes over a new one.
func TestAClosedConnectionIsMadeAgain(t *testing.T) {
	base := nginx(t)
	var events []replay.Event
	for i := range 20 {
		events = append(events, get(i, 1, "/few", "few"))
	}
	env := &targettest.Env{}
	f := run(t, base, Options{}, env, events)
	if f.Answered != 20 || f.Connections.Opened != 20 || env.Balance(20) != nil {
		t.Errorf("answered %d over %d connections: %v", f.Answered, f.Connections.Opened, f.Errors)
	}
}

// serveBytes starts a server that has answer write what it likes, and read what comes
// behind the first request; then the connection is closed.
func serveBytes(t *testing.T, answer func(*bufio.ReadWriter)) string {
	return serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		c, b, err := w.(nethttp.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		answer(b)
	})
}

// A response that nobody asked for is not taken for that to the next request.
func TestWhatComesUnaskedAnswersNothing(t *testing.T) {
	for _, tt := range []struct{ name, extra string }{
		{"a second response", "HTTP/1.1 500 Evil\r\nContent-Length: 0\r\n\r\n"},
		{"the beginning of one", "HTTP/1.1 500"},
		{"bytes behind the body", "more"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			base := serveBytes(t, func(b *bufio.ReadWriter) {
				fmt.Fprint(b, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"+tt.extra)
				b.Flush()
				io.Copy(io.Discard, b)
			})
			env := &targettest.Env{}
			f := run(t, base, Options{}, env, []replay.Event{get(0, 1, "/0", "ok"), get(1, 1, "/1", "ok"), get(2, 1, "/2", "ok")})
			if f.Status[200] != 3 || len(f.Status) != 1 || f.Compared.Same != 3 || f.Connections.Unasked != 3 || env.Balance(3) != nil {
				t.Errorf("status %v, compared %+v, connections %+v, errors %v", f.Status, f.Compared, f.Connections, f.Errors)
			}
		})
	}
}

// Names of fields are counted as they came, whatever comes behind them on the connection.
func TestFieldsThatDifferAreCountedByName(t *testing.T) {
	base := serveBytes(t, func(b *bufio.ReadWriter) {
		var err error
		for i := 0; err == nil; i++ {
			// Each head has its field at another place, and lower-case names need no new text.
			fmt.Fprintf(b, "HTTP/1.1 200 OK\r\nvia: %s\r\nextra-field: 1\r\ncontent-length: 2\r\n\r\nok", strings.Repeat("z", i))
			b.Flush()
			_, err = nethttp.ReadRequest(b.Reader)
		}
	})
	var events []replay.Event
	for i := range 30 {
		events = append(events, get(i, 1, "/", "ok"))
	}
	env := &targettest.Env{}
	f := run(t, base, Options{}, env, events)
	if want := map[string]int64{"extra-field": 30}; !maps.Equal(f.Headers, want) || f.Differences[diffExtra] != 30 || env.Balance(30) != nil {
		t.Errorf("fields %v, want %v; differences %v, errors %v", f.Headers, want, f.Differences, f.Errors)
	}
}

func TestOverTLS(t *testing.T) {
	s := httptest.NewUnstartedServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		fmt.Fprint(w, r.Proto, " ", r.Host, " ", r.RequestURI, " ", r.Header.Get(replay.MarkerHeader) != "")
	}))
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, query, protocol, want string }{
		{"recorded as HTTP/1.1", "?insecure=1", "HTTP/1.1", "HTTP/1.1 recorded.example /a%2F?b true"},
		{"recorded as HTTP/2", "?insecure=1", "HTTP/2", "HTTP/2.0 recorded.example /a%2F?b true"},
		{"HTTP/2 asked for", "?version=2&ca=" + ca, "HTTP/1.1", "HTTP/2.0 recorded.example /a%2F?b true"},
		{"HTTP/1 asked for", "?version=1&ca=" + ca, "HTTP/2", "HTTP/1.1 recorded.example /a%2F?b true"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			const n = 30
			var events []replay.Event
			for i := range n {
				e := get(i, byte(1+i%3), "/a%2F?b", tt.want)
				e.Pair.Protocol = tt.protocol
				events = append(events, e)
			}
			env := &targettest.Env{}
			f := run(t, s.URL+tt.query, Options{IgnoreHeaders: []string{"date", "content-length", "content-type"}}, env, events)
			if f.Answered != n || f.Compared.Same != n || f.Connections.Opened != 3 || env.Balance(n) != nil {
				t.Errorf("%+v %v", f, env.Failures())
			}
		})
	}
	t.Run("a certificate of nobody", func(t *testing.T) {
		env := &targettest.Env{}
		f := run(t, s.URL, Options{}, env, []replay.Event{get(0, 1, "/", "")})
		var unknown *tls.CertificateVerificationError
		if f.Errors["connect"] != 1 || !errors.As(env.Failures()[0][0].Err, &unknown) {
			t.Errorf("%v %v", f.Errors, env.Failures())
		}
	})
}

func TestHTTP2WithoutTLS(t *testing.T) {
	var protocols nethttp.Protocols
	protocols.SetUnencryptedHTTP2(true)
	protocols.SetHTTP1(true)
	s := httptest.NewUnstartedServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		b, _ := io.ReadAll(r.Body)
		w.Header().Set("Trailer", "Grpc-Status")
		fmt.Fprintf(w, "%s %s", r.Proto, b)
		w.Header().Set("Grpc-Status", "0")
	}))
	s.Config.Protocols = &protocols
	s.Start()
	defer s.Close()
	e := get(0, 1, "/a", "HTTP/2.0 hello")
	e.Pair.Protocol, e.Pair.Kind, e.Pair.Request.Method = "HTTP/2", "grpc", "POST"
	e.Pair.Request.Headers = append([]exchange.Header{{Name: ":method", Value: "POST"}}, e.Pair.Request.Headers...)
	e.Pair.Request.Body, e.Pair.Request.BodySize, e.Pair.Request.HasBody = []byte("hello"), 5, true
	e.Pair.Response.Trailers = []exchange.Header{{Name: "grpc-status", Value: "1"}}
	f := run(t, s.URL, Options{AllowUnsafe: true, IgnoreHeaders: []string{"date", "content-length", "content-type"}}, &targettest.Env{}, []replay.Event{e})
	if f.Answered != 1 || f.Versions["HTTP/2"] != 1 || f.Headers["grpc-status"] != 1 || f.Differences[diffBody] != 0 {
		t.Errorf("%+v", f)
	}
}

func TestCodedBodiesAreComparedDecoded(t *testing.T) {
	base := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		w.Header().Set("Content-Encoding", strings.TrimPrefix(r.URL.Path, "/"))
		if r.URL.Path == "/gzip" {
			z := gzip.NewWriter(w)
			defer z.Close()
			io.WriteString(z, strings.Repeat("body", 100_000))
			return
		}
		io.WriteString(w, "these bytes are not coded")
	})
	env := &targettest.Env{}
	events := []replay.Event{get(0, 1, "/gzip", strings.Repeat("body", 100_000)), get(1, 1, "/br", "x"), get(2, 1, "/what", "x"), get(3, 1, "/gzip", "other")}
	f := run(t, base, Options{}, env, events)
	if f.Answered != 4 || f.Connections.Opened != 1 || f.Differences[diffCoding] != 2 || f.Differences[diffBody] != 1 {
		t.Errorf("%+v", f)
	}
}

func TestParametersOfTheURL(t *testing.T) {
	for _, tt := range []struct{ url, err string }{
		{"http://127.0.0.1:1/?insecure=1&connections=3&timeout=2s&ignore-header=etag&ignore-path=$.a", ""},
		{"http://127.0.0.1:1/?what=1", "parameter what=1: unknown: known are ca"},
		{"http://127.0.0.1:1/?timeout=5", `parameter timeout=5: time: missing unit`},
		{"http://127.0.0.1:1/?ignore-path=a", `path "a": want $.name`},
		{"http://127.0.0.1:1/?host=a", "parameter host=a: want FROM=TO"},
		{"http://127.0.0.1:1/?set=a%0d:b", "cannot be sent"},
		{"http://127.0.0.1:1/?set=host:b", "a map of hosts (*=b)"},
		{"http://127.0.0.1:1/?set=content-length:5", "the sender's own"},
		{"http://127.0.0.1:1/?set=Transfer-Encoding:chunked", "the sender's own"},
		{"http://127.0.0.1:1/?set=x-replay-id:1", "the sender's own"},
		{"http://127.0.0.1:1/?set=connection:close", "the sender's own"},
		{"http://127.0.0.1:1/?version=3", `HTTP version "3": known are`},
		{"http://127.0.0.1:99999/", "port"},
		{"http://u:p@127.0.0.1/", "user name"},
		{"http:///x", "names no host"},
		{"ftp://127.0.0.1/", "scheme"},
		{"https://127.0.0.1/?ca=/nowhere", "certificate authorities"},
	} {
		u, err := url.Parse(tt.url)
		if err == nil {
			_, err = Open(t.Context(), u, Options{}, &targettest.Env{})
		}
		if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: got %v, want %s", tt.url, err, tt.err)
		}
	}
}
