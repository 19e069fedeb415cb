package iface

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// A lane is the frames of some conversations, in order. One sender at a time has it.
type lane struct {
	open    *chunk   // being filled, by the port
	waiting []*chunk // to be sent
	busy    bool     // a sender has it
	queued  bool     // it stands in ready
}

// A crew is the threads that send beside the port's own, and what they share.
type crew struct {
	mu     sync.Mutex
	ready  []*lane
	spare  []*chunk
	ctx    context.Context // of the burst
	idle   atomic.Int32    // threads that sleep
	more   atomic.Int32    // len(ready), for those who look without the lock
	left   atomic.Int32    // lanes ready or busy
	closed atomic.Bool
	wake   chan struct{}
	last   chan struct{} // told when left becomes 0
	hired  sync.WaitGroup
}

// patience is how long a thread without work looks for some before it sleeps: being woken
// takes about as long. A burst at full speed takes longer.
const patience = 50 * time.Microsecond

func newCrew() *crew {
	return &crew{wake: make(chan struct{}, maxLanes), last: make(chan struct{}, 1), ctx: context.Background()}
}

// hire starts a thread that sends by s.
func (c *crew) hire(s *sender) {
	c.hired.Go(func() {
		s.lock()
		defer s.unlock()
		for c.await() {
			for c.sendOne(s) {
			}
		}
	})
}

// await returns when there may be something to send, false when there never will be.
func (c *crew) await() bool {
	for from := time.Now(); ; {
		if c.closed.Load() {
			return false
		}
		if c.more.Load() > 0 {
			return true
		}
		if time.Since(from) < patience {
			continue
		}
		c.idle.Add(1)
		if c.more.Load() == 0 && !c.closed.Load() {
			<-c.wake
		}
		c.idle.Add(-1)
		from = time.Now()
	}
}

// offer takes the open chunk of l, which gets another, and wakes a thread for it.
func (c *crew) offer(l *lane) {
	c.mu.Lock()
	c.put(l)
	c.mu.Unlock()
	c.rouse()
}

// put makes the open chunk of l one to be sent. The caller holds mu.
func (c *crew) put(l *lane) {
	l.waiting = append(l.waiting, l.open)
	if n := len(c.spare); n > 0 {
		l.open, c.spare = c.spare[n-1], c.spare[:n-1]
	} else {
		l.open = new(chunk)
	}
	c.queue(l)
}

func (c *crew) queue(l *lane) {
	if !l.queued && !l.busy {
		l.queued = true
		c.ready = append(c.ready, l)
		c.left.Add(1)
		c.more.Add(1)
	}
}

// rouse wakes a thread if one sleeps.
func (c *crew) rouse() {
	if c.idle.Load() > 0 {
		select {
		case c.wake <- struct{}{}:
		default:
		}
	}
}

// take returns a lane with frames to be sent, nil where there is none.
func (c *crew) take(s *sender) *lane {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.ready) == 0 {
		return nil
	}
	l := c.ready[0]
	c.ready = append(c.ready[:0], c.ready[1:]...)
	c.more.Add(-1)
	l.queued, l.busy, s.ctx = false, true, c.ctx
	s.chunks = append(s.chunks[:0], l.waiting[0])
	l.waiting = append(l.waiting[:0], l.waiting[1:]...)
	return l
}

// give ends what take began.
func (c *crew) give(l *lane, s *sender) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range s.chunks {
		k.reset()
		c.spare = append(c.spare, k)
	}
	l.busy = false
	if len(l.waiting) > 0 {
		c.queue(l)
	}
	if c.left.Add(-1) == 0 {
		select {
		case c.last <- struct{}{}:
		default:
		}
	}
}

// sendOne sends what a lane has, and reports whether there was one.
func (c *crew) sendOne(s *sender) bool {
	l := c.take(s)
	if l == nil {
		return false
	}
	s.send(s.ctx)
	c.give(l, s)
	return true
}

// finish sends what is in the lanes, by the sender of the caller and, if wake is set, by
// the others. It returns when all is done, and reports whether it had to wait for long:
// then other work has the processors.
func (c *crew) finish(ctx context.Context, lanes []lane, s *sender, wake bool) (waited bool) {
	c.mu.Lock()
	c.ctx = ctx
	for i := range lanes {
		if len(lanes[i].open.frames) > 0 {
			c.put(&lanes[i])
		}
	}
	c.mu.Unlock()
	if wake {
		c.rouse()
	}
	for from := time.Now(); c.left.Load() > 0; {
		switch {
		case c.sendOne(s):
			from = time.Now()
		case time.Since(from) > patience: // one was interrupted in the midst of the last frames
			<-c.last
			waited = true
		}
	}
	return waited
}

// dismiss ends the threads.
func (c *crew) dismiss() {
	c.closed.Store(true)
	close(c.wake)
	c.hired.Wait()
}
