package replay

import (
	"context"
	"errors"
	"math"
	"testing"
	"time"
)

// A fakeIngestor takes so many units a second and, once, a burst beyond them; the sender
// in front of it reaches so many.
type fakeIngestor struct {
	capacity, burst, sender float64
	hiccups                 map[int]bool // trials in which the sender does not keep the rate
	trials                  int
}

func (f *fakeIngestor) run(_ context.Context, o Options) (*Result, error) {
	f.trials++
	rate := o.Rate.Amount(time.Second)
	sent := min(rate, f.sender)
	if f.hiccups[f.trials] {
		sent /= 2
	}
	n := sent * o.For.Seconds()
	lost := max(n-f.capacity*o.For.Seconds()-f.burst, 0)
	r := &Result{Ended: EndedFor}
	r.Ledger = LedgerReport{Collected: true, Sent: uint64(n), Lost: uint64(math.Ceil(lost))}
	r.Rate = RateResult{AskedPerSecond: rate, Achieved: sent, PairsPerSecond: sent, HTTP: 8000 * sent}
	return r, nil
}

func TestFindRateFindsAKnownCapacity(t *testing.T) {
	for _, tt := range []struct {
		name        string
		ingestor    fakeIngestor
		s           SearchOptions
		want        float64
		found       bool
		senderBound bool
	}{
		{"well above the beginning", fakeIngestor{capacity: 3000, sender: 1e9}, SearchOptions{}, 3000, true, false},
		{"far below the beginning", fakeIngestor{capacity: 7, sender: 1e9}, SearchOptions{From: 10000}, 7, true, false},
		{"a burst is no capacity, when trials are long", fakeIngestor{capacity: 3000, burst: 500, sender: 1e9}, SearchOptions{Trial: 20 * time.Second}, 3000, true, false},
		{"a queue that hides an eighth of a trial", fakeIngestor{capacity: 3000, burst: 750, sender: 1e9}, SearchOptions{Trial: 2 * time.Second}, 3000, true, false},
		{"with some loss allowed", fakeIngestor{capacity: 1000, sender: 1e9}, SearchOptions{Loss: 0.2, Precision: 0.01}, 1250, true, false},
		{"the sender is slower", fakeIngestor{capacity: 1e8, sender: 5000}, SearchOptions{}, 3200, true, true},
		{"the highest that is to be tried", fakeIngestor{capacity: 1e8, sender: 1e9}, SearchOptions{Most: 2000}, 2000, true, false},
		{"a sender that fails now and then", fakeIngestor{capacity: 3000, sender: 1e9, hiccups: map[int]bool{1: true, 4: true, 5: true, 9: true}}, SearchOptions{}, 3000, true, false},
		{"nothing gets through", fakeIngestor{sender: 1e9}, SearchOptions{}, 0, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.s.Settle = time.Nanosecond
			r, err := findRate(t.Context(), &search{o: Options{}, s: tt.s.filled(), run1: tt.ingestor.run})
			if err != nil {
				t.Fatal(err)
			}
			s := r.Search
			if s.Found != tt.found || s.SenderBound != tt.senderBound || r.Verdict.OK != tt.found {
				t.Errorf("found %t, sender bound %t, verdict %+v", s.Found, s.SenderBound, r.Verdict)
			}
			if tt.found && math.Abs(s.PairsPerSecond/tt.want-1) > 0.06 {
				t.Errorf("found %.0f pairs/s, want about %.0f: %+v", s.PairsPerSecond, tt.want, s.Trials)
			}
			if tt.found && s.BitsPerSecond != 8000*s.PairsPerSecond {
				t.Errorf("%g bits/s at %g pairs/s", s.BitsPerSecond, s.PairsPerSecond)
			}
			if len(s.Trials) > maxTrials {
				t.Errorf("%d trials", len(s.Trials))
			}
		})
	}
}

func TestFindRateStops(t *testing.T) {
	f := &fakeIngestor{capacity: 3000, sender: 1e9}
	ctx, cancel := context.WithCancel(t.Context())
	run := func(ctx context.Context, o Options) (*Result, error) {
		if f.trials == 3 {
			cancel()
		}
		return f.run(ctx, o)
	}
	r, err := findRate(ctx, &search{s: SearchOptions{Settle: time.Nanosecond}.filled(), run1: run})
	if r == nil || r.Search.Found || r.Ended != EndedInterrupted || len(r.Search.Trials) != 4 {
		t.Errorf("%+v, %v", r, err)
	}
	broken := errors.New("refused")
	_, err = findRate(t.Context(), &search{s: SearchOptions{}.filled(), run1: func(context.Context, Options) (*Result, error) { return &Result{}, broken }})
	if !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
}
