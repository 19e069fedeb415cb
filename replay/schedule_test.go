package replay

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"recap/pipeline/exchange"
)

func newSchedule(s Source, w Window) *schedule {
	return &schedule{source: s, window: w, loops: 1, emitted: func(*exchange.Pair) {}, begun: func(uint64) {}}
}

func eventsOf(t *testing.T, s *schedule) (list []Event) {
	t.Helper()
	for e, err := range s.events(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, e)
	}
	return list
}

func names(list []Event) (out []string) {
	for _, e := range list {
		out = append(out, fmt.Sprintf("%s@%d", e.Pair.Request.Target, e.At.Milliseconds()))
	}
	return out
}

func TestScheduleOrdersByRequest(t *testing.T) {
	for _, tt := range []struct {
		name  string
		pairs []*exchange.Pair
		w     Window
		want  []string
		stat  ScheduleStat
	}{
		{"a slow response comes out last and is sent first",
			[]*exchange.Pair{testPair(2, 0, 20), testPair(3, 0, 30), testPair(1, 0, 10)}, Window{},
			[]string{"/1/0@0", "/2/0@10", "/3/0@20"}, ScheduleStat{}},
		{"equal times keep the order of the source",
			[]*exchange.Pair{testPair(2, 0, 5), testPair(1, 0, 5)}, Window{},
			[]string{"/2/0@0", "/1/0@0"}, ScheduleStat{}},
		{"a connection keeps its order against its times",
			[]*exchange.Pair{testPair(1, 1, 10), testPair(2, 0, 15), testPair(1, 0, 20)}, Window{},
			[]string{"/1/0@0", "/2/0@5", "/1/1@10"}, ScheduleStat{Moved: 2}},
		{"a pair behind the window is late, and sent",
			[]*exchange.Pair{testPair(1, 0, 10), testPair(2, 0, 20), testPair(3, 0, 30), testPair(4, 0, 5)}, Window{Pairs: 1},
			[]string{"/1/0@0", "/2/0@10", "/4/0@10", "/3/0@20"}, ScheduleStat{Late: 1}},
		{"a pair without a time follows the one before it",
			[]*exchange.Pair{testPair(1, 0, 10), withoutTime(testPair(2, 0, 0)), testPair(3, 0, 30)}, Window{},
			[]string{"/1/0@0", "/2/0@0", "/3/0@20"}, ScheduleStat{NoTime: 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSchedule(sourceOf(tt.pairs...), tt.w)
			if got := names(eventsOf(t, s)); !slices.Equal(got, tt.want) {
				t.Errorf("events %v, want %v", got, tt.want)
			}
			if s.stat.Late != tt.stat.Late || s.stat.Moved != tt.stat.Moved || s.stat.NoTime != tt.stat.NoTime {
				t.Errorf("stat %+v, want %+v", s.stat, tt.stat)
			}
		})
	}
}

func withoutTime(p *exchange.Pair) *exchange.Pair {
	p.Request.TimeNS = exchange.NoTime
	return p
}

func TestScheduleLeavesOutAndCounts(t *testing.T) {
	change := func(f func(p *exchange.Pair)) *exchange.Pair {
		p := testPair(1, 0, 1)
		f(p)
		return p
	}
	for _, tt := range []struct {
		name        string
		pair        *exchange.Pair
		requestOnly string // reason where the target has no use for responses
		pairs       string // reason else
		incomplete  string
	}{
		{"a whole pair", testPair(1, 0, 1), "", "", ""},
		{"a response alone", change(func(p *exchange.Pair) { p.Request.Present = false; p.State = exchange.ResponseOnly }), LeftNoRequest, LeftNoRequest, LeftNoRequest},
		{"a request alone", change(func(p *exchange.Pair) { p.Response.Present = false; p.State = exchange.RequestOnly }), "", LeftNoResponse, ""},
		{"a request body that was not stored whole", change(func(p *exchange.Pair) { p.Request.BodySize = 5 }), LeftRequestBody, LeftRequestBody, ""},
		{"a hole in the response", change(func(p *exchange.Pair) {
			p.Response.Gaps, p.State = []exchange.Gap{{Length: 1}}, exchange.Partial
			p.Request.BodyWireSize, p.Request.Headers = 4, []exchange.Header{{Name: "Content-Length", Value: "4"}}
		}), "", LeftResponseBody, ""},
		{"damage somewhere", change(func(p *exchange.Pair) { p.State = exchange.Partial; p.Request.BodyWireSize = 4 }), LeftPartial, LeftPartial, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for i, want := range []string{tt.requestOnly, tt.pairs, tt.incomplete} {
				s := newSchedule(sourceOf(tt.pair), Window{})
				s.requestOnly, s.incomplete = i == 0, i == 2
				n := len(eventsOf(t, s))
				if want == "" && n != 1 || want != "" && (n != 0 || s.stat.LeftOut[want] != 1) {
					t.Errorf("variant %d: %d events, left out %v, want %q", i, n, s.stat.LeftOut, want)
				}
			}
		})
	}
}

// Each loop stands behind the last at its own distance, whether out of memory or read anew.
func TestScheduleLoops(t *testing.T) {
	for _, w := range []Window{{}, {Bytes: 3000}} {
		s := newSchedule(sourceOf(testPair(1, 0, 0), testPair(2, 0, 10), testPair(3, 0, 20)), w)
		s.loops = 3
		var begun []uint64
		s.begun = func(seq uint64) { begun = append(begun, seq) }
		list := eventsOf(t, s)
		var at []int64
		for i, e := range list {
			at = append(at, e.At.Milliseconds())
			if e.Seq != uint64(i) || int(e.Loop) != i/3 {
				t.Errorf("event %d: %+v", i, e)
			}
		}
		if want := []int64{0, 10, 20, 30, 40, 50, 60, 70, 80}; !slices.Equal(at, want) {
			t.Errorf("window %+v: times %v, want %v", w, at, want)
		}
		if !slices.Equal(begun, []uint64{0, 3, 6}) || s.stat.Cached != (w == Window{}) || s.stat.Read != 9 {
			t.Errorf("window %+v: begun %v, %+v", w, begun, s.stat)
		}
	}
}

func TestScheduleEndsWithAnErrorBehindGoodPairs(t *testing.T) {
	broken := errors.New("broken")
	s := newSchedule(func(context.Context) iter.Seq2[*exchange.Pair, error] {
		return func(yield func(*exchange.Pair, error) bool) {
			_ = yield(testPair(1, 0, 2), nil) && yield(testPair(2, 0, 1), nil) && yield(nil, broken)
		}
	}, Window{})
	n := 0
	for _, err := range s.events(t.Context()) {
		if err == nil {
			n++
		} else if !errors.Is(err, broken) || n != 2 {
			t.Errorf("error %v after %d events", err, n)
		}
	}
}

// A source without pairs that can be sent must not be gone through for ever.
func TestScheduleOfNothingEnds(t *testing.T) {
	p := testPair(1, 0, 1)
	p.Request.Present = false
	s := newSchedule(sourceOf(p), Window{})
	s.loops = 0
	if list := eventsOf(t, s); len(list) != 0 || s.stat.Loops != 1 {
		t.Errorf("%d events in %d loops", len(list), s.stat.Loops)
	}
}

// Whatever the times: every pair comes out once, At never falls, connections keep their
// order inside the window, and the window keeps its bounds.
func TestScheduleProperties(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		n := 1 + r.IntN(200)
		var pairs []*exchange.Pair
		ordinal := map[int]int{}
		for range n {
			c := r.IntN(8)
			p := testPair(c, ordinal[c], int64(r.IntN(1000)))
			ordinal[c]++
			switch r.IntN(20) {
			case 0:
				p.Request.TimeNS = exchange.NoTime
			case 1:
				p.Request.TimeNS = math.MaxInt64 - int64(r.IntN(3))
			case 2:
				p.Request.TimeNS = math.MinInt64 + 1
			}
			pairs = append(pairs, p)
		}
		s := newSchedule(sourceOf(pairs...), Window{Pairs: 1 + r.IntN(n+10)})
		s.loops = uint64(1 + r.IntN(3))
		list := eventsOf(t, s)
		if len(list) != n*int(s.loops) {
			t.Fatalf("seed %d: %d events of %d pairs in %d loops", seed, len(list), n, s.loops)
		}
		last, next := time.Duration(-1), map[[2]string]int32{}
		for _, e := range list {
			if e.At < last {
				t.Fatalf("seed %d: event %d at %v behind %v", seed, e.Seq, e.At, last)
			}
			last = e.At
			key := [2]string{fmt.Sprint(e.Loop), e.Pair.Conn.ID.String()}
			if e.Pair.Ordinal != next[key] {
				t.Fatalf("seed %d: connection %v: ordinal %d where %d is next", seed, key, e.Pair.Ordinal, next[key])
			}
			next[key]++
		}
	}
}
