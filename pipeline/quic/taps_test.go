package quic_test

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	quicgo "github.com/quic-go/quic-go"

	"recap/pipeline"
)

// mirrored writes a capture again with every packet twice: as it is, and 1 µs later in
// GRE with a key. miss tells which packets, from 0, a copy (0, 1) lacks.
func mirrored(t *testing.T, path string, miss func(copy, n int) bool) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	le, be := binary.LittleEndian, binary.BigEndian
	out, b := slices.Clone(b[:24]), b[24:]
	for i := 0; len(b) > 0; i++ {
		n := int(le.Uint32(b[8:]))
		ip := b[16 : 16+n]
		if !miss(0, i) {
			out = append(out, b[:16+n]...)
		}
		if !miss(1, i) {
			outer := []byte{0x45, 0, 0, 0, 0, 0, 0, 0, 64, 47, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2, 0x20, 0, 8, 0, 0, 0, 0, 7}
			be.PutUint16(outer[2:], uint16(len(outer)+n))
			head := slices.Clone(b[:16])
			le.PutUint32(head[4:], le.Uint32(head[4:])+1)
			le.PutUint32(head[8:], uint32(len(outer)+n))
			le.PutUint32(head[12:], uint32(len(outer)+n))
			out = slices.Concat(out, head, outer, ip)
		}
		b = b[16+n:]
	}
	path = filepath.Join(t.TempDir(), "twice.pcap")
	if err := os.WriteFile(path, out, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// A connection that two taps saw is one, with each pair once, also where each of them
// lacks what the other has; --split-tunnels keeps them apart.
func TestTwoTaps(t *testing.T) {
	rec := talk(t, 2, &quicgo.Config{})
	path := capture(t, rec.list)
	for _, tt := range []struct {
		name  string
		miss  func(copy, n int) bool
		split bool
		times int
	}{
		{"both have all", func(int, int) bool { return false }, false, 1},
		{"each lacks some", func(copy, n int) bool { return n > 20 && n%8 == 4*copy }, false, 1},
		{"tunnels are kept apart", func(int, int) bool { return false }, true, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := extract(t, mirrored(t, path, tt.miss), rec.keys, pipeline.Options{SplitTunnels: tt.split})
			want := slices.Repeat(rec.pairs, tt.times)
			slices.Sort(want)
			if !slices.Equal(got.pairs, want) || len(got.flows) != 2*tt.times {
				t.Errorf("%d connections with the pairs\n%s\nwant\n%s", len(got.flows), strings.Join(got.pairs, "\n"), strings.Join(want, "\n"))
			}
			for _, n := range got.vantages {
				if n != 2-tt.times {
					t.Errorf("a pair has %d vantages", n)
				}
			}
		})
	}
}
