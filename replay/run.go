package replay

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"recap/pipeline/exchange"
	"recap/reader/packet"
)

// Options say what a run does. Source or Packets, and Open, are needed; everything else
// may stay zero.
type Options struct {
	Source  Source
	Packets PacketSource // instead of Source: the packets as they were captured
	// Open makes the target. It may send nothing yet.
	Open func(ctx context.Context, env Env) (Target, error)
	// Collect makes the collector; nil for none.
	Collect func(ctx context.Context, env Env) (Collector, error)

	Rate  Rate
	Loops uint64        // passes over the source; 0: one, or with For as many as fit
	For   time.Duration // end of scheduling; 0: none
	Limit uint64        // pairs; 0: all

	Window Window
	// Incomplete sends pairs whose bodies are not whole or that have no response, too.
	Incomplete bool
	// RequestOnly says that the target has no use for responses.
	RequestOnly bool

	// RunID is the number in the markers; 0 chooses one.
	RunID    uint32
	NoMarker bool
	Worker   uint8
	// LateSend is how far behind its deadline a unit counts as late; 0: 1 ms. LateSeen
	// is the same for pairs that come out of the ingestor; 0: 10 s.
	LateSend time.Duration
	LateSeen time.Duration
	// Quiet is how long nothing must have come out of the ingestor to believe that
	// nothing more will; 0: 2 s.
	Quiet time.Duration
	// Grace is how long a target may take to return after an interrupt or the end of For,
	// and as long again to close; then it is left behind. 0: 5 s.
	Grace time.Duration

	Guard *Guard // nil: the zero Guard, which allows nothing
	// Address is where the target is and Interface what packets leave by, for the
	// kernel's counters; zero where unknown or unneeded.
	// UDP is the port of a target that receives by UDP, for the drops of its socket.
	Address   netip.Addr
	UDP       uint16
	Interface string
	Limits    []Limit // of the verdict
	Live      *Live   // shows the run while it lasts; may be nil

	// Names, for the report.
	Sources   []string
	To        string
	CollectAt string
}

// Defaults of [Options].
const (
	DefaultLateSend = time.Millisecond
	DefaultLateSeen = 10 * time.Second
	DefaultQuiet    = 2 * time.Second
	DefaultGrace    = 5 * time.Second
)

// Ends of a run; see [Result.Ended].
const (
	EndedSource      = "source"
	EndedFor         = "for"
	EndedLimit       = "limit"
	EndedInterrupted = "interrupted"
	EndedError       = "error"
)

// errTimeUp stops what is still being sent some time after Options.For.
var errTimeUp = errors.New("the time of the run is up")

// errStuck says that the run went on without its target.
var errStuck = errors.New("the target or the source did not stop in time and was left behind; whether what it held has left is not known")

// Run sends the events of a source to a target and returns what became of them. The
// result is there and true also beside an error, and after ctx has ended.
func Run(ctx context.Context, o Options) (*Result, error) {
	r := newRunner(ctx, o)
	defer r.cancel(nil)
	o.Live.attach(r)
	err := r.run()
	r.phase.Store(&phaseDone)
	return r.result(err), err
}

// A runner is one run; it is the Env of its target.
type runner struct {
	o       Options
	user    context.Context // ends with an interrupt
	ctx     context.Context // ends with the sending
	cancel  context.CancelCauseFunc
	id      uint32
	clock   *clock
	began   time.Time
	ledger  *ledger
	plan    *schedule
	path    *path
	target  Target
	phase   atomic.Pointer[string]
	enough  atomic.Bool // For is over: no further events
	stopped atomic.Bool // ctx has ended
	ended   string
	loop    atomic.Uint64
	took    time.Duration

	// What Wait keeps: one goroutine at a time calls it. Writing takes the lock, so that a
	// report can be made while a target that hangs still has the run.
	state    sync.Mutex
	left     bool          // the target was left behind: nothing counts any more
	stat     ScheduleStat  // of the schedule, as far as the sender has come
	starved  time.Duration // that what was due waited for the source
	held     time.Duration // that a collector asked to wait
	pacer    Pacer
	sent     Amount
	before   Amount // sent without the last unit
	last     time.Duration
	lastDue  time.Duration
	lastUnit time.Duration // when it left
	timing   steps
	units    []unitTick // by second

	brake brake // has a lock of its own

	// Copies for Snapshot.
	pub struct {
		packets, bytes, units, late atomic.Uint64
		behind                      atomic.Int64
	}

	countMu  sync.Mutex
	counters map[string]int64
}

type unitTick struct{ packets, bytes uint64 }

var (
	phaseStarting   = "starting"
	phaseSending    = "sending"
	phaseClosing    = "closing"
	phaseCollecting = "collecting"
	phaseDone       = "done"
)

func newRunner(ctx context.Context, o Options) *runner {
	if o.LateSend <= 0 {
		o.LateSend = DefaultLateSend
	}
	if o.LateSeen <= 0 {
		o.LateSeen = DefaultLateSeen
	}
	if o.Quiet <= 0 {
		o.Quiet = DefaultQuiet
	}
	if o.Grace <= 0 {
		o.Grace = DefaultGrace
	}
	if o.RunID == 0 {
		o.RunID = newRunID()
	}
	if o.Guard == nil {
		o.Guard = new(Guard)
	}
	r := &runner{o: o, user: ctx, id: o.RunID, pacer: o.Rate.Pacer(), counters: map[string]int64{}}
	r.ctx, r.cancel = context.WithCancelCause(ctx)
	context.AfterFunc(r.ctx, func() { r.stopped.Store(true) })
	r.phase.Store(&phaseStarting)
	r.ledger = &ledger{run: r.id, lateAfter: o.LateSeen, counting: o.NoMarker || o.Packets != nil, packets: o.Packets != nil}
	r.ledger.pairs.skip = o.Collect == nil
	r.plan = &schedule{
		source: o.Source, window: o.Window, loops: o.Loops, limit: o.Limit, incomplete: o.Incomplete, requestOnly: o.RequestOnly,
		emitted: func(p *exchange.Pair) {
			r.ledger.mu.Lock()
			defer r.ledger.mu.Unlock()
			r.ledger.pairs.add(p)
		},
		begun: func(seq uint64) {
			r.ledger.mu.Lock()
			defer r.ledger.mu.Unlock()
			r.ledger.pairs.passes.begin(seq)
		},
	}
	if o.Loops == 0 && o.For == 0 {
		r.plan.loops = 1
	}
	r.clock = newClock()
	r.began = time.Now()
	return r
}

func newRunID() uint32 {
	var b [4]byte
	_, _ = rand.Read(b[:]) // it never fails
	return max(binary.BigEndian.Uint32(b[:]), 1)
}

// run does everything but the report.
func (r *runner) run() (err error) {
	defer func() {
		r.took = r.clock.now()
		if r.user.Err() != nil {
			r.ended = EndedInterrupted
		}
	}()
	// The target first: it may make what the collector is to read. It sends nothing yet.
	if r.target, err = r.o.Open(r.user, r); err != nil {
		r.ended = EndedError
		return err
	}
	collected, err := r.collect()
	if err != nil {
		r.ended = EndedError
		return errors.Join(err, r.close())
	}
	if p, ok := r.target.(Preparer); ok {
		r.plan.prepare = p.Prepare
	}
	r.path = newPath(r.o.Address, r.o.UDP, r.o.Interface)
	r.phase.Store(&phaseSending)
	r.ended, err = r.work()
	r.phase.Store(&phaseCollecting)
	if cerr := collected(); cerr != nil {
		err = errors.Join(err, cerr)
		r.ended = EndedError
	}
	return err
}

// work sends everything and closes the target, for as long as that may take after the
// run was stopped.
func (r *runner) work() (ended string, err error) {
	type end struct {
		ended string
		err   error
	}
	done := make(chan end, 1)
	go func() {
		ended, err := r.send()
		r.phase.Store(&phaseClosing)
		if cerr := r.close(); cerr != nil && r.ctx.Err() == nil {
			ended, err = EndedError, errors.Join(err, cerr)
		}
		done <- end{ended, err}
	}()
	select {
	case e := <-done:
		return e.ended, e.err
	case <-r.ctx.Done():
	}
	t := time.NewTimer(2*r.o.Grace + time.Second)
	defer t.Stop()
	select {
	case e := <-done:
		return e.ended, e.err
	case <-t.C:
	}
	r.state.Lock()
	defer r.state.Unlock()
	r.left = true
	return EndedError, errStuck
}

// collect starts the collector and returns the function that ends it.
func (r *runner) collect() (end func() error, err error) {
	if r.o.Collect == nil {
		return func() error { return nil }, nil
	}
	c, err := r.o.Collect(r.user, r)
	if err != nil {
		return nil, fmt.Errorf("collector: %w", err)
	}
	if err := c.Ready(r.user); err != nil {
		return nil, fmt.Errorf("collector: %w", err)
	}
	// An interrupt must not cut off what is on its way: the drain does that.
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.user))
	done := make(chan error, 1)
	go func() {
		done <- c.Collect(ctx, func(o *Observation) { r.ledger.observe(o, r.clock.now()) })
	}()
	return func() error {
		defer cancel()
		quiet := r.o.Quiet
		interrupted := r.user.Done()
		hard := make(chan struct{}) // it does not stop either
		stopIn := func(d time.Duration) {
			time.AfterFunc(d, cancel)
			time.AfterFunc(d+time.Second, func() { close(hard) })
		}
		if r.user.Err() != nil {
			quiet = min(quiet, time.Second)
			stopIn(r.o.Grace)
			interrupted = nil
		}
		c.Drain(quiet)
		var err error
		select {
		case err = <-done:
		case <-interrupted:
			stopIn(time.Second)
			select {
			case err = <-done:
			case <-hard:
				err = errCollectorStuck
			}
		case <-hard:
			err = errCollectorStuck
		}
		if err != nil && !errors.Is(err, context.Canceled) {
			return fmt.Errorf("collector: %w", err)
		}
		return nil
	}, nil
}

var errCollectorStuck = errors.New("it did not stop in time; what it saw until then counts")

// close closes the target. After an interrupt or a hard end, which may come while it
// closes, it gets some time of its own; an interrupt that finds it closing gives it none.
func (r *runner) close() error {
	parent := r.user
	if r.ctx.Err() != nil {
		parent = context.WithoutCancel(parent)
	}
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	stop := context.AfterFunc(r.ctx, func() {
		t := time.AfterFunc(r.o.Grace, func() { cancel(context.DeadlineExceeded) })
		context.AfterFunc(ctx, func() { t.Stop() })
	})
	defer stop()
	return r.target.Close(ctx)
}

// send gives everything to the target, and tells why it ended.
func (r *runner) send() (ended string, err error) {
	if r.o.Packets != nil {
		err = r.sendPackets()
	} else {
		err = r.sendPairs()
	}
	switch {
	case r.user.Err() != nil:
		return EndedInterrupted, nil
	case errors.Is(context.Cause(r.ctx), errTimeUp):
		return EndedFor, nil
	case err != nil:
		return EndedError, err
	case r.enough.Load():
		return EndedFor, nil
	case r.o.Limit > 0 && (r.ledger.count() >= r.o.Limit || r.o.Packets != nil && r.packetsLeft() == 0):
		return EndedLimit, nil
	}
	return EndedSource, nil
}

// Batches of events between the schedule and the target.
const (
	batchEvents = 256
	batchBytes  = 1 << 20
	batchAhead  = 4
)

type batch struct {
	events []Event
	stat   ScheduleStat // with these events
	err    error
}

// begin starts the clock: the first unit is at hand. Opening, and reading so far, took as
// long as they took.
func (r *runner) begin() {
	r.clock.restart()
	if r.o.For > 0 {
		// What has begun is finished, but not for ever.
		t := time.AfterFunc(r.o.For+max(time.Second, r.o.For/20), func() { r.cancel(errTimeUp) })
		context.AfterFunc(r.ctx, func() { t.Stop() })
	}
}

// waited notes that the source was waited for, since the time from, until it gave e.
func (r *runner) waited(from time.Duration, e *Event) {
	now := r.clock.now()
	r.state.Lock()
	defer r.state.Unlock()
	if due := r.pacer.Due(e.At, r.sent); now > due {
		r.starved += now - max(due, from)
	}
}

// progress notes how far the schedule is.
func (r *runner) progress(stat ScheduleStat) {
	r.state.Lock()
	defer r.state.Unlock()
	r.stat = stat
}

func (r *runner) sendPairs() error {
	ctx, cancel := context.WithCancel(r.ctx)
	defer cancel()
	var reader sync.WaitGroup
	defer func() {
		reader.Wait()
		r.progress(r.plan.figures())
	}()
	defer cancel()
	batches := make(chan batch, batchAhead)
	reader.Go(func() {
		defer close(batches)
		r.readAhead(ctx, batches)
	})
	// The first events go alone, and more at a time while that takes no longer: with a
	// slow rate, whoever stops does not have to wait for a long batch.
	at := 1
	begun := false
	for {
		from := r.clock.now()
		b, more := <-batches
		if !more {
			return context.Cause(r.ctx)
		}
		switch {
		case !begun:
			begun = true
			r.begin()
		case len(b.events) > 0:
			r.waited(from, &b.events[0])
		}
		r.progress(b.stat)
		for events := b.events; len(events) > 0; {
			n := min(at, len(events))
			if n = r.inTime(events[:n]); n == 0 || r.enough.Load() {
				return nil
			}
			r.ledger.schedule(n)
			r.loop.Store(uint64(events[n-1].Loop))
			from := r.clock.now()
			if err := r.target.Send(r.ctx, events[:n:n]); err != nil {
				return err
			}
			switch took := r.clock.now() - from; {
			case took < 10*time.Millisecond:
				at = min(at*2, batchEvents)
			case took > 50*time.Millisecond:
				at = max(at/2, 1)
			}
			events = events[n:]
		}
		if b.err != nil {
			return b.err
		}
	}
}

// inTime returns how many of the events are due before the end of the run.
func (r *runner) inTime(events []Event) int {
	if r.o.For <= 0 || r.o.Rate.Unit() != NoUnit || r.o.Rate.Max() {
		return len(events) // Wait finds the end
	}
	for i := range events {
		if r.pacer.Due(events[i].At, Amount{}) >= r.o.For {
			r.enough.Store(true)
			return i
		}
	}
	return len(events)
}

// readAhead runs the schedule and hands its events on in batches.
func (r *runner) readAhead(ctx context.Context, out chan<- batch) {
	var b batch
	bytes := int64(0)
	flush := func() bool {
		if len(b.events) == 0 && b.err == nil {
			return true
		}
		b.stat = r.plan.figures()
		select {
		case out <- b:
			b, bytes = batch{}, 0
			return true
		case <-ctx.Done():
			return false
		}
	}
	for e, err := range r.plan.events(ctx) {
		if err != nil {
			b.err = err
			break
		}
		b.events = append(b.events, e)
		bytes += int64(len(e.Pair.Request.Body) + len(e.Pair.Response.Body))
		if (len(b.events) == batchEvents || bytes > batchBytes) && !flush() {
			return
		}
	}
	flush()
}

func (r *runner) sendPackets() error {
	t, ok := r.target.(PacketTarget)
	if !ok {
		return fmt.Errorf("%s does not take packets, only pairs", r.o.To)
	}
	loops := r.o.Loops
	if loops == 0 && r.o.For == 0 {
		loops = 1
	}
	kept := packetCache{room: r.o.Window.bytes()}
	if loops == 1 {
		kept.room = 0
	}
	begun := false
	for loop := uint64(0); loops == 0 || loop < loops; loop++ {
		r.progress(ScheduleStat{Loops: loop + 1, Cached: loop > 0 && kept.all() != nil})
		r.loop.Store(loop)
		any := false
		source := r.o.Packets
		if k := kept.all(); loop > 0 && k != nil {
			source = k
		}
		for b, err := range source(r.ctx) {
			if err != nil {
				return err
			}
			if loop == 0 {
				kept.add(b)
			}
			if !begun && len(b.Packets) > 0 {
				begun = true
				r.begin()
			}
			any = any || len(b.Packets) > 0
			if r.enough.Load() || r.ctx.Err() != nil {
				return context.Cause(r.ctx)
			}
			if left := r.packetsLeft(); left < uint64(len(b.Packets)) {
				short := &packet.Batch{Packets: b.Packets[:left]}
				return t.SendPackets(r.ctx, short, uint32(loop))
			}
			if err := t.SendPackets(r.ctx, b, uint32(loop)); err != nil {
				return err
			}
		}
		if !any {
			break
		}
	}
	return context.Cause(r.ctx)
}

// packetsLeft is what the limit leaves.
func (r *runner) packetsLeft() uint64 {
	if r.o.Limit == 0 {
		return math.MaxUint64
	}
	return r.o.Limit - min(r.pub.units.Load(), r.o.Limit)
}
