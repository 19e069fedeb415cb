package lanalyzer_test

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"recap/reader/lanalyzer"
	"recap/reader/packet"
	"recap/reader/pcap"
	"recap/reader/pcaptest"
	"recap/reader/sourcetest"
)

const talk = sourcetest.Talk

// A file says how to write one.
type file struct {
	board     uint16 // 0: Ethernet
	pad       int    // bytes behind every packet, which the record counts
	noSummary bool
	after     bool // a record that is no packet stands behind the packets
	empty     bool // no packets
}

func (f file) build(t testing.TB, text string) []byte {
	pkts, err := pcaptest.Packets(text)
	if err != nil {
		t.Fatal(err)
	}
	le := binary.LittleEndian
	var b []byte
	record := func(kind int, data []byte) {
		b = le.AppendUint16(le.AppendUint16(b, uint16(kind)), uint16(len(data)))
		b = append(b, data...)
	}
	record(0x1001, append([]byte("\x01\x05a comment"), make([]byte, 20)...))
	record(0x1006, make([]byte, 128))
	day := time.Unix(0, pkts[0].TimeNS).UTC().Truncate(24 * time.Hour)
	if !f.noSummary {
		s := make([]byte, 210)
		s[0], s[1] = byte(day.Day()), byte(day.Month())
		le.PutUint16(s[2:], uint16(day.Year()))
		le.PutUint16(s[30:], 1514)
		le.PutUint16(s[188:], 226)
		if f.board != 0 {
			le.PutUint16(s[188:], f.board)
		}
		record(0x1002, s)
	}
	record(0x1003, make([]byte, 6))
	record(0x1004, make([]byte, 40))
	for i, p := range pkts {
		if f.empty {
			break
		}
		r := le.AppendUint16(le.AppendUint16(nil, 1), 8)
		r = le.AppendUint16(le.AppendUint16(r, uint16(p.Length+4)), uint16(len(p.Data)))
		ticks := uint64(p.TimeNS-day.UnixNano()) / 500
		r = le.AppendUint16(le.AppendUint32(r, uint32(ticks)), uint16(ticks>>32))
		r = append(le.AppendUint32(r, uint32(i+1)), make([]byte, 14)...)
		record(0x1005, append(append(r, p.Data...), make([]byte, f.pad)...))
	}
	if f.after {
		record(0x1003, make([]byte, 6))
	}
	return b
}

func read(file []byte) sourcetest.Result {
	return sourcetest.Read(lanalyzer.Format, bytes.NewReader(file), sourcetest.Options{})
}

func TestConformance(t *testing.T) {
	sourcetest.TestAll(t, lanalyzer.Format, map[string][]byte{
		"plain":             file{}.build(t, talk),
		"padded packets":    file{pad: 2}.build(t, talk),
		"with zero padding": append(file{}.build(t, talk), make([]byte, 500)...),
	})
}

func TestAgainstPcap(t *testing.T) {
	want := sourcetest.Read(pcap.Format, bytes.NewReader(pcaptest.Build(t, talk)), sourcetest.Options{})
	for _, tt := range []struct {
		name string
		file file
		link packet.LinkType
	}{
		{"Ethernet", file{}, packet.LinkEthernet},
		{"token ring", file{board: 227}, 6},
		{"padded packets", file{pad: 6}, packet.LinkEthernet},
		{"a record behind the packets", file{after: true}, packet.LinkEthernet},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := read(tt.file.build(t, talk))
			sourcetest.SameOver(t, tt.link, got, want, 500)
			in := got.Input
			if a := in.Anomalies; len(a) != 1 || a["start_zone_unknown"] != 1 {
				t.Errorf("anomalies %v", a)
			}
			if n := in.Unknown["lanalyzer record 0x1003"]; (n == 1) != tt.file.after {
				t.Errorf("stepped over %v", in.Unknown)
			}
			if len(in.Comments) != 1 || in.Comments[0] != "a comment" || in.Interfaces[0].SnapLen != 1514 {
				t.Errorf("comments %q, interfaces %+v", in.Comments, in.Interfaces)
			}
		})
	}
}

// Packets are not given up for a summary that is missing.
func TestNoSummary(t *testing.T) {
	got := read(file{noSummary: true}.build(t, talk))
	if len(got.Packets) != 12 || got.Input.Anomalies["summary_missing"] != 1 || got.Input.DamageCount != 0 {
		t.Errorf("%d packets, anomalies %v, damage %v", len(got.Packets), got.Input.Anomalies, got.Input.Damage)
	}
}

func TestNoPackets(t *testing.T) {
	got := read(file{empty: true}.build(t, talk))
	if len(got.Packets) != 0 || got.Input.DamageCount != 0 {
		t.Errorf("%d packets, damage %v", len(got.Packets), got.Input.Damage)
	}
}

func TestAgainstWireshark(t *testing.T) {
	t.Setenv("TZ", "UTC") // it writes local dates
	plain := pcaptest.Build(t, talk)
	written := sourcetest.Editcap(t, plain, "lanalyzer")
	want := sourcetest.Read(pcap.Format, bytes.NewReader(plain), sourcetest.Options{})
	// It counts times from the first packet, but reads them as from midnight.
	first := want.Packets[0].TimeNS
	midnight := time.Unix(0, first).UTC().Truncate(24 * time.Hour).UnixNano()
	for i := range want.Packets {
		want.Packets[i].TimeNS += midnight - first
	}
	sourcetest.Same(t, read(written), want, 500)
	sourcetest.Tshark(t, lanalyzer.Format, written)
	for _, f := range []file{{}, {board: 227}} {
		sourcetest.Tshark(t, lanalyzer.Format, f.build(t, talk))
	}
}

// Its magic number is short, so that more is asked for.
func TestMatch(t *testing.T) {
	for _, tt := range []struct {
		name string
		file []byte
		want bool
	}{
		{"plain", file{}.build(t, talk), true},
		{"two bytes that are right", append([]byte{1, 0x10, 8, 0}, make([]byte, 100)...), false},
		{"one record", file{}.build(t, talk)[:35], false},
		{"nothing", nil, false},
	} {
		if got := lanalyzer.Format.Match(tt.file); got != tt.want {
			t.Errorf("%s: matched %t, want %t", tt.name, got, tt.want)
		}
	}
}

func FuzzLANalyzer(f *testing.F) {
	f.Add(file{}.build(f, talk), uint16(100))
	f.Add(file{pad: 3, after: true}.build(f, talk), uint16(1))
	f.Add(file{noSummary: true}.build(f, talk), uint16(30))
	f.Fuzz(func(t *testing.T, file []byte, slab uint16) { sourcetest.Fuzz(t, lanalyzer.Format, file, slab) })
}
