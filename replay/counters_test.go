//go:build linux

package replay

import (
	"net"
	"net/netip"
	"testing"
)

// What the queue of a socket on this host has no room for stands in the report.
func TestTheTargetsSocketIsAHop(t *testing.T) {
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetReadBuffer(4096); err != nil {
		t.Fatal(err)
	}
	to := c.LocalAddr().(*net.UDPAddr).AddrPort()
	p := newPath(to.Addr(), to.Port(), "")
	s, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(to))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	const n = 200
	for range n {
		if _, err := s.Write(make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
	}
	hops := p.hops(Amount{Packets: n}, false)
	var names []string
	for _, h := range hops {
		names = append(names, h.Name)
	}
	if len(hops) != 3 || hops[0].Name != HopInterface || hops[1].Name != HopTarget || hops[2].Name != HopSocket {
		t.Fatalf("hops are %v", names)
	}
	if d := *hops[2].Dropped; d == 0 || d >= n {
		t.Errorf("%d of %d are dropped, says the socket", d, n)
	}
	if got := *hops[0].Packets; got < n {
		t.Errorf("%s sent %d packets, says the kernel, want at least %d", hops[0].Where, got, n)
	}
	// Elsewhere there is no socket of ours to look at.
	if q := newPath(netip.MustParseAddr("192.0.2.1"), to.Port(), ""); q.port != 0 {
		t.Errorf("a target elsewhere has the socket of port %d", q.port)
	}
}

// Packets that an interface has not counted are missing, unless it counts large sends once.
func TestLossAtTheInterface(t *testing.T) {
	lo := loopback()
	for _, divided := range []bool{false, true} {
		p := &path{egress: lo}
		p.before[0], _ = readIface(lo)
		hops := p.hops(Amount{Packets: 1 << 40}, divided)
		if len(hops) != 1 {
			t.Fatalf("%d hops", len(hops))
		}
		if lost := hops[0].Lost != nil; lost == divided {
			t.Errorf("divided by the kernel %t: lost at the interface is %v, %q", divided, hops[0].Lost, hops[0].Note)
		}
	}
}
