//go:build linux

package vxlan

import (
	"context"
	"net/url"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"recap/replay"
	"recap/replay/sink/udp"
	"recap/replay/targettest"
)

// A freeEnv waits for nothing and keeps only sums.
type freeEnv struct {
	start        time.Time
	sent, failed int
	amount       replay.Amount
	counts       map[string]int64
}

func (e *freeEnv) Wait(ctx context.Context, _ time.Duration, u replay.Amount) (time.Duration, error) {
	now := time.Since(e.start)
	e.amount.Pairs += u.Pairs
	e.amount.Packets += u.Packets
	e.amount.Bytes += u.Bytes
	return now, ctx.Err()
}
func (e *freeEnv) Start() time.Time { return e.start }
func (e *freeEnv) Marker(dst []byte, ev *replay.Event, due time.Duration) []byte {
	return replay.Marker{Run: 1, Loop: ev.Loop, Seq: ev.Seq, Due: due}.Append(dst)
}
func (e *freeEnv) Sent(uint64)                  { e.sent++ }
func (e *freeEnv) Failed(uint64, string, error) { e.failed++ }
func (e *freeEnv) LeftOut(uint64, string)       { e.failed++ }
func (e *freeEnv) Run() uint32                  { return 1 }
func (e *freeEnv) Allow(string) error           { return nil }
func (e *freeEnv) Count(name string, n int64) {
	if e.counts == nil {
		e.counts = make(map[string]int64)
	}
	e.counts[name] += n
}

// cpu is the processor time of this thread, to which a target keeps: on a busy machine
// it says more than the rate.
func cpu(b *testing.B) time.Duration {
	runtime.LockOSThread() // the target does it too, with its first packet
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_THREAD, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// drain reads a source and drops what it gives.
func drain(b *testing.B) *udp.Source {
	b.Helper()
	s, err := udp.Listen("127.0.0.1:0", udp.Options{})
	if err != nil {
		b.Fatal(err)
	}
	go func() {
		for {
			batch, err := s.Next()
			if err != nil {
				return
			}
			batch.Release()
		}
	}()
	b.Cleanup(func() { s.Close() })
	return s
}

// pairs of some connections, again and again with new loops.
func send(b *testing.B, target replay.Target, body int) {
	ctx := context.Background()
	events := targettest.Events(64, body)
	loop := uint32(0)
	seq := uint64(0)
	at := time.Duration(0)
	round := func() {
		for i := range events {
			events[i].Loop, events[i].Seq, events[i].At = loop, seq, at
			seq++
			at += time.Millisecond
		}
		loop++
		if err := target.Send(ctx, events); err != nil {
			b.Fatal(err)
		}
	}
	for range 20 {
		round()
	}
	b.ReportAllocs()
	b.ResetTimer()
	for b.Loop() {
		round()
	}
}

func BenchmarkLoopback(b *testing.B) {
	for _, bench := range []struct {
		name string
		body int
		o    Options
	}{
		{"full segments", 60 * 1400, Options{}},
		{"full segments without segmentation offload", 60 * 1400, Options{NoGSO: true}},
		{"small pairs", 300, Options{}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			src := drain(b)
			env := &freeEnv{start: time.Now()}
			u := &url.URL{Scheme: "vxlan", Host: src.Addr().String(), RawQuery: "vni=1-8"}
			target, err := Open(b.Context(), u, bench.o, env)
			if err != nil {
				b.Fatal(err)
			}
			used, before := cpu(b), env.counts["packets"]
			send(b, target, bench.body)
			b.ReportMetric(float64(cpu(b)-used)/float64(env.counts["packets"]-before), "cpu-ns/packet")
			total := time.Since(env.start)
			b.ReportMetric(float64(env.counts["packets"])/total.Seconds(), "packets/s")
			b.ReportMetric(float64(env.counts["inner_bytes"])*8/total.Seconds()/1e9, "Gbit/s")
			b.ReportMetric(float64(env.counts["packets"])/float64(env.counts["syscalls"]), "packets/syscall")
			if err := target.Close(context.Background()); err != nil {
				b.Fatal(err)
			}
			time.Sleep(100 * time.Millisecond)
			st := src.Stats()
			b.ReportMetric(100*float64(env.amount.Packets-uint64(st.Packets))/float64(env.amount.Packets), "%lost")
		})
	}
}
