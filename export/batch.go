package export

import (
	"sync"

	"recap/pipeline/exchange"
)

// batchPool makes batches that stand for another one: they hold a reference to it
// until they are released themselves. The zero batchPool works.
type batchPool struct {
	mu   sync.Mutex
	free []*derived
}

type derived struct {
	batch  *exchange.Batch
	parent *exchange.Batch
	memory memory
}

// get returns an empty batch that keeps b alive.
func (p *batchPool) get(b *exchange.Batch) *exchange.Batch { return p.derive(b).batch }

func (p *batchPool) derive(b *exchange.Batch) *derived {
	p.mu.Lock()
	var d *derived
	if n := len(p.free); n > 0 {
		d, p.free = p.free[n-1], p.free[:n-1]
	}
	p.mu.Unlock()
	if d == nil {
		d = &derived{}
		d.batch = exchange.NewBatch(func(*exchange.Batch) { p.put(d) })
	} else {
		d.batch.Reuse()
	}
	b.Retain()
	d.parent = b
	return d
}

func (p *batchPool) put(d *derived) {
	d.parent.Release()
	d.parent = nil
	clear(d.batch.Pairs)
	clear(d.batch.Flows)
	clear(d.batch.Messages)
	d.memory.reset()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free = append(p.free, d)
}
