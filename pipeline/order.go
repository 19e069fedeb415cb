package pipeline

import (
	"cmp"
	"slices"
	"sync"

	"recap/pipeline/exchange"
)

// order brings what the workers made of each work back into one order, the same
// for any number of workers, and gives it out.
type order struct {
	free  chan *work
	gate  *gate
	out   func(*exchange.Batch) error
	prog  *Progress
	pairs *sync.Pool
	err   error

	horizon int64 // see Options.Prompt; bytes of capture
	prompt  bool
	resting resting
	late    []late
	learnt  int64 // how many pairs turned out to be contradicted

	health flowHealth
}

func (o *order) run(in <-chan *work, fail func()) {
	for w := range in {
		w.done.Wait()
		if w.batch != nil {
			w.batch.Release()
			w.batch = nil
			o.gate.give(w.memory)
		}
		o.count(w)
		b := o.collect(w)
		if b != nil {
			o.health.flows(b.Flows)
		}
		o.resting.add(w, b)
		for _, l := range o.late {
			if o.resting.learn(l) && l.vantages == nil {
				o.learnt++
			}
		}
		for b := o.resting.ripe(w, o.horizon, o.prompt); b != nil; b = o.resting.ripe(w, o.horizon, o.prompt) {
			o.give(b, fail)
		}
		select {
		case o.free <- w:
		default:
		}
	}
}

// give hands b on.
func (o *order) give(b *exchange.Batch, fail func()) {
	if o.err != nil {
		b.Release()
		return
	}
	if err := o.out(b); err != nil {
		o.err = err
		fail()
	}
}

// count tells the progress of the pairs in w.
func (o *order) count(w *work) {
	for i := range w.results {
		if o.prog != nil {
			o.prog.Pairs.Add(w.results[i].npairs)
		}
		w.results[i].npairs = 0
	}
}

// collect merges the results of w; nil when there are none.
func (o *order) collect(w *work) *exchange.Batch {
	n, m := 0, 0
	o.late = o.late[:0]
	for i := range w.results {
		o.late = append(o.late, w.results[i].late...)
		n += len(w.results[i].pairs)
		m += len(w.results[i].flows) + len(w.results[i].msgs)
	}
	if n+m == 0 {
		for i := range w.results {
			w.results[i].arena.release()
			w.results[i] = result{}
		}
		return nil
	}
	arenas := make([]*arena, 0, len(w.results))
	pool := o.pairs
	b := exchange.NewBatch(func(b *exchange.Batch) {
		for i, p := range b.Pairs {
			p.Reset()
			pool.Put(p)
			b.Pairs[i] = nil
		}
		for _, a := range arenas {
			a.release()
		}
	})
	b.Pairs = make([]*exchange.Pair, 0, n)
	for i := range w.results {
		r := &w.results[i]
		b.Pairs = append(b.Pairs, r.pairs...)
		b.Flows = append(b.Flows, r.flows...)
		b.Messages = append(b.Messages, r.msgs...)
		arenas = append(arenas, r.arena)
		clear(r.pairs)
		*r = result{pairs: r.pairs[:0]}
	}
	slices.SortFunc(b.Pairs, comparePairs)
	slices.SortFunc(b.Flows, compareFlows)
	slices.SortFunc(b.Messages, compareMessages)
	return b
}

func comparePairs(a, b *exchange.Pair) int {
	if c := cmp.Compare(a.Completed, b.Completed); c != 0 {
		return c
	}
	// Pairs that were given out together, because the capture ended or because they
	// had waited for copies, come in the order in which they were said.
	if c := cmp.Compare(a.LastPacket, b.LastPacket); c != 0 {
		return c
	}
	if a.Conn != b.Conn {
		if c := slices.Compare(a.Conn.ID[:], b.Conn.ID[:]); c != 0 {
			return c
		}
	}
	return cmp.Compare(a.Ordinal, b.Ordinal)
}

func compareFlows(a, b *exchange.Flow) int {
	if c := cmp.Compare(a.Completed, b.Completed); c != 0 {
		return c
	}
	return slices.Compare(a.Conn.ID[:], b.Conn.ID[:])
}

func compareMessages(a, b *exchange.StreamMessage) int {
	if c := cmp.Compare(a.Completed, b.Completed); c != 0 {
		return c
	}
	if c := slices.Compare(a.PairID[:], b.PairID[:]); c != 0 {
		return c
	}
	return cmp.Compare(a.Ordinal, b.Ordinal)
}
