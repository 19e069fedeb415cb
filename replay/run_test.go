package replay

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"

	"testing"
	"time"

	"recap/pipeline/exchange"
)

// testPair is pair n of connection c, requested at so many ms.
func testPair(c, n int, ms int64) *exchange.Pair {
	p := &exchange.Pair{ID: exchange.ID{1, byte(c >> 8), byte(c), byte(n >> 8), byte(n)}, Ordinal: int32(n), Conn: &exchange.Conn{ID: exchange.ID{2, byte(c >> 8), byte(c)}}, DurationNS: exchange.NoTime}
	for _, m := range []*exchange.Message{&p.Request.Message, &p.Response.Message} {
		m.Present, m.HasBody, m.Body, m.BodySize, m.TimeNS = true, true, []byte("body"), 4, ms*1e6
	}
	p.Request.Method, p.Request.Target, p.Response.Status = "GET", fmt.Sprintf("/%d/%d", c, n), 200
	return p
}

func sourceOf(pairs ...*exchange.Pair) Source {
	return func(ctx context.Context) iter.Seq2[*exchange.Pair, error] {
		return func(yield func(*exchange.Pair, error) bool) {
			for _, p := range pairs {
				if !yield(p, nil) {
					return
				}
			}
		}
	}
}

// manyPairs are n pairs, one each millisecond, ten to a connection.
func manyPairs(n int) []*exchange.Pair {
	list := make([]*exchange.Pair, n)
	for i := range list {
		list[i] = testPair(i/10, i%10, int64(i))
	}
	return list
}

// An ingestor is target and collector in one: what is sent comes out, but for faults.
type ingestor struct {
	env      Env
	fault    func(e *Event, o *Observation) []*Observation // what comes out of a pair
	sendErr  func(e *Event) error
	leave    func(e *Event) string // why a pair is left out; "" where it is not
	out      chan *Observation
	quiet    chan time.Duration
	closed   bool
	sent     []Event
	capacity func() bool // whether there is room for one more; nil: always
}

func newIngestor() *ingestor {
	return &ingestor{out: make(chan *Observation, 1<<20), quiet: make(chan time.Duration, 1)}
}

func (g *ingestor) open(_ context.Context, env Env) (Target, error) {
	g.env = env
	return g, nil
}

func (g *ingestor) collect(context.Context, Env) (Collector, error) { return g, nil }

func (g *ingestor) Send(ctx context.Context, events []Event) error {
	for i := range events {
		e := &events[i]
		if g.leave != nil && g.leave(e) != "" {
			g.env.LeftOut(e.Seq, g.leave(e))
			continue
		}
		due, err := g.env.Wait(ctx, e.At, Amount{Pairs: 1, Packets: 2, Bytes: 1000})
		if err != nil {
			return err
		}
		if g.sendErr != nil {
			if err := g.sendErr(e); err != nil {
				g.env.Failed(e.Seq, HopBuilt, err)
				continue
			}
		}
		g.sent = append(g.sent, *e)
		g.env.Count(CountHTTP, 8)
		g.env.Sent(e.Seq)
		if g.capacity != nil && !g.capacity() {
			continue
		}
		marker := g.env.Marker(nil, e, due)
		o := &Observation{Request: marker, Response: marker, RequestBody: 4, ResponseBody: 4}
		list := []*Observation{o}
		if g.fault != nil {
			list = g.fault(e, o)
		}
		for _, o := range list {
			g.out <- o
		}
	}
	return nil
}

func (g *ingestor) Close(context.Context) error {
	if g.closed {
		return errors.New("closed twice")
	}
	g.closed = true
	return nil
}

func (g *ingestor) Ready(context.Context) error { return nil }
func (g *ingestor) Drain(quiet time.Duration)   { g.quiet <- quiet }

func (g *ingestor) Collect(ctx context.Context, out func(*Observation)) error {
	for {
		select {
		case o := <-g.out:
			out(o)
		case <-g.quiet:
			for len(g.out) > 0 {
				out(<-g.out)
			}
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (g *ingestor) options(pairs []*exchange.Pair) Options {
	return Options{Source: sourceOf(pairs...), Open: g.open, Collect: g.collect, Rate: Rate{max: true}, Quiet: time.Millisecond}
}

// A target may make what the collector is to read, such as a topic; and it is closed where
// the collector cannot be had.
func TestTheTargetIsOpenedBeforeTheCollector(t *testing.T) {
	g := newIngestor()
	opened := false
	o := g.options(manyPairs(3))
	o.Open = func(ctx context.Context, env Env) (Target, error) {
		opened = true
		return g.open(ctx, env)
	}
	o.Collect = func(ctx context.Context, env Env) (Collector, error) {
		if !opened {
			t.Error("the collector is asked first")
		}
		return nil, errors.New("no such topic")
	}
	if _, err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "no such topic") {
		t.Errorf("Run = %v", err)
	}
	if !g.closed {
		t.Error("the target was not closed")
	}
}

func TestRunBalances(t *testing.T) {
	g := newIngestor()
	o := g.options(manyPairs(1000))
	o.Loops = 3
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	l := r.Ledger
	if l.Scheduled != 3000 || l.Sent != 3000 || l.Seen != 3000 || l.Lost+l.Duplicated+l.Mispaired+l.Truncated+l.Half+l.Failed+l.Unsent != 0 {
		t.Errorf("ledger %+v", l)
	}
	if r.Ended != EndedSource || !r.Verdict.OK || r.Schedule.Loops != 3 || !r.Schedule.Cached || r.Schedule.Read != 3000 {
		t.Errorf("ended %q, verdict %+v, schedule %+v", r.Ended, r.Verdict, r.Schedule)
	}
	if r.Sent != (Amount{Pairs: 3000, Packets: 6000, Bytes: 3_000_000}) || r.Counters[CountHTTP] != 24000 {
		t.Errorf("sent %+v, counters %v", r.Sent, r.Counters)
	}
	var pairs, seen uint64
	for _, s := range r.Series.Steps {
		pairs, seen = pairs+s.Pairs, seen+s.Seen
	}
	if pairs != 3000 || seen != 3000 {
		t.Errorf("the series holds %d pairs, %d seen", pairs, seen)
	}
	for i, e := range g.sent {
		if e.Seq != uint64(i) || e.Loop != uint32(i/1000) || i > 0 && e.At < g.sent[i-1].At {
			t.Fatalf("event %d: %+v behind %+v", i, e, g.sent[i-1])
		}
	}
}

// Every fault of an ingestor is found, and its pairs are named.
func TestRunFindsFaults(t *testing.T) {
	var held *Observation
	for _, tt := range []struct {
		name  string
		fault func(e *Event, o *Observation) []*Observation
		want  LedgerReport
		ids   func(*LedgerReport) []PairID
		first uint64
	}{
		{"every tenth lost", func(e *Event, o *Observation) []*Observation {
			if e.Seq%10 == 3 {
				return nil
			}
			return []*Observation{o}
		}, LedgerReport{Seen: 90, Lost: 10}, func(l *LedgerReport) []PairID { return l.LostIDs }, 3},
		{"one given out three times", func(e *Event, o *Observation) []*Observation {
			if e.Seq == 42 {
				return []*Observation{o, o, o}
			}
			return []*Observation{o}
		}, LedgerReport{Seen: 100, Duplicated: 2}, func(l *LedgerReport) []PairID { return l.DuplicatedIDs }, 42},
		{"two responses swapped", func(e *Event, o *Observation) []*Observation {
			switch e.Seq {
			case 20:
				held = o
				return nil
			case 21:
				held.Response, o.Response = o.Response, held.Response
				return []*Observation{held, o}
			}
			return []*Observation{o}
		}, LedgerReport{Seen: 100, Mispaired: 2}, func(l *LedgerReport) []PairID { return l.MispairedIDs }, 20},
		{"one body cut", func(e *Event, o *Observation) []*Observation {
			if e.Seq == 7 {
				o.ResponseBody = 3
			}
			return []*Observation{o}
		}, LedgerReport{Seen: 100, Truncated: 1}, func(l *LedgerReport) []PairID { return l.TruncatedIDs }, 7},
		{"one response missing", func(e *Event, o *Observation) []*Observation {
			if e.Seq == 7 {
				o.Response = nil
			}
			return []*Observation{o}
		}, LedgerReport{Seen: 100, Half: 1}, nil, 0},
		{"a damaged marker", func(e *Event, o *Observation) []*Observation {
			if e.Seq == 7 {
				b := append([]byte(nil), o.Request...)
				b[3] ^= 1
				o.Request, o.Response = b, b
			}
			return []*Observation{o}
		}, LedgerReport{Seen: 99, Lost: 1, BadMarker: 2}, func(l *LedgerReport) []PairID { return l.LostIDs }, 7},
		{"traffic of others", func(e *Event, o *Observation) []*Observation {
			other := Marker{Run: 1, Seq: 5}.Append(nil)
			return []*Observation{o, {RequestBody: -1, ResponseBody: -1}, {Request: other, Response: other}}
		}, LedgerReport{Seen: 100, Unmarked: 100, OtherRun: 200}, nil, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := newIngestor()
			g.fault = tt.fault
			r, err := Run(t.Context(), g.options(manyPairs(100)))
			if err != nil {
				t.Fatal(err)
			}
			l := r.Ledger
			got := LedgerReport{Seen: l.Seen, Lost: l.Lost, Duplicated: l.Duplicated, Mispaired: l.Mispaired, Truncated: l.Truncated,
				Half: l.Half, Unmarked: l.Unmarked, BadMarker: l.BadMarker, OtherRun: l.OtherRun}
			if fmt.Sprint(got) != fmt.Sprint(tt.want) {
				t.Errorf("ledger %+v, want %+v", got, tt.want)
			}
			if tt.ids != nil {
				ids := tt.ids(&l)
				if len(ids) == 0 || ids[0].Seq != tt.first || ids[0].ID != manyPairs(100)[tt.first].ID.String() {
					t.Errorf("ids %+v, want event %d first", ids, tt.first)
				}
			}
			var lost, seen uint64
			for _, s := range r.Series.Steps {
				lost, seen = lost+s.Lost, seen+s.Seen
			}
			if lost != l.Lost || seen != l.Seen {
				t.Errorf("the series has %d lost, %d seen", lost, seen)
			}
		})
	}
}

func TestRunCountsFailures(t *testing.T) {
	g := newIngestor()
	g.sendErr = func(e *Event) error {
		if e.Seq%4 == 0 {
			return errors.New("too large")
		}
		return nil
	}
	r, err := Run(t.Context(), g.options(manyPairs(100)))
	if err != nil {
		t.Fatal(err)
	}
	if l := r.Ledger; l.Sent != 75 || l.Failed != 25 || l.Seen != 75 || l.Unsent != 0 || len(l.FailedIDs) != 25 {
		t.Errorf("ledger %+v", l)
	}
	if len(r.Failures) != 1 || r.Failures[0] != (Failure{HopBuilt, "too large", 25}) {
		t.Errorf("failures %+v", r.Failures)
	}
	if h := r.Hops[1]; h.Name != HopBuilt || *h.Pairs != 75 || *h.Lost != 25 {
		t.Errorf("hop %+v", h)
	}
}

// Who waits for the next deadline is not behind, however long that takes, nor is who collects.
func TestWaitingIsNotBehind(t *testing.T) {
	g := newIngestor()
	o := g.options([]*exchange.Pair{testPair(0, 0, 0), testPair(0, 1, 700)})
	o.Rate, o.Live = Rate{}, new(Live)
	done := make(chan struct{})
	var longest, behind time.Duration
	go func() {
		defer close(done)
		for o.Live.Snapshot().Phase != phaseDone {
			s := o.Live.Snapshot()
			longest, behind = max(longest, s.Elapsed), max(behind, s.Behind)
			time.Sleep(time.Millisecond)
		}
	}()
	if _, err := Run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	<-done
	if longest < 500*time.Millisecond || behind > 500*time.Millisecond {
		t.Errorf("behind by up to %v in a run of %v", behind, longest)
	}
}

// An interrupt leaves a report that is true for what was sent until then.
func TestRunInterrupted(t *testing.T) {
	g := newIngestor()
	o := g.options(manyPairs(100))
	o.Rate = mustRate(t, "1000pairs/s")
	o.Loops = 1 << 40
	o.Live = new(Live)
	ctx, cancel := context.WithCancel(t.Context())
	var live Snapshot
	done := make(chan struct{})
	go func() {
		defer close(done)
		for live.Sent.Pairs < 50 {
			time.Sleep(time.Millisecond)
			live = o.Live.Snapshot()
		}
		cancel()
	}()
	r, err := Run(ctx, o)
	<-done
	if err != nil {
		t.Fatal(err)
	}
	l := r.Ledger
	if r.Ended != EndedInterrupted || !g.closed || l.Sent < 50 {
		t.Errorf("ended %q, closed %t, %d sent", r.Ended, g.closed, l.Sent)
	}
	if l.Sent != uint64(len(g.sent)) || l.Seen != l.Sent || l.Scheduled != l.Sent+l.Unsent {
		t.Errorf("%d were sent, ledger %+v", len(g.sent), l)
	}
	if live.Sent.Pairs == 0 || live.Sent.Pairs > l.Sent || live.Phase != "sending" {
		t.Errorf("snapshot %+v", live)
	}
}

func TestRunFor(t *testing.T) {
	for _, rate := range []string{"original", "1000pairs/s", "2kpps", "max"} {
		t.Run(rate, func(t *testing.T) {
			g := newIngestor()
			g.out = make(chan *Observation, 1<<24)
			o := g.options(manyPairs(10))
			o.Rate, o.For = mustRate(t, rate), 200*time.Millisecond
			if rate == "max" {
				o.Collect = nil
				g.fault = func(*Event, *Observation) []*Observation { return nil }
			}
			r, err := Run(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			if r.Ended != EndedFor || r.Ledger.Sent != r.Ledger.Scheduled {
				t.Errorf("ended %q: %+v", r.Ended, r.Ledger)
			}
			// A busy host sends fewer; none may send more, but what was handed on in the last batch.
			if n := r.Ledger.Sent; n == 0 || rate != "max" && n > 300 {
				t.Errorf("%d pairs in 200 ms", n)
			}
		})
	}
}

func TestRunLimit(t *testing.T) {
	g := newIngestor()
	o := g.options(manyPairs(100))
	o.Limit = 7
	r, err := Run(t.Context(), o)
	if err != nil || r.Ended != EndedLimit || r.Ledger.Sent != 7 {
		t.Errorf("ended %q with %d sent, %v", r.Ended, r.Ledger.Sent, err)
	}
}

func TestRunReportsBesideAnError(t *testing.T) {
	broken := errors.New("row 3: broken")
	g := newIngestor()
	o := g.options(nil)
	o.Source = func(context.Context) iter.Seq2[*exchange.Pair, error] {
		return func(yield func(*exchange.Pair, error) bool) {
			_ = yield(testPair(1, 0, 1), nil) && yield(testPair(1, 1, 2), nil) && yield(nil, broken)
		}
	}
	r, err := Run(t.Context(), o)
	if !errors.Is(err, broken) || r.Ledger.Sent != 2 || r.Ended != EndedError || r.Verdict.OK {
		t.Errorf("%v: ended %q, %d sent, verdict %+v", err, r.Ended, r.Ledger.Sent, r.Verdict)
	}
}

// A hanging target never returns from one of its calls.
type hanging struct {
	ingestor
	inSend, inClose bool
	stop            chan struct{}
}

func (h *hanging) open(_ context.Context, env Env) (Target, error) {
	h.env = env
	return h, nil
}

func (h *hanging) Send(ctx context.Context, events []Event) error {
	err := h.ingestor.Send(ctx, events)
	if h.inSend {
		<-h.stop
	}
	return err
}

func (h *hanging) Close(ctx context.Context) error {
	if h.inClose {
		<-h.stop
	}
	return h.ingestor.Close(ctx)
}

// Whatever a target does, an interrupt ends the run, and what was sent before counts.
func TestATargetThatHangs(t *testing.T) {
	for _, tt := range []struct {
		name            string
		inSend, inClose bool
		limit           time.Duration // Options.For
	}{
		{"in Send, interrupted", true, false, 0},
		{"in Close, interrupted", false, true, 0},
		{"in Send, at the end of --for", true, false, 200 * time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := &hanging{ingestor: *newIngestor(), inSend: tt.inSend, inClose: tt.inClose, stop: make(chan struct{})}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			live := new(Live)
			if tt.limit == 0 {
				go func() { // a busy host takes its time to begin
					for live.Snapshot().Sent.Pairs == 0 {
						time.Sleep(time.Millisecond)
					}
					cancel()
				}()
			}
			o := Options{Live: live, Source: sourceOf(manyPairs(100)...), Open: h.open, Collect: h.collect, Rate: mustRate(t, "max"), Loops: 1 << 40, For: tt.limit,
				Quiet: 50 * time.Millisecond, Grace: 100 * time.Millisecond}
			began := time.Now()
			r, err := Run(ctx, o)
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("it took %v", took)
			}
			l := r.Ledger
			if !errors.Is(err, errStuck) || l.Sent == 0 || l.Scheduled != l.Sent+l.LeftOut+l.Failed+l.Unsent || l.Seen != l.Sent || r.Verdict.OK {
				t.Errorf("%v, ledger %+v, verdict %+v", err, l, r.Verdict)
			}
			if want := map[bool]string{true: EndedInterrupted, false: EndedError}[tt.limit == 0]; r.Ended != want {
				t.Errorf("ended %q, want %q", r.Ended, want)
			}
			sent := r.Sent
			close(h.stop) // it comes back to life: nothing changes any more
			time.Sleep(20 * time.Millisecond)
			if r.Sent != sent {
				t.Errorf("sent %+v became %+v", sent, r.Sent)
			}
		})
	}
}

// closing waits in Close for answers that do not come, as long as it may.
type closing struct{ *ingestor }

func (w *closing) Close(ctx context.Context) error {
	<-ctx.Done()
	return w.ingestor.Close(ctx)
}

// A target that began to close before the end of For has no more time from then on than
// one that begins to close then.
func TestTheEndOfForReachesWhoCloses(t *testing.T) {
	w := &closing{ingestor: newIngestor()}
	open := func(ctx context.Context, env Env) (Target, error) {
		_, err := w.open(ctx, env)
		return w, err
	}
	r, err := Run(t.Context(), Options{Source: sourceOf(manyPairs(10)...), Open: open, Rate: mustRate(t, "max"), For: 50 * time.Millisecond, Loops: 1, Grace: 100 * time.Millisecond})
	if err != nil || r.Ended == EndedError || !w.closed {
		t.Errorf("error %v, ended %q, closed %t", err, r.Ended, w.closed)
	}
	if took := time.Duration(r.TookNS); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
}

// A source that gives nothing any more does not keep a run from ending either.
func TestASourceThatHangs(t *testing.T) {
	stop := make(chan struct{})
	defer close(stop)
	source := func(context.Context) iter.Seq2[*exchange.Pair, error] {
		return func(yield func(*exchange.Pair, error) bool) {
			for _, p := range manyPairs(600) {
				if !yield(p, nil) {
					return
				}
			}
			<-stop
		}
	}
	g := newIngestor()
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(200*time.Millisecond, cancel)
	r, err := Run(ctx, Options{Source: source, Window: Window{Pairs: 10}, Open: g.open, Rate: mustRate(t, "max"), Grace: 50 * time.Millisecond})
	if !errors.Is(err, errStuck) || r.Ended != EndedInterrupted || r.Ledger.Sent < 500 || r.Schedule.Loops != 1 {
		t.Errorf("%v, ended %q, sent %d, schedule %+v", err, r.Ended, r.Ledger.Sent, r.Schedule)
	}
}

// What a target leaves out by a rule is neither sent nor failed, and the verdict says no
// more than is known.
func TestVerdictsSayWhatIsKnown(t *testing.T) {
	for _, tt := range []struct {
		name    string
		collect bool
		limits  string
		leave   func(seq uint64) bool
		fail    func(seq uint64) bool
		drop    func(seq uint64) bool
		state   string
		reason  string
	}{
		{"nobody looks", false, "", nil, nil, nil, VerdictSent, "sent 100 pairs, left out 0, failed 0; nothing was collected, so arrival is unknown"},
		{"some are left out", false, "", every(10), nil, nil, VerdictSent, "sent 90 pairs, left out 10, failed 0; nothing was collected, so arrival is unknown"},
		{"some fail", false, "", every(10), every(25), nil, VerdictFailed, "sent 88 pairs, left out 10, failed 2; nothing was collected, so arrival is unknown"},
		{"all arrive", true, "", every(10), nil, nil, VerdictOK, "sent 90 pairs, left out 10, failed 0; seen 90, lost 0"},
		{"some are lost", true, "", nil, nil, every(50), VerdictFailed, "sent 100 pairs, left out 0, failed 0; seen 98, lost 2"},
		{"some are lost, as allowed", true, "loss>5%", nil, nil, every(50), VerdictOK, "all limits were met; sent 100 pairs, left out 0, failed 0; seen 98, lost 2"},
		{"some fail, with a limit about loss", true, "loss>0", nil, every(50), nil, VerdictFailed, "sent 98 pairs, left out 0, failed 2; seen 98, lost 0"},
		{"some fail, with a limit about that", true, "failed>5", nil, every(50), nil, VerdictOK, "all limits were met; sent 98 pairs, left out 0, failed 2; seen 98, lost 0"},
		{"too many are left out", false, "left_out>5%", every(10), nil, nil, VerdictMissed, "limits missed: left_out>5% (10); sent 90 pairs, left out 10, failed 0; nothing was collected, so arrival is unknown"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := newIngestor()
			is := func(f func(uint64) bool, e *Event) bool { return f != nil && f(e.Seq) }
			g.leave = func(e *Event) string { return map[bool]string{true: "a rule"}[is(tt.leave, e)] }
			g.sendErr = func(e *Event) error { return map[bool]error{true: errors.New("no")}[is(tt.fail, e)] }
			g.fault = func(e *Event, o *Observation) []*Observation {
				if is(tt.drop, e) {
					return nil
				}
				return []*Observation{o}
			}
			o := Options{Source: sourceOf(manyPairs(100)...), Open: g.open, Rate: mustRate(t, "max"), Quiet: 20 * time.Millisecond}
			if tt.collect {
				o.Collect = g.collect
			}
			if tt.limits != "" {
				o.Limits = mustLimits(t, tt.limits)
			}
			r, err := Run(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			if v := r.Verdict; v.State != tt.state || v.Reason != tt.reason || v.OK != (v.State == VerdictOK || v.State == VerdictSent) {
				t.Errorf("verdict %+v, want %s: %s", v, tt.state, tt.reason)
			}
			if l := r.Ledger; l.Unsent != 0 || l.LeftOutBy["a rule"] != l.LeftOut || uint64(len(l.LeftOutIDs)) != l.LeftOut {
				t.Errorf("ledger %+v", l)
			}
		})
	}
}

// every chooses each n-th number.
func every(n uint64) func(uint64) bool { return func(seq uint64) bool { return (seq+1)%n == 0 } }
