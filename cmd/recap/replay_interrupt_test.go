//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"recap/reader/pcaptest"
	"recap/replay"
)

// A signal ends a replay at once, with a report that is true for what was sent until
// then. Exit code 5.
func TestReplayInterrupt(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	capture := filepath.Join(dir, "a.pcap")
	err = os.WriteFile(capture, pcaptest.Build(t, `
		10.0.0.1:4000 > 10.0.0.2:80 handshake "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
		10.0.0.2:80 > 10.0.0.1:4000 "HTTP/1.1 204 No Content\r\n\r\n" close`), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	ingestor, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ingestor.Close()
	cmd := exec.Command(self)
	cmd.Args = []string{"recap", "replay", capture, "--to", "vxlan://" + ingestor.LocalAddr().String(), "--rate", "200pairs/s", "--loop", "0", "--report", filepath.Join(dir, "result")}
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	buf := make([]byte, 65536)
	_ = ingestor.SetReadDeadline(time.Now().Add(20 * time.Second))
	for range 20 {
		if _, _, err := ingestor.ReadFrom(buf); err != nil {
			t.Fatal(err)
		}
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
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
	text, err := os.ReadFile(filepath.Join(dir, "result", "replay.json"))
	if err != nil {
		t.Fatal(err)
	}
	var r replay.Result
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	l := r.Ledger
	if r.Ended != replay.EndedInterrupted || l.Sent == 0 || l.Scheduled != l.Sent+l.Failed+l.Unsent {
		t.Errorf("ended %q, ledger %+v", r.Ended, l)
	}
}
