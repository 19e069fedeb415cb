package defrag

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
)

// pieces cuts b into fragments of at most n bytes.
func pieces(b []byte, n int) (list []Piece) {
	for i := 0; len(b) > 0; i++ {
		k := min(n, len(b))
		list = append(list, Piece{Number: i, Data: b[:k], More: k < len(b)})
		b = b[k:]
	}
	return list
}

func TestNumberedFragments(t *testing.T) {
	all := pieces([]byte("abcdefghij"), 3)
	other := pieces([]byte("ABCDEFGHIJ"), 3)
	cut := func(i, n int) Piece {
		p := all[i]
		p.Data, p.Missing, p.Snap = p.Data[:n], len(p.Data)-n, true
		return p
	}
	for _, tt := range []struct {
		name   string
		pieces []Piece
		want   string // what was put together, then the statuses as digits
		status string
	}{
		{"in order", all, "abcdefghij", "0001"},
		{"backwards", []Piece{all[3], all[2], all[1], all[0]}, "abcdefghij", "0001"},
		{"one only", pieces([]byte("abc"), 3), "abc", "1"},
		{"each sent again", []Piece{all[0], all[0], all[1], all[1], all[2], all[3], all[3], all[0]}, "abcdefghij", "00000100"},
		{"another frame of the same number, the first not whole", append(slices.Clone(all[:2]), other...), "ABCDEFGHIJ", "000001"},
		{"another frame of the same number, the first whole", append(slices.Clone(all), other...), "ABCDEFGHIJ", "00010001"},
		{"the first missing", all[1:], "", "000"},
		{"cut fragments", []Piece{all[0], cut(1, 2), all[2], all[3]}, "abcde", "0001"},
		{"only the last cut", []Piece{all[0], all[1], all[2], cut(3, 0)}, "abcdefghi", "0001"},
		{"behind the end", []Piece{all[0], {Number: 1, Data: []byte("x")}, all[2]}, "abcx", "010"},
		{"two ends", []Piece{{Number: 3, Data: []byte("x")}, {Number: 2, Data: []byte("y")}}, "", "04"},
		{"an end before what is there", []Piece{all[2], {Number: 1, Data: []byte("x")}}, "", "04"},
		{"nothing in it", []Piece{{Number: 0, More: true}}, "", "3"},
		{"more than there are numbers", []Piece{{Number: 15, More: true, Data: []byte("x")}, {Number: 16, Data: []byte("x")}}, "", "33"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tab := NewNumbered[int](Options{})
			var got []byte
			var status []byte
			for i, p := range tt.pieces {
				d, s := tab.Add(int64(i), key(1), p, p.Number+10)
				status = append(status, '0'+byte(s))
				if s == Complete {
					got = d.Data
					if d.First != 10 {
						t.Errorf("First = %d, want what came with number 0", d.First)
					}
				}
			}
			if string(got) != tt.want || string(status) != tt.status {
				t.Errorf("put together %q, statuses %s; want %q, %s", got, status, tt.want, tt.status)
			}
		})
	}
}

func TestNumberedFragmentsExpire(t *testing.T) {
	tab := NewNumbered[int](Options{})
	all := pieces([]byte("abcdef"), 3)
	tab.Add(0, key(1), all[0], 0)
	if _, s := tab.Add(maxLifetime+1, key(1), all[1], 0); s != Held {
		t.Errorf("a fragment later than the lifetime of frames: %v, want held", s)
	}
	if c := tab.Counts(); c.TimedOut != 1 || c.Pending != 1 {
		t.Errorf("Counts = %+v", c)
	}
}

func TestNumberedFloodStaysWithinItsBytes(t *testing.T) {
	const limit = 64 << 10
	tab := NewNumbered[int](Options{MaxBytes: limit})
	for i := range 10_000 {
		tab.Add(0, key(uint32(i)), Piece{Number: i % 15, More: true, Data: make([]byte, i%2000+1)}, 0)
	}
	c := tab.Counts()
	if c.Bytes > limit || c.MaxBytes > limit+2000+entryCost || c.Evicted == 0 || c.Evicted+c.Pending != 10_000 {
		t.Errorf("Counts = %+v, want at most %d bytes", c, limit)
	}
}

// FuzzNumbered cuts its input into fragments, sends them in any order, some twice: the
// frame comes once, whole, with the fragment that nobody had seen before as the last.
func FuzzNumbered(f *testing.F) {
	f.Add([]byte("some bytes of a frame"), uint8(4), uint64(1))
	f.Add([]byte("x"), uint8(0), uint64(2))
	f.Fuzz(func(t *testing.T, b []byte, size uint8, seed uint64) {
		all := pieces(b, int(size)+1)
		if len(all) == 0 || len(all) > MaxPieces {
			t.Skip()
		}
		r := rand.New(rand.NewPCG(seed, 0))
		send := append(slices.Clone(all), all[r.IntN(len(all))], all[r.IntN(len(all))])
		r.Shuffle(len(send), func(i, j int) { send[i], send[j] = send[j], send[i] })
		tab := NewNumbered[int](Options{})
		seen, complete := map[int]bool{}, 0
		for _, p := range send {
			seen[p.Number] = true
			d, s := tab.Add(0, key(7), p, p.Number)
			switch {
			case s == Complete:
				complete++
				if len(seen) != len(all) || !bytes.Equal(d.Data, b) || d.Missing != 0 || d.First != 0 {
					t.Fatalf("complete with %d of %d fragments: %q, missing %d; want %q", len(seen), len(all), d.Data, d.Missing, b)
				}
			case s != Held:
				t.Fatalf("status %d", s)
			}
		}
		if c := tab.Counts(); complete != 1 || c.Held+c.Complete+c.Dropped != c.Fragments || c.Pending != 0 || c.Duplicate != 2 {
			t.Fatalf("complete %d times, Counts = %+v", complete, c)
		}
	})
}
