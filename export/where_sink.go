package export

import (
	"cmp"
	"slices"

	"recap/pipeline/exchange"
)

// Where returns a sink that hands the pairs that f chooses, their messages, and all
// flows to next. Messages that come before their pair wait for it; when those that
// wait exceed hold bytes, the messages of the pair at hand go on unchosen: more may
// be written than was asked for, never less.
func Where(f *Filter, next Sink, hold int64) Sink {
	return &where{filter: f, next: next, waiting: waiting{limit: hold}}
}

type where struct {
	filter  *Filter
	next    Sink
	pool    batchPool
	waiting waiting
}

// Write goes through b in the order of the capture, messages before the pairs that the
// same packet completed. What waits and what goes on does not depend on where batches
// begin.
func (w *where) Write(b *exchange.Batch) error {
	out := w.pool.get(b)
	defer out.Release()
	messages := b.Messages
	give := func(m *exchange.StreamMessage) { out.Messages = append(out.Messages, m) }
	for _, p := range b.Pairs {
		for len(messages) > 0 && messages[0].Completed <= p.Completed {
			w.waiting.message(messages[0], give)
			messages = messages[1:]
		}
		ok, err := w.filter.Match(p)
		if err != nil {
			return err
		}
		if ok {
			out.Pairs = append(out.Pairs, p)
		}
		w.waiting.pair(p, ok, give)
	}
	for _, m := range messages {
		w.waiting.message(m, give)
	}
	out.Flows = append(out.Flows, b.Flows...)
	return w.next.Write(out)
}

// Close gives out the messages whose pair did not come: a reading that was broken off.
func (w *where) Close() error {
	err := w.rest()
	if e := w.next.Close(); err == nil {
		err = e
	}
	return err
}

func (w *where) rest() error {
	b := exchange.NewBatch(nil)
	defer b.Release()
	w.waiting.all(func(m *exchange.StreamMessage) { b.Messages = append(b.Messages, m) })
	if len(b.Messages) == 0 {
		return nil
	}
	return w.next.Write(b)
}

// waiting decides on messages by the fate of their pairs.
type waiting struct {
	limit int64 // bytes
	bytes int64 // of held
	held  map[exchange.ID][]*exchange.StreamMessage
	fates map[exchange.ID]bool // of pairs whose messages need not wait: whether those are written
	order []exchange.ID        // of fates, as a ring
	next  int                  // place in order that is taken next
}

// maxFates bounds the pairs whose fate is remembered for messages still to come.
const maxFates = 1 << 16

// message takes a message, and gives it out now, later or never.
func (w *waiting) message(m *exchange.StreamMessage, give func(*exchange.StreamMessage)) {
	if written, known := w.fates[m.PairID]; known {
		if written {
			give(m)
		}
		return
	}
	n := costOf(m)
	if w.bytes+n > w.limit {
		w.release(m.PairID, give)
		give(m)
		w.remember(m.PairID, true)
		return
	}
	if w.held == nil {
		w.held = make(map[exchange.ID][]*exchange.StreamMessage)
	}
	w.held[m.PairID] = append(w.held[m.PairID], m)
	w.bytes += n
}

// pair decides on the messages of p.
func (w *waiting) pair(p *exchange.Pair, chosen bool, give func(*exchange.StreamMessage)) {
	if !chosen {
		give = func(*exchange.StreamMessage) {}
	}
	w.release(p.ID, give)
	if p.Kind == "websocket" { // the pair is the handshake: messages follow
		w.remember(p.ID, chosen)
	} else if _, known := w.fates[p.ID]; known {
		w.fates[p.ID] = chosen
	}
}

// release gives out what waits for a pair.
func (w *waiting) release(id exchange.ID, give func(*exchange.StreamMessage)) {
	for _, m := range w.held[id] {
		w.bytes -= costOf(m)
		give(m)
	}
	delete(w.held, id)
}

// remember notes the fate of the messages of a pair that are still to come; the oldest is forgotten.
func (w *waiting) remember(id exchange.ID, written bool) {
	_, known := w.fates[id]
	switch {
	case known:
	case w.fates == nil:
		w.fates = make(map[exchange.ID]bool)
		fallthrough
	case len(w.order) < maxFates:
		w.order = append(w.order, id)
	default:
		delete(w.fates, w.order[w.next])
		w.order[w.next] = id
		w.next = (w.next + 1) % maxFates
	}
	w.fates[id] = written
}

// all gives out what still waits, in the order of the capture.
func (w *waiting) all(give func(*exchange.StreamMessage)) {
	var rest []*exchange.StreamMessage
	for _, list := range w.held {
		rest = append(rest, list...)
	}
	slices.SortFunc(rest, func(a, b *exchange.StreamMessage) int {
		return cmp.Or(cmp.Compare(a.Completed, b.Completed), slices.Compare(a.PairID[:], b.PairID[:]), cmp.Compare(a.Ordinal, b.Ordinal))
	})
	w.held, w.bytes = nil, 0
	for _, m := range rest {
		give(m)
	}
}

// costOf is about what a message takes that waits, bytes.
func costOf(m *exchange.StreamMessage) int64 { return 300 + int64(len(m.Payload)) }
