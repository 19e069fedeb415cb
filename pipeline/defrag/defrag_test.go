package defrag

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

const second = 1_000_000_000

// whole is a datagram without two equal pieces of 8 bytes.
func whole(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8)
	}
	return b
}

func frag(b []byte, off, end int) Fragment {
	return Fragment{Offset: off, More: end < len(b), Data: b[off:end], Header: 20}
}

func key(id uint32) Key { return Key{ID: id, Proto: 6} }

func TestOrders(t *testing.T) {
	b := whole(100)
	for _, tt := range []struct {
		name  string
		cuts  [][2]int
		whole int // index of the fragment that completes it; -1 for none
	}{
		{"in order", [][2]int{{0, 40}, {40, 80}, {80, 100}}, 2},
		{"reversed", [][2]int{{80, 100}, {40, 80}, {0, 40}}, 2},
		{"last before middle", [][2]int{{0, 40}, {80, 100}, {40, 80}}, 2},
		{"first twice", [][2]int{{0, 40}, {0, 40}, {40, 100}}, 2},
		{"last twice", [][2]int{{40, 100}, {40, 100}, {0, 40}}, 2},
		{"overlapping with the same bytes", [][2]int{{0, 48}, {24, 80}, {16, 100}}, 2},
		{"one over all", [][2]int{{8, 16}, {24, 32}, {80, 88}, {0, 100}}, 3},
		{"tiny ones", [][2]int{{0, 8}, {8, 16}, {16, 24}, {24, 100}}, 3},
		{"a hole", [][2]int{{0, 40}, {48, 100}}, -1},
		{"a hole of the first", [][2]int{{8, 40}, {40, 100}}, -1},
		{"no last", [][2]int{{0, 40}, {40, 96}}, -1},
		{"only the first", [][2]int{{0, 40}}, -1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tab := New[int](Options{})
			for i, c := range tt.cuts {
				d, status := tab.Add(0, key(1), frag(b, c[0], c[1]), i)
				want := Held
				if i == tt.whole {
					want = Complete
				}
				if status != want {
					t.Fatalf("fragment %d: Add = %d, want %d", i, status, want)
				}
				if status == Complete && (!bytes.Equal(d.Data, b) || d.Conflict || tt.cuts[d.First][0] != 0) {
					t.Errorf("Data %x, conflict %t, first %d", d.Data, d.Conflict, d.First)
				}
			}
			checkAccount(t, tab)
		})
	}
}

// What the capture cut off fragments is missing from the datagram, and with it what
// comes after its first hole.
func TestCutFragments(t *testing.T) {
	b := whole(100)
	type piece struct{ off, end, missing int }
	for _, tt := range []struct {
		name  string
		cuts  []piece
		whole int // index of the fragment that completes it; -1 for none
		have  int // bytes of the datagram
	}{
		{"the last one", []piece{{0, 40, 0}, {40, 80, 0}, {80, 90, 10}}, 2, 90},
		{"the last one, first to come", []piece{{80, 90, 10}, {40, 80, 0}, {0, 40, 0}}, 2, 90},
		{"the first one", []piece{{0, 30, 10}, {40, 80, 0}, {80, 100, 0}}, 2, 30},
		{"the one in the middle", []piece{{0, 40, 0}, {40, 50, 30}, {80, 100, 0}}, 2, 50},
		{"all", []piece{{80, 81, 19}, {40, 41, 39}, {0, 1, 39}}, 2, 1},
		{"all, nothing of the middle there", []piece{{80, 81, 19}, {40, 40, 40}, {0, 1, 39}}, 2, 1},
		{"nothing of the first there", []piece{{0, 0, 40}, {40, 100, 0}}, -1, 0},
		{"a fragment lost beside", []piece{{0, 40, 0}, {48, 90, 10}}, -1, 0},
		{"a fragment lost, another twice", []piece{{0, 20, 60}, {0, 20, 60}, {88, 100, 0}}, -1, 0},
		{"a whole copy in time", []piece{{0, 40, 0}, {40, 50, 30}, {40, 80, 0}, {80, 100, 0}}, 3, 100},
		{"a whole copy of the one that came first", []piece{{40, 50, 30}, {0, 40, 0}, {40, 80, 0}, {80, 100, 0}}, 3, 100},
		{"nothing of the last there, twice, and one lost before it", []piece{{0, 40, 0}, {64, 64, 36}, {64, 64, 36}}, -1, 0},
		{"a copy cut elsewhere", []piece{{0, 40, 0}, {40, 50, 30}, {40, 60, 20}, {80, 100, 0}}, 3, 60},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tab := New[int](Options{})
			for i, c := range tt.cuts {
				f := frag(b, c.off, c.end)
				f.Missing, f.Snap, f.More = c.missing, i == 0, c.end+c.missing < len(b)
				d, status := tab.Add(0, key(1), f, i)
				want := Held
				if i == tt.whole {
					want = Complete
				}
				if status != want {
					t.Fatalf("fragment %d: Add = %d, want %d", i, status, want)
				}
				if status == Complete && (!bytes.Equal(d.Data, b[:tt.have]) || d.Missing != len(b)-tt.have || d.Conflict) {
					t.Errorf("Data %x, %d missing, conflict %t; want %d bytes", d.Data, d.Missing, d.Conflict, tt.have)
				}
				if snap := tt.cuts[0].missing > 0 && tt.have < len(b); status == Complete && d.Snap != snap {
					t.Errorf("Snap = %t, want %t: the snap length cut fragment 0 only", d.Snap, snap)
				}
			}
			checkAccount(t, tab)
		})
	}
	t.Run("copies of what was handed out", func(t *testing.T) {
		tab := New[int](Options{})
		first, last := frag(b, 0, 40), frag(b, 40, 90)
		last.Missing, last.More = 10, false
		for i, f := range []Fragment{first, last, first, last} {
			_, got := tab.Add(0, key(1), f, i)
			if want := []Status{Held, Complete, Held, Held}[i]; got != want {
				t.Errorf("fragment %d: Add = %d, want %d", i, got, want)
			}
		}
		if c := tab.Counts(); c.Duplicate != 2 || c.Pending != 0 {
			t.Errorf("Counts = %+v", c)
		}
		first.More = false // a shorter datagram, whose bytes are the same
		if _, got := tab.Add(0, key(1), first, 4); got != Complete {
			t.Errorf("a datagram in one fragment: Add = %d, want %d", got, Complete)
		}
	})
}

// checkAccount checks that the sums fit.
func checkAccount[C any](t *testing.T, tab *Table[C]) {
	t.Helper()
	c := tab.Counts()
	if c.Fragments != c.Held+c.Complete+c.Dropped {
		t.Errorf("%d fragments, %d held, %d complete, %d dropped", c.Fragments, c.Held, c.Complete, c.Dropped)
	}
	var pending, past, n int64
	for d := tab.oldest.head; d != nil; d = d.next {
		pending += d.cost
		n++
	}
	for d := tab.past.head; d != nil; d = d.next {
		past += d.cost
	}
	if pending != tab.pendingBytes || past != tab.pastBytes || n != c.Pending {
		t.Errorf("bytes %d and %d, want %d and %d; %d datagrams, want %d", tab.pendingBytes, tab.pastBytes, pending, past, n, c.Pending)
	}
	if pending > tab.maxPending || past > tab.maxPast {
		t.Errorf("bytes %d and %d exceed %d and %d", pending, past, tab.maxPending, tab.maxPast)
	}
}

func TestOverlapsKeepTheFirstCopy(t *testing.T) {
	text := func(s string, off int, more bool) Fragment {
		return Fragment{Offset: off, More: more, Data: []byte(s)}
	}
	a8, b8, c8, d8 := strings.Repeat("a", 8), strings.Repeat("b", 8), strings.Repeat("c", 8), strings.Repeat("d", 8)
	for _, tt := range []struct {
		name  string
		frags []Fragment
		want  string
	}{
		{"the same place", []Fragment{text(a8, 0, true), text(b8, 0, true), text(c8, 8, false)}, a8 + c8},
		{"over the end", []Fragment{text(a8+a8, 0, true), text(b8+b8, 8, false)}, a8 + a8 + b8},
		{"over the beginning", []Fragment{text(b8+b8, 8, false), text(a8+a8, 0, true)}, a8 + b8 + b8},
		{"in the middle", []Fragment{text(b8, 8, true), text(a8+a8+a8, 0, false)}, a8 + b8 + a8},
		{"all around", []Fragment{text(a8+a8+a8, 0, true), text(b8, 8, true), text(c8, 24, false)}, a8 + a8 + a8 + c8},
		{"across two", []Fragment{text(a8, 0, true), text(c8, 16, true), text(d8+d8+d8+d8, 0, false)}, a8 + d8 + c8 + d8},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tab := New[int](Options{})
			for i, f := range tt.frags {
				d, status := tab.Add(0, key(1), f, i)
				if i < len(tt.frags)-1 {
					if status != Held {
						t.Fatalf("fragment %d: Add = %d, want held", i, status)
					}
					continue
				}
				if status != Complete || string(d.Data) != tt.want || !d.Conflict {
					t.Errorf("Add = %d, %q, conflict %t; want %q with a conflict", status, d.Data, d.Conflict, tt.want)
				}
			}
			if got := tab.Counts().Conflicts; got != 1 {
				t.Errorf("%d conflicts counted, want 1", got)
			}
		})
	}
}

func TestLengthsThatContradict(t *testing.T) {
	b := whole(100)
	for _, tt := range []struct {
		name          string
		first, second Fragment
	}{
		{"data behind the last", Fragment{Offset: 8, Data: b[8:48]}, Fragment{Offset: 48, More: true, Data: b[48:56]}},
		{"a last before data", Fragment{Offset: 40, More: true, Data: b[40:80]}, Fragment{Offset: 8, Data: b[8:40]}},
		{"two lasts", Fragment{Offset: 8, Data: b[8:48]}, Fragment{Offset: 8, Data: b[8:40]}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tab := New[int](Options{})
			if _, status := tab.Add(0, key(1), tt.first, 0); status != Held {
				t.Errorf("first: Add = %d, want held", status)
			}
			if _, status := tab.Add(0, key(1), tt.second, 0); status != Contradicted {
				t.Errorf("second: Add = %d, want contradicted", status)
			}
			checkAccount(t, tab)
		})
	}
}

func TestFragmentsWithoutAPlace(t *testing.T) {
	b := whole(100)
	for _, tt := range []struct {
		name string
		v6   bool
		f    Fragment
		want Status
	}{
		{"nothing, with more to come", false, Fragment{Offset: 8, More: true}, Malformed},
		{"nothing at the beginning", false, Fragment{}, Malformed},
		{"IPv6, 7 bytes with more to come", true, Fragment{More: true, Data: b[:7]}, Malformed},
		{"IPv6, 15 bytes, cut", true, Fragment{More: true, Data: b[:15], Missing: 1}, Held},
		{"IPv6, 15 bytes, cut, of 17", true, Fragment{More: true, Data: b[:15], Missing: 2}, Malformed},
		{"cut before its first byte", false, Fragment{More: true, Missing: 8}, Held},
		{"past 65,535 with what was cut off", false, Fragment{Offset: 65512, Data: b[:3], Missing: 1, Header: 20}, Oversize},
		{"IPv4, 7 bytes with more to come", false, Fragment{More: true, Data: b[:7]}, Malformed},
		{"IPv4, 15 bytes with more to come", false, Fragment{More: true, Data: b[:15]}, Held},
		{"a last one of nothing", false, Fragment{Offset: 8}, Held},
		{"up to 65,535 with its header", false, Fragment{Offset: 65512, Data: b[:3], Header: 20}, Held},
		{"one more", false, Fragment{Offset: 65512, Data: b[:4], Header: 20}, Oversize},
		{"far past 65,535", true, Fragment{Offset: 65528, More: true, Data: b[:96]}, Oversize},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tab := New[int](Options{})
			k := key(1)
			k.V6 = tt.v6
			if _, got := tab.Add(0, k, tt.f, 0); got != tt.want {
				t.Errorf("Add = %d, want %d", got, tt.want)
			}
			checkAccount(t, tab)
		})
	}
}

func TestOversizeDropsTheDatagram(t *testing.T) {
	b := whole(1000)
	tab := New[int](Options{})
	tab.Add(0, key(1), frag(b, 0, 800), 0)
	tab.Add(0, key(1), Fragment{Offset: 65528, Data: b[:200]}, 0)
	if c := tab.Counts(); c.Oversize != 1 || c.Pending != 0 || c.Incomplete() != 1 {
		t.Errorf("Counts = %+v", c)
	}
	checkAccount(t, tab)
}

func TestLargestDatagram(t *testing.T) {
	b := whole(65515)
	tab := New[int](Options{})
	for off := 0; off < len(b); off += 8 {
		end := min(off+8, len(b))
		if d, status := tab.Add(0, key(1), frag(b, off, end), 0); end == len(b) && (status != Complete || !bytes.Equal(d.Data, b)) {
			t.Errorf("Add = %d, %d bytes", status, len(d.Data))
		}
	}
}

func TestIdentificationsAreUsedAgain(t *testing.T) {
	a, b := whole(100), bytes.ToUpper([]byte(strings.Repeat("other datagram..", 7)))[:100]
	t.Run("after completion, ten thousand times", func(t *testing.T) {
		tab := New[int](Options{})
		for i := range 10_000 {
			d := bytes.Clone(a)
			d[0], d[1], d[99] = byte(i), byte(i>>8), byte(i)
			tab.Add(0, key(1), frag(d, 0, 40), 0)
			if got, status := tab.Add(0, key(1), frag(d, 40, 100), 0); status != Complete || !bytes.Equal(got.Data, d) || got.Conflict {
				t.Fatalf("datagram %d: Add = %d, conflict %t", i, status, got.Conflict)
			}
		}
		checkAccount(t, tab)
	})
	t.Run("copies that follow a whole datagram are not mixed with the next", func(t *testing.T) {
		tab := New[int](Options{})
		tab.Add(0, key(1), frag(a, 0, 40), 0)
		tab.Add(0, key(1), frag(a, 40, 100), 0)
		if _, status := tab.Add(0, key(1), frag(a, 40, 100), 0); status != Held {
			t.Errorf("copy: Add = %d, want held", status)
		}
		if _, status := tab.Add(0, key(1), frag(b, 0, 40), 0); status != Held {
			t.Errorf("first of the next: Add = %d, want held", status)
		}
		if d, status := tab.Add(0, key(1), frag(b, 40, 100), 0); status != Complete || !bytes.Equal(d.Data, b) || d.Conflict {
			t.Errorf("Add = %d, %q, conflict %t", status, d.Data, d.Conflict)
		}
		if c := tab.Counts(); c.Duplicate != 1 || c.Incomplete() != 0 {
			t.Errorf("Counts = %+v", c)
		}
		checkAccount(t, tab)
	})
	t.Run("by one that ends in the same bytes, seconds later and last fragment first", func(t *testing.T) {
		tab := New[int](Options{})
		same := append(bytes.Clone(b[:40]), a[40:]...)
		tab.Add(0, key(1), frag(a, 0, 40), 0)
		tab.Add(0, key(1), frag(a, 40, 100), 0)
		tab.Add(4*second, key(1), frag(same, 40, 100), 0)
		if d, status := tab.Add(4*second, key(1), frag(same, 0, 40), 0); status != Complete || !bytes.Equal(d.Data, same) || d.Conflict {
			t.Errorf("Add = %d, %q, conflict %t", status, d.Data, d.Conflict)
		}
		checkAccount(t, tab)
	})
	t.Run("after an incomplete one, seconds later", func(t *testing.T) {
		tab := New[int](Options{})
		tab.Add(0, key(1), frag(a, 0, 40), 0)
		tab.Add(5*second, key(1), frag(b, 0, 40), 0)
		if d, status := tab.Add(5*second, key(1), frag(b, 40, 100), 0); status != Complete || !bytes.Equal(d.Data, b) || d.Conflict {
			t.Errorf("Add = %d, %q, conflict %t", status, d.Data, d.Conflict)
		}
		if c := tab.Counts(); c.Reused != 1 {
			t.Errorf("Counts = %+v", c)
		}
	})
}

// The same place, other bytes: an overlap while the datagram is young, and a new
// datagram when it is old.
func TestOverlapOrReuse(t *testing.T) {
	a, b := whole(100), bytes.Repeat([]byte("y"), 100)
	for _, tt := range []struct {
		name     string
		off, end int
		after    int64
		reused   int64
	}{
		{"first, a second later", 0, 40, 1.1 * second, 0},
		{"first, three seconds later", 0, 40, 3 * second, 1},
		{"another, three seconds later", 40, 80, 3 * second, 0},
		{"another, eleven seconds later", 40, 80, 11 * second, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tab := New[int](Options{})
			tab.Add(0, key(1), frag(a, 0, 80), 0)
			tab.Add(tt.after, key(1), frag(b, tt.off, tt.end), 0)
			if c := tab.Counts(); c.Reused != tt.reused || c.Conflicts != 1-tt.reused {
				t.Errorf("reused %d, conflicts %d; want %d, %d", c.Reused, c.Conflicts, tt.reused, 1-tt.reused)
			}
		})
	}
}

func TestKeysStayApart(t *testing.T) {
	b := whole(100)
	keys := []Key{key(1), key(2), {ID: 1, Proto: 17}, {ID: 1, Proto: 6, Stack: 9}, {ID: 1, Proto: 6, V6: true},
		{ID: 1, Proto: 6, Src: [16]byte{1}}, {ID: 1, Proto: 6, Dst: [16]byte{1}}}
	tab := New[int](Options{})
	for _, k := range keys {
		if _, status := tab.Add(0, k, frag(b, 0, 40), 0); status != Held {
			t.Errorf("Add = %d, want held", status)
		}
	}
	for _, k := range keys {
		if _, status := tab.Add(0, k, frag(b, 40, 100), 0); status != Complete {
			t.Errorf("Add = %d, want complete", status)
		}
	}
}

func TestTimeout(t *testing.T) {
	b := whole(100)
	tab := New[int](Options{})
	tab.Add(0, key(1), frag(b, 0, 40), 0)
	tab.Add(20*second, key(1), frag(b, 0, 40), 0) // does not renew
	if _, status := tab.Add(30*second+1, key(1), frag(b, 40, 100), 0); status != Held {
		t.Errorf("Add = %d, want held", status)
	}
	if c := tab.Counts(); c.TimedOut != 1 || c.Pending != 1 {
		t.Errorf("Counts = %+v", c)
	}
	tab.Add(0, key(2), frag(b, 0, 40), 0)
	if _, status := tab.Add(30*second, key(2), frag(b, 40, 100), 0); status != Complete {
		t.Errorf("at the timeout: Add = %d, want complete", status)
	}
}

func TestFloodStaysWithinItsBytes(t *testing.T) {
	b := whole(1400)
	for _, tt := range []struct {
		name string
		frag func(i int) (Key, Fragment)
	}{
		{"first fragments", func(i int) (Key, Fragment) { return key(uint32(i)), Fragment{More: true, Data: b[:8]} }},
		{"large first fragments", func(i int) (Key, Fragment) { return key(uint32(i)), Fragment{More: true, Data: b} }},
		{"last fragments", func(i int) (Key, Fragment) { return key(uint32(i)), Fragment{Offset: 65000, Data: b[:8]} }},
		{"every other piece, reversed", func(i int) (Key, Fragment) {
			return key(uint32(i / 4000)), Fragment{Offset: 65520 - 16*(i%4000) - 16, More: true, Data: b[:8]}
		}},
		{"whole datagrams", func(i int) (Key, Fragment) {
			return key(uint32(i / 2)), Fragment{Offset: i % 2 * 1400, More: i%2 == 0, Data: b}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			const limit = 1 << 20
			tab := New[[40]byte](Options{MaxBytes: limit})
			for i := range 50_000 {
				k, f := tt.frag(i)
				tab.Add(0, k, f, [40]byte{})
				if c := tab.Counts(); c.Bytes > limit {
					t.Fatalf("fragment %d: %d bytes held, limit %d", i, c.Bytes, limit)
				}
			}
			checkAccount(t, tab)
			if c := tab.Counts(); c.Complete == 0 && c.Evicted == 0 {
				t.Errorf("Counts = %+v: nothing evicted", c)
			}
		})
	}
}

// FuzzDefrag cuts a known datagram, and sends the pieces in any order, some twice,
// some not at all: what comes out is the datagram or nothing.
func FuzzDefrag(f *testing.F) {
	f.Add(uint16(100), uint64(1), []byte{5, 9})
	f.Add(uint16(3000), uint64(2), []byte{200, 1, 255, 0, 7})
	f.Add(uint16(65515), uint64(3), []byte{1, 2, 3, 4, 5, 6, 7, 8, 9})
	f.Fuzz(func(t *testing.T, size uint16, seed uint64, steps []byte) {
		n := min(max(int(size), 9), 65515)
		b := whole(n)
		r := rand.New(rand.NewPCG(seed, 1))
		var frags []Fragment
		for off := 0; off < n; {
			step := 8
			if i := len(frags); i < len(steps) {
				step += 8 * int(steps[i])
			} else {
				step += 8 * r.IntN(200)
			}
			end := min(off+step, n)
			frags = append(frags, frag(b, off, end))
			off = end
		}
		whole := len(frags) > 1
		for range r.IntN(5) { // overlaps and copies
			lo := r.IntN(n) / 8 * 8
			hi := min(lo+8+r.IntN(n)/8*8, n)
			frags = append(frags, frag(b, lo, hi))
		}
		r.Shuffle(len(frags), func(i, j int) { frags[i], frags[j] = frags[j], frags[i] })
		if r.IntN(2) == 0 {
			frags, whole = frags[:r.IntN(len(frags))+1], false
		}
		tab := New[int](Options{})
		complete := 0
		for i, f := range frags {
			if f.Offset == 0 && !f.More {
				continue // no fragment
			}
			d, status := tab.Add(int64(i), key(7), f, f.Offset)
			switch status {
			case Complete:
				complete++
				if !bytes.Equal(d.Data, b) || d.Conflict || d.First != 0 {
					t.Fatalf("a wrong datagram: %d bytes of %d, conflict %t, first at %d", len(d.Data), n, d.Conflict, d.First)
				}
			case Held:
			default:
				t.Fatalf("Add = %d", status)
			}
		}
		if complete > 1 || whole && complete != 1 {
			t.Fatalf("%d datagrams came out of all %d fragments", complete, len(frags))
		}
		checkAccount(t, tab)
	})
}

// FuzzFragments sends any fragments: no panic, memory within its limit, and what is
// handed out was sent, byte for byte.
func FuzzFragments(f *testing.F) {
	f.Add([]byte{0, 0, 1, 3, 1, 0, 3, 0})
	f.Fuzz(func(t *testing.T, in []byte) {
		tab := New[int](Options{MaxBytes: 8 << 10})
		sent := map[int]bool{} // position and value
		for i := 0; len(in) >= 4 && i < 200; i++ {
			off, more, n, fill := int(in[0])*8, in[1]&1 != 0, int(in[2]), in[3]
			f := Fragment{Offset: off, More: more, Data: bytes.Repeat([]byte{fill}, n), Missing: int(in[1]&6) * 4, Snap: in[1]&8 != 0, Header: 20}
			for p := range n {
				sent[(off+p)<<8|int(fill)] = true
			}
			d, status := tab.Add(int64(i)*second/4, key(uint32(in[1]>>6)), f, f.Offset)
			if status == Complete {
				for p, c := range d.Data {
					if !sent[p<<8|int(c)] {
						t.Fatalf("byte %d of the datagram was never sent", p)
					}
				}
				if d.Missing < 0 || len(d.Data)+d.Missing > maxDatagram || d.Snap && d.Missing == 0 {
					t.Fatalf("%d bytes and %d missing, snap %t", len(d.Data), d.Missing, d.Snap)
				}
			}
			in = in[4:]
			checkAccount(t, tab)
		}
	})
}

func BenchmarkAdd(b *testing.B) {
	for _, n := range []int{2, 45} {
		b.Run(fmt.Sprintf("%d fragments", n), func(b *testing.B) {
			data := whole(n * 1448)
			tab := New[[40]byte](Options{})
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				for j := range n {
					tab.Add(int64(i), key(uint32(i)), frag(data, j*1448, (j+1)*1448), [40]byte{})
				}
			}
		})
	}
}

func TestFirstIncomplete(t *testing.T) {
	b := whole(100)
	tab := New[int](Options{})
	var number int64
	add := func(now int64, id uint32, off, end int) {
		number++
		f := frag(b, off, end)
		f.Number = number
		tab.Add(now, key(id), f, 0)
	}
	add(0, 1, 0, 40)
	add(0, 2, 0, 40)
	add(0, 1, 40, 100)         // 1 is whole
	add(60*second, 3, 40, 100) // 2 is given up
	for id := range uint32(6) {
		add(60*second, 10+id, 0, 40)
	}
	if got := tab.FirstIncomplete(); !slices.Equal(got, []int64{2, 4, 5, 6, 7}) {
		t.Errorf("FirstIncomplete() = %v, want the packets 2, 4, 5, 6 and 7", got)
	}
	if c := tab.Counts(); c.Incomplete() != 8 {
		t.Errorf("%d incomplete, want 8", c.Incomplete())
	}
}
