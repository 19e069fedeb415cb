package replay

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"testing"
)

// A resolver answers with other addresses each time it is asked.
type resolver struct {
	answers map[string][][]netip.Addr
	asked   int
}

func (r *resolver) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	r.asked++
	list := r.answers[host]
	if len(list) == 0 {
		return nil, errors.New("no such host")
	}
	if len(list) > 1 {
		r.answers[host] = list[1:]
	}
	return slices.Clone(list[0]), nil
}

func addrs(texts ...string) (list []netip.Addr) {
	for _, s := range texts {
		list = append(list, netip.MustParseAddr(s))
	}
	return list
}

var errNotReally = errors.New("recorded, not connected")

// guarded returns a guard whose connections are recorded instead of made.
func guarded(hosts ...string) (*Guard, *[]string) {
	var dialled []string
	g := &Guard{Hosts: hosts, Resolver: &resolver{answers: map[string][][]netip.Addr{
		"ingestor.test": {addrs("10.1.2.3")},
		"public.test":   {addrs("93.184.216.34")},
		"mixed.test":    {addrs("10.1.2.3", "93.184.216.34")},
		"rebind.test":   {addrs("10.1.2.3"), addrs("169.254.169.254")},
		"evil.test":     {addrs("10.9.9.9")},
	}}}
	g.Connect = func(_ context.Context, _, address string) (net.Conn, error) {
		dialled = append(dialled, address)
		return nil, errNotReally
	}
	return g, &dialled
}

func TestGuardResolve(t *testing.T) {
	for _, tt := range []struct {
		name string
		host string
		set  func(*Guard)
		ok   bool
	}{
		{"loopback", "127.0.0.1", nil, true},
		{"all of the loopback network", "127.9.9.9", nil, true},
		{"loopback of IPv6", "::1", nil, true},
		{"private", "192.168.1.1", nil, true},
		{"private of IPv6", "fd00::1", nil, true},
		{"a name of a private address", "ingestor.test", nil, true},
		{"a public address", "8.8.8.8", nil, false},
		{"a public address written as IPv6", "::ffff:8.8.8.8", nil, false},
		{"a name of a public address", "public.test", nil, false},
		{"a name with one public address among others", "mixed.test", nil, false},
		{"the metadata service of clouds", "169.254.169.254", nil, false},
		{"the metadata service of a cloud by IPv6", "fd00:ec2::254", nil, false},
		{"the metadata service of a cloud by IPv6 with a zone", "fd00:ec2::254%eth0", nil, false},
		{"the metadata service of another cloud by IPv6", "fd20:ce::254", nil, false},
		{"a metadata service that was allowed", "fd00:ec2::254", func(g *Guard) { g.Public = true }, true},
		{"no address at all", "0.0.0.0", nil, false},
		{"multicast", "224.0.0.1", nil, false},
		{"a public address that was allowed", "8.8.8.8", func(g *Guard) { g.Public = true }, true},
		{"a public name that was allowed", "public.test", func(g *Guard) { g.Public = true }, true},
		{"a public address in a network that was allowed", "8.8.8.8", func(g *Guard) { g.Extra = []netip.Prefix{netip.MustParsePrefix("8.8.8.0/24")} }, true},
		{"members of a cluster change nothing about that", "8.8.8.8", func(g *Guard) { g.Peers = true }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g, _ := guarded(tt.host)
			if tt.set != nil {
				tt.set(g)
			}
			if err := g.Resolve(t.Context()); (err == nil) != tt.ok || err != nil && !errors.Is(err, ErrRefused) {
				t.Errorf("Resolve with %s: %v", tt.host, err)
			}
		})
	}
}

// Whatever is asked for, by captures, redirects, name servers: nothing is dialled but the
// address that the named host had at first.
func TestGuardDialsTheTargetOnly(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://10.8.8.8:3128")
	t.Setenv("HTTPS_PROXY", "http://10.8.8.8:3128")
	t.Setenv("ALL_PROXY", "socks5://10.8.8.8:1080")
	hostile := []string{"evil.test:80", "8.8.8.8:80", "10.9.9.9:80", "127.0.0.1:80", "[::1]:80", "[::ffff:10.9.9.9]:80", "0.0.0.0:80", "169.254.169.254:80",
		"public.test:443", "ingestor.test.evil.test:80", "unknown.test:80", "[fe80::1%25lo]:80"}
	g, dialled := guarded("ingestor.test")
	if err := g.Resolve(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, address := range hostile {
		if c, err := g.Dial(t.Context(), "tcp", address); err == nil || errors.Is(err, errNotReally) {
			t.Errorf("Dial(%s) = %v, %v", address, c, err)
		}
	}
	if len(*dialled) != 0 {
		t.Errorf("dialled %v", *dialled)
	}
	for _, address := range []string{"ingestor.test:80", "INGESTOR.test.:8080", "10.1.2.3:81"} {
		if _, err := g.Dial(t.Context(), "tcp", address); !errors.Is(err, errNotReally) {
			t.Errorf("Dial(%s): %v", address, err)
		}
	}
	if want := []string{"10.1.2.3:80", "10.1.2.3:8080", "10.1.2.3:81"}; !slices.Equal(*dialled, want) {
		t.Errorf("dialled %v, want %v", *dialled, want)
	}
}

func TestGuardAgainstRebinding(t *testing.T) {
	g, dialled := guarded("rebind.test")
	if err := g.Resolve(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		_, _ = g.Dial(t.Context(), "tcp", "rebind.test:80")
	}
	if want := []string{"10.1.2.3:80", "10.1.2.3:80", "10.1.2.3:80"}; !slices.Equal(*dialled, want) {
		t.Errorf("dialled %v, want %v", *dialled, want)
	}
	if n := g.Resolver.(*resolver).asked; n != 1 {
		t.Errorf("the name was looked up %d times, want once", n)
	}
}

// guardedEnv is an Env with a guard, as a run is.
type guardedEnv struct {
	Env
	*Guard
}

func (e guardedEnv) Allow(host string) error { return e.Guard.Allow(host) }

// Targets that do not connect keep to the first answer too: a later one is neither
// followed nor a reason to refuse the target.
func TestResolveKeepsTheFirstAnswer(t *testing.T) {
	for _, later := range []string{"169.254.169.254", "10.8.8.8", "8.8.8.8"} {
		g, _ := guarded("rebind.test")
		g.Resolver.(*resolver).answers["rebind.test"] = [][]netip.Addr{addrs("10.1.2.3"), addrs(later)}
		if err := g.Resolve(t.Context()); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if a, err := Resolve(t.Context(), guardedEnv{nil, g}, "rebind.test"); err != nil || a != netip.MustParseAddr("10.1.2.3") {
				t.Errorf("Resolve, with %s as the later answer, = %v, %v", later, a, err)
			}
		}
	}
	g, _ := guarded("mixed.test")
	if a, err := Resolve(t.Context(), guardedEnv{nil, g}, "mixed.test"); !errors.Is(err, ErrRefused) {
		t.Errorf("Resolve of a name with a public address = %v, %v", a, err)
	}
}

// Members of a cluster are told by the one that was named, and must be near.
func TestGuardOfClusters(t *testing.T) {
	g, dialled := guarded("ingestor.test")
	g.Peers = true
	for address, ok := range map[string]bool{"evil.test:9092": true, "10.7.7.7:9092": true, "public.test:9092": false, "8.8.8.8:9092": false} {
		if _, err := g.Dial(t.Context(), "tcp", address); errors.Is(err, errNotReally) != ok {
			t.Errorf("Dial(%s): %v", address, err)
		}
	}
	if len(*dialled) != 2 {
		t.Errorf("dialled %v", *dialled)
	}
}

// The real dialer tests the address of its socket as well.
func TestGuardControl(t *testing.T) {
	g := &Guard{Hosts: []string{"127.0.0.1"}}
	if err := g.control("tcp4", "8.8.8.8:80", nil); !errors.Is(err, ErrRefused) {
		t.Errorf("control of a foreign address: %v", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := g.Dial(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

func TestZeroGuardAllowsNothing(t *testing.T) {
	g := new(Guard)
	for _, host := range []string{"127.0.0.1", "localhost", "10.0.0.1", "::1", ""} {
		if err := g.Allow(host); !errors.Is(err, ErrRefused) {
			t.Errorf("Allow(%q): %v", host, err)
		}
	}
}
