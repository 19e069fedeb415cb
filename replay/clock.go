package replay

import (
	"context"
	"slices"
	"sync/atomic"
	"time"
)

// A clock waits for absolute moments of the monotonic clock. It sleeps until shortly
// before and spins the rest: how much that must be is measured at its start, so that a
// slow rate burns next to nothing and a fast one is exact.
type clock struct {
	base time.Time
	// shift is how long after base the run started, ns.
	shift atomic.Int64
	// spin is how long before the deadline sleeping ends.
	spin time.Duration
	// overshoot is how much too long short sleeps lasted here, the 95th percentile.
	overshoot time.Duration
}

const (
	minSpin = 20 * time.Microsecond
	maxSpin = 500 * time.Microsecond
	// wakeEvery bounds sleeps that cannot be interrupted.
	wakeEvery = 5 * time.Millisecond
	// probes and probe are the sleeps that are measured.
	probes = 40
	probe  = 100 * time.Microsecond
)

// newClock measures sleep, which takes some milliseconds, and starts.
func newClock() *clock {
	over := make([]time.Duration, probes)
	for i := range over {
		from := time.Now()
		sleep(probe)
		over[i] = max(time.Since(from)-probe, 0)
	}
	slices.Sort(over)
	c := &clock{overshoot: over[probes*95/100]}
	c.spin = min(max(c.overshoot+minSpin, minSpin), maxSpin)
	c.base = time.Now()
	return c
}

// now returns the time since the start.
func (c *clock) now() time.Duration { return time.Since(c.base) - time.Duration(c.shift.Load()) }

// restart makes this moment the start.
func (c *clock) restart() { c.shift.Store(int64(time.Since(c.base))) }

func (c *clock) start() time.Time { return c.base.Add(time.Duration(c.shift.Load())) }

// wait returns when due has come, or as soon as ctx has ended, with the time then.
func (c *clock) wait(ctx context.Context, due time.Duration) time.Duration {
	for {
		now := c.now()
		switch left := due - now; {
		case left <= 0:
			return now
		case left <= c.spin:
			// Spin: another look at the clock costs less than any sleep.
		case left <= 2*wakeEvery:
			sleep(min(left-c.spin, wakeEvery))
			if ctx.Err() != nil {
				return c.now()
			}
		default:
			t := time.NewTimer(left - wakeEvery)
			select {
			case <-t.C:
			case <-ctx.Done():
				t.Stop()
				return c.now()
			}
		}
	}
}
