package decap

import (
	"math"

	"recap/reader/packet"
)

// maxStep is the largest step of time that the capture clock believes, in
// nanoseconds: one hour.
const maxStep = 3600 * 1_000_000_000

// A clock makes one time of a capture out of the times of its packets. It starts
// at 0, never runs backwards, and depends on the sequence of packets only. A step
// back and a jump of more than an hour advance nothing; time goes on from there.
type clock struct {
	now, prev int64
	started   bool
}

// advance moves the clock to a packet of time ts and returns the clock.
func (c *clock) advance(ts int64) int64 {
	if ts == packet.NoTime {
		return c.now
	}
	// The difference of two int64 fits uint64 where ts is the larger one.
	if step := uint64(ts) - uint64(c.prev); c.started && ts > c.prev && step <= maxStep {
		if c.now += int64(step); c.now < 0 {
			c.now = math.MaxInt64 // 292 years of steps
		}
	}
	c.prev, c.started = ts, true
	return c.now
}
