package parquet_test

import (
	"io"
	"testing"

	"recap/export"
	"recap/export/parquet"
	"recap/export/sinktest"
)

func BenchmarkPairs(b *testing.B) {
	sinktest.Bench(b, func(w io.Writer, o export.Options) export.Sink { return parquet.NewPairs(w, o) })
}
