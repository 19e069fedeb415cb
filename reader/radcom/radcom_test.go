package radcom_test

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"recap/reader/packet"
	"recap/reader/pcap"
	"recap/reader/pcaptest"
	"recap/reader/radcom"
	"recap/reader/sourcetest"
)

// build writes packets of a kind of network, so many bytes behind its name, with others before
// each, and the record that ends a file.
func build(t testing.TB, network string, rest, before int, last bool) []byte {
	pkts, err := pcaptest.Packets(sourcetest.Talk)
	if err != nil {
		t.Fatal(err)
	}
	le := binary.LittleEndian
	b := append([]byte("\x42\xd2\x00\x34\x12\x66\x22\x88"), make([]byte, 100)...)
	b = append(append(b, "Active Time"...), make([]byte, 40)...)
	b = append(append(b, 0, 0x42, 0x43, 9), make([]byte, 12)...)
	b = append(append(b, network...), make([]byte, rest)...)
	record := func(ns int64, data []byte, follow, wire int) {
		at := time.Unix(0, ns).UTC()
		b = append(b, 0, 0, 0, 0)
		b = append(le.AppendUint16(b, uint16(follow)), 0, 0, 0, 0, 0)
		b = append(le.AppendUint16(b, uint16(at.Year())), byte(at.Month()), byte(at.Day()))
		b = le.AppendUint32(b, uint32(ns/1e9%86400))
		b = le.AppendUint32(b, uint32(ns%1e9/1000))
		b = le.AppendUint16(le.AppendUint16(b, uint16(wire)), uint16(len(data)))
		b = append(b, make([]byte, 12)...)
		b = append(b, data...)
	}
	for _, p := range pkts {
		data := append(make([]byte, before), p.Data...)
		record(p.TimeNS, data, len(data), before+int(p.Length))
	}
	if last {
		record(pkts[0].TimeNS, nil, 0, 77)
		b = append(b, "what stands behind"...)
	}
	return b
}

func read(file []byte) sourcetest.Result {
	return sourcetest.Read(radcom.Format, bytes.NewReader(file), sourcetest.Options{})
}

func TestConformance(t *testing.T) {
	ethernet := build(t, "Ethe", 294, 0, false)
	sourcetest.TestAll(t, radcom.Format, map[string][]byte{
		"ethernet":           ethernet,
		"atm":                build(t, "ATM/", 504, 8, false),
		"with a last record": build(t, "Ethe", 294, 0, true),
		"with zero padding":  append(ethernet, make([]byte, 500)...),
	})
}

func TestPackets(t *testing.T) {
	want := sourcetest.Read(pcap.Format, bytes.NewReader(pcaptest.Build(t, sourcetest.Talk)), sourcetest.Options{})
	got := read(build(t, "Ethe", 294, 0, true))
	sourcetest.Same(t, got, want, 1)
	if n := got.Input.Anomalies["start_zone_unknown"]; n != 1 || got.Input.LostBytes != 0 {
		t.Errorf("start_zone_unknown = %d, %d bytes lost", n, got.Input.LostBytes)
	}
	for i := range want.Packets {
		want.Packets[i].Link = packet.LinkType(100)
	}
	sourcetest.Same(t, read(build(t, "ATM/", 504, 8, false)), want, 1)
	lapb := read(build(t, "LAPB", 297, 0, true))
	if n := lapb.Input.Unknown["radcom frame of LAPB"]; len(lapb.Packets) != 0 || n != int64(len(want.Packets)) {
		t.Errorf("%d packets and %d frames of LAPB, want %d", len(lapb.Packets), n, len(want.Packets))
	}
}

func TestAgainstWireshark(t *testing.T) {
	t.Setenv("TZ", "UTC") // it takes times as local ones
	sourcetest.Tshark(t, radcom.Format, build(t, "Ethe", 294, 0, true))
	sourcetest.Tshark(t, radcom.Format, build(t, "ATM/", 504, 8, false))
}

func FuzzRADCOM(f *testing.F) {
	f.Add(build(f, "Ethe", 294, 0, true), uint16(100))
	f.Add(build(f, "ATM/", 504, 8, false), uint16(1))
	f.Fuzz(func(t *testing.T, file []byte, slab uint16) {
		sourcetest.Fuzz(t, radcom.Format, file, slab)
		sourcetest.PrefixesOfSound(t, radcom.Format, file)
	})
}
