package pipeline

import (
	"cmp"
	"slices"

	"recap/pipeline/app"
	"recap/pipeline/app/http1"
	"recap/pipeline/app/http2"
	"recap/pipeline/exchange"
	"recap/pipeline/tls"
)

// A copy of stream bytes that differs from the first may come when the pair in which they
// lie is complete: somebody who injects a response is faster than the server. So pairs
// rest for a while before they are given out, and what shows up meanwhile is added to
// them. For how long is counted in captured bytes (as far as the history compares), in
// capture time and in the size of bodies, never in batches, so that it does not depend on
// how the capture was cut into them.
const (
	restTime   = second
	restBodies = 32 << 20
	// maxRests is among how many pairs of a connection the one is looked for that a conflict
	// is about, and maxToldRests the one that another tap shows too.
	maxRests     = 8
	maxToldRests = 64
	restCost     = 64
)

// A rest is where a pair lies that was completed.
type rest struct {
	pair       *exchange.Pair // not to be touched any more: only to tell which one; nil where pairs are only counted
	number     int64          // Completed of the pair
	ordinal    int32
	begins     [2]int64 // by direction: Message.Begin
	cum, clock int64
	known      bool  // the pair has the anomaly
	places     uint8 // of conn.seenAt by index: the pair has them among its vantages
}

// A late is something that was found out about a completed pair: that its bytes came again
// and differ, or that another tap shows it too.
type late struct {
	pair      *exchange.Pair // nil where conn and ordinal name it
	conn      *exchange.Conn
	ordinal   int32
	completed int64              // of the pair
	number    int64              // of the packet that shows it
	vantages  []exchange.Vantage // nil for a conflict
	spot      spot               // of the copy that they show
}

func (l *late) isAbout(p *exchange.Pair) bool {
	return l.pair == p || l.pair == nil && l.conn == p.Conn && l.ordinal == p.Ordinal
}

// lies remembers where p lies, which is being given out.
func (c *conn) lies(p *exchange.Pair) {
	w := c.part.w
	if w.opt.prompt {
		return
	}
	most := maxToldRests
	if w.opt.counting {
		most = maxRests
	}
	if len(c.rests) < most {
		if c.rests == nil {
			c.rests = make([]rest, 0, maxRests)
		}
		c.rests = append(c.rests, rest{})
	}
	r := &c.rests[c.nrests%most]
	c.nrests++
	r.pair, r.number, r.ordinal = p, w.now.Number, p.Ordinal
	if w.opt.counting {
		r.pair = nil
	}
	r.begins = [2]int64{exchange.ToServer: p.Request.Begin, exchange.ToClient: p.Response.Begin}
	r.places = 1<<len(c.seenAt) - 1
	r.cum, r.clock, r.known = w.hist.Now(), c.clock, p.Anomalies.Has(exchange.AnomalyOverlapConflict)
}

// Conflict implements tcp.Handler: bytes of a complete pair are told to that, where it is
// known; those of a message that is being read are noted with it.
func (c *conn) Conflict(side int, from, to int64) bool {
	d, came := c.dir(side), from < c.tcp.Halves[side].Offset()
	if c.parser == nil {
		return false
	}
	p, from, to, ok := c.inside(d, from, to, came)
	switch p := p.(type) {
	case nil:
		if ok {
			c.clashed()
		}
		return ok
	case app.Disputer:
		return c.disputed(p, d, from, to, came)
	case *http1.Conn:
		if !came || from >= p.Reading(d) && p.Next(d) == nil {
			return false
		}
		if open := p.Holds(d, from); open != nil {
			c.clashed()
			addClash(open)
			return true
		}
		return c.clash(d, from)
	}
	return false
}

// clashed notes with the connection that bytes came again and differ.
func (c *conn) clashed() {
	for _, a := range clashes {
		c.anomalies.Add(a)
	}
}

// inside returns the parser that reads the bytes between two offsets of direction d, and
// what the offsets are in its stream. It is nil where that is not known, or, with ok, where
// nobody reads them. came says that they were handed over.
func (c *conn) inside(d exchange.Dir, from, to int64, came bool) (p app.Parser, first, end int64, ok bool) {
	p, first, end = c.parser, from, to
	for {
		switch x := p.(type) {
		case *tls.Conn:
			if !came {
				return nil, 0, 0, false // in which record is not known
			}
			if p, first, end, ok = x.Inside(d, first, end); p == nil {
				return nil, 0, 0, ok
			}
		case *http1.Conn:
			next := x.Next(d)
			if h, ok := next.(*http2.Conn); next == nil || ok && first < h.Start(d) {
				return p, first, end, true
			}
			p = next
		default:
			return p, first, end, true
		}
	}
}

// disputed tells the exchanges that p says some bytes are of. came says that they were
// handed over before the copy that differs came.
func (c *conn) disputed(p app.Disputer, d exchange.Dir, from, to int64, came bool) bool {
	var what exchange.Anomalies
	what.Add(exchange.AnomalyOverlapConflict)
	if came {
		what.Add(exchange.AnomalyRetransmissionDiffers)
	}
	over, ok := p.Disputed(d, from, to, &what, nil)
	if !ok {
		return false
	}
	c.anomalies.Merge(&what)
	for _, ordinal := range over {
		c.clashOf(ordinal)
	}
	return true
}

// clashOf tells the complete pair with that ordinal that its bytes came again and differ.
func (c *conn) clashOf(ordinal int32) {
	for _, w := range c.waiting.all() {
		if w.waits(c) && w.spot.ordinal == ordinal {
			if w.pair != nil {
				addClash(w.pair)
			}
			return
		}
	}
	for i := range c.rests {
		if r := &c.rests[i]; r.ordinal == ordinal {
			c.contradict(r)
			return
		}
	}
}

// clash tells the complete pair that has the byte at offset that it came again and differs.
func (c *conn) clash(d exchange.Dir, offset int64) bool {
	c.clashed()
	list := c.waiting.all()
	for i := len(list) - 1; i >= 0; i-- {
		if p := list[i].pair; list[i].open && p != nil && mayHold(messageOf(p, d).Begin, offset) {
			addClash(p)
			return true
		}
	}
	for i := range min(c.nrests, maxRests) {
		r := &c.rests[(c.nrests-1-i)%len(c.rests)]
		if mayHold(r.begins[d], offset) {
			c.contradict(r)
			break
		}
	}
	return true
}

// clashes are the anomalies of a pair whose bytes came again and differ.
var clashes = [...]exchange.Anomaly{exchange.AnomalyOverlapConflict, exchange.AnomalyRetransmissionDiffers}

// mayHold reports whether a message that begins at begin may hold the byte at offset.
func mayHold(begin, offset int64) bool { return begin > 0 && begin-1 <= offset }

func messageOf(p *exchange.Pair, d exchange.Dir) *exchange.Message {
	if d == exchange.ToServer {
		return &p.Request.Message
	}
	return &p.Response.Message
}

// contradict adds to the pair of r that its bytes came again and differ, if it still rests.
func (c *conn) contradict(r *rest) {
	w := c.part.w
	if r.known || !c.stillRests(r.cum, r.clock, restTime) {
		return
	}
	r.known = true
	if w.opt.counting {
		for _, a := range clashes {
			w.anomalies[a]++
		}
		return
	}
	w.res.late = append(w.res.late, late{pair: r.pair, completed: r.number, number: w.now.Number})
}

// stillRests reports whether what was completed when so many bytes were captured, at that
// time of the capture clock, rests still and is not older than time.
func (c *conn) stillRests(cum, clock, time int64) bool {
	w := c.part.w
	return w.hist.Now()-cum <= w.hist.Horizon && c.clock-clock <= time
}

// addVantage tells a pair that d has given out, and that l names, that c shows it too, at s.
// A pair that rests no more does not learn it; the row of d has it.
func (c *conn) addVantage(d *conn, l late, p *exchange.Pair, s *spot, cum, clock int64) {
	w := c.part.w
	if w.opt.prompt || w.opt.counting || !c.stillRests(cum, clock, vantageTime) {
		return
	}
	l.conn, l.number, l.spot = d.info, w.now.Number, *s
	l.vantages = c.addTo(nil, p.Vantages, 0)
	w.res.late = append(w.res.late, l)
}

// resting are pairs that were completed and not given out yet, oldest first.
type resting struct {
	list   []rested
	bodies int64 // bytes of bodies of all pairs so far
}

// rested is what one work brought.
type rested struct {
	b          *exchange.Batch
	cum, clock int64 // at the end of the work
	before     int64 // bytes of bodies of all pairs before
	bodies     int64 // of these
}

// add takes in what w brought; b may be nil.
func (r *resting) add(w *work, b *exchange.Batch) {
	if b == nil {
		return
	}
	x := rested{b: b, cum: w.cum, clock: w.clock, before: r.bodies}
	for _, p := range b.Pairs {
		x.bodies += bodiesOf(p)
	}
	r.bodies += x.bodies
	r.list = append(r.list, x)
}

func bodiesOf(p *exchange.Pair) int64 {
	return int64(len(p.Request.Body) + len(p.Response.Body))
}

// learn adds l to its pair. It reports whether that rests still, as it then does whatever
// the batches were.
func (r *resting) learn(l late) bool {
	at, p, ok := r.find(l)
	if !ok || r.upTo(l.number)-at > restBodies {
		return false
	}
	if l.vantages == nil {
		addClash(p)
	}
	said := timesOf(p)
	for _, v := range l.vantages {
		v.DelayNS += said.delay(&l.spot)
		p.Vantages = append(p.Vantages, v)
	}
	return true
}

func addClash(p *exchange.Pair) {
	for _, a := range clashes {
		p.Anomalies.Add(a)
	}
}

// find returns the pair that l is about, and the bytes of bodies before it.
func (r *resting) find(l late) (at int64, p *exchange.Pair, ok bool) {
	for i := len(r.list) - 1; i >= 0; i-- {
		x := &r.list[i]
		k, _ := slices.BinarySearchFunc(x.b.Pairs, l.completed, completedAt)
		for ; k < len(x.b.Pairs) && x.b.Pairs[k].Completed == l.completed; k++ {
			if p := x.b.Pairs[k]; l.isAbout(p) {
				return x.bodiesBefore(k), p, true
			}
		}
	}
	return 0, nil, false
}

func completedAt(p *exchange.Pair, number int64) int { return cmp.Compare(p.Completed, number) }

func (x *rested) bodiesBefore(k int) int64 {
	n := x.before
	for _, p := range x.b.Pairs[:k] {
		n += bodiesOf(p)
	}
	return n
}

// upTo returns the bytes of bodies of all pairs completed before packet number.
func (r *resting) upTo(number int64) int64 {
	for i := len(r.list) - 1; i >= 0; i-- {
		x := &r.list[i]
		if k, _ := slices.BinarySearchFunc(x.b.Pairs, number, completedAt); k > 0 {
			return x.bodiesBefore(k)
		}
	}
	if len(r.list) > 0 {
		return r.list[0].before
	}
	return r.bodies
}

// ripe removes and returns the oldest that nothing can be added to after w, nil for none.
func (r *resting) ripe(w *work, horizon int64, prompt bool) *exchange.Batch {
	if len(r.list) == 0 {
		return nil
	}
	x := &r.list[0]
	if !prompt && !w.end && w.cum-x.cum <= horizon && w.clock-x.clock <= max(restTime, vantageTime) && r.bodies-x.before-x.bodies <= restBodies {
		return nil
	}
	b := x.b
	*x = rested{}
	if r.list = r.list[1:]; len(r.list) == 0 {
		r.list = nil
	}
	return b
}
