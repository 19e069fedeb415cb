package exchange

import "sync/atomic"

// A Batch is a run of finished pairs and connections in output order. It is
// handed on with one reference; whoever keeps it longer calls Retain, and
// everybody calls Release once. After the last Release its pairs' memory is used
// again. Flows are not reused.
type Batch struct {
	Pairs []*Pair
	Flows []*Flow
	// Messages of streaming exchanges; like Flows they are not reused.
	Messages []*StreamMessage

	refs    atomic.Int32
	recycle func(*Batch)
}

// NewBatch returns an empty batch with one reference; recycle, if not nil, is
// called after the last Release.
func NewBatch(recycle func(*Batch)) *Batch {
	b := &Batch{recycle: recycle}
	b.refs.Store(1)
	return b
}

// Reuse makes b an empty batch with one reference again.
func (b *Batch) Reuse() {
	b.Pairs, b.Flows, b.Messages = b.Pairs[:0], b.Flows[:0], b.Messages[:0]
	b.refs.Store(1)
}

// Retain adds a reference.
func (b *Batch) Retain() { b.refs.Add(1) }

// Release drops a reference.
func (b *Batch) Release() {
	switch n := b.refs.Add(-1); {
	case n < 0:
		panic("exchange: batch released too often")
	case n == 0 && b.recycle != nil:
		b.recycle(b)
	}
}
