// Package defrag puts IP datagrams together from their fragments (RFC 791, section
// 3.2; RFC 815; RFC 8200, section 4.5).
//
// Where fragments overlap, the first copy of a byte wins; a copy that differs is
// noted with the datagram. A datagram is handed out when every byte of it is there, or
// when the capture cut some of its fragments and nothing but their ends is missing:
// then as far as its first hole. Time is the capture clock that the caller passes in.
package defrag

import (
	"bytes"
	"cmp"
	"slices"
)

// Key names the datagram that a fragment belongs to.
type Key struct {
	Src, Dst [16]byte
	// ID is the identification field, of 16 bits in IPv4 and of 32 in IPv6.
	ID uint32
	// Stack tells networks with the same addresses apart.
	Stack uint32
	// Proto is the protocol in IPv4. IPv6 leaves it 0: there fragments of one
	// datagram may differ in it, and the first one's counts.
	Proto uint8
	V6    bool
}

// Options of a [Table]. The zero value works.
type Options struct {
	// MaxBytes bounds the memory of incomplete datagrams and of what is
	// remembered of complete ones. The oldest is dropped first. 0 means 64 MiB.
	MaxBytes int64
	// Timeout is how long a datagram may take from its first fragment to its last,
	// in nanoseconds of the capture clock. 0 means 30 s, as hosts have it.
	Timeout int64
}

const (
	defaultBytes   = 64 << 20
	defaultTimeout = 30 * 1_000_000_000
	// After so long without a fragment, other bytes at the same place are a new
	// datagram with a used identification, and not an overlap; nanoseconds. A first
	// fragment says so earlier than others. Tools that try overlaps send a fragment
	// a second. Copies of a whole datagram come sooner than reuseFirst.
	reuseFirst = 2_000_000_000
	reuseOther = 10_000_000_000
	// entryCost is the memory of a datagram beside its bytes, estimated.
	entryCost = 384
	rangeCost = 12
	cutCost   = 8
	// maxDatagram bounds IP datagrams (RFC 791, section 3.1) and the payload of
	// IPv6 ones (RFC 8200, section 4.5).
	maxDatagram = 65535
)

// A Fragment is one fragment without its IP headers.
type Fragment struct {
	Offset int // of Data in the datagram, bytes
	More   bool
	Data   []byte
	// Header is the number of bytes that the 65,535 of the datagram hold beside
	// the payload.
	Header int
	// Number is that of the fragment's packet in the capture.
	Number int64
	// Missing is how many bytes the fragment has behind Data that the capture does
	// not hold.
	Missing int
	// Snap says why: the snap length, and not something before the capture.
	Snap bool
	// AnyLength says that fragments need not be multiples of 8 bytes, as those of IP are.
	AnyLength bool
}

func (f *Fragment) cut() bool { return f.Missing > 0 }

// Status says what became of a fragment.
type Status uint8

// A fragment is Held until the one that makes its datagram Complete. The others
// were not used.
const (
	Held Status = iota
	Complete
	Oversize     // reaches past 65,535 bytes; its datagram is dropped
	Malformed    // has no place in any datagram
	Contradicted // says something else of its datagram's length than an earlier one
)

// A Datagram is a payload put together.
type Datagram[C any] struct {
	Data     []byte // fresh memory
	First    C      // what came with the fragment at offset 0
	Conflict bool   // copies of some byte differed
	Missing  int    // bytes of the datagram behind Data, some of which were cut off
	Snap     bool   // the snap length cut one of them
}

// Counts tells what a [Table] saw. Fragments = Held + Complete + Dropped.
type Counts struct {
	Fragments int64 // all that came in
	Held      int64
	Complete  int64 // datagrams handed out
	Dropped   int64 // fragments that were not used: oversize, malformed, contradicted
	Duplicate int64 // held fragments that repeat a datagram handed out before
	Conflicts int64 // datagrams of which copies of a byte differed
	Reused    int64 // incomplete datagrams whose identification was used again
	TimedOut  int64 // incomplete datagrams given up after Timeout
	Evicted   int64 // incomplete datagrams dropped to keep MaxBytes
	Oversize  int64 // incomplete datagrams dropped for a fragment past 65,535
	Pending   int64 // incomplete datagrams held now
	Bytes     int64 // memory held now, estimated
	MaxBytes  int64 // the most that was held
}

// Incomplete is the number of datagrams that were not handed out.
func (c *Counts) Incomplete() int64 {
	return c.Reused + c.TimedOut + c.Evicted + c.Oversize + c.Pending
}

// A Table holds fragments. C is whatever the caller wants to keep of the fragment
// at offset 0, without pointers to the packet.
type Table[C any] struct {
	maxPending, maxPast, timeout int64
	pendingBytes, pastBytes      int64 // estimated memory of each

	pending map[Key]*datagram[C]
	done    map[Key]*datagram[C]
	oldest  list[C] // of pending, in the order of their first fragments
	past    list[C] // of done, in the order of completion
	counts  Counts
	lost    [maxFirst]int64 // numbers of the first packets of datagrams given up, rising; 0 behind them
}

// maxFirst is how many incomplete datagrams are named.
const maxFirst = 5

// A datagram is one being put together, or one remembered after that.
type datagram[C any] struct {
	next, prev *datagram[C]
	key        Key
	// arena holds the bytes in order of arrival, without those that were there
	// before; ranges say where each belongs, sorted and without overlap. After
	// completion arena is the datagram.
	arena    []byte
	ranges   []span
	have     int // bytes in ranges
	total    int // length, -1 while unknown
	end      int // highest end of a range
	first    C
	hasFirst bool
	conflict bool
	snap     bool
	cuts     []cutSpan // what was cut off fragments, unsorted
	cutBytes int       // their sum
	number   int64     // of the packet of the first fragment
	born     int64     // clock at the first fragment
	last     int64     // clock at the latest fragment
	cost     int64
}

// A span is the part of a datagram from off to end; its bytes stand in the arena from at.
type span struct{ off, end, at int32 }

// A cutSpan is a part of a datagram that one of its fragments had, but the capture does not.
type cutSpan struct{ off, end int32 }

// maxCuts bounds datagram.cuts. Fragments are cut where a packet has the length of
// the snap; those of one datagram are few then.
const maxCuts = 64

// list is a doubly linked list, oldest first.
type list[C any] struct{ head, tail *datagram[C] }

func (l *list[C]) push(d *datagram[C]) {
	d.prev, d.next = l.tail, nil
	if l.tail != nil {
		l.tail.next = d
	} else {
		l.head = d
	}
	l.tail = d
}

func (l *list[C]) remove(d *datagram[C]) {
	if d.prev != nil {
		d.prev.next = d.next
	} else {
		l.head = d.next
	}
	if d.next != nil {
		d.next.prev = d.prev
	} else {
		l.tail = d.prev
	}
	d.prev, d.next = nil, nil
}

// New returns an empty Table.
func New[C any](o Options) *Table[C] {
	if o.MaxBytes <= 0 {
		o.MaxBytes = defaultBytes
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	return &Table[C]{
		maxPending: o.MaxBytes - o.MaxBytes/8,
		maxPast:    o.MaxBytes / 8,
		timeout:    o.Timeout,
		pending:    make(map[Key]*datagram[C]),
		done:       make(map[Key]*datagram[C]),
	}
}

// note counts a fragment by what became of it.
func (c *Counts) note(s Status) {
	c.Fragments++
	switch s {
	case Held:
		c.Held++
	case Complete:
		c.Complete++
	default:
		c.Dropped++
	}
}

// Counts returns what t saw so far.
func (t *Table[C]) Counts() Counts {
	c := t.counts
	c.Pending = int64(len(t.pending))
	c.Bytes = t.pendingBytes + t.pastBytes
	return c
}

// Add takes a fragment at time now of the capture clock. It copies f.Data. Where it
// returns [Complete], the datagram is whole.
func (t *Table[C]) Add(now int64, k Key, f Fragment, c C) (Datagram[C], Status) {
	t.expire(now)
	out, status := t.add(now, k, &f, c)
	t.counts.note(status)
	return out, status
}

func (t *Table[C]) add(now int64, k Key, f *Fragment, c C) (out Datagram[C], _ Status) {
	// All fragments but the last are multiples of 8 bytes. IPv6 hosts refuse others
	// (RFC 8200, section 4.5); of IPv4 ones they use the whole multiples.
	if odd := (len(f.Data) + f.Missing) % 8; odd != 0 && f.More && !f.AnyLength {
		if k.V6 {
			return out, Malformed
		}
		less := min(odd, f.Missing)
		f.Missing -= less
		f.Data = f.Data[:len(f.Data)-(odd-less)]
	}
	if len(f.Data)+f.Missing == 0 && (f.More || f.Offset == 0) {
		return out, Malformed
	}
	have := f.Offset + len(f.Data)
	end := have + f.Missing
	d := t.pending[k]
	if end+f.Header > maxDatagram {
		if d != nil {
			t.drop(d, &t.counts.Oversize)
		}
		return out, Oversize
	}
	if t.repeats(now, k, f) {
		t.counts.Duplicate++
		return out, Held
	}
	if d != nil && (now-d.last > reuseOther || now-d.last > reuseFirst && f.Offset == 0) && d.differsAt(f) {
		t.drop(d, &t.counts.Reused)
		d = nil
	}
	if d == nil {
		d = &datagram[C]{key: k, total: -1, number: f.Number, born: now}
		t.pending[k] = d
		t.oldest.push(d)
	}
	d.last = now
	last := !f.More
	if last && (d.total >= 0 && d.total != end || d.end > end) || d.total >= 0 && end > d.total {
		t.conflict(d)
		return out, Contradicted
	}
	if last {
		d.total = end
	}
	if f.Offset == 0 && !d.hasFirst {
		d.first, d.hasFirst = c, true
	}
	if d.insert(f.Offset, f.Data) {
		t.conflict(d)
	}
	d.end = max(d.end, end)
	if f.cut() && len(d.cuts) < maxCuts {
		d.cuts = append(d.cuts, cutSpan{int32(have), int32(end)})
		d.cutBytes += f.Missing
		d.snap = d.snap || f.Snap
	}
	t.pendingBytes -= d.cost
	d.cost = int64(entryCost + cap(d.arena) + rangeCost*cap(d.ranges) + cutCost*cap(d.cuts))
	t.pendingBytes += d.cost
	if d.total < 0 || d.have < d.total && !d.cutOnly() || !d.hasFirst {
		for t.pendingBytes > t.maxPending {
			t.drop(t.oldest.head, &t.counts.Evicted)
		}
		t.counts.MaxBytes = max(t.counts.MaxBytes, t.pendingBytes+t.pastBytes)
		return out, Held
	}
	out = Datagram[C]{Data: d.assemble(), First: d.first, Conflict: d.conflict}
	out.Missing = d.total - len(out.Data)
	out.Snap = d.snap && out.Missing > 0
	t.finish(d, out.Data)
	return out, Complete
}

// repeats reports whether f is a copy of a part of a datagram handed out already.
// A datagram that has other bytes there uses the identification again, and so does one
// that comes too late for a copy: many datagrams end in the same bytes.
func (t *Table[C]) repeats(now int64, k Key, f *Fragment) bool {
	d := t.done[k]
	if d == nil {
		return false
	}
	end := f.Offset + len(f.Data)
	if now-d.last <= reuseFirst && end <= len(d.arena) && (f.More || f.cut() || end == d.total) && bytes.Equal(f.Data, d.arena[f.Offset:end]) {
		return true
	}
	t.forget(d)
	return false
}

// insert adds b at off where nothing is yet, and reports whether it differs from
// what is there.
func (d *datagram[C]) insert(off int, b []byte) (conflict bool) {
	lo, hi := int32(off), int32(off+len(b))
	d.end = max(d.end, off+len(b))
	// i is the first range that ends after lo.
	i, _ := slices.BinarySearchFunc(d.ranges, lo, func(r span, lo int32) int { return cmp.Compare(r.end, lo+1) })
	for lo < hi {
		if i == len(d.ranges) || d.ranges[i].off >= hi {
			d.add(i, lo, hi, b[lo-int32(off):])
			return conflict
		}
		r := d.ranges[i]
		if lo < r.off {
			if d.add(i, lo, r.off, b[lo-int32(off):]) {
				i++
			}
			lo = r.off
		}
		to := min(hi, r.end)
		if !bytes.Equal(b[lo-int32(off):to-int32(off)], d.arena[r.at+lo-r.off:r.at+to-r.off]) {
			conflict = true
		}
		lo = to
		i++
	}
	return conflict
}

// add puts the bytes b[:hi-lo] at lo, before range i, and reports whether that made
// a range more; they may join the range before.
func (d *datagram[C]) add(i int, lo, hi int32, b []byte) bool {
	at := int32(len(d.arena))
	d.arena = append(d.arena, b[:hi-lo]...)
	d.have += int(hi - lo)
	if i > 0 {
		if r := &d.ranges[i-1]; r.end == lo && r.at+r.end-r.off == at {
			r.end = hi
			return false
		}
	}
	d.ranges = slices.Insert(d.ranges, i, span{lo, hi, at})
	return true
}

// differsAt reports whether the bytes at the very place of f differ from f.
func (d *datagram[C]) differsAt(f *Fragment) bool {
	lo, hi := int32(f.Offset), int32(f.Offset+len(f.Data))
	for _, r := range d.ranges {
		a, z := max(lo, r.off), min(hi, r.end)
		if a < z && !bytes.Equal(f.Data[a-lo:z-lo], d.arena[r.at+a-r.off:r.at+z-r.off]) {
			return true
		}
	}
	return false
}

// cutOnly reports whether nothing is missing but what was cut off fragments, and
// the first byte is there.
func (d *datagram[C]) cutOnly() bool {
	if len(d.cuts) == 0 || d.have+d.cutBytes < d.total || len(d.ranges) == 0 || d.ranges[0].off != 0 {
		return false
	}
	slices.SortFunc(d.cuts, func(a, b cutSpan) int { return cmp.Compare(a.off, b.off) })
	cuts, to := d.cuts, int32(0)
	for _, r := range d.ranges {
		for len(cuts) > 0 && cuts[0].off <= to {
			to = max(to, cuts[0].end)
			cuts = cuts[1:]
		}
		if r.off > to {
			return false
		}
		to = max(to, r.end)
	}
	for _, c := range cuts {
		if c.off > to {
			return false
		}
		to = max(to, c.end)
	}
	return int(to) >= d.total
}

// assemble returns the bytes in their order, up to the first hole.
func (d *datagram[C]) assemble() []byte {
	if r := d.ranges[0]; len(d.ranges) == 1 {
		return d.arena[:r.end:r.end]
	}
	b := make([]byte, 0, d.total)
	for _, r := range d.ranges {
		if int(r.off) != len(b) {
			break
		}
		b = append(b, d.arena[r.at:r.at+r.end-r.off]...)
	}
	return b
}

func (t *Table[C]) conflict(d *datagram[C]) {
	if !d.conflict {
		d.conflict = true
		t.counts.Conflicts++
	}
}

// expire gives up datagrams that took too long, and forgets complete ones as old.
func (t *Table[C]) expire(now int64) {
	for d := t.oldest.head; d != nil && now-d.born > t.timeout; d = t.oldest.head {
		t.drop(d, &t.counts.TimedOut)
	}
	for d := t.past.head; d != nil && now-d.last > t.timeout; d = t.past.head {
		t.forget(d)
	}
}

// drop gives an incomplete datagram up and counts it in why.
func (t *Table[C]) drop(d *datagram[C], why *int64) {
	*why++
	for i, n := range t.lost {
		if n == 0 || d.number < n {
			copy(t.lost[i+1:], t.lost[i:])
			t.lost[i] = d.number
			break
		}
	}
	t.release(d)
}

// FirstIncomplete returns the packets, at most five, with which the first datagrams
// began that were not handed out.
func (t *Table[C]) FirstIncomplete() []int64 {
	var list []int64
	for _, n := range t.lost {
		if n != 0 {
			list = append(list, n)
		}
	}
	for d := t.oldest.head; d != nil && len(list) < 2*maxFirst; d = d.next {
		list = append(list, d.number)
	}
	slices.Sort(list)
	return list[:min(len(list), maxFirst)]
}

// release takes d out of the pending ones.
func (t *Table[C]) release(d *datagram[C]) {
	delete(t.pending, d.key)
	t.oldest.remove(d)
	t.pendingBytes -= d.cost
}

// finish remembers the complete datagram d for copies of its fragments that follow.
func (t *Table[C]) finish(d *datagram[C], data []byte) {
	t.release(d)
	d.arena, d.ranges, d.cuts = data, nil, nil
	d.cost = int64(entryCost + cap(data))
	t.done[d.key] = d
	t.past.push(d)
	t.pastBytes += d.cost
	for t.pastBytes > t.maxPast {
		t.forget(t.past.head)
	}
	t.counts.MaxBytes = max(t.counts.MaxBytes, t.pendingBytes+t.pastBytes)
}

// forget drops the memory of a complete datagram.
func (t *Table[C]) forget(d *datagram[C]) {
	delete(t.done, d.key)
	t.past.remove(d)
	t.pastBytes -= d.cost
}
