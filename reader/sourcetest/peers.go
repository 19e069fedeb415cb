package sourcetest

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"recap/reader/format"
	"recap/reader/packet"
)

// Editcap has Wireshark's editcap write a pcap file anew in another format, as it
// names them. Where editcap is missing the test is skipped.
func Editcap(t testing.TB, pcap []byte, to string, args ...string) []byte {
	t.Helper()
	Tool(t, "editcap")
	in, out := filepath.Join(t.TempDir(), "in"), filepath.Join(t.TempDir(), "out")
	if err := os.WriteFile(in, pcap, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("editcap", append(append([]string{"-F", to}, args...), in, out)...)
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("editcap -F %s: %v: %s", to, err, text)
	}
	file, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// Tshark compares what f reads in a file with what tshark reads: times, lengths
// and bytes of every packet. Where tshark is missing the test is skipped.
func Tshark(t *testing.T, f format.Format, file []byte) {
	t.Helper()
	TsharkNamed(t, f, file, "file")
}

// TsharkTail is [Tshark] for formats of which tshark counts the headers of records to the
// packets: what a packet holds must end what tshark reads, and be as much shorter as on
// the wire.
func TsharkTail(t *testing.T, f format.Format, file []byte) {
	t.Helper()
	TsharkBehind(t, f, file, 0)
}

// TsharkBehind is [TsharkTail] for formats whose packets begin with front bytes that tshark has
// beside them.
func TsharkBehind(t *testing.T, f format.Format, file []byte, front int) {
	t.Helper()
	Tool(t, "tshark")
	name := filepath.Join(t.TempDir(), "file")
	WriteFile(t, name, file)
	res := Read(f, bytes.NewReader(file), Options{})
	want, data := tsharkFrames(t, name), tsharkBytes(t, name)
	if len(res.Packets) != len(want) || len(data) != len(want) {
		t.Fatalf("%d packets, tshark finds %d", len(res.Packets), len(want))
	}
	for i, p := range res.Packets {
		header := len(data[i])/2 - (len(p.Data) - front)
		got := fmt.Sprintf("%d.%09d\t%d\t%d", p.TimeNS/1e9, p.TimeNS%1e9, len(p.Data)-front+header, int(p.Length)-front+header)
		if got != want[i] || !strings.HasSuffix(data[i], hex.EncodeToString(p.Data[front:])) {
			t.Errorf("packet %d: %q %x, tshark reads %q %s", i+1, got, p.Data, want[i], data[i])
		}
	}
}

// WriteFile writes a file of a test.
func WriteFile(t testing.TB, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// tsharkFrames returns time, captured length and length of each packet as tshark reads them.
func tsharkFrames(t *testing.T, name string) []string {
	t.Helper()
	cmd := exec.Command("tshark", "-n", "-r", name, "-T", "fields", "-e", "frame.time_epoch", "-e", "frame.cap_len", "-e", "frame.len")
	cmd.Env = append(os.Environ(), "TZ=UTC")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("tshark: %v", err)
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}

// TsharkNamed is [Tshark] for formats that tshark tells apart by the names of files.
func TsharkNamed(t *testing.T, f format.Format, file []byte, name string) {
	t.Helper()
	Tool(t, "tshark")
	name = filepath.Join(t.TempDir(), name)
	WriteFile(t, name, file)
	want := tsharkFrames(t, name)
	res := Read(f, bytes.NewReader(file), Options{})
	if len(res.Packets) != len(want) {
		t.Fatalf("%d packets, tshark finds %d", len(res.Packets), len(want))
	}
	for i, p := range res.Packets {
		got := fmt.Sprintf("%d.%09d\t%d\t%d", p.TimeNS/1e9, p.TimeNS%1e9, len(p.Data), p.Length)
		if got != want[i] {
			t.Errorf("packet %d: %q, tshark reads %q", i+1, got, want[i])
		}
	}
	bytesOf := tsharkBytes(t, name)
	if len(bytesOf) != len(res.Packets) {
		t.Fatalf("tshark gives the bytes of %d packets out of %d", len(bytesOf), len(res.Packets))
	}
	for i, data := range bytesOf {
		if got := hex.EncodeToString(res.Packets[i].Data); got != data {
			t.Errorf("packet %d: bytes %s, tshark reads %s", i+1, got, data)
		}
	}
}

// tsharkBytes returns the bytes that tshark reads of each packet, as hexadecimal digits.
func tsharkBytes(t *testing.T, name string) []string {
	t.Helper()
	out, err := exec.Command("tshark", "-n", "-r", name, "-T", "jsonraw", "-J", "frame").Output()
	if err != nil {
		t.Fatalf("tshark: %v", err)
	}
	var packets []struct {
		Source struct {
			Layers struct {
				Frame []any `json:"frame_raw"`
			} `json:"layers"`
		} `json:"_source"`
	}
	if err := json.Unmarshal(out, &packets); err != nil {
		t.Fatalf("tshark: %v", err)
	}
	var all []string
	for _, p := range packets {
		all = append(all, fmt.Sprint(p.Source.Layers.Frame[0]))
	}
	return all
}

// Tool skips the test where one of Wireshark's command line tools is missing.
func Tool(t testing.TB, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("SKIPPED: no %s here; install Wireshark's command line tools to run this test", name)
	}
}

// Same checks that two results hold the same packets: bytes, lengths, and times
// within a unit of ns nanoseconds.
func Same(t *testing.T, got, want Result, unit int64) {
	t.Helper()
	if len(got.Packets) != len(want.Packets) {
		t.Fatalf("%d packets, want %d; damage: %v", len(got.Packets), len(want.Packets), got.Input.Damage)
	}
	for i, g := range got.Packets {
		w := want.Packets[i]
		if !bytes.Equal(g.Data, w.Data) || g.Length != w.Length || g.Link != w.Link {
			t.Errorf("packet %d: %d bytes of %d, link %d; want %d of %d, link %d", i+1, len(g.Data), g.Length, g.Link, len(w.Data), w.Length, w.Link)
		}
		if d := g.TimeNS - w.TimeNS; d <= -unit || d >= unit {
			t.Errorf("packet %d: time %d, want %d within %d", i+1, g.TimeNS, w.TimeNS, unit)
		}
	}
	if got.Input.DamageCount != 0 {
		t.Errorf("damage: %v", got.Input.Damage)
	}
}

// SameOver is [Same] for packets that all have another link than those of want, which
// are of Ethernet.
func SameOver(t *testing.T, link packet.LinkType, got, want Result, unit int64) {
	t.Helper()
	for i := range got.Packets {
		if got.Packets[i].Link != link {
			t.Errorf("packet %d: link %d, want %d", i+1, got.Packets[i].Link, link)
		}
		got.Packets[i].Link = packet.LinkEthernet
	}
	Same(t, got, want, unit)
}

// Fuzz checks that reading a file byte by byte into any slab changes nothing, and
// that the sums hold.
func Fuzz(t *testing.T, f format.Format, file []byte, slab uint16) {
	if !f.Match(file[:min(len(file), format.HeadSize)]) {
		return
	}
	lim := format.Limits{MaxPacket: 1000}
	want := Read(f, bytes.NewReader(file), Options{Limits: lim})
	Balance(t, want, len(file))
	got := Read(f, oneByte{bytes.NewReader(file)}, Options{Slab: int(slab), Eager: true, Limits: lim})
	Equal(t, "one byte a read", got, want)
}

type oneByte struct{ r *bytes.Reader }

func (o oneByte) Read(b []byte) (int, error) { return o.r.Read(b[:min(1, len(b))]) }
