// Package parquet writes pairs, connections and messages as Parquet files.
//
// The format's structures, encodings and filters are parquet-go's; putting values
// into pages is done here, because rows of two kilobytes and a hundred columns
// arrive faster than a value at a time can be boxed: values go from the record
// straight into the page they will be written with, full pages are encoded and
// compressed by several goroutines, and row groups are written in order. What is
// written depends on the rows and the options alone.
//
// Encodings: dictionary for what repeats, DELTA_BINARY_PACKED for other integers,
// PLAIN for the rest; zstd; data pages version 2, so that a page that
// does not get smaller is stored as it is; page checksums. Minima and maxima and
// bloom filters are those that export.PairSchema asks for.
package parquet

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"

	"recap/export"
	"recap/pipeline/exchange"
)

// DefaultRowGroup bounds a row group in bytes before compression.
const DefaultRowGroup = 32 << 20

// maxRowGroup keeps a column chunk of one row group within what readers allocate at once.
const maxRowGroup = 1 << 30

// growEvery is after how many row groups their size doubles: with the default,
// after every 32 GiB, then 64 GiB, …
const growEvery = 1024

var errTooLarge = errors.New("parquet: a page does not fit 2 GiB")

// A Sink writes one Parquet file.
type Sink struct {
	machinery *machinery
	reuse     *export.Reuse

	layout *layout
	kind   kind
	limit  int64 // bytes of a row group
	most   int64 // that limit grows to
	cur    export.Cursor
	text   []byte
	rows   int64
	raw    int64 // of the current row group
	group  *rowGroup
	// finished counts row groups; after every of them they grow.
	finished, every int

	jobs    chan job
	groups  chan *rowGroup // to the writing goroutine
	idle    chan *rowGroup
	encoded sync.WaitGroup
	written sync.WaitGroup
	file    *file
	err     error
}

// kind is what a Sink takes from a batch.
type kind uint8

const (
	pairs kind = iota
	flows
	messages
)

// NewPairs returns a sink that writes pairs to w.
func NewPairs(w io.Writer, o export.Options) *Sink { return newSink(w, export.PairSchema, pairs, o) }

// NewFlows returns a sink that writes flows to w.
func NewFlows(w io.Writer, o export.Options) *Sink { return newSink(w, export.FlowSchema, flows, o) }

// NewMessages returns a sink that writes messages of streaming exchanges to w.
func NewMessages(w io.Writer, o export.Options) *Sink {
	return newSink(w, export.MessageSchema, messages, o)
}

// groupsAlive is how many row groups there are: one being filled while another is written.
const groupsAlive = 2

func newSink(w io.Writer, fields func() []export.Field, k kind, o export.Options) *Sink {
	workers := o.Workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	s := &Sink{machinery: newMachinery(k, workers, fields, o.Reuse), reuse: o.Reuse, kind: k, limit: o.RowGroupBytes}
	if s.limit <= 0 {
		s.limit = DefaultRowGroup
	}
	if s.most = o.MaxRowGroupBytes; s.most <= 0 || s.most > maxRowGroup {
		s.most = maxRowGroup
	}
	s.limit, s.every = min(s.limit, s.most), growEvery
	s.layout = s.machinery.layout
	for _, c := range s.layout.columns {
		c.raw = &s.raw
	}
	s.file = newFile(w, s.layout)
	s.jobs = make(chan job, workers)
	s.groups, s.idle = make(chan *rowGroup, 1), make(chan *rowGroup, groupsAlive)
	for _, g := range s.machinery.groups {
		s.idle <- g
	}
	for _, e := range s.machinery.encoders {
		s.encoded.Go(func() {
			for j := range s.jobs {
				e.run(j)
			}
		})
	}
	s.written.Go(func() {
		for g := range s.groups {
			g.done.Wait()
			s.file.group(g)
			g.reset()
			s.idle <- g
		}
	})
	s.begin()
	return s
}

// Rows returns the number of rows taken.
func (s *Sink) Rows() int64 { return s.rows }

func (s *Sink) begin() {
	s.group = <-s.idle
	s.raw = 0
	for _, c := range s.layout.columns {
		c.plain = false
		if c.dict != nil {
			c.dict.reset()
		}
		c.open()
	}
}

// Write implements [export.Sink].
func (s *Sink) Write(b *exchange.Batch) error {
	switch s.kind {
	case flows:
		for _, f := range b.Flows {
			s.cur.Flow(f)
			s.row()
		}
	case messages:
		for _, m := range b.Messages {
			if err := fits(m.PairID, len(m.Payload)); err != nil {
				return err
			}
			s.cur.Message(m)
			s.row()
		}
	default:
		for _, p := range b.Pairs {
			q, r := &p.Request, &p.Response
			if err := fits(p.ID, max(len(q.Body), len(r.Body), len(q.Head), len(r.Head))); err != nil {
				return err
			}
			s.cur.Pair(p)
			s.row()
		}
	}
	s.cur.Release()
	if s.err == nil {
		s.err = s.file.failure()
	}
	return s.err
}

func fits(id exchange.ID, n int) error {
	if n > maxValue {
		return fmt.Errorf("parquet: pair %v: %d bytes do not fit a page, which holds %d", id, n, maxValue)
	}
	return nil
}

func (s *Sink) row() {
	if s.err != nil {
		return
	}
	s.fields(s.layout.nodes, 0)
	s.rows++
	s.group.rows++
	all := s.group.rows&15 == 0
	for _, c := range s.layout.columns {
		if all || c.field.Use&export.Bulky != 0 {
			if c.full() || c.page.inDict && c.dict.trial() {
				s.close(c)
				c.open()
			}
		}
	}
	if s.raw >= s.limit {
		s.finish()
		s.begin()
	}
}

// close hands the column's page to the encoders.
func (s *Sink) close(c *column) {
	if c.page.values == 0 {
		c.recycle(c.page)
		return
	}
	out := &piece{}
	chunk := &s.group.chunks[c.index]
	chunk.pages = append(chunk.pages, out)
	s.group.done.Add(1)
	s.jobs <- job{group: s.group, out: out, page: c.page, col: c}
	c.page = nil
}

// recycle keeps p for later. Its large memory, unless a huge value made it, is for the
// next page of any column that needs it.
func (c *column) recycle(p *page) {
	if cap(p.data) >= c.limit {
		if cap(p.data) <= 2*c.limit {
			select {
			case c.large <- p.data[:0]:
			default:
			}
		}
		p.data, p.small = p.small[:0], nil
	}
	select {
	case c.free <- p:
	default:
	}
}

// finish closes the row group: all pages and dictionaries are on their way when it
// returns, and the writing goroutine has the group.
func (s *Sink) finish() {
	g := s.group
	for _, c := range s.layout.columns {
		s.close(c)
		if c.dict == nil || len(c.dict.ends) == 0 {
			continue
		}
		// Encoders read the dictionary while the next row group fills another.
		out := &piece{}
		g.chunks[c.index].dict = out
		g.done.Add(1)
		s.jobs <- job{group: g, out: out, col: c, dict: c.dict}
		c.dict = g.swapDict(c)
	}
	s.groups <- g
	s.group = nil
	// A footer holds fifteen kilobytes for each row group: a long file gets larger groups.
	if s.finished++; s.finished%s.every == 0 {
		s.limit = min(2*s.limit, s.most)
	}
}

// Close implements [export.Sink].
func (s *Sink) Close() error {
	if s.group.rows > 0 && s.err == nil {
		s.finish()
	}
	close(s.jobs)
	s.encoded.Wait()
	close(s.groups)
	s.written.Wait()
	if s.err == nil {
		s.err = s.file.failure()
	}
	if s.err == nil {
		s.err = s.file.finish(s.rows)
	}
	if s.err == nil {
		s.leave()
	}
	return s.err
}

func (s *Sink) fields(nodes []node, rep uint8) {
	for i := range nodes {
		s.value(&nodes[i], rep)
	}
}

func (s *Sink) nulls(n *node, rep, def uint8) {
	for _, c := range s.layout.columns[n.lo:n.hi] {
		c.null(rep, def)
	}
}

func (s *Sink) value(n *node, rep uint8) {
	switch n.Type {
	case export.Struct:
		if n.Enter != nil && !n.Enter(&s.cur) {
			s.nulls(n, rep, n.def-1)
			return
		}
		s.fields(n.children, rep)
	case export.List:
		s.list(n, rep)
	case export.String:
		s.string(n, rep)
	case export.Bytes:
		c := s.layout.columns[n.lo]
		if v, ok := n.Raw(&s.cur); ok {
			c.put(rep, export.Peek(v))
		} else {
			c.null(rep, n.def-1)
		}
	default:
		c := s.layout.columns[n.lo]
		v, ok := n.Int(&s.cur)
		if !ok {
			c.null(rep, n.def-1)
			return
		}
		if n.Type == export.Time {
			v = export.Micros(v)
		}
		c.int(rep, v)
	}
}

func (s *Sink) string(n *node, rep uint8) {
	c := s.layout.columns[n.lo]
	var v string
	var ok bool
	if n.Str != nil {
		v, ok = n.Str(&s.cur)
	} else {
		s.text, ok = n.Text(&s.cur, s.text[:0])
		v = export.Peek(s.text)
	}
	if !ok {
		c.null(rep, n.def-1)
		return
	}
	s.utf8(c, rep, v)
}

func (s *Sink) utf8(c *column, rep uint8, v string) {
	if !valid(v) {
		s.text = escape(s.text[:0], v)
		v = export.Peek(s.text)
	}
	c.put(rep, v)
}

func (s *Sink) list(n *node, rep uint8) {
	switch {
	case n.Headers != nil:
		hs := n.Headers(&s.cur)
		if len(hs) == 0 {
			break
		}
		name, value := s.layout.columns[n.lo], s.layout.columns[n.lo+1]
		for i := range hs {
			s.utf8(name, rep, hs[i].Name)
			s.utf8(value, rep, hs[i].Value)
			rep = n.rep
		}
		return
	case n.Ints != nil:
		vs := n.Ints(&s.cur)
		if len(vs) == 0 {
			break
		}
		c := s.layout.columns[n.lo]
		for _, v := range vs {
			c.int(rep, v)
			rep = n.rep
		}
		return
	default:
		k := n.Len(&s.cur)
		if k == 0 {
			break
		}
		for i := range k {
			n.At(&s.cur, i)
			s.value(&n.children[0], rep)
			rep = n.rep
		}
		return
	}
	s.nulls(n, rep, n.def-1)
}
