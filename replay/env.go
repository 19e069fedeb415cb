package replay

import (
	"context"
	"errors"
	"maps"
	"net"
	"net/netip"
	"time"
)

// What targets and collectors may ask of a run: the methods of [Env].

// Wait implements [Env].
func (r *runner) Wait(ctx context.Context, at time.Duration, unit Amount) (time.Duration, error) {
	if r.stopped.Load() {
		return 0, context.Cause(r.ctx)
	}
	held := time.Duration(0)
	if r.o.Rate.max {
		held = r.brake.wait(r.ctx)
	}
	due := max(r.pacer.Due(at, r.sent), r.last)
	now := r.clock.now()
	if due > now {
		if now = r.clock.wait(r.ctx, due); now < due {
			return 0, context.Cause(r.ctx)
		}
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	r.state.Lock()
	defer r.state.Unlock()
	if r.left {
		return 0, errStuck
	}
	late := false
	r.held += held
	if r.o.Rate.max {
		due = now
	} else {
		late = r.timing.record(now, now-due, r.o.LateSend)
	}
	r.last, r.lastDue, r.lastUnit = due, due, now
	r.before = r.sent
	r.sent.Pairs += unit.Pairs
	r.sent.Packets += unit.Packets
	r.sent.Bytes += unit.Bytes
	second := int(now / time.Second)
	for len(r.units) <= second {
		r.units = append(r.units, unitTick{})
	}
	r.units[second].packets += unit.Packets
	r.units[second].bytes += unit.Bytes
	r.publish(now-due, late)
	if r.o.For > 0 && due >= r.o.For {
		r.enough.Store(true)
	}
	return due, nil
}

// publish tells [Live] of a unit that has left, so far behind its deadline.
func (r *runner) publish(behind time.Duration, late bool) {
	r.pub.packets.Store(r.sent.Packets)
	r.pub.bytes.Store(r.sent.Bytes)
	r.pub.behind.Store(int64(behind))
	r.pub.units.Add(1)
	if late {
		r.pub.late.Add(1)
	}
}

// Start implements [Env].
func (r *runner) Start() time.Time { return r.clock.start() }

// Marker implements [Env].
func (r *runner) Marker(dst []byte, e *Event, intended time.Duration) []byte {
	if r.o.NoMarker {
		return dst
	}
	return Marker{Run: r.id, Worker: r.o.Worker, Loop: e.Loop, Seq: e.Seq, Due: intended}.Append(dst)
}

// Sent implements [Env].
func (r *runner) Sent(seq uint64) { r.ledger.markSent(seq, r.clock.now()) }

// Failed implements [Env]. What an end of the run has stopped has not failed: it is
// unsent.
func (r *runner) Failed(seq uint64, hop string, err error) {
	// The context and not r.stopped, which follows it a moment later.
	if r.ctx.Err() != nil && (errors.Is(err, errTimeUp) || errors.Is(err, context.Canceled) || errors.Is(err, context.Cause(r.ctx))) {
		return
	}
	r.ledger.markFailed(seq, hop, err, r.clock.now())
}

// LeftOut implements [Env].
func (r *runner) LeftOut(seq uint64, reason string) { r.ledger.markLeft(seq, reason) }

// Joined notes that the response of an event goes out to the request of another, whose
// marker that request has; see [recap/replay/wire.Joiner].
func (r *runner) Joined(response, request uint64) { r.ledger.join(response, request) }

// Run implements [Env].
func (r *runner) Run() uint32 { return r.id }

// Count implements [Env].
func (r *runner) Count(name string, n int64) {
	r.countMu.Lock()
	defer r.countMu.Unlock()
	r.counters[name] += n
}

// Allow implements [Env].
func (r *runner) Allow(host string) error { return r.o.Guard.Allow(host) }

// Dial connects as the guard allows; see [DialContext].
func (r *runner) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	return r.o.Guard.Dial(ctx, network, address)
}

// Lookup resolves as the guard does; see [Resolve].
func (r *runner) Lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	return r.o.Guard.Lookup(ctx, host)
}

func (r *runner) counts() map[string]int64 {
	r.countMu.Lock()
	defer r.countMu.Unlock()
	return maps.Clone(r.counters)
}
