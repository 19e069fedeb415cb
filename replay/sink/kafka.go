package sink

import (
	"context"
	"errors"
	"time"

	"recap/pipeline/exchange"
	"recap/replay/kafka"
	"recap/replay/record"
)

// Consume takes the records of a topic until ctx ends. form is that of the records, ""
// for a guess. Those that are no pairs are counted.
func (h *Hub) Consume(ctx context.Context, t *kafka.Tail, form string, out func([]*exchange.Pair)) error {
	if h.stream != nil {
		ctx, stop := context.WithCancel(ctx)
		ended := make(chan struct{})
		defer func() {
			stop()
			<-ended
		}()
		go func() {
			h.watch(ctx, t)
			close(ended)
		}()
	}
	for ctx.Err() == nil {
		var pairs []*exchange.Pair
		err := t.Poll(ctx, func(b []byte) {
			switch p, err := record.Decode(form, b); {
			case err == nil:
				pairs = append(pairs, p)
			case err != record.ErrNotARecord:
				h.undecodable()
			}
		})
		if pairs = h.Pass(pairs); len(pairs) > 0 {
			out(pairs)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// WatchEvery is short against the silence that a collector takes for the end.
const WatchEvery = 100 * time.Millisecond

// watch tells subscribers, until ctx ends, whenever the topic holds records that were
// not read yet, and when the broker is too slow to say whether it does.
func (h *Hub) watch(ctx context.Context, t *kafka.Tail) {
	tick := time.NewTicker(WatchEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		ask, stop := context.WithTimeout(ctx, WatchEvery)
		settled, err := t.Settled(ask)
		stop()
		if err == nil && !settled || errors.Is(err, context.DeadlineExceeded) {
			h.stream.tell(frameBehind)
		}
	}
}
