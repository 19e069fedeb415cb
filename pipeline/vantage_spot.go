package pipeline

import (
	"bytes"

	"recap/pipeline/exchange"
	"recap/pipeline/tls"
)

// A spot is where a pair stands in its connection and in the capture.
type spot struct {
	ordinal int32
	state   exchange.State
	lone    bool  // only one of the messages is there
	time    int64 // of its first byte
	clock   int64 // capture clock then
	// begins are the sequence numbers at which request and response begin.
	begins [2]begin
}

// timesOf returns when p was said.
func timesOf(p *exchange.Pair) spot {
	if p.Request.Present {
		return spot{time: p.Request.TimeNS, clock: p.Request.Clock}
	}
	return spot{time: p.Response.TimeNS, clock: p.Response.Clock}
}

// A begin is a sequence number that may not be known.
type begin struct {
	seq   uint32
	known bool
}

// spotOf returns where p, of c, stands.
func (c *conn) spotOf(p *exchange.Pair) spot {
	s := timesOf(p)
	s.ordinal, s.state, s.lone = p.Ordinal, p.State, p.Request.Present != p.Response.Present
	secure, _ := c.parser.(*tls.Conn)
	for i, m := range [2]*exchange.Message{&p.Request.Message, &p.Response.Message} {
		at, known := m.Begin-1, m.Present && m.Begin > 0
		if known && secure != nil { // counts what it has opened
			at, known = secure.Sent(exchange.Dir(i), at)
		}
		if known {
			s.begins[i] = begin{c.tcp.Seq(c.client^i, at), true}
		}
	}
	return s
}

// A meeting says whether two pairs stand at one place in the streams.
type meeting uint8

const (
	nowhere meeting = iota // not known
	here
	elsewhere
)

// meets compares the places of the messages that both have.
func (s *spot) meets(t *spot) meeting {
	m := nowhere
	for i := range s.begins {
		switch a, b := s.begins[i], t.begins[i]; {
		case !a.known || !b.known:
		case a.seq != b.seq:
			return elsewhere
		default:
			m = here
		}
	}
	return m
}

// near reports whether s and t are so close in time that one may be a copy of the other.
// The capture's clock counts: hosts step their own.
func (s *spot) near(t *spot) bool {
	return s.time == exchange.NoTime || t.time == exchange.NoTime || within(s.time, t.time) || within(s.clock, t.clock)
}

// within reports whether two times are no more than [vantageTime] apart.
func within(a, b int64) bool { return uint64(max(a, b))-uint64(min(a, b)) <= uint64(vantageTime) }

// delay returns how long after s the copy t came, nanoseconds: by their own times, and
// by the clock of the capture where those jump in between.
func (s *spot) delay(t *spot) int64 {
	switch {
	case s.time == exchange.NoTime || t.time == exchange.NoTime:
		return 0
	case within(s.time, t.time):
		return t.time - s.time
	}
	return t.clock - s.clock
}

// known is about how many bytes of m the capture holds.
func known(m *exchange.Message) int64 {
	if !m.Present {
		return 0
	}
	n := 1 + int64(len(m.Head)) + m.BodySize
	for _, g := range m.Gaps {
		n -= max(0, g.Length)
	}
	return n
}

// agree reports whether nothing that a and b hold of one message differs.
func agree(a, b *exchange.Message) bool {
	if !a.Present || !b.Present {
		return true
	}
	n := min(len(a.Head), len(b.Head))
	if len(a.Head) > n && !cutInHead(b) || len(b.Head) > n && !cutInHead(a) || !bytes.Equal(a.Head[:n], b.Head[:n]) {
		return false
	}
	if a.ContentEncoding != "" || b.ContentEncoding != "" {
		return true // where in the decoded body the holes are is not known
	}
	x, y := pieces(a), pieces(b)
	for len(x) > 0 && len(y) > 0 {
		from, to := max(x[0].off, y[0].off), min(x[0].end(), y[0].end())
		if from < to && !bytes.Equal(x[0].b[from-x[0].off:to-x[0].off], y[0].b[from-y[0].off:to-y[0].off]) {
			return false
		}
		if x[0].end() < y[0].end() {
			x = x[1:]
		} else {
			y = y[1:]
		}
	}
	return true
}

// A piece is bytes of a body between two holes.
type piece struct {
	off int64
	b   []byte
}

func (p piece) end() int64 { return p.off + int64(len(p.b)) }

// pieces returns what is stored of the body of m, up to the first hole of unknown length.
func pieces(m *exchange.Message) []piece {
	var list []piece
	rest, at := m.Body, int64(0)
	for _, g := range m.Gaps {
		n := min(max(0, g.Offset-at), int64(len(rest)))
		list = append(list, piece{at, rest[:n]})
		if g.Length < 0 {
			return list
		}
		rest, at = rest[n:], g.Offset+g.Length
	}
	return append(list, piece{at, rest})
}
