package file

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"recap/replay/targettest"
)

// The package that reads captures tests the packets; this is about the file.
func TestFilesHaveTheTimesOfTheCapture(t *testing.T) {
	name := filepath.Join(t.TempDir(), "out.pcap")
	env := new(targettest.Env)
	target, err := Open(t.Context(), &url.URL{Scheme: "file", Opaque: name}, Options{}, env)
	if err != nil {
		t.Fatal(err)
	}
	events := targettest.Events(10, 5000)
	if err := errors.Join(target.Send(t.Context(), events), target.Close(t.Context()), env.Balance(10)); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	le := binary.LittleEndian
	if le.Uint32(b) != 0xa1b23c4d || le.Uint32(b[20:]) != 1 {
		t.Fatalf("file begins with % x", b[:24])
	}
	first := events[0].Pair.Request.TimeNS
	var last int64
	packets := int64(0)
	for b = b[24:]; len(b) > 0; packets++ {
		ns := int64(le.Uint32(b))*int64(time.Second) + int64(le.Uint32(b[4:]))
		if packets == 0 && ns != first || ns < last {
			t.Fatalf("packet %d is of %d; the capture begins at %d, the packet before is of %d", packets, ns, first, last)
		}
		last = ns
		b = b[16+le.Uint32(b[8:]):]
	}
	if packets != env.Counted("packets") {
		t.Errorf("%d packets in the file, %d counted", packets, env.Counted("packets"))
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	evidence := filepath.Join(dir, "in.pcap")
	if err := os.WriteFile(evidence, []byte("evidence"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, file, query, err string }{
		{"a file that exists", evidence, "", "exists"},
		{"a name of another format", filepath.Join(dir, "x.pcapng"), "", "ends in .pcap"},
		{"an unknown parameter", filepath.Join(dir, "y.pcap"), "a=b", "parameter a: not known"},
		{"an MTU that is none", filepath.Join(dir, "y.pcap"), "mtu=12", "parameter mtu"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Open(t.Context(), &url.URL{Scheme: "file", Opaque: tt.file, RawQuery: tt.query}, Options{}, new(targettest.Env))
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("Open = %v, want %s", err, tt.err)
			}
		})
	}
	if b, err := os.ReadFile(evidence); err != nil || string(b) != "evidence" {
		t.Errorf("the file now holds %q, %v", b, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "y.pcap")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a file was made all the same")
	}
}
