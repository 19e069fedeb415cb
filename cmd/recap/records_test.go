package main

import (
	"fmt"
	"os"
	"testing"

	"recap/export"
	"recap/export/flows"
	"recap/export/jsonl"
	"recap/export/parquet"
	"recap/export/sinktest"
	"recap/pipeline/exchange"
)

// Whatever the schema holds comes back from both kinds of file: else --where would
// choose other pairs of a directory than of the capture.
func TestRowsAreReadAsTheyWereWritten(t *testing.T) {
	pairs := append(sinktest.Tricky(), sinktest.Realistic(200, 7)...)
	for _, tt := range []struct {
		name string
		file string
		sink func(*os.File) export.Sink
	}{
		{"parquet", pairsParquet, func(f *os.File) export.Sink { return parquet.NewPairs(f, export.Options{}) }},
		{"json lines", pairsJSONL, func(f *os.File) export.Sink { return jsonl.New(f, export.Options{}) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := writeRows(t, tt.file, tt.sink, &exchange.Batch{Pairs: pairs})
			schema := export.PairSchema()
			n := 0
			err := readPairs(dir, func(r *pairRow) error {
				got, err := r.pair()
				if err != nil {
					return err
				}
				var a, b export.Cursor
				for i := range schema {
					f := &schema[i]
					a.Pair(pairs[n])
					b.Pair(got)
					want, have := f.Value(&a), f.Value(&b)
					if tt.file == pairsJSONL { // holds heads only where a string was escaped
						dropHead(want)
						dropHead(have)
					}
					if want, have := fmt.Sprint(want), fmt.Sprint(have); want != have {
						t.Errorf("pair %d: %s:\ngot  %.900q\nwant %.900q", n, f.Name, have, want)
					}
				}
				n++
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if n != len(pairs) {
				t.Errorf("%d rows, want %d", n, len(pairs))
			}
		})
	}
}

func dropHead(v any) {
	if m, ok := v.(map[string]any); ok {
		delete(m, "head")
	}
}

func TestFlowRowsAreReadAsTheyWereWritten(t *testing.T) {
	list := sinktest.TrickyFlows()
	dir := writeRows(t, flowsParquet, func(f *os.File) export.Sink { return flows.New(f, export.Options{}) }, &exchange.Batch{Flows: list})
	n := 0
	err := readParquet(dir, flowsParquet, func(r *flowRow) error {
		want := list[n]
		if r.FlowID != want.Conn.ID.String() || r.Capture.FirstPacket != want.FirstPacket || r.Capture.LastPacket != want.LastPacket ||
			orNoTime(r.FirstNS) != want.FirstNS || orNoTime(r.LastNS) != want.LastNS || len(r.Vantages) != len(want.Vantages) ||
			r.Client.endpoint() != want.Conn.Client || r.Server.endpoint() != want.Conn.Server {
			t.Errorf("row %d = %+v, want %+v", n, r, want)
		}
		n++
		return nil
	})
	if err != nil || n != len(list) {
		t.Errorf("%d rows, %v; want %d", n, err, len(list))
	}
}

func writeRows(t *testing.T, name string, sink func(*os.File) export.Sink, b *exchange.Batch) *os.Root {
	t.Helper()
	dir, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.Close() })
	f, err := dir.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	s := sink(f)
	if err := s.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}
