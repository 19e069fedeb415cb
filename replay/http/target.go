// Package http sends recorded requests again to an HTTP server, and compares its
// responses with the recorded ones.
//
// One recorded connection becomes one connection, with its requests in their order:
// each leaves when its time has come and the response before it is there. Different
// connections do not wait for each other, up to bounds; what a bound or a slow
// response holds back is late and counted as late, never left out.
//
// Everything goes to one address: that of the URL, looked up once and asked about
// once. Redirects are not followed, proxies not used, and what requests or
// responses name is data.
package http

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"recap/pipeline/exchange"
	"recap/replay"
)

// A Target is an HTTP server that recorded requests are sent to.
type Target struct {
	o      Options
	url    *url.URL
	prefix string // path of the URL, without a slash at its end
	env    replay.Env
	dialer *dialer
	remove map[string]bool
	ignore ignored
	stats  *stats

	// ctx ends when nothing may be sent any more, stop ends it; live ends when
	// connections are given up too.
	ctx  context.Context
	stop context.CancelFunc
	live context.Context
	kill context.CancelFunc
	// unwatch ends the watch over the run's context.
	unwatch func() bool

	conns   map[connKey]*conn // by the dispatcher alone
	unnamed []*conn           // connections for pairs of which none is known
	serial  uint64
	workers sync.WaitGroup

	mu      sync.Mutex
	changed *sync.Cond // pending, or a connection became idle
	pending int
	bytes   int64
	waiting atomic.Bool // the dispatcher waits for an idle connection
}

// A connKey names a recorded connection in one loop.
type connKey struct {
	loop   uint32
	id     exchange.ID
	serial uint64 // of a connection for pairs without one
}

// Open returns the target that u names: http://host:port/prefix, or https. Parameters of the
// URL are options, as [Options] tells. It looks the host up, but does not connect.
func Open(ctx context.Context, u *url.URL, o Options, env replay.Env) (replay.Target, error) {
	if u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("scheme %q: want http or https", u.Scheme)
	}
	if u.User != nil {
		return nil, errors.New("a user name in the target's URL is not used: give --set-header 'Authorization: …'")
	}
	o, err := o.filled(u)
	if err != nil {
		return nil, err
	}
	t := &Target{url: u, prefix: strings.TrimSuffix(u.EscapedPath(), "/"), o: o, env: env, conns: map[connKey]*conn{}}
	if t.dialer, err = newDialer(ctx, u, &t.o, env); err != nil {
		return nil, err
	}
	if t.ignore, err = newIgnored(&t.o); err != nil {
		return nil, err
	}
	t.remove = t.o.removals()
	t.stats = newStats(t)
	t.changed = sync.NewCond(&t.mu)
	t.ctx, t.stop = context.WithCancel(context.Background())
	t.live, t.kill = context.WithCancel(context.Background())
	return t, nil
}

// A job is one event on its way to its connection.
type job struct {
	replay.Event
	intended time.Duration
	released time.Time // when its time had come
	size     int64     // counted in Target.bytes
}

// Send hands each event to its connection when its time has come.
func (t *Target) Send(ctx context.Context, events []replay.Event) error {
	if t.unwatch == nil {
		// Also between calls: what waits in queues must not leave after ctx has ended.
		t.unwatch = context.AfterFunc(ctx, t.interrupt)
	}
	for i := range events {
		if err := t.send(ctx, events[i]); err != nil {
			return err
		}
	}
	return nil
}

// interrupt lets nothing more leave, and wakes who waits for room.
func (t *Target) interrupt() {
	t.stop()
	t.mu.Lock()
	t.changed.Broadcast()
	t.mu.Unlock()
}

func (t *Target) send(ctx context.Context, e replay.Event) error {
	if err := t.o.refusal(e.Pair); err != nil {
		t.env.LeftOut(e.Seq, t.stats.leaveOut(err))
		return nil
	}
	j := job{Event: e, size: int64(len(e.Pair.Request.Body))}
	c, err := t.room(ctx, &j)
	if err != nil {
		return err
	}
	unit := replay.Amount{Pairs: 1, Bytes: sizeOf(&e.Pair.Request)}
	if j.intended, err = t.env.Wait(ctx, e.At, unit); err != nil {
		t.done(&j)
		return err
	}
	j.released = time.Now()
	c.push(j)
	return nil
}

// room waits until j may be kept, and returns its connection. It waits ahead of the
// clock, so that the time lost here shows as lateness.
func (t *Target) room(ctx context.Context, j *job) (*conn, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for {
		if err := ctx.Err(); err != nil {
			return nil, context.Cause(ctx)
		}
		if t.pending < t.o.MaxPending && (t.bytes+j.size <= t.o.MaxPendingBytes || t.pending == 0) {
			if c := t.connection(&j.Event); c != nil {
				t.pending++
				t.bytes += j.size
				return c, nil
			}
			t.stats.held("connections")
		} else {
			t.stats.held("pending")
		}
		t.changed.Wait()
	}
}

// done gives back what j took.
func (t *Target) done(j *job) {
	t.mu.Lock()
	t.pending--
	t.bytes -= j.size
	// Waking the dispatcher for each would cost more than it gives: it sleeps until
	// there is room for a good number.
	if t.pending <= t.o.MaxPending*3/4 {
		t.changed.Signal()
	}
	t.mu.Unlock()
}

// connection returns the connection for e, or nil where none may be made now. t.mu is held.
func (t *Target) connection(e *replay.Event) *conn {
	key := connKey{loop: e.Loop}
	if c := e.Pair.Conn; c != nil && c.ID != (exchange.ID{}) {
		key.id = c.ID
	} else {
		for _, c := range t.unnamed {
			if c.idle() {
				return c
			}
		}
		t.serial++
		key.serial = t.serial
	}
	if c := t.conns[key]; c != nil {
		return c
	}
	if len(t.conns) >= t.o.MaxConns {
		// Told first: a connection that becomes idle while we look will say so.
		t.waiting.Store(true)
		if !t.evict() {
			return nil
		}
		t.waiting.Store(false)
	}
	c := newConn(t, key, e.Pair)
	t.conns[key] = c
	if key.serial != 0 {
		t.unnamed = append(t.unnamed, c)
	}
	t.stats.mostOpen(len(t.conns))
	return c
}

// evict closes the connection that has been idle for longest. One that is used
// again is made again. t.mu is held.
func (t *Target) evict() bool {
	var oldest *conn
	var since time.Duration
	for _, c := range t.conns {
		if s, ok := c.idleSince(); ok && (oldest == nil || s < since) {
			oldest, since = c, s
		}
	}
	if oldest == nil {
		return false
	}
	delete(t.conns, oldest.key)
	for i, c := range t.unnamed {
		if c == oldest {
			t.unnamed = append(t.unnamed[:i], t.unnamed[i+1:]...)
			break
		}
	}
	t.stats.evicted()
	oldest.finish()
	return true
}

// graceAfterStop is how long responses may still come after the run was interrupted.
const graceAfterStop = 2 * time.Second

// Close waits for the responses to all that was sent. After ctx or the run has ended
// nothing more is sent, and what is under way has two seconds.
func (t *Target) Close(ctx context.Context) error {
	stopWatch := context.AfterFunc(ctx, t.interrupt)
	defer stopWatch()
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		t.mu.Lock()
		defer t.mu.Unlock()
		for t.pending > 0 {
			t.changed.Wait()
		}
	}()
	select {
	case <-finished:
	case <-t.ctx.Done():
		select {
		case <-finished:
		case <-time.After(graceAfterStop):
			t.kill()
			<-finished
		}
	}
	if t.unwatch != nil {
		t.unwatch()
	}
	for _, c := range t.conns {
		c.finish()
	}
	t.conns = nil
	t.workers.Wait()
	t.kill()
	t.stop()
	t.stats.counters(t.env)
	return nil
}

// Report returns [Findings].
func (t *Target) Report() any { return t.stats.findings() }
