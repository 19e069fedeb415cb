package http

import (
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"recap/replay"
)

// A failure says at which step an exchange failed.
type failure uint8

const (
	failConnect failure = iota
	failWrite
	failRead
	failTimeout
	failEarlyClose
	failMalformed
	failStopped
	failures
)

var failureNames = [failures]string{"connect", "write", "read", "timeout", "early_close", "malformed_response", "stopped"}

// timing is one exchange on the clock.
type timing struct {
	began, first, last time.Time
	out                int
	in                 int64
}

const (
	// The histograms hold from 1 µs to 5 minutes with three digits; longer times count as that.
	minLatency = int64(time.Microsecond)
	maxLatency = int64(5 * time.Minute)
	// maxNames bounds the header names and JSON places that are counted one by one.
	maxNames = 200
	// maxSteps bounds the series: when it is full, steps become twice as long.
	maxSteps = 1800
	// lateAfter is how long a request must wait for its connection to be called late.
	lateAfter = time.Millisecond
)

// stats counts what happened; every connection tells it.
type stats struct {
	t *Target

	mu       sync.Mutex
	f        Findings
	intended *hdrhistogram.Histogram // from the intended moment to the end of the response
	service  *hdrhistogram.Histogram // from the real one
	ttfb     *hdrhistogram.Histogram // from the real one to the first byte of the response
	delay    *hdrhistogram.Histogram // from the intended moment to the real one
	connects *hdrhistogram.Histogram

	step     time.Duration
	current  *hdrhistogram.Histogram // intended latency of the step under way
	point    Point
	examples map[string]int
}

func newStats(t *Target) *stats {
	h := func() *hdrhistogram.Histogram { return hdrhistogram.New(minLatency, maxLatency, 3) }
	s := &stats{t: t, intended: h(), service: h(), ttfb: h(), delay: h(), connects: h(), current: h(),
		step: time.Second, examples: map[string]int{}}
	s.f = Findings{Kind: "http", Address: t.dialer.address, LeftOut: map[string]int64{}, Errors: map[string]int64{},
		Status: map[int32]int64{}, Versions: map[string]int64{}, HeldBack: map[string]int64{}, Differences: map[string]int64{},
		Headers: map[string]int64{}, Places: map[string]int64{}}
	return s
}

// record adds a time to a histogram that cannot hold every one.
func record(h *hdrhistogram.Histogram, d time.Duration) {
	_ = h.RecordValue(min(max(int64(d), minLatency), maxLatency))
}

func (s *stats) locked(do func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	do()
}

// leaveOut counts a pair that is left out, and names the reason.
func (s *stats) leaveOut(err error) string {
	reason := leftOutUnsendable
	for _, l := range leftOut {
		if errors.Is(err, l.err) {
			reason = l.name
		}
	}
	s.locked(func() { s.f.LeftOut[reason]++ })
	return reason
}

func (s *stats) held(by string) { s.locked(func() { s.f.HeldBack[by]++ }) }
func (s *stats) evicted()       { s.locked(func() { s.f.Connections.Evicted++ }) }
func (s *stats) closedByPeer()  { s.locked(func() { s.f.Connections.ClosedByPeer++ }) }
func (s *stats) unasked()       { s.locked(func() { s.f.Connections.Unasked++ }) }
func (s *stats) resent()        { s.locked(func() { s.f.Resent++ }) }
func (s *stats) unsent()        { s.locked(func() { s.f.Unsent++ }) }
func (s *stats) mostOpen(n int) {
	s.locked(func() { s.f.Connections.Most = max(s.f.Connections.Most, int64(n)) })
}

func (s *stats) connected(took time.Duration, two bool) {
	s.locked(func() {
		s.f.Connections.Opened++
		version := "HTTP/1.1"
		if two {
			version = "HTTP/2"
		}
		s.f.Versions[version]++
		record(s.connects, took)
	})
}

func (s *stats) failed(f failure, j *job, err error) {
	at := time.Since(s.t.env.Start())
	s.locked(func() {
		name := failureNames[f]
		s.f.Errors[name]++
		s.example(j, "error", name, "", shortText(err.Error()))
		s.advance(at)
		s.point.Errors++
	})
}

// answered counts a whole response, compared with the recorded one.
func (t *Target) answered(j *job, a *answer, at timing) {
	var found []difference
	full, recorded := false, j.Pair.Response.Present && j.Pair.Response.Status > 0
	if recorded {
		found, full = t.ignore.compare(&j.Pair.Response, a)
	}
	start := t.env.Start()
	began := at.began.Sub(start)
	ended := at.last.Sub(start)
	s := t.stats
	s.mu.Lock()
	defer s.mu.Unlock()
	s.f.Answered++
	s.f.BytesSent += int64(at.out)
	s.f.BytesReceived += at.in
	s.f.Status[a.status]++
	if 300 <= a.status && a.status < 400 && a.status != 304 {
		s.f.Redirects++
	}
	record(s.intended, ended-j.intended)
	record(s.service, at.last.Sub(at.began))
	record(s.ttfb, at.first.Sub(at.began))
	record(s.delay, began-j.intended)
	if at.began.Sub(j.released) > lateAfter {
		s.f.Late++
	}
	s.advance(ended)
	record(s.current, ended-j.intended)
	s.point.Answered++
	s.point.BytesSent += int64(at.out)
	s.point.BytesReceived += at.in
	s.compared(j, recorded, full, found)
}

func (s *stats) compared(j *job, recorded, full bool, found []difference) {
	switch {
	case !recorded:
		s.f.Compared.NoRecord++
		return
	case len(found) > 0:
		s.f.Compared.Different++
		s.point.Different++
	case full:
		s.f.Compared.Same++
	default:
		s.f.Compared.SameHead++
	}
	last := ""
	for _, d := range found {
		if d.kind != last {
			s.f.Differences[d.kind]++ // pairs, not places
			last = d.kind
		}
		switch d.kind {
		case diffMissing, diffExtra, diffHeader:
			count(s.f.Headers, d.name)
		case diffJSON:
			count(s.f.Places, d.name)
		}
		s.example(j, d.kind, d.name, d.recorded, d.received)
	}
}

// count counts a foreign name, as one of the others when there are too many. name may live
// in a buffer that the next response overwrites, and a map takes the text of a key also
// where it has the key.
func count(m map[string]int64, name string) {
	if _, ok := m[name]; !ok && len(m) >= maxNames {
		name = "(others)"
	}
	m[strings.Clone(name)]++
}

// example keeps some of each kind and name.
func (s *stats) example(j *job, kind, name, recorded, received string) {
	key := kind
	if kind == "error" {
		key += name
	}
	if s.examples[key] >= s.t.o.Examples {
		return
	}
	s.examples[key]++
	e := Example{Kind: kind, Name: shortText(name), Recorded: recorded, Received: received, Seq: j.Seq, Loop: j.Loop,
		Method: shortText(j.Pair.Request.Method), Target: shortText(j.Pair.Request.Target)}
	e.Pair = j.Pair.ID.String()
	s.f.Examples = append(s.f.Examples, e)
}

// advance ends the step under way where at lies behind it. Steps in which nothing
// ended are left out. s.mu is held.
func (s *stats) advance(at time.Duration) {
	if at < time.Duration(s.point.AtNS)+s.step {
		return
	}
	if s.point.Answered+s.point.Errors > 0 {
		s.f.Series.Points = append(s.f.Series.Points, s.ended())
		s.current.Reset()
	}
	if len(s.f.Series.Points) >= maxSteps {
		s.coarsen()
	}
	s.point = Point{AtNS: int64(at / s.step * s.step)}
}

// ended returns the step under way with its quantiles.
func (s *stats) ended() Point {
	p := s.point
	if p.Answered > 0 {
		p.P50NS, p.P99NS, p.MaxNS = s.current.ValueAtQuantile(50), s.current.ValueAtQuantile(99), s.current.Max()
	}
	return p
}

// coarsen makes steps twice as long, until half of the room is free. Quantiles
// cannot be joined: the largest stands.
func (s *stats) coarsen() {
	for len(s.f.Series.Points) > maxSteps/2 {
		s.step *= 2
		joined := s.f.Series.Points[:0]
		for _, p := range s.f.Series.Points {
			p.AtNS -= p.AtNS % int64(s.step)
			if n := len(joined); n > 0 && joined[n-1].AtNS == p.AtNS {
				joined[n-1].add(&p)
			} else {
				joined = append(joined, p)
			}
		}
		s.f.Series.Points = joined
	}
}

func (p *Point) add(q *Point) {
	p.Answered += q.Answered
	p.Errors += q.Errors
	p.Different += q.Different
	p.BytesSent += q.BytesSent
	p.BytesReceived += q.BytesReceived
	p.P50NS, p.P99NS, p.MaxNS = max(p.P50NS, q.P50NS), max(p.P99NS, q.P99NS), max(p.MaxNS, q.MaxNS)
}

// counters gives the core what it shows beside the ledger.
func (s *stats) counters(env replay.Env) {
	f := s.findings()
	env.Count(replay.CountHTTP, f.BytesSent)
	env.Count("http_bytes_received", f.BytesReceived)
	env.Count("connections", f.Connections.Opened)
	for name, n := range f.LeftOut {
		env.Count("left_out_"+name, n)
	}
	for name, n := range f.Errors {
		env.Count("error_"+name, n)
	}
	env.Count("responses_different", f.Compared.Different)
	env.Count("late_behind_connection", f.Late)
}

// findings returns what was found so far.
func (s *stats) findings() *Findings {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.f
	f.Latency = Latencies{Intended: quantiles(s.intended), Service: quantiles(s.service), FirstByte: quantiles(s.ttfb),
		SendDelay: quantiles(s.delay), Connect: quantiles(s.connects)}
	f.Series.StepNS = int64(s.step)
	f.Series.Points = append([]Point(nil), f.Series.Points...)
	if s.point.Answered+s.point.Errors > 0 {
		f.Series.Points = append(f.Series.Points, s.ended())
	}
	if p := s.t.dialer.pinned.Load(); p != nil {
		f.Address = *p
	}
	return &f
}
