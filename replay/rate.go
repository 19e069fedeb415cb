package replay

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"math/bits"
	"strings"
	"time"
)

// A Unit is what a rate counts.
type Unit uint8

// Units of rates.
const (
	NoUnit  Unit = iota // original timing, its multiples, and max
	Bits                // eight for each of [Amount.Bytes]
	Packets             // [Amount.Packets]
	Pairs               // [Amount.Pairs]
)

var unitNames = [...]string{"", "bps", "pps", "pairs/s"}

func (u Unit) String() string { return unitNames[u] }

// of returns how many of the unit a holds.
func (u Unit) of(a Amount) uint64 {
	switch u {
	case Bits:
		return a.Bytes * 8
	case Packets:
		return a.Packets
	default:
		return a.Pairs
	}
}

// A Rate says how fast to send. The zero Rate is the original timing.
type Rate struct {
	max  bool
	unit Unit
	// from is the factor of original timing (unit NoUnit; zero: 1), or a rate per second.
	from fraction
	// to is where a ramp ends after over, and stays; zero without a ramp.
	to   fraction
	over time.Duration
}

// A fraction is an exact positive number. den divides 10^9.
type fraction struct{ num, den uint64 }

func (f fraction) float() float64 { return float64(f.num) / float64(f.den) }

// Bounds of rates, per second; factors too.
const (
	minRate = 1e-6
	maxRate = 1e15
)

// prefixes of units, smallest first.
var prefixes = [...]struct {
	name   string
	factor int64
}{{"", 1}, {"k", 1e3}, {"m", 1e6}, {"g", 1e9}, {"t", 1e12}}

// unitWords are the ways to write units; a longer one stands before those it ends in.
var unitWords = [...]struct {
	word string
	unit Unit
}{{"pairs/s", Pairs}, {"packets/s", Packets}, {"bit/s", Bits}, {"bps", Bits}, {"pps", Packets}}

const rateExamples = "original, 2x, 1.5gbps, 400kpps, 5000pairs/s, max, 100mbps..2gbps/60s"

// ParseRate reads a rate: original, max, a multiple of the original speed (2x), so many
// bits, packets or pairs per second with an SI prefix where wanted (1.5gbps, 400kpps,
// 5000pairs/s), or a ramp from one such rate to another over a time, after which it
// stays (100mbps..2gbps/60s).
func ParseRate(text string) (Rate, error) {
	switch strings.ToLower(text) {
	case "original":
		return Rate{}, nil
	case "max":
		return Rate{max: true}, nil
	}
	r, err := parseRate(text)
	if err != nil {
		return Rate{}, fmt.Errorf("rate %q: %w; examples: %s", text, err, rateExamples)
	}
	return r, nil
}

func parseRate(text string) (Rate, error) {
	from, to, ramp := strings.Cut(text, "..")
	if !ramp {
		f, unit, err := parseSpeed(text)
		if unit == NoUnit && f == (fraction{1, 1}) {
			return Rate{}, err
		}
		return Rate{unit: unit, from: f}, err
	}
	i := strings.LastIndexByte(to, '/')
	if i < 0 || strings.EqualFold(to[i:], "/s") {
		return Rate{}, errors.New("a ramp ends in the time it takes, as in /60s")
	}
	over, err := time.ParseDuration(to[i+1:])
	if err != nil || over <= 0 {
		return Rate{}, fmt.Errorf("%q is not a time such as 60s or 5m", to[i+1:])
	}
	r := Rate{over: over}
	var unit Unit
	if r.from, r.unit, err = parseSpeed(from); err != nil {
		return Rate{}, err
	}
	if r.to, unit, err = parseSpeed(to[:i]); err != nil {
		return Rate{}, err
	}
	switch {
	case r.unit == NoUnit || unit == NoUnit:
		return Rate{}, errors.New("a ramp needs bps, pps or pairs/s on both sides")
	case r.unit != unit:
		return Rate{}, fmt.Errorf("a ramp cannot lead from %s to %s", r.unit, unit)
	}
	return r, nil
}

// parseSpeed reads 2x, 1.5gbps, 400kpps, 5000pairs/s.
func parseSpeed(text string) (fraction, Unit, error) {
	word := strings.ToLower(text)
	if number, ok := strings.CutSuffix(word, "x"); ok {
		f, err := parseNumber(number, 1)
		return f, NoUnit, err
	}
	for _, u := range unitWords {
		number, ok := strings.CutSuffix(word, u.word)
		if !ok {
			continue
		}
		factor := int64(1)
		for _, p := range prefixes[1:] {
			if short, ok := strings.CutSuffix(number, p.name); ok {
				number, factor = short, p.factor
				break
			}
		}
		f, err := parseNumber(number, factor)
		return f, u.unit, err
	}
	return fraction{}, NoUnit, errors.New("no unit that is known (bps, pps, pairs/s, x)")
}

func parseNumber(text string, factor int64) (fraction, error) {
	if text == "" || len(text) > 20 || strings.Trim(text, "0123456789.") != "" {
		return fraction{}, fmt.Errorf("%q is not a number", text)
	}
	v, ok := new(big.Rat).SetString(text)
	if !ok {
		return fraction{}, fmt.Errorf("%q is not a number", text)
	}
	v.Mul(v, new(big.Rat).SetInt64(factor))
	if f, _ := v.Float64(); f < minRate || f > maxRate {
		return fraction{}, fmt.Errorf("%s is out of bounds, %g to %g per second", v.FloatString(6), minRate, maxRate)
	}
	if !v.Num().IsUint64() || !v.Denom().IsUint64() || 1_000_000_000%v.Denom().Uint64() != 0 {
		return fraction{}, fmt.Errorf("%q has too many digits", text)
	}
	return fraction{v.Num().Uint64(), v.Denom().Uint64()}, nil
}

// FixedRate returns a rate of so many units per second, rounded to thousandths (below
// 1, to millionths) and kept inside the bounds of rates.
func FixedRate(unit Unit, perSecond float64) Rate {
	perSecond = min(max(perSecond, minRate), maxRate)
	den := int64(1e3)
	if perSecond < 1 {
		den = 1e6
	}
	v := big.NewRat(int64(math.Round(perSecond*float64(den))), den)
	return Rate{unit: unit, from: fraction{v.Num().Uint64(), v.Denom().Uint64()}}
}

// String returns the rate as [ParseRate] reads it.
func (r Rate) String() string {
	switch {
	case r.max:
		return "max"
	case r.unit == NoUnit && r.from == fraction{}:
		return "original"
	case r.unit == NoUnit:
		return r.from.decimal(1) + "x"
	case r.over > 0:
		return r.from.text(r.unit) + ".." + r.to.text(r.unit) + "/" + r.over.String()
	}
	return r.from.text(r.unit)
}

// text writes f with the largest prefix that leaves a number of at least 1.
func (f fraction) text(u Unit) string {
	p := prefixes[0]
	for _, next := range prefixes[1:] {
		if f.float() >= float64(next.factor) {
			p = next
		}
	}
	return f.decimal(p.factor) + p.name + u.String()
}

// decimal writes f divided by a power of ten, exactly.
func (f fraction) decimal(by int64) string {
	v := new(big.Rat).SetFrac(new(big.Int).SetUint64(f.num), new(big.Int).SetUint64(f.den))
	v.Quo(v, new(big.Rat).SetInt64(by))
	return strings.TrimSuffix(strings.TrimRight(v.FloatString(21), "0"), ".")
}

// Unit returns what the rate counts; NoUnit for original timing, its multiples, max.
func (r Rate) Unit() Unit { return r.unit }

// Max reports whether nothing is waited for.
func (r Rate) Max() bool { return r.max }

// Amount returns how many units the rate allows in d from the start, for rates that
// have a unit.
func (r Rate) Amount(d time.Duration) float64 {
	t, from := d.Seconds(), r.from.float()
	if r.over <= 0 {
		return from * t
	}
	to, over := r.to.float(), r.over.Seconds()
	in := min(t, over)
	return from*in + (to-from)*in*in/(2*over) + to*(t-in)
}

// Pacer returns the arithmetic of the rate, for one run.
func (r Rate) Pacer() Pacer {
	switch {
	case r.max:
		return maxPacer{}
	case r.unit == NoUnit && r.from == fraction{}:
		return scaledPacer{fraction{1, 1}}
	case r.unit == NoUnit:
		return scaledPacer{r.from}
	case r.over > 0:
		return &rampPacer{r: r, end: r.Amount(r.over)}
	}
	return fixedPacer{r.unit, r.from}
}

type maxPacer struct{}

func (maxPacer) Due(time.Duration, Amount) time.Duration { return 0 }

// scaledPacer keeps the original timing, so many times faster.
type scaledPacer struct{ factor fraction }

func (p scaledPacer) Due(at time.Duration, _ Amount) time.Duration {
	return mulDiv(uint64(max(at, 0)), p.factor.den, p.factor.num)
}

// fixedPacer is exact: the n-th unit is due at n/rate, not a step after the one before,
// so that nothing adds up in hours.
type fixedPacer struct {
	unit Unit
	rate fraction
}

func (p fixedPacer) Due(_ time.Duration, sent Amount) time.Duration {
	return mulDiv(p.unit.of(sent), p.rate.den*uint64(time.Second), p.rate.num)
}

// mulDiv returns a*b/c, rounded down, at most the longest Duration.
func mulDiv(a, b, c uint64) time.Duration {
	hi, lo := bits.Mul64(a, b)
	if hi >= c {
		return math.MaxInt64
	}
	q, _ := bits.Div64(hi, lo, c)
	return time.Duration(min(q, math.MaxInt64))
}

// rampPacer solves from·t + (to-from)·t²/(2·over) = n for t.
type rampPacer struct {
	r    Rate
	end  float64       // units in the ramp itself
	last time.Duration // rounding must not make it fall
}

func (p *rampPacer) Due(_ time.Duration, sent Amount) time.Duration {
	n := float64(p.r.unit.of(sent))
	from, to, over := p.r.from.float(), p.r.to.float(), p.r.over.Seconds()
	var t float64
	if n < p.end {
		// This form of the root loses no digits where the ramp is flat.
		t = 2 * n / (from + math.Sqrt(max(from*from+2*(to-from)/over*n, 0)))
	} else {
		t = over + (n-p.end)/to
	}
	if ns := t * 1e9; ns < math.MaxInt64 {
		p.last = max(p.last, time.Duration(ns))
	} else {
		p.last = math.MaxInt64
	}
	return p.last
}
