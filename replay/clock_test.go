package replay

import (
	"context"
	"os"
	"testing"
	"time"
)

func TestClockNeverReturnsEarly(t *testing.T) {
	c := newClock()
	for _, d := range []time.Duration{0, time.Microsecond, 50 * time.Microsecond, time.Millisecond, 12 * time.Millisecond} {
		due := c.now() + d
		if now := c.wait(t.Context(), due); now < due {
			t.Errorf("wait for %v returned %v early", d, due-now)
		}
	}
}

func TestClockStopsWithItsContext(t *testing.T) {
	c := newClock()
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(5*time.Millisecond, cancel)
	if now := c.wait(ctx, time.Hour); now >= time.Hour {
		t.Errorf("wait returned at %v", now)
	}
}

func TestClockRestarts(t *testing.T) {
	c := newClock()
	c.wait(t.Context(), time.Millisecond)
	c.restart()
	if now, start := c.now(), c.start(); now < 0 || time.Since(start) < now {
		t.Errorf("%v since %v", now, start)
	}
}

// TestPacing measures how exactly rates are kept; it is a measurement, not a test, and
// runs where RECAP_PACING names a duration.
func TestPacing(t *testing.T) {
	d, err := time.ParseDuration(os.Getenv("RECAP_PACING"))
	if err != nil {
		t.Skip("set RECAP_PACING=60s to measure on an idle machine")
	}
	for _, rate := range []string{"original", "10mbps", "100mbps", "1000mbps"} {
		g := newIngestor()
		o := g.options(manyPairs(1000))
		o.Collect, o.For, o.Rate = nil, d, mustRate(t, rate)
		g.capacity = func() bool { return false }
		o.Open = func(_ context.Context, env Env) (Target, error) { return &nothing{env: env}, nil }
		r, err := Run(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%-9s rate error %+.5f %%, %d units, deadline error p50 %v p99 %v p99.9 %v max %v, sleeps %v too long", rate, 100*r.Rate.Error, r.Timing.Units,
			time.Duration(r.Timing.P50NS), time.Duration(r.Timing.P99NS), time.Duration(r.Timing.P999NS), time.Duration(r.Timing.MaxNS), time.Duration(r.Timing.SleepErrorNS))
	}
}

// nothing is a target that sends packets of 1,250 bytes nowhere.
type nothing struct{ env Env }

func (n *nothing) Send(ctx context.Context, events []Event) error {
	for i := range events {
		if _, err := n.env.Wait(ctx, events[i].At, Amount{Pairs: 1, Packets: 1, Bytes: 1250}); err != nil {
			return err
		}
		n.env.Sent(events[i].Seq)
	}
	return nil
}

func (n *nothing) Close(context.Context) error { return nil }

// What Wait costs where nothing has to be waited for, and that it allocates nothing.
func BenchmarkWait(b *testing.B) {
	r := newRunner(b.Context(), Options{Rate: mustRate(b, "1000000gbps"), Source: sourceOf()})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Wait(b.Context(), 0, Amount{Packets: 1, Bytes: 1500}); err != nil {
			b.Fatal(err)
		}
	}
}

// How long is spun follows how exactly this host sleeps, inside its bounds.
func TestClockLearns(t *testing.T) {
	for _, tt := range []struct {
		name     string
		over     func(i int) time.Duration
		from, to time.Duration // of spin
	}{
		{"sleeps are exact", func(int) time.Duration { return 0 }, minSpin, minSpin + time.Microsecond},
		{"sleeps are 50 µs too long", func(int) time.Duration { return 50 * time.Microsecond }, 58 * time.Microsecond, 62 * time.Microsecond},
		{"one of a hundred is 5 ms too long", func(i int) time.Duration { return map[bool]time.Duration{true: 5 * time.Millisecond}[i%100 == 0] }, minSpin, 60 * time.Microsecond},
		{"one of three is 100 µs too long", func(i int) time.Duration { return map[bool]time.Duration{true: 100 * time.Microsecond}[i%3 == 0] }, 60 * time.Microsecond, 110 * time.Microsecond},
		{"all are 5 ms too long", func(int) time.Duration { return 5 * time.Millisecond }, maxSpin, maxSpin},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := new(clock)
			for i := range 2000 {
				c.learn(tt.over(i))
			}
			if c.spin < tt.from || c.spin > tt.to {
				t.Errorf("spin is %v, want %v to %v", c.spin, tt.from, tt.to)
			}
		})
	}
}

// Naps begin early enough for the sleep before them, and not earlier than is worth it.
func TestClockLearnsWhenToNap(t *testing.T) {
	for _, tt := range []struct {
		name     string
		over     func(i int) time.Duration
		from, to time.Duration // of lead
	}{
		{"sleeps are exact", func(int) time.Duration { return 0 }, minLead, minLead},
		{"sleeps are 300 µs too long", func(int) time.Duration { return 300 * time.Microsecond }, 295 * time.Microsecond, 305 * time.Microsecond},
		{"one of ten is 400 µs too long", func(i int) time.Duration { return map[bool]time.Duration{true: 400 * time.Microsecond}[i%10 == 0] }, 360 * time.Microsecond, 410 * time.Microsecond},
		{"all are 5 ms too long", func(int) time.Duration { return 5 * time.Millisecond }, maxLead, maxLead},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := new(clock)
			for i := range 5000 {
				c.learnLong(tt.over(i))
			}
			if c.lead < tt.from || c.lead > tt.to {
				t.Errorf("lead is %v, want %v to %v", c.lead, tt.from, tt.to)
			}
		})
	}
}
