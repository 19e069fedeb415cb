package kafka

import (
	"context"
	"errors"
	"fmt"

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
}

func newTarget(client *kgo.Client, s settings, env replay.Env) *target {
	t := &target{client: client, set: s, env: env, room: newRoom(s.InFlight)}
	t.clerk = record.Clerk{Env: env, Preflight: record.Preflight{Form: s.Format, Send: s.Refused},
		Maker: record.Maker{Account: s.Account, VNI: s.VNI, Recap: s.Recap}}
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
	// Waiting here, not in the client: a record that is in the client's hands may be on
	// its way, and would have to be given up with its fate unknown.
	d, err := t.room.take(ctx, int64(len(value)))
	if err != nil {
		return err
	}
	if d.done == nil {
		d.target, d.done = t, d.acknowledged
	}
	d.seq = e.Seq
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
	t.room.give(d, err == nil) // the client may still look at what it could not deliver
}

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
