package tcp

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestChunkList compares the list with a plain sorted slice.
func TestChunkList(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var l chunkList
	var want []int64
	for step := range 20_000 {
		if rnd.IntN(5) < 3 || len(want) == 0 {
			off := int64(rnd.IntN(4000)) * 2
			i, found := slices.BinarySearch(want, off)
			if found {
				continue
			}
			if got := l.find(off); got != i {
				t.Fatalf("step %d: find(%d) = %d, want %d", step, off, got, i)
			}
			l.insert(i, &chunk{off: off, data: make([]byte, 1)})
			want = slices.Insert(want, i, off)
		} else {
			i := rnd.IntN(len(want))
			l.remove(i)
			want = slices.Delete(want, i, i+1)
		}
		if l.len() != len(want) {
			t.Fatalf("step %d: length %d, want %d", step, l.len(), len(want))
		}
		for i, off := range want {
			if l.at(i).off != off {
				t.Fatalf("step %d: chunk %d is at %d, want %d", step, i, l.at(i).off, off)
			}
		}
	}
	for l.len() > 0 {
		l.remove(l.len() / 2)
	}
	if l.bytes != 0 || l.buf != nil {
		t.Errorf("an empty list holds %d bytes and room for %d", l.bytes, len(l.buf))
	}
}

func TestSplit(t *testing.T) {
	for at := int64(1); at < 8; at++ {
		var l chunkList
		l.insert(0, &chunk{off: 10, data: []byte("abcde"), cut: 3, why: cutSnaplen})
		l.split(0, 10+at)
		a, b := l.at(0), l.at(1)
		if a.next() != b.off || b.next() != 18 || string(a.data)+string(b.data) != "abcde" || a.cut+b.cut != 3 {
			t.Errorf("at %d: %s and %s", at, show(a), show(b))
		}
		l.remove(0)
		l.remove(0)
		if l.bytes != 0 {
			t.Errorf("at %d: %d bytes are left on the account", at, l.bytes)
		}
	}
}

func show(k *chunk) string { return fmt.Sprintf("%d:%q+%d", k.off, k.data, k.cut) }

// The list must not be quadratic, whichever way data arrives.
func BenchmarkChunkList(b *testing.B) {
	for _, order := range []string{"rising", "falling"} {
		b.Run(order, func(b *testing.B) {
			for range b.N {
				var l chunkList
				for i := range maxChunks {
					off := int64(2 * i)
					if order == "falling" {
						off = int64(2 * (maxChunks - i))
					}
					l.insert(l.find(off), &chunk{off: off})
				}
			}
		})
	}
}
