package pcapng_test

import (
	"testing"

	"recap/reader/pcapng"
	"recap/reader/pcaptest"
	"recap/reader/sourcetest"
)

func BenchmarkReader(b *testing.B) {
	sourcetest.Bench(b, pcapng.Format, "RECAP_BENCH_PCAPNG", pcaptest.Pcapng())
}
