package wire

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"recap/pipeline/exchange"
	"recap/reader/packet/checksum"
	"recap/replay"
	"recap/replay/targettest"
)

// A memPort keeps copies of frames.
type memPort struct {
	mtu    int
	frames []sentFrame
	refuse func(n int) error // asked for every frame
	tags   []int32
	sizes  []int
	err    error
	closed int
}

type sentFrame struct {
	data []byte
	route
}

type route = Route

func (p *memPort) MTU() int    { return p.mtu }
func (p *memPort) Around() int { return 50 }
func (p *memPort) Frame(r *Route, n int, tag int32) []byte {
	p.frames = append(p.frames, sentFrame{make([]byte, n), *r})
	p.tags, p.sizes = append(p.tags, tag), append(p.sizes, n)
	return p.frames[len(p.frames)-1].data
}
func (p *memPort) Flush(_ context.Context, failed func(int32, error)) error {
	for i, tag := range p.tags {
		if p.refuse != nil {
			if err := p.refuse(p.sizes[i]); err != nil {
				failed(tag, err)
			}
		}
	}
	p.tags, p.sizes = p.tags[:0], p.sizes[:0]
	return p.err
}
func (p *memPort) Close() error { p.closed++; return nil }

// inet is the 16-bit sum as RFC 1071 has it.
func inet(parts ...[]byte) uint16 {
	var b []byte
	for _, p := range parts {
		b = append(b, p...)
	}
	if len(b)%2 == 1 {
		b = append(b, 0)
	}
	s := uint32(0)
	for ; len(b) > 0; b = b[2:] {
		s += uint32(b[0])<<8 | uint32(b[1])
		s = s>>16 + s&0xffff
	}
	return uint16(s)
}

// checkFrame verifies lengths and checksums of a frame, and returns its segment.
func checkFrame(t *testing.T, f []byte) (tcp []byte) {
	t.Helper()
	ip := f[14:]
	var pseudo []byte
	switch binary.BigEndian.Uint16(f[12:]) {
	case 0x0800:
		if int(binary.BigEndian.Uint16(ip[2:])) != len(ip) {
			t.Fatalf("IPv4 length is %d, want %d", binary.BigEndian.Uint16(ip[2:]), len(ip))
		}
		if inet(ip[:20]) != 0xffff {
			t.Fatalf("IPv4 checksum is wrong: % x", ip[:20])
		}
		pseudo, tcp = ip[12:20], ip[20:]
	case 0x86dd:
		if int(binary.BigEndian.Uint16(ip[4:])) != len(ip)-40 {
			t.Fatalf("IPv6 length is %d, want %d", binary.BigEndian.Uint16(ip[4:]), len(ip)-40)
		}
		pseudo, tcp = ip[8:40], ip[40:]
	}
	var tail [4]byte
	tail[1] = 6
	binary.BigEndian.PutUint16(tail[2:], uint16(len(tcp)))
	if inet(pseudo, tail[:], tcp) != 0xffff {
		t.Fatalf("TCP checksum is wrong in a segment of %d bytes", len(tcp))
	}
	return tcp
}

func TestSumsAreThoseOfRFC1071(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for n := range 300 {
		src, dst := make([]byte, n), make([]byte, n)
		for i := range src {
			src[i] = byte(rng.Uint32())
		}
		for i := range rng.IntN(3) * n / 4 {
			src[i] = 0xff
		}
		want := inet(src)
		for name, got := range map[string]uint64{"copySum": copySum(dst, src), "sum": checksum.Sum(src)} {
			var b [2]byte
			binary.LittleEndian.PutUint16(b[:], checksum.Fold(got))
			if g := binary.BigEndian.Uint16(b[:]); g != want && g^want != 0xffff {
				t.Fatalf("%s of %d bytes = %#x, want %#x", name, n, g, want)
			}
		}
		if string(dst) != string(src) {
			t.Fatalf("%d bytes were not copied", n)
		}
	}
}

// eventsTo returns events of connections to a server with that address.
func eventsTo(ip string) []replay.Event {
	events := targettest.Events(6, 5001)
	for i := range events {
		c := *events[i].Pair.Conn
		c.Server.IP = netip.MustParseAddr(ip)
		events[i].Pair.Conn = &c
	}
	return events
}

func TestFramesOfEveryKindAreWhole(t *testing.T) {
	for _, ip := range []string{"10.0.0.9", "2001:db8::9"} {
		for _, mss := range []int{1, 7, 536, 1410, 9000} {
			t.Run(fmt.Sprint(ip, " in segments of ", mss), func(t *testing.T) {
				p := &memPort{mtu: 9100}
				env := new(targettest.Env)
				target := NewTarget(env, p, Options{MSS: mss, AckEvery: 3})
				events := eventsTo(ip)
				events[5].Pair.Response.EndTimeNS += int64(20 * time.Second) // with keep-alives
				if err := errors.Join(target.Send(t.Context(), events), target.Close(t.Context())); err != nil {
					t.Fatal(err)
				}
				var amount replay.Amount
				for _, w := range env.Waits() {
					amount.Packets += w.Amount.Packets
					amount.Bytes += w.Amount.Bytes
					amount.Pairs += w.Amount.Pairs
				}
				bytes := 0
				for _, f := range p.frames {
					tcp := checkFrame(t, f.data)
					if n := len(tcp) - int(tcp[12]>>4)*4; n > mss {
						t.Fatalf("a segment has %d bytes", n)
					}
					bytes += len(f.data) + 50
				}
				if want := (replay.Amount{Pairs: 6, Packets: uint64(len(p.frames)), Bytes: uint64(bytes)}); amount != want {
					t.Errorf("waited for %+v, sent %+v", amount, want)
				}
				if err := env.Balance(6); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// Frames keep to the times of the pairs, whatever the order in which events come.
func TestFramesAreInOrderOfTime(t *testing.T) {
	p := &memPort{mtu: 1450}
	env := new(targettest.Env)
	target := NewTarget(env, p, Options{})
	events := targettest.Events(200, 3000)
	for i := range events {
		events[i].Pair.Response.TimeNS += int64(i%7) * int64(9*time.Millisecond)
		events[i].Pair.Response.EndTimeNS = events[i].Pair.Response.TimeNS + int64(i%3)*int64(time.Millisecond)
	}
	if err := errors.Join(target.Send(t.Context(), events), target.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
	last := time.Duration(0)
	for i, f := range p.frames {
		checkFrame(t, f.data)
		if f.At < last {
			t.Fatalf("frame %d is for %v, behind one for %v", i, f.At, last)
		}
		last = f.At
	}
	at := time.Duration(0)
	for _, w := range env.Waits() {
		if w.At < at {
			t.Fatalf("waited for %v after %v", w.At, at)
		}
		at = w.At
	}
}

// Ten million connections, half of them with the addresses of a capture that uses its
// own again and again, and no two with the same ends.
func TestNoTwoConnectionsHaveTheSameEnds(t *testing.T) {
	n := 10_000_000
	if testing.Short() {
		n = 200_000
	}
	var a addresses
	server := exchange.Endpoint{IP: netip.MustParseAddr("10.0.0.80"), Port: 80}
	var seen [2][1 << 18]uint64 // a bit for each made-up client, and for each captured one
	kept := 0
	for i := range n {
		c := &exchange.Conn{Server: server, Client: exchange.Endpoint{
			IP: netip.AddrFrom4([4]byte{10, 1, byte(i >> 20), byte(i >> 12)}), Port: uint16(1024 + i>>2&1023)}}
		client, _, _ := a.ends(c, i%2 == 0)
		ip := client.ip.As4()
		bit, of := 0, 0
		switch [2]byte(ip[:2]) {
		case [2]byte{198, 18}:
			bit = int(client.port-1024)<<16 | int(ip[2])<<8 | int(ip[3])
		case [2]byte{10, 1}:
			bit, of = int(ip[2])<<18|int(ip[3])<<10|int(client.port-1024), 1
			kept++
		default:
			t.Fatalf("client %v", client.ip)
		}
		if seen[of][bit>>6]&(1<<(bit&63)) != 0 {
			t.Fatalf("connection %d: %v:%d was there before", i, client.ip, client.port)
		}
		seen[of][bit>>6] |= 1 << (bit & 63)
	}
	// The filter may be wrong about one in a hundred.
	if kept < n/4*99/100 {
		t.Errorf("only %d of %d kept their addresses", kept, n/4)
	}
}

func TestFailuresConcernTheirPairsOnly(t *testing.T) {
	p := &memPort{mtu: 1450}
	tooLong := errors.New("too long")
	p.refuse = func(n int) error {
		if n > 1000 {
			return tooLong
		}
		return nil
	}
	env := new(targettest.Env)
	target := NewTarget(env, p, Options{})
	events := targettest.Events(20, 100)
	events[7].Pair = targettest.Pair(7, 5000, events[7].Pair.Conn)
	events[9].Pair.Response.Gaps = []exchange.Gap{{Length: 5}}
	events[11].Pair.State = exchange.RequestOnly
	events[11].Pair.Response.Present = false
	if err := errors.Join(target.Send(t.Context(), events), target.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
	if err := env.Balance(20); err != nil {
		t.Fatal(err)
	}
	if got := env.Failures(); len(got) != 1 || got[7][0] != (targettest.Failure{Hop: replay.HopAccepted, Err: tooLong}) {
		t.Errorf("failures are %v", got)
	}
	if got := env.Left(); len(got) != 2 || got[9][0] != "body_not_stored" || got[11][0] != replay.LeftNoResponse {
		t.Errorf("left out %v", got)
	}
}

// A run that is broken off, by its context or by the port, accounts for every event.
func TestBrokenRunsBalance(t *testing.T) {
	for stop := range 40 {
		t.Run(fmt.Sprint("after ", stop, " waits"), func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			p := &memPort{mtu: 1450}
			env := &stopEnv{left: stop, cancel: cancel}
			target := NewTarget(env, p, Options{})
			events := targettest.Events(60, 4000)
			var err error
			for i := 0; i < len(events) && err == nil; i += 20 {
				if err = target.Send(ctx, events[i:i+20]); err != nil {
					events = events[:i+20]
				}
			}
			frames := len(p.frames)
			if e := target.Close(ctx); stop < 10 && e == nil {
				t.Error("Close succeeded")
			}
			if ctx.Err() != nil && len(p.frames) > frames && err != nil {
				t.Error("something was sent after the end")
			}
			if err := env.Balance(len(events)); err != nil {
				t.Error(err)
			}
			if p.closed != 1 {
				t.Errorf("the port was closed %d times", p.closed)
			}
		})
	}
}

type stopEnv struct {
	targettest.Env
	left   int
	cancel func()
}

func (e *stopEnv) Wait(ctx context.Context, at time.Duration, u replay.Amount) (time.Duration, error) {
	if e.left--; e.left < 0 {
		e.cancel()
	}
	return e.Env.Wait(ctx, at, u)
}

// However many responses are outstanding, memory is bounded, and all is sent.
func TestOpenExchangesAreBounded(t *testing.T) {
	p := &memPort{mtu: 1450}
	env := new(targettest.Env)
	target := NewTarget(env, p, Options{MaxOpen: 10, MaxConns: 4})
	events := targettest.Events(500, 100)
	for i := range events {
		conn := *events[i].Pair.Conn
		conn.ID = exchange.ID{byte(i), byte(i >> 8), 1}
		events[i].Pair.Conn = &conn
		events[i].Pair.Response.TimeNS += int64(time.Hour)
		events[i].Pair.Response.EndTimeNS += int64(time.Hour)
	}
	for i := range events {
		if err := target.Send(t.Context(), events[i:i+1]); err != nil {
			t.Fatal(err)
		}
		if target.open > 10 || len(target.steps) > 600 {
			t.Fatalf("%d exchanges are open, %d steps", target.open, len(target.steps))
		}
	}
	if err := target.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := env.Balance(500); err != nil {
		t.Error(err)
	}
	if env.Counted("sent_before_time") == 0 {
		t.Error("nothing was counted as sent before its time")
	}
}

func BenchmarkBuild(b *testing.B) {
	for _, bench := range []struct {
		name string
		body int
	}{{"full segments", 84_000}, {"small pairs", 300}} {
		b.Run(bench.name, func(b *testing.B) {
			env := &sumEnv{}
			target := NewTarget(env, &nullPort{}, Options{})
			events := targettest.Events(64, bench.body)
			loop, at := uint32(0), time.Duration(0)
			round := func() {
				for i := range events {
					events[i].Loop, events[i].At = loop, at
					at += 10 * time.Millisecond
				}
				loop++
				if err := target.Send(b.Context(), events); err != nil {
					b.Fatal(err)
				}
			}
			for range 300 {
				round()
			}
			env.packets = 0
			b.ReportAllocs()
			for b.Loop() {
				round()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(env.packets), "ns/packet")
			b.ReportMetric(float64(env.packets)/float64(b.N), "packets/op")
		})
	}
}

// A sumEnv waits for nothing and counts packets.
type sumEnv struct {
	targettest.FreeEnv
	packets uint64
}

func (e *sumEnv) Wait(_ context.Context, _ time.Duration, u replay.Amount) (time.Duration, error) {
	e.packets += u.Packets
	return 0, nil
}

// A nullPort takes frames into one buffer, as a socket's port does.
type nullPort struct {
	buf []byte
	n   int
}

func (p *nullPort) MTU() int    { return 1450 }
func (p *nullPort) Around() int { return 50 }
func (p *nullPort) Frame(_ *Route, n int, _ int32) []byte {
	if p.n+n > len(p.buf) {
		p.buf = make([]byte, p.n+n+1<<20)
	}
	p.n += n
	return p.buf[p.n-n : p.n : p.n]
}
func (p *nullPort) Flush(context.Context, func(int32, error)) error { p.n = 0; return nil }
func (p *nullPort) Close() error                                    { return nil }

// Every segment has timestamps that never go back and echo the latest of the other side.
func TestTimestampsFollowTheCapture(t *testing.T) {
	for _, ip := range []string{"10.0.0.9", "2001:db8::9"} {
		t.Run(ip, func(t *testing.T) {
			p := &memPort{mtu: 1450}
			env := new(targettest.Env)
			target := NewTarget(env, p, Options{Timestamps: true, AckEvery: 3})
			events := eventsTo(ip)
			events[5].Pair.Response.EndTimeNS += int64(20 * time.Second)
			if err := errors.Join(target.Send(t.Context(), events), target.Close(t.Context())); err != nil {
				t.Fatal(err)
			}
			bytes, largest := 0, 0
			latest, first := map[string]uint32{}, map[string]uint32{} // by address and port, of the sender first
			for i, f := range p.frames {
				tcp := checkFrame(t, f.data)
				bytes, largest = bytes+len(f.data)+50, max(largest, len(f.data)-14)
				o := tcp[20 : int(tcp[12]>>4)*4]
				if tcp[13]&flagSYN != 0 {
					o = o[synLen:]
				}
				if len(o) != stampLen || string(o[:4]) != "\x01\x01\x08\x0a" {
					t.Fatalf("frame %d has the options % x", i, o)
				}
				ends := f.data[26:34]
				if ip != "10.0.0.9" {
					ends = f.data[22:54]
				}
				from, to := ends[:len(ends)/2], ends[len(ends)/2:]
				key, other := fmt.Sprintf("%x %x %x", from, to, tcp[:4]), fmt.Sprintf("%x %x %x%x", to, from, tcp[2:4], tcp[:2])
				value, echo := binary.BigEndian.Uint32(o[4:]), binary.BigEndian.Uint32(o[8:])
				if echo != latest[other] {
					t.Fatalf("frame %d echoes %d, want %d", i, echo, latest[other])
				}
				if _, ok := first[key]; !ok {
					first[key], latest[key] = value-uint32(f.At/time.Millisecond), value
				}
				if int32(value-latest[key]) < 0 || value-first[key] != uint32(f.At/time.Millisecond) {
					t.Fatalf("frame %d of %v has the timestamp %d behind %d", i, f.At, value-first[key], latest[key]-first[key])
				}
				latest[key] = value
			}
			if largest != 1450 {
				t.Errorf("the largest packet has %d bytes, want the MTU", largest)
			}
			sent := uint64(0)
			for _, w := range env.Waits() {
				sent += w.Amount.Bytes
			}
			if sent != uint64(bytes) {
				t.Errorf("waited for %d bytes, sent %d", sent, bytes)
			}
		})
	}
}
