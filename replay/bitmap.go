package replay

import "math/bits"

// A bitmap is a set of small numbers, one bit each, in pages that exist once a bit of
// them is set: what never happens costs nothing.
type bitmap struct {
	pages []*[pageWords]uint64
	n     uint64 // bits set
}

// pageWords makes pages of 128 KiB: a million bits.
const pageWords = 1 << 14

const pageBits = pageWords * 64

// set sets a bit and reports whether it was clear.
func (b *bitmap) set(i uint64) bool {
	page := i / pageBits
	for uint64(len(b.pages)) <= page {
		b.pages = append(b.pages, nil)
	}
	if b.pages[page] == nil {
		b.pages[page] = new([pageWords]uint64)
	}
	w := &b.pages[page][i%pageBits/64]
	bit := uint64(1) << (i % 64)
	if *w&bit != 0 {
		return false
	}
	*w |= bit
	b.n++
	return true
}

// word returns 64 bits, those of numbers from 64·i on.
func (b *bitmap) word(i uint64) uint64 {
	page := i / pageWords
	if page >= uint64(len(b.pages)) || b.pages[page] == nil {
		return 0
	}
	return b.pages[page][i%pageWords]
}

// words is how many words there can be bits in.
func (b *bitmap) words() uint64 { return uint64(len(b.pages)) * pageWords }

// without calls f, in order, with each number that is in b and not in c, until f
// returns false.
func (b *bitmap) without(c *bitmap, f func(uint64) bool) {
	for i := range b.words() {
		if i%pageWords == 0 && b.pages[i/pageWords] == nil {
			continue // the words of the page are zeros, which is quick enough
		}
		for w := b.word(i) &^ c.word(i); w != 0; w &= w - 1 {
			if !f(i*64 + uint64(bits.TrailingZeros64(w))) {
				return
			}
		}
	}
}

// common counts the numbers that are in b and in c.
func (b *bitmap) common(c *bitmap) (n uint64) {
	for i := range min(b.words(), c.words()) {
		n += uint64(bits.OnesCount64(b.word(i) & c.word(i)))
	}
	return n
}
