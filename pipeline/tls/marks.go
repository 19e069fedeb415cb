package tls

import (
	"recap/pipeline/app"
	"recap/pipeline/exchange"
	"recap/reader/packet"
)

// marks are the last records, to translate offsets of the stream as sent into those of
// the plaintext stream.
type marks struct {
	n    int
	ends [32]mark
}

// A mark is a record: where it begins and ends, as sent, and where its content does.
type mark struct{ from, sent, begin, plain int64 }

func (s *side) mark(parts []part, before int64) {
	if s.marks == nil {
		s.marks = new(marks)
	}
	p := parts[len(parts)-1]
	m := s.marks
	m.ends[m.n%len(m.ends)] = mark{parts[0].at.Offset, p.at.Offset + int64(p.n), before, s.plain}
	m.n++
}

// acked translates an offset of the other direction's stream into its plaintext:
// what a receiver has of a record that is not whole yet is nothing.
func (c *Conn) acked(d exchange.Dir, sent int64) int64 {
	m := c.sides[d.Reverse()].marks
	if sent == packet.NoOffset {
		return sent
	}
	if m == nil {
		return 0
	}
	for i := m.n - 1; i >= max(0, m.n-len(m.ends)); i-- {
		if e := m.ends[i%len(m.ends)]; e.sent <= sent {
			return e.plain
		}
	}
	if m.n <= len(m.ends) {
		return 0
	}
	return packet.NoOffset
}

// Inside translates the bytes between two offsets of direction d as sent: it returns the
// parser of what the connection carries, and the offsets in its stream of the content of
// the records that they are in. inner is nil where they are of the handshake, or of nothing
// that is read; ok is false where that is not known.
func (c *Conn) Inside(d exchange.Dir, from, to int64) (inner app.Parser, first, end int64, ok bool) {
	s := &c.sides[d]
	m := s.marks
	if c.inner == nil || m == nil {
		return nil, 0, 0, len(s.buf) == 0
	}
	if m.n > len(m.ends) && from < m.ends[m.n%len(m.ends)].from || len(s.buf) > 0 && from >= m.ends[(m.n-1)%len(m.ends)].sent {
		return nil, 0, 0, false // forgotten, or not opened yet
	}
	for i := range m.ends[:min(m.n, len(m.ends))] {
		e := &m.ends[i]
		if e.from >= to || from >= e.sent || e.begin == e.plain {
			continue
		}
		if inner == nil {
			inner, first, end = c.inner, e.begin, e.plain
		}
		first, end = min(first, e.begin), max(end, e.plain)
	}
	return inner, first, end, true
}
