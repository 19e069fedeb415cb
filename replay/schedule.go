package replay

import (
	"cmp"
	"context"
	"iter"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"recap/pipeline/exchange"
)

// A Window bounds how far the schedule reads ahead to bring pairs into the order of
// their requests: sources give them in the order in which they were completed. A pair
// that stands further back than the window reaches is sent late, and counted.
type Window struct {
	Pairs int   // 0: DefaultWindowPairs
	Bytes int64 // 0: DefaultWindowBytes
}

// Defaults of [Window].
const (
	DefaultWindowPairs = 100_000
	DefaultWindowBytes = 64 << 20
)

// Reasons of [ScheduleStat.LeftOut].
const (
	LeftNoRequest    = "no_request"
	LeftNoResponse   = "no_response"
	LeftRequestBody  = "request_body_not_whole"
	LeftResponseBody = "response_body_not_whole"
	LeftPartial      = "partial"
)

// A schedule turns passes over a source into events. One goroutine uses it.
type schedule struct {
	source      Source
	window      Window
	loops       uint64 // passes; 0: endless
	limit       uint64 // events; 0: none
	incomplete  bool   // send what is not whole as well
	requestOnly bool   // the target has no use for responses
	// emitted is told of each event of the first pass.
	emitted func(*exchange.Pair)
	// prepare readies each event that is read, once; may be nil.
	prepare func(*Event)
	// begun is told the number of the first event of each pass.
	begun func(seq uint64)

	stat   ScheduleStat
	seq    uint64
	loop   uint32
	offset time.Duration // of this pass
	lastAt time.Duration

	cache []Event // of the first pass, while all of it fits the window
	kept  int64   // bytes of cache, -1 once it does not fit
	pass  passStat
	under bool // the pass is under way: stat does not hold it yet
}

// figures returns stat with the pass that is under way.
func (s *schedule) figures() ScheduleStat {
	stat := s.stat
	stat.LeftOut = map[string]uint64{}
	maps.Copy(stat.LeftOut, s.stat.LeftOut)
	if s.under {
		stat.Read += s.pass.read
		for reason, n := range s.pass.leftOut {
			stat.LeftOut[reason] += n
		}
		stat.SpanNS = int64(s.pass.span)
	}
	return stat
}

// passStat is what one pass found.
type passStat struct {
	read    uint64
	leftOut map[string]uint64
	events  uint64
	first   int64 // time of its first event, ns since the epoch
	end     time.Duration
	span    time.Duration
}

// events gives the events in the order of At, which never falls. The first error ends
// it; events already given stay good.
func (s *schedule) events(ctx context.Context) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for s.loops == 0 || s.stat.Loops < s.loops {
			s.stat.Loops++
			s.under = true
			s.begun(s.seq)
			var more bool
			if s.cache != nil && s.kept >= 0 && s.stat.Loops > 1 {
				s.stat.Cached = true
				more = s.again(yield)
			} else {
				more = s.read(ctx, yield)
			}
			s.stat = s.figures()
			s.under = false
			if !more || s.pass.events == 0 {
				return
			}
			s.loop++
			s.offset = satAdd(s.offset, s.period())
		}
	}
}

// period is how long a pass takes: to the end of its last pair, and the mean distance
// of requests on top, so that the border of two passes looks like any other place.
func (s *schedule) period() time.Duration {
	gap := time.Millisecond
	if s.pass.events > 1 {
		gap = max(s.pass.span/time.Duration(s.pass.events-1), time.Microsecond)
	}
	return satAdd(max(s.pass.end, s.pass.span), gap)
}

// read makes one pass over the source.
func (s *schedule) read(ctx context.Context, yield func(Event, error) bool) bool {
	s.pass = passStat{leftOut: map[string]uint64{}}
	w := newWindow(s.window)
	for p, err := range s.source(ctx) {
		if err != nil {
			for !w.empty() {
				if !s.emit(w, yield) {
					return false
				}
			}
			yield(Event{}, err)
			return false
		}
		s.pass.read++
		if reason := s.unfit(p); reason != "" {
			s.pass.leftOut[reason]++
			continue
		}
		w.add(p, &s.stat)
		for w.full() {
			if !s.emit(w, yield) {
				return false
			}
		}
	}
	for !w.empty() {
		if !s.emit(w, yield) {
			return false
		}
	}
	return true
}

// emit gives out the first event of the window.
func (s *schedule) emit(w *window, yield func(Event, error) bool) bool {
	at, p, size := w.pop(&s.stat)
	if s.pass.events == 0 {
		s.pass.first = at
	}
	s.pass.events++
	s.pass.span = max(s.pass.span, since(at, s.pass.first))
	s.pass.end = max(s.pass.end, satAdd(s.pass.span, time.Duration(max(p.DurationNS, 0))))
	e := Event{Pair: p, At: s.pass.span}
	if s.prepare != nil {
		s.prepare(&e)
		size += int64(len(e.Body[0]) + len(e.Body[1]))
	}
	if s.stat.Loops == 1 {
		s.emitted(p)
		s.keep(e, size)
	}
	return s.give(e, yield)
}

// keep remembers an event of the first pass for further ones.
func (s *schedule) keep(e Event, size int64) {
	if s.loops == 1 || s.kept < 0 {
		return
	}
	if s.kept += size; s.kept > s.window.bytes() {
		s.cache, s.kept = nil, -1
		return
	}
	s.cache = append(s.cache, e)
}

// again repeats the first pass out of memory.
func (s *schedule) again(yield func(Event, error) bool) bool {
	for _, e := range s.cache {
		if !s.give(e, yield) {
			return false
		}
	}
	return true
}

// give numbers an event and places it in time.
func (s *schedule) give(e Event, yield func(Event, error) bool) bool {
	e.Seq, e.Loop = s.seq, s.loop
	e.At = max(satAdd(e.At, s.offset), s.lastAt)
	s.lastAt = e.At
	s.seq++
	return yield(e, nil) && (s.limit == 0 || s.seq < s.limit)
}

// unfit returns why a pair cannot be sent, empty where it can.
func (s *schedule) unfit(p *exchange.Pair) string {
	switch {
	case !p.Request.Present:
		return LeftNoRequest
	case s.incomplete:
		return ""
	case !whole(&p.Request.Message):
		return LeftRequestBody
	}
	response := whole(&p.Response.Message)
	switch {
	case !s.requestOnly && !p.Response.Present:
		return LeftNoResponse
	case !s.requestOnly && !response:
		return LeftResponseBody
	case p.State == exchange.Partial && !(s.requestOnly && asDeclared(&p.Request.Message)):
		return LeftPartial
	}
	return ""
}

// asDeclared reports whether the body of m is as long as its head says. Of a partial pair
// it tells whether the damage is in the other message.
func asDeclared(m *exchange.Message) bool {
	length := int64(0)
	for _, h := range m.Headers {
		switch {
		case strings.EqualFold(h.Name, "Transfer-Encoding"):
			return false // chunks do not tell beforehand
		case strings.EqualFold(h.Name, "Content-Length"):
			n, err := strconv.ParseInt(strings.TrimSpace(h.Value), 10, 64)
			if err != nil {
				return false
			}
			length = n
		}
	}
	return length == m.BodyWireSize
}

// whole reports whether all of the body of m is at hand.
func whole(m *exchange.Message) bool {
	return len(m.Gaps) == 0 && int64(len(m.Body)) == m.BodySize
}

func (w Window) bytes() int64 {
	if w.Bytes <= 0 {
		return DefaultWindowBytes
	}
	return w.Bytes
}

func (w Window) pairs() int {
	if w.Pairs <= 0 {
		return DefaultWindowPairs
	}
	return w.Pairs
}

// A window holds pairs and gives out the earliest. Each pair puts its time into a heap
// and itself into the queue of its connection, sorted by ordinal; the earliest time
// takes the first of that queue, so that a connection keeps its order whatever its
// times say.
type window struct {
	bounds Window
	heap   []slot
	conns  map[exchange.ID]*queue
	bytes  int64
	n      uint64 // pairs added
	recent int64  // time of the pair added last
	gone   int64  // time given out last; nothing earlier can follow
}

type slot struct {
	at int64  // ns since the epoch
	n  uint64 // equal times keep the order of the source
	q  *queue
}

type queue struct {
	key   exchange.ID
	pairs []waiting
}

type waiting struct {
	pair *exchange.Pair
	at   int64
	size int64
}

func newWindow(bounds Window) *window {
	return &window{bounds: bounds, conns: map[exchange.ID]*queue{}, gone: math.MinInt64}
}

func (w *window) empty() bool { return len(w.heap) == 0 }

func (w *window) full() bool {
	return len(w.heap) > w.bounds.pairs() || w.bytes > w.bounds.bytes() && len(w.heap) > 1
}

func (w *window) add(p *exchange.Pair, stat *ScheduleStat) {
	at := p.Request.TimeNS
	if at == exchange.NoTime {
		stat.NoTime++
		at = w.recent
	}
	w.recent = at
	if at < w.gone {
		stat.Late++
		at = w.gone
	}
	q := w.queue(p)
	size := sizeOf(p)
	i := len(q.pairs)
	for i > 0 && q.pairs[i-1].pair.Ordinal > p.Ordinal {
		i--
	}
	q.pairs = slices.Insert(q.pairs, i, waiting{p, at, size})
	w.bytes += size
	w.push(slot{at, w.n, q})
	w.n++
}

func (w *window) queue(p *exchange.Pair) *queue {
	key := p.ID
	if p.Conn != nil {
		key = p.Conn.ID
	}
	q := w.conns[key]
	if q == nil {
		q = &queue{key: key}
		w.conns[key] = q
	}
	return q
}

// pop takes the pair that is next, the time it is due, and its size.
func (w *window) pop(stat *ScheduleStat) (int64, *exchange.Pair, int64) {
	s := w.shift()
	next := s.q.pairs[0]
	if s.q.pairs = s.q.pairs[1:]; len(s.q.pairs) == 0 {
		delete(w.conns, s.q.key)
	}
	if next.at != s.at {
		stat.Moved++
	}
	w.bytes -= next.size
	w.gone = s.at
	return s.at, next.pair, next.size
}

func before(a, b slot) bool {
	return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.n, b.n)) < 0
}

func (w *window) push(s slot) {
	h := append(w.heap, s)
	i := len(h) - 1
	for i > 0 && before(s, h[(i-1)/2]) {
		h[i] = h[(i-1)/2]
		i = (i - 1) / 2
	}
	h[i] = s
	w.heap = h
}

func (w *window) shift() slot {
	h := w.heap
	first, last := h[0], h[len(h)-1]
	h[len(h)-1] = slot{}
	h = h[:len(h)-1]
	for i := 0; len(h) > 0; {
		child := 2*i + 1
		if child+1 < len(h) && before(h[child+1], h[child]) {
			child++
		}
		if child >= len(h) || !before(h[child], last) {
			h[i] = last
			break
		}
		h[i] = h[child]
		i = child
	}
	w.heap = h
	return first
}

// pairRoom is what a pair takes beside its strings and bodies, bytes.
const pairRoom = 1 << 10

func sizeOf(p *exchange.Pair) int64 {
	n := int64(pairRoom + len(p.Scratch))
	for _, m := range [...]*exchange.Message{&p.Request.Message, &p.Response.Message} {
		n += int64(cap(m.Head)+cap(m.Body)) + 8*int64(cap(m.Packets))
		for _, h := range m.Headers {
			n += int64(32 + len(h.Name) + len(h.Value))
		}
	}
	return n
}

// since returns a-b, at least 0 and without overflow.
func since(a, b int64) time.Duration {
	if a <= b {
		return 0
	}
	if d := a - b; d > 0 {
		return time.Duration(d)
	}
	return math.MaxInt64
}

func satAdd(a, b time.Duration) time.Duration {
	if sum := a + b; sum >= a {
		return sum
	}
	return math.MaxInt64
}
