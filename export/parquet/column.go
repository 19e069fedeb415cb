package parquet

import (
	"encoding/binary"
	"hash/maphash"
	"unicode/utf8"

	"github.com/parquet-go/parquet-go/format"

	"recap/export"
)

const (
	// pageBytes is when a page is full, before compression; bulkyBytes where its
	// column holds bodies or heads. Larger ones compress better, and thereby faster,
	// since traffic repeats itself within some megabytes rather than kilobytes: 20,000
	// pairs of sinktest.Realistic, 160 MB, come to 24 MB with pages of 256 KiB, 20 MB
	// with 512 KiB, 15 MB with 1 MiB, 11 MB with 2 MiB.
	pageBytes  = 1 << 20
	bulkyBytes = 2 << 20
	// pageValues bounds a page of tiny values.
	pageValues = 64 << 10
	// dictBytes bounds one column's dictionary in a row group. Values that come
	// after are written plain.
	dictBytes = 2 << 20
	// dictTrial is after how many values a dictionary has to be worth it.
	dictTrial = 2048
	// maxValue is the largest value that a page, whose sizes are int32, can hold
	// together with what goes around it.
	maxValue = 1<<31 - 1<<20
)

// column gathers the values of one leaf. It belongs to the goroutine that fills it.
type column struct {
	field          *export.Field
	path           []string
	kind           format.Type
	index          int
	maxDef, maxRep uint8

	page  *page
	dict  *dict // nil where the field does not use one
	plain bool  // the dictionary was given up for this row group
	limit int   // bytes of a full page
	free  chan *page
	large chan []byte // memory for full pages
	raw   *int64      // bytes of the row group before encoding, all columns together
}

// page is one data page before encoding: levels, and one of plain byte arrays,
// integers or places in the dictionary.
type page struct {
	col      *column
	rep, def []byte
	data     []byte  // PLAIN byte arrays: length as 4 bytes little-endian, then the bytes
	small    []byte  // what data was before it became large
	ints     []int64 // Int32, Int64, Boolean
	places   []int32
	inDict   bool
	values   int // levels, nulls included
	nulls    int
	rows     int
}

func (p *page) size() int { return len(p.data) + 8*len(p.ints) + 4*len(p.places) }

func (p *page) reset() {
	p.rep, p.def, p.data, p.ints, p.places = p.rep[:0], p.def[:0], p.data[:0], p.ints[:0], p.places[:0]
	p.values, p.nulls, p.rows = 0, 0, 0
}

// level notes the levels of one value or null.
func (c *column) level(rep, def uint8) {
	p := c.page
	p.values++
	if c.maxDef > 0 {
		p.def = append(p.def, def)
	}
	if c.maxRep > 0 {
		p.rep = append(p.rep, rep)
	}
	if rep == 0 {
		p.rows++
	}
}

func (c *column) null(rep, def uint8) {
	c.level(rep, def)
	c.page.nulls++
}

func (c *column) int(rep uint8, v int64) {
	c.level(rep, c.maxDef)
	*c.raw += 8
	if !c.page.inDict {
		c.page.ints = append(c.page.ints, v)
		return
	}
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], uint64(v))
	n := 8
	if c.kind == format.Int32 {
		n = 4
	}
	c.page.places = append(c.page.places, c.dict.place(export.Peek(b[:n])))
}

// put appends a string, or bytes as a string.
func (c *column) put(rep uint8, v string) {
	c.level(rep, c.maxDef)
	*c.raw += int64(len(v)) + 4
	p := c.page
	if p.inDict {
		p.places = append(p.places, c.dict.place(v))
		return
	}
	if len(p.data) > c.limit/4 && cap(p.data) < c.limit {
		// It will be full: all at once, rather than by doubling.
		small := p.data
		select {
		case p.data = <-c.large:
		default:
			p.data = make([]byte, 0, c.limit+c.limit/8)
		}
		p.data, p.small = append(p.data, small...), small
	}
	p.data = binary.LittleEndian.AppendUint32(p.data, uint32(len(v)))
	p.data = append(p.data, v...)
}

// valid reports whether s may stand in a STRING column.
func valid(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return utf8.ValidString(s[i:])
		}
	}
	return true
}

// escape writes bytes that are not UTF-8 as \xNN. The pipeline has done so
// already; this keeps a file readable if it has not.
func escape(dst []byte, s string) []byte {
	const digits = "0123456789abcdef"
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		if r == utf8.RuneError && n == 1 {
			dst = append(dst, '\\', 'x', digits[s[0]>>4], digits[s[0]&15])
		} else {
			dst = append(dst, s[:n]...)
		}
		s = s[n:]
	}
	return dst
}

// full reports whether the page should be closed at the end of this row.
func (c *column) full() bool { return c.page.size() >= c.limit || c.page.values >= pageValues }

// open gives the column an empty page. A dictionary that is too large, or whose
// entries hardly repeat, is not used for further pages of this row group.
func (c *column) open() {
	select {
	case c.page = <-c.free:
	default:
		c.page = &page{}
	}
	c.page.col = c
	if c.dict != nil && !c.plain {
		c.plain = c.dict.hopeless()
	}
	c.page.inDict = c.dict != nil && !c.plain
}

// dict holds the different values of a column in a row group, in the order in
// which they came: the hash decides nothing that is written.
type dict struct {
	seed  maphash.Seed
	fixed bool     // entries have no length in front: integers
	table []uint32 // place + 1, by hash; a power of two long
	ends  []uint32 // end of each entry in data
	data  []byte   // PLAIN
	seen  int      // values that were looked up
	last  int32    // place of the value before
}

func newDict(fixed bool) *dict {
	return &dict{seed: maphash.MakeSeed(), fixed: fixed, table: make([]uint32, 256)}
}

func (d *dict) reset() {
	clear(d.table)
	d.ends, d.data, d.seen, d.last = d.ends[:0], d.data[:0], 0, 0
}

func (d *dict) hopeless() bool {
	n := len(d.ends)
	return len(d.data) > dictBytes || d.seen >= dictTrial && n > d.seen/4*3
}

// trial reports whether it is time to look whether the dictionary is worth it.
func (d *dict) trial() bool { return d.seen&(dictTrial-1) == 0 && d.hopeless() }

func (d *dict) entry(i int32) []byte {
	start := uint32(0)
	if i > 0 {
		start = d.ends[i-1]
	}
	if !d.fixed {
		start += 4
	}
	return d.data[start:d.ends[i]]
}

// place returns where v stands in d, putting it there if it does not.
func (d *dict) place(v string) int32 {
	d.seen++
	if len(d.ends) > 0 && string(d.entry(d.last)) == v {
		return d.last
	}
	mask := uint64(len(d.table) - 1)
	h := maphash.String(d.seed, v)
	for ; ; h++ {
		t := d.table[h&mask]
		if t == 0 {
			break
		}
		if i := int32(t - 1); string(d.entry(i)) == v {
			d.last = i
			return i
		}
	}
	if !d.fixed {
		d.data = binary.LittleEndian.AppendUint32(d.data, uint32(len(v)))
	}
	d.data = append(d.data, v...)
	d.ends = append(d.ends, uint32(len(d.data)))
	d.table[h&mask] = uint32(len(d.ends))
	d.last = int32(len(d.ends) - 1)
	if len(d.ends) > len(d.table)/2 {
		d.grow()
	}
	return d.last
}

func (d *dict) grow() {
	d.table = make([]uint32, 4*len(d.table))
	mask := uint64(len(d.table) - 1)
	for i := range d.ends {
		h := maphash.Bytes(d.seed, d.entry(int32(i)))
		for d.table[h&mask] != 0 {
			h++
		}
		d.table[h&mask] = uint32(i + 1)
	}
}
