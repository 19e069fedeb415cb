//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"recap/reader/pcaptest"
	"recap/replay"
)

// A victim is a target that is about to lose its sender.
type victim struct {
	to      string
	arrived *atomic.Int64
}

// victims start targets of several kinds.
var victims = map[string]func(t *testing.T) victim{
	"vxlan": func(t *testing.T) victim {
		c, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		v := victim{"vxlan://" + c.LocalAddr().String(), new(atomic.Int64)}
		go func() {
			for buf := make([]byte, 65536); ; v.arrived.Add(1) {
				if _, _, err := c.ReadFrom(buf); err != nil {
					return
				}
			}
		}()
		return v
	},
	"http": func(t *testing.T) victim { return answering(t, "http", func() {}) },
	"http that does not answer": func(t *testing.T) victim {
		stop := make(chan struct{})
		v := answering(t, "http", func() { <-stop })
		t.Cleanup(func() { close(stop) })
		return v
	},
	"akto that does not answer": func(t *testing.T) victim {
		stop := make(chan struct{})
		v := answering(t, "akto+http", func() { <-stop })
		t.Cleanup(func() { close(stop) })
		return v
	},
	"kafka": func(t *testing.T) victim {
		cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "pairs"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(cluster.Close)
		return victim{"kafka://" + cluster.ListenAddrs()[0] + "/pairs", nil}
	},
	"kafka that hangs": func(t *testing.T) victim {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		v := victim{"kafka://" + l.Addr().String() + "/pairs", new(atomic.Int64)}
		go func() {
			for {
				if _, err := l.Accept(); err != nil {
					return
				}
				v.arrived.Add(20)
			}
		}()
		return v
	},
}

// answering is an HTTP server that calls work ahead of each answer.
func answering(t *testing.T, scheme string, work func()) victim {
	v := victim{arrived: new(atomic.Int64)}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		v.arrived.Add(1)
		work()
	}))
	t.Cleanup(s.Close)
	v.to = scheme + "://" + s.Listener.Addr().String()
	return v
}

// A signal ends a replay soon, whatever its target does, with a report that is true for
// what was sent until then. Exit code 5.
func TestReplayInterrupt(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	capture := filepath.Join(t.TempDir(), "a.pcap")
	err = os.WriteFile(capture, pcaptest.Build(t, `
		10.0.0.1:4000 > 10.0.0.2:80 handshake "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
		10.0.0.2:80 > 10.0.0.1:4000 "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi" close`), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	for name, start := range victims {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v, dir := start(t), filepath.Join(t.TempDir(), "result")
			var stderr bytes.Buffer
			cmd := exec.Command(self)
			cmd.Args = []string{"recap", "replay", capture, "--to", v.to, "--rate", "200pairs/s", "--loop", "0", "--report", dir}
			cmd.Stderr = &stderr
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer cmd.Process.Kill()
			wait := 20 * time.Second
			if v.arrived == nil {
				wait = 2 * time.Second // nothing tells what has arrived
			}
			for began := time.Now(); time.Since(began) < wait && (v.arrived == nil || v.arrived.Load() < 1); time.Sleep(10 * time.Millisecond) {
			}
			time.Sleep(300 * time.Millisecond)
			interrupt(t, cmd, syscall.SIGINT, &stderr)
			text, err := os.ReadFile(filepath.Join(dir, "replay.json"))
			if err != nil {
				t.Fatal(err)
			}
			var r replay.Result
			if err := json.Unmarshal(text, &r); err != nil {
				t.Fatal(err)
			}
			l := r.Ledger
			if r.Ended != replay.EndedInterrupted || r.Verdict.State != replay.VerdictInterrupted || l.Scheduled != l.Sent+l.LeftOut+l.Failed+l.Unsent {
				t.Errorf("ended %q, verdict %+v, ledger %+v", r.Ended, r.Verdict, l)
			}
			switch name {
			case "vxlan", "http", "kafka":
				if l.Sent == 0 || l.Failed > 0 {
					t.Errorf("ledger %+v, failures %v", l, r.Failures)
				}
			default:
				if l.Sent > 0 {
					t.Errorf("nothing was taken, the ledger says %+v", l)
				}
			}
		})
	}
}
