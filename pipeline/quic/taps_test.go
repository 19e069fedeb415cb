package quic_test

import (
	"encoding/binary"
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	quicgo "github.com/quic-go/quic-go"

	"recap/pipeline"
)

var quicSeeds = flag.Int("tap-seeds", 6, "captures made of what several taps see")

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

// quicTap is a place that sees datagrams later, and not all of them.
type quicTap struct {
	key   byte // of its tunnel; 0: none
	delay int  // µs
	loss  float64
}

// seenBy writes a capture again as taps see it. It reports whether each packet was seen by
// some tap.
func seenBy(t *testing.T, path string, taps []quicTap, r *rand.Rand) (file string, whole bool) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	le, be := binary.LittleEndian, binary.BigEndian
	type record struct {
		at   int
		data []byte
	}
	var list []record
	head, b := b[:24], b[24:]
	whole = true
	for len(b) > 0 {
		n := int(le.Uint32(b[8:]))
		at, ip, seen := int(le.Uint32(b))*1e6+int(le.Uint32(b[4:])), b[16:16+n], false
		for _, tap := range taps {
			if r.Float64() < tap.loss {
				continue
			}
			seen = true
			data := ip
			if tap.key != 0 {
				data = slices.Concat([]byte{0x45, 0, 0, 0, 0, 0, 0, 0, 64, 47, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2, 0x20, 0, 8, 0, 0, 0, 0, tap.key}, ip)
				be.PutUint16(data[2:], uint16(len(data)))
			}
			list = append(list, record{at + tap.delay, data})
		}
		whole = whole && seen
		b = b[16+n:]
	}
	slices.SortStableFunc(list, func(a, b record) int { return a.at - b.at })
	out := slices.Clone(head)
	for _, p := range list {
		out = le.AppendUint32(le.AppendUint32(out, uint32(p.at/1e6)), uint32(p.at%1e6))
		out = le.AppendUint32(le.AppendUint32(out, uint32(len(p.data))), uint32(len(p.data)))
		out = append(out, p.data...)
	}
	file = filepath.Join(t.TempDir(), "taps.pcap")
	if err := os.WriteFile(file, out, 0o600); err != nil {
		t.Fatal(err)
	}
	return file, whole
}

// Two or three taps, each later than the one before and with losses of its own, give every
// exchange once, whole where any of them saw each datagram.
func TestTapsLateAndLossy(t *testing.T) {
	rec := talk(t, 3, &quicgo.Config{})
	path := capture(t, rec.list)
	delays, losses := []int{0, 20, 700, 30_000, 400_000, 1_900_000}, []float64{0, 0, 0.02, 0.1, 0.2}
	for seed := range uint64(*quicSeeds) {
		r := rand.New(rand.NewPCG(seed, 3))
		taps := make([]quicTap, 2+r.IntN(2))
		loss := losses[r.IntN(len(losses))]
		for i := range taps {
			taps[i] = quicTap{byte(i), delays[r.IntN(len(delays))], loss}
		}
		file, whole := seenBy(t, path, taps, r)
		got := extract(t, file, rec.keys, pipeline.Options{})
		if whole && (!slices.Equal(got.pairs, rec.pairs) || len(got.flows) != 3) || len(got.pairs) > len(rec.pairs) {
			t.Errorf("seed %d, %v, whole %t: %d connections with %d pairs, want 3 with %d", seed, taps, whole, len(got.flows), len(got.pairs), len(rec.pairs))
		}
		for i, f := range got.flows { // a pair may be over before a tap begins
			if loss == 0 && len(f.Vantages) != len(taps)-1 {
				t.Errorf("seed %d, %v: connection %d has %d vantages", seed, taps, i, len(f.Vantages))
			}
		}
		apart := extract(t, file, rec.keys, pipeline.Options{SplitTunnels: true})
		if loss == 0 && len(apart.pairs) != len(taps)*len(rec.pairs) {
			t.Errorf("seed %d, %v: %d pairs with taps apart, want %d of each", seed, taps, len(apart.pairs), len(rec.pairs))
		}
	}
}
