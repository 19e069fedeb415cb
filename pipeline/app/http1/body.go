package http1

import (
	"bytes"

	"recap/pipeline/app"
	"recap/pipeline/app/coding"
	"recap/pipeline/exchange"
	"recap/reader/packet"
)

const (
	// firstBody is what a body of known length gets at once, at most; bytes.
	firstBody = 64 << 10
	// streamFrom is the size from which a coded body is decoded while it comes, bytes.
	streamFrom = 1 << 20
)

// beginBody makes ready for a body.
func (c *Conn) beginBody(s *side, st state, length int64) {
	lim := &c.env.Limits
	s.state, s.remain, s.wire, s.holed, s.trailed = st, length, 0, false, 0
	s.part, s.junked, s.probed, s.skips = s.part[:0], 0, false, false
	s.msg.HasBody = true
	s.store.Reset()
	s.store.Limit, s.store.Hash = max(0, lim.Body), lim.Hash
	s.coded = lim.DecodeBodies && s.msg.ContentEncoding != ""
	if s.coded {
		s.store.Limit, s.store.Hash = max(streamFrom, lim.Body), false
	}
	if s.store.Data == nil && s.store.Limit > 0 {
		s.room = min(max(length, 0), firstBody, s.store.Limit)
		s.store.Data = c.env.Buffers.Get(int(s.room))
	}
	c.beginEvents(s)
	c.beginGRPC(s)
}

// counted takes bytes of a body of known length or of a chunk.
func (c *Conn) counted(d exchange.Dir, s *side, at *packet.Pos, b []byte) []byte {
	n := min(int64(len(b)), s.remain)
	c.touch(s, at)
	c.tally.HTTP += n
	c.bodyData(s, b[:n])
	if s.remain -= n; s.remain == 0 {
		if more, _ := s.framing.nextLength(s.wire); s.state == inLength && s.framing.n > 1 && more >= 0 {
			s.state = inBoundary
		} else if s.state == inLength {
			c.done(d, s, at, false)
		} else {
			s.state = inChunkEnd
		}
	}
	return b[n:]
}

// bodyData takes the next bytes of a body.
func (c *Conn) bodyData(s *side, b []byte) {
	s.wire += int64(len(b))
	s.raw(b)
	if s.events != nil && !s.coded {
		s.events.Data(s.newest(), b)
	}
	if s.grpc != nil {
		s.grpc.Data(s.newest(), b)
	}
	switch {
	case s.holed:
	case s.stream != nil:
		s.stream.Write(b)
		s.store.Write(b)
	case s.coded && s.store.Size+int64(len(b)) > streamFrom:
		s.stream = c.env.Stream(s.msg.ContentEncoding)
		s.stream.Write(s.store.Data)
		s.stream.Write(b)
		s.store.Write(b)
	default:
		s.store.Write(b)
	}
}

// bodyGap notes a hole of n bytes in a body (n < 0: unknown).
func (c *Conn) bodyGap(s *side, n int64, reason string) {
	if n == 0 {
		return
	}
	m := s.msg
	if s.events != nil {
		s.events.Gap(s.newest(), reason)
	}
	if s.grpc != nil {
		s.grpc.Gap(n)
	}
	g := exchange.Gap{Offset: s.wire, Length: max(n, -1), Reason: reason}
	if k := len(m.Gaps); k > 0 && n > 0 && m.Gaps[k-1].Reason == reason && m.Gaps[k-1].Offset+m.Gaps[k-1].Length == g.Offset {
		m.Gaps[k-1].Length += n
	} else {
		m.Gaps = append(m.Gaps, g)
	}
	if n > 0 {
		s.wire += n
	}
	s.holed = s.coded
	app.AddGap(&s.pair.Anomalies, reason)
	s.meta.bad = true
}

// endBody fills in what is known of the body at its end; bad says that it is not
// whole. The bytes are kept for as long as the pair needs them: until the call
// returns, where now is true.
func (c *Conn) endBody(d exchange.Dir, s *side, bad, now bool) {
	m := s.msg
	lim := &c.env.Limits
	s.endEvents()
	s.endGRPC()
	if !m.HasBody {
		return
	}
	defer c.giveBack(s)
	if d == exchange.ToServer && s.asks() {
		s.pair.Anomalies.Add(exchange.AnomalyRequestInBody)
		if s.alt == nil {
			c.otherwise(d, s, framedUnsaid, -1)
		}
	}
	c.endAlt(d, s, bad)
	m.BodyWireSize = s.wire
	if s.wire > 0 && s.pair.Response.Status == 205 && m == &s.pair.Response.Message { // RFC 9110, section 15.3.6
		s.pair.Anomalies.Add(exchange.AnomalyUnexpectedBody)
	}
	whole := !bad && len(m.Gaps) == 0
	if s.coded {
		app.NameCodings(&s.pair.Anomalies, m.ContentEncoding)
	}
	if out := c.undeclared(s, whole); out != nil {
		c.keepBody(s, out, now)
	} else if !c.memoized(s, whole) {
		if !s.coded {
			m.BodySize = s.wire
			if whole {
				m.BodySHA256, m.Hashed = s.store.Sum()
				if m.Hashed && s.store.Whole() {
					c.env.Memo.Put(s.key, "", s.store.Data, nil, m.BodySHA256)
				}
			}
			c.keepBody(s, &s.store, now)
		} else {
			c.decodeBody(s, whole, now)
		}
	}
	lim.EndBody(m, &s.pair.Anomalies)
}

// giveBack returns the memory of a body that was kept elsewhere.
func (c *Conn) giveBack(s *side) {
	c.env.Buffers.Put(s.store.Data)
	s.store.Data = nil
}

// memoized fills in the body from one that came before, if it did.
func (c *Conn) memoized(s *side, whole bool) bool {
	s.key = 0
	lim := &c.env.Limits
	if !whole || !lim.Hash || s.stream != nil || !s.store.Whole() {
		return false
	}
	m := s.msg
	value := ""
	if s.coded {
		value = m.ContentEncoding
	}
	var e *coding.Memoized
	if e, s.key = c.env.Memo.Get(value, s.store.Data); e == nil || int64(len(e.Body)) > lim.Body {
		return false
	}
	m.BodySize, m.BodySHA256, m.Hashed, m.Body, m.Shared = int64(len(e.Body)), e.Sum, true, e.Body, true
	return true
}

// undeclared undoes codings of a body whose head names none; nil is none undone.
func (c *Conn) undeclared(s *side, whole bool) *coding.Store {
	if s.coded || !whole {
		return nil
	}
	return c.env.Undeclared(s.msg, &s.pair.Anomalies, &s.store, s.framing.claims)
}

// decodeBody undoes the content codings of the body.
func (c *Conn) decodeBody(s *side, whole, now bool) {
	b := app.Coded{Message: s.msg, Anomalies: &s.pair.Anomalies, Sent: &s.store, Space: &c.out, Wire: s.wire, Whole: whole, Key: s.key}
	if s.stream != nil {
		b.Out, b.How = s.stream.Finish()
		s.stream = nil
	} else {
		c.out.Reset()
		if c.out.Data == nil {
			c.out.Data = c.env.Buffers.Get(0)
		}
		defer func() {
			c.env.Buffers.Put(c.out.Data)
			c.out.Data = nil
		}()
	}
	c.keepBody(s, c.env.Undo(&b), now)
}

// keepBody gives the message its body: the stored bytes of st.
func (c *Conn) keepBody(s *side, st *coding.Store, now bool) {
	m := s.msg
	switch {
	case c.env.Limits.Body < 0 || len(st.Data) == 0:
		m.Body = nil
	case now && len(st.Data) < firstBody:
		m.Body = c.env.Copy(st.Data)
	case len(st.Data) >= firstBody:
		m.Body, st.Data = st.Data, nil
	default:
		m.Body = bytes.Clone(st.Data)
	}
	if !now {
		c.hold(s.meta, app.Grown(len(m.Body)))
	}
}

// done ends the message being read; bad says that it is not whole.
func (c *Conn) done(d exchange.Dir, s *side, at *packet.Pos, bad bool) {
	m := s.meta
	now := d == exchange.ToClient && (m.reqDone || !m.pair.Request.Present) || d == exchange.ToServer && m.respDone
	c.endBody(d, s, bad, now)
	c.finish(d, s, bad)
	s.state, s.part = atStart, s.part[:0]
	if c.next != nil {
		s.state = tunnel
	}
}
