package pipeline

import (
	"testing"

	"recap/pipeline/exchange"
)

// threePairs rest with bodies of 20, 10 and 10 MiB: more than restBodies together.
func threePairs() (*resting, []*exchange.Pair) {
	body := make([]byte, 20<<20)
	b := exchange.NewBatch(func(*exchange.Batch) {})
	for i, n := range []int{20, 10, 10} {
		p := &exchange.Pair{Completed: int64(10 * (i + 1)), Conn: &exchange.Conn{}}
		p.Response.Body = body[:n<<20]
		b.Pairs = append(b.Pairs, p)
	}
	r := &resting{}
	r.add(&work{}, b)
	return r, b.Pairs
}

func TestWhatIsLearntOfRestingPairs(t *testing.T) {
	for _, tt := range []struct {
		name   string
		pair   int
		number int64 // of the packet that tells
		want   bool
	}{
		{"of the first, when less than the limit has come behind it", 0, 25, true},
		{"of the first, when more has", 0, 35, false},
		{"of the second, at the same place", 1, 35, true},
		{"of the last", 2, 99, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, pairs := threePairs()
			p := pairs[tt.pair]
			if got := r.learn(late{pair: p, completed: p.Completed, number: tt.number}); got != tt.want || p.Anomalies.Has(exchange.AnomalyOverlapConflict) != tt.want {
				t.Errorf("learn = %t, the pair has %v; want %t", got, p.Anomalies.Append(nil), tt.want)
			}
		})
	}
	t.Run("of a pair that was given out", func(t *testing.T) {
		r, _ := threePairs()
		if r.learn(late{pair: &exchange.Pair{}, completed: 20, number: 25}) {
			t.Error("another pair took it for its own")
		}
	})
}

func TestWhenPairsAreRipe(t *testing.T) {
	const horizon = 1000
	for _, tt := range []struct {
		name   string
		w      *work
		behind int // MiB of bodies that came behind them
		prompt bool
		want   bool
	}{
		{"at once", &work{}, 0, false, false},
		{"as far back as the history reaches", &work{cum: horizon}, 0, false, false},
		{"further back", &work{cum: horizon + 1}, 0, false, true},
		{"within their time", &work{clock: max(restTime, vantageTime)}, 0, false, false},
		{"behind it", &work{clock: max(restTime, vantageTime) + 1}, 0, false, true},
		{"as much behind them as may be", &work{}, restBodies >> 20, false, false},
		{"more", &work{}, restBodies>>20 + 1, false, true},
		{"at the end of the capture", &work{end: true}, 0, false, true},
		{"where nothing rests", &work{}, 0, true, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, pairs := threePairs()
			more := exchange.NewBatch(func(*exchange.Batch) {})
			more.Pairs = []*exchange.Pair{{Completed: 40}}
			more.Pairs[0].Request.Body = make([]byte, tt.behind<<20)
			r.add(tt.w, more)
			got := r.ripe(tt.w, horizon, tt.prompt)
			if (got != nil) != tt.want || got != nil && got.Pairs[0] != pairs[0] {
				t.Errorf("ripe: %t, want %t", got != nil, tt.want)
			}
		})
	}
}

func TestStillRests(t *testing.T) {
	w := &worker{}
	w.hist.Horizon = 100
	w.hist.At(500)
	c := &conn{part: &partition{w: w}, clock: 50}
	for _, tt := range []struct {
		cum, clock int64
		want       bool
	}{{400, 40, true}, {399, 40, false}, {400, 39, false}, {500, 50, true}} {
		if got := c.stillRests(tt.cum, tt.clock, 10); got != tt.want {
			t.Errorf("stillRests(%d, %d, 10) = %t, want %t", tt.cum, tt.clock, got, tt.want)
		}
	}
}

func TestMayHold(t *testing.T) {
	for _, tt := range []struct {
		begin, offset int64 // begin counts from 1; 0 is unknown
		want          bool
	}{{0, 5, false}, {1, 0, true}, {6, 5, true}, {7, 5, false}} {
		if got := mayHold(tt.begin, tt.offset); got != tt.want {
			t.Errorf("mayHold(%d, %d) = %t, want %t", tt.begin, tt.offset, got, tt.want)
		}
	}
}
