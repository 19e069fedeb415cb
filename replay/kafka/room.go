package kafka

import (
	"context"
	"sync"
)

// A room bounds the buffers in flight, bytes, and keeps those of deliveries that are
// done for the next ones: no more than may be in flight.
type room struct {
	limit int64
	mu    sync.Mutex
	used  int64
	idle  []*delivery
	kept  int64         // bytes of the buffers of idle
	freed chan struct{} // holds one token once something was given back
}

func newRoom(limit int64) *room { return &room{limit: limit, freed: make(chan struct{}, 1)} }

// take waits until n more bytes fit, and returns a delivery for them, which may have been
// used before. What is larger than the whole room fits when the room is empty.
func (r *room) take(ctx context.Context, n int64) (*delivery, error) {
	for {
		r.mu.Lock()
		size := n
		if last := len(r.idle) - 1; last >= 0 {
			size = max(n, int64(cap(r.idle[last].value)))
		}
		if r.used == 0 || r.used+size <= r.limit {
			r.used += size
			d := r.pop()
			r.mu.Unlock()
			d.size = size
			return d, nil
		}
		r.mu.Unlock()
		select {
		case <-r.freed:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

func (r *room) pop() *delivery {
	last := len(r.idle) - 1
	if last < 0 {
		return new(delivery)
	}
	d := r.idle[last]
	r.idle[last] = nil
	r.idle = r.idle[:last]
	r.kept -= int64(cap(d.value))
	return d
}

// give takes the bytes of d back, and d itself where it may be used again. Who waits is
// woken when a quarter is free, not for each record: being woken costs as much as a record.
func (r *room) give(d *delivery, again bool) {
	r.mu.Lock()
	r.used -= d.size
	low := r.used <= r.limit-r.limit/4
	if c := int64(cap(d.value)); again && r.kept+c <= r.limit {
		r.idle = append(r.idle, d)
		r.kept += c
	}
	r.mu.Unlock()
	if !low {
		return
	}
	select {
	case r.freed <- struct{}{}:
	default:
	}
}

// wait returns when all of the room is free.
func (r *room) wait() {
	for {
		r.mu.Lock()
		used := r.used
		r.mu.Unlock()
		if used == 0 {
			return
		}
		<-r.freed
	}
}
