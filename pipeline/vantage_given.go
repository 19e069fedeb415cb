package pipeline

import (
	"hash/maphash"

	"recap/pipeline/exchange"
)

// A given is what is remembered of a pair that was given out at once, because no other
// tap had shown its connection yet. One may be so late that whole pairs are over before
// its first packet comes.
type given struct {
	spot spot
	sum  uint64 // of heads and bodies
	by   *conn  // that showed the newest copy
}

const (
	// maxGiven bounds conn.given.
	maxGiven = 256
	// givenCost is about what one takes, bytes.
	givenCost = 72
)

// remember keeps p, given out by c, to know a copy of it by, for as long as another tap's
// first packet may come.
func (c *conn) remember(p *exchange.Pair) {
	if p.State == exchange.Complete && !goesOn(p) && len(c.given) < maxGiven && c.young() {
		c.given = append(c.given, given{c.spotOf(p), c.part.w.sumOf(p), nil})
	}
}

// young reports whether the first packet of another tap of c may still come. Only tunnels
// keep taps of one conversation apart.
func (c *conn) young() bool {
	return c.stack != 0 && !c.part.w.opt.split && c.clock-c.began <= vantageTime
}

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
	}
	return h.Sum64()
}

// repeats reports whether p, at s in c, is the copy of a pair that d has given out.
func (c *conn) repeats(d *conn, p *exchange.Pair, s *spot) bool {
	if len(d.given) == 0 || p.State != exchange.Complete || goesOn(p) {
		return false
	}
	start := c.tcp.FromStart() && d.tcp.FromStart()
	sum := uint64(0)
	for i := range d.given {
		g := &d.given[i]
		if g.by == c || start && g.spot.ordinal != s.ordinal || g.spot.meets(s) == elsewhere || !g.spot.near(s) {
			continue
		}
		if sum == 0 {
			sum = c.part.w.sumOf(p)
		}
		// Bodies that are not kept are told apart by what the history still has of them.
		if g.sum == sum && !(c.part.w.opt.counting && c.tcp.Differ(&d.tcp, &c.part.w.hist)) {
			g.by = c
			d.tapped(c, g.spot.delay(s))
			return true
		}
	}
	return false
}

// A shown is what is remembered of a whole pair that waited for its copies and was given
// out. Another tap may lack the end of it, and then gives up waiting much later.
type shown struct {
	spot  spot
	heads [2]uint64 // sums
}

// maxShown is how many of them a connection remembers, the newest.
const maxShown = 64

// remember keeps w, which is given out, to know damaged copies by.
func (w *waiting) remember() {
	if w.spot.state != exchange.Complete || w.spot.meets(&w.spot) == nowhere {
		return
	}
	s := shown{spot: w.spot}
	if w.pair != nil {
		s.heads = w.c.part.w.headsOf(w.pair)
	} else {
		s.heads = [2]uint64{w.outline.messages[0].head, w.outline.messages[1].head}
	}
	if len(w.c.shown) < maxShown {
		w.c.shown = append(w.c.shown, s)
	} else {
		w.c.shown[w.c.nshown%maxShown] = s
	}
	w.c.nshown++
}

// headsOf returns sums of the heads of p, as an outline has them.
func (w *worker) headsOf(p *exchange.Pair) [2]uint64 {
	return [2]uint64{maphash.Bytes(w.opt.seed, p.Request.Head), maphash.Bytes(w.opt.seed, p.Response.Head)}
}

// shows reports whether p, at s in another connection, is a damaged copy of a whole pair
// that c has given out, or one that lacks a message.
func (c *conn) shows(p *exchange.Pair, s *spot) bool {
	if p.State == exchange.Complete || len(c.shown) == 0 {
		return false
	}
	heads := c.part.w.headsOf(p)
	for i := range c.shown {
		if c.shown[i].spot.meets(s) == here && c.shown[i].has(p, heads) {
			return true
		}
	}
	return false
}

// has reports whether the heads of p are those of s, as far as they are whole.
func (s *shown) has(p *exchange.Pair, heads [2]uint64) bool {
	for i, m := range [2]*exchange.Message{&p.Request.Message, &p.Response.Message} {
		if m.Present && !cutInHead(m) && heads[i] != s.heads[i] {
			return false
		}
	}
	return true
}
