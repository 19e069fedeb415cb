package http2

import (
	"errors"
	"strconv"
	"unicode/utf8"

	"recap/pipeline/app"
)

const (
	// firstTable is the size of a dynamic table until its encoder changes it
	// (RFC 9113, section 6.5.2).
	firstTable = 4096
	// maxTable bounds what is kept of a dynamic table, counted as RFC 7541 counts.
	maxTable = 64 << 10
	// entryCost is what an entry counts beside its bytes (RFC 7541, section 4.1).
	entryCost = 32
	// maxInt bounds the integers that are taken for real.
	maxInt = 1 << 32
)

// entry is a field of a header table, or one on its way to a message.
type entry struct {
	name, value       string // as a record shows them
	nameLen, valueLen int32  // of the bytes as sent
	nameOdd, valueOdd oddity
}

func (e *entry) size() int { return int(e.nameLen) + int(e.valueLen) + entryCost }

// oddity is what is to be said of a name or a value.
type oddity uint8

const (
	oddUnknown oddity = 1 << iota // the capture does not hold it; shown as ?idx=N
	oddEscaped                    // it is not UTF-8
	oddChars                      // it holds what a field may not hold
)

// decoder is the decoding end of one direction's header compression (RFC 7541). It
// knows what it does not know: of a table that was in use before the capture saw
// it, or while bytes were missing, the entries inserted since stand at the right
// places, for a place counts from the newest entry. What lies behind them is unknown.
type decoder struct {
	table []entry // oldest first; table[first:] is in use
	first int
	size  int
	max   int  // size of the encoder's table, at most; see sure
	sure  bool // max is the size
	whole bool // nothing unknown lies behind the entries in table
	vague int  // entries in table whose size is not known exactly
	tmp   []byte
	e     entry // the field being read
}

func newDecoder(known bool) decoder {
	d := decoder{}
	d.forget()
	if known {
		d.max, d.sure, d.whole = firstTable, true, true
	}
	return d
}

// forget drops everything: insertions, or changes of the size, may have been missed.
func (d *decoder) forget() {
	d.clear()
	d.max, d.sure, d.whole = maxTable, false, false
}

func (d *decoder) clear() {
	clear(d.table)
	if cap(d.table) > 256 {
		d.table = nil
	}
	d.table, d.first, d.size, d.vague = d.table[:0], 0, 0, 0
}

// memory is about what d holds, bytes.
func (d *decoder) memory() int64 {
	return 48*app.Grown(len(d.table)) + int64(d.size) + app.Grown(len(d.tmp))
}

var (
	errMore  = errors.New("the field goes on")
	errHPACK = errors.New("no header block")
)

// sink takes the fields of a header block.
type sink interface {
	// field takes the next field; e is valid during the call only, its strings stay.
	field(e *entry)
	// text returns b, which belongs to the decoder, as a string that stays.
	text(b []byte) string
	// wants says whether the sink has use for further fields.
	wants() bool
}

// step reads one representation (RFC 7541, section 6) at the start of b and returns
// its length. errMore means that b ends inside it; nothing has changed then.
func (d *decoder) step(b []byte, out sink) (int, error) {
	c := b[0]
	if c&0x80 != 0 {
		i, n, err := readInt(b, 7)
		if err != nil {
			return 0, err
		}
		return n, d.indexed(i, out)
	}
	if c&0xe0 == 0x20 {
		v, n, err := readInt(b, 5)
		if err != nil {
			return 0, err
		}
		d.resize(v)
		return n, nil
	}
	prefix, insert := uint(4), false
	if c&0x40 != 0 {
		prefix, insert = 6, true
	}
	i, n, err := readInt(b, prefix)
	if err != nil {
		return 0, err
	}
	var name, value literal
	if i == 0 {
		if n, err = name.read(b, n); err != nil {
			return 0, err
		}
	}
	if n, err = value.read(b, n); err != nil {
		return 0, err
	}
	return n, d.literal(i, &name, &value, insert, out)
}

func (d *decoder) indexed(i uint64, out sink) error {
	if i > 0 && i < uint64(dynamicFrom) {
		if out.wants() {
			out.field(&staticTable[i-1])
		}
		return nil
	}
	e, err := d.lookup(i)
	if err != nil || !out.wants() {
		return err
	}
	if e != nil {
		out.field(e)
		return nil
	}
	s := unknown(i)
	d.e = entry{name: s, value: s, nameLen: int32(len(s)), valueLen: int32(len(s)), nameOdd: oddUnknown, valueOdd: oddUnknown}
	out.field(&d.e)
	return nil
}

// unknown is how a record shows what the capture does not hold.
func unknown(i uint64) string { return "?idx=" + strconv.FormatUint(i, 10) }

// lookup returns the entry at index i of both tables, nil where it is unknown.
func (d *decoder) lookup(i uint64) (*entry, error) {
	switch k := i - uint64(dynamicFrom); {
	case i == 0:
		return nil, errHPACK
	case i < uint64(dynamicFrom):
		return &staticTable[i-1], nil
	case k < uint64(len(d.table)-d.first):
		return &d.table[len(d.table)-1-int(k)], nil
	case d.whole, d.sure && k >= uint64(d.max/entryCost):
		return nil, errHPACK
	}
	return nil, nil
}

// literal takes a field whose value, and with i == 0 whose name, stand in the block.
func (d *decoder) literal(i uint64, name, value *literal, insert bool, out sink) error {
	wanted := out.wants()
	e := &d.e
	*e = entry{}
	if i != 0 {
		at, err := d.lookup(i)
		switch {
		case err != nil:
			return err
		case at != nil:
			e.name, e.nameLen, e.nameOdd = at.name, at.nameLen, at.nameOdd
		case insert || wanted:
			e.name, e.nameOdd = unknown(i), oddUnknown
		}
	}
	if !insert && !wanted {
		return nil
	}
	ok := true
	if i == 0 {
		e.name, e.nameLen, e.nameOdd, ok = d.text(name, insert, out, &nameChars)
	}
	if ok {
		e.value, e.valueLen, e.valueOdd, ok = d.text(value, insert, out, &valueChars)
	}
	if !ok {
		return errHPACK
	}
	if insert {
		d.insert(e)
	}
	if wanted {
		out.field(e)
	}
	return nil
}

// text decodes a string literal. The string is one of the sink's, or, where it
// goes into the table, its own.
func (d *decoder) text(l *literal, insert bool, out sink, allowed *[256]bool) (s string, n int32, odd oddity, ok bool) {
	b := l.b
	if l.huffman {
		if d.tmp, ok = appendHuffman(d.tmp[:0], b); !ok {
			return "", 0, 0, false
		}
		b = d.tmp
	}
	keep := out.text
	if insert {
		keep = clone
	}
	s, odd = textOf(b, allowed, keep)
	return s, int32(len(b)), odd, true
}

func clone(b []byte) string { return string(b) }

// textOf returns b as a record shows it, and what is odd about it; keep makes a string
// of bytes that are UTF-8.
func textOf(b []byte, allowed *[256]bool, keep func([]byte) string) (s string, odd oddity) {
	var or byte
	fine := true
	for _, c := range b {
		or |= c
		fine = fine && allowed[c]
	}
	if !fine {
		odd = oddChars
	}
	if or >= 0x80 && !utf8.Valid(b) {
		return app.Escape(b), odd | oddEscaped
	}
	return keep(b), odd
}

// insert puts e into the dynamic table. Entries that the encoder's table has no
// room for any more leave ours, where its size is known. Where it is not, keeping
// them does no harm: an encoder does not refer to what it has dropped.
//
// The size of an entry with an unknown name is not known either. It is taken for
// as small as it can be, so that no entry leaves too early.
func (d *decoder) insert(e *entry) {
	n := e.size()
	if n > d.max || n > maxTable {
		d.clear()
		d.whole = n > d.max && d.sure // then the encoder's table is empty
		return
	}
	if d.first > 64 && d.first > len(d.table)/2 {
		k := copy(d.table, d.table[d.first:])
		clear(d.table[k:])
		d.table, d.first = d.table[:k], 0
	}
	d.table = append(d.table, *e)
	d.size += n
	if e.nameOdd&oddUnknown != 0 {
		d.vague++
		d.whole = false
	}
	d.fit()
}

// fit drops the oldest entries until the table has its size.
func (d *decoder) fit() {
	for d.size > d.max || d.size > maxTable {
		if d.size <= d.max {
			d.whole = false // the encoder may have it still
		}
		e := &d.table[d.first]
		d.size -= e.size()
		if e.nameOdd&oddUnknown != 0 {
			d.vague--
		}
		*e = entry{}
		d.first++
	}
	if d.sure && d.vague == 0 && d.size+entryCost > d.max {
		d.whole = true // there is no room behind these
	}
}

// resize follows the encoder's table size update (RFC 7541, section 6.3).
func (d *decoder) resize(v uint64) {
	d.max, d.sure = int(min(v, maxInt)), true
	d.fit()
}

// literal is a string literal as it stands in the block.
type literal struct {
	b       []byte
	huffman bool
}

// read reads a string literal at b[n:] (RFC 7541, section 5.2) and returns where it ends.
func (l *literal) read(b []byte, n int) (int, error) {
	if n >= len(b) {
		return 0, errMore
	}
	l.huffman = b[n]&0x80 != 0
	v, k, err := readInt(b[n:], 7)
	if err != nil {
		return 0, err
	}
	if n += k; v > uint64(len(b)-n) {
		return 0, errMore
	}
	l.b = b[n : n+int(v)]
	return n + int(v), nil
}

// readInt reads an integer with a prefix of that many bits (RFC 7541, section 5.1).
func readInt(b []byte, prefix uint) (v uint64, n int, err error) {
	mask := byte(1<<prefix - 1)
	if c := b[0] & mask; c != mask {
		return uint64(c), 1, nil
	}
	v = uint64(mask)
	for shift := uint(0); ; shift += 7 {
		if n++; n >= len(b) {
			return 0, 0, errMore
		}
		c := b[n]
		if shift >= 63 || v > maxInt {
			return 0, 0, errHPACK
		}
		v += uint64(c&0x7f) << shift
		if c&0x80 == 0 {
			if v > maxInt {
				return 0, 0, errHPACK
			}
			return v, n + 1, nil
		}
	}
}

// nameChars may stand in a field name of HTTP/2, valueChars in a value (RFC 9113,
// section 8.2.1).
var nameChars, valueChars = fieldChars()

func fieldChars() (name, value [256]bool) {
	for c := range 256 {
		name[c] = c > ' ' && c < 0x7f && (c < 'A' || c > 'Z')
		value[c] = c != 0 && c != '\r' && c != '\n'
	}
	return name, value
}
