package replay

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"recap/pipeline/exchange"
)

// A modelPair is what became of one event, as plainly as it can be said.
type modelPair struct {
	sent, failed, left                             bool
	seen, duplicated, mispaired, truncated, halved bool
	late                                           bool
	second                                         int // in which it was noted as sent
}

// A modelLedger says what a ledger has to say, one event at a time.
type modelLedger struct {
	pairs                                                         []modelPair
	request, response                                             []int64 // bodies by place in the source
	observations, unmarked, bad, other, duplicates, mispairs, not uint64
}

func (m *modelLedger) see(seq uint64, late bool) (first bool) {
	p := &m.pairs[seq]
	if p.seen {
		m.duplicates++
		p.duplicated = true
		return false
	}
	p.seen, p.late = true, late
	return true
}

func (m *modelLedger) measure(seq uint64, o *Observation) {
	at := int(seq) % len(m.request)
	switch {
	case o.Cut, o.RequestBody >= 0 && o.RequestBody < m.request[at], o.ResponseBody >= 0 && o.ResponseBody < m.response[at]:
		m.pairs[seq].truncated = true
	case o.RequestBody < 0 && m.request[at] > 0, o.ResponseBody < 0 && m.response[at] > 0:
		m.not++
	}
}

func (m *modelLedger) count(is func(*modelPair) bool) (n uint64) {
	for i := range m.pairs {
		if is(&m.pairs[i]) {
			n++
		}
	}
	return n
}

func (m *modelLedger) ids(is func(*modelPair) bool) (list []uint64) {
	for i := range m.pairs {
		if is(&m.pairs[i]) && len(list) < MaxIDs {
			list = append(list, uint64(i))
		}
	}
	return list
}

// Whatever happens to the events of a run, in any order, the report says what a list of
// them says.
func TestLedgerAgainstAModel(t *testing.T) {
	for seed := range uint64(300) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { checkLedger(t, rand.New(rand.NewPCG(seed, 1))) })
	}
}

func checkLedger(t *testing.T, r *rand.Rand) {
	const run = 7
	l := ledger{run: run, lateAfter: time.Second}
	perPass, events := 1+r.IntN(20), uint64(1+r.IntN(120))
	m := modelLedger{pairs: make([]modelPair, events)}
	for range perPass {
		var p exchange.Pair
		p.Request.Body, p.Response.Body = make([]byte, r.IntN(3)), make([]byte, r.IntN(3))
		m.request, m.response = append(m.request, int64(len(p.Request.Body))), append(m.response, int64(len(p.Response.Body)))
		l.pairs.add(&p)
	}
	for seq := uint64(0); seq < events; seq += uint64(perPass) {
		l.pairs.passes.begin(seq)
	}
	l.schedule(int(events))
	reasons := map[string]uint64{}
	for range 4 * int(events) {
		now := time.Duration(r.IntN(5000)) * time.Millisecond
		seq := r.Uint64N(events)
		p := &m.pairs[seq]
		switch r.IntN(6) {
		case 0:
			if p.left {
				continue // what is left out is nothing else
			}
			l.markSent(seq, now)
			if !p.sent {
				p.sent, p.second = true, int(now/time.Second)
			}
		case 1:
			if p.left {
				continue
			}
			l.markFailed(seq, "accepted", errors.New("no"), now)
			p.failed = true
		case 2:
			if p.sent || p.failed {
				continue
			}
			reason := fmt.Sprint("reason ", r.IntN(3))
			l.markLeft(seq, reason)
			if !p.left {
				p.left = true
				reasons[reason]++
			}
		default:
			observe(&l, &m, r, seq, now)
		}
	}
	compareReports(t, &l, &m, reasons)
}

// observe lets something come out of the ingestor: mostly a pair of the run.
func observe(l *ledger, m *modelLedger, r *rand.Rand, seq uint64, now time.Duration) {
	events := uint64(len(m.pairs))
	due := time.Duration(r.Int64N(int64(now/time.Millisecond)+1)) * time.Millisecond
	late := now-due > time.Second
	text := func(run uint32, seq uint64) []byte { return Marker{Run: run, Seq: seq, Due: due}.Append(nil) }
	o := &Observation{RequestBody: int64(r.IntN(4)) - 1, ResponseBody: int64(r.IntN(4)) - 1, Cut: r.IntN(20) == 0}
	m.observations++
	switch r.IntN(8) {
	case 0: // its response is lost, or without a marker
		o.Request = text(l.run, seq)
		if m.see(seq, late) {
			m.pairs[seq].halved = true
		}
		m.measure(seq, o)
	case 1:
		o.Response = text(l.run, seq)
		if m.see(seq, late) {
			m.pairs[seq].halved = true
		}
		m.measure(seq, o)
	case 2: // with the response of another
		other := r.Uint64N(events)
		o.Request, o.Response = text(l.run, seq), text(l.run, other)
		m.see(seq, late)
		if other == seq {
			m.measure(seq, o)
		} else {
			m.mispairs++
			m.pairs[seq].mispaired = true
		}
	case 3: // nothing of ours
		switch r.IntN(4) {
		case 0:
			m.unmarked++
		case 1:
			o.Request = []byte("no marker at all")
			m.bad++
		case 2:
			o.Request = text(l.run+1, seq)
			m.other++
		default:
			o.Response = text(l.run, events+r.Uint64N(5)) // more than was ever scheduled
			m.other++
		}
	default:
		o.Request, o.Response = text(l.run, seq), text(l.run, seq)
		m.see(seq, late)
		m.measure(seq, o)
	}
	l.observe(o, now)
}

func compareReports(t *testing.T, l *ledger, m *modelLedger, reasons map[string]uint64) {
	t.Helper()
	r := l.report(true)
	seen := func(p *modelPair) bool { return p.sent && p.seen }
	lost := func(p *modelPair) bool { return p.sent && !p.seen }
	for _, x := range []struct {
		name      string
		got, want uint64
	}{
		{"scheduled", r.Scheduled, uint64(len(m.pairs))},
		{"sent", r.Sent, m.count(func(p *modelPair) bool { return p.sent })},
		{"failed", r.Failed, m.count(func(p *modelPair) bool { return p.failed })},
		{"left out", r.LeftOut, m.count(func(p *modelPair) bool { return p.left })},
		{"unsent", r.Unsent, m.count(func(p *modelPair) bool { return !p.sent && !p.failed && !p.left })},
		{"seen", r.Seen, m.count(seen)},
		{"lost", r.Lost, m.count(lost)},
		{"unexpected", r.Unexpected, m.count(func(p *modelPair) bool { return !p.sent && p.seen })},
		{"duplicated", r.Duplicated, m.duplicates},
		{"mispaired", r.Mispaired, m.mispairs},
		{"truncated", r.Truncated, m.count(func(p *modelPair) bool { return p.truncated })},
		{"half", r.Half, m.count(func(p *modelPair) bool { return p.halved })},
		{"late", r.Late, m.count(func(p *modelPair) bool { return p.late })},
		{"observations", r.Observations, m.observations},
		{"unmarked", r.Unmarked, m.unmarked},
		{"bad markers", r.BadMarker, m.bad},
		{"of another run", r.OtherRun, m.other},
		{"unsized", r.Unsized, m.not},
		{"delays", r.Delay.Units, m.count(func(p *modelPair) bool { return p.seen })},
		{"late delays", r.Delay.Late, m.count(func(p *modelPair) bool { return p.late })},
	} {
		if x.got != x.want {
			t.Errorf("%s: %d, want %d", x.name, x.got, x.want)
		}
	}
	if !maps.Equal(r.LeftOutBy, reasons) {
		t.Errorf("left out by %v, want %v", r.LeftOutBy, reasons)
	}
	for name, x := range map[string]struct {
		got []PairID
		is  func(*modelPair) bool
	}{
		"lost": {r.LostIDs, lost}, "failed": {r.FailedIDs, func(p *modelPair) bool { return p.failed }},
		"left out": {r.LeftOutIDs, func(p *modelPair) bool { return p.left }}, "duplicated": {r.DuplicatedIDs, func(p *modelPair) bool { return p.duplicated }},
		"mispaired": {r.MispairedIDs, func(p *modelPair) bool { return p.mispaired }}, "truncated": {r.TruncatedIDs, func(p *modelPair) bool { return p.truncated }},
		"late": {r.LateIDs, func(p *modelPair) bool { return p.late }},
	} {
		var got []uint64
		for _, id := range x.got {
			got = append(got, id.Seq)
			if int(id.Loop) != int(id.Seq)/len(m.request) {
				t.Errorf("%s: event %d is of pass %d, want %d", name, id.Seq, id.Loop, int(id.Seq)/len(m.request))
			}
		}
		if want := m.ids(x.is); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	// By second: what was sent then, and what of all is lost.
	var pairs [8]uint64
	for i := range m.pairs {
		if m.pairs[i].sent {
			pairs[m.pairs[i].second]++
		}
	}
	var seenSteps, lostSteps uint64
	for i, s := range l.steps(true) {
		if s.Pairs != pairs[i] || s.Seen+s.Lost != s.Pairs {
			t.Errorf("second %d: %d sent, %d seen, %d lost; %d were sent", i, s.Pairs, s.Seen, s.Lost, pairs[i])
		}
		seenSteps, lostSteps = seenSteps+s.Seen, lostSteps+s.Lost
	}
	if seenSteps != r.Seen || lostSteps != r.Lost {
		t.Errorf("seconds have %d seen and %d lost, want %d and %d", seenSteps, lostSteps, r.Seen, r.Lost)
	}
}
