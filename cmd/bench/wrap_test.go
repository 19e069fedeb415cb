package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"recap/pipeline"
	"recap/pipeline/exchange"
	"recap/reader"
)

func TestWrapKeepsEveryFrame(t *testing.T) {
	in, out := filepath.Join("..", "..", "testdata", "captures", "web.pcap"), filepath.Join(t.TempDir(), "out.pcap")
	if err := wrap(in, out, taps[:1]); err != nil {
		t.Fatal(err)
	}
	plain, err := os.ReadFile(in)
	if err != nil {
		t.Fatal(err)
	}
	wrapped, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	const packets = 539
	if got, want := len(wrapped), len(plain)+packets*outerLen; got != want {
		t.Errorf("wrap wrote %d bytes, want %d", got, want)
	}
	if first := plain[24+16 : 24+16+60]; !bytes.Equal(wrapped[24+16+outerLen:][:60], first) {
		t.Errorf("the first frame is not behind the outer headers")
	}
}

func TestWrapRefusesOtherFiles(t *testing.T) {
	dir := t.TempDir()
	in := filepath.Join(dir, "in")
	if err := os.WriteFile(in, bytes.Repeat([]byte("x"), 100), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := wrap(in, filepath.Join(dir, "out"), taps[:1]); err == nil {
		t.Error("wrap of a text file: no error")
	}
}

// Both copies of a conversation make one, and each pair names the second tap.
func TestWrapAtBothEnds(t *testing.T) {
	in, out := filepath.Join("..", "..", "testdata", "captures", "web.pcap"), filepath.Join(t.TempDir(), "out.pcap")
	if err := wrap(in, out, taps[:]); err != nil {
		t.Fatal(err)
	}
	src, err := reader.Open(t.Context(), []string{out}, reader.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	pairs := 0
	stats, err := pipeline.Run(t.Context(), src, pipeline.Options{}, func(b *exchange.Batch) error {
		for _, p := range b.Pairs {
			pairs++
			if len(p.Vantages) != 1 || p.Vantages[0].DelayNS != 150_000 || p.Vantages[0].Tunnels[0].ID != 4243 {
				t.Errorf("%s: vantages %+v", p.Request.Target, p.Vantages)
			}
		}
		b.Release()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if pairs != 58 || stats.Pairs != 58 {
		t.Errorf("%d pairs given out and %d counted, want 58", pairs, stats.Pairs)
	}
}
