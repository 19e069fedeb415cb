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
	if l.metric.collector && (!r.Ledger.Collected || l.metric.byMarker && r.Ledger.ByCount) {
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
	v := Verdict{OK: true}
	var missed []string
	for _, l := range limits {
		x := l.missed(r)
		v.Limits = append(v.Limits, x)
		if x.Missed {
			v.OK = false
			text := fmt.Sprintf("%s (%s)", l.text, strconv.FormatFloat(x.Value, 'g', 6, 64))
			if x.Unknown {
				text = l.text + " (not known without a collector that sees markers)"
			}
			missed = append(missed, text)
		}
	}
	switch {
	case err != nil:
		v.OK, v.Reason = false, "ended by an error: "+err.Error()
	case !v.OK:
		v.Reason = "limits missed: " + strings.Join(missed, ", ")
	case r.Ended == EndedInterrupted:
		v.Reason = "interrupted; true for what was sent until then"
	case len(limits) > 0:
		v.Reason = "all limits were met"
	case !r.Ledger.Collected:
		v.Reason = "no limits were asked for, and nothing was collected: sent is all that is known"
	default:
		v.Reason = "no limits were asked for"
	}
	return v
}
