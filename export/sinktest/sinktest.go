// Package sinktest holds what every sink must keep to, and pairs to try it with.
package sinktest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"recap/export"
	"recap/pipeline/exchange"
)

// A Case is a sink under test.
type Case struct {
	New func(w io.Writer, o export.Options) export.Sink
	// Check reads a file back and returns the number of its rows.
	Check func(t *testing.T, file []byte) int
	// What it writes of a batch, if not pairs.
	Flows, Messages bool
}

// Run checks that c writes the same bytes however its rows are cut into batches
// and however many workers there are, keeps no reference to what it was given,
// writes a valid file of no rows, and reports a failing writer.
func Run(t *testing.T, c Case) {
	want := c.write(t, export.Options{}, 1<<30, false)
	if got := c.Check(t, want); got != c.rows() {
		t.Fatalf("the file has %d rows, want %d", got, c.rows())
	}
	for _, batch := range []int{1, 3, 7} {
		t.Run(fmt.Sprintf("the same bytes from batches of %d", batch), func(t *testing.T) {
			c.same(t, want, c.write(t, export.Options{}, batch, false))
		})
	}
	for _, workers := range []int{1, 2, 5} {
		t.Run(fmt.Sprintf("the same bytes from %d workers", workers), func(t *testing.T) {
			c.same(t, want, c.write(t, export.Options{Workers: workers}, 2, false))
		})
	}
	t.Run("the same bytes when flushed after every batch", func(t *testing.T) {
		c.same(t, want, c.write(t, export.Options{Flush: true}, 2, false))
	})
	t.Run("the same bytes with what other files left", func(t *testing.T) {
		o := export.Options{Reuse: new(export.Reuse)}
		c.write(t, export.Options{Reuse: o.Reuse, RowGroupBytes: 1}, 3, false)
		for range 3 {
			c.same(t, want, c.write(t, o, 2, false))
		}
	})
	t.Run("nothing is kept of a batch", func(t *testing.T) {
		c.same(t, want, c.write(t, export.Options{}, 2, true))
	})
	t.Run("small row groups hold the same rows", func(t *testing.T) {
		file := c.write(t, export.Options{RowGroupBytes: 1}, 3, false)
		if got := c.Check(t, file); got != c.rows() {
			t.Errorf("the file has %d rows, want %d", got, c.rows())
		}
	})
	t.Run("no rows make a valid file", func(t *testing.T) {
		var buf bytes.Buffer
		s := c.New(&buf, export.Options{})
		if err := errors.Join(s.Write(&exchange.Batch{}), s.Close()); err != nil {
			t.Fatal(err)
		}
		if got := c.Check(t, buf.Bytes()); got != 0 {
			t.Errorf("the file has %d rows, want 0", got)
		}
	})
	t.Run("a failing writer is reported with path and bytes", func(t *testing.T) {
		for _, room := range []int{0, 1, 100, len(want) / 2, len(want) - 1} {
			c.fails(t, room)
		}
	})
}

func (c *Case) rows() int {
	switch {
	case c.Flows:
		return len(TrickyFlows())
	case c.Messages:
		return len(TrickyMessages())
	}
	return len(Tricky())
}

func (c *Case) same(t *testing.T, want, got []byte) {
	t.Helper()
	if !bytes.Equal(want, got) {
		t.Errorf("the file of %d bytes differs from the first one, of %d bytes", len(got), len(want))
	}
}

// write writes the tricky rows in batches. With poison the memory of a batch is
// overwritten as soon as Write returns, as the pipeline does.
func (c *Case) write(t *testing.T, o export.Options, batch int, poison bool) []byte {
	t.Helper()
	var buf bytes.Buffer
	s := c.New(&buf, o)
	pairs, flows, messages := Tricky(), TrickyFlows(), TrickyMessages()
	if poison {
		pairs = apart(pairs)
	}
	n := max(len(pairs), len(flows), len(messages))
	for i := 0; i < n; i += batch {
		b := &exchange.Batch{
			Pairs: part(pairs, i, batch), Flows: part(flows, i, batch), Messages: part(messages, i, batch),
		}
		if err := s.Write(b); err != nil {
			t.Fatal(err)
		}
		if poison {
			for _, p := range b.Pairs {
				Poison(p)
			}
			clear(b.Pairs)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if n, ok := s.(export.Counter); ok && n.Rows() != int64(c.rows()) {
		t.Errorf("Rows() = %d, want %d", n.Rows(), c.rows())
	}
	return buf.Bytes()
}

// part returns the n elements of s from the given one on, as many as there are.
func part[E any](s []E, from, n int) []E {
	from = min(from, len(s))
	return s[from : from+min(n, len(s)-from)]
}

func (c *Case) fails(t *testing.T, room int) {
	t.Helper()
	s := c.New(export.NamedWriter("out/file", &small{room: room}), export.Options{})
	err := s.Write(&exchange.Batch{Pairs: Tricky(), Flows: TrickyFlows(), Messages: TrickyMessages()})
	if cerr := s.Close(); err == nil {
		err = cerr
	}
	var we *export.WriteError
	switch {
	case !errors.As(err, &we):
		t.Errorf("with room for %d bytes the error is %v, want an export.WriteError", room, err)
	case we.Path != "out/file" || we.Written != int64(room) || !errors.Is(err, errFull):
		t.Errorf("with room for %d bytes the error is %q after %d bytes", room, err, we.Written)
	}
}

var errFull = errors.New("no space left on device")

// small is a disk with room for so many bytes.
type small struct{ room int }

func (w *small) Write(p []byte) (int, error) {
	if len(p) > w.room {
		n := w.room
		w.room = 0
		return n, errFull
	}
	w.room -= len(p)
	return len(p), nil
}

// apart returns copies of pairs that share no memory with each other, so that one
// can be poisoned without the next.
func apart(pairs []*exchange.Pair) []*exchange.Pair {
	out := make([]*exchange.Pair, len(pairs))
	for i, p := range pairs {
		q := *p
		for _, m := range []*exchange.Message{&q.Request.Message, &q.Response.Message} {
			m.Body, m.Head = bytes.Clone(m.Body), bytes.Clone(m.Head)
			m.Headers = append([]exchange.Header(nil), m.Headers...)
			m.Trailers = append([]exchange.Header(nil), m.Trailers...)
			m.Packets = append([]int64(nil), m.Packets...)
			m.Gaps = append([]exchange.Gap(nil), m.Gaps...)
		}
		for _, s := range texts(&q) {
			*s = strings.Clone(*s)
		}
		out[i] = &q
	}
	return out
}

func texts(p *exchange.Pair) []*string {
	q := &p.Request
	list := []*string{&q.Method, &q.Target, &q.Scheme, &q.Host, &q.Path, &q.Query, &q.URL, &p.Response.Reason}
	for _, m := range []*exchange.Message{&q.Message, &p.Response.Message} {
		list = append(list, &m.Version, &m.ContentType, &m.ContentEncoding)
		for i := range m.Headers {
			list = append(list, &m.Headers[i].Name, &m.Headers[i].Value)
		}
	}
	return list
}

// Poison overwrites the memory of p as the pipeline does once a batch is released.
// p must share none of it with what is needed later.
func Poison(p *exchange.Pair) {
	for _, s := range texts(p) {
		overwrite(*s)
	}
	for _, m := range []*exchange.Message{&p.Request.Message, &p.Response.Message} {
		for _, b := range [][]byte{m.Body, m.Head} {
			for i := range b {
				b[i] = 0xa5
			}
		}
		clear(m.Headers)
		clear(m.Packets)
		clear(m.Gaps)
	}
	*p = exchange.Pair{}
}
