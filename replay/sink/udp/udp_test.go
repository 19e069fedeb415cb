//go:build linux

package udp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"recap/reader/packet"
)

// collect reads packets until the source ends.
func collect(t *testing.T, s *Source) (all []packet.Packet) {
	t.Helper()
	for {
		b, err := s.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range b.Packets {
			p.Data = bytes.Clone(p.Data)
			all = append(all, p)
		}
		b.Release()
	}
}

func TestDatagramsBecomePackets(t *testing.T) {
	for _, tt := range []struct {
		name, listen, dial string
		o                  Options
	}{
		{"over IPv4", "127.0.0.1:0", "127.0.0.1", Options{}},
		{"over IPv6", "[::1]:0", "::1", Options{}},
		{"IPv4 at a socket for both", ":0", "127.0.0.1", Options{}},
		{"IPv4 at a socket for all of IPv4", "0.0.0.0:0", "127.0.0.1", Options{}},
		{"several sockets", "127.0.0.1:0", "127.0.0.1", Options{Sockets: 3}},
		{"trains taken apart by the kernel", "127.0.0.1:0", "127.0.0.1", Options{NoGRO: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := Listen(tt.listen, tt.o)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(tt.dial), s.Addr().Port())))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			before := time.Now().UnixNano()
			var want [][]byte
			for i := range 50 {
				want = append(want, bytes.Repeat([]byte{byte(i)}, i*29))
				if _, err := c.Write(want[i]); err != nil {
					t.Fatal(err)
				}
			}
			// A train: seven datagrams of 1000 bytes and one of 10, sent at once.
			train := bytes.Repeat([]byte("0123456789"), 701)
			for b := train; len(b) > 0; b = b[min(1000, len(b)):] {
				want = append(want, b[:min(1000, len(b))])
			}
			oob := make([]byte, unix.CmsgSpace(2))
			h := (*unix.Cmsghdr)(unsafe.Pointer(&oob[0]))
			h.Level, h.Type = unix.SOL_UDP, unix.UDP_SEGMENT
			h.SetLen(unix.CmsgLen(2))
			binary.NativeEndian.PutUint16(oob[unix.CmsgLen(0):], 1000)
			if _, _, err := c.WriteMsgUDP(train, oob, nil); err != nil {
				t.Fatal(err)
			}
			s.Stop()
			got := collect(t, s)
			if len(got) != len(want) {
				t.Fatalf("%d packets came, want %d", len(got), len(want))
			}
			from := c.LocalAddr().(*net.UDPAddr).AddrPort()
			for i, p := range got {
				checkPacket(t, &p, want[i], from, netip.MustParseAddr(tt.dial))
				if p.Number != int64(i+1) || p.TimeNS < before-int64(time.Second) || p.TimeNS > time.Now().UnixNano()+int64(time.Second) {
					t.Errorf("packet %d: number %d, time %d", i, p.Number, p.TimeNS)
				}
			}
			st := s.Stats()
			if in := s.Inputs()[0]; st.Packets != int64(len(want)) || in.Packets != int64(len(want)) || st.Drops != 0 {
				t.Errorf("%+v, %d packets of the input", st, in.Packets)
			}
		})
	}
}

// checkPacket compares p with a datagram, behind headers of the addresses it had.
func checkPacket(t *testing.T, p *packet.Packet, want []byte, from netip.AddrPort, to netip.Addr) {
	t.Helper()
	b := p.Data
	if p.Link != packet.LinkEthernet || int(p.Length) != len(b) {
		t.Fatalf("link type %d, length %d of %d", p.Link, p.Length, len(b))
	}
	ip, n := b[14:], 20
	src, dst := netip.AddrFrom4([4]byte(ip[12:16])), netip.AddrFrom4([4]byte(ip[16:20]))
	length := int(binary.BigEndian.Uint16(ip[2:]))
	if b[12] == 0x86 {
		n = 40
		src, dst = netip.AddrFrom16([16]byte(ip[8:24])), netip.AddrFrom16([16]byte(ip[24:40]))
		length = int(binary.BigEndian.Uint16(ip[4:])) + 40
	}
	udp := ip[n:]
	if src != from.Addr().Unmap() || dst != to || length != len(ip) || int(binary.BigEndian.Uint16(udp[4:])) != len(udp) {
		t.Errorf("from %v to %v, lengths %d of %d and %d of %d", src, dst, length, len(ip), binary.BigEndian.Uint16(udp[4:]), len(udp))
	}
	if binary.BigEndian.Uint16(udp) != from.Port() || binary.BigEndian.Uint16(udp[2:]) != 4789 {
		t.Errorf("ports % x", udp[:4])
	}
	if !bytes.Equal(udp[8:], want) {
		t.Errorf("%d bytes came, want %d", len(udp)-8, len(want))
	}
}

// What the kernel drops is counted, the last datagram too.
func TestDropsAreCounted(t *testing.T) {
	s, err := Listen("127.0.0.1:0", Options{Buffer: 4096, Queue: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(s.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	const n = 20_000
	for range n {
		if _, err := c.Write(make([]byte, 1400)); err != nil {
			t.Fatal(err)
		}
	}
	go func() { // nobody took anything until now
		time.Sleep(100 * time.Millisecond)
		s.Stop()
	}()
	got := len(collect(t, s))
	if st := s.Stats(); st.Drops == 0 || got+int(st.Drops) != n {
		t.Errorf("%d came, %d were dropped, want %d together", got, st.Drops, n)
	}
}

func TestBacklogIsWhatNobodyHasTaken(t *testing.T) {
	for _, tt := range []struct {
		name string
		o    Options
	}{
		{"in the kernel", Options{Buffer: 1 << 20, Queue: 1}},
		{"behind it", Options{Buffer: 64 << 20, Queue: 4 << 20}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := Listen("127.0.0.1:0", tt.o)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if got := s.Backlog(); got != 0 {
				t.Errorf("the backlog is %v before anything has come", got)
			}
			c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(s.Addr()))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			for i := 0; i < 20_000 && s.Backlog() < 0.5; i++ {
				if _, err := c.Write(make([]byte, 1400)); err != nil {
					t.Fatal(err)
				}
			}
			if got := s.Backlog(); got < 0.5 || got > 1.5 {
				t.Errorf("the backlog is %v while nobody takes anything", got)
			}
			s.Stop()
			collect(t, s)
			if got := s.Backlog(); got != 0 {
				t.Errorf("the backlog is %v at the end", got)
			}
		})
	}
}

func TestCloseEndsNext(t *testing.T) {
	s, err := Listen("127.0.0.1:0", Options{})
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		time.Sleep(20 * time.Millisecond)
		s.Close()
	}()
	if _, err := s.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("Next = %v, want EOF", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
