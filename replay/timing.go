package replay

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// steps is a distribution of times, of the whole run and of each second of it. One
// goroutine at a time uses it. The zero steps is empty.
type steps struct {
	all    *hdrhistogram.Histogram
	second *hdrhistogram.Histogram
	sum    float64
	late   uint64
	list   []stepTimes
}

// stepTimes is one second.
type stepTimes struct {
	late          uint64
	p50, p99, max int64
}

// longest is the largest time that is told apart, ns: more counts as this much.
const longest = int64(time.Hour)

// record notes that at the time now something took so long, and reports whether that
// was more than late allows.
func (s *steps) record(now, took, late time.Duration) bool {
	if s.all == nil {
		// Three digits for the whole run, two for its seconds: errors of 0.1 % and 1 %.
		s.all, s.second = hdrhistogram.New(1, longest, 3), hdrhistogram.New(1, longest, 2)
	}
	s.roll(now)
	ns := min(max(int64(took), 0), longest)
	_ = s.all.RecordValue(ns) // it is inside the bounds
	_ = s.second.RecordValue(ns)
	s.sum += float64(ns)
	if took <= late {
		return false
	}
	s.late++
	s.list[len(s.list)-1].late++
	return true
}

// roll closes the seconds before the one of now.
func (s *steps) roll(now time.Duration) {
	at := int64(now / time.Second)
	if n := len(s.list); n > 0 && int64(n-1) >= at {
		return
	}
	if n := len(s.list); n > 0 && s.second.TotalCount() > 0 {
		t := &s.list[n-1]
		t.p50, t.p99, t.max = s.second.ValueAtQuantile(50), s.second.ValueAtQuantile(99), s.second.Max()
		s.second.Reset()
	}
	if now == 1<<63-1 { // closes the last one too
		return
	}
	for int64(len(s.list)) <= at {
		s.list = append(s.list, stepTimes{})
	}
}

// timing returns the whole distribution.
func (s *steps) timing(late time.Duration) Timing {
	t := Timing{LateAfterNS: int64(late), Late: s.late}
	if s.all == nil || s.all.TotalCount() == 0 {
		return t
	}
	t.Units = uint64(s.all.TotalCount())
	t.MeanNS = int64(s.sum / float64(t.Units))
	t.P50NS, t.P90NS = s.all.ValueAtQuantile(50), s.all.ValueAtQuantile(90)
	t.P99NS, t.P999NS = s.all.ValueAtQuantile(99), s.all.ValueAtQuantile(99.9)
	t.MaxNS = s.all.Max()
	t.Histogram = bars(s.all)
	return t
}

// bars draws a histogram in steps of 1, 2, 5, 10 … ns.
func bars(h *hdrhistogram.Histogram) (list []Bar) {
	from, to, i := int64(0), int64(1), 0
	var bar Bar
	for _, b := range h.Distribution() {
		if b.Count == 0 {
			continue
		}
		for b.From >= to {
			if bar.Count > 0 {
				list = append(list, bar)
			}
			from = to
			to = to * []int64{2, 5, 4}[i%3] / []int64{1, 2, 2}[i%3]
			i++
			bar = Bar{FromNS: from, ToNS: to}
		}
		if bar.ToNS == 0 {
			bar = Bar{FromNS: from, ToNS: to}
		}
		bar.Count += b.Count
	}
	if bar.Count > 0 {
		list = append(list, bar)
	}
	return list
}
