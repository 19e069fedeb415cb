package parquet_test

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	pq "github.com/parquet-go/parquet-go"

	"recap/export"
	"recap/export/parquet"
	"recap/export/sinktest"
	"recap/pipeline/exchange"
)

func TestPairs(t *testing.T) {
	sinktest.Run(t, sinktest.Case{
		New:   func(w io.Writer, o export.Options) export.Sink { return parquet.NewPairs(w, o) },
		Check: func(t *testing.T, file []byte) int { return int(open(t, file).NumRows()) },
	})
}

func TestFlows(t *testing.T) {
	sinktest.Run(t, sinktest.Case{
		New:   func(w io.Writer, o export.Options) export.Sink { return parquet.NewFlows(w, o) },
		Check: func(t *testing.T, file []byte) int { return int(open(t, file).NumRows()) },
		Flows: true,
	})
}

func TestMessages(t *testing.T) {
	sinktest.Run(t, sinktest.Case{
		New:      func(w io.Writer, o export.Options) export.Sink { return parquet.NewMessages(w, o) },
		Check:    func(t *testing.T, file []byte) int { return int(open(t, file).NumRows()) },
		Messages: true,
	})
}

// open reads file with parquet-go and checks that every page of it can be read.
func open(t *testing.T, file []byte) *pq.File {
	t.Helper()
	f, err := pq.OpenFile(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range f.RowGroups() {
		rows := g.Rows()
		n, buf := int64(0), make([]pq.Row, 16)
		for {
			k, err := rows.ReadRows(buf)
			if n += int64(k); err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		rows.Close()
		if n != g.NumRows() {
			t.Errorf("a row group holds %d rows and says %d", n, g.NumRows())
		}
	}
	return f
}

// TestValues compares every row, read by parquet-go, with the record, field by field.
func TestValues(t *testing.T) {
	pairs := sinktest.Tricky()
	file := write(t, parquet.NewPairs, &exchange.Batch{Pairs: pairs}, export.Options{})
	var c export.Cursor
	compare(t, file, export.PairSchema(), len(pairs), func(i int) *export.Cursor { c.Pair(pairs[i]); return &c })

	flows := sinktest.TrickyFlows()
	file = write(t, parquet.NewFlows, &exchange.Batch{Flows: flows}, export.Options{RowGroupBytes: 600})
	compare(t, file, export.FlowSchema(), len(flows), func(i int) *export.Cursor { c.Flow(flows[i]); return &c })

	messages := sinktest.TrickyMessages()
	file = write(t, parquet.NewMessages, &exchange.Batch{Messages: messages}, export.Options{})
	compare(t, file, export.MessageSchema(), len(messages), func(i int) *export.Cursor { c.Message(messages[i]); return &c })
}

// TestManyRows takes dictionaries past their limits and pages past their sizes.
func TestManyRows(t *testing.T) {
	pairs := sinktest.Realistic(6000, 3)
	batch := &exchange.Batch{Pairs: pairs}
	file := write(t, parquet.NewPairs, batch, export.Options{})
	for _, workers := range []int{1, 5} {
		if again := write(t, parquet.NewPairs, batch, export.Options{Workers: workers}); !bytes.Equal(again, file) {
			t.Errorf("%d workers wrote another file", workers)
		}
	}
	var c export.Cursor
	compare(t, file, export.PairSchema(), len(pairs), func(i int) *export.Cursor { c.Pair(pairs[i]); return &c })
}

func compare(t *testing.T, file []byte, schema []export.Field, rows int, at func(int) *export.Cursor) {
	t.Helper()
	f := open(t, file)
	r := pq.NewReader(f)
	defer r.Close()
	for i := range rows {
		row := map[string]any{}
		if err := r.Read(&row); err != nil {
			t.Fatal(err)
		}
		want := map[string]any{}
		c := at(i)
		for k := range schema {
			want[schema[k].Name] = expect(&schema[k], c)
		}
		if d := sinktest.Diff(want, row); d != "" {
			t.Fatalf("row %d: %s", i, d)
		}
	}
}

// expect returns the field as parquet-go reads it into a map.
func expect(f *export.Field, c *export.Cursor) any {
	switch f.Type {
	case export.Struct:
		if f.Enter != nil && !f.Enter(c) {
			return nil
		}
		m := map[string]any{}
		for i := range f.Fields {
			if f.Fields[i].Use&export.InJSON == 0 {
				m[f.Fields[i].Name] = expect(&f.Fields[i], c)
			}
		}
		return m
	case export.List:
		l := []any{}
		for i := range f.Len(c) {
			f.At(c, i)
			l = append(l, expect(&f.Fields[0], c))
		}
		return l
	case export.Time:
		if v, ok := f.Value(c).(int64); ok {
			return export.Micros(v)
		}
		return nil
	}
	return f.Value(c)
}

// TestFooter holds the limits, sizes and places in the footer against the pages.
func TestFooter(t *testing.T) {
	pairs := sinktest.Realistic(300, 1)
	f := open(t, write(t, parquet.NewPairs, &exchange.Batch{Pairs: pairs}, export.Options{RowGroupBytes: 500_000}))
	end, bounded := int64(4), 0 // behind the magic number
	for i, g := range f.Metadata().RowGroups {
		if g.FileOffset != end {
			t.Errorf("row group %d begins at %d, want %d", i, g.FileOffset, end)
		}
		var raw, packed, blooms int64
		for j, c := range g.Columns {
			name, m := strings.Join(c.MetaData.PathInSchema, "."), &c.MetaData
			raw, packed, blooms = raw+m.TotalUncompressedSize, packed+m.TotalCompressedSize, blooms+int64(m.BloomFilterLength)
			if (m.BloomFilterOffset > 0) != (m.BloomFilterLength > 0) {
				t.Errorf("row group %d, %s: a bloom filter of %d bytes at %d", i, name, m.BloomFilterLength, m.BloomFilterOffset)
			}
			chunk := f.RowGroups()[i].ColumnChunks()[j].(*pq.FileColumnChunk)
			lo, hi, nulls := extremes(t, chunk)
			if nulls != m.Statistics.NullCount {
				t.Errorf("row group %d, %s: %d nulls, the footer says %d", i, name, nulls, m.Statistics.NullCount)
			}
			wantLo, wantHi, ok := chunk.Bounds()
			if !ok {
				continue
			}
			bounded++
			if !pq.Equal(lo, wantLo) || !pq.Equal(hi, wantHi) {
				t.Errorf("row group %d, %s: values from %v to %v, the footer says %v to %v", i, name, lo, hi, wantLo, wantHi)
			}
		}
		if g.TotalByteSize != raw || g.TotalCompressedSize != packed {
			t.Errorf("row group %d: %d bytes, %d packed; its columns sum up to %d and %d", i, g.TotalByteSize, g.TotalCompressedSize, raw, packed)
		}
		end += packed + blooms
	}
	if groups := len(f.Metadata().RowGroups); groups < 2 || bounded < 10*groups {
		t.Errorf("%d row groups with %d columns that have limits: too few to say much", groups, bounded)
	}
}

// extremes reads a column: its smallest and largest value, and how many are null.
func extremes(t *testing.T, c pq.ColumnChunk) (lo, hi pq.Value, nulls int64) {
	t.Helper()
	pages := c.Pages()
	defer pages.Close()
	for first := true; ; {
		p, err := pages.ReadPage()
		if err == io.EOF {
			return lo, hi, nulls
		}
		if err != nil {
			t.Fatal(err)
		}
		values := make([]pq.Value, p.NumValues())
		if n, err := p.Values().ReadValues(values); n != len(values) {
			t.Fatalf("%d values of %d: %v", n, len(values), err)
		}
		for _, v := range values {
			switch {
			case v.IsNull():
				nulls++
				continue
			case first || c.Type().Compare(v, lo) < 0:
				lo = v.Clone()
			}
			if first || c.Type().Compare(v, hi) > 0 {
				hi = v.Clone()
			}
			first = false
		}
	}
}

// TestStatistics checks what a query engine prunes by.
func TestStatistics(t *testing.T) {
	pairs := sinktest.Realistic(500, 1)
	f := open(t, write(t, parquet.NewPairs, &exchange.Batch{Pairs: pairs}, export.Options{RowGroupBytes: 500_000}))
	if n := len(f.RowGroups()); n < 3 {
		t.Fatalf("%d row groups, want several", n)
	}
	blooms := map[string]bool{}
	for _, g := range f.Metadata().RowGroups {
		for _, c := range g.Columns {
			name := strings.Join(c.MetaData.PathInSchema, ".")
			if c.MetaData.BloomFilterOffset > 0 {
				blooms[name] = true
			}
			if s := c.MetaData.Statistics; strings.HasSuffix(name, ".body") || strings.HasSuffix(name, ".head") {
				if len(s.MinValue)+len(s.MaxValue) > 0 {
					t.Errorf("%s has limits in the footer", name)
				}
			}
			if name == "request.host" && string(c.MetaData.Statistics.MaxValue) != "api.example.com" {
				t.Errorf("largest host is %q", c.MetaData.Statistics.MaxValue)
			}
		}
	}
	for _, name := range []string{"id", "request.host", "request.path", "response.status", "client.ip", "server.ip"} {
		if !blooms[name] {
			t.Errorf("%s has no bloom filter", name)
		}
	}
	for _, g := range f.RowGroups() {
		for _, c := range g.ColumnChunks() {
			b := c.BloomFilter()
			if f.Schema().Columns()[c.Column()][0] != "id" || b == nil {
				continue
			}
			hits := 0
			for _, p := range pairs {
				if ok, err := b.Check(pq.ValueOf(p.ID.String())); err != nil {
					t.Fatal(err)
				} else if ok {
					hits++
				}
			}
			if n := int(g.NumRows()); hits < n || hits > n+len(pairs)/10 {
				t.Errorf("the filter over %d ids takes %d of %d for its own", n, hits, len(pairs))
			}
		}
	}
}

// TestOtherReaders has DuckDB, pyarrow and polars read the files and compare
// values, types and nulls with the JSON lines of the same rows.
func TestOtherReaders(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("SKIPPED: python3 is not installed: no other reader has seen the files")
	}
	dir := t.TempDir()
	pairs := append(sinktest.Tricky(), sinktest.Realistic(3000, 2)...)
	flows := sinktest.TrickyFlows()
	save := func(name string, b []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	save("pairs.parquet", write(t, parquet.NewPairs, &exchange.Batch{Pairs: pairs}, export.Options{RowGroupBytes: 4 << 20}))
	save("flows.parquet", write(t, parquet.NewFlows, &exchange.Batch{Flows: flows}, export.Options{}))
	save("empty.parquet", write(t, parquet.NewPairs, &exchange.Batch{}, export.Options{}))
	messages := sinktest.TrickyMessages()
	save("messages.parquet", write(t, parquet.NewMessages, &exchange.Batch{Messages: messages}, export.Options{}))
	var want struct{ Pairs, Flows, Messages []any }
	var c export.Cursor
	for _, p := range pairs {
		c.Pair(p)
		want.Pairs = append(want.Pairs, expectJSON(export.PairSchema(), &c))
	}
	for _, f := range flows {
		c.Flow(f)
		want.Flows = append(want.Flows, expectJSON(export.FlowSchema(), &c))
	}
	for _, m := range messages {
		c.Message(m)
		want.Messages = append(want.Messages, expectJSON(export.MessageSchema(), &c))
	}
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	save("want.json", text)
	for module, needs := range map[string]string{"duckdb": "duckdb, pytz", "pyarrow": "pyarrow", "polars": "polars"} {
		t.Run(module, func(t *testing.T) {
			if exec.Command(python, "-c", "import "+needs).Run() != nil {
				if os.Getenv("RECAP_NEED_READERS") != "" {
					t.Fatalf("a python module of %s is missing and RECAP_NEED_READERS is set", needs)
				}
				t.Skipf("SKIPPED: a python module of %s is not installed: %s has not read the files", needs, module)
			}
			out, err := exec.Command(python, filepath.Join("testdata", "readback.py"), module, dir).CombinedOutput()
			if err != nil || !strings.Contains(string(out), "ok") {
				t.Errorf("%v\n%.4000s", err, out)
			}
		})
	}
}

// expectJSON is expect for a reader in another language: bytes in base64, times as
// microseconds.
func expectJSON(schema []export.Field, c *export.Cursor) map[string]any {
	var walk func(f *export.Field) any
	fields := func(fs []export.Field) map[string]any {
		m := map[string]any{}
		for i := range fs {
			if fs[i].Use&export.InJSON == 0 {
				m[fs[i].Name] = walk(&fs[i])
			}
		}
		return m
	}
	walk = func(f *export.Field) any {
		switch f.Type {
		case export.Struct:
			if f.Enter != nil && !f.Enter(c) {
				return nil
			}
			return fields(f.Fields)
		case export.List:
			l := []any{}
			for i := range f.Len(c) {
				f.At(c, i)
				l = append(l, walk(&f.Fields[0]))
			}
			return l
		case export.Bytes:
			if b, ok := f.Raw(c); ok {
				return map[string]any{"base64": append([]byte{}, b...)}
			}
			return nil
		case export.Time:
			if v, ok := f.Int(c); ok {
				return map[string]any{"us": export.Micros(v)}
			}
			return nil
		}
		return f.Value(c)
	}
	return fields(schema)
}

func write(t testing.TB, mk func(io.Writer, export.Options) *parquet.Sink, b *exchange.Batch, o export.Options) []byte {
	t.Helper()
	var buf bytes.Buffer
	s := mk(&buf, o)
	if err := s.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}
