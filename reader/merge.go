package reader

import (
	"io"
	"math"

	"recap/reader/packet"
)

// merge interleaves inputs by time. The place of a packet is (key, input), where
// key is its time or, if that is earlier, the time of the packet after it in
// the same input: one wrong time far in the future then does not hold back
// everything behind it.
type merge struct {
	o       *Options
	heap    []*cursor // ordered by (key, index)
	single  bool      // one input: batches go through untouched
	n       int64     // packets numbered
	out     *packet.Batch
	headers *packet.Pool
	small   *packet.Pool
	peeks   *packet.Pool
	open    int // files kept open
	active  int // inputs with batches
	err     error
}

// cursor is the place in one input.
type cursor struct {
	in    *input
	key   int64
	prev  int64 // time of the packet before, for packets without one
	ready bool  // opened, and cur holds the next packet
	kept  bool  // counts among the files kept open
	cur   *packet.Batch
	i     int // next packet in cur
	ahead *packet.Batch
	end   bool // nothing follows ahead, or cur if that is nil
	part  bool // cur is among the parts of the batch being merged
}

const (
	// mergedPackets bounds the packets of a merged batch, mergedParts the batches
	// it refers to.
	mergedPackets = 2048
	mergedParts   = 64
	// passAtLeast is from how many packets on the rest of a batch is passed on
	// whole instead of copied packet by packet.
	passAtLeast = 32
)

func newMerge(o Options) *merge {
	return &merge{o: &o, headers: packet.NewHeaderPool(), small: packet.NewPool(min(smallSlab, o.Pool.SlabSize)),
		peeks: packet.NewPool(peekSlab)}
}

// openNow opens an input that is to be read from the start of the merge on.
func (m *merge) openNow(in *input) (*cursor, error) {
	c := &cursor{in: in, key: math.MinInt64, prev: math.MinInt64}
	if err := m.activate(c); err != nil {
		return nil, err
	}
	return c, nil
}

// peek reads the beginning of a file, to know when its turn comes, and closes it.
func (m *merge) peek(in *input) (*cursor, error) {
	p := &input{entry: in.entry, o: in.o, ctx: in.ctx, in: &packet.Input{Name: in.name}}
	if err := p.open(m.peeks, false, true); err != nil {
		return nil, err
	}
	defer p.close()
	t := &cursor{in: p, prev: math.MinInt64}
	defer t.drop()
	if err := m.load(t); err != nil && err != io.EOF {
		return nil, err
	}
	key := int64(math.MinInt64)
	if t.cur != nil {
		var err error
		if key, err = t.keyAt(); err != nil {
			return nil, err
		}
	}
	return &cursor{in: in, key: key, prev: math.MinInt64}, nil
}

// activate opens the cursor's input for good.
func (m *merge) activate(c *cursor) error {
	pool := m.o.Pool
	if m.active >= manyActive {
		pool = m.small
	}
	keep := m.open < m.o.MaxOpen
	if err := c.in.open(pool, m.o.Hash, keep); err != nil {
		return err
	}
	c.kept = keep
	if keep {
		m.open++
	}
	m.active++
	return nil
}

func (m *merge) add(c *cursor) { m.heap = append(m.heap, c) }

func (m *merge) start(several bool) {
	m.single = !several
	for i := len(m.heap)/2 - 1; i >= 0; i-- {
		m.down(i)
	}
}

func less(a, b *cursor) bool {
	return a.key < b.key || a.key == b.key && a.in.index < b.in.index
}

func (m *merge) down(i int) {
	h := m.heap
	for {
		c := 2*i + 1
		if c >= len(h) {
			return
		}
		if c+1 < len(h) && less(h[c+1], h[c]) {
			c++
		}
		if !less(h[c], h[i]) {
			return
		}
		h[i], h[c] = h[c], h[i]
		i = c
	}
}

// load makes cur hold the next packet. io.EOF says that there is none.
func (m *merge) load(c *cursor) error {
	for c.cur == nil || c.i == len(c.cur.Packets) {
		if c.cur != nil {
			c.cur.Release()
		}
		c.cur, c.i, c.part = c.ahead, 0, false
		c.ahead = nil
		if c.cur != nil {
			continue
		}
		if c.end {
			return io.EOF
		}
		b, err := c.in.next()
		if err != nil {
			c.end = true
			return err
		}
		c.cur = b
	}
	return nil
}

// time returns the time of the next packet for merging.
func (c *cursor) time() int64 {
	if t := c.cur.Packets[c.i].TimeNS; t != packet.NoTime {
		return t
	}
	return c.prev
}

// keyAt computes the key of the next packet, which load has made ready.
func (c *cursor) keyAt() (int64, error) {
	ps := c.cur.Packets
	key := c.time()
	after := int64(packet.NoTime)
	switch {
	case c.i+1 < len(ps):
		after = ps[c.i+1].TimeNS
	case c.ahead == nil && !c.end:
		b, err := c.in.next()
		if err == io.EOF {
			c.end = true
			break
		}
		if err != nil {
			return 0, err
		}
		c.ahead = b
		fallthrough
	case c.ahead != nil:
		after = c.ahead.Packets[0].TimeNS
	}
	if after != packet.NoTime && after < key {
		key = after
	}
	return key, nil
}

func (c *cursor) drop() {
	for _, b := range []*packet.Batch{c.cur, c.ahead} {
		if b != nil {
			b.Release()
		}
	}
	c.cur, c.ahead = nil, nil
}

// next returns the next batch of the merged capture.
func (m *merge) next() (*packet.Batch, error) {
	if m.err != nil {
		return nil, m.err
	}
	b, err := m.step()
	if err != nil {
		m.err = err
		if m.out != nil {
			// What was merged before the error is good.
			b, m.out = m.out, nil
			return b, nil
		}
	}
	return b, err
}

func (m *merge) step() (*packet.Batch, error) {
	if m.single {
		c := m.heap[0]
		if c.in.src == nil {
			if err := m.activate(c); err != nil {
				return nil, err
			}
		}
		return c.in.next()
	}
	for len(m.heap) > 0 {
		c := m.heap[0]
		if !c.ready {
			if m.out != nil && c.in.stream {
				return m.flush(), nil // reading may block
			}
			if err := m.prepare(c); err != nil {
				return nil, err
			}
			continue
		}
		if rest := len(c.cur.Packets) - c.i; rest >= passAtLeast && m.passes(c) {
			if m.out != nil {
				return m.flush(), nil
			}
			return m.pass(c), nil
		}
		if err := m.take(c); err != nil {
			return nil, err
		}
		if m.out != nil && (len(m.out.Packets) >= mergedPackets || len(m.out.Parts) >= mergedParts) {
			return m.flush(), nil
		}
	}
	if m.out != nil {
		return m.flush(), nil
	}
	return nil, io.EOF
}

// prepare makes the first cursor ready, or takes it out at its end.
func (m *merge) prepare(c *cursor) error {
	if c.in.src == nil {
		if err := m.activate(c); err != nil {
			if c.in.ctx.Err() != nil {
				return err
			}
			// It could be read when its turn was found out. The others still can.
			c.in.fail(err)
			m.remove()
			return nil
		}
	}
	switch err := m.load(c); err {
	case nil:
	case io.EOF:
		m.active--
		if c.kept {
			m.open--
		}
		c.in.close()
		m.remove()
		return nil
	default:
		return err
	}
	key, err := c.keyAt()
	if err != nil {
		return err
	}
	c.key, c.ready = key, true
	m.down(0)
	return nil
}

// remove takes the first cursor out.
func (m *merge) remove() {
	last := len(m.heap) - 1
	m.heap[0] = m.heap[last]
	m.heap[last] = nil
	m.heap = m.heap[:last]
	m.down(0)
}

// second returns the cursor after the first, nil if there is none.
func (m *merge) second() *cursor {
	switch h := m.heap; {
	case len(h) < 2:
		return nil
	case len(h) > 2 && less(h[2], h[1]):
		return h[2]
	default:
		return h[1]
	}
}

// passes reports whether all that is left of the first cursor's batch comes
// before every other input.
func (m *merge) passes(c *cursor) bool {
	s := m.second()
	if s == nil {
		return true
	}
	for i := c.i; i < len(c.cur.Packets); i++ {
		if t := c.cur.Packets[i].TimeNS; t > s.key || t == s.key && c.in.index > s.in.index {
			return false
		}
	}
	return true
}

// pass hands on the first cursor's batch without copying its bytes.
func (m *merge) pass(c *cursor) *packet.Batch {
	b := c.cur
	// Merged batches that refer to b hold copies of its earlier packets.
	b.Packets = b.Packets[:copy(b.Packets, b.Packets[c.i:])]
	for i := range b.Packets {
		p := &b.Packets[i]
		m.n++
		p.Number = m.n
		if p.TimeNS != packet.NoTime {
			c.prev = p.TimeNS
		}
	}
	c.cur, c.i, c.part, c.ready = nil, 0, false, false
	return b
}

// take moves packets of the first cursor into the merged batch, as long as it
// stays the first and its batch lasts.
func (m *merge) take(c *cursor) error {
	if m.out == nil {
		m.out = m.headers.Get()
	}
	if !c.part {
		c.cur.Retain()
		m.out.Parts = append(m.out.Parts, c.cur)
		c.part = true
	}
	s := m.second()
	for len(m.out.Packets) < mergedPackets {
		p := c.cur.Packets[c.i]
		m.n++
		p.Number = m.n
		m.out.Packets = append(m.out.Packets, p)
		c.prev = c.time()
		c.i++
		if c.i == len(c.cur.Packets) {
			c.ready = false
			return nil
		}
		key, err := c.keyAt()
		if err != nil {
			return err
		}
		c.key = key
		if s != nil && less(s, c) {
			break
		}
	}
	m.down(0)
	return nil
}

// flush hands on the merged batch.
func (m *merge) flush() *packet.Batch {
	b := m.out
	m.out = nil
	for _, c := range m.heap {
		c.part = false
	}
	return b
}

func (m *merge) close() error {
	for _, c := range m.heap {
		c.drop()
		c.in.close()
	}
	m.heap = nil
	if m.out != nil {
		m.out.Release()
		m.out = nil
	}
	if m.err == nil {
		m.err = io.EOF
	}
	return nil
}
