package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func TestWrapKeepsEveryFrame(t *testing.T) {
	in, out := filepath.Join("..", "..", "testdata", "captures", "web.pcap"), filepath.Join(t.TempDir(), "out.pcap")
	if err := wrap(in, out); err != nil {
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
	if err := wrap(in, filepath.Join(dir, "out")); err == nil {
		t.Error("wrap of a text file: no error")
	}
}
