package sniffer_test

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"recap/reader/packet"
	"recap/reader/pcap"
	"recap/reader/pcaptest"
	"recap/reader/sniffer"
	"recap/reader/sourcetest"
)

const talk = sourcetest.Talk

// A file says how to write one.
type file struct {
	frame6  bool
	network byte // less one, so that the zero value is Ethernet
	unit    byte // less one, so that the zero value is the usual one
	notes   bool // records about the capture before the frames
	noEnd   bool
	pad     int // bytes behind every frame, which the record counts
	days    byte
	flags   byte
}

var picoseconds = []int64{15000000, 838096, 15000000, 500000, 2000000, 1000000, 100000}

func (f file) build(t testing.TB, text string) []byte {
	pkts, err := pcaptest.Packets(text)
	if err != nil {
		t.Fatal(err)
	}
	le := binary.LittleEndian
	b := []byte("TRSNIFF data    \x1a")
	record := func(kind int, data []byte) {
		b = le.AppendUint16(le.AppendUint16(b, uint16(kind)), uint16(len(data)))
		b = append(append(b, 0, 0), data...)
	}
	day := time.Unix(0, pkts[0].TimeNS).UTC().Add(-time.Duration(f.days) * 24 * time.Hour).Truncate(24 * time.Hour)
	v := le.AppendUint16(le.AppendUint16(nil, 4), 0)
	v = le.AppendUint16(le.AppendUint16(v, 0), uint16((day.Year()-1980)<<9|int(day.Month())<<5|day.Day()))
	record(1, append(v, 4, f.network+1, 1, f.unit+1, 0, 0, 0, 0, 0, 0))
	if f.notes {
		record(6, []byte("serial number"))
		record(7, []byte("what else"))
	}
	for _, p := range pkts {
		ns := p.TimeNS - day.UnixNano() - int64(f.days)*86400e9
		var ticks uint64
		if int(f.unit)+1 < len(picoseconds) {
			unit := picoseconds[f.unit+1]
			ticks = uint64((ns*1000 + unit - 1) / unit)
		}
		r := append(le.AppendUint32(nil, uint32(ticks)), byte(ticks>>32), f.days)
		r = append(le.AppendUint16(r, uint16(len(p.Data))), f.flags, 0)
		orig := p.Length
		if int(orig) == len(p.Data) {
			orig = 0
		}
		r = append(le.AppendUint16(r, uint16(orig)), 0, 0)
		kind := 4
		if f.frame6 {
			kind = 12
			r = append(r, make([]byte, 20)...)
		}
		record(kind, append(append(r, p.Data...), make([]byte, f.pad)...))
	}
	if !f.noEnd {
		record(3, nil)
	}
	return b
}

func read(file []byte) sourcetest.Result {
	return sourcetest.Read(sniffer.Format, bytes.NewReader(file), sourcetest.Options{})
}

func TestConformance(t *testing.T) {
	for _, tt := range []struct {
		name string
		file []byte
	}{
		{"plain", file{}.build(t, talk)},
		{"without an end", file{noEnd: true}.build(t, talk)},
		{"frames of the other kind", file{frame6: true}.build(t, talk)},
		{"padded frames", file{pad: 2}.build(t, talk)},
		{"with zero padding", append(file{}.build(t, talk), make([]byte, 500)...)},
	} {
		t.Run(tt.name, func(t *testing.T) { sourcetest.Test(t, sniffer.Format, tt.file) })
	}
}

func TestAgainstPcap(t *testing.T) {
	want := sourcetest.Read(pcap.Format, bytes.NewReader(pcaptest.Build(t, talk)), sourcetest.Options{})
	for _, tt := range []struct {
		name string
		file file
		unit int64 // nanoseconds
		link packet.LinkType
	}{
		{"plain", file{}, 839, packet.LinkEthernet},
		{"units of 0.1 µs", file{unit: 5}, 101, packet.LinkEthernet},
		{"units of 15 µs", file{unit: 1}, 15001, packet.LinkEthernet},
		{"frames of the other kind", file{frame6: true}, 839, packet.LinkEthernet},
		{"days after the start", file{days: 3}, 839, packet.LinkEthernet},
		{"with notes", file{notes: true}, 839, packet.LinkEthernet},
		{"FDDI", file{network: 8}, 839, 10},
		{"token ring", file{network: 255}, 839, 6},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := read(tt.file.build(t, talk))
			for i := range got.Packets {
				if got.Packets[i].Link != tt.link {
					t.Errorf("packet %d: link %d, want %d", i+1, got.Packets[i].Link, tt.link)
				}
				got.Packets[i].Link = packet.LinkEthernet
			}
			sourcetest.Same(t, got, want, tt.unit)
			if a := got.Input.Anomalies; len(a) != 1 || a["start_zone_unknown"] != 1 {
				t.Errorf("anomalies %v", a)
			}
			if n := len(got.Input.Unknown); (n == 2) != tt.file.notes {
				t.Errorf("stepped over %v", got.Input.Unknown)
			}
		})
	}
}

func TestUnknownUnit(t *testing.T) {
	got := read(file{unit: 20}.build(t, talk))
	if got.Input.Anomalies["unknown_time_unit"] != 1 || got.Packets[0].TimeNS != packet.NoTime || got.Input.DamageCount != 0 {
		t.Errorf("anomalies %v, first time %d, damage %v", got.Input.Anomalies, got.Packets[0].TimeNS, got.Input.Damage)
	}
}

func TestReceiveErrors(t *testing.T) {
	if got := read(file{flags: 0x80}.build(t, talk)); got.Input.Anomalies["receive_error"] != 12 {
		t.Errorf("anomalies %v, want 12 of receive_error", got.Input.Anomalies)
	}
}

// What is not read is not taken for a file of this format.
func TestMatch(t *testing.T) {
	plain := file{}.build(t, talk)
	compressed := bytes.Clone(plain)
	compressed[33] = 2
	for _, tt := range []struct {
		name string
		file []byte
		want bool
	}{
		{"plain", plain, true},
		{"compressed", compressed, false},
		{"ATM", file{network: 9}.build(t, talk), false},
		{"magic number only", plain[:17], false},
	} {
		if got := sniffer.Format.Match(tt.file); got != tt.want {
			t.Errorf("%s: matched %t, want %t", tt.name, got, tt.want)
		}
	}
}

func TestAgainstWireshark(t *testing.T) {
	t.Setenv("TZ", "UTC") // it writes local times
	plain := pcaptest.Build(t, talk)
	written := sourcetest.Editcap(t, plain, "ngsniffer")
	want := sourcetest.Read(pcap.Format, bytes.NewReader(plain), sourcetest.Options{})
	sourcetest.Same(t, read(written), want, 839)
	sourcetest.Test(t, sniffer.Format, written)
	for _, f := range []file{{}, {unit: 5}, {frame6: true, notes: true}, {pad: 2, days: 3}, {noEnd: true, network: 8}} {
		sourcetest.Tshark(t, sniffer.Format, f.build(t, talk))
	}
}

func FuzzSniffer(f *testing.F) {
	f.Add(file{}.build(f, talk), uint16(100))
	f.Add(file{frame6: true, notes: true}.build(f, talk), uint16(1))
	f.Add(file{pad: 3, noEnd: true}.build(f, talk), uint16(30))
	f.Fuzz(func(t *testing.T, file []byte, slab uint16) { sourcetest.Fuzz(t, sniffer.Format, file, slab) })
}
