package http1

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
)

// One pass finds what looking for each thing finds.
func FuzzScan(f *testing.F) {
	f.Add([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\nbody"))
	f.Add([]byte("\r\n\r\n"))
	f.Add([]byte("a\n\r\n\n\r\r\n\r\n\xff"))
	f.Fuzz(func(t *testing.T, b []byte) { testScan(t, b) })
}

func TestScan(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	const bytesOf = "\r\n\r\n\t \x1f a:\x7f\x80\xffzZA-_@[`{9\xe1\xad"
	for range 20000 {
		b := make([]byte, rng.IntN(40))
		for i := range b {
			b[i] = bytesOf[rng.IntN(len(bytesOf))]
		}
		testScan(t, b)
	}
	testScan(t, bytes.Repeat([]byte("a: b\r\n"), 3*scanLines))
	testScan(t, bytes.Repeat([]byte("\t"), 5000)) // more than the counts of one round hold
}

func testScan(t *testing.T, b []byte) {
	t.Helper()
	if len(b) > 1<<16-1 {
		b = b[:1<<16-1]
	}
	var got headScan
	got.run(b)
	end := bytes.Index(b, []byte("\r\n\r\n"))
	head := b
	if end >= 0 {
		end += 4
		head = b[:end]
	}
	var lf []uint16
	ascii, low := true, 0
	for i, c := range head {
		ascii = ascii && c < 0x7f
		if c < ' ' {
			low++
		}
		if c == '\n' {
			lf = append(lf, uint16(i))
		}
	}
	if got.end != end || got.ascii != ascii || got.low != low || got.lines != len(lf) || !slices.Equal(got.lf[:min(len(lf), scanLines)], lf[:min(len(lf), scanLines)]) {
		t.Errorf("%q: end %d, ascii %t, %d controls, lines at %v; want %d, %t, %d, %v", b, got.end, got.ascii, got.low, got.lf[:min(got.lines, scanLines)], end, ascii, low, lf)
	}
	line := append(bytes.Clone(b), "\r\n"...)
	name := slices.IndexFunc(line, func(c byte) bool { return !isToken(c) })
	if got := nameEnd(line); got != name {
		t.Errorf("%q: the name ends at %d, want %d", line, got, name)
	}
}
