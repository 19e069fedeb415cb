package parquet

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"unicode/utf8"

	"github.com/parquet-go/parquet-go/bloom"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"recap/export"
)

// createdBy stands in the footer. It has the form that readers parse and holds no
// version, so that a release does not change the bytes of what it writes.
const createdBy = "recap version 1.0.0 (build parquet)"

// bloomBits is filter bits per value: about one per cent of false positives.
const bloomBits = 10

// maxBound is how many bytes of a byte array a minimum or maximum keeps.
const maxBound = 64

var magic = []byte("PAR1")

// rowGroup is a row group between its first value and the file.
type rowGroup struct {
	rows   int64
	chunks []chunk
	done   sync.WaitGroup // pieces that are not finished
	arena  arena
	spare  []*dict // by column
}

// chunk is one column of a row group.
type chunk struct {
	dict  *piece
	pages []*piece
}

func newRowGroup(columns int, from *blocks) *rowGroup {
	return &rowGroup{arena: arena{from: from}, chunks: make([]chunk, columns), spare: make([]*dict, columns)}
}

func (g *rowGroup) reset() {
	for i := range g.chunks {
		c := &g.chunks[i]
		clear(c.pages)
		c.dict, c.pages = nil, c.pages[:0]
	}
	g.rows = 0
	g.arena.reset()
}

// swapDict leaves the column's dictionary with g, where it is being encoded, and
// returns the one that g had from its last use, which nobody reads any more.
func (g *rowGroup) swapDict(c *column) *dict {
	d := g.spare[c.index]
	g.spare[c.index] = c.dict
	if d == nil {
		d = newDict(c.dict.fixed)
	}
	return d
}

// file writes finished row groups and the footer.
type file struct {
	w      io.Writer
	layout *layout
	at     int64
	groups []byte // row groups as the footer will hold them: a tenth of what they take unencoded
	count  int
	failed atomic.Pointer[error]
	thrift thrift.CompactProtocol
	header bytes.Buffer
}

func newFile(w io.Writer, l *layout) *file {
	return &file{w: w, layout: l}
}

func (f *file) failure() error {
	if e := f.failed.Load(); e != nil {
		return *e
	}
	return nil
}

func (f *file) fail(err error) { f.failed.CompareAndSwap(nil, &err) }

func (f *file) write(b []byte) {
	if f.failure() != nil {
		return
	}
	n, err := f.w.Write(b)
	f.at += int64(n)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	if err != nil {
		f.fail(err)
	}
}

func (f *file) encode(v any) []byte {
	f.header.Reset()
	if err := thrift.NewEncoder(f.thrift.NewWriter(&f.header)).Encode(v); err != nil {
		f.fail(fmt.Errorf("parquet: %w", err))
	}
	return f.header.Bytes()
}

// group writes g: column after column, then the bloom filters.
func (f *file) group(g *rowGroup) {
	if f.at == 0 {
		f.write(magic)
	}
	rg := format.RowGroup{NumRows: g.rows, FileOffset: f.at, Ordinal: int16(min(f.count, 1<<15-1))}
	rg.Columns = make([]format.ColumnChunk, len(g.chunks))
	for i := range g.chunks {
		m := &rg.Columns[i].MetaData
		f.chunk(f.layout.columns[i], &g.chunks[i], m)
		rg.TotalByteSize += m.TotalUncompressedSize
		rg.TotalCompressedSize += m.TotalCompressedSize
	}
	for i := range g.chunks {
		if f.layout.columns[i].field.Use&export.Bloom != 0 {
			f.bloom(&g.chunks[i], &rg.Columns[i].MetaData)
		}
	}
	f.groups = append(f.groups, f.encode(&rg)...)
	f.count++
}

func (f *file) chunk(c *column, k *chunk, m *format.ColumnMetaData) {
	*m = format.ColumnMetaData{Type: c.kind, PathInSchema: c.path, Codec: format.Zstd}
	var bound limits
	nulls := int64(0)
	m.Encoding = thrift.Slice[format.Encoding]{format.RLE} // levels
	put := func(p *piece, kind format.PageType) {
		if p.err != nil {
			f.fail(p.err)
			return
		}
		f.write(p.bytes)
		m.TotalCompressedSize += int64(len(p.bytes))
		m.TotalUncompressedSize += int64(p.raw)
		m.NumValues += int64(p.values)
		nulls += int64(p.nulls)
		bound.merge(&p.limits, c.kind)
		if !slices.Contains(m.Encoding, p.encoding) {
			m.Encoding = append(m.Encoding, p.encoding)
		}
		for i := range m.EncodingStats {
			if s := &m.EncodingStats[i]; s.PageType == kind && s.Encoding == p.encoding {
				s.Count++
				return
			}
		}
		m.EncodingStats = append(m.EncodingStats, format.PageEncodingStats{PageType: kind, Encoding: p.encoding, Count: 1})
	}
	if k.dict != nil {
		m.DictionaryPageOffset = f.at
		put(k.dict, format.DictionaryPage)
	}
	m.DataPageOffset = f.at
	for _, p := range k.pages {
		put(p, format.DataPageV2)
	}
	m.Statistics.NullCount = nulls
	if c.field.Use&export.Stats != 0 && bound.any {
		m.Statistics.MinValue, m.Statistics.MaxValue = bound.bytes(c.kind)
	}
}

// bytes returns the limits as a footer holds them. A long string is cut: the
// minimum to a prefix, the maximum to a prefix with its last character raised;
// where that cannot be done there are no limits.
func (l *limits) bytes(kind format.Type) (lo, hi []byte) {
	switch kind {
	case format.Int32:
		return binary.LittleEndian.AppendUint32(nil, uint32(l.lo)), binary.LittleEndian.AppendUint32(nil, uint32(l.hi))
	case format.Int64:
		return binary.LittleEndian.AppendUint64(nil, uint64(l.lo)), binary.LittleEndian.AppendUint64(nil, uint64(l.hi))
	case format.Boolean:
		return []byte{byte(l.lo)}, []byte{byte(l.hi)}
	}
	hi, ok := raise(l.great)
	if !ok {
		return nil, nil
	}
	return prefix(l.least), hi
}

// prefix cuts b to maxBound bytes at the end of a character.
func prefix(b []byte) []byte {
	if len(b) <= maxBound {
		return b
	}
	n := maxBound
	for n > 0 && !utf8.RuneStart(b[n]) {
		n--
	}
	return b[:n]
}

func raise(b []byte) ([]byte, bool) {
	p := prefix(b)
	if len(p) == len(b) {
		return b, true
	}
	for i := len(p) - 1; i >= 0; i-- {
		if p[i] < utf8.RuneSelf-1 {
			p = bytes.Clone(p[:i+1])
			p[i]++
			return p, true
		}
	}
	return nil, false
}

func (f *file) bloom(k *chunk, m *format.ColumnMetaData) {
	n := 0
	if k.dict != nil {
		n = len(k.dict.hashes)
	}
	for _, p := range k.pages {
		n += len(p.hashes)
	}
	if n == 0 {
		return
	}
	filter := make(bloom.SplitBlockFilter, bloom.NumSplitBlocksOf(int64(n), bloomBits))
	if k.dict != nil {
		filter.InsertBulk(k.dict.hashes)
	}
	for _, p := range k.pages {
		filter.InsertBulk(p.hashes)
	}
	h := format.BloomFilterHeader{NumBytes: int32(len(filter.Bytes()))}
	h.Algorithm.Value = &format.SplitBlockAlgorithm{}
	h.Hash.Value = &format.XxHash{}
	h.Compression.Value = &format.BloomFilterUncompressed{}
	m.BloomFilterOffset = f.at
	f.write(f.encode(&h))
	f.write(filter.Bytes())
	m.BloomFilterLength = int32(f.at - m.BloomFilterOffset)
}

// finish writes the footer.
func (f *file) finish(rows int64) error {
	if f.at == 0 {
		f.write(magic)
	}
	footer := f.footer(rows)
	footer = binary.LittleEndian.AppendUint32(footer, uint32(len(footer)))
	f.write(append(footer, magic...))
	return f.failure()
}

// footerHead is the first fields of format.FileMetaData.
type footerHead struct {
	Version int32                              `thrift:"1,required"`
	Schema  thrift.Slice[format.SchemaElement] `thrift:"2,required"`
	NumRows int64                              `thrift:"3,required"`
}

// Bytes of the compact protocol: a field's header is the distance to the number of
// the field before it and its type, a list's header is its length and type.
const (
	fieldList   = 1<<4 | 9 // the next field, a list
	fieldString = 2<<4 | 8 // the field after the next, a string
	listStruct  = 12
	structEnd   = 0
)

// footer returns the FileMetaData. Its end is put together by hand because the row
// groups are encoded already.
func (f *file) footer(rows int64) []byte {
	b := bytes.Clone(f.encode(&footerHead{Version: 2, Schema: f.layout.elements, NumRows: rows}))
	b = append(b[:len(b)-1], fieldList) // 4: row_groups
	b = append(appendListOf(b, f.count), f.groups...)
	b = append(b, fieldString) // 6: created_by
	b = binary.AppendUvarint(b, uint64(len(createdBy)))
	b = append(b, createdBy...)
	b = append(b, fieldList) // 7: column_orders
	b = appendListOf(b, len(f.layout.columns))
	for range f.layout.columns {
		b = append(b, f.encode(&format.ColumnOrder{Value: &format.TypeDefinedOrder{}})...)
	}
	return append(b, structEnd)
}

// appendListOf appends the header of a list of n structs.
func appendListOf(b []byte, n int) []byte {
	if n < 15 {
		return append(b, byte(n<<4|listStruct))
	}
	return binary.AppendUvarint(append(b, 0xf0|listStruct), uint64(n))
}
