package replay

import (
	"sync/atomic"
	"time"
)

// Live shows a run while it lasts. Its methods may be called from any goroutine; the
// zero Live shows nothing yet.
type Live struct {
	run   atomic.Pointer[runner]
	trial atomic.Pointer[string]
}

func (l *Live) attach(r *runner) {
	if l != nil {
		l.run.Store(r)
	}
}

func (l *Live) trying(rate string) {
	if l != nil {
		l.trial.Store(&rate)
	}
}

// Snapshot returns the state of the run at this moment.
func (l *Live) Snapshot() Snapshot {
	r := l.run.Load()
	if r == nil {
		return Snapshot{Phase: phaseStarting}
	}
	s := Snapshot{
		Phase: *r.phase.Load(), Behind: time.Duration(r.pub.behind.Load()), Loop: r.loop.Load(), Late: r.pub.late.Load(),
		Sent:       Amount{Packets: r.pub.packets.Load(), Bytes: r.pub.bytes.Load()},
		Collecting: r.o.Collect != nil,
	}
	if s.Phase != phaseStarting {
		s.Elapsed = r.clock.now()
	}
	if t := l.trial.Load(); t != nil {
		s.Trial = *t
	}
	b := r.ledger
	b.mu.Lock()
	defer b.mu.Unlock()
	s.Scheduled, s.Sent.Pairs, s.Failed = b.scheduled, b.sent.n, b.failed.n
	s.Observations, s.Seen, s.Duplicated, s.Mispaired, s.Truncated = b.observations, b.seen.n, b.duplicates, b.mispairs, b.truncated.n
	return s
}
