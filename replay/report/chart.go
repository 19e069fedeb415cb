package report

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
)

// Sizes of a chart, in the units of its drawing: the whole, and what is left for axes.
const (
	chartWidth, chartHeight = 640, 230
	left, right             = 66, 10
	top, bottom             = 8, 24
	// maxPoints is how many points a line has at most: more than the eye can tell.
	maxPoints = 400
	maxTicks  = 7
)

// A chart is what the template draws: everything is placed already.
type chart struct {
	Title, Note string
	Width       int
	Height      int
	Left, Right int // edges of the plot
	Top, Bottom int
	Lines       []chartLine
	XTicks      []tick
	YTicks      []tick
	// Data is what the page's script shows under the pointer, as JSON.
	Data string
}

type chartLine struct {
	Name, Class string
	Points      string // x,y x,y …
}

type tick struct {
	At   float64
	Text string
}

// A curve is what a chart is made of: values by x.
type curve struct {
	name   string
	class  string // style of the line: c0 to c3, or "asked"
	points []xy
}

type xy struct{ x, y float64 }

// A plot says how to draw curves.
type plot struct {
	title, note string
	curves      []curve
	yText       func(float64) string
	xText       func(float64) string
	xTicks      []float64 // nil: chosen
	logY, logX  bool
}

// chart places the curves; nil where there is nothing to draw.
func (p *plot) chart() *chart {
	c := &chart{Title: p.title, Note: p.note, Width: chartWidth, Height: chartHeight, Left: left, Right: chartWidth - right, Top: top, Bottom: chartHeight - bottom}
	x, y := newScale(p.logX), newScale(p.logY)
	for _, v := range p.curves {
		for _, q := range v.points {
			x.take(q.x)
			y.take(q.y)
		}
	}
	if !x.any || !y.any {
		return nil
	}
	if !p.logY {
		y.take(0)
	}
	y.round()
	x.from, x.to = left, chartWidth-right
	y.from, y.to = chartHeight-bottom, top
	for _, v := range p.curves {
		if len(v.points) == 0 {
			continue
		}
		c.Lines = append(c.Lines, chartLine{v.name, v.class, path(thin(v.points), x, y)})
	}
	xs := p.xTicks
	if xs == nil {
		xs = x.ticks()
	}
	for _, at := range xs {
		if at >= x.low && at <= x.high {
			c.XTicks = append(c.XTicks, tick{round1(x.place(at)), p.xText(at)})
		}
	}
	for _, at := range y.ticks() {
		c.YTicks = append(c.YTicks, tick{round1(y.place(at)), p.yText(at)})
	}
	c.Data = p.data(x)
	return c
}

// data gives the values to show, already as text.
func (p *plot) data(x *scale) string {
	type point struct {
		X float64 `json:"x"` // place
		T string  `json:"t"`
	}
	var list []point
	longest := slices.MaxFunc(p.curves, func(a, b curve) int { return len(a.points) - len(b.points) })
	for _, q := range thin(longest.points) {
		parts := []string{p.xText(q.x)}
		for _, v := range p.curves {
			if i := slices.IndexFunc(v.points, func(o xy) bool { return o.x == q.x }); i >= 0 {
				parts = append(parts, v.name+" "+p.yText(v.points[i].y))
			}
		}
		list = append(list, point{round1(x.place(q.x)), strings.Join(parts, " · ")})
	}
	text, err := json.Marshal(list)
	if err != nil {
		return "[]"
	}
	return string(text)
}

// thin leaves the highest point of each run of points where there are too many.
func thin(points []xy) []xy {
	if len(points) <= maxPoints {
		return points
	}
	kept := make([]xy, 0, maxPoints)
	for i := range maxPoints {
		run := points[i*len(points)/maxPoints : (i+1)*len(points)/maxPoints]
		kept = append(kept, slices.MaxFunc(run, func(a, b xy) int { return sign(a.y - b.y) }))
	}
	return kept
}

func sign(v float64) int {
	switch {
	case v < 0:
		return -1
	case v > 0:
		return 1
	}
	return 0
}

func path(points []xy, x, y *scale) string {
	var b strings.Builder
	for _, q := range points {
		fmt.Fprintf(&b, "%g,%g ", round1(x.place(q.x)), round1(y.place(q.y)))
	}
	if len(points) == 1 { // a line of one point would not be seen
		fmt.Fprintf(&b, "%g,%g", round1(x.place(points[0].x))+2, round1(y.place(points[0].y)))
	}
	return strings.TrimSpace(b.String())
}

func round1(v float64) float64 { return math.Round(10*v) / 10 }

// A scale places values between from and to.
type scale struct {
	log       bool
	any       bool
	low, high float64
	from, to  float64
}

func newScale(log bool) *scale { return &scale{log: log} }

func (s *scale) take(v float64) {
	if math.IsNaN(v) || math.IsInf(v, 0) || s.log && v <= 0 {
		return
	}
	if !s.any {
		s.any, s.low, s.high = true, v, v
	}
	s.low, s.high = min(s.low, v), max(s.high, v)
}

// round widens the scale to whole ticks.
func (s *scale) round() {
	if s.log {
		s.low, s.high = math.Pow(10, math.Floor(math.Log10(s.low))), math.Pow(10, math.Ceil(math.Log10(s.high)))
		if s.low == s.high {
			s.high *= 10
		}
		return
	}
	if s.low == s.high {
		s.high = s.low + 1
	}
	step := s.step()
	s.low, s.high = math.Floor(s.low/step)*step, math.Ceil(s.high/step)*step
}

// step is 1, 2 or 5 times a power of ten, so that there are few ticks.
func (s *scale) step() float64 {
	raw := (s.high - s.low) / (maxTicks - 1)
	if raw <= 0 {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(raw)))
	for _, f := range []float64{1, 2, 5, 10} {
		if raw <= f*power {
			return f * power
		}
	}
	return 10 * power
}

func (s *scale) ticks() (list []float64) {
	if s.log {
		each := 1
		if n := math.Log10(s.high / s.low); n >= maxTicks {
			each = int(n)/maxTicks + 1
		}
		for v := s.low; v <= s.high*1.001; v *= math.Pow(10, float64(each)) {
			list = append(list, v)
		}
		return list
	}
	step := s.step()
	for i := math.Ceil(s.low / step); i*step <= s.high+step/1e6 && len(list) < 3*maxTicks; i++ {
		list = append(list, i*step)
	}
	return list
}

func (s *scale) place(v float64) float64 {
	low, high := s.low, s.high
	if s.log {
		v, low, high = math.Log10(max(v, s.low)), math.Log10(low), math.Log10(high)
	}
	if high == low {
		return s.from
	}
	return s.from + (s.to-s.from)*(v-low)/(high-low)
}
