package pipeline

import (
	"bytes"
	"slices"

	"recap/pipeline/exchange"
)

// A conversation may stand in a capture several times: seen by several taps, or
// mirrored with another tunnel, VLAN or MAC address each time. Connections with the
// same innermost addresses and ports meet in one partition, whatever their tunnels.
// There
//
//   - a connection of which one tunnel shows one direction and another tunnel the
//     other is joined, where sequence and acknowledgement numbers agree;
//   - a hole at one tap is filled from another, once the bytes around it have been
//     found the same at both;
//   - a pair that comes out of several is given out once, with the others as its
//     vantages, if all of it is the same, to the last byte.
//
// Nothing is merged by numbers alone: two tenants may use the same addresses,
// ports and sequence numbers, and what they say differs.

// vantageTime is how long after one tap another may have seen the same, nanoseconds
// of capture clock.
const vantageTime = 2 * second

// waiting is a pair that is held back until another tap's copy of it may have come.
type waiting struct {
	c        *conn
	open     bool           // not given out yet
	moved    bool           // it was another connection's before
	spot     spot           // of the pair
	pair     *exchange.Pair // nil where pairs are only counted
	outline  outline        // then
	by       []*conn        // other connections that had it too
	one      [1]*conn       // memory of by
	id       exchange.ID    // of the pair
	places   int            // of c.seenAt: those that are among its vantages
	early    bool           // messages of it were given out
	messages []*exchange.StreamMessage
	said     map[saying]*times // behind the pair; nil where nothing comes there
	next     int64             // ordinal of the next message behind the pair
	deadline int64
	size     int64
}

// mayReturn reports whether p, which a young connection has shown, is one that only the
// first packet of another tap can tell from what that tap shows.
func (c *conn) mayReturn(p *exchange.Pair) bool {
	if c.part.w.opt.prompt { // who waits for p has no time
		return p.State != exchange.Complete && !goesOn(p) && c.part.mirrored
	}
	return (p.State != exchange.Complete || goesOn(p)) && c.part.mayMirror(c.clock)
}

// holdPair keeps p back while another tap may still bring its copy. It reports
// whether it does, or has found the copy already.
func (c *conn) holdPair(p *exchange.Pair) bool {
	messages, early := c.streams.messagesOf(p.ID)
	kin := c.young() && c.mayReturn(p)
	if c.company == nil && !kin {
		c.remember(p)
		c.alone(p, messages)
		return false
	}
	s := &c.part.w.sought
	*s = candidate{c: c, pair: p, early: early, spot: c.spotOf(p)}
	if c.part.w.opt.counting {
		s.outline = outlineOf(p, c.part.w.opt.seed)
	}
	for d := c.newest(); d != nil; d = d.sibling {
		if !c.kin(d) {
			continue
		}
		kin = true
		if c.repeats(d, p, &s.spot) || d.shows(c, p, &s.spot) || c.retells(d, p, &s.spot) {
			c.copies++
			c.part.w.recycle(p)
			return true
		}
		w, how := s.among(d)
		switch how {
		case same:
			w.follow(c, p)
			w.adopt(s)
			c.copies++
			c.part.w.recycle(p)
			return true
		case whole:
			w.replace(s, messages)
			w.gather(s)
			return true
		case contrary:
			if len(c.strangers) < maxStrangers {
				c.strangers = append(c.strangers, d)
			}
		}
	}
	if !kin {
		c.remember(p)
		c.alone(p, messages)
		return false
	}
	c.pairs++
	w := c.part.newWaiting()
	w.c, w.open, w.deadline, w.early = c, true, c.clock+vantageTime, early
	if p.State != exchange.Complete {
		w.deadline += holdTime // so long another tap may wait for what is missing here
	}
	w.by = w.one[:0]
	w.follow(c, p)
	w.set(s, messages)
	c.waiting.push(w)
	c.part.waiting.push(w)
	w.gather(s)
	return true
}

// gather takes to w, the pair of s, the messages that another tap shows without their
// partner: it lacks that, and so has two pairs where w is one.
func (w *waiting) gather(s *candidate) {
	if w.spot.lone {
		return
	}
	for d := s.c.newest(); d != nil; d = d.sibling {
		if d.lone == 0 || !s.c.kin(d) {
			continue
		}
		for _, o := range d.waiting.all() {
			if o != w && o.waits(d) && o.spot.lone && !o.early && o.spot.meets(&w.spot) == here && w.holds(o) {
				o.join(w)
			}
		}
	}
}

// holds reports whether the pair of w has all that the one of o does, or at least more.
func (w *waiting) holds(o *waiting) bool {
	if w.pair != nil {
		return holds(fullPair{w.pair}, fullPair{o.pair})
	}
	return holds(&w.outline, &o.outline)
}

func holds[T content[T]](a, b T) bool { return a.covers(b) || a.agrees(b) && a.known() >= b.known() }

// join lets o be given out no more: w holds all of it.
func (o *waiting) join(w *waiting) {
	d := o.c
	o.leave()
	o.open = false
	d.pairs, d.copies = d.pairs-1, d.copies+1
	w.adopt(&candidate{c: d, pair: o.pair, spot: o.spot})
	if o.pair != nil {
		d.part.w.recycle(o.pair)
		o.pair = nil
	}
	d.passOver()
}

// leave takes w off the account of its connection.
func (w *waiting) leave() {
	w.c.waitingBytes -= w.size
	w.size = 0
	if w.spot.lone {
		w.c.lone--
	}
}

// A candidate is a pair just read, for which a copy is looked for.
type candidate struct {
	c       *conn
	pair    *exchange.Pair
	spot    spot
	outline outline // where pairs are only counted
	early   bool    // messages of it were given out
}

// among looks for the pair among those of d that wait. It returns the one that decides:
// with [same] or [whole] a copy, with [contrary] one that shows d to be another
// conversation.
func (s *candidate) among(d *conn) (*waiting, likeness) {
	start := s.c.tcp.FromStart() && d.tcp.FromStart()
	// Taps show pairs in one order: the copy is nearly always the one after the last.
	if s.c.expect.of == d {
		if w := d.waiting.at(s.c.expect.number); w != nil && s.judge(w, d, start) == same {
			s.c.expect.number++
			return w, same
		}
	}
	for i, w := range d.waiting.all() {
		if how := s.judge(w, d, start); how != unrelated {
			s.c.expect = turn{d, d.waiting.base + i + 1}
			return w, how
		}
	}
	return nil, unrelated
}

// A turn is a place among the pairs of a connection that wait.
type turn struct {
	of     *conn
	number int
}

// judge compares w, on the list of d, with the pair at hand.
func (s *candidate) judge(w *waiting, d *conn, start bool) likeness {
	if !w.waits(d) || slices.Contains(w.by, s.c) && w.spot.meets(&s.spot) != here {
		return unrelated
	}
	var how likeness
	if w.pair != nil {
		how = compare(fullPair{w.pair}, fullPair{s.pair}, &w.spot, &s.spot, start)
	} else {
		how = compare(&w.outline, &s.outline, &w.spot, &s.spot, start)
		// Bodies that are not kept are told apart by what the history still has of them.
		if how != unrelated && how != contrary && s.c.tcp.Differ(&d.tcp, &s.c.part.w.hist) {
			if how = unrelated; start {
				how = contrary
			}
		}
	}
	if s.early && how == same {
		how = whole // messages of the pair cannot be taken back
	}
	if how == whole && w.early {
		return unrelated
	}
	return how
}

// waits reports whether w still waits on the list of c.
func (w *waiting) waits(c *conn) bool { return w.open && w.c == c }

// set makes the pair of s the one that waits.
func (w *waiting) set(s *candidate, messages []*exchange.StreamMessage) {
	p := s.pair
	w.id, w.spot, w.messages, w.places = p.ID, s.spot, messages, len(s.c.seenAt)
	if w.spot.lone {
		s.c.lone++
	}
	if s.c.part.w.opt.counting {
		w.outline = s.outline
		w.grow(outlineCost + costOf(messages))
		s.c.part.w.recycle(p)
		return
	}
	// The batch's memory is used again before the pair is given out.
	for _, m := range []*exchange.Message{&p.Request.Message, &p.Response.Message} {
		if !m.Shared {
			m.Body = bytes.Clone(m.Body)
		}
	}
	w.pair = p
	w.grow(int64(len(p.Request.Body)+len(p.Response.Body)) + 4<<10 + costOf(messages))
}

// replace puts the pair of s, which is whole where the waiting one has holes, in its
// place; what waited becomes a vantage of it.
func (w *waiting) replace(s *candidate, messages []*exchange.StreamMessage) {
	c, d := s.c, w.c
	if old := w.pair; old != nil {
		w.addPlaces()
		s.pair.Vantages = d.addTo(s.pair.Vantages, old.Vantages, s.spot.delay(&w.spot))
		d.part.w.recycle(old)
	}
	c.tapped(d, s.spot.delay(&w.spot))
	d.pairs, d.copies = d.pairs-1, d.copies+1
	c.pairs++
	w.leave()
	w.c, w.moved, w.by = c, true, append(w.by, d)
	d.passOver()
	if w.said != nil { // none came before the pair, and those behind it are counted
		messages = w.messages
	}
	w.follow(c, s.pair)
	w.set(s, messages)
	c.waiting.push(w)
}

// addPlaces adds the places to the pair of w that its connection was seen at since it waits.
func (w *waiting) addPlaces() {
	for ; w.places < len(w.c.seenAt); w.places++ {
		w.pair.Vantages = append(w.pair.Vantages, w.c.vantageAt(&w.c.seenAt[w.places]))
	}
}

// passOver takes those off the front of c's list that wait there no more.
func (c *conn) passOver() {
	for w := c.waiting.front(); w != nil && !w.waits(c); w = c.waiting.front() {
		c.waiting.pop()
	}
}

// adopt lets the waiting pair stand for that of s too.
func (w *waiting) adopt(s *candidate) {
	if slices.Contains(w.by, s.c) || w.c == s.c {
		return // has shown another part of it
	}
	w.by = append(w.by, s.c)
	delay := w.spot.delay(&s.spot)
	if w.pair != nil {
		var more []exchange.Vantage
		if s.pair != nil {
			more = s.pair.Vantages
		}
		w.pair.Vantages = s.c.addTo(w.pair.Vantages, more, delay)
	}
	w.c.tapped(s.c, delay)
}

// A tap is another connection that shows the same conversation.
type tap struct {
	info    *exchange.Conn
	vantage exchange.Vantage
}

// tapped notes that d showed, so many nanoseconds later, what c did.
func (c *conn) tapped(d *conn, delay int64) {
	d.describe()
	if len(c.taps) == maxPlaces || slices.ContainsFunc(c.taps, func(t tap) bool { return t.info == d.info }) {
		return
	}
	c.taps = append(c.taps, tap{d.info, d.vantage(delay)})
}

// vantage describes c as a further place where something was seen, so many nanoseconds later.
func (c *conn) vantage(delay int64) exchange.Vantage {
	c.describe()
	return exchange.Vantage{Tunnels: c.info.Tunnels, VLANs: c.info.VLANs, Interface: c.info.Interface, DelayNS: delay}
}

// addTo adds c to the vantages of a pair of which it shows a copy, so many nanoseconds
// later, with those of the copy.
func (c *conn) addTo(list, more []exchange.Vantage, delay int64) []exchange.Vantage {
	list = append(list, c.vantage(delay))
	for _, v := range more {
		v.DelayNS += delay
		list = append(list, v)
	}
	return list
}

// ripen gives out what has been held back for long enough.
func (p *partition) ripen(clock int64) {
	for w := p.waiting.front(); w != nil && (!w.open || w.deadline < clock); w = p.waiting.front() {
		w.giveOut()
		p.waiting.pop()
		if !w.moved && w.said == nil { // else somebody may still know it
			*w = waiting{}
			p.unused = append(p.unused, w)
		}
	}
}

// newWaiting returns an empty one, whose memory may have been used before.
func (p *partition) newWaiting() *waiting {
	const together = 32
	if len(p.unused) == 0 {
		more := make([]waiting, together)
		for i := range more {
			// Written before it is read: a page that is read first costs two faults, and
			// an interrupt of every other processor that the process runs on.
			more[i].open = false
			p.unused = append(p.unused, &more[i])
		}
	}
	w := p.unused[len(p.unused)-1]
	p.unused = p.unused[:len(p.unused)-1]
	return w
}

// giveOut gives the pair out, if that was not done before.
func (w *waiting) giveOut() {
	if !w.open {
		return
	}
	w.open = false
	w.leave()
	w.c.passOver()
	w.remember()
	w.giveMessages()
	if p := w.pair; p != nil {
		w.addPlaces()
		w.pair = nil
		w.c.part.w.emit(w.c.info, p)
		return
	}
	w.c.part.w.count(w.outline.state, &w.outline.anomalies)
}
