package parquet

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"math"
	"math/bits"
	"sync"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/bloom"
	"github.com/parquet-go/parquet-go/encoding/delta"
	"github.com/parquet-go/parquet-go/encoding/rle"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"recap/export"
)

// piece is a finished page: everything that stands in the file for it.
type piece struct {
	bytes    []byte // header, levels, values; in the row group's arena
	raw      int    // the same before compression
	values   int
	nulls    int
	encoding format.Encoding
	limits   limits
	hashes   []uint64 // of the values, for a bloom filter
	err      error
}

// limits are the smallest and largest value of a page or dictionary.
type limits struct {
	any          bool
	lo, hi       int64
	least, great []byte // of byte arrays; copies
}

func (l *limits) ints(vs []int64) {
	for _, v := range vs {
		if !l.any {
			l.lo, l.hi, l.any = v, v, true
		}
		l.lo, l.hi = min(l.lo, v), max(l.hi, v)
	}
}

func (l *limits) merge(m *limits, kind format.Type) {
	switch {
	case !m.any:
	case kind == format.ByteArray:
		l.span(m.least)
		l.span(m.great)
	default:
		l.ints([]int64{m.lo, m.hi})
	}
}

// span takes v, which it keeps a reference to.
func (l *limits) span(v []byte) {
	if !l.any {
		l.least, l.great, l.any = v, v, true
		return
	}
	if bytes.Compare(v, l.least) < 0 {
		l.least = v
	}
	if bytes.Compare(v, l.great) > 0 {
		l.great = v
	}
}

// own makes copies of what span kept.
func (l *limits) own() { l.least, l.great = bytes.Clone(l.least), bytes.Clone(l.great) }

// job is one thing for an encoder to do: a page, or a dictionary where page is nil.
type job struct {
	group *rowGroup
	out   *piece
	page  *page
	col   *column
	dict  *dict
}

// encoder turns jobs into pieces. Each belongs to one goroutine; what a job comes
// to does not depend on what the encoder did before.
type encoder struct {
	zstd   *zstd.Encoder
	delta  delta.BinaryPackedEncoding
	places rle.DictionaryEncoding
	rep    []byte
	def    []byte
	values []byte
	packed []byte
	int32s []int32
	header []byte
}

func newEncoder() *encoder {
	z, err := zstd.NewWriter(nil,
		zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithEncoderConcurrency(1),
		zstd.WithEncoderCRC(false), // pages have a checksum of their own
		zstd.WithWindowSize(bulkyBytes),
		zstd.WithLowerEncoderMem(false),
	)
	if err != nil {
		panic(err) // the options are constant
	}
	return &encoder{zstd: z}
}

func (e *encoder) run(j job) {
	if j.page != nil {
		e.data(j)
		j.page.reset()
		j.col.recycle(j.page)
	} else {
		e.dict(j)
	}
	j.group.done.Done()
}

func (e *encoder) data(j job) {
	p, out := j.page, j.out
	e.levels(p)
	values, enc, err := e.encode(p)
	if err != nil {
		out.err = err
		return
	}
	e.survey(p, out)
	packed, small := e.compress(values, enc)
	h := format.PageHeader{Type: format.DataPageV2}
	h.UncompressedPageSize = int32(len(e.rep) + len(e.def) + len(values))
	h.DataPageHeaderV2 = thrift.New(format.DataPageHeaderV2{
		NumValues: int32(p.values), NumNulls: int32(p.nulls), NumRows: int32(p.rows),
		Encoding:                   enc,
		DefinitionLevelsByteLength: int32(len(e.def)),
		RepetitionLevelsByteLength: int32(len(e.rep)),
		IsCompressed:               thrift.New(small),
	})
	out.values, out.nulls, out.encoding = p.values, p.nulls, enc
	e.finish(j.group, out, &h, e.rep, e.def, packed)
}

// levels encodes the repetition and definition levels of p into e.rep and e.def.
func (e *encoder) levels(p *page) {
	encode := func(dst, src []byte, highest uint8) []byte {
		if highest == 0 {
			return dst[:0]
		}
		r := rle.Encoding{BitWidth: bits.Len8(highest)}
		dst, _ = r.EncodeLevels(dst[:0], src) // errors only on widths above 8
		return dst
	}
	e.rep = encode(e.rep, p.rep, p.col.maxRep)
	e.def = encode(e.def, p.def, p.col.maxDef)
}

// encode returns the values of p in the encoding that suits them. The result may
// be p's memory or the encoder's.
func (e *encoder) encode(p *page) ([]byte, format.Encoding, error) {
	var err error
	switch {
	case p.values == p.nulls:
		return nil, format.Plain, nil // no values: there may be no dictionary to refer to
	case p.inDict:
		e.values, err = e.places.EncodeInt32(e.values, p.places)
		return e.values, format.RLEDictionary, err
	case p.col.kind == format.ByteArray:
		return p.data, format.Plain, nil
	case p.col.kind == format.Boolean:
		e.values = packBits(e.values[:0], p.ints)
		return e.values, format.Plain, nil
	case p.col.kind == format.Int32:
		e.int32s = e.int32s[:0]
		for _, v := range p.ints {
			e.int32s = append(e.int32s, int32(v))
		}
		e.values, err = e.delta.EncodeInt32(e.values, e.int32s)
		return e.values, format.DeltaBinaryPacked, err
	}
	e.values, err = e.delta.EncodeInt64(e.values, p.ints)
	return e.values, format.DeltaBinaryPacked, err
}

// packBits appends booleans one to a bit, the first in the lowest.
func packBits(dst []byte, vs []int64) []byte {
	for i, v := range vs {
		if i&7 == 0 {
			dst = append(dst, 0)
		}
		dst[len(dst)-1] |= byte(v&1) << (i & 7)
	}
	return dst
}

// survey finds the limits and hashes of a page outside the dictionary; a
// dictionary's are found once, over its entries.
func (e *encoder) survey(p *page, out *piece) {
	stats, filter := p.col.field.Use&export.Stats != 0, p.col.field.Use&export.Bloom != 0
	if p.inDict || !stats && !filter {
		return
	}
	if p.col.kind != format.ByteArray {
		out.limits.ints(p.ints)
		if filter {
			out.hashes = hashInts(p.col.kind, p.ints)
		}
		return
	}
	for b := p.data; len(b) > 0; {
		n := 4 + int(binary.LittleEndian.Uint32(b))
		if stats {
			out.limits.span(b[4:n])
		}
		if filter {
			out.hashes = append(out.hashes, bloom.XXH64{}.Sum64(b[4:n]))
		}
		b = b[n:]
	}
	out.limits.own()
}

func hashInts(kind format.Type, vs []int64) []uint64 {
	out := make([]uint64, 0, len(vs))
	for _, v := range vs {
		if kind == format.Int32 {
			out = append(out, bloom.XXH64{}.Sum64Uint32(uint32(v)))
		} else {
			out = append(out, bloom.XXH64{}.Sum64Uint64(uint64(v)))
		}
	}
	return out
}

func (e *encoder) dict(j job) {
	d, out := j.dict, j.out
	stats, filter := j.col.field.Use&export.Stats != 0, j.col.field.Use&export.Bloom != 0
	for i := range d.ends {
		v := d.entry(int32(i))
		switch {
		case !stats:
		case d.fixed && len(v) == 4:
			out.limits.ints([]int64{int64(int32(binary.LittleEndian.Uint32(v)))})
		case d.fixed:
			out.limits.ints([]int64{int64(binary.LittleEndian.Uint64(v))})
		default:
			out.limits.span(v)
		}
		if filter {
			out.hashes = append(out.hashes, bloom.XXH64{}.Sum64(v))
		}
	}
	out.limits.own()
	// The codec of a dictionary page cannot be switched off for one page.
	e.packed = e.zstd.EncodeAll(d.data, e.packed[:0])
	h := format.PageHeader{Type: format.DictionaryPage, UncompressedPageSize: int32(len(d.data))}
	h.DictionaryPageHeader = thrift.New(format.DictionaryPageHeader{
		NumValues: int32(len(d.ends)), Encoding: format.Plain,
	})
	out.encoding = format.Plain
	e.finish(j.group, out, &h, nil, nil, e.packed)
}

// deltaWorth is how many bytes of packed differences are worth compressing. In 200
// captures of 5 MB smaller ones, together with integers that were not packed, were 10,000
// of 23,600 calls to compress; leaving them as they are adds one per cent of size.
const deltaWorth = 4 << 10

// compress returns values compressed, or as they are where that saves too little
// to be worth undoing.
func (e *encoder) compress(values []byte, enc format.Encoding) (packed []byte, small bool) {
	if len(values) < 32 || enc == format.DeltaBinaryPacked && len(values) < deltaWorth {
		return values, false
	}
	e.packed = e.zstd.EncodeAll(values, e.packed[:0])
	if len(e.packed) >= len(values)-len(values)>>5 {
		return values, false
	}
	return e.packed, true
}

// finish completes the header and puts the page together in the arena of g.
func (e *encoder) finish(g *rowGroup, out *piece, h *format.PageHeader, rep, def, values []byte) {
	size := len(rep) + len(def) + len(values)
	h.CompressedPageSize = int32(size)
	crc := crc32.Update(0, crc32.IEEETable, rep)
	crc = crc32.Update(crc, crc32.IEEETable, def)
	h.CRC = int32(crc32.Update(crc, crc32.IEEETable, values))
	if size > math.MaxInt32 || h.UncompressedPageSize < 0 {
		out.err = errTooLarge
		return
	}
	e.header = appendPageHeader(e.header[:0], h)
	b := g.arena.take(len(e.header) + size)
	b = append(b, e.header...)
	b = append(append(append(b, rep...), def...), values...)
	out.bytes = b
	out.raw = len(e.header) + int(h.UncompressedPageSize)
}

// blocks is memory that arenas take from and give back to.
type blocks struct {
	mu   sync.Mutex
	free [][]byte
}

func (p *blocks) get() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.free); n > 0 {
		b := p.free[n-1]
		p.free = p.free[:n-1]
		return b
	}
	return make([]byte, arenaBlock)
}

func (p *blocks) put(bs [][]byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free = append(p.free, bs...)
}

// arena hands out memory for the pieces of a row group, to be given back all at once.
type arena struct {
	from *blocks
	mu   sync.Mutex
	used [][]byte
	rest []byte // of the last one
}

// A piece larger than arenaLarge bytes, of one huge value, gets memory of its own.
const (
	arenaBlock = 8 << 20
	arenaLarge = bulkyBytes + bulkyBytes>>3
)

// take returns an empty slice of capacity n.
func (a *arena) take(n int) []byte {
	if n > arenaLarge {
		return make([]byte, 0, n)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if n > len(a.rest) {
		a.rest = a.from.get()
		a.used = append(a.used, a.rest)
	}
	b := a.rest[:0:n]
	a.rest = a.rest[n:]
	return b
}

func (a *arena) reset() {
	a.from.put(a.used)
	clear(a.used)
	a.used, a.rest = a.used[:0], nil
}
