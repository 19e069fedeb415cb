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

// A sumEnv waits for nothing and keeps sums.
type sumEnv struct {
	targettest.FreeEnv
	amount replay.Amount
	counts map[string]int64
}

func (e *sumEnv) Wait(ctx context.Context, at time.Duration, u replay.Amount) (time.Duration, error) {
	e.amount.Pairs += u.Pairs
	e.amount.Packets += u.Packets
	e.amount.Bytes += u.Bytes
	return e.FreeEnv.Wait(ctx, at, u)
}

func (e *sumEnv) Count(name string, n int64) { e.counts[name] += n }

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
			env := &sumEnv{FreeEnv: targettest.FreeEnv{Began: time.Now()}, counts: make(map[string]int64)}
			u := &url.URL{Scheme: "vxlan", Host: src.Addr().String(), RawQuery: "vni=1-8"}
			target, err := Open(b.Context(), u, bench.o, env)
			if err != nil {
				b.Fatal(err)
			}
			runtime.LockOSThread() // the target does it too, with its first packet
			used, before := targettest.CPU(b, unix.RUSAGE_THREAD), env.counts["packets"]
			send(b, target, bench.body)
			b.ReportMetric(float64(targettest.CPU(b, unix.RUSAGE_THREAD)-used)/float64(env.counts["packets"]-before), "cpu-ns/packet")
			total := time.Since(env.Began)
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
