package sink

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"recap/replay"
)

// A Kind is something that an ingestor may do wrong.
type Kind uint8

// The first that concerns a pair is the only one; a delay comes on top of any.
const (
	Blind     Kind = iota // sees nothing for some time
	Drop                  // loses the pair
	Mispair               // answers the request with another pair's response
	Truncate              // loses the second half of a body
	Duplicate             // gives the pair out twice
	Limit                 // loses what comes faster than it can work
	kinds
)

var kindNames = [kinds]string{"blind", "drop", "mispair", "truncate", "duplicate", "limit"}

func (k Kind) String() string { return kindNames[k] }

// Faults are what a sink does wrong, and how often. What befalls a pair depends on its
// number in its run and on the seed, nothing else, so that a test knows beforehand
// which pairs a report must name. Only what a limit befalls depends on when pairs come.
// The zero value does nothing wrong.
type Faults struct {
	Seed  uint64
	limit float64 // pairs a second; 0 for none
	share [kinds]share
	// from and to bound the blind time since the start of the run, as pairs are due.
	from, to time.Duration
	delay    time.Duration
}

// A share says which pairs a fault befalls: every n-th, or those whose hash is below.
type share struct {
	every uint64
	below float64 // of 1
}

const faultExamples = "drop=1%, drop=every:100, delay=200ms, mispair=0.1%, truncate=1%, duplicate=1%, blind=20s@10s, limit=5000pairs/s"

// Add takes one fault, as in drop=1%.
func (f *Faults) Add(text string) error {
	name, value, _ := strings.Cut(text, "=")
	var err error
	switch i := slices.Index(kindNames[:], name); {
	case name == "delay":
		f.delay, err = positive(value)
	case i == int(Blind):
		length, at, _ := strings.Cut(value, "@")
		if at != "" {
			f.from, err = time.ParseDuration(at)
		}
		if err == nil {
			var d time.Duration
			d, err = positive(length)
			f.to = f.from + d
		}
	case i == int(Limit):
		f.limit, err = parseLimit(value)
	case i > 0:
		f.share[i], err = parseShare(value)
	default:
		err = fmt.Errorf("no such fault")
	}
	if err != nil {
		return fmt.Errorf("fault %q: %w; examples are %s", text, err, faultExamples)
	}
	return nil
}

func positive(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err == nil && d <= 0 {
		err = fmt.Errorf("%q is not more than 0", text)
	}
	return d, err
}

// parseLimit reads what --rate takes, in pairs.
func parseLimit(text string) (float64, error) {
	r, err := replay.ParseRate(text)
	if err == nil && (r.Unit() != replay.Pairs || r.Amount(time.Second) != r.Amount(2*time.Second)/2) {
		err = fmt.Errorf("%q is not a rate in pairs/s", text)
	}
	return r.Amount(time.Second), err
}

// A gate lets through so many pairs a second. It holds what comes within queueTime of
// work; what comes on top is lost, as it is to an ingestor with a bounded queue.
type gate struct {
	every time.Duration // for one pair
	free  time.Time     // when all that was let through is worked off
}

const queueTime = 250 * time.Millisecond

// pass reports whether a pair that comes now gets through.
func (g *gate) pass(now time.Time) bool {
	if g.every == 0 {
		return true
	}
	if g.free.Before(now) {
		g.free = now
	}
	if g.free.Sub(now) > queueTime {
		return false
	}
	g.free = g.free.Add(g.every)
	return true
}

func parseShare(text string) (share, error) {
	if n, ok := strings.CutPrefix(text, "every:"); ok {
		every, err := strconv.ParseUint(n, 10, 64)
		if err != nil || every == 0 {
			return share{}, fmt.Errorf("%q is not a number of at least 1", n)
		}
		return share{every: every}, nil
	}
	n, ok := strings.CutSuffix(text, "%")
	percent, err := strconv.ParseFloat(n, 64)
	if !ok || err != nil || !(percent >= 0 && percent <= 100) {
		return share{}, fmt.Errorf("%q is neither a percentage nor every:N", text)
	}
	return share{below: percent / 100}, nil
}

// Any reports whether there are faults at all.
func (f *Faults) Any() bool {
	return f.to > 0 || f.delay > 0 || f.limit > 0 || f.share != [kinds]share{}
}

// Befalls tells which fault befalls the pair with number seq that is due at a time
// since the start of its run; ok is false where none does.
func (f *Faults) Befalls(seq uint64, due time.Duration) (k Kind, ok bool) {
	if due >= f.from && due < f.to {
		return Blind, true
	}
	for k := Drop; k < kinds; k++ {
		s := f.share[k]
		if s.every > 0 && (seq+1)%s.every == 0 || s.below > 0 && f.hash(k, seq) < s.below {
			return k, true
		}
	}
	return 0, false
}

// hash spreads numbers evenly over [0, 1) (the finalizer of SplitMix64).
func (f *Faults) hash(k Kind, seq uint64) float64 {
	x := f.Seed ^ uint64(k)<<56 + seq*0x9e3779b97f4a7c15 + 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	x ^= x >> 31
	return math.Ldexp(float64(x>>11), -53)
}
