// Package sourcetest holds what every capture format has to fulfil.
package sourcetest

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"recap/reader/format"
	"recap/reader/packet"
)

// Result is all that a format found in a file.
type Result struct {
	Packets []packet.Packet // with data of their own
	Input   packet.Input
}

// Options says how [Read] reads.
type Options struct {
	Slab   int // bytes; 0 means 8 KiB
	Eager  bool
	Limits format.Limits
}

// Read reads a file to its end.
func Read(f format.Format, r io.Reader, o Options) Result {
	if o.Slab == 0 {
		o.Slab = 8 << 10
	}
	in := &packet.Input{Name: "test"}
	src := format.NewSource(r, f.New(in, 0, o.Limits), in, format.SourceOptions{Pool: packet.NewPool(o.Slab), Eager: o.Eager})
	defer src.Close()
	var res Result
	for {
		b, err := src.Next()
		if err != nil {
			res.Input = *in
			return res
		}
		for _, p := range b.Packets {
			p.Data = bytes.Clone(p.Data)
			res.Packets = append(res.Packets, p)
		}
		// The next batch may use this memory at once.
		clear(b.Slab)
		clear(b.Decoded)
		b.Release()
	}
}

// String tells everything of the result that must not depend on how it was read.
func (r Result) String() string {
	var b strings.Builder
	for _, p := range r.Packets {
		b.WriteString(packetText(p))
		b.WriteByte('\n')
	}
	in := r.Input
	fmt.Fprintf(&b, "%s packets=%d captured=%d first=%d last=%d sections=%d bytes=%d lost=%d padding=%d damage=%d\n", in.Format,
		in.Packets, in.CapturedLen, in.FirstNS, in.LastNS, in.Sections, in.Bytes, in.LostBytes, in.Padding, in.DamageCount)
	fmt.Fprintf(&b, "%+v %q %q %q %q %+v %q\n", in.Interfaces, in.Hardware, in.OS, in.Application, in.Comments, in.Names, in.Secrets)
	for _, m := range []map[string]int64{in.Anomalies, in.Unknown} {
		for _, k := range slices.Sorted(maps.Keys(m)) {
			fmt.Fprintf(&b, "%s=%d ", k, m[k])
		}
		b.WriteByte('\n')
	}
	for _, d := range in.Damage {
		fmt.Fprintf(&b, "%v; %s; %s\n", d, d.Saved, d.Hint)
	}
	return b.String()
}

func packetText(p packet.Packet) string {
	return fmt.Sprintf("%d %d @%d time=%d raw=%d len=%d link=%d if=%d big=%t fcs=%d dropped=%d %x", p.Number, p.FileNum, p.Offset,
		p.TimeNS, p.RawTicks, p.Length, p.Link, p.Interface, p.BigEndian, p.FCSLen, p.Dropped, p.Data)
}

// Test checks that f reads the file, which is whole, the same way however it is
// cut into reads and slabs, and that no cut or flipped byte costs more than it must.
func Test(t *testing.T, f format.Format, file []byte) {
	t.Helper()
	if !f.Match(file[:min(len(file), format.HeadSize)]) {
		t.Fatalf("%s does not know its own magic number in %x", f.Name, file[:min(len(file), 16)])
	}
	want := Read(f, bytes.NewReader(file), Options{})
	Balance(t, want, len(file))
	t.Run("any slab and read size", func(t *testing.T) { testReads(t, f, file, want) })
	t.Run("cut at every byte", func(t *testing.T) { testCuts(t, f, file, want) })
	t.Run("one byte flipped", func(t *testing.T) { testFlips(t, f, file, want) })
}

// TestAll runs [Test] on files, by name.
func TestAll(t *testing.T, f format.Format, files map[string][]byte) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		t.Run(name, func(t *testing.T) { Test(t, f, files[name]) })
	}
}

// Balance checks the sums of a result for a file of size bytes.
func Balance(t *testing.T, r Result, size int) {
	t.Helper()
	in := r.Input
	var captured int64
	for i, p := range r.Packets {
		captured += int64(len(p.Data))
		if p.FileNum != int64(i+1) {
			t.Errorf("packet %d has number %d", i+1, p.FileNum)
		}
		if p.Interface < 0 || int(p.Interface) >= len(in.Interfaces) {
			t.Errorf("packet %d is of interface %d of %d", i+1, p.Interface, len(in.Interfaces))
		}
	}
	switch {
	case in.Bytes != int64(size):
		t.Errorf("%d of %d bytes were read", in.Bytes, size)
	case captured+in.LostBytes+in.Padding > int64(size):
		t.Errorf("%d captured, %d lost and %d padding bytes out of %d", captured, in.LostBytes, in.Padding, size)
	case in.Packets != int64(len(r.Packets)) || in.CapturedLen != captured:
		t.Errorf("counted %d packets of %d bytes, found %d of %d", in.Packets, in.CapturedLen, len(r.Packets), captured)
	case in.LostBytes > 0 && in.DamageCount == 0:
		t.Errorf("%d bytes were lost silently", in.LostBytes)
	}
}

func testReads(t *testing.T, f format.Format, file []byte, want Result) {
	readers := []struct {
		name string
		wrap func(io.Reader) io.Reader
	}{
		{"whole reads", func(r io.Reader) io.Reader { return r }},
		{"one byte a read", iotest.OneByteReader},
		{"half reads", iotest.HalfReader},
		{"end with the last bytes", iotest.DataErrReader},
	}
	for _, slab := range []int{1, 17, 100, 1000, 5000, 1 << 20} {
		for _, r := range readers {
			for _, eager := range []bool{false, true} {
				got := Read(f, r.wrap(bytes.NewReader(file)), Options{Slab: slab, Eager: eager})
				Equal(t, fmt.Sprintf("slab of %d, %s, eager %t", slab, r.name, eager), got, want)
			}
		}
	}
}

// Equal compares two results.
func Equal(t *testing.T, how string, got, want Result) {
	t.Helper()
	g, w := got.String(), want.String()
	if g == w {
		return
	}
	gl, wl := strings.Split(g, "\n"), strings.Split(w, "\n")
	for i := 0; i < len(gl) && i < len(wl); i++ {
		if gl[i] != wl[i] {
			t.Fatalf("%s changes the result, line %d:\n got %s\nwant %s", how, i+1, gl[i], wl[i])
		}
	}
	t.Fatalf("%s changes the result: %d lines, want %d", how, len(gl), len(wl))
}

// testCuts checks that a cut costs only what lies behind it, and that it is told.
func testCuts(t *testing.T, f format.Format, file []byte, want Result) {
	clean := map[int64]bool{} // where a file may end without losing bytes
	for n := range len(file) {
		got := Read(f, bytes.NewReader(file[:n]), Options{})
		Balance(t, got, n)
		least := 0
		for least < len(want.Packets)-1 && want.Packets[least+1].Offset <= int64(n) {
			least++
		}
		if len(got.Packets) < least {
			t.Fatalf("cut at %d leaves %d packets, want at least %d", n, len(got.Packets), least)
		}
		for i, p := range got.Packets {
			if g, w := packetText(p), packetText(want.Packets[i]); g != w {
				t.Fatalf("cut at %d changes packet %d:\n got %s\nwant %s", n, i+1, g, w)
			}
		}
		if got.Input.LostBytes == 0 {
			clean[int64(n)] = true
			continue
		}
		if n >= format.HeadSize && !clean[int64(n)-got.Input.LostBytes] {
			t.Fatalf("cut at %d loses %d bytes, but no record ends there; damage: %v", n, got.Input.LostBytes, got.Input.Damage)
		}
		if n%4 == 0 {
			one := Read(f, iotest.OneByteReader(bytes.NewReader(file[:n])), Options{Slab: 64, Eager: true})
			Equal(t, fmt.Sprintf("cut at %d, one byte a read", n), one, got)
		}
	}
}

// testFlips checks that a wrong byte harms no packet but its own and, where a
// length is hit, the next; nothing is made up.
func testFlips(t *testing.T, f format.Format, file []byte, want Result) {
	texts := map[string]bool{}
	for _, p := range want.Packets {
		texts[fmt.Sprintf("%x", p.Data)] = true
	}
	head := int(want.Packets[0].Offset)
	for n := head; n < len(file); n++ {
		for _, mask := range [][]byte{{0xff}, {0x01}, {0x80}, {0xff, 0x10}}[n%4] {
			bad := bytes.Clone(file)
			bad[n] ^= mask
			got := Read(f, bytes.NewReader(bad), Options{})
			Balance(t, got, len(bad))
			found, changed := map[string]bool{}, 0
			for _, p := range got.Packets {
				s := fmt.Sprintf("%x", p.Data)
				found[s] = true
				if !texts[s] {
					changed++
				}
			}
			missing := 0
			for s := range texts {
				if !found[s] {
					missing++
				}
			}
			if missing > 2 || changed > 2 {
				t.Errorf("byte %d flipped by %#x: %d packets are missing, %d are new; damage: %v", n, mask, missing, changed, got.Input.Damage)
			}
			if n%8 == 3 {
				one := Read(f, iotest.OneByteReader(bytes.NewReader(bad)), Options{Slab: 64, Eager: true})
				Equal(t, fmt.Sprintf("byte %d flipped by %#x, one byte a read", n, mask), one, got)
			}
		}
	}
}
