package export

import (
	"sync"
	"sync/atomic"

	"recap/pipeline/exchange"
)

// groupQueue is how many batches may wait for one sink. It is small: a batch
// that waits holds the pipeline's memory.
const groupQueue = 4

// A Group hands every batch to several sinks, each in a goroutine of its own.
// The first error stops all of them.
type Group struct {
	members []*member
	wg      sync.WaitGroup
	failed  atomic.Pointer[SinkError]
	stop    chan struct{}
	once    sync.Once
}

type member struct {
	name  string
	sink  Sink
	queue chan *exchange.Batch
}

// NewGroup returns a group without sinks.
func NewGroup() *Group { return &Group{stop: make(chan struct{})} }

// Add puts a sink into the group, under the name that its errors will carry. It
// must not be called after the first Write.
func (g *Group) Add(name string, s Sink) {
	m := &member{name: name, sink: s, queue: make(chan *exchange.Batch, groupQueue)}
	g.members = append(g.members, m)
	g.wg.Go(func() { g.run(m) })
}

func (g *Group) run(m *member) {
	for b := range m.queue {
		// After a failure the queues are emptied, so that every batch is released.
		if g.failed.Load() == nil {
			if err := m.sink.Write(b); err != nil {
				g.fail(m, err)
			}
		}
		b.Release()
	}
	if err := m.sink.Close(); err != nil {
		g.fail(m, err)
	}
}

func (g *Group) fail(m *member, err error) {
	g.failed.CompareAndSwap(nil, &SinkError{Sink: m.name, Err: err})
	g.once.Do(func() { close(g.stop) })
}

// Write queues b for every sink and waits while a queue is full. It keeps
// references of its own: the caller releases b as always. After a sink has
// failed it returns that sink's [SinkError].
func (g *Group) Write(b *exchange.Batch) error {
	for _, m := range g.members {
		if g.failed.Load() != nil {
			break
		}
		b.Retain()
		select {
		case m.queue <- b:
		case <-g.stop:
			b.Release()
		}
	}
	return g.Err()
}

// Err returns the [SinkError] that stopped the group, or nil.
func (g *Group) Err() error {
	if e := g.failed.Load(); e != nil {
		return e
	}
	return nil
}

// Close lets every sink finish, waits for all and returns the first error.
func (g *Group) Close() error {
	for _, m := range g.members {
		close(m.queue)
	}
	g.wg.Wait()
	return g.Err()
}
