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
	atm     []byte // kind of frames of ATM
	short   bool   // records of ATM are longer than they say
	front   string // in place of the Ethernet header
	wan     byte   // less one, kind of a wide area network
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
	if f.short {
		v[2] = 95
	}
	v = le.AppendUint16(le.AppendUint16(v, 0), uint16((day.Year()-1980)<<9|int(day.Month())<<5|day.Day()))
	record(1, append(v, 4, f.network+1, 1, f.unit+1, 0, 0, 0, 0, 0, 0))
	if f.notes {
		record(6, []byte("serial number"))
		record(7, []byte("what else"))
	}
	if f.wan > 0 {
		record(7, []byte{0, 0, 0, 0, f.wan - 1, 0, 0})
	}
	for _, p := range pkts {
		if f.front != "" {
			const header = 14
			p.Data = append([]byte(f.front), p.Data[header:]...)
			p.Length = p.Length - header + uint32(len(f.front))
		}
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
		if f.atm != nil {
			kind = 8
			r = append(append(append(r, make([]byte, 14)...), f.atm...), make([]byte, 18)...)
		}
		at := len(b)
		record(kind, append(append(r, p.Data...), make([]byte, f.pad)...))
		if f.short {
			le.PutUint16(b[at+2:], le.Uint16(b[at+2:])-34)
		}
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
	sourcetest.TestAll(t, sniffer.Format, map[string][]byte{
		"plain":                    file{}.build(t, talk),
		"without an end":           file{noEnd: true}.build(t, talk),
		"frames of the other kind": file{frame6: true}.build(t, talk),
		"padded frames":            file{pad: 2}.build(t, talk),
		"ATM":                      file{network: 9, atm: []byte{0x13, 0}, front: "\xaa\xaa\x03\x00\x00\x00\x08\x00"}.build(t, talk),
		"PPP":                      file{network: 6, front: "\xff\x03\x00\x21"}.build(t, talk),
		"with zero padding":        append(file{}.build(t, talk), make([]byte, 500)...),
	})
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
			sourcetest.SameOver(t, tt.link, got, want, tt.unit)
			if a := got.Input.Anomalies; len(a) != 1 || a["start_zone_unknown"] != 1 {
				t.Errorf("anomalies %v", a)
			}
			if n := len(got.Input.Unknown); (n == 2) != tt.file.notes {
				t.Errorf("stepped over %v", got.Input.Unknown)
			}
		})
	}
}

const llc = "\xaa\xaa\x03\x00\x00\x00\x08\x00"

// mixed are captures whose frames have link types of their own.
var mixed = []struct {
	name  string
	file  file
	link  packet.LinkType
	strip int // bytes of front that are no part of the packet
}{
	{"LLC over ATM", file{network: 9, atm: []byte{0x13, 0}, front: llc}, 100, 0},
	{"records longer than they say", file{network: 9, atm: []byte{0x13, 0}, front: llc, short: true}, 100, 0},
	{"emulated Ethernet", file{network: 9, atm: []byte{0x33, 2}, front: "\x00\x05\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02\x08\x00"}, 1, 2},
	{"bridged Ethernet", file{network: 9, atm: []byte{0x23, 7}, front: "\x00\x00\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02\x08\x00"}, 1, 2},
	{"IP over ATM", file{network: 9, atm: []byte{0x23, 0}, front: "\x45"}, 100, 0},
	{"PPP", file{network: 6, front: "\xff\x03\x00\x21"}, packet.LinkPPP, 0},
	{"PPP that says so", file{network: 7, wan: 5, front: "\x21"}, packet.LinkPPP, 0},
	{"Cisco HDLC", file{network: 6, wan: 2, front: "\x0f\x00\x08\x00"}, packet.LinkCHDLC, 0},
	{"frame relay", file{network: 6, wan: 4, front: "\x18\x41\x03\xcc"}, 107, 0},
	{"frame relay that is not told", file{network: 6, wan: 2, front: "\x18\x41\x03\xcc"}, 107, 0},
}

func TestMixed(t *testing.T) {
	for _, tt := range mixed {
		t.Run(tt.name, func(t *testing.T) {
			pkts, err := pcaptest.Packets(talk)
			if err != nil {
				t.Fatal(err)
			}
			got := read(tt.file.build(t, talk))
			if len(got.Packets) != len(pkts) || got.Input.DamageCount != 0 || len(got.Input.Unknown) > 1 {
				t.Fatalf("%d packets of %d, damage %v, unknown %v", len(got.Packets), len(pkts), got.Input.Damage, got.Input.Unknown)
			}
			for i, p := range got.Packets {
				want := append([]byte(tt.file.front[tt.strip:]), pkts[i].Data[14:]...)
				cut := int(pkts[i].Length) - len(pkts[i].Data)
				if p.Link != tt.link || !bytes.Equal(p.Data, want) || int(p.Length) != len(want)+cut {
					t.Errorf("packet %d: link %d, %d bytes of %d, %x; want %x", i+1, p.Link, len(p.Data), p.Length, p.Data, want)
				}
			}
		})
	}
}

// What carries no IP, or is not known to, is counted.
func TestNoLink(t *testing.T) {
	for _, f := range []file{
		{network: 9, atm: []byte{0x01, 0}},
		{network: 9, atm: []byte{0x33, 1}, front: "\xff\x00\x01"},
		{network: 6, wan: 1, front: "\xff\x03\x00\x21"},
		{network: 6, flags: 0x18, front: "\xff\x03\x00\x21"},
		{network: 6, front: "\x01\x02\x03\x04"},
	} {
		got := read(f.build(t, talk))
		if n := got.Input.Unknown["sniffer cell or control message of ATM"] + got.Input.Unknown["sniffer frame of an unknown protocol of wide area networks"]; len(got.Packets) != 0 || n != 12 {
			t.Errorf("%+v: %d packets, unknown %v", f, len(got.Packets), got.Input.Unknown)
		}
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
		{"ATM", file{network: 9}.build(t, talk), true},
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
	for _, tt := range mixed {
		t.Run(tt.name, func(t *testing.T) { sourcetest.TsharkTail(t, sniffer.Format, tt.file.build(t, talk)) })
	}
	ppp := read(sourcetest.Editcap(t, pcaptest.Build(t, talk), "ngsniffer", "-T", "ppp"))
	if len(ppp.Packets) != 0 || ppp.Input.Unknown["sniffer frame of an unknown protocol of wide area networks"] != 12 {
		t.Errorf("%d packets of no PPP, unknown %v", len(ppp.Packets), ppp.Input.Unknown)
	}
}

func FuzzSniffer(f *testing.F) {
	f.Add(file{}.build(f, talk), uint16(100))
	f.Add(file{frame6: true, notes: true}.build(f, talk), uint16(1))
	f.Add(file{pad: 3, noEnd: true}.build(f, talk), uint16(30))
	for _, tt := range mixed {
		f.Add(tt.file.build(f, talk), uint16(50))
	}
	f.Fuzz(func(t *testing.T, file []byte, slab uint16) { sourcetest.Fuzz(t, sniffer.Format, file, slab) })
}
