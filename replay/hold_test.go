package replay

import (
	"context"
	"testing"
	"time"
)

// holding runs n pairs against an ingestor that asks to wait before the first and, unless
// that is 0, lets go after this time. It returns the result and how long the run took.
func holding(t *testing.T, rate string, n int, letGo time.Duration) (*Result, time.Duration) {
	t.Helper()
	r, err := ParseRate(rate)
	if err != nil {
		t.Fatal(err)
	}
	g := newIngestor()
	o := Options{Source: sourceOf(manyPairs(n)...), Rate: r, Open: g.open, Quiet: time.Millisecond, RunID: 1}
	o.Collect = func(ctx context.Context, env Env) (Collector, error) {
		Hold(env, true)
		if letGo > 0 {
			time.AfterFunc(letGo, func() { Hold(env, false) })
		}
		return g, nil
	}
	from := time.Now()
	res, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if res.Ledger.Seen != uint64(n) {
		t.Errorf("%d of %d pairs came out", res.Ledger.Seen, n)
	}
	return res, time.Since(from)
}

func TestCollectorsHoldBackRunsWithoutARate(t *testing.T) {
	const letGo = 200 * time.Millisecond
	res, took := holding(t, "max", 10, letGo)
	// The clock is measured for some milliseconds in between.
	if held := time.Duration(res.Schedule.HeldNS); held < letGo/2 || held > took {
		t.Errorf("the run was held for %v of %v, want about %v", held, took, letGo)
	}
}

func TestWhoFallsSilentHoldsNobody(t *testing.T) {
	res, took := holding(t, "max", 10, 0)
	if held := time.Duration(res.Schedule.HeldNS); held < HoldFor/2 || held > took {
		t.Errorf("the run was held for %v of %v, want about %v", held, took, HoldFor)
	}
}

func TestRatesAreKeptWhateverCollectorsAsk(t *testing.T) {
	for _, rate := range []string{"original", "2x", "1000pairs/s", "10mbps"} {
		if res, _ := holding(t, rate, 10, 0); res.Schedule.HeldNS != 0 {
			t.Errorf("at %s the run was held for %v", rate, time.Duration(res.Schedule.HeldNS))
		}
	}
}

func TestAnInterruptFreesWhoIsHeld(t *testing.T) {
	var b runner
	ctx, cancel := context.WithCancel(t.Context())
	b.Hold(true)
	time.AfterFunc(10*time.Millisecond, cancel)
	if took := b.brake.wait(ctx); took >= HoldFor {
		t.Errorf("it waited for %v", took)
	}
}

func TestEachHoldCountsAnew(t *testing.T) {
	var r runner
	r.Hold(true)
	const again = HoldFor * 3 / 4
	time.AfterFunc(again, func() { r.Hold(true) })
	time.AfterFunc(again+HoldFor/2, func() { r.Hold(false) })
	if took := r.brake.wait(t.Context()); took < HoldFor || took >= again+HoldFor {
		t.Errorf("it waited for %v, want %v", took, again+HoldFor/2)
	}
	if took := r.brake.wait(t.Context()); took != 0 {
		t.Errorf("nobody asks, and it waited for %v", took)
	}
}
