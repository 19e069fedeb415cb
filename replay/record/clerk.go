package record

import (
	"context"

	"recap/replay"
)

// A Clerk makes the records of events, for targets that send one for each. One goroutine
// uses it.
type Clerk struct {
	Env       replay.Env
	Preflight Preflight
	Maker     Maker

	marker []byte
}

// Record waits until e is due and appends its record, in the form of the pre-flight, to
// dst. ok is false where the pre-flight has left it out. An error ends the run.
func (c *Clerk) Record(ctx context.Context, dst []byte, e *replay.Event) (b []byte, ok bool, err error) {
	if !c.Preflight.Pass(e, c.Env) {
		return dst, false, nil
	}
	intended, err := c.Env.Wait(ctx, e.At, replay.Amount{Pairs: 1, Bytes: HTTPBytes(e.Pair)})
	if err != nil {
		return dst, false, err
	}
	c.marker = c.Env.Marker(c.marker[:0], e, intended)
	return c.Maker.Append(dst, c.Preflight.Form, e.Pair, c.marker, c.Env.Start().Add(intended)), true, nil
}

// Each calls send with each of the events, until one of them ends the run.
func Each(events []replay.Event, send func(*replay.Event) error) error {
	for i := range events {
		if err := send(&events[i]); err != nil {
			return err
		}
	}
	return nil
}
