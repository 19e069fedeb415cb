package wire

import (
	"context"
	"time"

	"recap/pipeline/exchange"
	"recap/replay"
)

// A Target sends pairs as packets through a Port.
type Target struct {
	env  replay.Env
	port Port
	opt  Options

	addrs      addresses
	conns      uint64 // lanes so far
	salt       uint64 // makes sequence numbers and addresses other than those of other runs
	lanes      int    // open ones
	convs      map[convKey]*conv
	upgrades   map[convKey]replay.Event // first halves, waiting for the second
	steps      heap
	order      uint64
	open       int
	held       int64
	idle       lane // head of the list of lanes with nothing open
	spareLanes []*lane
	spareTalks []*talk
	write      writer
	recode     coder

	plan    []run
	now     int64         // time of the latest step planned, at original speed
	amount  replay.Amount // of plan
	done    []*lane       // closed in plan
	over    []*talk       // ended in plan
	started time.Duration // when the last burst was due
	burst   burst
	tags    func(tag int32, err error)
	counts  counts
	frames  []frame // of captured packets, the burst
	tape    tape
	dated   bool  // the port knows the epoch
	err     error // that ended the run

}

// counts go to the report at each flush.
type counts struct{ frames, bytes, conns, early, interim, hidden int64 }

// A run is frames of one lane that follow each other.
type run struct {
	kind   runKind
	dir    uint8
	first  bool // of its message
	last   bool // of its message
	lane   *lane
	talk   *talk
	at     int64
	off, n int // of the message, bytes; else n frames
}

type runKind uint8

const (
	runOpen runKind = iota
	runData
	runAck // by dir
	runKeep
	runClose
)

// keepAlive is how often a connection with an open exchange shows that it lives, at
// original speed: readers of mirrored traffic give up one that is silent for 5 s.
const keepAlive = int64(2500 * time.Millisecond)

// maxKeepAlives bounds those in a row, to more than an hour: where the times of a capture
// are years apart, its clock was wrong.
const maxKeepAlives = 2000

// NewTarget returns a target over port, which it closes.
func NewTarget(env replay.Env, port Port, opt Options) *Target {
	opt.defaults(port)
	t := &Target{env: env, port: port, opt: opt, convs: make(map[convKey]*conv), upgrades: make(map[convKey]replay.Event), burst: newBurst()}
	t.idle.prev, t.idle.next = &t.idle, &t.idle
	t.write.early = opt.Interim
	t.write.marker = env.Marker(nil, &replay.Event{}, 0)
	// Runs one after the other must not look like retransmissions either.
	t.salt = mix(uint64(env.Run()))
	t.addrs.made = t.salt % (hosts * ports)
	t.tags = func(tag int32, err error) {
		if tag >= 0 && int(tag) < len(t.plan) && t.plan[tag].talk != nil {
			t.plan[tag].talk.lost = err
		}
	}
	return t
}

// Send implements [replay.Target].
func (t *Target) Send(ctx context.Context, events []replay.Event) error {
	for i := range events {
		if t.err = t.until(ctx, int64(events[i].At)); t.err != nil {
			for j := range events[i:] {
				t.env.Failed(events[i+j].Seq, replay.HopBuilt, t.err)
			}
			return t.err
		}
		t.begin(&events[i])
		for t.err == nil && (t.open > t.opt.MaxOpen || t.held > t.opt.MaxHeld) {
			t.counts.early++
			t.err = t.until(ctx, max(t.now, t.steps[0].at))
		}
	}
	if t.err == nil {
		t.err = t.flush(ctx)
	}
	return t.err
}

// Close implements [replay.Target]: it sends what is kept, at its time, and ends all
// connections.
func (t *Target) Close(ctx context.Context) error {
	t.leaveUpgrades()
	if t.err == nil {
		t.err = t.until(ctx, atEnd)
	}
	for t.err == nil && t.idle.next != &t.idle {
		t.finish(t.idle.next)
		if t.amount.Packets >= uint64(t.burst.packets) {
			t.err = t.flush(ctx)
		}
	}
	if t.err == nil {
		t.err = t.flush(ctx)
	}
	for i := range t.steps {
		x := t.steps[i].talk
		if x == nil || t.steps[i].dir == 0 && x.msgs[1].some() {
			continue // its response is there as well
		}
		if x.lost == nil {
			x.lost = t.err
		}
		t.env.Failed(x.event.Seq, replay.HopBuilt, x.lost)
	}
	t.steps = nil
	if err := t.port.Close(); t.err == nil {
		t.err = err
	}
	return t.err
}

// atEnd is later than any step.
const atEnd = 1 << 62

// some reports whether there is anything of m to be sent.
func (m *message) some() bool { return m.size > 0 }

// begin takes in an event: its messages are written, and stand in the heap.
func (t *Target) begin(e *replay.Event) {
	p := e.Pair
	if m := &p.Request.Message; known(m.TimeNS) {
		t.epoch(m.TimeNS - int64(e.At))
	}
	if t.opt.Upgrade && t.upgrade(e) {
		return
	}
	if !plain(p) {
		t.env.LeftOut(e.Seq, reasonOf(ErrHead))
		return
	}
	err := whole(p)
	if err != nil && !t.opt.Incomplete {
		t.env.LeftOut(e.Seq, reasonOf(err))
		return
	}
	x := t.newTalk()
	x.event = *e
	w := &t.write
	w.buf, w.coded = x.buf[:0], e.Body
	ends := err != nil
	if p.Request.Present {
		m, end := w.request(p)
		x.msgs[exchange.ToServer], ends = m, ends || end
	}
	if p.Response.Present {
		m, end := w.response(p)
		x.msgs[exchange.ToClient], ends = m, ends || end
	} else {
		ends = true
	}
	x.buf, w.buf = w.buf, nil
	if !t.opt.Interim || p.Response.Version == "HTTP/1.0" {
		t.counts.interim += int64(len(p.Response.Interim))
	}
	if p.Response.Present && x.msgs[1].body == nil && len(p.Response.Body) > 0 {
		t.counts.hidden++
	}
	l := t.laneFor(e, err != nil)
	l.ending = l.ending || ends
	t.enter(x, l)
}

// enter puts the messages of x, which are written, onto l.
func (t *Target) enter(x *talk, l *lane) {
	x.lane = l
	t.unrest(l)
	l.open++
	t.open++
	x.held = int64(cap(x.buf) + len(x.msgs[0].body) + len(x.msgs[1].body))
	t.held += x.held
	t.schedule(x)
}

// epoch tells the port when the run began in the capture's time.
func (t *Target) epoch(ns int64) {
	if t.dated {
		return
	}
	t.dated = true
	if p, ok := t.port.(Epocher); ok {
		p.Epoch(ns)
	}
}

// schedule sets the times of the messages of x and puts them into the heap. A message
// takes as long as it did, begins not before the one in front of it has ended, and a
// response not before its request has.
func (t *Target) schedule(x *talk) {
	p, l := x.event.Pair, x.lane
	at := int64(x.event.At)
	q, r := &p.Request.Message, &p.Response.Message
	t.order += 2
	if x.msgs[0].some() {
		x.start[0], x.dur[0] = max(at, l.reqEnd), lasting(q)
		l.reqEnd = x.start[0] + x.dur[0]
		t.steps.push(step{at: x.start[0], order: t.order, talk: x, dir: 0})
	}
	end := l.reqEnd
	if x.msgs[1].some() {
		begin := at
		if q.Present && known(q.TimeNS) && known(r.TimeNS) {
			begin = at + max(0, r.TimeNS-q.TimeNS)
		}
		x.start[1], x.dur[1] = max(begin, l.reqEnd, l.respEnd), lasting(r)
		l.respEnd = x.start[1] + x.dur[1]
		end = l.respEnd
		t.steps.push(step{at: x.start[1], order: t.order + 1, talk: x, dir: 1})
	}
	if end > at+keepAlive && !l.keeping {
		l.keeping = true
		t.steps.push(step{at: at + keepAlive, order: t.order + 1, lane: l})
	}
}

// lasting is how long m took on the wire.
func lasting(m *exchange.Message) int64 {
	if known(m.TimeNS) && known(m.EndTimeNS) {
		return max(0, m.EndTimeNS-m.TimeNS)
	}
	return 0
}

func known(ns int64) bool { return ns != exchange.NoTime && ns != 0 }

func (t *Target) newTalk() *talk {
	if n := len(t.spareTalks); n > 0 {
		x := t.spareTalks[n-1]
		t.spareTalks = t.spareTalks[:n-1]
		buf := x.buf
		*x = talk{buf: buf}
		return x
	}
	return new(talk)
}

// until plans every step up to the time at, and sends each burst that is full.
func (t *Target) until(ctx context.Context, at int64) error {
	for {
		next := int64(atEnd)
		if len(t.steps) > 0 {
			next = t.steps[0].at
		}
		if l := t.idle.next; l != &t.idle {
			if end := l.since + int64(t.opt.Idle); end <= min(at, next) && min(at, next) < atEnd {
				if err := t.room(ctx, end); err != nil {
					return err
				}
				t.finish(l)
				continue
			}
		}
		if len(t.steps) == 0 || next > at {
			return nil
		}
		if err := t.room(ctx, next); err != nil {
			return err
		}
		t.take()
	}
}

// room makes sure that the burst may take a step of the time at.
func (t *Target) room(ctx context.Context, at int64) error {
	if len(t.plan) > 0 && (t.amount.Packets >= uint64(t.burst.packets) || at-t.plan[0].at > t.burst.span) {
		if err := t.flush(ctx); err != nil {
			return err
		}
	}
	t.now = max(t.now, at)
	return nil
}

// take plans the first step, or as much of it as there is room for.
func (t *Target) take() {
	s := &t.steps[0]
	if s.talk == nil {
		t.keepUp(s)
		return
	}
	x, d := s.talk, s.dir
	l, m := x.lane, &x.msgs[s.dir]
	if !l.opened {
		l.opened = true
		t.counts.conns++
		t.plan = append(t.plan, run{kind: runOpen, lane: l, talk: x, at: t.now, n: 3})
		t.count(3, 3*l.head+2*synLen)
	}
	// A run ends where the burst is full, or at the acknowledgement that is due.
	segs := min(max(1, t.burst.packets-int(t.amount.Packets)), t.opt.AckEvery-l.unacked[d])
	n := min(m.size-m.sent, segs*l.mss)
	segs = (n + l.mss - 1) / l.mss
	r := run{kind: runData, dir: d, first: m.sent == 0, lane: l, talk: x, at: t.now, off: m.sent, n: n}
	m.sent += n
	r.last = m.sent == m.size
	if r.first && (d == 0 || !x.msgs[0].some()) {
		t.amount.Pairs++
	}
	t.plan = append(t.plan, r)
	t.count(segs, n+segs*l.head)
	l.unacked[d^1] = 0
	if l.unacked[d] += segs; l.unacked[d] >= t.opt.AckEvery {
		l.unacked[d] = 0
		t.plan = append(t.plan, run{kind: runAck, dir: d ^ 1, lane: l, talk: x, at: t.now, n: 1})
		t.count(1, l.head)
	}
	if r.last {
		t.steps.pop()
		if d == 1 || !x.msgs[1].some() {
			t.end(x)
		}
		return
	}
	s.at = max(s.at, x.start[d]+int64(float64(x.dur[d])*float64(m.sent)/float64(m.size)))
	t.steps.sink()
}

// end notes that x is planned to its last byte.
func (t *Target) end(x *talk) {
	t.over = append(t.over, x)
	t.open--
	t.held -= x.held
	l := x.lane
	if l.open--; l.open == 0 {
		if l.ending {
			t.finish(l)
		} else {
			t.rest(l, t.now)
		}
	}
}

// keepUp plans the keep-alives of a lane, for as long as it has something open.
func (t *Target) keepUp(s *step) {
	l := s.lane
	if l.kept++; l.open == 0 || l.kept > maxKeepAlives {
		l.keeping, l.kept = false, 0
		t.steps.pop()
		if l.closed {
			t.done = append(t.done, l)
		}
		return
	}
	if l.opened {
		t.plan = append(t.plan, run{kind: runKeep, lane: l, at: t.now, n: 2})
		t.count(2, 2*l.head+2)
		l.unacked = [2]int{}
	}
	s.at += keepAlive
	t.steps.sink()
}

// count adds frames of together n bytes to the burst.
func (t *Target) count(frames, n int) {
	t.amount.Packets += uint64(frames)
	t.amount.Bytes += uint64(n + frames*t.port.Around())
	t.counts.frames += int64(frames)
	t.counts.bytes += int64(n)
}

// flush waits for the time of the burst, builds its frames and sends them.
func (t *Target) flush(ctx context.Context) error {
	if len(t.plan) == 0 {
		return nil
	}
	intended, err := t.env.Wait(ctx, time.Duration(t.plan[0].at), t.amount)
	if err != nil {
		t.drop(err)
		return err
	}
	t.burst.learn(intended - t.started)
	t.started = intended
	for i := range t.plan {
		t.build(&t.plan[i], int32(i), intended)
	}
	if err := t.port.Flush(ctx, t.tags); err != nil {
		t.drop(err)
		return err
	}
	for _, x := range t.over {
		if x.lost != nil {
			t.env.Failed(x.event.Seq, replay.HopAccepted, x.lost)
		} else {
			t.env.Sent(x.event.Seq)
		}
	}
	t.tell()
	t.clear()
	return nil
}

// drop gives up the burst.
func (t *Target) drop(err error) {
	for _, x := range t.over {
		t.env.Failed(x.event.Seq, replay.HopAccepted, err)
	}
	t.clear()
}

// clear makes ready for the next burst.
func (t *Target) clear() {
	for _, x := range t.over {
		if x.lane = nil; cap(x.buf) <= maxKept && len(t.spareTalks) < maxSpare {
			x.event.Pair = nil
			x.msgs = [2]message{}
			t.spareTalks = append(t.spareTalks, x)
		}
	}
	for _, l := range t.done {
		if len(t.spareLanes) < maxSpare {
			l.conv = nil
			t.spareLanes = append(t.spareLanes, l)
		}
	}
	clear(t.plan)
	clear(t.over)
	clear(t.done)
	t.plan, t.over, t.done, t.amount = t.plan[:0], t.over[:0], t.done[:0], replay.Amount{}
}

// Bounds of what is kept to be used again.
const (
	maxKept  = 64 << 10 // bytes of a buffer
	maxSpare = 1024
)

// tell adds to the counters of the report.
func (t *Target) tell() {
	c := &t.counts
	for _, e := range [...]struct {
		name string
		n    *int64
	}{
		{"packets", &c.frames}, {"inner_bytes", &c.bytes}, {"connections", &c.conns},
		{"sent_before_time", &c.early}, {"interim_responses_left_out", &c.interim}, {"unexpected_bodies_left_out", &c.hidden},
	} {
		if *e.n != 0 {
			t.env.Count(e.name, *e.n)
			*e.n = 0
		}
	}
}
