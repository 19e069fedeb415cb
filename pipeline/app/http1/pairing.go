package http1

import (
	"encoding/binary"
	"strings"

	"recap/pipeline/app"
	"recap/pipeline/exchange"
	"recap/reader/packet"
)

func (c *Conn) newMeta() *meta {
	m := c.spare
	if c.spare = nil; m == nil {
		m = new(meta)
	}
	*m = meta{pair: c.env.NewPair(), reqStart: packet.NoOffset, reqAcked: packet.NoOffset, hiddenAt: -1}
	p := m.pair
	p.Conn = c.conn
	p.Ordinal = c.ordinal
	c.ordinal++
	// The connection's id and the place in it: stable, and it shows what belongs together.
	copy(p.ID[:8], c.conn.ID[:8])
	binary.BigEndian.PutUint32(p.ID[8:], uint32(p.Ordinal))
	return m
}

// match returns the exchange that a response beginning at at belongs to.
//
// Responses come in the order of the requests (RFC 9112, section 9.3.2). Where
// messages may be missing from the capture, order alone would pair what does not
// belong together; then a response is paired only with a request for which the
// acknowledgements rule every other out, and stays alone otherwise.
func (c *Conn) match(at *packet.Pos) *meta {
	s := &c.sides[exchange.ToClient]
	if m := s.meta; m != nil { // an interim response came before
		return m
	}
	queue := c.open[c.first:]
	if len(queue) == 0 {
		return c.alone()
	}
	if c.respGap || queue[0].unsure {
		// A client that does not pipeline sends a request when it has the response
		// before: a request sent with knowledge of this response's bytes is a later one.
		last := -1
		for i, m := range queue {
			if m.reqAcked > at.Offset {
				break
			}
			last = i
		}
		if last < 0 || queue[last].unsure || last > 0 && (queue[last-1].reqAcked == packet.NoOffset || queue[last-1].reqAcked >= queue[last].reqAcked) ||
			c.overlooked(queue[last:], at) {
			return c.alone()
		}
		for range last {
			m := c.open[c.first]
			m.pair.Anomalies.Add(exchange.AnomalyLostSegment)
			c.drop(m)
		}
		c.respGap = false
	}
	m := c.open[c.first]
	if m.afterGap && at.Acked != packet.NoOffset && m.reqStart >= at.Acked {
		return c.alone() // the server had not seen this request: it answers one that is missing
	}
	return m
}

// overlooked reports whether the server, when it sent a response that begins at at, may
// have seen a request behind queue[0] that is missing before the next.
func (c *Conn) overlooked(queue []*meta, at *packet.Pos) bool {
	if len(queue) > 1 {
		from := queue[1].hiddenAt
		return from >= 0 && at.Acked > from
	}
	if c.hidden {
		return at.Acked > c.hiddenAt
	}
	s := &c.sides[exchange.ToServer]
	come := c.heard // what is missing may be yet to be told
	if s.state == inLength || s.state == inChunk {
		come += s.remain
	}
	return at.Acked != packet.NoOffset && at.Acked > come
}

// alone opens an exchange for a response whose request is not known.
func (c *Conn) alone() *meta {
	m := c.newMeta()
	if s := &c.sides[exchange.ToServer]; s.state == lost && s.gapped && s.junk > 0 {
		m.bad = true // something of the request was seen
	}
	return m
}

// drop gives out the oldest open exchange unanswered.
func (c *Conn) drop(m *meta) {
	c.unqueue(m)
	m.respDone = true
	if m.reqDone {
		c.emit(m)
	}
}

// unqueue takes m out of the queue.
func (c *Conn) unqueue(m *meta) {
	if !m.queued {
		return
	}
	m.queued = false
	for i := c.first; i < len(c.open); i++ {
		if c.open[i] == m {
			copy(c.open[c.first+1:i+1], c.open[c.first:i])
			c.open[c.first] = nil
			c.first++
			break
		}
	}
	if c.first == len(c.open) {
		c.open, c.first = c.open[:0], 0
	} else if c.first > 64 && c.first > len(c.open)/2 {
		n := copy(c.open, c.open[c.first:])
		clear(c.open[n:])
		c.open, c.first = c.open[:n], 0
	}
}

// finish closes the message being read and gives its pair out when both are done.
func (c *Conn) finish(d exchange.Dir, s *side, bad bool) {
	m := s.meta
	m.bad = m.bad || bad
	s.meta, s.pair, s.msg = nil, nil, nil
	if d == exchange.ToServer {
		m.reqDone = true
		if m.respDone {
			c.emit(m)
			return
		}
		c.hold(m, headCost(&m.pair.Request.Message))
		return
	}
	m.respDone = true
	if m.early {
		m.pair.Anomalies.Add(exchange.AnomalyEarlyResponse)
	}
	if up := &c.sides[exchange.ToServer]; up.meta == m {
		up.refuse()
	}
	c.matched = m.queued
	c.unqueue(m)
	if m.reqDone || !m.pair.Request.Present {
		c.emit(m)
	} else {
		c.hold(m, headCost(&m.pair.Response.Message))
	}
}

// hold notes that m owns n bytes more of memory.
func (c *Conn) hold(m *meta, n int64) {
	m.held += n
	c.held += n
}

// headCost is what the head of a message takes in memory, bytes.
func headCost(m *exchange.Message) int64 {
	return app.Grown(len(m.Head)) + 32*app.Grown(len(m.Headers)+len(m.Trailers)) + 8*app.Grown(len(m.Packets))
}

// interim keeps a 1xx response and goes on to the next for the same request.
func (c *Conn) interim(s *side, at *packet.Pos) {
	resp := &s.pair.Response
	one := exchange.Interim{Status: resp.Status, TimeNS: at.TimeNS}
	// All interim responses together keep no more than one head may.
	if m := s.meta; m.interim+int64(len(resp.Head)) <= c.env.Limits.Head && len(resp.Interim) < c.env.Limits.Fields {
		for _, h := range resp.Headers { // the head's memory is used again
			one.Headers = append(one.Headers, exchange.Header{Name: strings.Clone(h.Name), Value: strings.Clone(h.Value)})
		}
		resp.Interim = append(resp.Interim, one)
		m.interim += int64(len(resp.Head)) + 64
		c.hold(m, int64(len(resp.Head))+64+32*int64(len(one.Headers)))
	} else {
		s.pair.Anomalies.Add(exchange.AnomalyHeadLimit)
		if n := len(resp.Interim); n == 0 {
			resp.Interim = append(resp.Interim, one)
		}
	}
	packets, gaps := resp.Packets, resp.Gaps
	resp.Message = exchange.Message{Head: resp.Head[:0], Headers: resp.Headers[:0], Trailers: resp.Trailers[:0],
		Packets: packets[:0], Gaps: gaps[:0], TimeNS: exchange.NoTime, EndTimeNS: exchange.NoTime}
	resp.Status, resp.Reason = 0, ""
	s.msg = nil
	s.state = atStart
}

// forgetInterim gives up waiting for the response that a 1xx announced.
func (c *Conn) forgetInterim(s *side) {
	m := s.meta
	if m == nil || s.msg != nil {
		return
	}
	s.meta, s.pair = nil, nil
	if !m.queued && !m.pair.Request.Present {
		resp := &m.pair.Response
		resp.Present = true
		resp.Status = resp.Interim[len(resp.Interim)-1].Status
		m.bad = true
		c.emit(m)
	}
}

// emit completes m's pair and gives it out.
func (c *Conn) emit(m *meta) {
	p := m.pair
	p.Conclude(m.bad)
	p.Protocol = protocol(&p.Request, &p.Response)
	p.Kind = c.kind(m, p)
	for d := range c.sides {
		if a := c.sides[d].after; a != nil && a.meta == m {
			c.sides[d].after = nil // the pair must not change any more
		}
	}
	c.held -= m.held
	c.spare = m // nobody points to it any more
	c.env.Emit(c.conn, p)
}

// protocol names the version of the exchange: the response's where there is one.
func protocol(req *exchange.Request, resp *exchange.Response) string {
	v := req.Version
	if resp.Present && resp.Version != "" && v != "HTTP/0.9" {
		v = resp.Version
	}
	switch v {
	case "HTTP/0.9", "HTTP/1.0":
		return v
	}
	return "HTTP/1.1"
}
