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
		last := c.newest(queue, at)
		if last < c.passed || queue[last].unsure || last > c.passed && !c.followed(queue[last-1:]) ||
			!c.piped && (last > 0 || c.mid) && queue[last].late(at) || c.overlooked(queue[last:], at) {
			return c.alone()
		}
		for range last {
			m := c.open[c.first]
			m.pair.Anomalies.Add(exchange.AnomalyLostSegment)
			c.drop(m)
		}
		c.respGap, c.skipped, c.passed, c.mid = false, false, 0, false
	}
	m := c.open[c.first]
	if m.afterGap && at.Acked != packet.NoOffset && m.reqStart >= at.Acked {
		return c.alone() // the server had not seen this request: it answers one that is missing
	}
	if n := len(c.open); n > c.first+1 && at.Offset >= c.open[n-1].reqAcked && c.open[n-1].reqAcked != packet.NoOffset {
		c.piped = true // sent without waiting for this response
	}
	if m.afterGap && c.mid && m.late(at) {
		c.piped, c.respGap = true, true // what came since the client sent it answers one from before the capture
		return c.alone()
	}
	return m
}

// newest returns which of queue is the newest that a response beginning at at may answer,
// -1 for none.
func (c *Conn) newest(queue []*meta, at *packet.Pos) int {
	last := -1
	for i, m := range queue {
		if m.reqAcked > at.Offset || at.Acked != packet.NoOffset && m.reqStart >= at.Acked {
			break
		}
		last = i
	}
	return last
}

// followed reports whether the second of queue was sent when the first had been answered.
func (c *Conn) followed(queue []*meta) bool {
	return !c.piped && queue[0].reqAcked != packet.NoOffset && queue[0].reqAcked < queue[1].reqAcked
}

// pass notes a response whose request is not known: where the client pipelines, none of
// those behind it answers the oldest request that waits, nor the next one if another
// response begins in the hole before it. Requests that are missing may have got them.
func (c *Conn) pass() {
	n := 1
	if c.skipped {
		n = 2
	}
	c.skipped = false
	queue := c.open[c.first:]
	for ; c.piped && n > 0 && c.passed < len(queue) && !queue[c.passed].afterGap; n-- {
		c.passed++
	}
}

// late reports whether a response that begins at at comes behind others than those that
// the client had when it sent m: m may be one of several that wait.
func (m *meta) late(at *packet.Pos) bool {
	return m.reqAcked != packet.NoOffset && m.reqAcked < at.Offset
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
			c.passed = max(0, c.passed-1)
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
	if c.respGap && !m.pair.Request.Present && m.pair.Response.Status >= 200 {
		c.pass()
	}
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
