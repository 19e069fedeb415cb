package pcap_test

import (
	"bytes"
	"io"
	"os"
	"testing"

	"recap/reader/format"
	"recap/reader/packet"
	"recap/reader/pcap"
	"recap/reader/pcaptest"
)

// BenchmarkReader walks a capture of full-size packets in memory, or the file
// that RECAP_BENCH_PCAP names.
func BenchmarkReader(b *testing.B) {
	var open func() io.ReadCloser
	var size int64
	if name := os.Getenv("RECAP_BENCH_PCAP"); name != "" {
		fi, err := os.Stat(name)
		if err != nil {
			b.Skip(err)
		}
		size = fi.Size()
		open = func() io.ReadCloser { f, _ := os.Open(name); return f }
	} else {
		file := pcaptest.Build(b, "10.0.0.1:4000 > 10.0.0.2:80 fill=20000000 mss=1448")
		size = int64(len(file))
		open = func() io.ReadCloser { return io.NopCloser(bytes.NewReader(file)) }
	}
	pool := packet.NewPool(0)
	b.SetBytes(size)
	b.ReportAllocs()
	var packets int64
	for b.Loop() {
		r := open()
		in := &packet.Input{Name: "bench"}
		src := format.NewSource(r, pcap.Format.New(in, 0, format.Limits{}), in, format.SourceOptions{Pool: pool})
		for {
			batch, err := src.Next()
			if err != nil {
				break
			}
			batch.Release()
		}
		packets += in.Packets
		r.Close()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(packets), "ns/packet")
}
