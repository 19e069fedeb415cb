package quic

import (
	"slices"

	"recap/reader/packet"
)

// A chunk is data of a stream that waits for what comes before it.
type chunk struct {
	off  int64
	data []byte
	at   packet.Pos
}

// chunkCost is what a chunk takes beside its bytes.
const chunkCost = 96

// reassembly puts one direction of a stream in order. Where copies of a byte differ the
// one that came first counts.
type reassembly struct {
	next   int64 // offset of the next byte to give out
	fin    int64 // offset behind the last byte, once known; else negative
	held   int64 // bytes of chunks
	chunks []chunk
}

func newReassembly() reassembly { return reassembly{fin: -1} }

// memory is what the chunks take.
func (r *reassembly) memory() int64 { return r.held + chunkCost*int64(len(r.chunks)) }

// done reports whether everything was given out.
func (r *reassembly) done() bool { return r.fin >= 0 && r.next >= r.fin }

// push takes the bytes at off and gives out what is now in order. It returns how many of
// the bytes had come before.
func (r *reassembly) push(off int64, b []byte, at packet.Pos, out func(at packet.Pos, b []byte)) (again int64) {
	if off < r.next {
		k := min(r.next-off, int64(len(b)))
		again, off, b = k, off+k, b[k:]
	}
	if len(b) == 0 {
		return again
	}
	if off > r.next {
		return again + r.hold(off, b, at)
	}
	if len(r.chunks) > 0 && r.chunks[0].off < off+int64(len(b)) {
		again += r.hold(off, b, at)
	} else {
		r.next += int64(len(b))
		out(at, b)
	}
	r.drain(out)
	return again
}

// hold keeps what of b is not held yet, and returns how many bytes were.
func (r *reassembly) hold(off int64, b []byte, at packet.Pos) (again int64) {
	i, _ := slices.BinarySearchFunc(r.chunks, off, func(c chunk, off int64) int {
		if c.off+int64(len(c.data)) <= off {
			return -1
		}
		return 1
	})
	for len(b) > 0 {
		n := int64(len(b))
		if i < len(r.chunks) {
			c := &r.chunks[i]
			if c.off <= off {
				k := min(c.off+int64(len(c.data))-off, n)
				again, off, b = again+k, off+k, b[k:]
				i++
				continue
			}
			n = min(n, c.off-off)
		}
		r.chunks = slices.Insert(r.chunks, i, chunk{off, slices.Clone(b[:n]), at})
		r.held += n
		off, b = off+n, b[n:]
		i++
	}
	return again
}

// drain gives out chunks that are in order.
func (r *reassembly) drain(out func(at packet.Pos, b []byte)) {
	n := 0
	for n < len(r.chunks) && r.chunks[n].off == r.next {
		c := r.chunks[n]
		r.next += int64(len(c.data))
		r.held -= int64(len(c.data))
		n++
		out(c.at, c.data)
	}
	if n > 0 {
		r.chunks = slices.Delete(r.chunks, 0, n)
	}
}

// skip gives up the first hole: it returns its length and where the packet behind it
// stands; 0 where there is none.
func (r *reassembly) skip() (n int64, at packet.Pos) {
	if len(r.chunks) == 0 {
		return 0, at
	}
	n, at = r.chunks[0].off-r.next, r.chunks[0].at
	r.next = r.chunks[0].off
	return n, at
}
