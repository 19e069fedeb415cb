package wire

// A step is something to be planned at a time: the next bytes of a message, or a
// keep-alive of a lane.
type step struct {
	at    int64  // at original speed, ns
	order uint64 // of steps at one time: requests before later ones, and before responses
	talk  *talk  // nil for a keep-alive
	lane  *lane
	dir   uint8
}

func (a *step) before(b *step) bool { return a.at < b.at || a.at == b.at && a.order < b.order }

// heap is a binary heap, the earliest step first.
type heap []step

func (h *heap) push(s step) {
	q := append(*h, s)
	i := len(q) - 1
	for i > 0 {
		up := (i - 1) / 2
		if !s.before(&q[up]) {
			break
		}
		q[i] = q[up]
		i = up
	}
	q[i] = s
	*h = q
}

// sink puts the first step, whose time was moved back, in its place.
func (h heap) sink() {
	if len(h) == 0 {
		return
	}
	s, i := h[0], 0
	for {
		c := 2*i + 1
		if c >= len(h) {
			break
		}
		if c+1 < len(h) && h[c+1].before(&h[c]) {
			c++
		}
		if !h[c].before(&s) {
			break
		}
		h[i] = h[c]
		i = c
	}
	h[i] = s
}

// pop takes the first step off.
func (h *heap) pop() {
	q := *h
	n := len(q) - 1
	q[0], q[n] = q[n], step{}
	*h = q[:n]
	h.sink()
}
