//go:build unix

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"recap/export"
	"recap/reader/pcaptest"
)

// A signal ends the reading of a pipe in which nothing happens any more: what was
// finished before is there, with a manifest that says so. Exit code 5.
func TestInterrupt(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(sig.String(), func(t *testing.T) { testInterrupt(t, sig) })
	}
}

// interrupt sends a signal to recap and wants it to end soon, with the exit code for that.
func interrupt(t *testing.T, cmd *exec.Cmd, sig os.Signal, stderr *bytes.Buffer) {
	t.Helper()
	if err := cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("still running 20 s after the signal")
	}
	if got := cmd.ProcessState.ExitCode(); got != exitInterrupted {
		t.Errorf("exit code %d, want %d; it said:\n%s", got, exitInterrupted, stderr.String())
	}
}

func testInterrupt(t *testing.T, sig os.Signal) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	out := filepath.Join(dir, "out")
	var stderr bytes.Buffer
	cmd := exec.Command(self)
	cmd.Args = []string{"recap", "extract", "-o", out, "-"}
	cmd.Stderr = &stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	_, err = stdin.Write(pcaptest.Build(t, `
		10.0.0.1:4000 > 10.0.0.2:80 handshake "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
		10.0.0.2:80 > 10.0.0.1:4000 "HTTP/1.1 204 No Content\r\n\r\n" close`))
	if err != nil {
		t.Fatal(err)
	}
	// It is at work when its files are there, and it has read what came when it
	// waits for more; nothing tells the second, so give it a moment.
	waitFor(t, func() bool {
		_, err := os.Stat(filepath.Join(out, "pairs.jsonl.recap-tmp"))
		return err == nil
	})
	time.Sleep(100 * time.Millisecond)
	interrupt(t, cmd, sig, &stderr)
	if !bytes.Contains(stderr.Bytes(), []byte("recap: error: interrupted\n")) {
		t.Errorf("it said:\n%s", stderr.String())
	}
	text, err := os.ReadFile(filepath.Join(out, export.ManifestName))
	if err != nil {
		t.Fatal(err)
	}
	var m export.Manifest
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	if m.Complete || !m.Interrupted || m.Pairs.Total != 1 {
		t.Errorf("manifest: complete %t, interrupted %t, %d pairs; want false, true, 1", m.Complete, m.Interrupted, m.Pairs.Total)
	}
}

// A signal that comes before the inputs are open ends a command like any other signal.
func TestInterruptBeforeTheInputsAreOpen(t *testing.T) {
	for _, command := range [][]string{
		{"extract", "-o", filepath.Join(t.TempDir(), "out")},
		{"extract", "--each", "-o", filepath.Join(t.TempDir(), "each")},
		{"info"},
		{"replay", "--to", "file:" + filepath.Join(t.TempDir(), "sent.pcap")},
	} {
		t.Run(command[0], func(t *testing.T) {
			ctx, stop := context.WithCancel(t.Context())
			stop()
			var said bytes.Buffer
			root := newRoot(&ui{in: strings.NewReader(""), out: io.Discard, err: &said})
			root.SetArgs(append(command, capturesFile("ipv6.pcap")))
			err := root.ExecuteContext(ctx)
			if exitCode(err) != exitInterrupted || err.Error() != "interrupted" {
				t.Errorf("exit code %d, %v; it said:\n%s", exitCode(err), err, said.Bytes())
			}
		})
	}
}

func waitFor(t *testing.T, ready func() bool) {
	t.Helper()
	for range 1000 {
		if ready() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("waited in vain")
}
