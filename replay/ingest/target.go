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
	url       string
	shape     shape
	o         Options
	client    *http.Client
	env       replay.Env
	preflight record.Preflight
	maker     record.Maker
	marker    []byte
	item      []byte
	lanes     []*lane
	work      context.Context // of requests; ended only where Close may wait no longer
	giveUp    context.CancelCauseFunc
	workers   sync.WaitGroup
}

func newTarget(to string, s shape, o Options, client *http.Client, env replay.Env) *target {
	t := &target{url: to, shape: s, o: o, client: client, env: env,
		preflight: record.Preflight{Form: s.form, LongStrings: s.longStrings, Send: o.Refused},
		maker:     record.Maker{Account: o.Account, VNI: o.VNI}}
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
	for i := range events {
		if err := t.send(ctx, &events[i]); err != nil {
			return err
		}
	}
	return nil
}

func (t *target) send(ctx context.Context, e *replay.Event) error {
	if !t.preflight.Pass(e, t.env) {
		return nil
	}
	size := record.HTTPBytes(e.Pair)
	intended, err := t.env.Wait(ctx, e.At, replay.Amount{Pairs: 1, Bytes: size})
	if err != nil {
		return err
	}
	t.marker = t.env.Marker(t.marker[:0], e, intended)
	t.item = t.maker.Append(t.item[:0], t.shape.form, e.Pair, t.marker, t.env.Start().Add(intended))
	if len(t.shape.prefix)+len(t.item)+len(t.shape.suffix) > t.shape.limit {
		t.env.Count(record.CountRefused+record.ReasonLongRecord, 1)
		t.env.LeftOut(e.Seq, record.ReasonLongRecord)
		return nil
	}
	t.env.Count(replay.CountHTTP, int64(size))
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
