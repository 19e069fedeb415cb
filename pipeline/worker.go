package pipeline

import (
	"math"
	"sync"

	"recap/pipeline/app"
	"recap/pipeline/decap"
	"recap/pipeline/exchange"
	"recap/pipeline/tcp"
	"recap/reader/packet"
)

const (
	// second of the capture clock, nanoseconds.
	second = int64(1e9)
	// holdTime is how long a hole whose bytes were acknowledged stays open: within
	// this time a second tap or a reordering mirror may still bring them.
	holdTime = 2 * second
	// lingerTime is how long a closed connection is remembered, so that late
	// copies of its packets are not taken for a new one.
	lingerTime = 10 * second
)

// worker owns the connections of some partitions. No other goroutine touches them.
type worker struct {
	index  int
	parts  [partitions]*partition // nil for those of others
	dec    *decap.Decoder         // for its tables only
	tools  *tools
	pairs  *sync.Pool
	arenas *sync.Pool
	hist   tcp.History
	held   []heldBatch // memory that hist points into
	env    app.Env
	res    *result
	names  *names
	mirror int64      // see work.mirror
	now    packet.Pos // of the packet being worked on
	opt    *resolved
	sought candidate // memory for one

	health    streamHealth
	ledger    tally
	anomalies [256]int64
	states    [4]int64
	protocols map[string]int64
	stacks    []int64 // TCP packets by tunnel stack
	npairs    int64
	nflows    int64
}

type heldBatch struct {
	b   *packet.Batch
	cum int64
}

// tally is a worker's part of the ledger.
type tally struct {
	http, other, tls, duplicate                  int64 // packets
	payload                                      int64
	bHTTP, bOther, bTLS, bDup, bConflict, bUnpar int64
	bTLSOver                                     int64
	quicHTTP, quicOther, quic, bQUIC             int64 // packets; bytes
	beforeStart, outOfWindow, afterClose, late   int64
}

func newWorker(index, of int, opt *resolved, dec *decap.Decoder, reuse *Reuse) *worker {
	w := &worker{index: index, dec: dec, tools: reuse.takeTools(), pairs: reuse.pairs, arenas: reuse.arenas,
		opt: opt, protocols: make(map[string]int64)}
	w.hist = w.tools.hist
	w.hist.Horizon = opt.history
	w.env = app.Env{
		Limits:   opt.limits,
		Counting: opt.counting,
		NewPair:  func() *exchange.Pair { return w.pairs.Get().(*exchange.Pair) },
		Emit:     w.emit,
		Message: func(m *exchange.StreamMessage) {
			m.Completed = w.now.Number
			m.Anomalies.Each(func(a exchange.Anomaly) { w.anomalies[a]++ })
			w.res.msgs = append(w.res.msgs, m)
		},
		Copy:     func(b []byte) []byte { return w.res.arena.copy(b) },
		Decoder:  &w.tools.decoder,
		Upgrade:  upgrade,
		Memo:     &w.tools.memo,
		Buffers:  &w.tools.buffers,
		FileName: func(i int32) string { return w.names.file(i) },
	}
	for i := index; i < partitions; i += of {
		w.parts[i] = newPartition(w, opt)
	}
	return w
}

func (w *worker) run(in <-chan *work) {
	for job := range in {
		w.do(job)
		job.done.Done()
	}
	for _, h := range w.held {
		h.b.Release()
	}
}

func (w *worker) do(job *work) {
	w.res = &job.results[w.index]
	if w.res.arena == nil {
		w.res.arena = &arena{pool: w.arenas}
	}
	w.names, w.mirror = job.names, job.mirror
	list := job.lists[w.index]
	mark := w.hist.Mark()
	views := job.views
	for _, l := range list {
		if len(views) > 0 {
			views = w.know(views, l.at)
		}
		w.hist.At(l.cum)
		w.parts[l.part].segment(&job.segs[l.at], l.slot)
	}
	w.know(views, math.MaxUint32)
	if job.sparse {
		w.hist.Own(mark) // rather than keep much memory for little
	} else if job.batch != nil && len(list) > 0 {
		job.batch.Retain()
		w.held = append(w.held, heldBatch{job.batch, job.cum})
	}
	w.hist.At(job.cum)
	w.hist.Trim()
	w.letGo(job.cum)
	if job.end {
		for _, p := range w.parts {
			if p != nil {
				p.end(job.number+1, job.clock)
			}
		}
	}
	w.res = nil
}

// letGo releases the memory behind the history's horizon.
func (w *worker) letGo(cum int64) {
	n := 0
	for n < len(w.held) && w.held[n].cum < cum-w.hist.Horizon {
		w.held[n].b.Release()
		n++
	}
	if n > 0 {
		rest := copy(w.held, w.held[n:])
		clear(w.held[rest:])
		w.held = w.held[:rest]
	}
}

// emit takes a finished pair from a parser.
func (w *worker) emit(_ *exchange.Conn, p *exchange.Pair) {
	w.count(p.State, &p.Anomalies)
	if w.opt.counting {
		w.recycle(p)
		return
	}
	p.Completed = w.now.Number
	w.res.pairs = append(w.res.pairs, p)
}

// count counts a finished pair.
func (w *worker) count(s exchange.State, a *exchange.Anomalies) {
	w.states[s]++
	w.npairs++
	w.res.npairs++
	a.Each(func(a exchange.Anomaly) { w.anomalies[a]++ })
}

// stack counts a TCP packet by its tunnels.
func (w *worker) stack(i uint32) {
	if int(i) >= len(w.stacks) {
		w.stacks = append(w.stacks, make([]int64, int(i)+1-len(w.stacks)+64)...)
	}
	w.stacks[i]++
}

// recycle makes p's memory free for another pair.
func (w *worker) recycle(p *exchange.Pair) {
	p.Reset()
	w.pairs.Put(p)
}
