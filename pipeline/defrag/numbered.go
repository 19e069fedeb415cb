package defrag

import (
	"bytes"
	"math/bits"
)

// A Piece is one fragment of those that are numbered.
type Piece struct {
	Number int // below MaxPieces
	More   bool
	Data   []byte
	// Missing and Snap are those of a Fragment.
	Missing int
	Snap    bool
}

// MaxPieces is how many fragments make a frame at most (IEEE 802.11, clause 9.2.4.4.3).
const MaxPieces = 16

// maxLifetime is how long the fragments of a frame are sent, nanoseconds: the
// default of dot11MaxReceiveLifetime, 512 units of 1,024 µs.
const maxLifetime = 512 * 1_024_000

// A Numbered puts frames together whose fragments are numbered and stand behind each
// other in that order (IEEE 802.11, clause 10.5). Sequence numbers are used again soon:
// fragments that come later than others' lifetime, or with other bytes under the same
// number, begin a new frame.
type Numbered[C any] struct {
	maxBytes, timeout int64
	bytes             int64 // estimated memory
	frames            map[Key]*frame[C]
	oldest, newest    *frame[C]
	counts            Counts
}

// A frame is one being put together, or one that was, so that copies of its fragments are known.
type frame[C any] struct {
	prev, next *frame[C]
	key        Key
	pieces     [MaxPieces]Piece
	have       uint16 // bits by number
	last       int    // number of the last one, -1 while unknown
	done       bool
	born       int64
	cost       int64
	first      C
}

// NewNumbered returns an empty Numbered. MaxBytes of 0 means 4 MiB, a Timeout of 0
// what the standard has.
func NewNumbered[C any](o Options) *Numbered[C] {
	if o.MaxBytes <= 0 {
		o.MaxBytes = defaultBytes / 16
	}
	if o.Timeout <= 0 {
		o.Timeout = maxLifetime
	}
	return &Numbered[C]{maxBytes: o.MaxBytes, timeout: o.Timeout, frames: make(map[Key]*frame[C])}
}

// Counts returns what t saw so far.
func (t *Numbered[C]) Counts() Counts {
	c := t.counts
	for f := t.oldest; f != nil; f = f.next {
		if !f.done {
			c.Pending++
		}
	}
	c.Bytes = t.bytes
	return c
}

// Add takes a fragment at time now of the capture clock. It copies p.Data. Where it
// returns [Complete], the frame is whole, but for what the capture cut off its fragments.
func (t *Numbered[C]) Add(now int64, k Key, p Piece, c C) (Datagram[C], Status) {
	t.expire(now)
	out, status := t.add(now, k, &p, c)
	t.counts.note(status)
	return out, status
}

func (t *Numbered[C]) add(now int64, k Key, p *Piece, c C) (out Datagram[C], _ Status) {
	if p.Number < 0 || p.Number >= MaxPieces || len(p.Data)+p.Missing == 0 || p.More && p.Number == MaxPieces-1 {
		return out, Malformed
	}
	f := t.frames[k]
	if f != nil && f.have>>p.Number&1 != 0 {
		if f.pieces[p.Number].repeatedBy(p) {
			t.counts.Duplicate++
			return out, Held
		}
		t.drop(f, &t.counts.Reused)
		f = nil
	}
	if f != nil && f.done {
		t.drop(f, nil) // a number that the frame had not
		f = nil
	}
	if f != nil && f.contradicts(p) {
		return out, Contradicted
	}
	if f == nil {
		f = &frame[C]{key: k, last: -1, born: now, cost: entryCost}
		t.push(f)
	}
	f.take(p, c)
	t.bytes += int64(len(p.Data))
	f.cost += int64(len(p.Data))
	if f.last >= 0 && bits.OnesCount16(f.have) == f.last+1 {
		f.done = true
		out = f.assemble()
	}
	for t.bytes > t.maxBytes {
		t.drop(t.oldest, &t.counts.Evicted)
	}
	t.counts.MaxBytes = max(t.counts.MaxBytes, t.bytes)
	if f.done {
		return out, Complete
	}
	return out, Held
}

// repeatedBy reports whether q is a copy of p. The capture may have cut either.
func (p *Piece) repeatedBy(q *Piece) bool {
	n := min(len(p.Data), len(q.Data))
	return p.More == q.More && len(p.Data)+p.Missing == len(q.Data)+q.Missing && bytes.Equal(p.Data[:n], q.Data[:n])
}

// contradicts reports whether p lies behind the end of f, or ends it before a part that is there.
func (f *frame[C]) contradicts(p *Piece) bool {
	if p.More {
		return f.last >= 0 && p.Number > f.last
	}
	return f.last >= 0 || f.have>>p.Number != 0
}

func (f *frame[C]) take(p *Piece, c C) {
	own := *p
	own.Data = bytes.Clone(p.Data)
	f.pieces[p.Number] = own
	f.have |= 1 << p.Number
	if !p.More {
		f.last = p.Number
	}
	if p.Number == 0 {
		f.first = c
	}
}

// assemble returns the bytes in their order, up to the first that the capture cut off.
func (f *frame[C]) assemble() Datagram[C] {
	out := Datagram[C]{First: f.first}
	whole := true
	for i := range f.last + 1 {
		p := &f.pieces[i]
		if whole {
			out.Data = append(out.Data, p.Data...)
		} else {
			out.Missing += len(p.Data)
		}
		out.Missing += p.Missing
		out.Snap = out.Snap || p.Snap && p.Missing > 0
		whole = whole && p.Missing == 0
	}
	return out
}

// expire gives up frames that took too long, and forgets complete ones as old.
func (t *Numbered[C]) expire(now int64) {
	for f := t.oldest; f != nil && now-f.born > t.timeout; f = t.oldest {
		t.drop(f, &t.counts.TimedOut)
	}
}

// drop forgets f; where it was not complete, that is counted in why.
func (t *Numbered[C]) drop(f *frame[C], why *int64) {
	if !f.done {
		*why++
	}
	delete(t.frames, f.key)
	t.bytes -= f.cost
	if f.prev != nil {
		f.prev.next = f.next
	} else {
		t.oldest = f.next
	}
	if f.next != nil {
		f.next.prev = f.prev
	} else {
		t.newest = f.prev
	}
}

func (t *Numbered[C]) push(f *frame[C]) {
	t.frames[f.key] = f
	t.bytes += f.cost
	if f.prev = t.newest; f.prev != nil {
		f.prev.next = f
	} else {
		t.oldest = f
	}
	t.newest = f
}
