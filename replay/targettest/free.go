package targettest

import (
	"context"
	"sync/atomic"
	"time"

	"recap/replay"
)

// A FreeEnv is a [replay.Env] for benchmarks: everything leaves at once, and nothing is
// kept but how much was noted as sent and as failed. Who embeds it keeps more.
type FreeEnv struct {
	Began    time.Time // of the run; the clock of the zero time stands still
	Accepted atomic.Int64
	Refused  atomic.Int64 // or left out
}

// Wait implements [replay.Env]; it returns at once.
func (e *FreeEnv) Wait(ctx context.Context, _ time.Duration, _ replay.Amount) (now time.Duration, err error) {
	if !e.Began.IsZero() {
		now = time.Since(e.Began)
	}
	return now, ctx.Err()
}

// Start implements [replay.Env].
func (e *FreeEnv) Start() time.Time { return e.Began }

// Marker implements [replay.Env] with markers of run 1.
func (e *FreeEnv) Marker(dst []byte, ev *replay.Event, due time.Duration) []byte {
	return replay.Marker{Run: 1, Loop: ev.Loop, Seq: ev.Seq, Due: due}.Append(dst)
}

// Sent implements [replay.Env].
func (e *FreeEnv) Sent(uint64) { e.Accepted.Add(1) }

// Failed implements [replay.Env].
func (e *FreeEnv) Failed(uint64, string, error) { e.Refused.Add(1) }

// LeftOut implements [replay.Env].
func (e *FreeEnv) LeftOut(uint64, string) { e.Refused.Add(1) }

// Count implements [replay.Env].
func (e *FreeEnv) Count(string, int64) {}

// Run is that of the markers.
func (e *FreeEnv) Run() uint32 { return 1 }

// Allow implements [replay.Env].
func (e *FreeEnv) Allow(string) error { return nil }
