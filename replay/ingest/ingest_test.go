package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"recap/pipeline/exchange"
	"recap/replay"
	"recap/replay/record"
	"recap/replay/sink"
	"recap/replay/targettest"
)

// An ingestor is a double of Akto and of Metlo, and what it was given.
type ingestor struct {
	url string // host and port
	hub *sink.Hub

	mu    sync.Mutex
	pairs []*exchange.Pair
}

func (i *ingestor) take(pairs []*exchange.Pair) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.pairs = append(i.pairs, pairs...)
}

func (i *ingestor) got() []*exchange.Pair {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.pairs)
}

func newIngestor(t *testing.T, key string) *ingestor {
	i := &ingestor{hub: sink.NewHub(sink.Faults{}, nil)}
	metlo := sink.NewMetlo(i.hub, i.take, key)
	mux := http.NewServeMux()
	mux.Handle("/api/ingestData", &sink.Akto{Hub: i.hub, Out: i.take, Token: key})
	mux.Handle("/", metlo)
	server := httptest.NewServer(mux)
	t.Cleanup(func() { server.Close(); metlo.Close() })
	i.url = server.Listener.Addr().String()
	return i
}

func open(t testing.TB, text string, o Options, env replay.Env) replay.Target {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	target, err := Open(t.Context(), u, o, env)
	if err != nil {
		t.Fatal(err)
	}
	return target
}

func sendAll(t testing.TB, target replay.Target, events []replay.Event) {
	t.Helper()
	for part := range slices.Chunk(events, 64) {
		if err := target.Send(t.Context(), part); err != nil {
			t.Fatal(err)
		}
	}
	if err := target.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestEveryPairArrivesOnceAndInOrder(t *testing.T) {
	for _, url := range []string{"akto+http://%s/", "metlo+http://%s", "metlo+http://%s/?v=2&batch=7&lanes=3"} {
		t.Run(url, func(t *testing.T) {
			in := newIngestor(t, "secret")
			var env targettest.Env
			events := targettest.Events(500, 3000)
			sendAll(t, open(t, fmt.Sprintf(url, in.url), Options{Token: "secret"}, &env), events)
			if err := env.Balance(len(events)); err != nil {
				t.Error(err)
			}
			if f := env.Failures(); len(f) > 0 {
				t.Fatalf("%d failed: %v", len(f), f)
			}
			if n := len(env.Waits()); n != len(events) {
				t.Errorf("%d units were waited for, want %d", n, len(events))
			}
			waitFor(t, func() bool { return len(in.got()) == len(events) })
			last := map[string]uint64{}
			for _, p := range in.got() {
				var o replay.Observation
				record.Observe(p, &o)
				m, err := replay.ParseMarker(o.Request)
				if err != nil || string(o.Response) != string(o.Request) {
					t.Fatalf("markers %q and %q", o.Request, o.Response)
				}
				if o.ResponseBody != 3000 {
					t.Fatalf("response body of %d bytes", o.ResponseBody)
				}
				conn := p.Conn.Client.IP.String()
				if before, known := last[conn]; known && before >= m.Seq {
					t.Fatalf("pair %d of %s came after pair %d", m.Seq, conn, before)
				}
				last[conn] = m.Seq
			}
		})
	}
}

func waitFor(t *testing.T, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !f(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it did not happen")
		}
	}
}

// What the receiver would drop is counted by reason, kept back, and with preflight=send
// sent and dropped there: the two counts are the same.
func TestThePreflightIsRight(t *testing.T) {
	spoil := []func(*exchange.Pair){
		func(p *exchange.Pair) { p.Response = exchange.Response{} },
		func(p *exchange.Pair) { p.Request.Method = "" },
		func(p *exchange.Pair) { p.Request.Path = "/a=b" },
		func(p *exchange.Pair) { p.Request.Path = "/a///b" },
		func(p *exchange.Pair) { p.Request.Path = "*" },
		func(p *exchange.Pair) {},
	}
	for _, tt := range []struct {
		url     string
		refused int
	}{{"akto+http://%s/?preflight=", 2}, {"metlo+http://%s/?v=2&preflight=", 5}} {
		for _, mode := range []string{"hold", "send"} {
			t.Run(tt.url+mode, func(t *testing.T) {
				in := newIngestor(t, "")
				var env targettest.Env
				events := targettest.Events(len(spoil), 10)
				for i, f := range spoil {
					f(events[i].Pair)
				}
				sendAll(t, open(t, fmt.Sprintf(tt.url+mode, in.url), Options{}, &env), events)
				if err := env.Balance(len(events)); err != nil {
					t.Error(err)
				}
				want, dropped := tt.refused, 0
				if mode == "send" {
					want, dropped = 0, tt.refused
				}
				if n := len(env.Left()); n != want || len(env.Failures()) > 0 {
					t.Errorf("%d left out, want %d: %v, failures %v", n, want, env.Left(), env.Failures())
				}
				waitFor(t, func() bool { return len(in.got()) == len(events)-tt.refused })
				total := 0
				for _, n := range in.hub.Counts().Dropped {
					total += int(n)
				}
				if total != dropped {
					t.Errorf("the receiver dropped %d, want %d: %v", total, dropped, in.hub.Counts().Dropped)
				}
			})
		}
	}
}

// A pair larger than a request may be is refused beforehand; batches keep below it.
func TestLimits(t *testing.T) {
	in := newIngestor(t, "")
	var env targettest.Env
	events := targettest.Events(8, 700<<10)
	events[3] = targettest.Events(4, record.MaxMetloBody)[3]
	sendAll(t, open(t, "metlo+http://"+in.url, Options{Lanes: 1}, &env), events)
	if f := env.Left(); len(f) != 1 || f[3][0] != record.ReasonLongRecord {
		t.Errorf("failures are %v", f)
	}
	var akto targettest.Env
	events = targettest.Events(6, 4<<20)
	events[2] = targettest.Events(3, record.MaxAktoString+1)[2]
	sendAll(t, open(t, "akto+http://"+in.url, Options{Lanes: 1}, &akto), events)
	if f := akto.Left(); len(f) != 1 || f[2][0] != record.ReasonLongString {
		t.Errorf("failures are %v", f)
	}
	for answer := range in.hub.Counts().Answers {
		if !strings.HasSuffix(answer, ": 200") {
			t.Errorf("the receiver answered %s", answer)
		}
	}
}

func TestStatusDecides(t *testing.T) {
	for _, tt := range []struct {
		name   string
		status []int // one after another, the last again and again
		posts  int
		failed bool
	}{
		{"success that says success:false", []int{200}, 1, false},
		{"the key is wrong", []int{401}, 1, true},
		{"the batch is wrong", []int{422}, 1, true},
		{"an error of the server, which may have taken it", []int{500}, 1, true},
		{"busy, then not", []int{503, 429, 200}, 3, false},
		{"busy for ever", []int{503}, 1 + DefaultRetries, true},
		{"a redirect", []int{307}, 1, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var posts atomic.Int64
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				io.Copy(io.Discard, r.Body)
				n := int(posts.Add(1))
				w.Header().Set("Location", "http://127.0.0.1:1/elsewhere")
				w.WriteHeader(tt.status[min(n, len(tt.status))-1])
				io.WriteString(w, `{"success":false}`)
			}))
			defer server.Close()
			var env targettest.Env
			sendAll(t, open(t, "akto+http://"+server.Listener.Addr().String(), Options{Lanes: 1}, &env), targettest.Events(5, 10))
			if err := env.Balance(5); err != nil {
				t.Error(err)
			}
			if got := len(env.Failures()) > 0; got != tt.failed {
				t.Errorf("failed: %t, want %t: %v", got, tt.failed, env.Failures())
			}
			if n := int(posts.Load()); n != tt.posts || env.Counted(CountRetries) != int64(n-1) {
				t.Errorf("%d requests came, %d were counted as retries; want %d", n, env.Counted(CountRetries), tt.posts)
			}
		})
	}
}

// A connection that breaks after the batch was read leaves its fate unknown: it is not
// sent twice.
func TestALostAnswerIsNotSentAgain(t *testing.T) {
	var posts atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		posts.Add(1)
		panic(http.ErrAbortHandler)
	}))
	defer server.Close()
	var env targettest.Env
	sendAll(t, open(t, "akto+http://"+server.Listener.Addr().String(), Options{Lanes: 1}, &env), targettest.Events(5, 10))
	if f := env.Failures(); len(f) != 5 || !errors.Is(f[0][0].Err, errUnknown) {
		t.Errorf("failures are %v", f)
	}
	if posts.Load() != 1 || env.Counted(CountUnknown) != 5 {
		t.Errorf("%d requests came; %d pairs were counted as unknown", posts.Load(), env.Counted(CountUnknown))
	}
}

// Nobody listens: surely nothing was taken, so it is tried again, then counted.
func TestNobodyListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	var env targettest.Env
	sendAll(t, open(t, "akto+http://"+l.Addr().String()+"?retries=1", Options{Lanes: 1}, &env), targettest.Events(5, 10))
	if len(env.Failures()) != 5 || env.Counted(CountRetries) != 1 || env.Counted(CountUnknown) != 0 {
		t.Errorf("failures are %v, %d retries", env.Failures(), env.Counted(CountRetries))
	}
}

// A receiver that hangs holds neither Send, once its context ends, nor Close longer
// than its context, and nothing is forgotten.
func TestAReceiverThatHangs(t *testing.T) {
	stop := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		<-stop
	}))
	defer server.Close()
	defer close(stop)
	var env targettest.Env
	target := open(t, "akto+http://"+server.Listener.Addr().String()+"?batch=2&lanes=1", Options{}, &env)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := target.Send(ctx, targettest.Events(1000, 10)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Send: %v, want the end of its context", err)
	}
	closing, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	if err := target.Close(closing); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Close: %v, want the end of its context", err)
	}
	n := len(env.Failures())
	if n == 0 || n > 6 {
		t.Errorf("%d failed, want the few that were in batches", n)
	}
	if err := env.Balance(n); err != nil {
		t.Error(err)
	}
}

// Pairs do not wait for a batch to fill.
func TestASlowTrickleLeavesInTime(t *testing.T) {
	in := newIngestor(t, "")
	var env targettest.Env
	target := open(t, "akto+http://"+in.url+"?linger=10ms", Options{}, &env)
	if err := target.Send(t.Context(), targettest.Events(1, 10)); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return len(env.SentOrder()) == 1 })
	if err := target.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestOpenRefuses(t *testing.T) {
	env := &targettest.Env{Refuse: []string{"127.0.0.1"}}
	for _, text := range []string{"akto+http://127.0.0.1:1/", "akto+ftp://127.0.0.2:1/", "akto+http://127.0.0.2:1/?v=2", "metlo+http://127.0.0.2:1/?v=3",
		"metlo+http://127.0.0.2:1/?batch=x", "metlo+http://127.0.0.2:1/?nothing=1", "akto+http:///"} {
		u, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), u, Options{}, env); err == nil {
			t.Errorf("Open(%s) was not refused", text)
		}
	}
}

// Neither proxies of the environment nor anything else leads elsewhere.
func TestProxiesAreNotUsed(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	t.Setenv("http_proxy", "http://127.0.0.1:1")
	in := newIngestor(t, "")
	var env targettest.Env
	sendAll(t, open(t, "akto+http://"+in.url, Options{}, &env), targettest.Events(3, 10))
	if n := len(env.SentOrder()); n != 3 {
		t.Errorf("%d were sent, want 3: %v", n, env.Failures())
	}
}

// BenchmarkAkto sends to a receiver that reads and answers only.
func BenchmarkAkto(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) }))
	defer server.Close()
	events := targettest.Events(10_000, 1000)
	for b.Loop() {
		target := open(b, "akto+http://"+server.Listener.Addr().String(), Options{}, new(targettest.Env))
		sendAll(b, target, events)
	}
	b.ReportMetric(float64(len(events))*float64(b.N)/b.Elapsed().Seconds(), "pairs/s")
}

func TestConformance(t *testing.T) {
	in := newIngestor(t, "")
	for _, text := range []string{"akto+http://" + in.url, "metlo+http://" + in.url} {
		t.Run(text[:5], func(t *testing.T) {
			targettest.Run(t, "127.0.0.1", func(ctx context.Context, env replay.Env) (replay.Target, error) {
				u, err := url.Parse(text)
				if err != nil {
					return nil, err
				}
				return Open(ctx, u, Options{}, env)
			})
		})
	}
}
