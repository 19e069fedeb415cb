package pipeline

import (
	"hash/maphash"
	"strings"

	"recap/pipeline/app/http1"
	"recap/pipeline/exchange"
)

// A given is what is remembered of a pair that was given out at once, because no other
// tap had shown its connection yet. One may be so late that whole pairs are over before
// its first packet comes.
type given struct {
	spot   spot
	sum    uint64 // of heads and bodies
	by     *conn  // that showed the newest copy
	number int64  // of the packet that completed it
	cum    int64  // captured bytes then
	clock  int64  // capture clock then
}

const (
	// maxGiven bounds conn.given.
	maxGiven = 256
	// givenCost is about what one takes, bytes.
	givenCost = 96
)

// remember keeps p, given out by c, to know a copy of it by, for as long as another tap's
// first packet may come.
func (c *conn) remember(p *exchange.Pair) {
	c.extend(p)
	if !goesOn(p) && len(c.given) < maxGiven && c.young() && !(p.State == exchange.Complete && c.heardPlainly(p)) {
		c.given = append(c.given, given{c.spotOf(p), c.part.w.sumOf(p), nil, c.part.w.now.Number, c.part.w.hist.Now(), c.clock})
	}
}

// young reports whether the first packet of another tap of c may still come.
func (c *conn) young() bool {
	return !c.part.w.opt.split && c.clock-c.began <= vantageTime
}

// mayMirror reports whether several taps are known to be there, or the capture is so young that
// a packet may still come which shows what was said at its beginning.
func (p *partition) mayMirror(clock int64) bool {
	return !p.w.opt.prompt && (p.mirrored || clock <= vantageTime)
}

// heardPlainly reports whether p is known without being remembered, by [conn.retells]: a
// pair of HTTP/1, while nothing tells of several taps, which is most captures.
func (c *conn) heardPlainly(p *exchange.Pair) bool {
	_, ok := c.parser.(*http1.Conn)
	return ok && !c.part.mirrored && inTurn(p)
}

// inTurn reports whether messages of p and those of the pairs around it take turns, as those
// of HTTP/2, which may go on behind an upgrade, do not.
func inTurn(p *exchange.Pair) bool { return strings.HasPrefix(p.Protocol, "HTTP/1") }

// sumOf returns a sum of all the bytes of p.
func (w *worker) sumOf(p *exchange.Pair) uint64 {
	var h maphash.Hash
	h.SetSeed(w.opt.seed)
	for _, m := range [...]*exchange.Message{&p.Request.Message, &p.Response.Message} {
		h.Write(m.Head)
		if m.Hashed {
			h.Write(m.BodySHA256[:])
		} else {
			h.Write(m.Body)
		}
		maphash.WriteComparable(&h, m.BodySize)
		for _, g := range m.Gaps {
			maphash.WriteComparable(&h, g.Offset)
			maphash.WriteComparable(&h, g.Length)
		}
	}
	return h.Sum64()
}

// repeats reports whether p, at s in c, is the copy of a pair that d has given out.
func (c *conn) repeats(d *conn, p *exchange.Pair, s *spot) bool {
	if len(d.given) == 0 || goesOn(p) {
		return false
	}
	start := c.tcp.FromStart() && d.tcp.FromStart()
	sum := uint64(0)
	for i := range d.given {
		g := &d.given[i]
		if g.by == c || g.spot.state != p.State || start && g.spot.ordinal != s.ordinal || g.spot.meets(s) == elsewhere || !g.spot.near(s) {
			continue
		}
		if sum == 0 {
			sum = c.part.w.sumOf(p)
		}
		// Bodies that are not kept are told apart by what the history still has of them.
		if g.sum == sum && !(c.part.w.opt.counting && c.tcp.Differ(&d.tcp, &c.part.w.hist)) {
			g.by = c
			d.tapped(c, g.spot.delay(s))
			c.addVantage(d, late{ordinal: g.spot.ordinal, completed: g.number}, p, s, g.cum, g.clock)
			return true
		}
	}
	return false
}

// A shown is what is remembered of a pair that waited for its copies and was given out.
// Another tap may lack part of it, and then gives up waiting much later.
type shown struct {
	spot     spot
	messages [2]shownMessage
}

// A shownMessage is a message of it. One that is not whole is not known again: a copy may
// have what it lacks.
type shownMessage struct {
	head  uint64 // sum
	size  int64  // of the body
	whole bool
}

// maxShown is how many of them a connection remembers, the newest, and shownCost about
// what one takes, bytes.
const (
	maxShown  = 64
	shownCost = 112
)

// remember keeps w, which is given out, to know late copies by.
func (w *waiting) remember() {
	if w.spot.meets(&w.spot) == nowhere {
		return
	}
	o := w.outline
	if w.pair != nil {
		o = outlineOfHeads(w.pair, w.c.part.w.opt.seed)
	}
	s := shown{spot: w.spot}
	for i := range o.messages {
		m := &o.messages[i]
		// Of a pair that is not whole, the request is if it was answered and has no hole.
		whole := o.state != exchange.Partial || i == 0 && o.messages[1].present
		s.messages[i] = shownMessage{m.head, m.size, m.present && whole && !m.cut && len(m.gaps) == 0}
	}
	if len(w.c.shown) < maxShown {
		w.c.shown = append(w.c.shown, s)
	} else {
		w.c.shown[w.c.nshown%maxShown] = s
	}
	w.c.nshown++
}

// shows reports whether p, at s in d, is a copy of a pair that c has given out, or of part
// of one.
func (c *conn) shows(d *conn, p *exchange.Pair, s *spot) bool {
	if len(c.shown) == 0 {
		return false
	}
	o := outlineOfHeads(p, c.part.w.opt.seed)
	for i := range c.shown {
		if g := &c.shown[i]; g.spot.meets(s) == here && g.has(&o) {
			return !d.contradicts(c, s)
		}
	}
	return false
}

// has reports whether all that o holds was given out with s.
func (s *shown) has(o *outline) bool {
	for i := range o.messages {
		m, g := &o.messages[i], &s.messages[i]
		if m.present && (!g.whole || !m.cut && m.head != g.head || o.state == exchange.Complete && m.size != g.size) {
			return false
		}
	}
	return true
}

// contradicts reports whether the history holds bytes of both, of the messages at s, that
// differ.
func (c *conn) contradicts(d *conn, s *spot) bool {
	for i, b := range s.begins {
		if !b.known {
			continue
		}
		if _, differ := c.tcp.Compare(&d.tcp, &c.part.w.hist, c.client^i, b.seq); differ {
			return true
		}
	}
	return false
}
