package replay

import (
	"context"
	"slices"
	"sync/atomic"
	"time"
)

// A clock waits for absolute moments of the monotonic clock: it sleeps until some time
// before, naps until shortly before, and spins the rest. A long sleep ends late where the
// processor went to sleep as well, more so on a virtual machine, whose host gives it away;
// after a nap it is still awake. How much too long each of the two lasts is measured at
// the start and every time: on an idle host next to nothing is burnt, and on a busy one
// sleeping is no more relied on than it deserves. One goroutine at a time waits.
type clock struct {
	base time.Time
	// shift is how long after base the run started, ns.
	shift atomic.Int64
	// lead is how long before the deadline sleeping ends and naps begin.
	lead time.Duration
	// spin is how long before the deadline naps end.
	spin time.Duration
	// over is about the 90th percentile of how much too long naps last, and long about the
	// 99th of how much longer sleeps do.
	over, long time.Duration
	// overshoot is how much too long naps lasted here at the start, the 95th percentile.
	overshoot time.Duration
}

const (
	minSpin = 10 * time.Microsecond
	// More than this is the work of others, which spinning only makes worse: who has used
	// up the share of the processor waits longer for it.
	maxSpin = 200 * time.Microsecond
	// nap is the longest sleep between lead and spin.
	nap = 50 * time.Microsecond
	// A lead within these costs a few naps, each some microseconds of the processor.
	minLead = 100 * time.Microsecond
	maxLead = time.Millisecond
	// wakeEvery bounds sleeps that cannot be interrupted.
	wakeEvery = 5 * time.Millisecond
	// probes are the naps that are measured.
	probes = 40
)

// newClock measures sleep, which takes some milliseconds, and starts.
func newClock() *clock {
	over := make([]time.Duration, probes)
	for i := range over {
		from := time.Now()
		sleep(nap)
		over[i] = max(time.Since(from)-nap, 0)
	}
	slices.Sort(over)
	c := &clock{overshoot: over[probes*95/100], over: over[probes*9/10], long: maxLead / 2}
	c.learn(c.over)
	c.learnLong(c.long)
	c.base = time.Now()
	return c
}

// learn takes in how much too long a nap lasted. Nine steps down and one up are as
// long, so that it settles where nine naps of ten are shorter.
func (c *clock) learn(over time.Duration) {
	if over > c.over {
		c.over += min(over-c.over, maxSpin) * 9 / 64
	} else {
		c.over -= (c.over - over) / 64
	}
	c.spin = min(max(c.over+minSpin, minSpin), maxSpin)
}

// learnLong takes in how much too long a sleep lasted; 99 steps down and one up are as
// long. A sleep that is too long by more than maxLead is not what naps can make up for.
func (c *clock) learnLong(over time.Duration) {
	if over > c.long {
		c.long += min(over-c.long, maxLead) * 99 / 512
	} else {
		c.long -= (c.long - over) / 512
	}
	c.long = min(c.long, maxLead)
	c.lead = c.spin + max(c.long, minLead)
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
		case left <= c.lead+nap:
			d := min(left-c.spin, nap)
			sleep(d)
			c.learn(c.now() - now - d)
			if ctx.Err() != nil {
				return c.now()
			}
		case left <= 2*wakeEvery:
			d := min(left-c.lead, wakeEvery)
			sleep(d)
			c.learnLong(c.now() - now - d)
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
