package sink

import (
	"context"
	"time"
)

// Bounds of a backlog, as shares of the room there is for it.
const (
	holdAbove = 0.25 // senders should wait
	goBelow   = 0.05 // and no more
)

// How often a backlog is looked at: a socket's buffer can fill in a tenth of a second.
const (
	lookEvery   = 2 * time.Millisecond
	lookAtRest  = 10 * time.Millisecond
	restingLoop = 500 * time.Millisecond / lookEvery
)

// WatchBacklog tells subscribers, until ctx ends, that there is more to come while
// backlog, a share of the room for what waits, is not 0, and that senders should wait
// while it is large.
func (h *Hub) WatchBacklog(ctx context.Context, backlog func() float64) {
	w := backlogWatch{tell: h.tell}
	t := time.NewTimer(lookEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			w.look(0, time.Now())
			return
		case now := <-t.C:
			t.Reset(w.look(backlog(), now))
		}
	}
}

// tell gives subscribers a frame, and counts how often senders were asked to wait.
func (h *Hub) tell(kind byte, first bool) {
	if h.stream == nil {
		return
	}
	h.stream.tell(kind)
	if kind == frameHold && first {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.counts.Holds++
	}
}

// A backlogWatch decides what to tell. First says that it is news.
type backlogWatch struct {
	tell    func(kind byte, first bool)
	holding bool
	told    time.Time
	rest    int // looks since there was anything
}

// look takes in a backlog and returns when to look again.
func (w *backlogWatch) look(backlog float64, now time.Time) time.Duration {
	w.rest++
	if backlog > 0 {
		w.rest = 0
	}
	switch again := now.Sub(w.told) >= WatchEvery; {
	case !w.holding && backlog > holdAbove:
		w.holding = true
		w.say(frameHold, true, now)
	case w.holding && backlog < goBelow:
		w.holding = false
		w.say(frameGo, true, now)
	case w.holding && again:
		w.say(frameHold, false, now)
	case backlog > 0 && again:
		w.say(frameBehind, false, now)
	}
	if w.rest > int(restingLoop) {
		return lookAtRest
	}
	return lookEvery
}

func (w *backlogWatch) say(kind byte, first bool, now time.Time) {
	w.told = now
	w.tell(kind, first)
}
