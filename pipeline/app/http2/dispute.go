package http2

import (
	"slices"

	"recap/pipeline/exchange"
)

// loggedFrames is how many of the last frames of a direction are remembered.
const loggedFrames = 64

// A frameLog remembers of which exchanges the last frames of a direction were: bytes of
// them may come again and differ.
type frameLog struct {
	n    int
	list [loggedFrames]loggedFrame
}

type loggedFrame struct {
	from, to int64 // stream offsets, of all of the frame
	ordinal  int32 // of the pair
}

// A dispute is about bytes that have not come yet: copies that differ wait for what is
// before them.
type dispute struct {
	from, to int64
	what     exchange.Anomalies
}

// maxDisputes bounds those that wait; of further ones only the connection tells.
const maxDisputes = 16

// log remembers that the frame at hand is st's.
func (s *side) log(st *stream) {
	if s.frames == nil {
		s.frames = new(frameLog)
	}
	f := loggedFrame{s.at, s.at + frameHeader + int64(s.f.length), st.pair.Ordinal}
	s.frames.list[s.frames.n%loggedFrames] = f
	s.frames.n++
	for i := range s.disputes {
		if p := &s.disputes[i]; f.has(p.from, p.to) {
			st.pair.Anomalies.Merge(&p.what)
		}
	}
}

// has reports whether some of the bytes between two offsets are the frame's.
func (f *loggedFrame) has(from, to int64) bool { return f.from < to && from < f.to }

// Disputed implements app.Disputer.
func (c *Conn) Disputed(d exchange.Dir, from, to int64, what *exchange.Anomalies, over []int32) (_ []int32, ok bool) {
	s := &c.sides[d]
	if s.mode == lost || from < s.start {
		return over, false
	}
	if to > s.end && len(s.disputes) < maxDisputes {
		s.disputes = append(slices.DeleteFunc(s.disputes, func(p dispute) bool { return p.to <= s.at }), dispute{from, to, *what})
	}
	l := s.frames
	if l == nil {
		return over, true
	}
	if l.n > loggedFrames && from < l.list[l.n%loggedFrames].from {
		return over, false // of a frame that is forgotten
	}
	for i := range l.list[:min(l.n, loggedFrames)] {
		f := &l.list[i]
		if !f.has(from, to) {
			continue
		}
		if st := c.opened(f.ordinal); st != nil {
			st.pair.Anomalies.Merge(what)
		} else if !slices.Contains(over, f.ordinal) {
			over = append(over, f.ordinal)
		}
	}
	return over, true
}

// Start returns the stream offset of the first byte of direction d that c got.
func (c *Conn) Start(d exchange.Dir) int64 { return c.sides[d].start }

// opened returns the open stream of the pair with that ordinal, nil for none.
func (c *Conn) opened(ordinal int32) *stream {
	st := c.oldest
	for st != nil && st.pair.Ordinal != ordinal {
		st = st.next
	}
	return st
}
