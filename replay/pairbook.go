package replay

import (
	"math"
	"sort"

	"recap/pipeline/exchange"
)

// A pairBook remembers of each pair of the source what a report needs: sizes of bodies
// to find truncation, 8 bytes, and while there are few the id.
type pairBook struct {
	sized  []uint64 // request and response, 32 bits each
	ids    []exchange.ID
	passes passBook
	skip   bool // sizes are not needed: nobody collects
}

// Bounds of the book, pairs. Beyond them, ids are left out of reports and truncation is
// not tested, which reports say.
const (
	maxSized = 1 << 27
	maxKnown = 1 << 22
)

// unknownSize stands for sizes that do not fit.
const unknownSize = math.MaxUint32

func (b *pairBook) add(p *exchange.Pair) {
	if len(b.ids) < maxKnown {
		b.ids = append(b.ids, p.ID)
	}
	if !b.skip && len(b.sized) < maxSized {
		half := func(m *exchange.Message) uint64 { return uint64(min(int64(len(m.Body)), unknownSize)) }
		b.sized = append(b.sized, half(&p.Request.Message)<<32|half(&p.Response.Message))
	}
}

func (b *pairBook) sizes(seq uint64) (request, response int64, ok bool) {
	_, i := b.passes.find(seq)
	if i >= uint64(len(b.sized)) {
		return 0, 0, false
	}
	q, s := b.sized[i]>>32, b.sized[i]&math.MaxUint32
	return int64(q), int64(s), q != unknownSize && s != unknownSize
}

// id names an event.
func (b *pairBook) id(seq uint64) PairID {
	pass, i := b.passes.find(seq)
	id := PairID{Seq: seq, Loop: uint32(pass)}
	if i < uint64(len(b.ids)) && b.ids[i] != (exchange.ID{}) {
		id.ID = b.ids[i].String()
	}
	return id
}

// A passBook knows with which event each pass over the source began. Passes of one
// length take no room, however many there are: a source of one pair may have as many
// passes as a run has pairs.
type passBook struct {
	runs   []passRun
	passes uint64
}

// A passRun is passes behind each other, all but the last of one length.
type passRun struct {
	pass, begin uint64 // number of the first, and of its first event
	length      uint64 // events of a pass; 0 until a second one begins
}

// begin notes that the next pass begins with an event.
func (b *passBook) begin(seq uint64) {
	if n := len(b.runs); n > 0 {
		r := &b.runs[n-1]
		if r.length == 0 {
			r.length = seq - r.begin
		}
		if r.begin+(b.passes-r.pass)*r.length == seq {
			b.passes++
			return
		}
	}
	b.runs = append(b.runs, passRun{pass: b.passes, begin: seq})
	b.passes++
}

// find returns in which pass an event was, and at which place of it, from 0.
func (b *passBook) find(seq uint64) (pass, place uint64) {
	next := sort.Search(len(b.runs), func(i int) bool { return b.runs[i].begin > seq })
	if next == 0 {
		return 0, seq
	}
	r, end := b.runs[next-1], b.passes
	if next < len(b.runs) {
		end = b.runs[next].pass
	}
	n := uint64(0)
	if r.length > 0 {
		n = min((seq-r.begin)/r.length, end-1-r.pass)
	}
	return r.pass + n, seq - r.begin - n*r.length
}
