package coding

import (
	"bytes"
	"hash/maphash"
	"strings"
)

// Memo remembers bodies that came more than once, with what decoding and hashing
// made of them: servers send the same bytes again and again, and comparing bytes
// costs a tenth of hashing them and a hundredth of decompressing them. What Get
// returns is always what decoding afresh would return: entries are compared to
// the last byte, never by hash alone. One goroutine owns a Memo.
type Memo struct {
	seed    maphash.Seed
	ready   bool
	entries map[uint64]*Memoized
	order   []uint64 // ring of the keys of entries, oldest at next
	next    int
	bytes   int
	seen    [seenSlots]uint64 // hashes of bodies that came once
}

// Memoized is a remembered body. It does not change; Body may be kept.
type Memoized struct {
	value string // Content-Encoding
	coded []byte
	Body  []byte // decoded
	Sum   [32]byte
}

const (
	seenSlots    = 1 << 12
	memoBytes    = 4 << 20   // bound of all entries, bytes
	memoLargest  = 256 << 10 // bound of one body, coded or decoded, bytes
	memoSmallest = 64
	memoEntries  = 1 << 10
)

// Get returns what is remembered of a body, and otherwise a key for Put; the key
// is 0 when the body is not worth remembering. A nil Memo remembers nothing.
func (m *Memo) Get(value string, coded []byte) (*Memoized, uint64) {
	if m == nil || len(coded) < memoSmallest || len(coded) > memoLargest {
		return nil, 0
	}
	if !m.ready {
		m.seed, m.ready = maphash.MakeSeed(), true
		m.entries = make(map[uint64]*Memoized)
		m.order = make([]uint64, memoEntries)
	}
	key := maphash.Bytes(m.seed, coded) | 1
	if e := m.entries[key]; e != nil && e.value == value && bytes.Equal(e.coded, coded) {
		return e, key
	}
	if slot := &m.seen[key>>1%seenSlots]; *slot != key {
		*slot = key
		return nil, 0 // a body that never comes again is not copied
	}
	return nil, key
}

// Put remembers what came of a body that Get gave a key for and that decoded without a fault.
func (m *Memo) Put(key uint64, value string, coded, body []byte, sum [32]byte) {
	if key == 0 || len(body) > memoLargest {
		return
	}
	if _, ok := m.entries[key]; ok {
		return // two bodies with one hash: the first stays
	}
	e := &Memoized{value: strings.Clone(value), coded: bytes.Clone(coded), Sum: sum}
	if value == "" {
		e.Body = e.coded
	} else {
		e.Body = bytes.Clone(body)
	}
	m.drop(m.order[m.next])
	m.order[m.next] = key
	m.next = (m.next + 1) % memoEntries
	m.entries[key] = e
	m.bytes += e.size()
	for i := m.next; m.bytes > memoBytes; i = (i + 1) % memoEntries {
		m.drop(m.order[i])
		m.order[i] = 0
	}
}

func (m *Memo) drop(key uint64) {
	if e := m.entries[key]; e != nil {
		m.bytes -= e.size()
		delete(m.entries, key)
	}
}

func (e *Memoized) size() int {
	if e.value == "" {
		return len(e.coded)
	}
	return len(e.coded) + len(e.Body)
}
