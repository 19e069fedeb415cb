//go:build unix

package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"recap/export/all"
)

// The files depend on the input and the options only. Every committed capture is
// extracted by processes that differ in all else.
func TestTheSameBytesWhateverTheCircumstances(t *testing.T) {
	captures, err := filepath.Glob(filepath.Join("..", "..", "testdata", "captures", "*.pcap*"))
	if err != nil || len(captures) == 0 {
		t.Fatal(captures, err)
	}
	rotated, _ := filepath.Glob(filepath.Join("..", "..", "testdata", "captures", "rotated", "*"))
	sets := [][]string{rotated}
	for _, c := range captures {
		sets = append(sets, []string{c})
	}
	for _, set := range sets {
		t.Run(filepath.Base(set[0]), func(t *testing.T) {
			t.Parallel()
			want := extractIn(t, set, circumstances{workers: "1"})
			others := map[string]circumstances{
				"two workers":            {workers: "2"},
				"three workers":          {workers: "3"},
				"eight workers":          {workers: "8"},
				"another time zone":      {env: []string{"TZ=Asia/Kathmandu"}},
				"much garbage collected": {env: []string{"GOGC=1"}},
				"none, and one thread":   {env: []string{"GOGC=off", "GOMAXPROCS=1"}},
				"through a pipe":         {piped: true},
			}
			if underRace {
				others = map[string]circumstances{"eight workers, through a pipe": {workers: "8", piped: true}}
			}
			for name, c := range others {
				for file, got := range extractIn(t, set, c) {
					if c.piped && file == "manifest.json" {
						continue // it says that the input was a pipe
					}
					if !bytes.Equal(got, want[file]) {
						t.Errorf("%s: %s differs", name, file)
					}
				}
			}
		})
	}
}

// circumstances are what must not matter.
type circumstances struct {
	workers string
	env     []string
	piped   bool
}

// extractIn extracts captures in a directory of its own, under the same names each
// time, and returns the files that came out.
func extractIn(t *testing.T, captures []string, c circumstances) map[string][]byte {
	t.Helper()
	dir := t.TempDir()
	args := []string{"recap", "extract", "-o", "out", "-f", strings.Join(chooseable(), ",")}
	if c.workers != "" {
		args = append(args, "--workers", c.workers)
	}
	for _, capture := range captures {
		place(t, capture, filepath.Join(dir, filepath.Base(capture)), c.piped)
		args = append(args, filepath.Base(capture))
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Args, cmd.Dir, cmd.Env = args, dir, append(os.Environ(), c.env...)
	if out, err := cmd.CombinedOutput(); cmd.ProcessState.ExitCode() != exitOK && cmd.ProcessState.ExitCode() != exitIncomplete {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
	files := map[string][]byte{}
	names := []string{"manifest.json"}
	for _, f := range all.Formats() {
		names = append(names, f.File)
	}
	for _, name := range names {
		if files[name], err = os.ReadFile(filepath.Join(dir, "out", name)); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// place puts a capture at path, as a file or as a pipe that somebody writes it into.
func place(t *testing.T, capture, path string, piped bool) {
	t.Helper()
	b, err := os.ReadFile(capture)
	if err != nil {
		t.Fatal(err)
	}
	if !piped {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	go func() {
		w, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			t.Error(err)
			return
		}
		defer w.Close()
		for len(b) > 0 { // in pieces that no format knows
			n := min(len(b), 777)
			if _, err := w.Write(b[:n]); err != nil {
				t.Error(err)
				return
			}
			b = b[n:]
		}
	}()
}
