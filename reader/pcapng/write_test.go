package pcapng

import (
	"bytes"
	"errors"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"recap/reader/format"
	"recap/reader/packet"
)

// readBack reads a file with the parser of this package.
func readBack(t *testing.T, file []byte) (*packet.Input, []packet.Packet) {
	t.Helper()
	in := &packet.Input{Name: "written"}
	src := format.NewSource(bytes.NewReader(file), Format.New(in, 0, format.Limits{}), in, format.SourceOptions{Pool: packet.NewPool(0)})
	defer src.Close()
	var all []packet.Packet
	for {
		b, err := src.Next()
		if errors.Is(err, io.EOF) {
			return in, all
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range b.Packets {
			p.Data = bytes.Clone(p.Data)
			all = append(all, p)
		}
		b.Release()
	}
}

var writtenInterfaces = []packet.Interface{
	{Link: packet.LinkEthernet, SnapLen: 262144, Name: "eth0", Description: "file a.pcap", Filter: "port 80", OS: "Linux", Hardware: "a card"},
	{Link: packet.LinkRaw, SnapLen: 128},
	{Link: packet.LinkEthernet, OffsetSec: -1 << 33},
}

var writtenPackets = []struct {
	iface   int
	comment string
	p       packet.Packet
}{
	{0, "pair 1", packet.Packet{Data: []byte("abcd"), TimeNS: 1_700_000_000_123_456_789, Length: 4}},
	{1, "", packet.Packet{Data: []byte("E23"), TimeNS: 0, Length: 1500}},
	{1, "\xff no UTF-8", packet.Packet{Data: []byte{}, TimeNS: math.MaxInt64, Length: 0}},
	{2, "before 1970", packet.Packet{Data: []byte("x"), TimeNS: -1_500_000_001, Length: 1}},
	{0, "no time", packet.Packet{Data: []byte("y"), TimeNS: packet.NoTime, Length: 1}},
	{0, strings.Repeat("é", 40_000), packet.Packet{Data: []byte("fcs4"), TimeNS: 1, Length: 4, FCSLen: 4}},
}

func written(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	w := NewWriter(&b, Section{Application: "recap", Comment: "about the file"})
	for i := range writtenInterfaces {
		if id, err := w.Interface(&writtenInterfaces[i]); id != i || err != nil {
			t.Fatalf("Interface = %d, %v; want %d", id, err, i)
		}
	}
	for _, x := range writtenPackets {
		if err := w.Packet(x.iface, &x.p, x.comment); err != nil {
			t.Fatalf("Packet(%d, %q): %v", x.iface, x.p.Data, err)
		}
	}
	return b.Bytes()
}

func TestWhatIsWrittenIsReadBack(t *testing.T) {
	in, got := readBack(t, written(t))
	if in.DamageCount != 0 || len(in.Anomalies) != 0 {
		t.Errorf("damage %v, anomalies %v; want none", in.Damage, in.Anomalies)
	}
	if in.Application != "recap" || in.Sections != 1 {
		t.Errorf("application %q, %d sections", in.Application, in.Sections)
	}
	for i, want := range writtenInterfaces {
		want.Resolution, want.Drops, want.Received = "10^-9", -1, -1
		for _, x := range writtenPackets {
			if x.iface == i {
				want.Packets++
			}
		}
		if i >= len(in.Interfaces) || in.Interfaces[i] != want {
			t.Errorf("interface %d = %+v, want %+v", i, in.Interfaces[i], want)
		}
	}
	if len(got) != len(writtenPackets) {
		t.Fatalf("%d packets, want %d", len(got), len(writtenPackets))
	}
	for i, x := range writtenPackets {
		g := got[i]
		if !bytes.Equal(g.Data, x.p.Data) || g.TimeNS != x.p.TimeNS || g.Length != x.p.Length || g.FCSLen != x.p.FCSLen || int(g.Interface) != x.iface || g.Link != writtenInterfaces[x.iface].Link {
			t.Errorf("packet %d = %+v, want %+v", i+1, g, x.p)
		}
	}
	comments := strings.Join(in.Comments, "|")
	if want := "about the file|pair 1|\uFFFD no UTF-8|before 1970|no time|"; !strings.HasPrefix(comments, want) {
		t.Errorf("comments begin %.80q, want %q", comments, want)
	}
}

func TestWriterRefusesWhatDoesNotFit(t *testing.T) {
	w := NewWriter(io.Discard, Section{})
	p := &packet.Packet{TimeNS: -1}
	if err := w.Packet(0, p, ""); !errors.Is(err, ErrNoInterface) {
		t.Errorf("without an interface: %v, want %v", err, ErrNoInterface)
	}
	if _, err := w.Interface(&packet.Interface{}); err != nil {
		t.Fatal(err)
	}
	if err := w.Packet(0, p, ""); !errors.Is(err, ErrTime) {
		t.Errorf("a time before the epoch: %v, want %v", err, ErrTime)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestWriterKeepsItsError(t *testing.T) {
	broken := errors.New("disk full")
	w := NewWriter(failing{broken}, Section{})
	if _, err := w.Interface(&packet.Interface{}); !errors.Is(err, broken) {
		t.Errorf("Interface: %v, want %v", err, broken)
	}
	if err := w.Packet(0, &packet.Packet{}, ""); !errors.Is(err, broken) {
		t.Errorf("Packet: %v, want %v", err, broken)
	}
}

func TestWrittenFileInTshark(t *testing.T) {
	name := filepath.Join(t.TempDir(), "written.pcapng")
	if err := os.WriteFile(name, written(t), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(tool string, args ...string) string {
		path, err := exec.LookPath(tool)
		if err != nil {
			t.Skipf("SKIPPED: %s is not installed: the file was not shown to it", tool)
		}
		cmd := exec.Command(path, args...)
		cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "TZ=UTC")
		var complaint bytes.Buffer
		cmd.Stderr = &complaint
		out, err := cmd.Output()
		for line := range strings.Lines(complaint.String()) {
			if !strings.HasPrefix(line, "Running as user") {
				t.Errorf("%s says %s", tool, line)
			}
		}
		if err != nil {
			t.Errorf("%s: %v", tool, err)
		}
		return string(out)
	}
	got := run("tshark", "-r", name, "-T", "fields", "-e", "frame.time_epoch", "-e", "frame.len", "-e", "frame.cap_len", "-e", "frame.interface_id", "-e", "frame.comment")
	want := "1700000000.123456789\t4\t4\t0\tpair 1\n0.000000000\t1500\t3\t1\t\n"
	if !strings.HasPrefix(got, want) {
		t.Errorf("tshark shows\n%.300s\nwant it to begin\n%s", got, want)
	}
	if got := run("capinfos", "-c", "-M", name); !strings.Contains(got, "6") {
		t.Errorf("capinfos shows %s, want 6 packets", got)
	}
}
