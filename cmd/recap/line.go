package main

import (
	"context"
	"errors"
	"runtime"
	"runtime/metrics"
	"time"
)

// A line has several captures worked on side by side, within one memory budget.
//
// Each capture may use all of the budget, as if it were alone, so that what comes of
// it does not depend on its neighbours. Hardly any does. Where all of them together
// come to more, the half of them begun last is given up, and begun anew when there is
// room; at worst, one runs at a time.
type line struct {
	jobs  int
	mem   int64        // budget, bytes
	live  func() int64 // bytes in use
	every time.Duration

	queue   []int
	running []*running // in order of beginning
	most    int        // jobs that fit
	ended   chan ending
	err     error
}

type running struct {
	i      int
	giveUp func()
}

type ending struct {
	r   *running
	err error
}

// memoryEvery is how often the memory is looked at.
const memoryEvery = 50 * time.Millisecond

func newLine(jobs int, mem int64) *line {
	return &line{jobs: jobs, mem: mem, live: liveHeap, every: memoryEvery, most: jobs, ended: make(chan ending)}
}

// run calls do for each of queue, and again where its context's cause was errGivenUp
// and it said so. The first other error gives all up and is returned. When ctx ends,
// no more are begun.
func (l *line) run(ctx context.Context, queue []int, do func(context.Context, int) error) error {
	all, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	l.queue = queue
	tick := time.NewTicker(l.every)
	defer tick.Stop()
	for {
		for all.Err() == nil && len(l.queue) > 0 && l.room() {
			l.start(all, do)
		}
		if len(l.running) == 0 {
			return l.err
		}
		select {
		case e := <-l.ended:
			l.end(e)
			if l.err != nil {
				giveUp(errGivenUp)
			}
		case <-tick.C:
			if n := len(l.running); n > 1 && l.live() > l.mem {
				for _, r := range l.running[(n+1)/2:] {
					r.giveUp()
				}
			}
		}
	}
}

// room reports whether one more capture may begin.
func (l *line) room() bool {
	n := len(l.running)
	return n == 0 || n < l.most && l.live() < l.mem/2
}

func (l *line) start(ctx context.Context, do func(context.Context, int) error) {
	ctx, cancel := context.WithCancelCause(ctx)
	r := &running{i: l.queue[0], giveUp: func() { cancel(errGivenUp) }}
	l.queue = l.queue[1:]
	l.running = append(l.running, r)
	go func() {
		err := do(ctx, r.i)
		cancel(nil)
		l.ended <- ending{r, err}
	}()
}

func (l *line) end(e ending) {
	for i, r := range l.running {
		if r == e.r {
			l.running = append(l.running[:i:i], l.running[i+1:]...)
			break
		}
	}
	switch {
	case errors.Is(e.err, errGivenUp):
		l.queue = append([]int{e.r.i}, l.queue...)
		l.most = max(1, len(l.running))
		runtime.GC() // what it held shows as free only after this
	case e.err != nil && l.err == nil:
		l.err = e.err
	case e.err == nil:
		l.most = min(l.most+1, l.jobs)
	}
}

// liveHeap is what the last collection found in use, bytes.
func liveHeap() int64 {
	s := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(s)
	return int64(s[0].Value.Uint64())
}
