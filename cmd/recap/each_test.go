//go:build unix

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestEachIsAsAlone extracts real captures of all kinds in one batch, where each takes
// over memory, encoders and remembered bodies of those before, and each by itself.
func TestEachIsAsAlone(t *testing.T) {
	s := newShell(t)
	captures, err := filepath.Abs(filepath.Join("..", "..", "testdata", "captures"))
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(captures)
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"extract", "--each", "--sets", "never", "--jobs", "2", "-o", "all"}
	var names []string
	for _, e := range entries {
		if ext := filepath.Ext(e.Name()); ext == ".pcap" || ext == ".pcapng" {
			names = append(names, e.Name())
			args = append(args, filepath.Join(captures, e.Name()))
		}
	}
	run := func(args ...string) {
		cmd := s.command(args...)
		said, _ := cmd.CombinedOutput()
		if code := cmd.ProcessState.ExitCode(); code != 0 && code != 3 {
			t.Fatalf("recap %q: exit code %d; it said:\n%s", args, code, said)
		}
	}
	run(args...)
	if len(names) < 10 {
		t.Fatalf("only %d captures", len(names))
	}
	for _, name := range fewUnderRace(names) {
		alone := "alone-" + strings.ReplaceAll(name, ".", "-")
		run("extract", "--sets", "never", "-o", alone, filepath.Join(captures, name))
		s.same("all/"+name, alone)
	}
}
