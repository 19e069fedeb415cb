package replay

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// ErrRefused is what every refusal of a [Guard] is.
var ErrRefused = errors.New("refused by a safety rule")

// A Refusal is an address that may not be sent to.
type Refusal struct {
	Host string
	Why  string
}

func (e *Refusal) Error() string { return fmt.Sprintf("%s: %s", e.Host, e.Why) }

// Is makes every Refusal an [ErrRefused].
func (e *Refusal) Is(err error) bool { return err == ErrRefused }

// A Guard knows where a run may send to: the hosts that the user named, and those only
// at loopback and private addresses unless more is allowed. Nothing out of a capture
// widens it. The zero Guard allows nothing. Its methods may be called from any goroutine.
type Guard struct {
	// Hosts are names and addresses that the user named, without ports.
	Hosts []string
	// Public allows the named hosts wherever they are.
	Public bool
	// Extra are further addresses that may be sent to.
	Extra []netip.Prefix
	// Peers allows loopback and private addresses that were not named: a cluster tells
	// the addresses of its members itself.
	Peers bool
	// Resolver looks names up; nil is the system's.
	Resolver interface {
		LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
	}
	// Connect opens a connection to an address and port, as [net.Dialer.DialContext];
	// nil is that. Whoever replaces it sees every address that is really dialled.
	Connect func(ctx context.Context, network, address string) (net.Conn, error)

	mu    sync.Mutex
	known map[string][]netip.Addr
}

// Lookup returns the addresses of a host. A name is resolved once: later answers, which
// may be other ones, are not asked for.
func (g *Guard) Lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a.Unmap()}, nil
	}
	key := hostKey(host)
	g.mu.Lock()
	addrs := g.known[key]
	g.mu.Unlock()
	if addrs != nil {
		return addrs, nil
	}
	var err error
	if r := g.Resolver; r != nil {
		addrs, err = r.LookupNetIP(ctx, "ip", host)
	} else {
		addrs, err = net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	}
	if err != nil {
		return nil, err
	}
	if len(addrs) == 0 {
		return nil, fmt.Errorf("%s has no address", host)
	}
	for i := range addrs {
		addrs[i] = addrs[i].Unmap()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if first := g.known[key]; first != nil {
		return first, nil
	}
	if g.known == nil {
		g.known = map[string][]netip.Addr{}
	}
	g.known[key] = addrs
	return addrs, nil
}

// hostKey makes names comparable: no case, no final dot (RFC 1034, section 3.1).
func hostKey(host string) string { return strings.ToLower(strings.TrimSuffix(host, ".")) }

// Resolve looks up every named host and refuses those that may not be sent to. It is
// the test before anything is opened, and it fixes what the names mean.
func (g *Guard) Resolve(ctx context.Context) error {
	for _, host := range g.Hosts {
		addrs, err := g.Lookup(ctx, host)
		if err != nil {
			return err
		}
		for _, a := range addrs {
			var no *Refusal
			if err := g.allow(a); errors.As(err, &no) && no.Host != host {
				return &Refusal{host + " (" + no.Host + ")", no.Why}
			} else if err != nil {
				return err
			}
		}
	}
	return nil
}

const (
	publicText   = "is neither a loopback nor a private address"
	metadataText = "is the metadata service of a cloud"
	unnamedText  = "is not what the target's URL names"
)

// Allow returns a [Refusal] for a host, a name or an address, that may not be sent to.
// A name that passes still has to pass with each of its addresses: [Guard.Dial] sees to
// that.
func (g *Guard) Allow(host string) error {
	if a, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return g.allow(a.Unmap())
	}
	if g.Peers || slices.ContainsFunc(g.Hosts, func(h string) bool { return hostKey(h) == hostKey(host) }) {
		return nil
	}
	return &Refusal{host, unnamedText}
}

// metadata reports whether a serves credentials to the machines of a cloud although it
// looks private. Those of IPv4 are link-local or public, and refused for that.
func metadata(a netip.Addr) bool {
	a = a.WithZone("")                                        // no prefix contains an address with a zone
	aws := netip.AddrFrom16([16]byte{0xfd, 0x00, 0x0e, 0xc2}) // fd00:ec2::254, fd00:ec2::23
	return netip.PrefixFrom(aws, 32).Contains(a) || a == netip.MustParseAddr("fd20:ce::254")
}

func (g *Guard) allow(a netip.Addr) error {
	if slices.ContainsFunc(g.Extra, func(p netip.Prefix) bool { return p.Contains(a) }) {
		return nil
	}
	near := (a.IsLoopback() || a.IsPrivate()) && !metadata(a)
	named := g.names(a)
	switch {
	case named && (near || g.Public), g.Peers && near:
		return nil
	case named && metadata(a):
		return &Refusal{a.String(), metadataText}
	case named:
		return &Refusal{a.String(), publicText}
	}
	return &Refusal{a.String(), unnamedText}
}

// names reports whether a is an address of a named host, as far as those were looked up.
func (g *Guard) names(a netip.Addr) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, h := range g.Hosts {
		if b, err := netip.ParseAddr(h); err == nil && b.Unmap().WithZone("") == a.WithZone("") || slices.Contains(g.known[hostKey(h)], a) {
			return true
		}
	}
	return false
}

// connectTimeout bounds one attempt to connect.
const connectTimeout = 10 * time.Second

// Dial connects to "host:port". It resolves the name itself, tests each address, dials
// the address and not the name, and tests once more what the socket is about to connect
// to. It knows no proxies.
func (g *Guard) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if err := g.Allow(host); err != nil {
		return nil, err
	}
	addrs, err := g.Lookup(ctx, host)
	if err != nil {
		return nil, err
	}
	connect := g.Connect
	if connect == nil {
		connect = (&net.Dialer{Control: g.control, Timeout: connectTimeout}).DialContext
	}
	for _, a := range addrs {
		if err = g.Allow(a.String()); err != nil {
			return nil, err
		}
	}
	for _, a := range addrs {
		var c net.Conn
		if c, err = connect(ctx, network, net.JoinHostPort(a.String(), port)); err == nil {
			return c, nil
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, err
}

// control sees the address of a socket right before it connects.
func (g *Guard) control(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	return g.Allow(ap.Addr().Unmap().WithZone("").String())
}

// A Dialer connects, as [net.Dialer.DialContext] does, and goes nowhere but where it may.
type Dialer func(ctx context.Context, network, address string) (net.Conn, error)

// DialContext returns the function by which targets and collectors connect: that of the
// guard of a run; of an Env without one, a dialer that asks [Env.Allow] about the name
// and about each address, and dials addresses.
func DialContext(env Env) Dialer {
	if g, ok := env.(interface {
		Dial(ctx context.Context, network, address string) (net.Conn, error)
	}); ok {
		return g.Dial
	}
	names := new(Guard)
	return func(ctx context.Context, network, address string) (c net.Conn, err error) {
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		addrs, err := allowed(ctx, env, names.Lookup, host)
		if err != nil {
			return nil, err
		}
		d := net.Dialer{Timeout: connectTimeout}
		for _, a := range addrs {
			if c, err = d.DialContext(ctx, network, net.JoinHostPort(a.String(), port)); err == nil || ctx.Err() != nil {
				break
			}
		}
		return c, err
	}
}

// Resolve returns an address of host that may be sent to, for targets that do not
// connect. Names mean the same as to [DialContext]: one that a run has looked up is not
// looked up again. A name of which one address is refused is refused whole.
func Resolve(ctx context.Context, env Env, host string) (netip.Addr, error) {
	lookup := new(Guard).Lookup
	if g, ok := env.(interface {
		Lookup(ctx context.Context, host string) ([]netip.Addr, error)
	}); ok {
		lookup = g.Lookup
	}
	addrs, err := allowed(ctx, env, lookup, host)
	if err != nil {
		return netip.Addr{}, err
	}
	return addrs[0], nil
}

// allowed returns the addresses of host, all of which env lets pass.
func allowed(ctx context.Context, env Env, lookup func(context.Context, string) ([]netip.Addr, error), host string) ([]netip.Addr, error) {
	if host == "" {
		return nil, errors.New("no host given")
	}
	if err := env.Allow(host); err != nil {
		return nil, err
	}
	addrs, err := lookup(ctx, host)
	if err != nil {
		return nil, err
	}
	for _, a := range addrs {
		if err := env.Allow(a.WithZone("").String()); err != nil {
			return nil, err
		}
	}
	return addrs, nil
}
