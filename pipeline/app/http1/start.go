package http1

import (
	"bytes"

	"recap/pipeline/exchange"
	"recap/reader/packet"
)

// start begins a message at b, or finds that none begins here.
func (c *Conn) start(d exchange.Dir, s *side, at *packet.Pos, b []byte) []byte {
	// A robust reader ignores empty lines before a start line (RFC 9112, section 2.2).
	n := 0
	for n < len(b) && (b[n] == '\r' || b[n] == '\n') {
		n++
	}
	if n > 0 {
		c.tally.HTTP += int64(n)
		if d == exchange.ToClient {
			s.junk += int64(n) // it says so of what stands before a request
		}
		behind := moved(at, at.Offset+int64(n))
		at = &behind
	}
	b = b[n:]
	if n = leadingJunk(b); n > 0 && d == exchange.ToServer {
		c.skip(s, b[:n])
		behind := moved(at, at.Offset+int64(n))
		at, b = &behind, b[n:]
	}
	if len(b) == 0 {
		return nil
	}
	if d == exchange.ToClient && !usualStart(d, b) {
		s.state = opening
		return b
	}
	if !usualStart(d, b) {
		if eol := bytes.IndexByte(b, '\n'); !plausible(d, b) || eol >= 0 && !startLine(d, b[:eol+1]) {
			s.state, s.gapped, s.anywhere = lost, false, true
			return b
		}
	}
	c.begin(d, s, at)
	return b
}

// answersOld reports whether the oldest open request is HTTP/0.9.
func (c *Conn) answersOld() bool {
	return c.first < len(c.open) && c.open[c.first].reqDone && c.open[c.first].pair.Request.Version == "HTTP/0.9"
}

// isOld reports whether b begins with a whole HTTP/0.9 request: GET and a path,
// without a version (RFC 1945, section 4.1).
func isOld(b []byte) bool {
	if !bytes.HasPrefix(b, []byte("GET ")) {
		return false
	}
	i := bytes.IndexByte(b, '\n')
	if i < 4 || bytes.HasSuffix(b[4:i], []byte(" HTTP/1.1\r")) {
		return false
	}
	t := bytes.TrimRight(b[4:i], " \t\r")
	return len(t) > 0 && !bytes.ContainsAny(t, " \t")
}

// oldBody goes on with an HTTP/0.9 response, which is a body and nothing else (RFC 1945, section 6).
func (c *Conn) oldBody(s *side) {
	s.msg.Head = s.msg.Head[:0]
	s.pair.Response.Version = "HTTP/0.9"
	c.beginBody(s, inClose, -1)
}

// begin opens the message that starts at at.
func (c *Conn) begin(d exchange.Dir, s *side, at *packet.Pos) {
	c.ended = false
	if s.stray.on { // what came was junk before this message
		s.stray = stray{}
		c.giveBack(s)
	}
	c.takeTurn(d, s, at)
	if d == exchange.ToServer {
		if len(c.open)-c.first >= max(2, c.env.Limits.OpenExchanges) {
			m := c.open[c.first]
			if m == c.sides[exchange.ToClient].meta { // its response is being read
				m = c.open[c.first+1]
			}
			m.pair.Anomalies.Add(exchange.AnomalyOpenExchangeLimit)
			c.drop(m)
		}
		m := c.newMeta()
		m.reqStart, m.reqAcked = at.Offset, at.Acked
		if n := len(c.open); n > c.first && at.Acked <= c.open[n-1].reqAcked {
			c.piped = true
		}
		if c.reqGap {
			// A request that is missing was answered before this one was sent, unless the
			// client pipelines: then responses cannot be told apart.
			// So it does when nothing came between the rest of another request and this one.
			m.afterGap, m.unsure = true, c.piped || c.hidden && at.Acked <= c.answered || at.Acked <= s.junkAcked
			if c.hidden {
				m.hiddenAt = c.hiddenAt
			}
			c.reqGap, c.hidden = false, false
		}
		m.queued = true
		c.open = append(c.open, m)
		s.meta, s.pair, s.msg = m, m.pair, &m.pair.Request.Message
		if s.junk > 0 {
			m.pair.Anomalies.Add(exchange.AnomalyJunkBeforeRequest)
		}
	} else {
		m := c.match(at)
		s.meta, s.pair, s.msg = m, m.pair, &m.pair.Response.Message
		m.early = !m.reqDone && m.pair.Request.Present
		if s.junk > 0 {
			m.pair.Anomalies.Add(exchange.AnomalyJunkBeforeResponse)
		}
	}
	if s.gapped {
		s.pair.Anomalies.Add(exchange.AnomalyResynchronized)
	}
	s.junk, s.gapped, s.anywhere = 0, false, false
	s.msg.Present, s.msg.Begin = true, max(0, at.Offset+1)
	s.msg.Head = s.msg.Head[:0]
	s.line, s.scanned, s.over, s.checked, s.old = 0, 0, 0, false, false
	s.from, s.alt = at.Offset, nil
	s.state = inHead
	if len(s.stray.at) > 0 {
		c.touchHeld(s)
	}
}

// moved returns at for the bytes from another offset on.
func moved(at *packet.Pos, offset int64) packet.Pos {
	p := *at
	p.Offset = offset
	return p
}

// touch notes that the packet at at carries part of the message.
func (c *Conn) touch(s *side, at *packet.Pos) {
	s.turn.hear(at.Acked)
	c.env.Touch(s.pair, s.msg, &s.meta.file, at)
}

// abandon takes back the message begun on s: it is none.
func (c *Conn) abandon(d exchange.Dir, s *side) {
	m := s.meta
	if d == exchange.ToServer {
		s.junkAcked = max(s.junkAcked, m.reqAcked)
		c.unqueue(m)
		if c.ordinal == m.pair.Ordinal+1 {
			c.ordinal--
		}
	} else {
		m.pair.Response.Message = exchange.Message{Head: s.msg.Head[:0], TimeNS: exchange.NoTime, EndTimeNS: exchange.NoTime}
		if !m.queued && !m.pair.Request.Present && c.ordinal == m.pair.Ordinal+1 {
			c.ordinal--
		}
	}
	s.meta, s.pair, s.msg = nil, nil, nil
}
