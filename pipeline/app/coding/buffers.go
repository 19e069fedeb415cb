package coding

// Buffers lends memory for bodies in progress, so that it is there for the bodies
// under way and not for every connection that once had one. One goroutine owns it.
// A nil Buffers makes new memory each time.
type Buffers struct{ free [][]byte }

const (
	smallestBuffer = 4 << 10
	maxBuffers     = 64
)

// Get returns an empty buffer; n is how many bytes it will probably hold.
func (p *Buffers) Get(n int) []byte {
	if p != nil {
		if k := len(p.free) - 1; k >= 0 {
			b := p.free[k]
			p.free = p.free[:k]
			if cap(b) >= n {
				return b
			}
		}
	}
	return make([]byte, 0, max(n, smallestBuffer))
}

// Put takes a buffer back that nobody points into any more.
func (p *Buffers) Put(b []byte) {
	if p != nil && cap(b) >= smallestBuffer && cap(b) <= maxKept && len(p.free) < maxBuffers {
		p.free = append(p.free, b[:0])
	}
}
