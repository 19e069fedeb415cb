package tcp

import "recap/reader/packet"

// A chunk is payload that waits for bytes before it. Its data is a copy.
type chunk struct {
	off  int64 // stream offset of data[0]
	data []byte
	cut  int64 // bytes after data that the packet announced and the capture lacks
	why  cutReason
	// awaited marks a cut without data at the end of the stream that waits for another tap.
	awaited bool
	lent    bool // another tap's, see [Conn.Fill]
	at      packet.Pos
	// hold is the offset in the peer's stream up to which the sender had already
	// received when it sent this: what is in front of it was said first.
	hold int64
	// start and end are the borders of the segment it came with; overlap policies ask for them.
	start, end int64
}

func (k *chunk) next() int64 { return k.off + int64(len(k.data)) + k.cut }

// chunkOverhead is what a chunk costs beside its data, bytes.
const chunkOverhead = 128

// chunkList holds chunks sorted by offset, without overlap. Inserting costs the
// distance to the nearer end, so that rising and falling arrival are both cheap.
type chunkList struct {
	buf    []*chunk
	lo, hi int // buf[lo:hi] is the list
	bytes  int64
}

func (l *chunkList) len() int        { return l.hi - l.lo }
func (l *chunkList) at(i int) *chunk { return l.buf[l.lo+i] }

// find returns the index of the first chunk that ends after off.
func (l *chunkList) find(off int64) int {
	// Most segments belong at the end.
	if n := l.len(); n == 0 || l.at(n-1).next() <= off {
		return n
	}
	a, b := 0, l.len()
	for a < b {
		m := (a + b) / 2
		if l.at(m).next() <= off {
			a = m + 1
		} else {
			b = m
		}
	}
	return a
}

func (l *chunkList) insert(i int, k *chunk) {
	l.bytes += int64(cap(k.data)) + chunkOverhead
	n := l.len()
	if i < n-i { // nearer to the front
		if l.lo == 0 {
			l.regrow()
		}
		copy(l.buf[l.lo-1:], l.buf[l.lo:l.lo+i])
		l.lo--
	} else {
		if l.hi == len(l.buf) {
			l.regrow()
		}
		copy(l.buf[l.lo+i+1:l.hi+1], l.buf[l.lo+i:l.hi])
		l.hi++
	}
	l.buf[l.lo+i] = k
}

// split cuts chunk i in two at stream offset off, which lies inside it.
func (l *chunkList) split(i int, off int64) {
	k := l.at(i)
	l.bytes -= int64(cap(k.data))
	rest := advance(*k, off-k.off)
	*k = first(*k, off-k.off)
	l.bytes += int64(cap(k.data))
	l.insert(i+1, &rest)
}

// regrow makes room at both ends.
func (l *chunkList) regrow() {
	n := l.len()
	room := max(4, n/2)
	buf := make([]*chunk, n+2*room)
	copy(buf[room:], l.buf[l.lo:l.hi])
	l.buf, l.lo, l.hi = buf, room, room+n
}

func (l *chunkList) remove(i int) {
	k := l.at(i)
	l.bytes -= int64(cap(k.data)) + chunkOverhead
	if i < l.len()/2 {
		copy(l.buf[l.lo+1:l.lo+i+1], l.buf[l.lo:l.lo+i])
		l.buf[l.lo] = nil
		l.lo++
	} else {
		copy(l.buf[l.lo+i:], l.buf[l.lo+i+1:l.hi])
		l.hi--
		l.buf[l.hi] = nil
	}
	if l.lo == l.hi { // an idle connection keeps nothing
		*l = chunkList{}
	}
}
