package reader_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"recap/reader"
	"recap/reader/packet"
	"recap/reader/pcaptest"
)

// timed builds a file from letters and their times: "a1 b3 c2" is three packets
// at seconds 1, 3 and 2; "d-" has no time.
func timed(t testing.TB, s string) []byte {
	var text strings.Builder
	for _, w := range strings.Fields(s) {
		if w[1:] == "-" {
			fmt.Fprintf(&text, "frame %q notime\n", w[:1])
			continue
		}
		fmt.Fprintf(&text, "frame %q at=%s\n", w[:1], w[1:])
	}
	return pcaptest.Build(t, text.String(), pcaptest.Pcapng())
}

func TestMergeOrder(t *testing.T) {
	for _, tt := range []struct {
		name  string
		files []string
		want  string
	}{
		{"one after the other", []string{"a1 b2", "c3 d4"}, "abcd"},
		{"named in the wrong order", []string{"c3 d4", "a1 b2"}, "abcd"},
		{"interleaved", []string{"a1 c3 e5", "b2 d4 f6"}, "abcdef"},
		{"three", []string{"a1 d4 g7", "b2 e5", "c3 f6 h8"}, "abcdefgh"},
		{"same times: the earlier file first", []string{"a1 b1 c2", "x1 y1 z2"}, "abxycz"},
		{"out of order inside a file", []string{"a1 b5 c3 d6", "x2 y4 z7"}, "axbcydz"},
		{"a time far in the future holds nothing back", []string{"a1 b99999 c3 d4", "x2 y3 z5"}, "axbcydz"},
		{"a time far in the past", []string{"a3 b0 c4", "x1 y2 z5"}, "abxycz"},
		{"no time: that of the packet before", []string{"a1 b- c3", "x2 y4"}, "abxcy"},
		{"no time at the beginning", []string{"a- b2", "x1 y3"}, "axby"},
		{"no time, behind the first of another file", []string{"a1 b5 c- d6", "x2 y5 z9"}, "axbcydz"},
		{"a long stretch, and one behind it without a time", []string{"a1 " + strings.Repeat("b2 ", 40) + "c-", "x1 y2 z3"}, "ax" + strings.Repeat("b", 40) + "cyz"},
		{"a long stretch of the later file at the same time", []string{"a1 b3 c3", "x2 " + strings.Repeat("y3 ", 40)}, "axbc" + strings.Repeat("y", 40)},
		{"a file without packets", []string{"a1", "", "b2"}, "ab"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			files := map[string][]byte{}
			var args []string
			for i, f := range tt.files {
				name := fmt.Sprintf("f%d", i)
				files[name] = timed(t, f)
			}
			root := dir(t, files)
			for i := range tt.files {
				args = append(args, filepath.Join(root, fmt.Sprintf("f%d", i)))
			}
			for _, o := range []reader.Options{{}, {SlabSize: 1}, {MaxOpen: 1}} {
				res := read(t, o, args...)
				if res.err != nil || res.letters != tt.want {
					t.Errorf("slab %d, %d open: packets %q, error %v; want %q", o.SlabSize, o.MaxOpen, res.letters, res.err, tt.want)
				}
			}
		})
	}
}

// TestMergeLarge merges many overlapping files and compares with a stable sort.
func TestMergeLarge(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	type rec struct {
		t    int64
		file int
		data string
	}
	var all []rec
	files := map[string][]byte{}
	var args []string
	for f := range 40 {
		var pkts []pcaptest.Packet
		at := int64(rng.IntN(2000)) * 1e6
		for i := range 20 + rng.IntN(200) {
			at += int64(rng.IntN(20)) * 1e6
			data := fmt.Sprintf("%d.%d;", f, i)
			pkts = append(pkts, pcaptest.Packet{Data: []byte(data), TimeNS: at, Length: uint32(len(data)), Link: 1})
			all = append(all, rec{at, f, data})
		}
		b, err := pcaptest.Write(pkts)
		if err != nil {
			t.Fatal(err)
		}
		if f%3 == 0 {
			b = gz(b)
		}
		files[fmt.Sprintf("f%02d", f)] = b
	}
	slices.SortStableFunc(all, func(a, b rec) int {
		if a.t != b.t {
			return int(a.t - b.t)
		}
		return a.file - b.file
	})
	var want strings.Builder
	for _, r := range all {
		want.WriteString(r.data)
	}
	root := dir(t, files)
	args = []string{root}
	for _, o := range []reader.Options{{}, {SlabSize: 64}, {SlabSize: 3000, Hash: true, MaxOpen: 5}} {
		res := read(t, o, args...)
		if res.err != nil {
			t.Fatal(res.err)
		}
		if res.letters != want.String() {
			t.Errorf("slab %d: wrong order", o.SlabSize)
		}
		for _, in := range res.inputs {
			if in.Hashed != o.Hash || in.DamageCount != 0 {
				t.Errorf("%s: hashed %t, damage %v", in.Name, in.Hashed, in.Damage)
			}
		}
	}
}

// TestMergePassesBatches checks that files that do not overlap are not copied
// packet by packet.
func TestMergePassesBatches(t *testing.T) {
	root := dir(t, map[string][]byte{"a": capture(t, 100, strings.Repeat("a", 1000)), "b": capture(t, 200, strings.Repeat("b", 1000))})
	c, err := reader.Open(context.Background(), []string{root}, reader.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for n := 0; ; n++ {
		b, err := c.Next()
		if err != nil {
			if n != 2 {
				t.Errorf("%d batches, want 2", n)
			}
			return
		}
		if len(b.Parts) > 0 {
			t.Errorf("batch %d is put together from %d others", n, len(b.Parts))
		}
		b.Release()
	}
}

// TestBatchesStayGood keeps all batches until the end, and then looks at them.
func TestBatchesStayGood(t *testing.T) {
	root := dir(t, map[string][]byte{"a": capture(t, 100, strings.Repeat("abcd", 500)), "b": capture(t, 101, strings.Repeat("efgh", 500)),
		"c": capture(t, 101, strings.Repeat("ijkl", 500))})
	c, err := reader.Open(context.Background(), []string{root}, reader.Options{SlabSize: 1000, Hash: true})
	if err != nil {
		t.Fatal(err)
	}
	var kept []*packet.Batch
	var seen bytes.Buffer
	for {
		b, err := c.Next()
		if err != nil {
			break
		}
		for _, p := range b.Packets {
			seen.Write(p.Data)
		}
		kept = append(kept, b)
	}
	c.Close()
	var later bytes.Buffer
	for _, b := range kept {
		for _, p := range b.Packets {
			later.Write(p.Data)
		}
		b.Release()
	}
	if seen.Len() != 6000 || seen.String() != later.String() {
		t.Errorf("%d bytes of packets, %d of them later; they must stay the same", seen.Len(), later.Len())
	}
}

// TestManyFiles bounds open files and memory.
func TestManyFiles(t *testing.T) {
	files := map[string][]byte{}
	for i := range 300 {
		files[fmt.Sprintf("f%03d", i)] = capture(t, 100, "ab") // all at the same time
	}
	root := dir(t, files)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	res := read(t, reader.Options{MaxOpen: 8}, root)
	runtime.ReadMemStats(&after)
	if want := strings.Repeat("a", 300) + strings.Repeat("b", 300); res.letters != want || res.err != nil {
		t.Errorf("wrong packets, error %v", res.err)
	}
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 150<<20 {
		t.Errorf("300 small files cost %d bytes", grown)
	}
}

func BenchmarkMerge(b *testing.B) {
	for _, bm := range []struct {
		name  string
		start int
	}{{"one after the other", 3600}, {"interleaved", 0}} {
		b.Run(bm.name, func(b *testing.B) {
			files := map[string][]byte{}
			var size int64
			for i := range 4 {
				text := fmt.Sprintf("start %d\nstep 1us\n10.0.0.%d:4000 > 10.0.0.9:80 fill=10000000 mss=1448", 1000+i*bm.start, i+1)
				f := pcaptest.Build(b, text)
				files[fmt.Sprint(i)] = f
				size += int64(len(f))
			}
			root := dir(b, files)
			pool := packet.NewPool(0)
			b.SetBytes(size)
			b.ReportAllocs()
			for b.Loop() {
				c, err := reader.Open(context.Background(), []string{root}, reader.Options{Pool: pool})
				if err != nil {
					b.Fatal(err)
				}
				for {
					batch, err := c.Next()
					if err != nil {
						break
					}
					batch.Release()
				}
				c.Close()
			}
		})
	}
}
