package ingest

import (
	"context"
	"net/http"
	"sync"

	"recap/replay"
	"recap/replay/record"
)

// A target deals pairs to lanes by their connection.
type target struct {
	url     string
	shape   shape
	o       Options
	client  *http.Client
	env     replay.Env
	clerk   record.Clerk
	item    []byte
	lanes   []*lane
	work    context.Context // of requests; ended only where Close may wait no longer
	giveUp  context.CancelCauseFunc
	workers sync.WaitGroup
}

func newTarget(to string, s shape, o Options, client *http.Client, env replay.Env) *target {
	t := &target{url: to, shape: s, o: o, client: client, env: env,
		clerk: record.Clerk{Env: env, Preflight: record.Preflight{Form: s.form, LongStrings: s.longStrings, Send: o.Refused},
			Maker: record.Maker{Account: o.Account, VNI: o.VNI}}}
	t.work, t.giveUp = context.WithCancelCause(context.Background())
	for range o.Lanes {
		l := newLane(t)
		t.lanes = append(t.lanes, l)
		t.workers.Go(l.run)
	}
	return t
}

// Send implements [replay.Target].
func (t *target) Send(ctx context.Context, events []replay.Event) error {
	return record.Each(events, func(e *replay.Event) error { return t.send(ctx, e) })
}

func (t *target) send(ctx context.Context, e *replay.Event) error {
	item, ok, err := t.clerk.Record(ctx, t.item[:0], e)
	t.item = item
	if !ok {
		return err
	}
	if len(t.shape.prefix)+len(t.item)+len(t.shape.suffix) > t.shape.limit {
		t.env.Count(record.CountRefused+record.ReasonLongRecord, 1)
		t.env.LeftOut(e.Seq, record.ReasonLongRecord)
		return nil
	}
	t.env.Count(replay.CountHTTP, int64(record.HTTPBytes(e.Pair)))
	return t.laneOf(e).add(ctx, e.Seq, t.item)
}

// laneOf spreads connections over the lanes, always in the same way (FNV-1a). Each loop
// over the source makes new connections.
func (t *target) laneOf(e *replay.Event) *lane {
	h := (2166136261 ^ e.Loop) * 16777619
	if e.Pair.Conn != nil {
		for _, b := range e.Pair.Conn.ID {
			h = (h ^ uint32(b)) * 16777619
		}
	}
	return t.lanes[h%uint32(len(t.lanes))]
}

// Close implements [replay.Target]. When ctx ends, requests under way are broken off
// and their pairs noted as failed.
func (t *target) Close(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { t.giveUp(context.Cause(ctx)) })
	defer stop()
	for _, l := range t.lanes {
		l.close()
	}
	t.workers.Wait()
	t.client.CloseIdleConnections()
	err := context.Cause(t.work)
	t.giveUp(nil)
	return err
}
