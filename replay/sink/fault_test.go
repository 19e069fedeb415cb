package sink

import (
	"math"
	"slices"
	"testing"
	"time"

	"recap/pipeline/exchange"
	"recap/replay"
	"recap/replay/record"
	"recap/replay/targettest"
)

func faults(t testing.TB, list ...string) Faults {
	t.Helper()
	var f Faults
	for _, text := range list {
		if err := f.Add(text); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

func TestFaultsThatCannotBeMeant(t *testing.T) {
	for _, text := range []string{"", "drop", "drop=", "drop=1", "drop=101%", "drop=-1%", "drop=NaN%", "drop=every:0", "drop=every:-1", "drop=every:x",
		"blind", "blind=20", "blind=20s@x", "blind=0s", "delay=", "delay=-1s", "loss=1%", "kinds=1%"} {
		var f Faults
		if err := f.Add(text); err == nil || f.Any() {
			t.Errorf("Add(%q) = %v and is in force", text, err)
		}
	}
}

func TestWhomFaultsBefall(t *testing.T) {
	f := faults(t, "drop=every:100", "truncate=every:50")
	for seq := range uint64(1000) {
		k, ok := f.Befalls(seq, 0)
		switch want := (seq+1)%50 == 0; {
		case ok != want:
			t.Fatalf("Befalls(%d) = %v, %t", seq, k, ok)
		case ok && (k == Drop) != ((seq+1)%100 == 0):
			t.Fatalf("Befalls(%d) = %v: the first fault that concerns a pair is the only one", seq, k)
		}
	}
}

// A percentage holds over many pairs, another seed chooses others, and different
// faults choose independently.
func TestPercentages(t *testing.T) {
	const n = 200_000
	chosen := func(f Faults) (list []uint64) {
		for seq := range uint64(n) {
			if _, ok := f.Befalls(seq, 0); ok {
				list = append(list, seq)
			}
		}
		return list
	}
	for _, percent := range []struct {
		text  string
		share float64
	}{{"drop=1%", 0.01}, {"duplicate=0.1%", 0.001}, {"mispair=50%", 0.5}, {"truncate=100%", 1}, {"drop=0%", 0}} {
		got := float64(len(chosen(faults(t, percent.text)))) / n
		if sigma := math.Sqrt(percent.share * (1 - percent.share) / n); math.Abs(got-percent.share) > 5*sigma {
			t.Errorf("%s befalls %.5f of all", percent.text, got)
		}
	}
	one, two := faults(t, "drop=1%"), faults(t, "drop=1%")
	if !slices.Equal(chosen(one), chosen(two)) {
		t.Error("the same fault befalls others the second time")
	}
	if two.Seed = 1; slices.Equal(chosen(one), chosen(two)) {
		t.Error("another seed chooses the same pairs")
	}
	if other := faults(t, "duplicate=1%"); slices.Equal(chosen(one), chosen(other)) {
		t.Error("two kinds of fault choose the same pairs")
	}
}

func TestTheBlindTime(t *testing.T) {
	f := faults(t, "blind=20s@10s")
	for due, want := range map[time.Duration]bool{0: false, 10*time.Second - 1: false, 10 * time.Second: true, 30*time.Second - 1: true, 30 * time.Second: false} {
		if k, ok := f.Befalls(7, due); ok != want || ok && k != Blind {
			t.Errorf("Befalls at %s = %v, %t; want %t", due, k, ok, want)
		}
	}
}

// marked returns n pairs with markers.
func marked(n int) []*exchange.Pair {
	var pairs []*exchange.Pair
	for _, e := range targettest.Events(n, 10) {
		m := exchange.Header{Name: replay.MarkerHeader, Value: replay.Marker{Run: 1, Seq: e.Seq, Due: e.At}.String()}
		e.Pair.Request.Headers = append(e.Pair.Request.Headers, m)
		e.Pair.Response.Headers = append(e.Pair.Response.Headers, m)
		pairs = append(pairs, e.Pair)
	}
	return pairs
}

func seqs(t *testing.T, p *exchange.Pair) (request, response uint64) {
	t.Helper()
	var o replay.Observation
	record.Observe(p, &o)
	a, err := replay.ParseMarker(o.Request)
	if err != nil {
		t.Fatal(err)
	}
	b, err := replay.ParseMarker(o.Response)
	if err != nil {
		t.Fatal(err)
	}
	return a.Seq, b.Seq
}

// Each fault does what it says to the pairs that it lists, and nothing to others.
func TestFaultsDoWhatTheySay(t *testing.T) {
	for _, fault := range []string{"drop=every:10", "mispair=every:10", "truncate=every:10", "duplicate=every:10", "blind=20ms@30ms"} {
		t.Run(fault, func(t *testing.T) {
			h := NewHub(faults(t, fault), nil)
			pairs := marked(100)
			var out []*exchange.Pair
			for part := range slices.Chunk(slices.Clone(pairs), 7) {
				out = append(out, h.Pass(part)...)
			}
			counts := h.Counts()
			kind, _ := h.faults.Befalls(9, 35*time.Millisecond)
			done := counts.Faults[kind.String()]
			if len(counts.Faults) != 1 || len(done.Seqs) == 0 || int64(len(done.Seqs)) != done.Pairs {
				t.Fatalf("faults are %+v", counts.Faults)
			}
			times := map[uint64]int{}
			for _, p := range out {
				request, response := seqs(t, p)
				times[request]++
				hit := slices.Contains(done.Seqs, request)
				if got := request != response; got != (hit && kind == Mispair) {
					t.Errorf("pair %d has the response of %d", request, response)
				}
				if got := p.Response.BodySize != 10 || len(p.Response.Body) != 10; got != (hit && kind == Truncate) {
					t.Errorf("pair %d has a body of %d bytes", request, p.Response.BodySize)
				}
			}
			for seq := range uint64(100) {
				want := 1
				if slices.Contains(done.Seqs, seq) {
					want = map[Kind]int{Drop: 0, Blind: 0, Duplicate: 2}[kind] | map[bool]int{true: 1}[kind == Mispair || kind == Truncate]
				}
				if times[seq] != want {
					t.Errorf("pair %d came %d times, want %d", seq, times[seq], want)
				}
			}
			if counts.Pairs != 100 || counts.Marked != 100 || counts.Given != int64(len(out)) {
				t.Errorf("counts are %+v, %d came out", counts, len(out))
			}
		})
	}
}

// Pass never changes the list that it is given: its pairs go back to where they came from.
func TestPassKeepsTheList(t *testing.T) {
	h := NewHub(faults(t, "drop=every:2", "duplicate=every:3"), nil)
	pairs := marked(20)
	list := slices.Clone(pairs)
	h.Pass(list)
	if !slices.Equal(list, pairs) {
		t.Error("the list was changed")
	}
}

func TestPairsWithoutMarkers(t *testing.T) {
	h := NewHub(faults(t, "drop=every:2"), nil)
	var pairs []*exchange.Pair
	for _, e := range targettest.Events(10, 10) {
		pairs = append(pairs, e.Pair)
	}
	if out := h.Pass(pairs); len(out) != 5 {
		t.Errorf("%d pairs came out, want 5", len(out))
	}
	if c := h.Counts(); c.Marked != 0 || c.Faults["drop"].Pairs != 5 || len(c.Faults["drop"].Seqs) != 0 {
		t.Errorf("counts are %+v", c)
	}
}
