package replay

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestParseRate(t *testing.T) {
	for _, tt := range []struct {
		name, text, want string
	}{
		{"the original timing", "original", "original"},
		{"once the original timing", "1x", "original"},
		{"twice", "2x", "2x"},
		{"half", "0.5x", "0.5x"},
		{"no waiting", "MAX", "max"},
		{"bits with a fraction", "1.5gbps", "1.5gbps"},
		{"bits in another spelling", "1500Mbit/s", "1.5gbps"},
		{"packets", "400kpps", "400kpps"},
		{"packets in words", "400000packets/s", "400kpps"},
		{"pairs", "5000pairs/s", "5kpairs/s"},
		{"less than one pair a second", "0.25pairs/s", "0.25pairs/s"},
		{"a ramp", "100mbps..2gbps/60s", "100mbps..2gbps/1m0s"},
		{"a ramp downward of pairs", "5000pairs/s..1000pairs/s/5m", "5kpairs/s..1kpairs/s/5m0s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := ParseRate(tt.text)
			if err != nil {
				t.Fatalf("ParseRate(%q): %v", tt.text, err)
			}
			if got := r.String(); got != tt.want {
				t.Errorf("ParseRate(%q) = %s, want %s", tt.text, got, tt.want)
			}
		})
	}
}

func TestParseRateRefuses(t *testing.T) {
	for _, tt := range []struct {
		name, text, want string
	}{
		{"nothing", "", "no unit"},
		{"a number alone", "5", "no unit"},
		{"an unknown unit", "5furlongs", "no unit"},
		{"a unit alone", "gbps", `"" is not a number`},
		{"a sign", "-5pps", `"-5" is not a number`},
		{"an exponent", "1e3pps", `"1e3" is not a number`},
		{"two points", "1.2.3pps", `"1.2.3" is not a number`},
		{"zero", "0pps", "out of bounds"},
		{"too much", "99999999tbps", "out of bounds"},
		{"too many digits", "1.0000000001pps", "too many digits"},
		{"a ramp without its time", "1pps..2pps", "ends in the time"},
		{"a ramp of pairs without its time", "1pairs/s..2pairs/s", "ends in the time"},
		{"a ramp of no time", "1pps..2pps/0s", "not a time"},
		{"a ramp between units", "1pps..2bps/1s", "cannot lead from pps to bps"},
		{"a ramp of multiples", "1x..2x/1s", "needs bps, pps or pairs/s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := ParseRate(tt.text)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("ParseRate(%q) = %v, %v; want an error with %q", tt.text, r, err, tt.want)
			}
		})
	}
}

func mustRate(t testing.TB, text string) Rate {
	t.Helper()
	r, err := ParseRate(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// The n-th unit is due at n/rate to the nanosecond, also after a day: 1.5 Gbit/s are
// 3 bytes in 16 ns.
func TestFixedRateDoesNotDrift(t *testing.T) {
	p := mustRate(t, "1.5gbps").Pacer()
	for _, day := range []uint64{0, 1, 7} {
		ns := day * uint64(24*time.Hour)
		got := p.Due(0, Amount{Bytes: ns / 16 * 3})
		if got != time.Duration(ns) {
			t.Errorf("after %d days: due at %d, want %d", day, got, ns)
		}
	}
	third := mustRate(t, "3pps").Pacer() // no whole nanoseconds
	if got, want := third.Due(0, Amount{Packets: 3 * 86400 * 365}), 365*24*time.Hour; got != want {
		t.Errorf("3pps after a year: due at %v, want %v", got, want)
	}
}

func TestDue(t *testing.T) {
	for _, tt := range []struct {
		name, rate string
		at         time.Duration
		sent       Amount
		want       time.Duration
	}{
		{"original keeps the time", "original", 5 * time.Second, Amount{Pairs: 9}, 5 * time.Second},
		{"twice as fast halves it", "2x", 5 * time.Second, Amount{}, 2500 * time.Millisecond},
		{"half as fast doubles it", "0.5x", 5 * time.Second, Amount{}, 10 * time.Second},
		{"max is always due", "max", 5 * time.Second, Amount{Pairs: 9}, 0},
		{"the first unit is due at once", "1pps", 5 * time.Second, Amount{}, 0},
		{"pairs count pairs", "100pairs/s", 0, Amount{Pairs: 50, Packets: 9}, 500 * time.Millisecond},
		{"packets count packets", "1kpps", 0, Amount{Pairs: 50, Packets: 9}, 9 * time.Millisecond},
		{"bits count bytes", "8kbps", 0, Amount{Bytes: 500}, 500 * time.Millisecond},
		{"beyond all time", "0.000001pps", 0, Amount{Packets: math.MaxUint64}, math.MaxInt64},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := mustRate(t, tt.rate).Pacer().Due(tt.at, tt.sent); got != tt.want {
				t.Errorf("Due(%v, %+v) at %s = %v, want %v", tt.at, tt.sent, tt.rate, got, tt.want)
			}
		})
	}
}

// When the n-th unit is due, the integral of the ramp is n.
func TestRampFollowsItsIntegral(t *testing.T) {
	for _, text := range []string{"100pps..2000pps/60s", "2000pps..100pps/60s", "1000pps..1000.001pps/1h", "1kpps..1gpps/10s"} {
		r := mustRate(t, text)
		p := r.Pacer()
		last := time.Duration(-1)
		for n := uint64(0); n < 1_000_000; n += 997 {
			due := p.Due(0, Amount{Packets: n})
			if due < last {
				t.Fatalf("%s: unit %d is due at %v, before the one before it", text, n, due)
			}
			last = due
			// A nanosecond of rounding is less than rate × 1 ns units.
			if got, slack := r.Amount(due), 2e-9*max(r.from.float(), r.to.float())+1e-6; math.Abs(got-float64(n)) > slack {
				t.Fatalf("%s: unit %d is due at %v, where the ramp allows %f", text, n, due, got)
			}
		}
	}
}

func TestFixedRate(t *testing.T) {
	for _, tt := range []struct {
		perSecond float64
		want      string
	}{
		{1.5e9, "1.5gbps"}, {1234.5678, "1.234568kbps"}, {0.3333333, "0.333333bps"}, {1e-9, "0.000001bps"}, {1e99, "1000tbps"},
	} {
		if got := FixedRate(Bits, tt.perSecond).String(); got != tt.want {
			t.Errorf("FixedRate(Bits, %g) = %s, want %s", tt.perSecond, got, tt.want)
		}
	}
}

func FuzzRate(f *testing.F) {
	for _, s := range []string{"original", "2x", "1.5gbps", "400kpps", "5000pairs/s", "max", "100mbps..2gbps/60s", "0.5pairs/s..7pairs/s/1h"} {
		f.Add(s, uint64(1000), uint64(7))
	}
	f.Fuzz(func(t *testing.T, text string, n, more uint64) {
		r, err := ParseRate(text)
		if err != nil {
			return
		}
		again, err := ParseRate(r.String())
		if err != nil || again != r {
			t.Fatalf("ParseRate(%q) = %s, which reads as %s, %v", text, r, again, err)
		}
		// Time does not run back when more has been sent.
		n, more = n>>8, more>>8
		p := r.Pacer()
		amount := func(n uint64) Amount { return Amount{Pairs: n, Packets: n, Bytes: n} }
		a := p.Due(time.Duration(n), amount(n))
		b := p.Due(time.Duration(n+more), amount(n+more))
		if a < 0 || b < a {
			t.Fatalf("%s: due at %d after %d units, at %d after %d", r, a, n, b, n+more)
		}
	})
}
