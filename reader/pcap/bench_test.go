package pcap_test

import (
	"testing"

	"recap/reader/pcap"
	"recap/reader/sourcetest"
)

func BenchmarkReader(b *testing.B) { sourcetest.Bench(b, pcap.Format, "RECAP_BENCH_PCAP") }
