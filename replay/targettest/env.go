// Package targettest holds what the tests of targets share: an Env with a clock of
// its own that records everything, pairs to send, and the conformance suite that
// every target must pass.
package targettest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"recap/replay"
)

// An Env is a [replay.Env] whose clock stands still but for what is waited for: each
// Wait sets it to the time of the unit. The zero value allows every address.
type Env struct {
	// Refuse lists hosts that Allow refuses.
	Refuse []string
	// MarkerOff makes Marker append nothing.
	MarkerOff bool

	mu     sync.Mutex
	now    time.Duration
	waits  []Unit
	sent   map[uint64]int
	failed map[uint64][]Failure
	left   map[uint64][]string
	order  []uint64
	counts map[string]int64
	asked  []string
}

// A Unit is one call of Wait.
type Unit struct {
	At     time.Duration
	Amount replay.Amount
}

// A Failure is one call of Failed.
type Failure struct {
	Hop string
	Err error
}

// Start is always the same moment.
func (e *Env) Start() time.Time { return time.Unix(1_700_000_000, 0) }

// Wait implements [replay.Env]; it returns at once.
func (e *Env) Wait(ctx context.Context, at time.Duration, unit replay.Amount) (time.Duration, error) {
	if err := context.Cause(ctx); err != nil {
		return 0, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.now = max(e.now, at)
	e.waits = append(e.waits, Unit{at, unit})
	return e.now, nil
}

// Marker implements [replay.Env] with markers of run 1.
func (e *Env) Marker(dst []byte, ev *replay.Event, intended time.Duration) []byte {
	if e.MarkerOff {
		return dst
	}
	return replay.Marker{Run: 1, Loop: ev.Loop, Seq: ev.Seq, Due: intended}.Append(dst)
}

// Sent implements [replay.Env].
func (e *Env) Sent(seq uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.sent == nil {
		e.sent = make(map[uint64]int)
	}
	e.sent[seq]++
	e.order = append(e.order, seq)
}

// Failed implements [replay.Env].
func (e *Env) Failed(seq uint64, hop string, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.failed == nil {
		e.failed = make(map[uint64][]Failure)
	}
	e.failed[seq] = append(e.failed[seq], Failure{hop, err})
}

// LeftOut implements [replay.Env].
func (e *Env) LeftOut(seq uint64, reason string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.left == nil {
		e.left = make(map[uint64][]string)
	}
	e.left[seq] = append(e.left[seq], reason)
}

// Run is that of the markers.
func (e *Env) Run() uint32 { return 1 }

// Left returns the reasons noted for what was left out, by number.
func (e *Env) Left() map[uint64][]string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return maps.Clone(e.left)
}

// Count implements [replay.Env].
func (e *Env) Count(name string, n int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.counts == nil {
		e.counts = make(map[string]int64)
	}
	e.counts[name] += n
}

// Allow implements [replay.Env].
func (e *Env) Allow(host string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.asked = append(e.asked, host)
	if slices.Contains(e.Refuse, host) {
		return fmt.Errorf("%s may not be sent to", host)
	}
	return nil
}

// Waits returns the units waited for, in order.
func (e *Env) Waits() []Unit {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.waits)
}

// SentOrder returns the numbers noted as sent, in the order of the calls.
func (e *Env) SentOrder() []uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.order)
}

// Failures returns what was noted as failed, by number.
func (e *Env) Failures() map[uint64][]Failure {
	e.mu.Lock()
	defer e.mu.Unlock()
	return maps.Clone(e.failed)
}

// Counted returns a counter.
func (e *Env) Counted(name string) int64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.counts[name]
}

// Asked returns the hosts that Allow was asked about.
func (e *Env) Asked() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.asked)
}

// Balance returns an error unless each of n events, from 0, was noted as sent, as
// failed or as left out, once.
func (e *Env) Balance(n int) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	for seq := range uint64(n) {
		if got := e.sent[seq] + len(e.failed[seq]) + len(e.left[seq]); got != 1 {
			return fmt.Errorf("event %d was noted %d times as sent, as failed %v, as left out %v", seq, e.sent[seq], e.failed[seq], e.left[seq])
		}
	}
	if got := len(e.sent) + len(e.failed) + len(e.left); got != n {
		return fmt.Errorf("%d events were noted, want %d", got, n)
	}
	return nil
}
