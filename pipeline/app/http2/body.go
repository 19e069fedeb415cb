package http2

import (
	"slices"

	"recap/pipeline/app"
	"recap/pipeline/app/coding"
	"recap/pipeline/exchange"
	"recap/reader/packet"
)

const (
	// firstBody is what a body of known length gets at once, at most, and from
	// where on a body is handed over instead of copied; bytes.
	firstBody = 64 << 10
	// streamFrom is the size from which a coded body is decoded while it comes, bytes.
	streamFrom = 1 << 20
)

// openData begins a DATA frame.
func (c *Conn) openData(d exchange.Dir, s *side, at packet.Pos) {
	st := c.find(d, s.f.id, false)
	if st != nil && st.half[d].over() {
		c.noted.Add(exchange.AnomalyBadFrame) // the stream was closed on this side
		st = nil
	}
	if st == nil {
		if s.whole && c.sides[exchange.ToServer].whole && c.streams[s.f.id] == nil && s.f.id > c.sides[exchange.ToServer].highest {
			c.noted.Add(exchange.AnomalyBadFrame)
		}
		s.wasted = true
		c.enter(d, s, at, inSkip)
		return
	}
	h := c.beginHalf(d, s, st)
	if !h.headed {
		// The header block is missing.
		h.headed, h.bad = true, true
		if s.whole {
			st.pair.Anomalies.Add(exchange.AnomalyBadFrame)
		} else {
			c.bodyGap(st, d, -1, s.reason)
		}
	}
	if h.tailed {
		st.pair.Anomalies.Add(exchange.AnomalyBadFrame)
	}
	c.touchStarted(s, st, d, at)
	s.st = st
	s.log(st)
	if n := s.remain - s.pad; n > 0 && !st.message(d).HasBody && st.frames == nil {
		c.beginBody(st, d, n)
	}
	if s.remain == s.pad {
		c.enter(d, s, at, inSkip)
	} else {
		s.mode = inData
	}
}

// beginBody makes ready for a body whose first piece has n bytes.
func (c *Conn) beginBody(st *stream, d exchange.Dir, n int) {
	lim := &c.env.Limits
	h, m := st.side(d), st.message(d)
	m.HasBody = true
	h.store.Limit, h.store.Hash = max(0, lim.Body), lim.Hash
	h.coded = lim.DecodeBodies && m.ContentEncoding != ""
	if h.coded {
		h.store.Limit, h.store.Hash = max(streamFrom, lim.Body), false
	}
	if h.store.Limit > 0 {
		want := int64(n)
		if h.lengths > 0 {
			want = max(want, h.length)
		}
		h.room = min(want, firstBody, h.store.Limit)
		h.store.Data = c.env.Buffers.Get(int(h.room))
	}
	c.beginEvents(st, d)
}

// data takes payload of a DATA frame.
func (c *Conn) data(d exchange.Dir, s *side, at packet.Pos, b []byte) []byte {
	n := min(len(b), s.remain-s.pad)
	st := s.st
	c.payload(d, st, at, b[:n])
	if s.remain -= n; s.remain == s.pad {
		c.enter(d, s, at, inSkip)
	} else {
		c.charge(st)
	}
	return b[n:]
}

// payload takes the next bytes that a stream carries.
func (c *Conn) payload(d exchange.Dir, st *stream, at packet.Pos, b []byte) {
	c.touch(st, d, at)
	c.tally.HTTP += int64(len(b))
	h := st.side(d)
	if h.last = at; st.frames != nil {
		st.frames.Data(d, at, b)
	} else {
		c.bodyData(h, st.message(d), b)
	}
	if h.grpc != nil {
		h.grpc.Data(at, b)
	}
}

// bodyData takes the next bytes of a body.
func (c *Conn) bodyData(h *half, m *exchange.Message, b []byte) {
	h.wire += int64(len(b))
	if h.events != nil && !h.coded {
		h.events.Data(h.last, b)
	}
	if s := &h.store; h.lengths > 0 && len(s.Data)+len(b) > cap(s.Data) && int64(cap(s.Data)) < min(h.length, s.Limit) {
		// Not all at once: the announced length may be a lie.
		room := min(h.length, s.Limit, 4*int64(cap(s.Data))) - int64(len(s.Data))
		s.Data = slices.Grow(s.Data, max(int(room), 0))
	}
	switch {
	case h.holed:
	case h.stream != nil:
		h.stream.Write(b)
		h.store.Write(b)
	case h.coded && h.store.Size+int64(len(b)) > streamFrom:
		h.stream = c.env.Stream(m.ContentEncoding)
		h.stream.Write(h.store.Data)
		h.stream.Write(b)
		h.store.Write(b)
	default:
		h.store.Write(b)
	}
}

// bodyGap notes a hole of n bytes in a body; n < 0: frames may be missing, or none
// of this stream.
func (c *Conn) bodyGap(st *stream, d exchange.Dir, n int64, reason string) {
	if n == 0 {
		return
	}
	h, m := st.side(d), st.message(d)
	if h.events != nil {
		h.events.Gap(h.last, reason)
	}
	if st.frames != nil {
		st.frames.Gap(d, h.last, n, reason)
		h.bad = true
		app.AddGap(&st.pair.Anomalies, reason)
		return
	}
	g := exchange.Gap{Offset: h.wire, Length: max(n, -1), Reason: reason}
	switch k := len(m.Gaps) - 1; {
	case k < 0:
		m.Gaps = append(m.Gaps, g)
	case n < 0 && m.Gaps[k].Length < 0 && m.Gaps[k].Offset == g.Offset:
		return // the same place
	case n > 0 && m.Gaps[k].Length > 0 && m.Gaps[k].Reason == reason && m.Gaps[k].Offset+m.Gaps[k].Length == g.Offset:
		m.Gaps[k].Length += n
	default:
		m.Gaps = append(m.Gaps, g)
	}
	if h.coded || !m.HasBody && m.ContentEncoding != "" && c.env.Limits.DecodeBodies {
		h.holed = true
	}
	if n < 0 {
		h.unsure++
	} else {
		h.wire += n
		h.bad = true
		app.AddGap(&st.pair.Anomalies, reason)
	}
	if h.grpc != nil {
		h.grpc.Gap(n)
	}
}

// judge decides whether frames of the body are missing where they may be: not if
// Content-Length bytes are there.
func (c *Conn) judge(st *stream, h *half, m *exchange.Message) {
	if h.unsure == 0 {
		return
	}
	if h.ended && h.lengths == 1 && h.length == h.wire && !h.bad && !h.coded && m.HasBody {
		m.Gaps = m.Gaps[:0]
		return
	}
	h.bad = true
	for i := range m.Gaps {
		if g := &m.Gaps[i]; g.Length < 0 {
			app.AddGap(&st.pair.Anomalies, g.Reason)
			if h.unsure == 1 && h.ended && h.lengths == 1 && h.length > h.wire {
				// All that is missing is missing here.
				g.Length = h.length - h.wire
				for j := i + 1; j < len(m.Gaps); j++ {
					m.Gaps[j].Offset += g.Length
				}
				h.wire = h.length
			}
		}
	}
}

// endBody fills in what is known of the body when the pair is given out.
func (c *Conn) endBody(st *stream, h *half, m *exchange.Message) {
	if h.wire < 0 {
		return // an upgraded request
	}
	if h.stream != nil {
		h.out, h.how = h.stream.Finish()
		h.stream = nil
	}
	c.judge(st, h, m)
	lim := &c.env.Limits
	c.checkLength(st, h, m)
	if !m.HasBody {
		return
	}
	defer func() {
		c.env.Buffers.Put(h.store.Data)
		h.store.Data = nil
	}()
	m.BodyWireSize = h.wire
	whole := h.ended && !h.bad && len(m.Gaps) == 0
	if h.vague {
		// It may have a coding that is not known.
		h.store.Hash = false
	}
	if h.coded {
		app.NameCodings(&st.pair.Anomalies, m.ContentEncoding)
	}
	if !h.coded && whole && !h.vague {
		c.env.Undeclared(m, &st.pair.Anomalies, &h.store, "")
	}
	if !c.memoized(h, m, whole) {
		if h.coded {
			c.decodeBody(st, h, m, whole)
		} else {
			m.BodySize = h.wire
			if whole {
				if m.BodySHA256, m.Hashed = h.store.Sum(); m.Hashed && h.store.Whole() {
					c.env.Memo.Put(h.key, "", h.store.Data, nil, m.BodySHA256)
				}
			}
			c.keepBody(m, &h.store)
		}
	}
	lim.EndBody(m, &st.pair.Anomalies)
}

// checkLength compares the body with the announced length (RFC 9113, section 8.1.1).
func (c *Conn) checkLength(st *stream, h *half, m *exchange.Message) {
	if h.lengths == 0 || h.bad || h.length == h.wire {
		return
	}
	if m == &st.pair.Response.Message {
		// A response to HEAD, and 304, announce what they do not carry.
		if req := &st.half[exchange.ToServer]; st.head || !st.pair.Request.Present || req.vague || st.pair.Response.Status == 304 {
			if h.wire == 0 {
				return
			}
		}
	}
	if h.ended {
		st.pair.Anomalies.Add(exchange.AnomalyCLMismatch)
	} else if h.wire < h.length {
		st.pair.Anomalies.Add(exchange.AnomalyShortBody)
	}
}

// memoized fills in the body from one that came before, if it did.
func (c *Conn) memoized(h *half, m *exchange.Message, whole bool) bool {
	h.key = 0
	lim := &c.env.Limits
	if !whole || !lim.Hash || h.vague || h.out != nil || !h.store.Whole() {
		return false
	}
	value := ""
	if h.coded {
		value = m.ContentEncoding
	}
	var e *coding.Memoized
	if e, h.key = c.env.Memo.Get(value, h.store.Data); e == nil || int64(len(e.Body)) > lim.Body {
		return false
	}
	m.BodySize, m.BodySHA256, m.Hashed, m.Body = int64(len(e.Body)), e.Sum, true, e.Body
	return true
}

// decodeBody undoes the content codings of the body.
func (c *Conn) decodeBody(st *stream, h *half, m *exchange.Message, whole bool) {
	b := app.Coded{Message: m, Anomalies: &st.pair.Anomalies, Sent: &h.store, Out: h.out, How: h.how, Space: &c.out,
		Wire: h.wire, Whole: whole, Vague: h.vague, Key: h.key}
	if h.out == nil {
		c.out.Reset()
		if c.out.Data == nil {
			c.out.Data = c.env.Buffers.Get(0)
		}
		defer func() {
			c.env.Buffers.Put(c.out.Data)
			c.out.Data = nil
		}()
	}
	c.keepBody(m, c.env.Undo(&b))
}

// keepBody gives the message its body: the stored bytes of s. The pair is about to
// be given out.
func (c *Conn) keepBody(m *exchange.Message, s *coding.Store) {
	switch {
	case c.env.Limits.Body < 0 || len(s.Data) == 0:
		m.Body = nil
	case len(s.Data) >= firstBody:
		m.Body, s.Data = s.Data, nil
	default:
		m.Body = c.env.Copy(s.Data)
	}
}
