package pipeline

import (
	"hash/maphash"

	"recap/pipeline/exchange"
)

// A given is what is remembered of a pair that was given out at once, because no other
// tap had shown its connection yet. One may be so late that whole pairs are over before
// its first packet comes.
type given struct {
	ordinal int32
	first   int64  // time
	sum     uint64 // of heads and bodies
	by      *conn  // that showed the newest copy
}

const (
	// maxGiven bounds conn.given.
	maxGiven = 256
	// givenCost is about what one takes, bytes.
	givenCost = 32
)

// remember keeps p, given out by c, to know a copy of it by, for as long as another tap's
// first packet may come. Only tunnels keep taps of one conversation apart.
func (c *conn) remember(p *exchange.Pair) {
	if c.stack == 0 || c.part.w.opt.split || p.State != exchange.Complete || goesOn(p) || len(c.given) == maxGiven ||
		c.clock-c.began > vantageTime {
		return
	}
	c.given = append(c.given, given{p.Ordinal, firstTime(p), c.part.w.sumOf(p), nil})
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

// repeats reports whether p, of c, is the copy of a pair that d has given out.
func (c *conn) repeats(d *conn, p *exchange.Pair) bool {
	if len(d.given) == 0 || p.State != exchange.Complete || goesOn(p) {
		return false
	}
	start, first := c.tcp.FromStart() && d.tcp.FromStart(), firstTime(p)
	sum := uint64(0)
	for i := range d.given {
		g := &d.given[i]
		if start && g.ordinal != p.Ordinal || g.by == c {
			continue
		}
		if first != exchange.NoTime && g.first != exchange.NoTime && (first-g.first > vantageTime || g.first-first > vantageTime) {
			continue
		}
		if sum == 0 {
			sum = c.part.w.sumOf(p)
		}
		// Bodies that are not kept are told apart by what the history still has of them.
		if g.sum == sum && !(c.part.w.opt.counting && c.tcp.Differ(&d.tcp, &c.part.w.hist)) {
			g.by = c
			d.tapped(c, first, g.first)
			return true
		}
	}
	return false
}
