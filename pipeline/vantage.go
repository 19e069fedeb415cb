package pipeline

import (
	"bytes"
	"slices"

	"recap/pipeline/decap"
	"recap/pipeline/exchange"
	"recap/reader/packet"
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
	pair     *exchange.Pair // nil once given out
	by       []*conn        // other connections that had it too
	id       exchange.ID    // of the pair
	early    bool           // messages of it were given out
	messages []*exchange.StreamMessage
	said     map[saying]*times // behind the pair; nil where nothing comes there
	next     int64             // ordinal of the next message behind the pair
	deadline int64
	size     int64
}

// tuple is the key of the connections that may be one conversation.
func tuple(k exchange.FlowKey) exchange.FlowKey {
	k.Stack = 0
	return k
}

// meet makes c known to the connections with the same addresses and ports.
func (p *partition) meet(c *conn) {
	if p.w.opt.split {
		return
	}
	k := tuple(c.key)
	c.sibling = p.tuples[k]
	p.tuples[k] = c
	if c.sibling != nil {
		c.company = true
		for d := c.sibling; d != nil; d = d.sibling {
			d.company = true
		}
	}
}

// part takes c out of them again.
func (p *partition) part(c *conn) {
	if p.w.opt.split {
		return
	}
	k := tuple(c.key)
	if p.tuples[k] == c {
		if c.sibling == nil {
			delete(p.tuples, k)
		} else {
			p.tuples[k] = c.sibling
		}
	} else {
		for d := p.tuples[k]; d != nil; d = d.sibling {
			if d.sibling == c {
				d.sibling = c.sibling
				break
			}
		}
	}
	c.sibling = nil
}

// others calls f for every other connection that may be the same conversation.
func (c *conn) others(f func(d *conn) bool) {
	for d := c.part.tuples[tuple(c.key)]; d != nil; d = d.sibling {
		if d != c && !c.differs(d) && c.tcp.Related(&d.tcp) && !f(d) {
			return
		}
	}
}

// differs reports whether c and d were found to be two conversations.
func (c *conn) differs(d *conn) bool {
	for _, x := range c.strangers {
		if x == d {
			return true
		}
	}
	for _, x := range d.strangers {
		if x == c {
			return true
		}
	}
	return false
}

// maxStrangers bounds how many connections one remembers as not the same.
const maxStrangers = 64

// holes exchanges what c and its siblings lack of each other.
func (c *conn) holes(at packet.Pos) {
	c.others(func(d *conn) bool {
		for side := range 2 {
			c.fill(d, side, at)
			d.fill(c, side, at)
		}
		return true
	})
}

// fill puts bytes that d has into the first hole of c.
func (c *conn) fill(d *conn, side int, at packet.Pos) {
	const most = 64 << 10
	h := &c.part.w.hist
	for range 16 {
		seq, n := c.tcp.Hole(side)
		if n == 0 {
			return
		}
		b := d.tcp.Run(h, side, seq, int(min(n, most)))
		if len(b) == 0 {
			return
		}
		// The bytes in front of the hole, or behind it, must be the same at both.
		const enough = 16
		if !c.tcp.Same(&d.tcp, h, side, seq, enough) && !(int64(len(b)) == n && c.tcp.SameBehind(&d.tcp, h, side, seq+uint32(n), enough)) {
			return
		}
		c.tcp.Fill(&c.part.env, side, b, at, c)
	}
}

// holdPair keeps p back while another tap may still bring its copy. It reports
// whether it does, or has found the copy already.
func (c *conn) holdPair(p *exchange.Pair) bool {
	messages, early := c.streams.messagesOf(p.ID)
	if !c.company {
		c.alone(p, nil)
		return false
	}
	kin, merged := false, false
	c.others(func(d *conn) bool {
		kin = true
		for _, w := range d.waiting {
			if w.pair == nil || slices.Contains(w.by, c) {
				continue
			}
			how := compare(w.pair, p, c.tcp.FromStart() && d.tcp.FromStart())
			if early && how == same {
				how = whole // messages of p cannot be taken back
			}
			switch {
			case how == same:
				w.follow(c, p)
				w.adopt(c, p)
				c.copies++
				c.part.w.recycle(p)
				merged = true
				return false
			case how == whole && !w.early: // p is whole where the waiting one has holes
				w.replace(c, p, messages)
				merged = true
				return false
			}
			switch how {
			case contrary:
				if len(c.strangers) < maxStrangers {
					c.strangers = append(c.strangers, d)
				}
				return true
			}
		}
		return true
	})
	if merged {
		return true
	}
	if !kin {
		c.alone(p, messages)
		return false
	}
	c.pairs++
	w := &waiting{c: c, deadline: c.clock + vantageTime, early: early}
	w.set(p, messages)
	w.follow(c, p)
	c.waiting = append(c.waiting, w)
	c.part.waiting = append(c.part.waiting, w)
	return true
}

// set makes p the pair that waits.
func (w *waiting) set(p *exchange.Pair, messages []*exchange.StreamMessage) {
	// The batch's memory is used again before the pair is given out.
	p.Request.Body, p.Response.Body = bytes.Clone(p.Request.Body), bytes.Clone(p.Response.Body)
	w.pair, w.id, w.messages = p, p.ID, messages
	w.grow(int64(len(p.Request.Body)+len(p.Response.Body)) + 4<<10 + costOf(messages))
}

// replace puts p, seen by c, in the place of the waiting pair, which becomes a vantage of it.
func (w *waiting) replace(c *conn, p *exchange.Pair, messages []*exchange.StreamMessage) {
	old, d := w.pair, w.c
	p.Vantages = append(p.Vantages, old.Vantages...)
	p.Vantages = append(p.Vantages, d.vantage(firstTime(old), firstTime(p)))
	d.pairs, d.copies = d.pairs-1, d.copies+1
	c.pairs++
	w.drop()
	d.part.w.recycle(old)
	w.c, w.by = c, append(w.by, d)
	w.size = 0
	if w.said != nil { // none came before the pair, and those behind it are counted
		messages = w.messages
	}
	w.set(p, messages)
	w.follow(c, p)
	c.waiting = append(c.waiting, w)
}

// drop takes w off its connection's list.
func (w *waiting) drop() {
	c := w.c
	c.waitingBytes -= w.size
	if i := slices.Index(c.waiting, w); i >= 0 {
		c.waiting = slices.Delete(c.waiting, i, i+1)
	}
}

// adopt lets the waiting pair stand for p too, which c saw.
func (w *waiting) adopt(c *conn, p *exchange.Pair) {
	w.by = append(w.by, c)
	w.pair.Vantages = append(w.pair.Vantages, c.vantage(firstTime(p), firstTime(w.pair)))
}

// vantage describes c as a further place where something was seen at time at, first at time first.
func (c *conn) vantage(at, first int64) exchange.Vantage {
	c.describe()
	v := exchange.Vantage{Tunnels: c.info.Tunnels, VLANs: c.info.VLANs, Interface: c.info.Interface}
	if at != exchange.NoTime && first != exchange.NoTime {
		v.DelayNS = at - first
	}
	return v
}

func firstTime(p *exchange.Pair) int64 {
	if p.Request.Present {
		return p.Request.TimeNS
	}
	return p.Response.TimeNS
}

// likeness is what comparing two pairs of two taps gives.
type likeness uint8

const (
	unrelated likeness = iota // perhaps other places in their connections
	same
	whole    // the second is whole, and the first is the same but for holes
	contrary // the same place, but not the same content
)

// compare compares a waiting pair a with b by all of their content. start says that
// both connections were seen from their start, so that their ordinals are comparable.
func compare(a, b *exchange.Pair, start bool) likeness {
	if start && a.Ordinal != b.Ordinal {
		return unrelated
	}
	if s, t := firstTime(a), firstTime(b); s != exchange.NoTime && t != exchange.NoTime && (s-t > vantageTime || t-s > vantageTime) {
		return unrelated
	}
	switch {
	case a.State == b.State && sameMessage(&a.Request.Message, &b.Request.Message) && sameMessage(&a.Response.Message, &b.Response.Message):
		return same
	case covers(&b.Request.Message, &a.Request.Message) && covers(&b.Response.Message, &a.Response.Message):
		return whole
	case covers(&a.Request.Message, &b.Request.Message) && covers(&a.Response.Message, &b.Response.Message):
		return same
	case start && a.State == exchange.Complete && b.State == exchange.Complete:
		return contrary
	}
	return unrelated
}

func sameMessage(a, b *exchange.Message) bool {
	return a.Present == b.Present && a.BodySize == b.BodySize && a.Hashed == b.Hashed && a.BodySHA256 == b.BodySHA256 &&
		slices.Equal(a.Gaps, b.Gaps) && bytes.Equal(a.Head, b.Head) && bytes.Equal(a.Body, b.Body)
}

// covers reports whether a holds all that b holds of the same message: b lacks it
// altogether, or has holes where a has bytes.
func covers(a, b *exchange.Message) bool {
	if !b.Present {
		return true
	}
	if !a.Present || !bytes.Equal(a.Head, b.Head) || a.ContentEncoding != "" && len(b.Gaps) > 0 {
		return false
	}
	if len(b.Gaps) == 0 || len(a.Gaps) > 0 {
		return sameMessage(a, b)
	}
	rest := b.Body
	at := int64(0)
	for _, g := range b.Gaps {
		n := g.Offset - at
		if n < 0 || n > int64(len(rest)) || at+n > int64(len(a.Body)) || !bytes.Equal(a.Body[at:at+n], rest[:n]) || g.Length < 0 {
			return false
		}
		rest, at = rest[n:], g.Offset+g.Length
	}
	return at+int64(len(rest)) == int64(len(a.Body)) && bytes.Equal(a.Body[at:], rest)
}

// ripen gives out what has been held back for long enough.
func (p *partition) ripen(clock int64) {
	n := 0
	for n < len(p.waiting) && (p.waiting[n].pair == nil || p.waiting[n].deadline < clock) {
		p.waiting[n].giveOut()
		n++
	}
	if n > 0 {
		rest := copy(p.waiting, p.waiting[n:])
		clear(p.waiting[rest:])
		p.waiting = p.waiting[:rest]
	}
}

// giveOut gives the pair out, if that was not done before.
func (w *waiting) giveOut() {
	if w.pair == nil {
		return
	}
	p := w.pair
	w.drop()
	w.pair = nil
	w.giveMessages()
	w.c.part.w.emit(w.c.info, p)
}

// place is where copies of packets of one connection came from.
type place struct {
	stack, vlans uint32
	file, iface  int32
	delay        int64
}

// maxPlaces bounds conn.seenAt.
const maxPlaces = 8

// copied notes where a copy of a packet was seen, where that tells it from the first.
func (c *conn) copied(s *decap.Segment, side int) {
	at := place{s.Stack, s.VLANs, s.FileIndex, s.Interface, c.tcp.Halves[side].CopyDelay}
	if at.stack == c.stack && at.vlans == c.vlans && at.file == c.file && at.iface == c.iface {
		return
	}
	for i := range c.seenAt {
		if o := &c.seenAt[i]; o.stack == at.stack && o.vlans == at.vlans && o.file == at.file && o.iface == at.iface {
			return
		}
	}
	if len(c.seenAt) < maxPlaces {
		c.seenAt = append(c.seenAt, at)
	}
}

// vantages describes the places where copies of the connection's packets came from.
func (c *conn) vantages() []exchange.Vantage {
	if len(c.seenAt) == 0 {
		return nil
	}
	w := c.part.w
	list := make([]exchange.Vantage, len(c.seenAt))
	for i, at := range c.seenAt {
		list[i] = exchange.Vantage{Tunnels: w.dec.Stack(at.stack), VLANs: w.dec.VLANStack(at.vlans),
			Interface: w.names.iface(at.file, at.iface), DelayNS: at.delay}
	}
	return list
}

// join finds the connection whose other direction s is, mirrored under another id.
func (p *partition) join(s *decap.Segment, side int) *conn {
	if p.w.opt.split || s.Flags&decap.ACK == 0 {
		return nil
	}
	for c := p.tuples[tuple(s.Key)]; c != nil; c = c.sibling {
		if c.tcp.Continues(side, s.Seq, s.Ack, s.Flags&decap.SYN != 0) {
			p.flows[s.Key] = c
			c.aliases = append(c.aliases, s.Key)
			return c
		}
	}
	return nil
}
