package ingest

import (
	"context"
	"sync"
	"time"
)

// A lane gathers pairs to batches and has one request under way at a time.
type lane struct {
	t       *target
	batches chan *batch

	// mu guards what follows. It is held while a batch is handed over: who comes later
	// waits for the receiver, be it the sender or the timer.
	mu    sync.Mutex
	next  *batch
	timer *time.Timer
}

// A batch is the body of one request.
type batch struct {
	body []byte
	seqs []uint64
}

func newLane(t *target) *lane { return &lane{t: t, batches: make(chan *batch, 1)} }

// add puts a record into the next batch. It waits while the receiver is busy with the
// batches before; an error says that the record of seq was not taken.
func (l *lane) add(ctx context.Context, seq uint64, item []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := &l.t.shape
	if l.next != nil && len(l.next.body)+len(",")+len(item)+len(s.suffix) > s.limit {
		if err := l.flush(ctx); err != nil {
			return err
		}
	}
	if l.next == nil {
		l.next = &batch{body: append(make([]byte, 0, len(s.prefix)+len(item)*min(l.t.o.Batch, 8)), s.prefix...)}
		l.timer = time.AfterFunc(l.t.o.Linger, l.expire)
	} else {
		l.next.body = append(l.next.body, ',')
	}
	l.next.body = append(l.next.body, item...)
	l.next.seqs = append(l.next.seqs, seq)
	if len(l.next.seqs) >= l.t.o.Batch {
		// The record is in the batch; where ctx ends now, Close sends it.
		_ = l.flush(ctx)
	}
	return nil
}

// flush hands the next batch over.
func (l *lane) flush(ctx context.Context) error {
	b := l.next
	if b == nil {
		return nil
	}
	select {
	case l.batches <- b:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	l.timer.Stop()
	l.next = nil
	return nil
}

// expire sends a batch whose first pair has waited long enough.
func (l *lane) expire() {
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.flush(l.t.work)
}

// close sends what is kept and ends the lane. The worker goes on until all is done,
// however little time it has for each.
func (l *lane) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.flush(context.Background())
	close(l.batches)
}

func (l *lane) run() {
	for b := range l.batches {
		b.body = append(b.body, l.t.shape.suffix...)
		l.t.deliver(b)
	}
}
