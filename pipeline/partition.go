package pipeline

import (
	"math"

	"recap/pipeline/app"
	"recap/pipeline/decap"
	"recap/pipeline/exchange"
	"recap/pipeline/tcp"
	"recap/pipeline/tls"
	"recap/reader/packet"
)

// partition is a set of connections with a memory budget of its own.
type partition struct {
	w      *worker
	flows  map[exchange.FlowKey]*conn
	recent [recentConns]*conn // of flows those that were asked for last
	live   list               // least recently used first
	closed list               // closed connections, by deadline
	used   int64
	budget int64
	// tuples are the connections by addresses and ports alone, linked by conn.sibling.
	tuples   map[exchange.FlowKey]*conn
	mirrored bool       // a packet in a tunnel, or another tap's copy of one, was seen, in any partition
	waiting  waitlist   // pairs held back
	awaiting awaiting   // connections that wait for what was cut from packets
	unused   []*waiting // memory for more
	quic     quicTable
	env      tcp.Env
	keys     tls.View // what of the TLS secrets the packet at hand may use

	// evicted remembers connections that were dropped for memory, so that what
	// comes after is linked to them; the oldest are forgotten.
	evicted map[exchange.FlowKey]exchange.ID
	order   []exchange.FlowKey
	next    int
}

// recentConns is how many connections at most are found without a look into the map.
const recentConns = math.MaxUint8 + 1

// maxEvicted bounds partition.evicted.
const maxEvicted = 4096

func newPartition(w *worker, opt *resolved) *partition {
	return &partition{
		w:      w,
		flows:  make(map[exchange.FlowKey]*conn),
		tuples: make(map[exchange.FlowKey]*conn),
		budget: opt.budget,
		keys:   opt.keys.All(),
		env:    tcp.Env{Hist: &w.hist, Policy: opt.policy, MaxSpan: opt.span, Hold: holdTime},
	}
}

// segment takes the next segment of the partition, whose connection has the slot.
func (p *partition) segment(s *decap.Segment, slot uint8) {
	w := p.w
	at := &w.now
	at.Number, at.TimeNS, at.Clock, at.FileIndex, at.Acked, at.Offset = s.Number, s.TimeNS, s.Clock, s.FileIndex, packet.NoOffset, 0
	at.FragmentConflict, at.BadChecksum = s.Info&decap.FragmentConflict != 0, false
	if w.opt.checksums && !s.IsUDP() {
		ok, offload := s.ChecksumOK()
		at.BadChecksum = !ok && !offload
	}
	w.stack(s.Stack)
	p.mirrored = p.mirrored || w.mirror != 0 && s.Number >= w.mirror
	w.ledger.payload += int64(len(s.Payload()))
	if p.quic.oldest != nil {
		p.idleQUIC(s.Clock, *at)
	}
	for c := p.closed.first; c != nil && c.deadline < s.Clock; c = p.closed.first {
		p.finish(c, c.reason(), *at)
	}
	if len(p.awaiting.list) > 0 {
		p.lapse(*at)
	}
	p.ripen(s.Clock)
	side := 0
	if s.Info&decap.FromHi != 0 {
		side = 1
	}
	if s.IsUDP() {
		p.datagram(s, side, *at)
		return
	}
	c := p.find(&s.Key, slot)
	if c != nil && len(c.aliases) > 0 && c.parts(s, side) {
		c = nil
	}
	if c != nil {
		c = p.among(c, s, side)
	}
	if c == nil {
		c = p.open(s, side)
	} else if c.tcp.Reuses(s, side) || c.superseded(s, side) {
		old := c
		p.retire(old, app.EndReused, *at)
		c = p.open(s, side)
		if c.tcp.Reborn(&old.tcp, s, side) {
			c.inherit(old)
		}
		c.anomalies.Add(exchange.AnomalyPortReuse)
	}
	c.segment(s, side, *at)
	p.charge(c)
	if p.used > p.budget {
		p.shrink(c, nil, *at)
	}
}

// find returns the connection with that key, nil for none.
func (p *partition) find(k *exchange.FlowKey, slot uint8) *conn {
	r := &p.recent[slot]
	if c := *r; c != nil && c.key == *k {
		return c
	}
	*r = p.flows[*k]
	return *r
}

// open begins a connection.
func (p *partition) open(s *decap.Segment, side int) *conn {
	if c := p.join(s, side); c != nil {
		return c
	}
	c := newConn(p, s, side)
	c.namesake = p.flows[s.Key]
	p.flows[s.Key] = c
	p.recent[slotOf(spread(&c.key))] = nil
	p.live.push(c)
	p.meet(c)
	if id, ok := p.evicted[s.Key]; ok {
		c.continues = id
		c.anomalies.Add(exchange.AnomalyInterleavedEviction)
		delete(p.evicted, s.Key)
	}
	return c
}

// charge brings the account up to date with what c holds.
func (p *partition) charge(c *conn) {
	n := c.memory()
	p.used += n - c.charged
	c.charged = n
}

// victim returns the connection other than c to be dropped first: closed ones go before
// those least recently used.
func (p *partition) victim(c *conn) *conn {
	for _, v := range [2]*conn{p.closed.first, p.live.first} {
		if v != nil && v == c {
			v = v.next
		}
		if v != nil {
			return v
		}
	}
	return nil
}

// shrink brings the partition back under its budget: closed connections go first,
// then those least recently used; last, c itself gives up its holes. The connection at
// hand is c, or q.
func (p *partition) shrink(c *conn, q *quicConn, at packet.Pos) {
	for p.used > p.budget && p.hasten(at) {
	}
	for p.used > p.budget {
		v, u := p.victim(c), p.quic.oldest
		if u != nil && u == q {
			u = u.next
		}
		switch {
		case u != nil && (v == nil || !v.tcp.Done() && u.clock < v.clock):
			p.evictQUIC(u, at)
			continue
		case v != nil:
			p.evict(v, at)
			continue
		}
		break
	}
	if c == nil {
		if p.used > p.budget {
			p.evictQUIC(q, at)
		}
		return
	}
	if p.used > p.budget && c.tcp.Buffered() > 0 {
		c.tcp.Anomalies.Add(exchange.AnomalyOutOfOrderLimit)
		for p.used > p.budget && c.tcp.Buffered() > 0 {
			before := c.tcp.Buffered()
			c.tcp.GiveUp(&p.env, at, c)
			p.charge(c)
			if c.tcp.Buffered() == before {
				break
			}
		}
	}
	if p.used > p.budget {
		p.evict(c, at)
	}
}

func (p *partition) evict(c *conn, at packet.Pos) {
	if c.tcp.Done() || c.retired {
		p.finish(c, c.reason(), at)
		return
	}
	c.anomalies.Add(exchange.AnomalyEvicted)
	p.finish(c, app.EndEvicted, at)
	p.remember(c.key, c.info.ID)
}

// remember notes that a connection was dropped, so that what comes after is linked to it.
func (p *partition) remember(key exchange.FlowKey, id exchange.ID) {
	if p.evicted == nil {
		p.evicted = make(map[exchange.FlowKey]exchange.ID)
		p.order = make([]exchange.FlowKey, maxEvicted)
	}
	delete(p.evicted, p.order[p.next])
	p.order[p.next] = key
	p.next = (p.next + 1) % maxEvicted
	p.evicted[key] = id
}

// retire ends c, whose key another connection takes. Where another tap may show it too,
// its pairs go on waiting for their copies.
func (p *partition) retire(c *conn, reason app.EndReason, at packet.Pos) {
	at = plain(at)
	c.conclude(reason, at)
	if c.company == nil && c.waiting.front() == nil {
		p.finish(c, reason, at)
		return
	}
	c.retired, c.ending = true, reason
	p.forget(c)
	c.list.remove(c)
	c.deadline = c.clock + vantageTime + holdTime
	p.closed.push(c)
	p.charge(c)
}

// forget makes c unknown by its keys.
func (p *partition) forget(c *conn) {
	p.unlink(c)
	p.recent[slotOf(spread(&c.key))] = nil
	for _, k := range c.aliases {
		if p.flows[k] == c {
			delete(p.flows, k)
		}
	}
}

// finish ends c and gives out its row.
func (p *partition) finish(c *conn, reason app.EndReason, at packet.Pos) {
	at = plain(at)
	c.finish(reason, at)
	p.forget(c)
	p.part(c)
	c.list.remove(c)
	p.used -= c.charged
	c.charged = 0
}

// end ends all connections: the capture is over. What is given out now counts as
// completed behind the last packet.
func (p *partition) end(number, clock int64) {
	at := packet.Pos{Number: number, TimeNS: exchange.NoTime, Clock: clock, Acked: packet.NoOffset}
	p.w.now = at
	lists := [...]*list{&p.closed, &p.live}
	// First all are read to their end, then given out: a pair of one tap may wait
	// for its copy of another.
	for _, l := range lists {
		for c := l.first; c != nil; c = c.next {
			c.conclude(c.reason(), at)
		}
	}
	for _, l := range lists {
		for l.first != nil {
			p.finish(l.first, l.first.reason(), at)
		}
	}
	for c := p.quic.oldest; c != nil; c = p.quic.oldest {
		p.finishQUIC(c, app.EndCapture, at)
	}
}

// list is a list of connections that a connection stands in itself.
type list struct{ first, last *conn }

func (l *list) push(c *conn) {
	c.list, c.prev, c.next = l, l.last, nil
	if l.last != nil {
		l.last.next = c
	} else {
		l.first = c
	}
	l.last = c
}

func (l *list) remove(c *conn) {
	if c.prev != nil {
		c.prev.next = c.next
	} else {
		l.first = c.next
	}
	if c.next != nil {
		c.next.prev = c.prev
	} else {
		l.last = c.prev
	}
	c.list, c.prev, c.next = nil, nil, nil
}
