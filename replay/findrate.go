package replay

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A SearchOptions says how [FindRate] looks for the highest rate that an ingestor
// survives. The zero value works.
type SearchOptions struct {
	// Loss is the share of pairs that may be lost, 0 to 1.
	Loss float64
	// Unit and From are what to begin with; zero: 100 pairs a second.
	Unit Unit
	From float64
	// Trial is how long each rate is tried; 0: 5 s. Settle is the pause between trials,
	// in which the ingestor may recover; 0: 1 s.
	Trial, Settle time.Duration
	// Precision ends the bisection: the share by which the rate that held and the one
	// that did not may differ; 0: 0.05.
	Precision float64
	// Confirm is how often the winner must hold again, each time three times as long as a
	// Trial; 0: 2. A winner that does not is replaced by a rate lower by Precision, and the
	// counting begins again.
	Confirm int
	// Most is the highest rate that is tried; 0: no bound.
	Most float64
}

// ParseLoss reads what --find-rate takes: loss=0, loss=0.5%.
func ParseLoss(text string) (float64, error) {
	name, value, found := strings.Cut(text, "=")
	if !found || name != "loss" {
		return 0, fmt.Errorf("%q is not a loss such as loss=0 or loss=0.5%%", text)
	}
	number, percent := strings.CutSuffix(value, "%")
	n, err := strconv.ParseFloat(number, 64)
	if err == nil && percent {
		n /= 100
	}
	if err != nil || !(n >= 0 && n < 1) {
		return 0, fmt.Errorf("%q is not a loss such as loss=0 or loss=0.5%%", text)
	}
	return n, nil
}

// senderShare is how much of a rate must really have been sent for its trial to say
// anything about the ingestor.
const senderShare = 0.98

// maxTrials bounds a search.
const maxTrials = 60

// A search is one run of FindRate.
type search struct {
	o    Options
	s    SearchOptions
	out  Search
	last *Result // of the best trial that held
	any  *Result // of the last trial

	run1 func(context.Context, Options) (*Result, error) // one trial: Run, but for tests
}

// FindRate tries rates, each with a short run over and over the source, and returns the
// result of the highest one at which no more than s.Loss was lost on the way to the
// collector: it doubles until something is lost, then halves the interval, then repeats
// the winner. o.Rate and o.For are its own; o.Collect is needed.
func FindRate(ctx context.Context, o Options, s SearchOptions) (*Result, error) {
	if o.Collect == nil {
		return nil, errors.New("without a collector nobody knows what was lost")
	}
	return findRate(ctx, &search{o: o, s: s.filled(), run1: Run})
}

func findRate(ctx context.Context, x *search) (*Result, error) {
	o, s := x.o, x.s
	x.out.Limit = "loss=" + strconv.FormatFloat(100*s.Loss, 'g', -1, 64) + "%"
	err := x.run(ctx)
	res := x.last
	if res == nil {
		res = x.any
	}
	if res == nil {
		return nil, err
	}
	res.Search = &x.out
	if ctx.Err() != nil {
		res.Ended = EndedInterrupted
	}
	res.Verdict = judge(res, o.Limits, err)
	if err == nil && !x.out.Found {
		res.Verdict.OK, res.Verdict.State = false, VerdictMissed
		res.Verdict.Reason = "no rate was found at which " + x.out.Limit + " holds"
	}
	if s := &res.Verdict; err == nil && x.out.Found && s.State == VerdictFailed && res.refused() == 0 {
		s.OK, s.State = true, VerdictOK // the search has a limit of its own
	}
	return res, err
}

func (s SearchOptions) filled() SearchOptions {
	if s.Unit == NoUnit {
		s.Unit = Pairs
	}
	if s.From <= 0 {
		s.From = 100
		if s.Unit == Bits {
			s.From = 1e6
		}
	}
	if s.Trial <= 0 {
		s.Trial = 5 * time.Second
	}
	if s.Settle <= 0 {
		s.Settle = time.Second
	}
	if s.Precision <= 0 {
		s.Precision = 0.05
	}
	if s.Confirm <= 0 {
		s.Confirm = 2
	}
	return s
}

func (x *search) run(ctx context.Context) error {
	good, bad, err := x.double(ctx)
	for err == nil && bad > 0 && good > 0 && bad-good > x.s.Precision*bad && len(x.out.Trials) < maxTrials {
		var t Trial
		if t, err = x.try(ctx, (good+bad)/2, purposeBisect); t.OK {
			good = (good + bad) / 2
		} else {
			bad = (good + bad) / 2
		}
	}
	if err != nil || good == 0 {
		return err
	}
	return x.confirm(ctx, good)
}

// double looks for a rate that holds and one that does not; bad is 0 where the sender
// or the bound was reached first, good where nothing holds.
func (x *search) double(ctx context.Context) (good, bad float64, err error) {
	for rate := x.s.From; ; {
		if x.s.Most > 0 {
			rate = min(rate, x.s.Most)
		}
		t, err := x.try(ctx, rate, purposeDouble)
		switch {
		case err != nil:
			return good, bad, err
		case t.OK:
			good = rate
			if bad > 0 || x.s.Most > 0 && rate >= x.s.Most {
				return good, bad, nil
			}
			rate *= 2
		case t.SenderBound && good > 0:
			x.out.SenderBound = true
			return good, 0, nil
		default:
			bad = rate
			if good > 0 || t.Sent <= 1 || rate <= minRate*4 {
				return good, bad, nil
			}
			rate /= 4
		}
		if len(x.out.Trials) >= maxTrials {
			return good, bad, nil
		}
	}
}

// confirm repeats the winner, and steps down where it does not hold.
func (x *search) confirm(ctx context.Context, good float64) error {
	for held := 0; held < x.s.Confirm; {
		if len(x.out.Trials) >= maxTrials {
			return nil
		}
		t, err := x.try(ctx, good, purposeConfirm)
		switch {
		case err != nil:
			return err
		case t.OK:
			held++
			x.last = x.any
			x.out.Rate, x.out.PairsPerSecond, x.out.BitsPerSecond = t.Rate, t.PairsPerSecond, t.BitsPerSecond
		default:
			held = 0
			x.last = nil
			if good *= 1 - x.s.Precision; good < x.s.From/4096 {
				return nil
			}
		}
	}
	x.out.Found = true
	return nil
}

// senderTries is how often a rate is tried that the sender missed, or kept unevenly:
// other work on the host may have been the cause.
const senderTries = 3

// confirmTrials is how long the winner is tried, in trials: what the queues of a system take
// in during a short trial, and would have to lose in a longer one, is no rate of its own.
const confirmTrials = 3

// The purposes of trials.
const (
	purposeDouble  = "double"
	purposeBisect  = "bisect"
	purposeConfirm = "confirm"
)

// stumble is how far behind its deadlines a sender may fall for a loss to count at once:
// what it sends to catch up is faster than the rate under test.
const stumble = 20 * time.Millisecond

// try tries a rate.
func (x *search) try(ctx context.Context, perSecond float64, purpose string) (t Trial, err error) {
	for range senderTries {
		t, err = x.once(ctx, perSecond, purpose)
		if err != nil || t.OK || !t.SenderBound && !t.Uneven || ctx.Err() != nil {
			break
		}
	}
	return t, err
}

// once makes one trial.
func (x *search) once(ctx context.Context, perSecond float64, purpose string) (Trial, error) {
	if len(x.out.Trials) > 0 {
		select {
		case <-time.After(x.s.Settle):
		case <-ctx.Done():
		}
	}
	if ctx.Err() != nil {
		return Trial{}, nil
	}
	o := x.o
	o.Rate, o.For, o.Limits = FixedRate(x.s.Unit, perSecond), x.s.Trial, nil
	if purpose == purposeConfirm {
		o.For *= confirmTrials
	}
	if o.RunID != 0 {
		o.RunID += uint32(len(x.out.Trials)) // what comes late of one trial is none of the next
	}
	o.Live.trying(o.Rate.String())
	res, err := x.run1(ctx, o)
	x.any = res
	t := Trial{
		Rate: o.Rate.String(), Purpose: purpose, Sent: res.Ledger.Sent, Lost: res.Ledger.Lost, Loss: share(res.Ledger.Lost, res.Ledger.Sent),
		PairsPerSecond: res.Rate.PairsPerSecond, BitsPerSecond: bitsOf(&res.Rate),
	}
	switch {
	case err != nil:
		t.Why = err.Error()
	case ctx.Err() != nil:
		t.Why = "interrupted"
	case t.Sent == 0:
		t.Why = "nothing was sent"
	case refused(res) > 0:
		t.Why = fmt.Sprintf("%d pairs were not accepted", refused(res))
	case t.Loss > x.s.Loss:
		t.Why = fmt.Sprintf("%d of %d pairs were lost", t.Lost, t.Sent)
		// No more than it was behind with can have come too fast, several times over.
		if behind := time.Duration(res.Timing.MaxNS); behind > stumble && float64(t.Lost) < 3*behind.Seconds()*t.PairsPerSecond {
			t.Uneven = true
			t.Why += fmt.Sprintf(", but the sender fell %v behind and caught up faster than the rate", behind.Round(time.Millisecond))
		}
	case res.Rate.Achieved < senderShare*res.Rate.AskedPerSecond:
		t.Why = fmt.Sprintf("the sender reached %.3g of the rate only", res.Rate.Achieved/res.Rate.AskedPerSecond)
		t.SenderBound = true
	default:
		t.OK = true
	}
	x.out.Trials = append(x.out.Trials, t)
	if ctx.Err() != nil {
		return t, context.Cause(ctx)
	}
	return t, err
}

// refused counts the pairs that failed on their way. What could not even be built says
// nothing about a rate.
func refused(r *Result) (n uint64) {
	for _, f := range r.Failures {
		if f.Hop != HopBuilt {
			n += f.Pairs
		}
	}
	return n
}

// bitsOf returns the outermost level that there is.
func bitsOf(r *RateResult) float64 {
	for _, v := range []float64{r.L2, r.Inner, r.HTTP} {
		if v > 0 {
			return v
		}
	}
	return 0
}
