package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"recap/export"
	"recap/export/har"
	"recap/export/sinktest"
	"recap/pipeline/exchange"
	records "recap/replay/source"
)

// TestArchivesAreReadAsTheyWereWritten: what replay reads out of a HAR is what extract
// put in. What no replay asks for is not read back.
func TestArchivesAreReadAsTheyWereWritten(t *testing.T) {
	pairs := slices.DeleteFunc(append(sinktest.Tricky(), sinktest.Realistic(200, 7)...), func(p *exchange.Pair) bool {
		return !p.Request.Present && !p.Response.Present // no pair at all
	})
	schema := export.Without(export.PairSchema(), "vantages", "call", "tunnels.options", "request.alt_framing", "response.alt_framing")
	n := 0
	for got, err := range records.HAR(context.Background(), bytes.NewReader(archiveOf(t, pairs))) {
		if err != nil {
			t.Fatal(err)
		}
		samePair(t, schema, n, pairs[n], got)
		n++
	}
	if n != len(pairs) {
		t.Errorf("%d entries, want %d", n, len(pairs))
	}
}

// TestArchivesOfCaptures: the same for all committed captures, beside pairs.jsonl.
func TestArchivesOfCaptures(t *testing.T) {
	captures, err := filepath.Glob(filepath.Join("..", "..", "testdata", "captures", "*.pcap*"))
	if err != nil || len(captures) == 0 {
		t.Fatal(captures, err)
	}
	schema := export.Without(export.PairSchema(), "vantages", "call", "tunnels.options", "request.alt_framing", "response.alt_framing")
	for _, name := range fewUnderRace(captures) {
		t.Run(filepath.Base(name), func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "out")
			extractQuietly(t, "-f", "jsonl,har", "-o", out, name)
			root, err := os.OpenRoot(out)
			if err != nil {
				t.Fatal(err)
			}
			defer root.Close()
			var want []*exchange.Pair
			if err := readPairs(root, func(r *pairRow) error {
				p, err := r.pair()
				want = append(want, p)
				return err
			}); err != nil {
				t.Fatal(err)
			}
			f, err := root.Open(pairsHAR)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			n := 0
			for got, err := range records.HAR(context.Background(), f) {
				if err != nil || n == len(want) {
					t.Fatalf("entry %d of %d: %v", n+1, len(want), err)
				}
				samePair(t, schema, n, want[n], got)
				n++
			}
			if n != len(want) {
				t.Errorf("%d entries, want %d", n, len(want))
			}
		})
	}
}

// extractQuietly runs the real command in a process of its own.
func extractQuietly(t *testing.T, args ...string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Args = append([]string{"recap", "extract"}, args...)
	if out, err := cmd.CombinedOutput(); cmd.ProcessState.ExitCode() != exitOK && cmd.ProcessState.ExitCode() != exitIncomplete {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
}

func archiveOf(t *testing.T, pairs []*exchange.Pair) []byte {
	t.Helper()
	var buf bytes.Buffer
	s := har.New(&buf, export.Options{})
	if err := s.Write(&exchange.Batch{Pairs: pairs}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func samePair(t *testing.T, schema []export.Field, n int, want, got *exchange.Pair) {
	t.Helper()
	var a, b export.Cursor
	for i := range schema {
		f := &schema[i]
		a.Pair(want)
		b.Pair(got)
		want, have := f.Value(&a), f.Value(&b)
		dropHead(want) // is there only where a string was escaped
		dropHead(have)
		if want, have := fmt.Sprint(want), fmt.Sprint(have); want != have {
			t.Errorf("pair %d: %s:\ngot  %.900q\nwant %.900q", n, f.Name, have, want)
		}
	}
}
