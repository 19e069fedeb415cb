package nettl_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"recap/reader/nettl"
	"recap/reader/packet"
	"recap/reader/pcap"
	"recap/reader/pcaptest"
	"recap/reader/sourcetest"
)

const talk = sourcetest.Talk

// Subsystems.
const (
	btlan  = 210
	ip     = 9
	loop   = 2
	icmp   = 23
	driver = 11
	fddi   = 176
)

// A file says how to write one.
type file struct {
	system string // version; empty: HP-UX 11
	subsys uint16
	logs   int // before every packet whose number is a multiple stands a record that is none
}

// wrap puts before a packet what its subsystem does.
func (f file) wrap(data []byte, length uint32) ([]byte, uint32) {
	switch f.subsys {
	case loop:
		return append(make([]byte, 26), data...), length + 26
	case fddi:
		return append(make([]byte, 3), data...), length + 3
	case driver:
		be := binary.BigEndian
		b := be.AppendUint16(be.AppendUint16(make([]byte, 4), uint16(len(data))), uint16(length))
		b = append(b, make([]byte, 14)...)
		if f.system == "" {
			b = append(b, 0, 0)
		}
		return append(b, data...), length + uint32(len(b))
	}
	return data, length
}

func (f file) build(t testing.TB, text string) []byte {
	pkts, err := pcaptest.Packets(text)
	if err != nil {
		t.Fatal(err)
	}
	be := binary.BigEndian
	b := make([]byte, 128)
	copy(b, "TR\x00\x64\x00\x00\x00\x00\x00\x00\x00\x80/tmp/a")
	header := 68
	copy(b[97:], "B.11.11")
	if f.system != "" {
		header = 64
		copy(b[97:], f.system)
	}
	copy(b[115:], "9000/800")
	record := func(kind uint32, ns int64, length uint32, data []byte) {
		at := len(b)
		b = append(b, make([]byte, header)...)
		be.PutUint16(b[at:], uint16(header))
		be.PutUint16(b[at+2:], f.subsys)
		be.PutUint32(b[at+12:], kind)
		for i, v := range []uint32{uint32(len(data)), length, uint32(ns / 1e9), uint32(ns % 1e9 / 1000)} {
			be.PutUint32(b[at+32+4*i:], v)
		}
		b = append(b, data...)
	}
	for i, p := range pkts {
		if f.logs > 0 && i%f.logs == 0 {
			record(0x04000000, p.TimeNS, 5, []byte("state"))
		}
		data, length := f.wrap(p.Data, p.Length)
		record(0x20000000, p.TimeNS, length, data)
	}
	return b
}

func read(file []byte) sourcetest.Result {
	return sourcetest.Read(nettl.Format, bytes.NewReader(file), sourcetest.Options{})
}

func TestConformance(t *testing.T) {
	sourcetest.TestAll(t, nettl.Format, map[string][]byte{
		"of HP-UX 11":                file{subsys: btlan}.build(t, talk),
		"of HP-UX 10, wrapped twice": file{system: "B.10.20", subsys: driver}.build(t, talk),
		"with zero padding":          append(file{subsys: btlan}.build(t, talk), make([]byte, 500)...),
	})
}

func TestAgainstPcap(t *testing.T) {
	want := sourcetest.Read(pcap.Format, bytes.NewReader(pcaptest.Build(t, talk)), sourcetest.Options{})
	for _, tt := range []struct {
		name string
		file file
		link packet.LinkType
	}{
		{"Ethernet card", file{subsys: btlan}, packet.LinkEthernet},
		{"IP", file{subsys: ip}, packet.LinkRaw},
		{"loopback", file{subsys: loop}, packet.LinkRaw},
		{"FDDI card", file{subsys: fddi}, 10},
		{"driver of HP-UX 11", file{subsys: driver}, packet.LinkEthernet},
		{"driver of HP-UX 10", file{system: "B.10.20", subsys: driver}, packet.LinkEthernet},
		{"with other records", file{subsys: btlan, logs: 3}, packet.LinkEthernet},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := read(tt.file.build(t, talk))
			sourcetest.SameOver(t, tt.link, got, want, 1)
			if n := got.Input.Unknown["nettl record that is no packet"]; (n > 0) != (tt.file.logs > 0) {
				t.Errorf("%d other records", n)
			}
			if len(got.Input.Anomalies) != 0 {
				t.Errorf("anomalies %v", got.Input.Anomalies)
			}
		})
	}
}

// Records that begin above IP are counted.
func TestAboveIP(t *testing.T) {
	got := read(file{subsys: icmp}.build(t, talk))
	if len(got.Packets) != 0 || got.Input.Unknown["nettl ICMP"] != 12 || got.Input.LostBytes != 0 {
		t.Errorf("%d packets, stepped over %v, %d bytes lost", len(got.Packets), got.Input.Unknown, got.Input.LostBytes)
	}
}

func TestAgainstWireshark(t *testing.T) {
	plain := pcaptest.Build(t, talk)
	written := sourcetest.Editcap(t, plain, "nettl")
	want := sourcetest.Read(pcap.Format, bytes.NewReader(plain), sourcetest.Options{})
	sourcetest.Same(t, read(written), want, 1)
	sourcetest.Test(t, nettl.Format, written)
	for _, f := range []file{{subsys: btlan}, {subsys: ip}, {subsys: loop}, {subsys: driver}, {system: "B.10.20", subsys: driver}, {subsys: fddi}} {
		sourcetest.Tshark(t, nettl.Format, f.build(t, talk))
	}
}

// The lengths of a record stand in for each other.
func TestWrongLengths(t *testing.T) {
	file := file{subsys: btlan}.build(t, talk)
	want := read(file)
	at := int(want.Packets[2].Offset)
	for _, tt := range []struct {
		name string
		at   int
		v    uint32
	}{
		{"captured length too large", at + 32, 1 << 30},
		{"captured length too small", at + 32, 3},
		{"length on the wire too large", at + 36, 1 << 31},
		{"no header", at, 0x00000001},
		{"header too large", at, 0xffff0001},
	} {
		bad := bytes.Clone(file)
		binary.BigEndian.PutUint32(bad[tt.at:], tt.v)
		got := read(bad)
		if len(got.Packets) != len(want.Packets) || !bytes.Equal(got.Packets[2].Data, want.Packets[2].Data) || got.Input.LostBytes != 0 {
			t.Errorf("%s: %d of %d packets, %d bytes lost, %v", tt.name, len(got.Packets), len(want.Packets), got.Input.LostBytes, got.Input.Damage)
		}
	}
}

func FuzzNettl(f *testing.F) {
	f.Add(file{subsys: btlan}.build(f, talk), uint16(100))
	f.Add(file{system: "B.10.20", subsys: driver}.build(f, talk), uint16(1))
	f.Add(file{subsys: loop, logs: 2}.build(f, talk), uint16(30))
	f.Fuzz(func(t *testing.T, file []byte, slab uint16) { sourcetest.Fuzz(t, nettl.Format, file, slab) })
}
