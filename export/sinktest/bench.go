package sinktest

import (
	"io"
	"testing"

	"recap/export"
	"recap/pipeline/exchange"
)

// Bench has a sink write 20,000 pairs to nowhere; MB/s are those of [Raw].
func Bench(b *testing.B, open func(io.Writer, export.Options) export.Sink) {
	pairs := Realistic(20000, 1)
	b.SetBytes(Raw(pairs))
	b.ReportAllocs()
	w := &counter{}
	s := open(w, export.Options{})
	used := CPU()
	for b.Loop() {
		for i := 0; i < len(pairs); i += 256 {
			if err := s.Write(&exchange.Batch{Pairs: pairs[i:min(i+256, len(pairs))]}); err != nil {
				b.Fatal(err)
			}
		}
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	if used = CPU() - used; used > 0 {
		b.ReportMetric(float64(Raw(pairs))*float64(b.N)/1e6/used.Seconds(), "MB/cpu-s")
	}
	b.ReportMetric(float64(w.n)/float64(b.N)/1e6, "MB-out/op")
	b.ReportMetric(float64(len(pairs)), "pairs/op")
}

type counter struct{ n int64 }

func (c *counter) Write(p []byte) (int, error) { c.n += int64(len(p)); return len(p), nil }
