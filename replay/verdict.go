package replay

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Limit is what a run must not exceed, as in --fail-if: loss>0, loss>0.1%, late>5s.
type Limit struct {
	text   string
	metric *metric
	bound  float64
	form   limitForm
}

type limitForm uint8

const (
	asCount limitForm = iota
	asShare           // percent
	asTime            // seconds
)

// A metric is what a limit can be about.
type metric struct {
	name string
	// count returns how many there were, of how many; nil where there is no number.
	count func(*Result) (n, of uint64)
	// took returns a time that the limit can be about as well; nil for none.
	took func(*Result) time.Duration
	// ratio returns a share that is no count; nil for none.
	ratio func(*Result) float64
	// collector says that nothing is known of it without one, byMarker that markers are
	// needed too.
	collector, byMarker bool
}

func metrics() []metric {
	ledger := func(f func(*LedgerReport) uint64) func(*Result) (uint64, uint64) {
		return func(r *Result) (uint64, uint64) { return f(&r.Ledger), r.Ledger.Sent }
	}
	return []metric{
		{name: "loss", collector: true, count: ledger(func(l *LedgerReport) uint64 { return l.Lost })},
		{name: "dup", collector: true, byMarker: true, count: ledger(func(l *LedgerReport) uint64 { return l.Duplicated })},
		{name: "mispaired", collector: true, byMarker: true, count: ledger(func(l *LedgerReport) uint64 { return l.Mispaired })},
		{name: "truncated", collector: true, byMarker: true, count: ledger(func(l *LedgerReport) uint64 { return l.Truncated })},
		{name: "half", collector: true, byMarker: true, count: ledger(func(l *LedgerReport) uint64 { return l.Half })},
		{name: "late", collector: true, byMarker: true, count: ledger(func(l *LedgerReport) uint64 { return l.Late }),
			took: func(r *Result) time.Duration { return time.Duration(r.Ledger.Delay.MaxNS) }},
		{name: "failed", count: func(r *Result) (uint64, uint64) { return r.Ledger.Failed, r.Ledger.Scheduled }},
		{name: "left_out", count: func(r *Result) (uint64, uint64) {
			n := r.leftOut()
			return n, n - r.Ledger.LeftOut + r.Ledger.Scheduled
		}},
		{name: "unsent", count: func(r *Result) (uint64, uint64) { return r.Ledger.Unsent, r.Ledger.Scheduled }},
		{name: "late_sends", count: func(r *Result) (uint64, uint64) { return r.Timing.Late, r.Timing.Units },
			took: func(r *Result) time.Duration { return time.Duration(r.Timing.P99NS) }},
		{name: "rate_error", ratio: func(r *Result) float64 { return max(r.Rate.Error, -r.Rate.Error) }},
	}
}

// LimitNames lists what a limit can be about.
func LimitNames() (names []string) {
	for _, m := range metrics() {
		names = append(names, m.name)
	}
	return names
}

// ParseLimits reads limits, separated by commas: NAME>N with a number, a percentage or,
// for late (of pairs seen, the longest) and late_sends (the 99th percentile), a time.
func ParseLimits(text string) (list []Limit, err error) {
	for part := range strings.SplitSeq(text, ",") {
		l, err := parseLimit(strings.TrimSpace(part))
		if err != nil {
			return nil, fmt.Errorf("limit %q: %w", part, err)
		}
		list = append(list, l)
	}
	return list, nil
}

func parseLimit(text string) (Limit, error) {
	name, bound, found := strings.Cut(text, ">")
	name, bound = strings.TrimSpace(name), strings.TrimSpace(bound)
	if !found || bound == "" {
		return Limit{}, errors.New("it must be a name, > and a bound, as in loss>0.1%")
	}
	all := metrics()
	i := slices.IndexFunc(all, func(m metric) bool { return m.name == name })
	if i < 0 {
		return Limit{}, fmt.Errorf("%q is not known; there are %s", name, strings.Join(LimitNames(), ", "))
	}
	l := Limit{text: name + ">" + bound, metric: &all[i]}
	number := bound
	if d, err := time.ParseDuration(bound); err == nil && bound != "0" {
		if l.metric.took == nil {
			return Limit{}, fmt.Errorf("%s is no time", name)
		}
		l.form, l.bound = asTime, d.Seconds()
		if d < 0 {
			return Limit{}, fmt.Errorf("%q is below 0", bound)
		}
		return l, nil
	}
	if share, ok := strings.CutSuffix(bound, "%"); ok || l.metric.ratio != nil {
		l.form, number = asShare, share
	}
	var err error
	if l.bound, err = strconv.ParseFloat(number, 64); err != nil || !(l.bound >= 0) || l.bound > 1e18 {
		return Limit{}, fmt.Errorf("%q is not a number of at least 0", bound)
	}
	return l, nil
}

func (l Limit) String() string { return l.text }

// missed holds the limit against a result.
func (l Limit) missed(r *Result) LimitResult {
	x := LimitResult{Limit: l.text}
	if l.metric.collector && (!r.Ledger.Collected || r.Ledger.CountOnly || l.metric.byMarker && r.Ledger.ByCount) {
		x.Unknown, x.Missed = true, true
		return x
	}
	switch {
	case l.form == asTime:
		x.Value = l.metric.took(r).Seconds()
	case l.metric.ratio != nil:
		x.Value = 100 * l.metric.ratio(r)
	default:
		n, of := l.metric.count(r)
		x.Value = float64(n)
		if l.form == asShare {
			x.Value = 100 * share(n, of)
		}
	}
	x.Missed = x.Value > l.bound
	return x
}

func share(n, of uint64) float64 {
	if of == 0 {
		if n > 0 {
			return 1
		}
		return 0
	}
	return float64(n) / float64(of)
}

// judge finds the verdict of a result.
func judge(r *Result, limits []Limit, err error) Verdict {
	v := Verdict{State: VerdictOK}
	var missed []string
	for _, l := range limits {
		x := l.missed(r)
		v.Limits = append(v.Limits, x)
		if x.Missed {
			text := fmt.Sprintf("%s (%s)", l.text, strconv.FormatFloat(x.Value, 'g', 6, 64))
			if x.Unknown {
				text = l.text + " (not known without a collector that sees markers)"
			}
			missed = append(missed, text)
		}
	}
	books := r.books()
	switch {
	case r.Ended == EndedInterrupted:
		v.State, v.Reason = VerdictInterrupted, "until the interrupt "+books
		if err != nil {
			v.Reason += "; " + err.Error()
		}
	case err != nil:
		v.State, v.Reason = VerdictFailed, "ended by an error: "+err.Error()+"; "+books
	case len(missed) > 0:
		v.State, v.Reason = VerdictMissed, "limits missed: "+strings.Join(missed, ", ")+"; "+books
	case r.refused() > 0 && !about(limits, "failed"), len(limits) == 0 && r.spoilt() > 0:
		v.State, v.Reason = VerdictFailed, books
	case len(limits) > 0:
		v.Reason = "all limits were met; " + books
	case !r.Ledger.Collected || r.Ledger.CountOnly:
		v.State, v.Reason = VerdictSent, books
	default:
		v.Reason = books
	}
	v.OK = v.State == VerdictOK || v.State == VerdictSent
	return v
}

// about reports whether one of the limits is about a metric.
func about(limits []Limit, name string) bool {
	return slices.ContainsFunc(limits, func(l Limit) bool { return l.metric.name == name })
}

// Counters of packets that were not sent (--packets).
const (
	// CountPacketsLeftOut begins the names of those that count packets left out by a rule.
	CountPacketsLeftOut     = "packets_left_out_"
	CountPacketsTooLarge    = CountPacketsLeftOut + "too_large"
	CountPacketsNotAccepted = "packets_not_accepted"
)

// refused counts the pairs, or packets, that were to be sent and could not be.
func (r *Result) refused() uint64 {
	return r.Ledger.Failed + uint64(r.Counters[CountPacketsNotAccepted])
}

// spoilt counts what went wrong with pairs that were sent.
func (r *Result) spoilt() uint64 {
	l := &r.Ledger
	return l.Lost + l.Duplicated + l.Mispaired + l.Truncated + l.Half
}

// leftOut counts the pairs, or packets, that were left out on purpose, by the schedule or by
// the target.
func (r *Result) leftOut() uint64 {
	n := r.Ledger.LeftOut
	for _, k := range r.Schedule.LeftOut {
		n += k
	}
	for name, k := range r.Counters {
		if strings.HasPrefix(name, CountPacketsLeftOut) {
			n += uint64(k)
		}
	}
	return n
}

// books says in one line what became of the pairs.
func (r *Result) books() string {
	l := &r.Ledger
	sent, what := l.Sent, "pairs"
	if r.OfPackets {
		sent, what = r.Sent.Packets-min(r.Sent.Packets, uint64(r.Counters[CountPacketsNotAccepted])), "packets"
	}
	text := fmt.Sprintf("sent %d %s, left out %d, failed %d", sent, what, r.leftOut(), r.refused())
	if l.Unsent > 0 {
		text += fmt.Sprintf(", unsent %d", l.Unsent)
	}
	switch {
	case !l.Collected:
		return text + "; nothing was collected, so arrival is unknown"
	case l.CountOnly:
		return text + fmt.Sprintf("; %d pairs came out, and packets have no markers, so what was lost is unknown", l.Observations)
	}
	text += fmt.Sprintf("; seen %d, lost %d", l.Seen, l.Lost)
	if l.ByCount {
		return text + " by number only, without markers"
	}
	for _, x := range []struct {
		n    uint64
		name string
	}{{l.Duplicated, "duplicated"}, {l.Mispaired, "mispaired"}, {l.Truncated, "truncated"}, {l.Half, "half"}, {l.Late, "late"}} {
		if x.n > 0 {
			text += fmt.Sprintf(", %s %d", x.name, x.n)
		}
	}
	return text
}
