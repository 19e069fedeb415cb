package pipeline

import (
	"recap/pipeline/exchange"
	"recap/pipeline/tls"
)

// A tap may be so late that pairs are over before its first packet comes, or may lack part
// of them. What the history still has of the bytes then tells that they were given out: it
// costs nothing while there is one tap.

// A stretch of a stream is one whose messages were given out as whole pairs, at once, up
// to the one that begins at last. Offsets are of [exchange.Message.Begin]: 0 for none.
type stretch struct{ from, last int64 }

// extend notes that p is given out at once.
func (c *conn) extend(p *exchange.Pair) {
	if !inTurn(p) {
		return
	}
	for i, m := range [...]*exchange.Message{&p.Request.Message, &p.Response.Message} {
		t := &c.ranges[c.client^i]
		switch {
		case p.State != exchange.Complete || m.Begin == 0:
			*t = stretch{}
		case t.from == 0:
			*t = stretch{m.Begin, m.Begin}
		default:
			t.last = max(t.last, m.Begin)
		}
	}
}

// retells reports whether p, at s in c, is part of what d has given out: its messages
// begin there, and what the history holds of both is the same.
func (c *conn) retells(d *conn, p *exchange.Pair, s *spot) bool {
	h := &c.part.w.hist
	known := false
	if _, secure := d.parser.(*tls.Conn); secure || c.client != d.client || goesOn(p) {
		return false // a stretch is of what was opened, not of what was sent
	}
	for i := range s.begins {
		b, side := s.begins[i], c.client^i
		if !b.known {
			continue
		}
		if t, off := d.ranges[side], d.tcp.Offset(side, b.seq)+1; t.from == 0 || off < t.from || off > t.last {
			return false
		}
		const enough = 16
		same, differ := c.tcp.Compare(&d.tcp, h, side, b.seq)
		if differ || same < enough {
			return false
		}
		known = true
	}
	if known {
		c.addToTold(d, p, s)
	}
	return known
}

// addToTold adds c to the vantages of the pair at s, which d has given out.
func (c *conn) addToTold(d *conn, p *exchange.Pair, s *spot) {
	for i := range d.rests {
		r := &d.rests[i]
		for k, b := range s.begins {
			dir := exchange.Dir(k)
			if b.known && r.begins[dir] == d.tcp.Offset(c.client^k, b.seq)+1 {
				d.tapped(c, c.clock-r.clock)
				c.addVantage(d, late{pair: r.pair, completed: r.number}, p, s, r.cum, r.clock)
				return
			}
		}
	}
	d.tapped(c, 0)
}
