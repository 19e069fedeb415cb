package http3

import (
	"recap/pipeline/app/http2"
)

const (
	// maxTable bounds what is kept of a dynamic table, counted as RFC 9204 counts.
	maxTable = 64 << 10
	// entryCost is what an entry counts beside its bytes (RFC 9204, section 3.2.1).
	entryCost = 32
	// maxInstruction bounds an instruction of an encoder, bytes: an entry that long fits
	// into no table that is kept.
	maxInstruction = 4 * maxTable
)

// field is an entry of a table.
type field struct{ name, value http2.Text }

func (f *field) size() int { return f.name.Len() + f.value.Len() + entryCost }

// table is the dynamic table of one encoder, as its stream of instructions makes it
// (RFC 9204, section 3.2). Entries have the absolute numbers 0, 1, 2, …
type table struct {
	entries []field // entries[i] has number first+i
	first   uint64
	size    int
	// capacity is what the encoder has set, limit the most that the decoder allows: its
	// SETTINGS; hasLimit says that they were seen.
	capacity uint64
	limit    uint64
	hasLimit bool
	// lost says that instructions are missing: numbers of entries are not known any more.
	lost bool
	part []byte // the beginning of an instruction
	tmp  []byte
}

// inserted is how many entries were ever inserted.
func (t *table) inserted() uint64 { return t.first + uint64(len(t.entries)) }

func (t *table) memory() int64 {
	return 64*int64(len(t.entries)) + int64(t.size) + int64(len(t.part)+cap(t.tmp))
}

// lose notes that instructions are missing.
func (t *table) lose() { *t = table{lost: true, limit: t.limit, hasLimit: t.hasLimit} }

// feed takes the next bytes of the encoder's stream (RFC 9204, section 4.3).
func (t *table) feed(b []byte) {
	if t.lost {
		return
	}
	glued := len(t.part) > 0
	if glued {
		t.part = append(t.part, b...)
		b = t.part
	}
	for len(b) > 0 {
		n, ok := t.instruction(b)
		if !ok || n == 0 && len(b) > maxInstruction {
			t.lose()
			return
		}
		if n == 0 {
			break
		}
		b = b[n:]
	}
	switch {
	case len(b) == 0:
		t.part = nil
	case glued:
		t.part = t.part[:copy(t.part, b)]
	default:
		t.part = append(t.part, b...)
	}
}

// instruction follows the one at the start of b and returns its length; 0 where b ends
// inside it.
func (t *table) instruction(b []byte) (n int, ok bool) {
	switch c := b[0]; {
	case c&0x80 != 0: // insert with name reference
		i, n, ok := http2.ReadInt(b, 6)
		if n == 0 || !ok {
			return 0, ok
		}
		value, k, ok := t.literal(b[n:], 7, false)
		if k == 0 || !ok {
			return 0, ok
		}
		var name http2.Text
		if c&0x40 != 0 {
			if i >= uint64(len(staticTable)) {
				return 0, false
			}
			name = staticTable[i].name
		} else {
			f, ok := t.relative(i)
			if !ok {
				return 0, false
			}
			name = f.name
		}
		return n + k, t.insert(field{name, value})
	case c&0x40 != 0: // insert with literal name
		name, n, ok := t.literal(b, 5, true)
		if n == 0 || !ok {
			return 0, ok
		}
		value, k, ok := t.literal(b[n:], 7, false)
		if k == 0 || !ok {
			return 0, ok
		}
		return n + k, t.insert(field{name, value})
	case c&0x20 != 0: // set capacity
		v, n, ok := http2.ReadInt(b, 5)
		if n == 0 || !ok {
			return 0, ok
		}
		t.capacity = v
		t.fit(0)
		return n, true
	default: // duplicate
		i, n, ok := http2.ReadInt(b, 5)
		if n == 0 || !ok {
			return 0, ok
		}
		f, ok := t.relative(i)
		if !ok {
			return 0, false
		}
		return n, t.insert(f)
	}
}

// relative returns the entry that an instruction names, counted from the newest. One
// that is not kept is unknown.
func (t *table) relative(i uint64) (field, bool) {
	if i >= t.inserted() {
		return field{}, false
	}
	return t.at(t.inserted() - 1 - i), true
}

// at returns the entry with an absolute number.
func (t *table) at(i uint64) field {
	if i < t.first || i >= t.inserted() {
		s := http2.Unknown(i)
		return field{s, s}
	}
	return t.entries[i-t.first]
}

// insert puts an entry into the table; false for one that the encoder's table cannot hold.
func (t *table) insert(f field) bool {
	n := f.size()
	if uint64(n) > t.capacity {
		return false
	}
	t.fit(n)
	t.entries = append(t.entries, f)
	t.size += n
	return true
}

// fit drops the oldest entries until n bytes more have room.
func (t *table) fit(n int) {
	room := int(min(t.capacity, maxTable))
	k := 0
	for k < len(t.entries) && t.size+n > room {
		t.size -= t.entries[k].size()
		k++
	}
	if k == 0 {
		return
	}
	t.first += uint64(k)
	clear(t.entries[:k])
	t.entries = t.entries[k:]
}

// literal reads a string literal, whose length has a prefix of that many bits and, in
// front of them, the bit that says Huffman; it returns how many bytes it took.
func (t *table) literal(b []byte, prefix uint, isName bool) (text http2.Text, n int, ok bool) {
	raw, n, ok := t.bytes(b, prefix)
	if n == 0 || !ok {
		return text, 0, ok
	}
	return http2.NewText(raw, isName), n, true
}

// bytes is literal for the bytes themselves, which may be overwritten by the next call.
func (t *table) bytes(b []byte, prefix uint) (raw []byte, n int, ok bool) {
	size, n, ok := http2.ReadInt(b, prefix)
	if n == 0 || !ok {
		return nil, 0, ok
	}
	if size > uint64(len(b)-n) {
		return nil, 0, size <= maxBlock
	}
	raw = b[n : n+int(size)]
	n += int(size)
	if b[0]>>prefix&1 != 0 {
		if t.tmp, ok = http2.AppendHuffman(t.tmp[:0], raw); !ok {
			return nil, 0, false
		}
		raw = t.tmp
	}
	return raw, n, true
}

// required reads the prefix of a header block (RFC 9204, section 4.5.1): how many entries
// must have been inserted, and the base that its references count from. known is false
// where that cannot be told because the capture lacks what it depends on.
func (t *table) required(b []byte) (count, base uint64, n int, known, ok bool) {
	coded, n, ok := http2.ReadInt(b, 8)
	if n == 0 || !ok {
		return 0, 0, 0, false, false
	}
	delta, k, ok := http2.ReadInt(b[n:], 7)
	if k == 0 || !ok {
		return 0, 0, 0, false, false
	}
	sign := b[n]&0x80 != 0
	n += k
	if coded == 0 {
		return 0, delta, n, true, !sign || delta == 0
	}
	if !t.hasLimit || t.lost {
		return 0, 0, n, false, true
	}
	most := t.limit / entryCost
	full := 2 * most
	if coded > full {
		return 0, 0, 0, false, false
	}
	highest := t.inserted() + most
	count = highest/full*full + coded - 1
	if count > highest {
		if count <= full {
			return 0, 0, 0, false, false
		}
		count -= full
	}
	if count == 0 {
		return 0, 0, 0, false, false
	}
	if sign {
		if delta >= count {
			return 0, 0, 0, false, false
		}
		return count, count - delta - 1, n, true, true
	}
	return count, count + delta, n, true, true
}

// decode puts the fields of a header block into f (RFC 9204, section 4.5). References
// that the capture does not explain become unknown ones.
func (t *table) decode(block []byte, f http2.Fields) bool {
	_, base, n, known, ok := t.required(block)
	if !ok {
		return false
	}
	dynamic := func(i uint64, post bool) field {
		switch {
		case !known:
			s := http2.Unknown(i)
			return field{s, s}
		case post:
			return t.at(base + i)
		case i >= base:
			ok = false
			return field{}
		}
		return t.at(base - 1 - i)
	}
	for b := block[n:]; len(b) > 0; b = b[n:] {
		var e field
		if n = t.representation(b, &e, dynamic, f); n == 0 || !ok {
			return false
		}
		if f.Wants() {
			f.Add(e.name, e.value)
		}
	}
	return true
}

// representation reads one line of a header block and returns its length; 0 for one that
// is malformed.
func (t *table) representation(b []byte, e *field, dynamic func(i uint64, post bool) field, f http2.Fields) int {
	var i uint64
	var n int
	var ok bool
	switch c := b[0]; {
	case c&0x80 != 0: // indexed
		if i, n, ok = http2.ReadInt(b, 6); n == 0 || !ok {
			return 0
		}
		if c&0x40 == 0 {
			*e = dynamic(i, false)
			return n
		}
		if i >= uint64(len(staticTable)) {
			return 0
		}
		*e = staticTable[i]
		return n
	case c&0xf0 == 0x10: // indexed, behind the base
		if i, n, ok = http2.ReadInt(b, 4); n == 0 || !ok {
			return 0
		}
		*e = dynamic(i, true)
		return n
	case c&0x40 != 0: // literal with a name of a table
		if i, n, ok = http2.ReadInt(b, 4); n == 0 || !ok {
			return 0
		}
		if c&0x10 == 0 {
			*e = dynamic(i, false)
		} else if i < uint64(len(staticTable)) {
			*e = staticTable[i]
		} else {
			return 0
		}
	case c&0x20 != 0: // literal
		var raw []byte
		if raw, n, ok = t.bytes(b, 3); n == 0 || !ok {
			return 0
		}
		e.name = f.Literal(raw, true)
	default: // literal with a name behind the base
		if i, n, ok = http2.ReadInt(b, 3); n == 0 || !ok {
			return 0
		}
		*e = dynamic(i, true)
	}
	raw, k, ok := t.bytes(b[n:], 7)
	if k == 0 || !ok {
		return 0
	}
	e.value = f.Literal(raw, false)
	return n + k
}
