package pipeline_test

import (
	"path/filepath"
	"reflect"
	"testing"

	"recap/pipeline"
	"recap/pipeline/exchange"
	"recap/reader"
)

// A reading that only counts leaves out what nobody sees of a pair; what it counts is
// the same.
func TestCountingAgreesWithReading(t *testing.T) {
	files, err := filepath.Glob("../testdata/captures/*.pcap*")
	if err != nil || len(files) == 0 {
		t.Fatalf("no captures: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			read, pairs := statsOf(t, file, false)
			counted, none := statsOf(t, file, true)
			if int64(pairs) != read.Pairs || none != 0 {
				t.Errorf("%d of %d pairs were given out, and %d by counting", pairs, read.Pairs, none)
			}
			if !reflect.DeepEqual(read, counted) {
				t.Errorf("counted:\n%+v\nread:\n%+v", counted, read)
			}
		})
	}
}

func statsOf(t *testing.T, file string, counting bool) (s *pipeline.Stats, pairs int) {
	t.Helper()
	src, err := reader.Open(t.Context(), []string{file}, reader.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	s, err = pipeline.Run(t.Context(), src, pipeline.Options{HashBodies: true, DecodeBodies: true, CountPairs: counting}, func(b *exchange.Batch) error {
		pairs += len(b.Pairs)
		b.Release()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return s, pairs
}
