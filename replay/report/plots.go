package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"recap/replay"
	"recap/replay/http"
)

func seconds(ns int64) float64       { return float64(ns) / 1e9 }
func secondsText(v float64) string   { return strconv.FormatFloat(v, 'g', 6, 64) + " s" }
func countText(v float64) string     { return strings.TrimSpace(metric(v)) }
func perSecondText(v float64) string { return countText(v) + "/s" }
func bitText(v float64) string       { return rate(v, "bits") }
func spanText(ns float64) string     { return span(int64(ns)) }

// plots returns the charts of a run that have something to show.
func plots(r *replay.Result) (list []*chart) {
	for _, p := range []*plot{pairRate(r), byteRate(r), timing(r), timingBars(r), loss(r), delay(r)} {
		if c := p.chart(); c != nil {
			list = append(list, c)
		}
	}
	if f, ok := r.Target.(*http.Findings); ok {
		for _, p := range []*plot{latency(f, r.ElapsedNS), latencyCurve(f), answers(f, r.ElapsedNS)} {
			if c := p.chart(); c != nil {
				list = append(list, c)
			}
		}
	}
	return list
}

// overSteps draws what value gives for each step; ok false leaves a step out.
func overSteps(r *replay.Result, name, class string, value func(*replay.Step, float64) (float64, bool)) curve {
	c := curve{name: name, class: class}
	for i := range r.Series.Steps {
		s := &r.Series.Steps[i]
		length := float64(r.Series.StepNS)
		if rest := r.ElapsedNS - s.AtNS; rest > 0 {
			length = min(length, float64(rest)) // the last step is shorter
		}
		// A sliver of a step says nothing about a rate.
		if length < float64(r.Series.StepNS)/10 && len(r.Series.Steps) > 1 {
			continue
		}
		if y, ok := value(s, length/1e9); ok {
			c.points = append(c.points, xy{seconds(s.AtNS), y})
		}
	}
	if len(r.Series.Steps) == 1 {
		c.across(min(r.ElapsedNS, r.Series.StepNS))
	}
	return c
}

// across draws the one value of a run of one step from its beginning to its end.
func (c *curve) across(length int64) {
	if len(c.points) == 1 && length > 0 {
		c.points = append(c.points, xy{c.points[0].x + seconds(length), c.points[0].y})
	}
}

func pairRate(r *replay.Result) *plot {
	sent := overSteps(r, "sent", "c0", func(s *replay.Step, length float64) (float64, bool) { return float64(s.Pairs) / length, true })
	failed := overSteps(r, "failed", "c1", func(s *replay.Step, length float64) (float64, bool) {
		return float64(s.Failed) / length, r.Ledger.Failed > 0
	})
	p := &plot{title: "Pairs per second", curves: []curve{sent, failed}, xText: secondsText, yText: perSecondText}
	if unitOf(r.Rate.Unit) == "pairs" {
		p.asked(r.Rate.AskedPerSecond, sent.points)
	}
	return p
}

// asked draws the rate that was asked for across the plot.
func (p *plot) asked(v float64, along []xy) {
	if v <= 0 || len(along) == 0 {
		return
	}
	c := curve{name: "asked", class: "asked"}
	for _, q := range along {
		c.points = append(c.points, xy{q.x, v})
	}
	p.curves = append(p.curves, c)
}

func byteRate(r *replay.Result) *plot {
	bits := overSteps(r, "sent", "c0", func(s *replay.Step, length float64) (float64, bool) {
		return 8 * float64(s.Bytes) / length, r.Sent.Bytes > 0
	})
	p := &plot{title: "Bits per second", note: "what the rate counts", curves: []curve{bits}, xText: secondsText, yText: bitText}
	if unitOf(r.Rate.Unit) == "bits" {
		p.asked(r.Rate.AskedPerSecond, bits.points)
	}
	return p
}

func timing(r *replay.Result) *plot {
	at := func(ns func(*replay.Step) int64) func(*replay.Step, float64) (float64, bool) {
		return func(s *replay.Step, _ float64) (float64, bool) {
			return float64(ns(s)), r.Timing.Units > 0 && ns(s) > 0
		}
	}
	return &plot{title: "Behind the deadline", note: "how late units left", logY: true, xText: secondsText, yText: spanText, curves: []curve{
		overSteps(r, "p99", "c0", at(func(s *replay.Step) int64 { return s.ErrorP99NS })),
		overSteps(r, "max", "c1", at(func(s *replay.Step) int64 { return s.ErrorMaxNS })),
	}}
}

func timingBars(r *replay.Result) *plot {
	c := curve{name: "units", class: "c0"}
	for _, b := range r.Timing.Histogram {
		if b.ToNS > 0 {
			c.points = append(c.points, xy{float64(b.ToNS), float64(b.Count)})
		}
	}
	return &plot{title: "Distribution of the delay behind the deadline", note: "units by how late they left, at most", logX: true, logY: true,
		xTicks: decades(), xText: spanText, yText: countText, curves: []curve{c}}
}

func decades() (list []float64) {
	for v := 1.0; v <= 1e13; v *= 10 {
		list = append(list, v)
	}
	return list
}

func loss(r *replay.Result) *plot {
	value := func(n func(*replay.Step) uint64) func(*replay.Step, float64) (float64, bool) {
		return func(s *replay.Step, _ float64) (float64, bool) {
			if s.Pairs == 0 {
				return 0, false
			}
			return 100 * float64(n(s)) / float64(s.Pairs), r.Ledger.Collected && !r.Ledger.ByCount
		}
	}
	return &plot{title: "Loss", note: "of the pairs sent at that time", xText: secondsText,
		yText:  func(v float64) string { return strconv.FormatFloat(v, 'g', 4, 64) + " %" },
		curves: []curve{overSteps(r, "lost", "c1", value(func(s *replay.Step) uint64 { return s.Lost }))}}
}

func delay(r *replay.Result) *plot {
	at := func(ns func(*replay.Step) int64) func(*replay.Step, float64) (float64, bool) {
		return func(s *replay.Step, _ float64) (float64, bool) { return float64(ns(s)), ns(s) > 0 }
	}
	return &plot{title: "From due to seen", note: "by the collector", logY: true, xText: secondsText, yText: spanText, curves: []curve{
		overSteps(r, "p50", "c0", at(func(s *replay.Step) int64 { return s.DelayP50NS })),
		overSteps(r, "max", "c1", at(func(s *replay.Step) int64 { return s.DelayMaxNS })),
	}}
}

func overPoints(f *http.Findings, elapsed int64, name, class string, value func(*http.Point) float64) curve {
	c := curve{name: name, class: class}
	for i := range f.Series.Points {
		p := &f.Series.Points[i]
		c.points = append(c.points, xy{seconds(p.AtNS), value(p)})
	}
	if len(f.Series.Points) == 1 {
		c.across(min(elapsed-f.Series.Points[0].AtNS, f.Series.StepNS))
	}
	return c
}

func latency(f *http.Findings, elapsed int64) *plot {
	over := func(name, class string, ns func(*http.Point) int64) curve {
		return overPoints(f, elapsed, name, class, func(p *http.Point) float64 { return float64(ns(p)) })
	}
	return &plot{title: "Latency", note: "from the intended moment to the end of the response", logY: true, xText: secondsText, yText: spanText, curves: []curve{
		over("p50", "c0", func(p *http.Point) int64 { return p.P50NS }),
		over("p99", "c2", func(p *http.Point) int64 { return p.P99NS }),
		over("max", "c1", func(p *http.Point) int64 { return p.MaxNS }),
	}}
}

func latencyCurve(f *http.Findings) *plot {
	of := func(name, class string, q *http.Quantiles) curve {
		c := curve{name: name, class: class}
		for _, p := range q.Curve {
			if p.Q < 1 {
				c.points = append(c.points, xy{1 / (1 - p.Q), float64(p.NS)})
			}
		}
		return c
	}
	return &plot{title: "Latency by share of requests", note: "from the intended moment, and from the real one", logX: true, logY: true,
		xTicks: decades(), xText: nines, yText: spanText,
		curves: []curve{of("from due", "c0", &f.Latency.Intended), of("from sent", "c2", &f.Latency.Service)}}
}

// nines writes the share of requests that are faster, for one in v that is not.
func nines(v float64) string {
	digits := max(0, int(math.Ceil(math.Log10(v)-1e-9))-2)
	if v < 10 {
		return fmt.Sprintf("%.0f %%", 100*(1-1/v))
	}
	return strconv.FormatFloat(100*(1-1/v), 'f', digits, 64) + " %"
}

// answers leaves out a last step that is a sliver: a rate over it says nothing.
func answers(f *http.Findings, elapsed int64) *plot {
	if n := len(f.Series.Points); n > 1 && elapsed-f.Series.Points[n-1].AtNS < f.Series.StepNS/10 {
		whole := *f
		whole.Series.Points = f.Series.Points[:n-1]
		f = &whole
	}
	step := seconds(f.Series.StepNS) // answers may come after the last request: a step is not cut
	per := func(name, class string, n func(*http.Point) int64) curve {
		return overPoints(f, elapsed, name, class, func(p *http.Point) float64 { return float64(n(p)) / step })
	}
	return &plot{title: "Answers per second", note: "by the end of the response", xText: secondsText, yText: perSecondText, curves: []curve{
		per("answered", "c0", func(p *http.Point) int64 { return p.Answered }),
		per("different", "c2", func(p *http.Point) int64 { return p.Different }),
		per("errors", "c1", func(p *http.Point) int64 { return p.Errors }),
	}}
}
