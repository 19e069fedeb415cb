package replay

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"sync"
	"time"
)

// A ledger holds what became of each event: one bit an event and question, and counts.
// Any goroutine may use it.
type ledger struct {
	mu        sync.Mutex
	run       uint32
	lateAfter time.Duration
	counting  bool // there are no markers: only numbers can be compared
	packets   bool // and not even those: packets were sent

	scheduled uint64
	sent      bitmap
	failed    bitmap
	last      time.Duration // when the latest was sent
	failures  map[failureKey]uint64
	left      bitmap
	reasons   map[string]uint64 // of what was left out

	seen       bitmap
	duplicated bitmap
	mispaired  bitmap
	truncated  bitmap
	half       bitmap
	late       bitmap

	observations, unmarked, bad, other, unsized uint64
	duplicates, mispairs                        uint64

	// joined holds, by the number of an event, that of the event whose request is its own.
	joined map[uint64]uint64

	delay steps
	ticks []tick // by second of the run
	pairs pairBook
}

type failureKey struct{ hop, text string }

// maxFailures bounds the kinds of failures that are told apart.
const maxFailures = 100

// A tick is what the ledger notes of one second.
type tick struct {
	pairs, failed uint64
	// behind is the number after the last event sent in this second.
	behind uint64
}

// schedule notes that n more events go to the target.
func (l *ledger) schedule(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.scheduled += uint64(n)
}

// count returns how many events the target was given.
func (l *ledger) count() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.scheduled
}

// tick returns the second of now.
func (l *ledger) tick(now time.Duration) *tick {
	at := int(now / time.Second)
	for len(l.ticks) <= at {
		l.ticks = append(l.ticks, tick{})
	}
	return &l.ticks[at]
}

func (l *ledger) markSent(seq uint64, now time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sent.set(seq) {
		t := l.tick(now)
		t.pairs++
		t.behind = max(t.behind, seq+1)
		l.last = max(l.last, now)
	}
}

// lastSent returns when the last event was noted as sent.
func (l *ledger) lastSent() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

func (l *ledger) markFailed(seq uint64, hop string, err error, now time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.failed.set(seq) {
		return
	}
	l.tick(now).failed++
	text := ""
	if err != nil {
		text = err.Error()
	}
	key := failureKey{hop, text}
	if _, ok := l.failures[key]; !ok && len(l.failures) >= maxFailures {
		key.text = "other causes"
	}
	if l.failures == nil {
		l.failures = map[failureKey]uint64{}
	}
	l.failures[key]++
}

func (l *ledger) markLeft(seq uint64, reason string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.left.set(seq) {
		return
	}
	if l.reasons == nil {
		l.reasons = map[string]uint64{}
	}
	if _, ok := l.reasons[reason]; !ok && len(l.reasons) >= maxFailures {
		reason = "other"
	}
	l.reasons[reason]++
}

// observe notes one pair that came out of the ingestor.
func (l *ledger) observe(o *Observation, now time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.observations++
	q, qOK := l.marker(o.Request)
	s, sOK := l.marker(o.Response)
	switch {
	case qOK && sOK && l.shares(q.Seq, s.Seq):
		l.note(s, now)
		l.size(s, o)
	case qOK && sOK && q.Seq != s.Seq:
		// The response's own pair has not been seen by this.
		l.mispairs++
		l.mispaired.set(q.Seq)
		l.note(q, now)
	case qOK:
		if l.note(q, now) && !sOK {
			l.half.set(q.Seq)
		}
		l.size(q, o)
	case sOK:
		if l.note(s, now) {
			l.half.set(s.Seq)
		}
		l.size(s, o)
	case len(o.Request)+len(o.Response) == 0:
		l.unmarked++
	}
}

// join notes that an event is answered to the request of another.
func (l *ledger) join(response, request uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.joined == nil {
		l.joined = map[uint64]uint64{}
	}
	l.joined[response] = request
}

// shares reports whether the event response was answered to the request of another.
func (l *ledger) shares(request, response uint64) bool {
	q, ok := l.joined[response]
	return ok && q == request
}

// marker reads a marker and reports whether it is one of this run.
func (l *ledger) marker(text []byte) (Marker, bool) {
	if len(text) == 0 {
		return Marker{}, false
	}
	m, err := ParseMarker(text)
	switch {
	case err != nil:
		l.bad++
	case m.Run != l.run || m.Seq >= l.scheduled:
		l.other++
	default:
		return m, true
	}
	return Marker{}, false
}

// note notes that a pair was seen and reports whether it was for the first time.
func (l *ledger) note(m Marker, now time.Duration) bool {
	if !l.seen.set(m.Seq) {
		l.duplicates++
		l.duplicated.set(m.Seq)
		return false
	}
	if l.delay.record(now, now-m.Due, l.lateAfter) {
		l.late.set(m.Seq)
	}
	return true
}

// size holds the sizes of bodies against those that were sent.
func (l *ledger) size(m Marker, o *Observation) {
	request, response, ok := l.pairs.sizes(m.Seq)
	cut := o.Cut
	if ok {
		cut = cut || o.RequestBody >= 0 && o.RequestBody < request || o.ResponseBody >= 0 && o.ResponseBody < response
	}
	if !cut && (!ok || o.RequestBody < 0 && request > 0 || o.ResponseBody < 0 && response > 0) {
		l.unsized++
	}
	if cut {
		l.truncated.set(m.Seq)
	}
}

// report closes the books.
func (l *ledger) report(collected bool) LedgerReport {
	l.mu.Lock()
	defer l.mu.Unlock()
	sent := l.sent.n
	r := LedgerReport{
		Scheduled: l.scheduled, Sent: sent, LeftOut: l.left.n, LeftOutBy: maps.Clone(l.reasons), Failed: l.failed.n,
		Collected: collected, ByCount: l.counting && collected, Observations: l.observations,
		Unmarked: l.unmarked, BadMarker: l.bad, OtherRun: l.other, Unsized: l.unsized,
		Duplicated: l.duplicates, Mispaired: l.mispairs, Truncated: l.truncated.n, Half: l.half.n,
		Late: l.late.n, LateAfterNS: int64(l.lateAfter), Delay: l.delay.timing(l.lateAfter),
	}
	r.FailedIDs, r.LeftOutIDs = l.list(&l.failed, new(bitmap)), l.list(&l.left, new(bitmap))
	// An event may be both: sent, and found to have failed afterwards.
	r.Unsent = l.scheduled - sent - l.left.n - l.failed.n + l.sent.common(&l.failed)
	if !collected {
		return r
	}
	if l.packets {
		// No number of pairs follows from a number of packets.
		r.Unexpected = l.observations
		r.CountOnly = true
		return r
	}
	if l.counting {
		r.Seen = min(l.observations, sent)
		r.Lost = sent - r.Seen
		r.Unexpected = l.observations - r.Seen
		return r
	}
	r.Seen = l.sent.common(&l.seen)
	r.Lost = sent - r.Seen
	r.Unexpected = l.seen.n - r.Seen
	r.LostIDs = l.list(&l.sent, &l.seen)
	r.DuplicatedIDs = l.list(&l.duplicated, new(bitmap))
	r.MispairedIDs = l.list(&l.mispaired, new(bitmap))
	r.TruncatedIDs = l.list(&l.truncated, new(bitmap))
	r.LateIDs = l.list(&l.late, new(bitmap))
	return r
}

// list names the first events that are in b and not in c.
func (l *ledger) list(b, c *bitmap) (ids []PairID) {
	b.without(c, func(seq uint64) bool {
		ids = append(ids, l.pairs.id(seq))
		return len(ids) < MaxIDs
	})
	return ids
}

// failureList returns the failures, most frequent first.
func (l *ledger) failureList() (list []Failure) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for k, n := range l.failures {
		list = append(list, Failure{k.hop, k.text, n})
	}
	slices.SortFunc(list, func(a, b Failure) int {
		return cmp.Or(cmp.Compare(b.Pairs, a.Pairs), cmp.Compare(a.Hop, b.Hop), cmp.Compare(a.Error, b.Error))
	})
	return list
}

// steps returns what the ledger knows of each second: lost pairs belong to the second
// in which they, or later ones, were sent.
func (l *ledger) steps(collected bool) []Step {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := make([]Step, max(len(l.ticks), len(l.delay.list)))
	for i := range list {
		list[i].AtNS = int64(time.Duration(i) * time.Second)
	}
	for i, t := range l.ticks {
		list[i].Pairs, list[i].Failed, list[i].Seen = t.pairs, t.failed, t.pairs
	}
	l.delay.roll(math.MaxInt64)
	for i, s := range l.delay.list {
		list[i].DelayP50NS, list[i].DelayMaxNS = s.p50, s.max
	}
	if !collected || l.counting {
		for i := range list {
			list[i].Seen = 0
		}
		return list
	}
	at, border, rest := 0, uint64(0), uint64(0)
	l.sent.without(&l.seen, func(seq uint64) bool {
		for at < len(l.ticks) {
			if border = max(border, l.ticks[at].behind); seq < border && list[at].Seen > 0 {
				break
			}
			at++
		}
		if at < len(l.ticks) {
			list[at].Lost++
			list[at].Seen--
		} else {
			rest++
		}
		return true
	})
	// What was sent out of order may find its second full: the sums hold all the same.
	for i := len(list) - 1; rest > 0 && i >= 0; i-- {
		n := min(rest, list[i].Seen)
		list[i].Lost, list[i].Seen, rest = list[i].Lost+n, list[i].Seen-n, rest-n
	}
	return list
}
