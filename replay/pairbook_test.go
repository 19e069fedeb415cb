package replay

import (
	"math/rand/v2"
	"testing"
)

// Passes of any lengths are told apart (an empty one ends a run) as a plain list of where they
// began tells them.
func TestPassBookAgainstAList(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		var b passBook
		var pass, place []uint64 // by event
		length := 1 + r.Uint64N(4)
		for n := range 1 + r.Uint64N(20) {
			b.begin(uint64(len(pass)))
			if r.IntN(6) == 0 {
				length = 1 + r.Uint64N(4)
			}
			for i := range length {
				pass, place = append(pass, n), append(place, i)
			}
		}
		for seq := range uint64(len(pass)) {
			if p, i := b.find(seq); p != pass[seq] || i != place[seq] {
				t.Fatalf("event %d of %v: pass %d, place %d; want %d, %d (%+v)", seq, pass, p, i, pass[seq], place[seq], b)
			}
		}
	}
}

// A run over one pair has as many passes as pairs, and markers tell 24 bits of a pass.
func TestPassesOfOneLengthTakeNoRoom(t *testing.T) {
	l := ledger{run: 7}
	l.pairs.sized, l.pairs.ids = []uint64{5<<32 | 9}, nil
	const passes = 1<<24 + 10
	for seq := range uint64(passes) {
		l.pairs.passes.begin(seq)
	}
	if n := len(l.pairs.passes.runs); n != 1 {
		t.Errorf("%d runs for passes of one length", n)
	}
	l.schedule(passes)
	l.markSent(passes-1, 0)
	m := Marker{Run: 7, Loop: passes - 1, Seq: passes - 1}.Append(nil)
	l.observe(&Observation{Request: m, Response: m, RequestBody: 5, ResponseBody: 8}, 0)
	if r := l.report(true); r.Truncated != 1 || r.Unsized != 0 || r.TruncatedIDs[0].Loop != passes-1 {
		t.Errorf("truncated %d %v, unsized %d", r.Truncated, r.TruncatedIDs, r.Unsized)
	}
}

// A body of unknown size is said to be untested, whatever is known of the other one.
func TestBodiesOfUnknownSizeAreCounted(t *testing.T) {
	for _, tt := range []struct {
		name              string
		request, response int64
		unsized           uint64
	}{
		{"both as sent", 0, 9, 0},
		{"the response unknown", 0, -1, 1},
		{"the request unknown, which was empty", -1, 9, 0},
		{"both unknown", -1, -1, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := ledger{run: 7}
			l.pairs.sized = []uint64{0<<32 | 9}
			l.pairs.passes.begin(0)
			l.schedule(1)
			l.markSent(0, 0)
			m := Marker{Run: 7}.Append(nil)
			l.observe(&Observation{Request: m, Response: m, RequestBody: tt.request, ResponseBody: tt.response}, 0)
			if r := l.report(true); r.Unsized != tt.unsized || r.Truncated != 0 {
				t.Errorf("unsized %d, truncated %d; want %d, 0", r.Unsized, r.Truncated, tt.unsized)
			}
		})
	}
}
