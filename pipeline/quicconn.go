package pipeline

import (
	"strings"

	"recap/pipeline/app"
	"recap/pipeline/app/http3"
	"recap/pipeline/decap"
	"recap/pipeline/exchange"
	"recap/pipeline/quic"
	"recap/reader/packet"
)

// quicConn is one QUIC connection.
type quicConn struct {
	origin
	part      *partition
	quic      *quic.Conn
	info      *exchange.Conn
	sides     [2]exchange.FlowSide // by side
	last      packet.Pos
	clock     int64
	pairs     int64
	anomalies exchange.Anomalies
	continues exchange.ID
	charged   int64
	taps      quicTaps

	older      *quicConn // between the same addresses and ports
	prev, next *quicConn // by last use
}

// quicTable are the QUIC connections of a partition.
type quicTable struct {
	flows  map[exchange.FlowKey]*quicConn // the newest of those between the same addresses and ports
	oldest *quicConn                      // by last use
	newest *quicConn
	births map[quicBirth]*quicConn        // those that began in the capture
	copies map[exchange.FlowKey]*quicConn // whose datagrams come from another tap too
}

// maxShared bounds the connections between the same addresses and ports: a client may have
// several at once, told apart by their connection IDs.
const maxShared = 8

// datagram takes the next datagram that is QUIC.
func (p *partition) datagram(s *decap.Segment, side int, at packet.Pos) {
	c := p.ownerOf(s, side, at)
	c.datagram(s, side, at)
	p.quic.remove(c)
	p.quic.push(c)
	p.chargeQUIC(c)
	if p.used > p.budget {
		p.shrink(nil, c, at)
	}
}

// ownerOf returns the connection that s belongs to, opened where need be.
func (p *partition) ownerOf(s *decap.Segment, side int, at packet.Pos) *quicConn {
	newest := p.quic.flows[s.Key]
	n := 0
	for c := newest; c != nil; c = c.older {
		if c.quic.Owns(c.dir(side), s.Payload()) {
			return c
		}
		if n++; n == maxShared {
			p.finishQUIC(c, app.EndReused, at)
			break
		}
	}
	begins := s.Info&decap.Opening != 0 || quic.Begins(s.Payload())
	if !p.w.opt.split {
		if c := p.quic.copied(s, side, begins); c != nil {
			return c
		}
	}
	if newest != nil && !begins {
		return newest
	}
	c := p.openQUIC(s, side, begins)
	if begins {
		p.quic.born(c, s)
	}
	return c
}

// openQUIC begins a connection; begins says that s is the first packet of a client.
func (p *partition) openQUIC(s *decap.Segment, side int, begins bool) *quicConn {
	c := &quicConn{origin: newOrigin(s, side), part: p}
	switch {
	case begins:
		c.client = side
	case s.Key.HiPort > s.Key.LoPort:
		c.client = 1
	}
	c.info = c.describe(p.w, protoUDP)
	env := p.w.env
	env.Emit, env.Message = c.emit, c.message
	c.quic = quic.New(c.info, &p.keys, p.budget/4, func(protocol string) quic.Streams {
		if protocol == "h3" || strings.HasPrefix(protocol, "h3-") {
			return http3.New(&env, c.info)
		}
		return nil
	})
	if id, ok := p.evicted[s.Key]; ok {
		c.continues = id
		c.anomalies.Add(exchange.AnomalyInterleavedEviction)
		delete(p.evicted, s.Key)
	}
	if p.quic.flows == nil {
		p.quic.flows = make(map[exchange.FlowKey]*quicConn)
	}
	c.older = p.quic.flows[s.Key]
	p.quic.flows[s.Key] = c
	p.quic.push(c)
	return c
}

// datagram takes the next packet.
func (c *quicConn) datagram(s *decap.Segment, side int, at packet.Pos) {
	c.last, c.clock = at, s.Clock
	app.AddOddities(&c.anomalies, &at)
	b := s.Payload()
	f := &c.sides[side]
	f.Packets++
	f.Bytes += int64(len(b))
	f.WireBytes += int64(s.Wire)
	if s.Missing > 0 {
		f.TruncatedPackets++
		if s.Info&decap.CutByMirror != 0 {
			c.anomalies.Add(exchange.AnomalyMirrorTruncated)
		} else {
			c.anomalies.Add(exchange.AnomalySnaplenCut)
		}
	}
	c.quic.Datagram(c.dir(side), at, b)
}

// emit takes a finished pair.
func (c *quicConn) emit(info *exchange.Conn, p *exchange.Pair) {
	c.quic.Freeze()
	if c.oneSided() {
		p.Anomalies.Add(exchange.AnomalyOneSided)
	}
	p.Vantages = c.taps.vantages
	c.pairs++
	c.part.w.emit(info, p)
}

func (c *quicConn) message(m *exchange.StreamMessage) {
	c.quic.Freeze()
	c.part.w.env.Message(m)
}

func (c *quicConn) oneSided() bool { return c.sides[0].Packets == 0 || c.sides[1].Packets == 0 }

func (p *partition) chargeQUIC(c *quicConn) {
	n := connCost + int64(len(c.outer)) + c.quic.Memory() + c.taps.memory()
	p.used += n - c.charged
	c.charged = n
}

// idleQUIC ends connections that were silent for long.
func (p *partition) idleQUIC(clock int64, at packet.Pos) {
	for c := p.quic.oldest; c != nil && clock-c.clock > quicIdle; c = p.quic.oldest {
		p.finishQUIC(c, app.EndIdle, at)
	}
}

func (p *partition) evictQUIC(c *quicConn, at packet.Pos) {
	c.anomalies.Add(exchange.AnomalyEvicted)
	p.finishQUIC(c, app.EndEvicted, at)
	p.remember(c.key, c.info.ID)
}

// finishQUIC ends a connection and gives out its row.
func (p *partition) finishQUIC(c *quicConn, reason app.EndReason, at packet.Pos) {
	at.BadChecksum, at.FragmentConflict = false, false
	if c.quic.Closed() && reason != app.EndEvicted {
		reason = app.EndFIN
	}
	c.quic.End(reason, at)
	c.account()
	c.row(reason, at)
	p.quic.forget(c)
	p.used -= c.charged
	c.charged = 0
}

// account enters the connection into the ledger.
func (c *quicConn) account() {
	l := &c.part.w.ledger
	packets := c.sides[0].Packets + c.sides[1].Packets
	switch {
	case c.pairs > 0:
		l.quicHTTP += packets
	case c.quic.Decrypted():
		l.quicOther += packets
	default:
		l.quic += packets
	}
	t := c.quic.Tally()
	l.bHTTP += t.HTTP
	l.bOther += t.Other
	l.bUnpar += t.Unparsed
	l.bQUIC += t.TLS
	l.bTLSOver += t.TLSOverhead
	l.bDup += t.Duplicate
	l.late += t.Late
}

// row gives out the connection's row.
func (c *quicConn) row(reason app.EndReason, at packet.Pos) {
	w := c.part.w
	w.protocols["quic"]++
	w.nflows++
	if c.oneSided() {
		c.anomalies.Add(exchange.AnomalyOneSided)
	}
	f := &exchange.Flow{
		Conn: c.info, Protocol: "quic", CloseReason: reason.String(), Continues: c.continues,
		FirstNS: c.first.TimeNS, LastNS: c.last.TimeNS, FirstPacket: c.first.Number, LastPacket: c.last.Number,
		Handshake: c.quic.Answered(), Pairs: c.pairs, Vantages: c.taps.vantages, Completed: at.Number,
	}
	for side := range c.sides {
		d := c.dir(side)
		f.Sides[d] = c.sides[side]
		s := c.quic.Stats(d)
		f.Sides[d].StreamBytes, f.Sides[d].Gaps, f.Sides[d].GapBytes = s.Given, s.Holes, s.Missing
		if s.Holes > 0 {
			c.anomalies.Add(exchange.AnomalyLostSegment)
		}
	}
	c.anomalies.Each(func(a exchange.Anomaly) { w.anomalies[a]++ })
	f.Anomalies = c.anomalies
	if c.pairs == 0 {
		switch {
		case !c.quic.Decrypted():
			f.NoPairs = "quic_without_keys"
		case c.quic.HTTP():
			f.NoPairs = "no_message"
		default:
			f.NoPairs = "not_http"
		}
	}
	w.res.flows = append(w.res.flows, f)
}

func (t *quicTable) push(c *quicConn) {
	if c.prev, c.next = t.newest, nil; c.prev != nil {
		c.prev.next = c
	} else {
		t.oldest = c
	}
	t.newest = c
}

func (t *quicTable) remove(c *quicConn) {
	if c.prev != nil {
		c.prev.next = c.next
	} else {
		t.oldest = c.next
	}
	if c.next != nil {
		c.next.prev = c.prev
	} else {
		t.newest = c.prev
	}
	c.prev, c.next = nil, nil
}

// forget takes c out of the table.
func (t *quicTable) forget(c *quicConn) {
	t.remove(c)
	t.forgetTaps(c)
	first := t.flows[c.key]
	if first == c {
		if c.older == nil {
			delete(t.flows, c.key)
		} else {
			t.flows[c.key] = c.older
		}
		return
	}
	for x := first; x != nil; x = x.older {
		if x.older == c {
			x.older = c.older
			return
		}
	}
}
