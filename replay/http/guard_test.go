package http

import (
	"context"
	"errors"
	"net"
	nethttp "net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"sync"
	"testing"

	"recap/pipeline/exchange"
	"recap/replay"
	"recap/replay/targettest"
)

// guarded is an Env with a real guard, which records what is dialled.
type guarded struct {
	targettest.Env
	replay.Guard
	mu     sync.Mutex
	dialed []string
}

func (g *guarded) Allow(host string) error { return g.Guard.Allow(host) }

func newGuarded(host string) *guarded {
	g := &guarded{}
	g.Hosts = []string{host}
	g.Connect = func(ctx context.Context, network, address string) (net.Conn, error) {
		g.mu.Lock()
		g.dialed = append(g.dialed, address)
		g.mu.Unlock()
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	return g
}

// Whatever captures, responses, the environment and the name service say: no
// connection goes elsewhere.
func TestNoConnectionGoesElsewhere(t *testing.T) {
	var elsewhere int
	trap, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Skipf("SKIPPED: no address to trap connections at, so none was tried: %v", err)
	}
	defer trap.Close()
	go func() {
		for {
			c, err := trap.Accept()
			if err != nil {
				return
			}
			elsewhere++
			c.Close()
		}
	}()
	other := trap.Addr().String()
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"} {
		t.Setenv(name, "http://"+other)
	}
	t.Setenv("NO_PROXY", "")
	t.Setenv("no_proxy", "")
	handler := nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		w.Header().Set("Alt-Svc", `h2="`+other+`"`)
		w.Header().Set("Refresh", "0; url=http://"+other)
		nethttp.Redirect(w, r, "http://"+other+"/x", []int{301, 302, 303, 307, 308}[len(r.URL.Path)%5])
	})
	plain := httptest.NewServer(handler)
	defer plain.Close()
	secure := httptest.NewUnstartedServer(handler)
	secure.EnableHTTP2 = true
	secure.StartTLS()
	defer secure.Close()
	hostile := func() []replay.Event {
		var events []replay.Event
		for i, target := range []string{"http://" + other + "/a", "https://" + other, "//" + other + "/a", "http:" + other, "@" + other,
			other, "*", "/", "/?http://" + other, "\\\\" + other, "/a", "/ab", "/abc", "/abcd"} {
			for _, protocol := range []string{"HTTP/1.1", "HTTP/2", "HTTP/1.0"} {
				e := get(len(events), byte(len(events)+1), target, "")
				e.Pair.Protocol, e.Pair.Request.Host, e.Pair.Request.URL = protocol, other, "http://"+other+"/"
				e.Pair.Request.Headers = []exchange.Header{{Name: "Host", Value: other}, {Name: "X-Forwarded-Host", Value: other}}
				e.Pair.Conn.Server = exchange.Endpoint{IP: netip.MustParseAddr("127.0.0.2"), Port: uint16(trap.Addr().(*net.TCPAddr).Port)}
				if i%4 == 3 {
					e.Pair.Request.Method = "CONNECT"
				}
				events = append(events, e)
			}
		}
		return events
	}
	for _, base := range []string{plain.URL, secure.URL + "?insecure=1", secure.URL + "?insecure=1&version=1", secure.URL + "?insecure=1&version=2"} {
		u, _ := url.Parse(base)
		env := newGuarded("127.0.0.1")
		events := hostile()
		f := run(t, base, Options{AllowUnsafe: true, KeepSecrets: true}, env, events)
		if err := env.Balance(len(events)); err != nil {
			t.Error(err)
		}
		if len(env.dialed) == 0 || f.Redirects == 0 {
			t.Errorf("%s: %d dialled, %d redirects", base, len(env.dialed), f.Redirects)
		}
		for _, a := range env.dialed {
			if a != u.Host {
				t.Errorf("%s: dialled %s", base, a)
			}
		}
	}
	if elsewhere > 0 {
		t.Errorf("%d connections elsewhere", elsewhere)
	}
}

// A turning resolver gives a good address first and a bad one for ever after.
type turning struct{ asked int }

func (r *turning) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	r.asked++
	if r.asked == 1 {
		return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
	}
	return []netip.Addr{netip.MustParseAddr("192.0.2.1")}, nil
}

func TestANameThatTurnsIsAskedOnce(t *testing.T) {
	base := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		w.Header().Set("Connection", "close")
		text200(w, r)
	})
	u, _ := url.Parse(base)
	env := newGuarded("turning.example")
	resolver := &turning{}
	env.Resolver = resolver
	var events []replay.Event
	for i := range 5 {
		events = append(events, get(i, byte(i+1), "/", "ok"))
	}
	f := run(t, "http://turning.example:"+u.Port(), Options{}, env, events)
	if f.Answered != 5 || resolver.asked != 1 || len(env.dialed) != 5 || f.Address != u.Host {
		t.Errorf("answered %d, asked %d times, dialled %v", f.Answered, resolver.asked, env.dialed)
	}
	for _, a := range env.dialed {
		if a != u.Host {
			t.Errorf("dialled %s", a)
		}
	}
}

func TestAPublicTargetIsRefused(t *testing.T) {
	for _, base := range []string{"http://192.0.2.1/", "http://[2001:db8::1]/", "https://8.8.8.8/"} {
		u, _ := url.Parse(base)
		env := newGuarded(u.Hostname())
		if _, err := Open(t.Context(), u, Options{}, env); !errors.Is(err, replay.ErrRefused) {
			t.Errorf("%s: %v", base, err)
		}
		if len(env.dialed) > 0 {
			t.Errorf("%s: dialled %v", base, env.dialed)
		}
	}
}
