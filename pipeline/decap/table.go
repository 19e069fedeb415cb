package decap

import (
	"hash/maphash"
	"math/bits"
)

// A table gives numbers to stacks: of tunnels, or of VLAN tags. A stack is the
// number of the stack around it and its innermost element; 0 is the empty stack.
// Numbers rise from 1 in the order of first appearance, so they depend on the
// capture alone and not on the hash.
//
// One goroutine interns. Others may read a node whose number reached them through
// a channel: nodes never move and never change.
type table struct {
	chunks [maxChunks]*[chunkNodes]node
	slots  []uint32 // open addressing, power of two, at most half full
	used   uint32   // highest number given
	limit  uint32
	seed   uint64
}

const (
	chunkNodes = 1 << 10
	maxChunks  = 1 << 10
	// maxStacks is the largest limit of a table.
	maxStacks = chunkNodes*maxChunks - 1
)

// A node is the innermost element of a stack.
type node struct {
	src, dst [16]byte // IPv4 as IPv4-mapped IPv6; meaningless without hasAddr
	id       int64
	parent   uint32
	key      uint32 // number of the canonical stack, see Decoder.intern
	typ      uint8
	hasAddr  bool
	v6       bool // src and dst are of IPv6 packets
}

func newTable(limit int) *table {
	var h maphash.Hash
	return &table{
		slots: make([]uint32, 64),
		limit: uint32(min(limit, maxStacks)),
		seed:  h.Sum64() | 1,
	}
}

func (t *table) at(i uint32) *node { return &t.chunks[i/chunkNodes][i%chunkNodes] }

// find returns the number of n.parent's stack with n on top, and whether it had
// one before; n.key is not compared. It returns 0 where the table is full.
func (t *table) find(n *node) (i uint32, old bool) {
	if i := t.lookup(n); i != 0 {
		return i, true
	}
	if t.used == t.limit {
		return 0, false
	}
	mask := uint32(len(t.slots) - 1)
	at := t.hash(n) & mask
	for t.slots[at] != 0 {
		at = (at + 1) & mask
	}
	t.used++
	c := &t.chunks[t.used/chunkNodes]
	if *c == nil {
		*c = new([chunkNodes]node)
	}
	(*c)[t.used%chunkNodes] = *n
	t.slots[at] = t.used
	if 2*int(t.used) > len(t.slots) {
		t.grow()
	}
	return t.used, false
}

// lookup is find for a stack that must have a number already; 0 if it has none.
func (t *table) lookup(n *node) uint32 {
	mask := uint32(len(t.slots) - 1)
	for at := t.hash(n) & mask; t.slots[at] != 0; at = (at + 1) & mask {
		if m := t.at(t.slots[at]); m.id == n.id && m.parent == n.parent && m.typ == n.typ &&
			m.hasAddr == n.hasAddr && m.v6 == n.v6 && m.src == n.src && m.dst == n.dst {
			return t.slots[at]
		}
	}
	return 0
}

func (t *table) grow() {
	t.slots = make([]uint32, 2*len(t.slots))
	mask := uint32(len(t.slots) - 1)
	for i := uint32(1); i <= t.used; i++ {
		at := t.hash(t.at(i)) & mask
		for t.slots[at] != 0 {
			at = (at + 1) & mask
		}
		t.slots[at] = i
	}
}

// hash mixes n with the seed by 64×64→128-bit multiplications.
func (t *table) hash(n *node) uint32 {
	h := mix(uint64(n.id)^t.seed, uint64(n.parent)<<8|uint64(n.typ)|0x9e3779b9<<32)
	h = mix(load64(n.src[8:])^h, load64(n.dst[8:])^t.seed)
	if v6 := load64(n.src[:]) | load64(n.dst[:]); v6 != 0 {
		h = mix(load64(n.src[:])^h, load64(n.dst[:])^t.seed)
	}
	return uint32(h ^ h>>32)
}

func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b^0xa0761d6478bd642f)
	return hi ^ lo
}
