//go:build linux

package pipeline_test

import (
	"cmp"
	"context"
	"net/url"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"recap/pipeline"
	"recap/pipeline/exchange"
	"recap/replay"
	"recap/replay/sink/udp"
	"recap/replay/targettest"
	"recap/replay/vxlan"
)

// replayUDP sends events as mirrored traffic to ourselves, and returns what came out.
func replayUDP(t *testing.T, listen, query string, events []replay.Event, o vxlan.Options) ([]*exchange.Pair, *targettest.Env) {
	t.Helper()
	src, err := udp.Listen(listen, udp.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	env := new(targettest.Env)
	target, err := vxlan.Open(t.Context(), &url.URL{Scheme: "vxlan", Host: src.Addr().String(), RawQuery: query}, o, env)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		replayTo(t, target, events)
		arrived(src, env)
		src.Stop()
	}()
	got, stats := readPairs(t, src)
	if a, b := stats.Ledger.Balance(); a != 0 || b != 0 || stats.Incomplete {
		t.Errorf("ledger is out of balance by %d, %d; incomplete because of %v", a, b, stats.Reasons)
	}
	if n := src.Stats(); n.Drops != 0 || n.Packets != env.Counted("packets") {
		t.Errorf("%d packets were sent, %d received, %d dropped by the kernel", env.Counted("packets"), n.Packets, n.Drops)
	}
	if err := env.Balance(len(events)); err != nil {
		t.Error(err)
	}
	return got, env
}

// arrived waits until everything sent was received; on a busy machine the kernel takes
// its time.
func arrived(src *udp.Source, env *targettest.Env) {
	for range 500 {
		if st := src.Stats(); st.Packets+st.Drops >= env.Counted("packets") {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// Sent through the kernel and received again, every pair is as it was, in its network.
func TestPairsComeBackThroughVXLAN(t *testing.T) {
	pairs := allPairs(t)
	for _, tt := range []struct {
		name, listen, query string
		o                   vxlan.Options
	}{
		{"over IPv4", "127.0.0.1:0", "vni=7", vxlan.Options{}},
		{"over IPv6, networks spread", "[::1]:0", "vni=7-9", vxlan.Options{}},
		{"without segmentation offload, few sockets", "127.0.0.1:0", "vni=7&gso=off&sockets=2", vxlan.Options{}},
		{"jumbo frames", "127.0.0.1:0", "vni=7&mtu=9001", vxlan.Options{}},
		{"small segments", "127.0.0.1:0", "vni=7&mss=536&ack=2", vxlan.Options{}},
		{"a receiver on all addresses", ":0", "vni=7", vxlan.Options{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			events := schedule(pairs, 2)
			got, env := replayUDP(t, tt.listen, tt.query, events, tt.o)
			compareReplayed(t, events, env.SentOrder(), got)
			for _, p := range got {
				if n := len(p.Conn.Tunnels); n != 1 || p.Conn.Tunnels[0].Type != "vxlan" || p.Conn.Tunnels[0].ID < 7 || p.Conn.Tunnels[0].ID > 9 {
					t.Fatalf("tunnels %v", p.Conn.Tunnels)
				}
			}
		})
	}
}

// The captured packets themselves go through as they are.
func TestPacketsComeBackThroughVXLAN(t *testing.T) {
	for _, name := range []string{"web.pcap", "ipv6.pcap", "any-sll2.pcap", "lossy.pcap", "h2c.pcap"} {
		t.Run(name, func(t *testing.T) {
			name := "../testdata/captures/" + name
			want, _ := readPairs(t, open(t, name))
			src, err := udp.Listen("127.0.0.1:0", udp.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer src.Close()
			env := new(targettest.Env)
			// A capture of a link with an MTU of 1500 needs a path with more.
			target, err := vxlan.Open(t.Context(), &url.URL{Scheme: "vxlan", Host: src.Addr().String(), RawQuery: "vni=7&mtu=65535"}, vxlan.Options{}, env)
			if err != nil {
				t.Fatal(err)
			}
			in := open(t, name)
			for {
				b, err := in.Next()
				if err != nil {
					break
				}
				if err := target.(replay.PacketTarget).SendPackets(context.Background(), b, 0); err != nil {
					t.Fatal(err)
				}
				b.Release()
			}
			if err := target.Close(context.Background()); err != nil {
				t.Fatal(err)
			}
			arrived(src, env)
			src.Stop()
			got, _ := readPairs(t, src)
			if len(got) != len(want) {
				t.Fatalf("%d pairs came back, want %d; %d packets", len(got), len(want), env.Counted("packets"))
			}
			// Conversations go by several sockets and may overtake each other a little.
			byConn := func(a, b *exchange.Pair) int {
				return cmp.Or(cmp.Compare(a.Conn.Client.Port, b.Conn.Client.Port), a.Conn.Client.IP.Compare(b.Conn.Client.IP), cmp.Compare(a.Request.TimeNS, b.Request.TimeNS))
			}
			slices.SortStableFunc(got, byConn)
			slices.SortStableFunc(want, byConn)
			for i := range got {
				if got[i].Request.Target != want[i].Request.Target || got[i].Response.Status != want[i].Response.Status ||
					string(got[i].Response.Body) != string(want[i].Response.Body) {
					t.Errorf("pair %d is %s %d, want %s %d", i, got[i].Request.Target, got[i].Response.Status, want[i].Request.Target, want[i].Response.Status)
				}
			}
		})
	}
}

// A pacedEnv holds a rate in bits of inner frames per second, 0 for as fast as it goes.
type pacedEnv struct {
	targettest.Env
	start  time.Time
	rate   float64
	bytes  uint64
	failed atomic.Int64
	frames int64
	inner  int64
}

func (e *pacedEnv) Wait(ctx context.Context, _ time.Duration, u replay.Amount) (time.Duration, error) {
	now := time.Since(e.start)
	due := now
	if e.rate > 0 {
		for due = time.Duration(float64(e.bytes) * 8e9 / e.rate); now < due; now = time.Since(e.start) {
			if due-now > 200*time.Microsecond {
				time.Sleep(due - now - 100*time.Microsecond)
			}
		}
	}
	e.bytes += u.Bytes
	return due, ctx.Err()
}
func (e *pacedEnv) Sent(uint64)                  {}
func (e *pacedEnv) Failed(uint64, string, error) { e.failed.Add(1) }
func (e *pacedEnv) Count(name string, n int64) {
	switch name {
	case "packets":
		e.frames += n
	case "inner_bytes":
		e.inner += n
	}
}

// From pairs to pairs: sender, kernel and pipeline on the processors of this machine.
func BenchmarkVXLANEndToEnd(b *testing.B) {
	for _, bench := range []struct {
		name string
		body int
		rate float64
	}{
		{"full segments at 5.5 Gbit/s", 20_000, 5.5e9},
		{"full segments at 3 Gbit/s", 20_000, 3e9},
		{"small pairs at 1 Gbit/s", 1000, 1e9},
	} {
		b.Run(bench.name, func(b *testing.B) {
			for b.Loop() {
				endToEnd(b, bench.body, bench.rate)
			}
		})
	}
}

func endToEnd(b *testing.B, body int, rate float64) {
	src, err := udp.Listen("127.0.0.1:0", udp.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer src.Close()
	env := &pacedEnv{start: time.Now(), rate: rate}
	target, err := vxlan.Open(b.Context(), &url.URL{Scheme: "vxlan", Host: src.Addr().String(), RawQuery: "vni=1"}, vxlan.Options{}, env)
	if err != nil {
		b.Fatal(err)
	}
	var sent int
	var took time.Duration
	go func() {
		defer src.Stop()
		events := targettest.Events(64, body)
		for loop := uint32(0); time.Since(env.start) < 2*time.Second; loop++ {
			for i := range events {
				events[i].Loop, events[i].Seq = loop, uint64(sent)
				events[i].At = time.Duration(sent) * 10 * time.Millisecond // so that connections end while it runs
				sent++
			}
			if target.Send(context.Background(), events) != nil {
				return
			}
		}
		target.Close(context.Background())
		took = time.Since(env.start)
	}()
	got, partial := 0, 0
	_, err = pipeline.Run(context.Background(), src, pipeline.Options{}, func(batch *exchange.Batch) error {
		for _, p := range batch.Pairs {
			got++
			if p.State != exchange.Complete {
				partial++
			}
		}
		batch.Release()
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	if env.failed.Load() > 0 {
		b.Errorf("%d pairs were not sent", env.failed.Load())
	}
	b.ReportMetric(float64(env.inner)*8/took.Seconds()/1e9, "Gbit/s")
	b.ReportMetric(float64(env.frames)/took.Seconds(), "packets/s")
	b.ReportMetric(float64(sent)/took.Seconds(), "pairs/s")
	b.ReportMetric(float64(sent-got+partial), "lost")
	b.ReportMetric(float64(partial), "partial")
	b.ReportMetric(float64(env.frames-src.Stats().Packets), "packets_lost")
	b.ReportMetric(float64(src.Stats().Drops), "dropped")
}
