//go:build linux

package vxlan

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"recap/replay"
	"recap/replay/targettest"
	"recap/replay/wire"
)

func TestOpenRefuses(t *testing.T) {
	for _, tt := range []struct {
		name, url, err string
		refuse         []string
	}{
		{"an address that may not be sent to", "vxlan://127.0.0.9", "127.0.0.9 may not be sent to", []string{"127.0.0.9"}},
		{"a name with an address that may not be sent to", "vxlan://localhost", "may not be sent to", []string{"127.0.0.1", "::1"}},
		{"no address", "vxlan://:4789", "the address of the target is missing", nil},
		{"a port that is none", "vxlan://127.0.0.1:70000", "port", nil},
		{"an unknown parameter", "vxlan://127.0.0.1?vnis=7", "parameter vnis: not known", nil},
		{"a network that is none", "vxlan://127.0.0.1?vni=8-7", "8-7", nil},
		{"a path without room", "vxlan://127.0.0.1?mtu=150", "no room for TCP inside VXLAN", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u, err := url.Parse(tt.url)
			if err != nil {
				t.Skip("net/url refuses it already:", err)
			}
			_, err = Open(t.Context(), u, Options{}, &targettest.Env{Refuse: tt.refuse})
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("Open(%s) = %v, want %s", tt.url, err, tt.err)
			}
		})
	}
}

type datagram struct {
	data []byte
	port uint16
}

// read takes what comes until nothing has come for a while.
func read(c *net.UDPConn, came *atomic.Int64) (all []datagram) {
	buf := make([]byte, 1<<16)
	for {
		c.SetReadDeadline(time.Now().Add(time.Second))
		n, peer, err := c.ReadFromUDPAddrPort(buf)
		if err != nil {
			return all
		}
		all = append(all, datagram{slices.Clone(buf[:n]), peer.Port()})
		came.Add(1)
	}
}

// All packets of a conversation come from one port, conversations from many, and each
// stays in one network; nobody who listens makes no difference.
func TestPortsAndNetworksFollowTheConversation(t *testing.T) {
	for _, listening := range []bool{true, false} {
		c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		c.SetReadBuffer(4 << 20)
		addr := c.LocalAddr().String()
		if !listening {
			c.Close() // the kernel answers with ICMP
		}
		var datagrams []datagram
		var came atomic.Int64
		done := make(chan struct{})
		go func() {
			defer close(done)
			datagrams = read(c, &came)
		}()
		env := new(targettest.Env)
		target, err := Open(t.Context(), &url.URL{Scheme: "vxlan", Host: addr, RawQuery: "vni=100-103"}, Options{}, env)
		if err != nil {
			t.Fatal(err)
		}
		events := targettest.Events(400, 300)
		for i := range events {
			events[i].Loop = uint32(i / 4)
		}
		// A part at a time, so that the queue of a slow reader never runs over.
		for part := range slices.Chunk(events, 50) {
			if err := target.Send(t.Context(), part); err != nil {
				t.Fatal(err)
			}
			for range 1000 {
				if !listening || came.Load() >= env.Counted("packets") {
					break
				}
				time.Sleep(time.Millisecond)
			}
		}
		if err := target.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := env.Balance(len(events)); err != nil {
			t.Fatal(err)
		}
		if len(env.SentOrder()) != 400 {
			t.Errorf("%d pairs were sent, want 400", len(env.SentOrder()))
		}
		if !listening {
			<-done
			continue
		}
		type from struct {
			port uint16
			vni  byte
		}
		flows := map[string]from{}
		ports, networks := map[uint16]bool{}, map[byte]bool{}
		<-done
		if int64(len(datagrams)) != env.Counted("packets") {
			t.Errorf("%d packets came, %d were sent", len(datagrams), env.Counted("packets"))
		}
		for _, d := range datagrams {
			b := d.data
			if b[0] != 8 || b[4] != 0 || b[5] != 0 {
				t.Fatalf("VXLAN header % x", b[:8])
			}
			ip := b[8+14:]
			ends := [][]byte{append(ip[12:16:16], ip[20:22]...), append(ip[16:20:20], ip[22:24]...)}
			slices.SortFunc(ends, slices.Compare)
			key := string(slices.Concat(ends...))
			got := from{d.port, b[6]}
			if was, ok := flows[key]; ok && was != got {
				t.Fatalf("a conversation comes from %v and %v", was, got)
			}
			flows[key] = got
			ports[got.port], networks[got.vni] = true, true
		}
		if len(flows) != 400 || len(ports) < 60 || len(networks) != 4 {
			t.Errorf("%d conversations from %d ports in %d networks", len(flows), len(ports), len(networks))
		}
		c.Close()
	}
}

// Where the way out cannot segment, packets go one by one, and all of them.
func TestSegmentationIsGivenUpOnce(t *testing.T) {
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	env := new(targettest.Env)
	p, err := newPort(c.LocalAddr().(*net.UDPAddr).AddrPort(), Options{Sockets: 1}, env)
	if err != nil {
		t.Fatal(err)
	}
	// A kernel refuses to segment for a socket that makes no checksums.
	if err := unix.SetsockoptInt(p.socks[0].fd, unix.SOL_SOCKET, unix.SO_NO_CHECK, 1); err != nil {
		t.Skipf("SKIPPED: the kernel cannot be made to refuse segmentation, so that was not tried: %v", err)
	}
	target := wire.NewTarget(env, p, wire.Options{})
	events := targettest.Events(8, 5000)
	if err := errors.Join(target.Send(context.Background(), events), target.Close(context.Background())); err != nil {
		t.Fatal(err)
	}
	if err := env.Balance(8); err != nil || len(env.SentOrder()) != 8 {
		t.Errorf("%v, %d sent; %v", err, len(env.SentOrder()), env.Failures())
	}
	if env.Counted("segmentation_given_up") != 1 {
		t.Errorf("given up %d times", env.Counted("segmentation_given_up"))
	}
	got := read(c, new(atomic.Int64))
	for _, d := range got {
		if len(d.data) > 1500 {
			t.Errorf("a packet of %d bytes came", len(d.data))
		}
	}
	if int64(len(got)) != env.Counted("packets") {
		t.Errorf("%d packets came, %d were sent", len(got), env.Counted("packets"))
	}
}

// A packet that does not fit the path fails its pair, and says what to do.
func TestPathsThatAreTooNarrowAreReported(t *testing.T) {
	env := new(targettest.Env)
	p, err := newPort(netip.MustParseAddrPort("127.0.0.1:9"), Options{Sockets: 1, NoGSO: true}, env)
	if err != nil {
		t.Fatal(err)
	}
	p.mtu = 70_000 // more than any datagram
	target := wire.NewTarget(env, p, wire.Options{MSS: 65_490})
	events := targettest.Events(2, 80_000)
	if err := errors.Join(target.Send(context.Background(), events), target.Close(context.Background())); err != nil {
		t.Fatal(err)
	}
	for seq, f := range env.Failures() {
		if f[0].Hop != replay.HopAccepted || !errors.Is(f[0].Err, unix.EMSGSIZE) || !strings.Contains(f[0].Err.Error(), "mtu=") {
			t.Errorf("#%d: %v", seq, f)
		}
	}
	if len(env.Failures()) != 2 {
		t.Errorf("%d failed, want 2", len(env.Failures()))
	}
}
