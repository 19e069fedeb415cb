package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"recap/replay"
	"recap/replay/record"
)

// A target produces records. Send is called from one goroutine; acknowledgements
// come on others.
type target struct {
	client *kgo.Client
	set    settings
	env    replay.Env
	clerk  record.Clerk
	// scratch is where records are made: that wants more room than they take.
	scratch []byte
	room    *room
	free    sync.Pool // *delivery
}

func newTarget(client *kgo.Client, s settings, env replay.Env) *target {
	t := &target{client: client, set: s, env: env, room: newRoom(s.InFlight)}
	t.clerk = record.Clerk{Env: env, Preflight: record.Preflight{Form: s.Format, Send: s.Refused},
		Maker: record.Maker{Account: s.Account, VNI: s.VNI, Recap: s.Recap}}
	t.free.New = func() any {
		d := &delivery{target: t}
		d.done = d.acknowledged
		return d
	}
	return t
}

// A delivery is one record until it is acknowledged.
type delivery struct {
	target *target
	seq    uint64
	size   int64 // of room taken
	record kgo.Record
	value  []byte
	done   func(*kgo.Record, error) // acknowledged, bound once
}

// Send implements [replay.Target].
func (t *target) Send(ctx context.Context, events []replay.Event) error {
	producing := context.WithoutCancel(ctx)
	return record.Each(events, func(e *replay.Event) error { return t.send(ctx, producing, e) })
}

// send makes the record of e, unless ctx ends before there is room, and produces it.
func (t *target) send(ctx, producing context.Context, e *replay.Event) error {
	value, ok, err := t.clerk.Record(ctx, t.scratch[:0], e)
	t.scratch = value
	if !ok {
		return err
	}
	d := t.free.Get().(*delivery)
	d.seq, d.size = e.Seq, int64(len(value))
	// Waiting here, not in the client: a record that is in the client's hands may be on
	// its way, and would have to be given up with its fate unknown.
	if err := t.room.take(ctx, d.size); err != nil {
		t.free.Put(d)
		return err
	}
	t.env.Count(replay.CountHTTP, int64(record.HTTPBytes(e.Pair)))
	d.value = append(d.value[:0], value...) // what is in flight takes no more room than it says
	d.record = kgo.Record{Value: d.value}
	t.client.Produce(producing, &d.record, d.done)
	return nil
}

func (d *delivery) acknowledged(_ *kgo.Record, err error) {
	t := d.target
	if err == nil {
		t.env.Sent(d.seq)
	} else {
		t.env.Failed(d.seq, replay.HopAccepted, cause(err))
	}
	t.room.give(d.size)
	if err == nil && cap(d.value) <= maxKept {
		t.free.Put(d)
	}
}

// maxKept bounds the buffers that are kept for later records, bytes.
const maxKept = 256 << 10

// cause is err without what differs from record to record, so that equal causes
// count together.
func cause(err error) error {
	var k *kerr.Error
	if errors.As(err, &k) {
		return fmt.Errorf("kafka: %s", k.Message)
	}
	return fmt.Errorf("kafka: %w", err)
}

// Close implements [replay.Target]. Records that are not acknowledged when ctx ends
// are noted as failed: whether they arrived is not known.
func (t *target) Close(ctx context.Context) error {
	err := t.client.Flush(ctx)
	t.client.Close() // the promises of all that is left are kept before it returns
	t.room.wait()
	if err != nil {
		return fmt.Errorf("kafka: records were still unacknowledged: %w", err)
	}
	return nil
}

// A room bounds the bytes in flight.
type room struct {
	limit int64
	mu    sync.Mutex
	used  int64
	freed chan struct{} // holds one token once something was given back
}

func newRoom(limit int64) *room { return &room{limit: limit, freed: make(chan struct{}, 1)} }

// take waits until n more bytes fit. What is larger than the whole room fits when
// the room is empty.
func (r *room) take(ctx context.Context, n int64) error {
	for {
		r.mu.Lock()
		if r.used == 0 || r.used+n <= r.limit {
			r.used += n
			r.mu.Unlock()
			return nil
		}
		r.mu.Unlock()
		select {
		case <-r.freed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// give takes n bytes back. Who waits is woken when a quarter is free, not for each record:
// being woken costs as much as a record.
func (r *room) give(n int64) {
	r.mu.Lock()
	r.used -= n
	low := r.used <= r.limit-r.limit/4
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
