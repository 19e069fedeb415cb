package http3

import (
	"recap/pipeline/exchange"
	"recap/pipeline/quic"
	"recap/reader/packet"
)

// pushNumber names the pair of a pushed response. Numbers of request streams stay below:
// a stream with another one is read as none.
func pushNumber(id uint64) uint32 { return 1<<31 | uint32(id) }

// maxPush bounds the numbers of pushes; peers count from 0.
const maxPush = 1 << 31

// beginPush reads the number that a push stream begins with (RFC 9114, section 4.6).
func (c *Conn) beginPush(st *stream, d exchange.Dir, at packet.Pos, b []byte) {
	id, rest, ok := c.number(&st.half[d], b)
	if !ok {
		return
	}
	if st.kind, st.push = pushStream, id; id >= maxPush {
		st.kind = otherStream
	}
	c.data(st, d, at, rest)
}

// promise takes the number off the payload of a PUSH_PROMISE frame, which is then a header
// block (RFC 9114, section 7.2.5). It reports whether there is one.
func (c *Conn) promise(st *stream, d exchange.Dir) bool {
	h := &st.half[d]
	id, n := quic.Varint(h.block)
	switch {
	case h.torn || h.large:
		c.wasted += int64(len(h.block))
	case n == 0 || id >= maxPush || d != exchange.ToClient || st.kind != requestStream:
		c.wasted += int64(len(h.block))
		c.pairs.Odd(st.number(), exchange.AnomalyBadFrame)
	default:
		c.own += int64(n)
		c.kept -= int64(n)
		h.block = h.block[n:]
		h.promised, h.push = true, id
		return true
	}
	c.release(h)
	return false
}
