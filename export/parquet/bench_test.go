package parquet_test

import (
	"io"
	"testing"

	"recap/export"
	"recap/export/parquet"
	"recap/export/sinktest"
	"recap/pipeline/exchange"
)

// BenchmarkPairs writes 20,000 pairs to nowhere; MB/s are those of the raw record.
func BenchmarkPairs(b *testing.B) {
	pairs := sinktest.Realistic(20000, 1)
	b.SetBytes(sinktest.Raw(pairs))
	b.ReportAllocs()
	w := &counter{}
	s := parquet.NewPairs(w, export.Options{})
	b.ResetTimer()
	used := sinktest.CPU()
	for range b.N {
		for i := 0; i < len(pairs); i += 256 {
			if err := s.Write(&exchange.Batch{Pairs: pairs[i:min(i+256, len(pairs))]}); err != nil {
				b.Fatal(err)
			}
		}
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	used = sinktest.CPU() - used
	b.ReportMetric(float64(sinktest.Raw(pairs))*float64(b.N)/1e6/used.Seconds(), "MB/cpu-s")
	b.ReportMetric(float64(w.n)/float64(b.N)/1e6, "MB-out/op")
	b.ReportMetric(float64(len(pairs)), "pairs/op")
}

type counter struct{ n int64 }

func (c *counter) Write(p []byte) (int, error) { c.n += int64(len(p)); return len(p), nil }

var _ io.Writer = (*counter)(nil)
