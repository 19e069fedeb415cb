package pipeline

import (
	"slices"

	"recap/pipeline/decap"
	"recap/pipeline/exchange"
	"recap/pipeline/quic"
)

// A QUIC connection that several taps saw is read once. Its packets are numbered and
// sealed, so a copy is known by its number, and what one tap lacks another fills in. That
// two taps show the same connection is beyond doubt where both show its beginning: the
// first connection ID is random and never used twice. Another tenant's connection between
// the same addresses has another.

// quicBirth names a connection by its addresses and the first connection ID.
type quicBirth struct {
	tuple exchange.FlowKey
	id    string
}

// quicTaps is what a connection knows of the taps that saw it.
type quicTaps struct {
	birth    quicBirth
	began    int64              // capture clock
	keys     []exchange.FlowKey // under which its copies come
	vantages []exchange.Vantage
}

// maxTaps bounds the taps of a connection.
const maxTaps = 8

func (q *quicTaps) memory() int64 { return int64(len(q.birth.id)) + 256*int64(len(q.keys)) }

// born notes where c begins: with s.
func (t *quicTable) born(c *quicConn, s *decap.Segment) {
	id := quic.FirstID(s.Payload())
	if len(id) < minFirstID {
		return
	}
	if t.births == nil {
		t.births = make(map[quicBirth]*quicConn)
	}
	c.taps.birth, c.taps.began = quicBirth{tuple(c.key), string(id)}, s.Clock
	t.births[c.taps.birth] = c
}

// minFirstID is the least length of a client's first connection ID, bytes (RFC 9000,
// section 7.2).
const minFirstID = 8

// copied returns the connection of another tap that s shows too; nil for none.
func (t *quicTable) copied(s *decap.Segment, side int, begins bool) *quicConn {
	if c := t.copies[s.Key]; c != nil && c.quic.Owns(c.dir(side), s.Payload()) {
		return c
	}
	if !begins || len(t.births) == 0 {
		return nil
	}
	c := t.births[quicBirth{tuple(s.Key), string(quic.FirstID(s.Payload()))}]
	if c == nil || c.key == s.Key || s.Clock-c.taps.began > vantageTime || len(c.taps.keys) == maxTaps || t.copies[s.Key] != nil {
		return nil
	}
	if t.copies == nil {
		t.copies = make(map[exchange.FlowKey]*quicConn)
	}
	t.copies[s.Key] = c
	w := c.part.w
	c.taps.keys = append(c.taps.keys, s.Key)
	v := exchange.Vantage{Tunnels: w.dec.Tunnels(s.Stack, slices.Clone(s.Outer())), VLANs: w.dec.VLANStack(s.VLANs), Interface: w.names.iface(s.FileIndex, s.Interface)}
	if s.TimeNS != exchange.NoTime && c.first.TimeNS != exchange.NoTime {
		v.DelayNS = s.TimeNS - c.first.TimeNS
	}
	c.taps.vantages = append(slices.Clip(c.taps.vantages), v) // pairs refer to the list before
	return c
}

// forgetTaps takes c out of the lists of copies.
func (t *quicTable) forgetTaps(c *quicConn) {
	if t.births[c.taps.birth] == c {
		delete(t.births, c.taps.birth)
	}
	for _, k := range c.taps.keys {
		delete(t.copies, k)
	}
}
