package all_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"recap/reader"
	"recap/reader/all"
	"recap/reader/format"
	"recap/reader/packet"
	"recap/reader/sourcetest"
)

const web = "../../testdata/captures/web.pcap"

// packets reads a whole file, whatever its format.
func packets(t *testing.T, name string) ([]packet.Packet, *packet.Input) {
	t.Helper()
	c, err := reader.Open(context.Background(), []string{name}, reader.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var pkts []packet.Packet
	for {
		b, err := c.Next()
		if err != nil {
			return pkts, c.Inputs()[0]
		}
		for _, p := range b.Packets {
			p.Data = bytes.Clone(p.Data)
			pkts = append(pkts, p)
		}
		b.Release()
	}
}

// Every format that editcap writes of a capture of Ethernet is found by what is in
// the file, and holds the same packets. Times differ by what a format cannot hold.
func TestFormatsOfWireshark(t *testing.T) {
	t.Setenv("TZ", "UTC") // some formats hold local times
	plain, err := os.ReadFile(web)
	if err != nil {
		t.Fatal(err)
	}
	want, _ := packets(t, web)
	for _, tt := range []struct {
		to   string
		name string
		unit int64 // nanoseconds; 0: time of day is not kept
	}{
		{"pcap", "pcap", 1},
		{"nsecpcap", "pcap-ns", 1},
		{"modpcap", "pcap-modified", 1},
		{"nokiapcap", "pcap-nokia", 1},
		{"pcapng", "pcapng", 1},
		{"snoop", "snoop", 1},
		{"netmon1", "netmon-1.1", 1e6},
		{"netmon2", "netmon-2.0", 1000},
		{"5views", "5views", 1},
		{"commview-ncf", "commview-ncf", 1},
		{"commview-ncfx", "commview-ncfx", 1},
		{"k12text", "k12text", 0},
		{"lanalyzer", "lanalyzer", 0},
		{"nettl", "nettl", 1},
		{"ngsniffer", "sniffer-4.0", 840},
		{"ngwsniffer_1_1", "netxray-1.1", 1},
		{"ngwsniffer_2_0", "netxray-2.1", 1},
		{"observer", "observer", 1},
		{"visual", "visual", 1e6},
	} {
		t.Run(tt.to, func(t *testing.T) {
			file := sourcetest.Editcap(t, plain, tt.to)
			name := filepath.Join(t.TempDir(), "file")
			if err := os.WriteFile(name, file, 0o600); err != nil {
				t.Fatal(err)
			}
			got, in := packets(t, name)
			if in.Format != tt.name || len(got) != len(want) || in.DamageCount != 0 || in.LostBytes != 0 {
				t.Fatalf("%s, %d packets, damage %v; want %s, %d packets", in.Format, len(got), in.Damage, tt.name, len(want))
			}
			for i, p := range got {
				w := want[i]
				d := p.TimeNS - w.TimeNS
				if tt.unit > 0 && (d <= -tt.unit || d >= tt.unit) || !bytes.Equal(p.Data, w.Data) || p.Length != w.Length || p.Link != w.Link {
					t.Errorf("packet %d: %d of %d bytes, link %d, time %d; want %d of %d, %d, %d", i+1,
						len(p.Data), p.Length, p.Link, p.TimeNS, len(w.Data), w.Length, w.Link, w.TimeNS)
				}
			}
			onlyOne(t, file, tt.to)
		})
	}
}

// A compressed file of a Sniffer for DOS is unpacked on the way.
func TestPackedSniffer(t *testing.T) {
	plain, err := os.ReadFile(web)
	if err != nil {
		t.Fatal(err)
	}
	file := sourcetest.Editcap(t, plain, "ngsniffer")
	const header = 41
	packed := append([]byte{}, file[:header]...)
	packed[33] = 0
	for rest := file[header:]; len(rest) > 0; {
		n := min(len(rest), 30000) // blocks that are not compressed have a negative length
		packed = append(binary.LittleEndian.AppendUint16(packed, uint16(-n)), rest[:n]...)
		rest = rest[n:]
	}
	dir := t.TempDir()
	for name, b := range map[string][]byte{"plain": file, "packed": packed, "cut": packed[:len(packed)-1000]} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, _ := packets(t, filepath.Join(dir, "plain"))
	got, in := packets(t, filepath.Join(dir, "packed"))
	if len(got) != len(want) || in.DamageCount != 0 || in.Compression != "sniffer" {
		t.Errorf("%d of %d packets, compression %q, damage %v", len(got), len(want), in.Compression, in.Damage)
	}
	for i := range got {
		if !bytes.Equal(got[i].Data, want[i].Data) || got[i].TimeNS != want[i].TimeNS {
			t.Errorf("packet %d differs", i+1)
		}
	}
	if cut, in := packets(t, filepath.Join(dir, "cut")); len(cut) == 0 || len(cut) >= len(want) || in.DamageCount == 0 {
		t.Errorf("cut: %d of %d packets, damage %v", len(cut), len(want), in.Damage)
	}
}

// onlyOne checks that no second format would take a file, but one without a magic
// number that is asked later.
func onlyOne(t *testing.T, file []byte, name string) {
	n := 0
	for _, f := range all.Formats() {
		if f.Match(file[:min(len(file), format.HeadSize)]) {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d formats take the %s file", n, name)
	}
}
