package pipeline

import (
	"sync"

	"recap/reader/packet"
)

// gate bounds the memory of batches on their way, bytes: a hostile file can make
// single batches large.
type gate struct {
	mu    sync.Mutex
	free  sync.Cond
	limit int64
	taken int64
}

func newGate(limit int64) *gate {
	g := &gate{limit: limit}
	g.free.L = &g.mu
	return g
}

// take waits until n bytes fit. One batch always fits.
func (g *gate) take(n int64) {
	g.mu.Lock()
	for g.taken > 0 && g.taken+n > g.limit {
		g.free.Wait()
	}
	g.taken += n
	g.mu.Unlock()
}

func (g *gate) give(n int64) {
	g.mu.Lock()
	g.taken -= n
	g.mu.Unlock()
	g.free.Signal()
}

// memoryOf returns the bytes that keeping b keeps.
func memoryOf(b *packet.Batch) int64 {
	n := int64(cap(b.Slab) + cap(b.Decoded))
	for _, p := range b.Parts {
		n += memoryOf(p)
	}
	return n
}
