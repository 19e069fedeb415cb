package http2

import (
	"fmt"
	"strings"
	"testing"

	"recap/pipeline/app"
	"recap/pipeline/app/coding"
	"recap/pipeline/exchange"
	"recap/reader/packet"
)

// bench feeds one connection again and again, in segments of 1460 bytes.
func bench(b *testing.B, k *talk, hash bool) {
	var segments []said
	size := int64(0)
	for _, s := range k.said {
		size += int64(len(s.b))
		for x := s.b; len(x) > 0; {
			n := min(1460, len(x))
			segments = append(segments, said{s.d, x[:n]})
			x = x[n:]
		}
	}
	pool := []*exchange.Pair{}
	arena := make([]byte, 0, 1<<20)
	pairs := 0
	env := testEnv(new(heard))
	env.Limits.Hash = hash
	env.Memo = nil
	env.Buffers = new(coding.Buffers)
	env.NewPair = func() *exchange.Pair {
		if n := len(pool) - 1; n >= 0 {
			p := pool[n]
			pool = pool[:n]
			return p
		}
		p := new(exchange.Pair)
		p.Reset()
		return p
	}
	env.Emit = func(_ *exchange.Conn, p *exchange.Pair) {
		pairs++
		p.Reset()
		pool = append(pool, p)
	}
	env.Copy = func(b []byte) []byte {
		if len(arena)+len(b) > cap(arena) {
			arena = arena[:0]
		}
		arena = append(arena, b...)
		return arena[len(arena)-len(b):]
	}
	conn := &exchange.Conn{}
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		c := New(env, conn, Options{})
		var offset [2]int64
		at := packet.Pos{}
		for _, s := range segments {
			at.Number++
			at.TimeNS += 1000
			at.Offset, at.Acked = offset[s.d], offset[s.d.Reverse()]
			c.Data(s.d, at, s.b)
			c.Memory()
			offset[s.d] += int64(len(s.b))
		}
		c.End(app.EndFIN, at)
	}
	b.ReportMetric(float64(pairs)/b.Elapsed().Seconds(), "pairs/s")
}

func requests(n int, body string) *talk {
	k, c, s := start()
	for i := range n {
		id := uint32(2*i + 1)
		c.get(id, fmt.Sprintf("/api/v1/orders/%d?expand=lines", i), "user-agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36",
			"accept", "application/json", "accept-encoding", "gzip, deflate, br", "cookie", "session=0123456789abcdef0123456789abcdef")
		c.flush()
		s.headers(id, false, ":status", "200", "content-type", "application/json", "content-length", fmt.Sprint(len(body)),
			"date", fmt.Sprintf("Fri, 20 Nov 2026 20:%02d:00 GMT", i%60), "server", "envoy", "x-request-id", fmt.Sprintf("%032x", i*7919))
		for x := body; len(x) > 0; {
			n := min(16384, len(x))
			s.WriteData(id, n == len(x), []byte(x[:n]))
			x = x[n:]
		}
		s.flush()
	}
	return k
}

func BenchmarkHTTP2(b *testing.B) {
	for _, tt := range []struct {
		name string
		k    *talk
	}{
		{"headers", requests(1000, "{}")},
		{"1kB", requests(1000, strings.Repeat("0123456789abcdef", 64))},
		{"10kB", requests(200, strings.Repeat("0123456789abcdef", 640))},
		{"1MB", requests(4, strings.Repeat("0123456789abcdef", 1<<16))},
	} {
		b.Run(tt.name, func(b *testing.B) { bench(b, tt.k, false) })
		b.Run(tt.name+"/sha256", func(b *testing.B) { bench(b, tt.k, true) })
	}
}

func BenchmarkFinder(b *testing.B) {
	noise := []byte(strings.Repeat("\x00\x10\x00\x00\x42\x07 some other protocol, with lengths \x00\x00\x00\x20", 400))
	b.SetBytes(int64(len(noise)))
	for b.Loop() {
		var f Finder
		for x := noise; len(x) > 0; {
			n := min(1460, len(x))
			f.Feed(packet.Pos{}, x[:n])
			x = x[n:]
		}
	}
}

func BenchmarkHuffman(b *testing.B) {
	k, c, _ := start()
	_ = k
	coded := c.block("x", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36")
	l := literal{}
	if _, err := l.read(coded, 3); err != nil || !l.huffman {
		b.Fatalf("%x: %v", coded, err)
	}
	var dst []byte
	b.SetBytes(int64(len(l.b)))
	for b.Loop() {
		dst, _ = appendHuffman(dst[:0], l.b)
	}
}
