package sourcetest

import (
	"bytes"
	"io"
	"os"
	"testing"

	"recap/reader/format"
	"recap/reader/packet"
	"recap/reader/pcaptest"
)

// Bench walks a capture of full-size packets in memory, which opts choose the format
// of, or the file that the environment variable named env names.
func Bench(b *testing.B, f format.Format, env string, opts ...pcaptest.Option) {
	var open func() io.ReadCloser
	var size int64
	if name := os.Getenv(env); name != "" {
		fi, err := os.Stat(name)
		if err != nil {
			b.Skip(err)
		}
		size = fi.Size()
		open = func() io.ReadCloser { f, _ := os.Open(name); return f }
	} else {
		file := pcaptest.Build(b, "10.0.0.1:4000 > 10.0.0.2:80 fill=20000000 mss=1448", opts...)
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
		src := format.NewSource(r, f.New(in, 0, format.Limits{}), in, format.SourceOptions{Pool: pool})
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
