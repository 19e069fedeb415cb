package replay

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"recap/reader/packet"
)

// result closes the books of a run.
func (r *runner) result(err error) *Result {
	r.state.Lock()
	defer r.state.Unlock()
	collected := r.o.Collect != nil
	res := &Result{
		Run: fmt.Sprintf("%08x", r.id), Sources: r.o.Sources, To: r.o.To, Collect: r.o.CollectAt, Started: r.began.UTC(), Ended: r.ended,
		ElapsedNS: int64(r.elapsed()), TookNS: int64(r.took), Sent: r.sent, OfPackets: r.o.Packets != nil, Schedule: r.stat,
		Timing: r.timing.timing(r.o.LateSend), Ledger: r.ledger.report(collected), Counters: r.counts(), Failures: r.ledger.failureList(),
	}
	if err != nil {
		res.Error = err.Error()
	}
	res.Schedule.StarvedNS, res.Schedule.HeldNS = int64(r.starved), int64(r.held)
	if res.Schedule.LeftOut == nil {
		res.Schedule.LeftOut = map[string]uint64{}
	}
	res.Sent.Pairs = res.Ledger.Sent
	res.Timing.SleepErrorNS = int64(r.clock.overshoot)
	res.Rate = r.rates(res.Counters)
	res.Series = r.series(collected)
	res.Hops = r.hops(res)
	if t, ok := r.target.(Reporter); ok && !r.left {
		res.Target = t.Report()
	}
	res.Verdict = judge(res, r.o.Limits, err)
	return res
}

// elapsed is from the start to the last unit sent. At a rate that paces nothing, targets
// that wait for connections and answers take units long before they leave: then it is to
// the last pair that was noted as sent.
func (r *runner) elapsed() time.Duration {
	if !r.o.Rate.max {
		return r.lastUnit
	}
	return max(r.lastUnit, r.ledger.lastSent())
}

// rates holds what was asked against what was achieved. The last unit marks the time
// and is not counted: n units take the time of n-1 distances.
func (r *runner) rates(counters map[string]int64) RateResult {
	rate := r.o.Rate
	x := RateResult{Asked: rate.String(), Unit: rate.unit.String()}
	t := r.elapsed().Seconds()
	if t <= 0 {
		return x
	}
	if rate.unit != NoUnit {
		done := float64(rate.unit.of(r.before))
		x.Achieved, x.AskedPerSecond = done/t, rate.Amount(r.lastUnit)/t
		// The last unit was due when all before it had been allowed.
		x.Error = done/rate.Amount(r.lastUnit) - 1
	} else if !rate.max && r.lastDue > 0 {
		x.Error = float64(r.lastDue)/float64(r.lastUnit) - 1
	}
	n := float64(r.pub.units.Load())
	part := (n - 1) / n / t // of whole amounts, per second
	if rate.max {
		part = 1 / t
	}
	x.PairsPerSecond = float64(r.ledger.sent.n) * part
	x.PacketsPerSecond = float64(r.sent.Packets) * part
	if l2 := float64(counters[CountL2]); l2 > 0 {
		x.L2 = 8 * l2 * part
		x.L1 = 8 * (l2 + frameOverhead*float64(r.sent.Packets)) * part
	}
	x.Inner = 8 * float64(counters[CountInner]) * part
	x.HTTP = 8 * float64(counters[CountHTTP]) * part
	return x
}

// frameOverhead is what Ethernet adds to a frame on the wire, bytes: preamble and start
// delimiter 8, frame check sequence 4, gap 12 (IEEE 802.3).
const frameOverhead = 24

// maxSteps bounds the time series of a report.
const maxSteps = 2000

// series joins what Wait and the ledger noted of each second.
func (r *runner) series(collected bool) Series {
	list := r.ledger.steps(collected)
	r.timing.roll(math.MaxInt64)
	for len(list) < max(len(r.units), len(r.timing.list)) {
		list = append(list, Step{AtNS: int64(time.Duration(len(list)) * time.Second)})
	}
	for i, u := range r.units {
		list[i].Packets, list[i].Bytes = u.packets, u.bytes
	}
	for i, t := range r.timing.list {
		list[i].Late, list[i].ErrorP99NS, list[i].ErrorMaxNS = t.late, t.p99, t.max
	}
	s := Series{StepNS: int64(time.Second), Steps: list}
	for len(s.Steps) > maxSteps {
		s.halve()
	}
	return s
}

// halve joins neighbours. Percentiles become the worse of the two.
func (s *Series) halve() {
	half := s.Steps[:0]
	for i := 0; i < len(s.Steps); i += 2 {
		a := s.Steps[i]
		if i+1 < len(s.Steps) {
			b := s.Steps[i+1]
			a.Pairs, a.Failed, a.Packets, a.Bytes = a.Pairs+b.Pairs, a.Failed+b.Failed, a.Packets+b.Packets, a.Bytes+b.Bytes
			a.Late, a.Seen, a.Lost = a.Late+b.Late, a.Seen+b.Seen, a.Lost+b.Lost
			a.ErrorP99NS, a.ErrorMaxNS = max(a.ErrorP99NS, b.ErrorP99NS), max(a.ErrorMaxNS, b.ErrorMaxNS)
			a.DelayP50NS, a.DelayMaxNS = max(a.DelayP50NS, b.DelayP50NS), max(a.DelayMaxNS, b.DelayMaxNS)
		}
		half = append(half, a)
	}
	s.Steps, s.StepNS = half, 2*s.StepNS
}

// hops lists the places that pairs passed and where they got fewer.
func (r *runner) hops(res *Result) []Hop {
	l := &res.Ledger
	failedAt := map[string]uint64{}
	for _, f := range res.Failures {
		failedAt[f.Hop] += f.Pairs
	}
	lost := func(n uint64) *int64 { v := int64(n); return &v }
	// What was stopped, and what failed in building, was not built.
	built := l.Scheduled - min(l.Scheduled, l.Unsent+l.LeftOut+failedAt[HopBuilt])
	list := []Hop{{Name: HopScheduled, Pairs: &l.Scheduled}}
	if r.o.Packets == nil {
		list = append(list,
			Hop{Name: HopBuilt, Pairs: &built, Lost: lost(l.Scheduled - built)},
			Hop{Name: HopAccepted, Where: r.o.To, Pairs: &l.Sent, Lost: lost(built - min(built, l.Sent))})
		var notes []string
		if l.LeftOut > 0 {
			notes = append(notes, fmt.Sprintf("%d left out by a rule of the target", l.LeftOut))
		}
		if l.Unsent > 0 {
			notes = append(notes, fmt.Sprintf("%d unsent when the run was stopped", l.Unsent))
		}
		list[1].Note = strings.Join(notes, ", ")
	} else {
		list = []Hop{{Name: HopAccepted, Where: r.o.To}}
	}
	last := &list[len(list)-1]
	if r.sent.Packets > 0 {
		last.Packets, last.Bytes = &r.sent.Packets, &r.sent.Bytes
	}
	if r.path != nil {
		list = append(list, r.path.hops(r.sent, res.Counters[CountSegmented] > 0)...)
	}
	switch {
	case l.CountOnly:
		list = append(list, Hop{Name: HopCollector, Where: r.o.CollectAt, Pairs: &l.Observations,
			Note: "packets have no markers: pairs are counted, what was lost is not known"})
	case l.Collected:
		list = append(list, Hop{Name: HopCollector, Where: r.o.CollectAt, Pairs: &l.Seen, Lost: lost(l.Lost)})
	}
	return list
}

// A DryRun is what a run would do, as far as that is known without sending.
type DryRun struct {
	Schedule ScheduleStat `json:"schedule"`
	Events   uint64       `json:"events"`
	Conns    uint64       `json:"connections"`
	// HTTPBytes are heads as stored and bodies of requests and responses.
	HTTPBytes uint64 `json:"http_bytes"`
	// OfPackets says that packets would be sent: so many, and as many bytes as captured.
	OfPackets bool   `json:"of_packets,omitempty"`
	Packets   uint64 `json:"packets,omitempty"`
	Bytes     uint64 `json:"bytes,omitempty"`
	// TakesNS is how long sending takes at the rate; -1 where that depends on what the
	// target makes of the pairs (rates in bits and packets) or on its speed (max).
	TakesNS int64 `json:"takes_ns"`
	// Cut says that only as much was looked at as Options.For and Limit let through.
	Ended string `json:"ended"`
}

// maxDryConns bounds the connections that a dry run tells apart.
const maxDryConns = 1 << 20

// Dry goes through the schedule of a run and sends nothing.
func Dry(ctx context.Context, o Options) (*DryRun, error) {
	r := newRunner(ctx, o)
	defer r.cancel(nil)
	if o.Packets != nil {
		return r.dryPackets(ctx)
	}
	if o.For > 0 && (o.Rate.Unit() != NoUnit && o.Rate.Unit() != Pairs || o.Rate.Max()) && o.Loops == 0 {
		r.plan.loops = 1 // what fits is not known
	}
	d := &DryRun{TakesNS: -1, Ended: EndedSource}
	conns := map[[13]byte]struct{}{}
	var last time.Duration
	for e, err := range r.plan.events(ctx) {
		if err != nil {
			d.Schedule = r.plan.figures()
			return d, err
		}
		due := r.pacer.Due(e.At, Amount{Pairs: d.Events})
		if o.For > 0 && due >= o.For {
			d.Ended = EndedFor
			break
		}
		last = max(last, due)
		d.Events++
		p := e.Pair
		d.HTTPBytes += uint64(len(p.Request.Head) + len(p.Request.Body) + len(p.Response.Head) + len(p.Response.Body))
		if p.Conn != nil && len(conns) < maxDryConns {
			conns[[13]byte(append(p.Conn.ID[:], byte(e.Loop)))] = struct{}{}
		}
		if err := ctx.Err(); err != nil {
			d.Ended = EndedInterrupted
			break
		}
	}
	if o.Limit > 0 && d.Events == o.Limit {
		d.Ended = EndedLimit
	}
	if (o.Rate.Unit() == NoUnit || o.Rate.Unit() == Pairs) && !o.Rate.Max() {
		d.TakesNS = int64(last)
	}
	d.Schedule, d.Conns = r.plan.figures(), uint64(len(conns))
	return d, nil
}

// dryPackets goes through the packets of a run. How many bytes each will be on the wire
// only the target knows: with a rate in bits one pass is looked at, and no time told.
func (r *runner) dryPackets(ctx context.Context) (*DryRun, error) {
	o := &r.o
	d := &DryRun{TakesNS: -1, OfPackets: true, Ended: EndedSource}
	timed := !o.Rate.Max() && (o.Rate.Unit() == NoUnit || o.Rate.Unit() == Packets)
	loops := o.Loops
	if loops == 0 && (o.For == 0 || !timed) {
		loops = 1
	}
	var last, base time.Duration
	for loop := uint64(0); loops == 0 || loop < loops; loop++ {
		d.Schedule.Loops++
		first, before := int64(packet.NoTime), d.Packets
		for b, err := range o.Packets(ctx) {
			if err != nil {
				return d, err
			}
			for i := range b.Packets {
				p := &b.Packets[i]
				if first == packet.NoTime {
					first = p.TimeNS
				}
				due := last
				if p.TimeNS != packet.NoTime && first != packet.NoTime {
					due = max(due, base+since(p.TimeNS, first))
				}
				paced := r.pacer.Due(due, Amount{Packets: d.Packets})
				switch {
				case o.Limit > 0 && d.Packets == o.Limit:
					d.Ended = EndedLimit
				case timed && o.For > 0 && paced >= o.For:
					d.Ended = EndedFor
				case ctx.Err() != nil:
					d.Ended = EndedInterrupted
				}
				if d.Ended != EndedSource {
					return d, nil
				}
				last = due
				if d.Packets, d.Bytes = d.Packets+1, d.Bytes+uint64(len(p.Data)); timed {
					d.TakesNS = int64(paced)
				}
			}
		}
		if d.Packets == before {
			break
		}
		base = last + loopGap
	}
	return d, nil
}

// loopGap is between the last packet of a pass and the first of the next, at original
// speed.
const loopGap = time.Millisecond
