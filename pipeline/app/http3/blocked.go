package http3

import "recap/pipeline/exchange"

// mustWait reports whether the header block of h refers to entries that may still come
// (RFC 9204, section 2.1.2).
func (c *Conn) mustWait(d exchange.Dir, h *half) bool {
	s := &c.sides[d]
	t := &s.table
	if h.large || h.torn || len(h.block) == 0 || h.block[0] == 0 || t.lost {
		return false
	}
	if s.holed {
		return true // how many entries there are is not known
	}
	count, _, _, known, ok := t.required(h.block)
	return ok && (!known || count > t.inserted())
}

// later keeps what stands behind a header block that waits.
func (c *Conn) later(st *stream, d exchange.Dir, e event) {
	h := &st.half[d]
	h.events = append(h.events, e)
	c.waits += eventCost + int64(len(e.b))
}

// block makes the stream wait, with the header block of h.
func (c *Conn) block(st *stream, h *half) {
	h.whole = true
	if !st.blocked {
		st.blocked = true
		c.blocked = append(c.blocked, st)
	}
}

// resume goes on with the streams whose tables are there; all says that no more will come
// of tables, so that what is missing there is unknown for good.
func (c *Conn) resume(all bool) {
	rest := c.blocked[:0]
	for _, st := range c.blocked {
		for d := range st.half {
			h := &st.half[d]
			for h.whole && (all || !c.mustWait(exchange.Dir(d), h)) {
				c.goOn(st, exchange.Dir(d))
			}
		}
		if st.blocked = st.half[0].whole || st.half[1].whole; st.blocked {
			rest = append(rest, st)
		}
	}
	clear(c.blocked[len(rest):])
	c.blocked = rest
}

// goOn reads the header block that has waited, and what stands behind it.
func (c *Conn) goOn(st *stream, d exchange.Dir) {
	h := &st.half[d]
	h.whole = false
	events := h.events
	h.events = nil
	c.fields(st, d)
	for _, e := range events {
		c.waits -= eventCost + int64(len(e.b))
		switch {
		case h.whole: // another block waits
			h.events = append(h.events, e)
			c.waits += eventCost + int64(len(e.b))
		case e.what == wasData:
			c.data(st, d, e.at, e.b)
		case e.what == wasGap:
			c.gap(st, d, e.at, e.n, e.reason)
		default:
			c.ended(st, d, e.at, e.what)
		}
	}
}
