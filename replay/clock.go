package replay

import (
	"context"
	"slices"
	"sync/atomic"
	"time"
)

// A clock waits for absolute moments of the monotonic clock. It sleeps until shortly
// before and spins the rest. How much that must be is measured at its start and with every
// sleep: on an idle host next to nothing is burnt, and on a busy one sleeping is no more
// relied on than it deserves. One goroutine at a time waits.
type clock struct {
	base time.Time
	// shift is how long after base the run started, ns.
	shift atomic.Int64
	// spin is how long before the deadline sleeping ends.
	spin time.Duration
	// over is about the 90th percentile of how much too long sleeps last.
	over time.Duration
	// overshoot is how much too long short sleeps lasted here, the 95th percentile.
	overshoot time.Duration
}

const (
	minSpin = 10 * time.Microsecond
	// More than this is the work of others, which spinning only makes worse: who has used
	// up the share of the processor waits longer for it.
	maxSpin = 200 * time.Microsecond
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
	c := &clock{overshoot: over[probes*95/100], over: over[probes*9/10]}
	c.learn(c.over)
	c.base = time.Now()
	return c
}

// learn takes in how much too long a sleep lasted. Nine steps down and one up are as
// long, so that it settles where nine sleeps of ten are shorter.
func (c *clock) learn(over time.Duration) {
	if over > c.over {
		c.over += min(over-c.over, maxSpin) * 9 / 64
	} else {
		c.over -= (c.over - over) / 64
	}
	c.spin = min(max(c.over+minSpin, minSpin), maxSpin)
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
			d := min(left-c.spin, wakeEvery)
			sleep(d)
			c.learn(c.now() - now - d)
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
