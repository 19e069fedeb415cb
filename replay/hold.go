package replay

import (
	"context"
	"sync"
	"time"
)

// A Holder is the Env of a run that a collector can ask to wait: what it watches has more
// than it can take. Only a run at the rate max waits, which asks for no more than that
// everything goes out soon; any other rate is kept, and what is lost is lost.
type Holder interface {
	// Hold asks to wait, or no more to wait. What asked must ask again within
	// [HoldFor] for as long as it means it.
	Hold(on bool)
}

// HoldFor is how long a run waits for what asked it to and then fell silent.
const HoldFor = time.Second

// Hold asks the run of env to wait, or no more to wait, if it can be asked.
func Hold(env Env, on bool) {
	if h, ok := env.(Holder); ok {
		h.Hold(on)
	}
}

// A brake is where a run waits. The zero brake lets everything through.
type brake struct {
	mu    sync.Mutex
	until time.Time     // nobody waits longer; zero where nobody is to wait
	freed chan struct{} // closed when until has changed; nil where nobody waits
}

// Hold implements [Holder].
func (r *runner) Hold(on bool) {
	b := &r.brake
	b.mu.Lock()
	defer b.mu.Unlock()
	b.until = time.Time{}
	if on {
		b.until = time.Now().Add(HoldFor)
	}
	if b.freed != nil {
		close(b.freed)
		b.freed = nil
	}
}

// state is until when to wait, and what is closed when that changes.
func (b *brake) state() (until time.Time, changed <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.until.IsZero() {
		return b.until, nil
	}
	if b.freed == nil {
		b.freed = make(chan struct{})
	}
	return b.until, b.freed
}

// wait returns when nobody asks to wait any more, or ctx has ended, and tells how long
// that took.
func (b *brake) wait(ctx context.Context) time.Duration {
	until, changed := b.state()
	if until.IsZero() {
		return 0
	}
	from := time.Now()
	for !until.IsZero() && ctx.Err() == nil && time.Now().Before(until) {
		t := time.NewTimer(time.Until(until))
		select {
		case <-changed:
		case <-t.C:
		case <-ctx.Done():
		}
		t.Stop()
		until, changed = b.state()
	}
	return time.Since(from)
}
