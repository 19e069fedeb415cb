package sink

import (
	"context"

	"recap/pipeline/exchange"
	"recap/replay/kafka"
	"recap/replay/record"
)

// Consume takes the records of a topic until ctx ends. form is that of the records, ""
// for a guess. Those that are no pairs are counted.
func (h *Hub) Consume(ctx context.Context, t *kafka.Tail, form string, out func([]*exchange.Pair)) error {
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
