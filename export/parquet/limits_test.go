package parquet

import (
	"bytes"
	"slices"
	"sort"
	"strings"
	"testing"

	pq "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"

	"recap/export"
	"recap/export/sinktest"
	"recap/pipeline/exchange"
)

// TestGrowingRowGroups: when there are many row groups they grow, and stop growing where told.
func TestGrowingRowGroups(t *testing.T) {
	one := sinktest.TrickyMessages()[:1]
	groups := func(n int, limit, most int64) (rows []int64) {
		var file bytes.Buffer
		s := NewMessages(&file, export.Options{RowGroupBytes: limit, MaxRowGroupBytes: most})
		if s.every != growEvery {
			t.Fatalf("row groups grow after %d", s.every)
		}
		s.every = 10
		for range n {
			if err := s.Write(&exchange.Batch{Messages: one}); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		f, err := pq.OpenFile(bytes.NewReader(file.Bytes()), int64(file.Len()))
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range f.RowGroups() {
			rows = append(rows, g.NumRows())
		}
		return rows
	}
	// The most that one row fills, bytes.
	row := int64(sort.Search(1<<20, func(n int) bool { return len(groups(2, int64(n)+1, int64(n)+1)) < 2 }))
	if got := groups(35, row, row); len(got) != 35 {
		t.Errorf("%d rows in row groups that may not grow", got)
	}
	want := append(append(slices.Repeat([]int64{1}, 10), slices.Repeat([]int64{2}, 10)...), slices.Repeat([]int64{3}, 15)...)
	if got := groups(10+2*10+3*15, row, 3*row); !slices.Equal(got, want) {
		t.Errorf("row groups of %d rows, want %d", got, want)
	}
}

// TestLimitsOfLongStrings: what is cut still bounds the value, and is text.
func TestLimitsOfLongStrings(t *testing.T) {
	a := strings.Repeat("a", maxBound-1)
	for _, tt := range []struct {
		name, value, lo, hi string
	}{
		{"as long as a bound", a + "b", a + "b", a + "b"},
		{"longer", a + "bc", a + "b", a + "c"},
		{"a character over the border", a + "éz", a, a[1:] + "b"},
		{"no character before the border can be raised", strings.Repeat("é", maxBound), strings.Repeat("é", maxBound/2), ""},
		{"the last that can be raised stands far in front", "a" + strings.Repeat("é", maxBound), "a" + strings.Repeat("é", maxBound/2-1), "b"},
		{"the highest character of ASCII", a + "\x7fz", a + "\x7f", a[1:] + "b"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := limits{any: true, least: []byte(tt.value), great: []byte(tt.value)}
			lo, hi := l.bytes(format.ByteArray)
			if tt.hi == "" {
				tt.lo = "" // without one limit there is none
			}
			if string(lo) != tt.lo || string(hi) != tt.hi {
				t.Errorf("limits %q and %q, want %q and %q", lo, hi, tt.lo, tt.hi)
			}
			if hi != nil && (bytes.Compare(lo, []byte(tt.value)) > 0 || bytes.Compare(hi, []byte(tt.value)) < 0) {
				t.Errorf("%q is not between %q and %q", tt.value, lo, hi)
			}
		})
	}
}
