package pipeline

import (
	"sync"

	"recap/pipeline/app/coding"
	"recap/pipeline/exchange"
	"recap/pipeline/tcp"
)

// Reuse keeps what finished calls of [Run] leave for the next ones: memory, decoders,
// and the bodies that came before. In a batch of small captures, beginning anew with
// each of these costs more than reading it. What Run gives out does not depend on who
// used it before, as long as all calls have the same limits of bodies and decoding.
// Any goroutine may use it.
type Reuse struct {
	pairs, arenas *sync.Pool

	mu    sync.Mutex
	tools []*tools
	works []*work
}

// tools are what a worker keeps for the next capture.
type tools struct {
	memo    coding.Memo
	decoder coding.Decoder
	buffers coding.Buffers
	hist    tcp.History
}

const (
	maxTools        = 8 // each remembers up to 4 MiB of bodies
	maxWorks        = 8
	maxWorkSegments = 1 << 14 // of a work that is kept
)

// NewReuse returns a Reuse that keeps nothing yet.
func NewReuse() *Reuse {
	return &Reuse{
		pairs:  &sync.Pool{New: func() any { p := new(exchange.Pair); p.Reset(); return p }},
		arenas: newArenaPool(),
	}
}

// takeTools returns the tools that were used last, or new ones.
func (r *Reuse) takeTools() *tools {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := len(r.tools) - 1
	if n < 0 {
		return new(tools)
	}
	t := r.tools[n]
	r.tools = r.tools[:n]
	return t
}

// takeWork returns a work for so many workers, nil where none is kept.
func (r *Reuse) takeWork(workers int) *work {
	r.mu.Lock()
	defer r.mu.Unlock()
	for n := len(r.works) - 1; n >= 0; n-- {
		w := r.works[n]
		r.works = r.works[:n]
		if len(w.lists) == workers {
			return w
		}
	}
	return nil
}

// take keeps what a call of Run leaves, all of whose goroutines have ended.
func (r *Reuse) take(free <-chan *work, workers []*worker) {
	for len(free) > 0 {
		w := <-free
		w.forget()
		r.mu.Lock()
		if len(r.works) < maxWorks && cap(w.segs) <= maxWorkSegments {
			r.works = append(r.works, w)
		}
		r.mu.Unlock()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, w := range workers {
		w.hist.Reset()
		w.tools.hist = w.hist
		if len(r.tools) < maxTools {
			r.tools = append(r.tools, w.tools)
		}
	}
}
