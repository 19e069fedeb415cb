package quic

import (
	"recap/pipeline/exchange"
	"recap/reader/packet"
)

// half is one direction of a stream.
type half struct {
	reassembly
	over  bool // its end was told
	holed bool // a hole was told, and is not filled
	late  bool // bytes that were given up, or come after a reset, may still come
}

// stream is a stream of which something is still to come.
type stream struct {
	id         uint64
	half       [2]half
	prev, next *stream // by when they began
}

// streams are those of a connection.
type streams struct {
	open   map[uint64]*stream
	oldest *stream
	newest *stream
	done   [4]ranges // numbers of streams that are over, by the kind in the two lowest bits
	held   int64     // what waits for holes to be filled, bytes
	chunks int
	stats  [2]Stats // by direction
}

// Stats counts what streams gave.
type Stats struct {
	Given   int64 // bytes in order
	Holes   int64 // that were given up
	Missing int64 // bytes in them
}

const (
	// maxHeld and maxChunks bound what a connection holds behind holes; bytes, and pieces.
	maxHeld   = 8 << 20
	maxChunks = 4096
	// maxStreams bounds the streams that are open in one connection.
	maxStreams = 10_000
	// streamCost is about what an open stream takes, bytes.
	streamCost = 400
)

func (s *streams) memory() int64 {
	n := s.held + chunkCost*int64(s.chunks) + streamCost*int64(len(s.open))
	for i := range s.done {
		n += s.done[i].memory()
	}
	return n
}

// opener is the direction of what the side says that opened a stream.
func opener(id uint64) exchange.Dir {
	if id&1 == 0 {
		return exchange.ToServer
	}
	return exchange.ToClient
}

// find returns the stream, which it opens where need be; nil for one that is over.
func (c *Conn) find(id uint64, at packet.Pos) *stream {
	s := &c.streams
	if st := s.open[id]; st != nil {
		return st
	}
	if s.done[id&3].has(int64(id >> 2)) {
		return nil
	}
	if len(s.open) >= maxStreams {
		c.drop(s.oldest, at)
	}
	st := &stream{id: id, prev: s.newest}
	for d := range st.half {
		h := &st.half[d]
		h.reassembly = newReassembly()
		// Only one side speaks on a unidirectional stream (RFC 9000, section 2.1).
		h.over = id&2 != 0 && exchange.Dir(d) != opener(id)
	}
	if s.open == nil {
		s.open = make(map[uint64]*stream)
	}
	s.open[id] = st
	if s.newest != nil {
		s.newest.next = st
	} else {
		s.oldest = st
	}
	s.newest = st
	return st
}

// closeStream forgets a stream once both its directions are over.
func (c *Conn) closeStream(st *stream) {
	if !st.half[0].over || !st.half[1].over {
		return
	}
	s := &c.streams
	delete(s.open, st.id)
	s.done[st.id&3].add(int64(st.id >> 2))
	if st.prev != nil {
		st.prev.next = st.next
	} else {
		s.oldest = st.next
	}
	if st.next != nil {
		st.next.prev = st.prev
	} else {
		s.newest = st.prev
	}
}

// drop reads what is there of a stream and forgets it.
func (c *Conn) drop(st *stream, at packet.Pos) {
	for d := range st.half {
		h := &st.half[d]
		c.giveUp(st, exchange.Dir(d))
		if !h.over {
			h.over = true
			if c.inner != nil {
				c.inner.Reset(st.id, exchange.Dir(d), at)
			}
		}
	}
	c.closeStream(st)
}

// stream takes a STREAM frame, and returns how many of its bytes are accounted for.
func (c *Conn) stream(d exchange.Dir, at packet.Pos, f *frame) int64 {
	c.ready()
	n := int64(len(f.data))
	if f.id&2 != 0 && d != opener(f.id) {
		c.tally.Unparsed += n
		return n
	}
	st := c.find(f.id, at)
	if st == nil {
		c.tally.Duplicate += n
		return n
	}
	h := &st.half[d]
	if f.fin && h.fin < 0 {
		h.fin = f.off + n
	}
	if h.over {
		c.again(h, n)
		return n
	}
	c.change(h, func() { c.again(h, h.push(f.off, f.data, at, c.out(st.id, d))) })
	for c.streams.held > c.maxHeld || c.streams.chunks > maxChunks {
		c.skip(st, d) // what was held just now, at least, is of this stream
	}
	c.tellHole(st, d)
	c.ended(st, d, at)
	return n
}

// again counts bytes that were given out or given up before.
func (c *Conn) again(h *half, n int64) {
	if h.late {
		c.tally.Late += n
	} else {
		c.tally.Duplicate += n
	}
}

// change does something to h and keeps the sums right.
func (c *Conn) change(h *half, do func()) {
	held, chunks := h.held, len(h.chunks)
	do()
	c.streams.held += h.held - held
	c.streams.chunks += len(h.chunks) - chunks
}

// out gives data of a stream to its reader.
func (c *Conn) out(id uint64, d exchange.Dir) func(at packet.Pos, b []byte) {
	return func(at packet.Pos, b []byte) {
		c.streams.stats[d].Given += int64(len(b))
		if c.inner != nil {
			c.inner.Data(id, d, at, b)
		} else {
			c.tally.Other += int64(len(b))
		}
	}
}

// tellHole tells the reader when data begins or ceases to wait behind a hole.
func (c *Conn) tellHole(st *stream, d exchange.Dir) {
	h := &st.half[d]
	if holed := len(h.chunks) > 0; holed != h.holed {
		if h.holed = holed; c.inner != nil {
			c.inner.Hole(st.id, d, holed)
		}
	}
}

// ended tells the reader when all of a direction was given out.
func (c *Conn) ended(st *stream, d exchange.Dir, at packet.Pos) {
	h := &st.half[d]
	if !h.over && h.done() {
		h.over = true
		if c.inner != nil {
			c.inner.Fin(st.id, d, at)
		}
		c.closeStream(st)
	}
}

// skip gives up the first hole of a direction.
func (c *Conn) skip(st *stream, d exchange.Dir) {
	h := &st.half[d]
	c.change(h, func() {
		n, at := h.reassembly.skip()
		if n > 0 {
			c.lost(st, d, at, n)
		}
		h.drain(c.out(st.id, d))
	})
}

// lost notes n bytes that the capture does not hold.
func (c *Conn) lost(st *stream, d exchange.Dir, at packet.Pos, n int64) {
	st.half[d].late = true
	c.streams.stats[d].Holes++
	c.streams.stats[d].Missing += n
	if c.inner != nil {
		c.inner.Gap(st.id, d, at, n, exchange.GapLost)
	}
}

// giveUp gives up all holes of a direction.
func (c *Conn) giveUp(st *stream, d exchange.Dir) {
	for len(st.half[d].chunks) > 0 {
		c.skip(st, d)
	}
	c.tellHole(st, d)
}

// reset takes RESET_STREAM.
func (c *Conn) reset(d exchange.Dir, at packet.Pos, f *frame) {
	c.ready()
	if f.id&2 != 0 && d != opener(f.id) {
		return
	}
	st := c.find(f.id, at)
	if st == nil || st.half[d].over {
		return
	}
	c.giveUp(st, d)
	st.half[d].over, st.half[d].late = true, true
	if c.inner != nil {
		c.inner.Reset(st.id, d, at)
	}
	c.closeStream(st)
}

// flush reads all streams to their end.
func (c *Conn) flush(at packet.Pos) {
	for st := c.streams.oldest; st != nil; {
		next := st.next
		for d := range st.half {
			h := &st.half[d]
			if h.over {
				continue
			}
			c.giveUp(st, exchange.Dir(d))
			if h.fin > h.next {
				c.lost(st, exchange.Dir(d), at, h.fin-h.next)
				h.next = h.fin
			}
			c.ended(st, exchange.Dir(d), at)
		}
		st = next
	}
}

// Stats returns what the streams of a direction gave.
func (c *Conn) Stats(d exchange.Dir) Stats { return c.streams.stats[d] }
