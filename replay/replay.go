// Package replay sends the pairs of a capture again, toward a live system, and
// proves what arrived.
//
// One schedule serves all targets:
//
//	source → schedule (order, loops, limits) → pacer → marker → target → ledger → report
//
// A source gives owned pairs. The schedule orders them by the time of their
// request, numbers them, and hands them to a [Target] in batches. The target asks
// its [Env] to wait for the moment of each unit that it sends (a pair, a request, a
// packet), so that every target is paced, timed and counted by the same code. The
// ledger holds what was sent against what a collector saw on the other side.
//
// It imports the vocabularies of recap (exchange, packet) and nothing else of it.
package replay

import (
	"context"
	"iter"
	"time"

	"recap/pipeline/exchange"
	"recap/reader/packet"
)

// A Source gives the pairs of one pass, each time it is called from the start. A
// pair belongs to whoever receives it, with all its memory. The first error ends
// the pass; pairs already given stay good.
type Source func(ctx context.Context) iter.Seq2[*exchange.Pair, error]

// A PacketSource gives captured packets instead, batch by batch, valid until the
// next step.
type PacketSource func(ctx context.Context) iter.Seq2[*packet.Batch, error]

// An Event is one pair on its way.
type Event struct {
	// Pair may be sent again in a later loop: a target does not change it.
	Pair *exchange.Pair
	// Seq numbers the events of a run from 0, over all loops. It is what the ledger
	// counts and what the marker carries.
	Seq uint64
	// Loop counts passes over the source from 0. Targets that make connections or
	// addresses make new ones for each loop.
	Loop uint32
	// At is the time of the request's first byte in the schedule at original speed:
	// since the first request of the run, further loops behind the last.
	At time.Duration
	// Body is what goes out instead of the body of the pair, by exchange.Dir, where a
	// [Preparer] has made something of it; nil where it has not.
	Body [2][]byte
}

// An Amount is what has been sent, in each unit that a rate can be given in.
type Amount struct {
	Pairs   uint64 `json:"pairs"`
	Packets uint64 `json:"packets"`
	Bytes   uint64 `json:"bytes"` // what the rate counts: on the wire for packets, HTTP bytes else
}

// A Pacer tells when to send. It is arithmetic: it reads no clock.
type Pacer interface {
	// Due returns when the next unit is to leave, since the start of the run: at is
	// its time at original speed, sent what has gone before it. Due never falls.
	Due(at time.Duration, sent Amount) time.Duration
}

// A Target is where events go. One goroutine calls it.
type Target interface {
	// Send takes events in the order of At and sends each when its time has come
	// (see [Env.Wait]). It may keep events after it returns, as many as it must to
	// keep time inside pairs. An error ends the run: what concerns one pair only is
	// reported with [Env.Failed].
	Send(ctx context.Context, events []Event) error
	// Close sends what is kept, waits for what is under way, and releases everything.
	// It is called once, also after an error and after ctx has ended.
	Close(ctx context.Context) error
}

// An Env is what a run gives its target. Its methods may be called from any
// goroutine of the target; Wait from one at a time.
type Env interface {
	// Wait waits until a unit of this amount is due and counts it as sent from then
	// on; at is its time at original speed. It returns the time that was intended,
	// since the start of the run, or the cause where ctx has ended. How late it
	// returns goes into the timing histogram.
	Wait(ctx context.Context, at time.Duration, unit Amount) (intended time.Duration, err error)
	// Start is the monotonic moment that all times of the run are counted from. It is
	// known from the first call of Send on, not while the target is opened.
	Start() time.Time
	// Marker appends the fixed-width value of the X-Replay-Id header of an event, the same
	// for its request and its response; nothing with --marker off.
	Marker(dst []byte, e *Event, intended time.Duration) []byte
	// Sent notes that the pair with this number has left; Failed that it has not, at
	// which hop and why.
	Sent(seq uint64)
	Failed(seq uint64, hop string, err error)
	// LeftOut notes that the pair with this number is not sent on purpose: the target has
	// a rule against it, which reason names in few words.
	LeftOut(seq uint64, reason string)
	// Run is the number of the run, as in its markers. Whatever must differ between two
	// runs, such as addresses and sequence numbers, is derived from it, so that a run can
	// be repeated as it was.
	Run() uint32
	// Count adds to a named counter of the report, for example "syscalls".
	Count(name string, n int64)
	// Allow reports, as an error, that an address may not be sent to.
	Allow(host string) error
}

// A PacketTarget can also send captured packets as they are (--packets).
type PacketTarget interface {
	Target
	// SendPackets sends the packets of a batch, each when its time has come.
	SendPackets(ctx context.Context, b *packet.Batch, loop uint32) error
}

// A Preparer is a target that makes something of pairs ahead of sending, such as coded
// bodies: once for each pair that is read, however often it is sent.
type Preparer interface {
	// Prepare may set [Event.Body]. It is called from one goroutine, beside Send.
	Prepare(e *Event)
}

// A Reporter is a target with findings of its own, such as latencies or
// differences between responses. It is asked after Close.
type Reporter interface {
	// Report returns what stands under "target" in replay.json; it marshals to JSON.
	Report() any
}

// An Observation is one pair as it came out of the ingestor.
type Observation struct {
	// Request and Response are the marker values found in the two messages, empty
	// where there was none.
	Request, Response []byte
	// RequestBody and ResponseBody are the sizes of the bodies seen, -1 where unknown.
	RequestBody, ResponseBody int64
	// Cut is set where the ingestor itself says that the pair is not whole.
	Cut bool
}

// A Collector reads what an ingestor produced.
type Collector interface {
	// Ready returns when everything produced from now on will be seen, so that the
	// run may begin.
	Ready(ctx context.Context) error
	// Collect calls out for each pair until ctx ends or, after Drain was called, until
	// nothing has come for the time given there. out is called from one goroutine.
	Collect(ctx context.Context, out func(*Observation)) error
	// Drain tells that nothing more will be sent.
	Drain(quiet time.Duration)
}
