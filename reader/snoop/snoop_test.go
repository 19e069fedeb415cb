package snoop_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"recap/reader/packet"
	"recap/reader/pcap"
	"recap/reader/pcaptest"
	"recap/reader/snoop"
	"recap/reader/sourcetest"
)

const talk = sourcetest.Talk

// build writes a snoop file, with records padded to 4 bytes or not.
func build(t testing.TB, text string, pad bool) []byte {
	pkts, err := pcaptest.Packets(text)
	if err != nil {
		t.Fatal(err)
	}
	be := binary.BigEndian
	b := be.AppendUint32(be.AppendUint32([]byte("snoop\x00\x00\x00"), 2), 4)
	for _, p := range pkts {
		n := len(p.Data)
		if pad {
			n = (n + 3) &^ 3
		}
		for _, v := range []uint32{p.Length, uint32(len(p.Data)), uint32(24 + n), 7, uint32(p.TimeNS / 1e9), uint32(p.TimeNS % 1e9 / 1000)} {
			b = be.AppendUint32(b, v)
		}
		b = append(append(b, p.Data...), make([]byte, n-len(p.Data))...)
	}
	return b
}

// surveyor writes a file of Shomiti's Surveyor: with a check sequence and a trailer, or, for
// 802.11, with a header of the radio.
func surveyor(t testing.TB, text string, media uint32) []byte {
	pkts, err := pcaptest.Packets(text)
	if err != nil {
		t.Fatal(err)
	}
	be := binary.BigEndian
	b := be.AppendUint32(be.AppendUint32([]byte("snoop\x00\x00\x00"), 4), media)
	for _, p := range pkts {
		data, orig := append(bytes.Clone(p.Data), 1, 2, 3, 4), p.Length+4
		if media == 18 {
			data, orig = append([]byte{0, 0, 0, 8, 0, 0, 2, 0, 1, 50, 60, 6}, p.Data...), p.Length+12
		}
		n := (len(data) + 3) &^ 3
		for _, v := range []uint32{orig, uint32(len(data)), uint32(24 + n + 16), 0, uint32(p.TimeNS / 1e9), uint32(p.TimeNS % 1e9 / 1000)} {
			b = be.AppendUint32(b, v)
		}
		b = append(append(b, data...), make([]byte, n-len(data)+16)...)
	}
	return b
}

func TestSurveyor(t *testing.T) {
	pkts, _ := pcaptest.Packets(talk)
	for _, media := range []uint32{4, 12, 19, 18} {
		got := sourcetest.Read(snoop.Format, bytes.NewReader(surveyor(t, talk, media)), sourcetest.Options{})
		if len(got.Packets) != len(pkts) || len(got.Input.Anomalies) != 0 || got.Input.DamageCount != 0 {
			t.Fatalf("type %d: %d packets, anomalies %v, damage %v", media, len(got.Packets), got.Input.Anomalies, got.Input.Damage)
		}
		for i, p := range got.Packets {
			want, fcs, link := append(bytes.Clone(pkts[i].Data), 1, 2, 3, 4), uint8(4), packet.LinkEthernet
			if media == 18 {
				want, fcs, link = pkts[i].Data, 0, packet.LinkWiFi
			}
			if !bytes.Equal(p.Data, want) || p.FCSLen != fcs || p.Link != link || p.Length != pkts[i].Length+uint32(fcs) {
				t.Errorf("type %d, packet %d: link %d, %d bytes of %d, %d of a check sequence", media, i+1, p.Link, len(p.Data), p.Length, p.FCSLen)
			}
		}
		sourcetest.Tshark(t, snoop.Format, surveyor(t, talk, media))
	}
}

func TestConformance(t *testing.T) {
	sourcetest.TestAll(t, snoop.Format, map[string][]byte{
		"padded records":          build(t, talk, true),
		"records without padding": build(t, talk, false),
		"Surveyor":                surveyor(t, talk, 4),
		"with zero padding":       append(build(t, talk, true), make([]byte, 500)...),
	})
}

func TestAgainstPcap(t *testing.T) {
	want := sourcetest.Read(pcap.Format, bytes.NewReader(pcaptest.Build(t, talk)), sourcetest.Options{})
	got := sourcetest.Read(snoop.Format, bytes.NewReader(build(t, talk, true)), sourcetest.Options{})
	sourcetest.Same(t, got, want, 1)
	if d := got.Input.Interfaces[0].Drops; d != 7 {
		t.Errorf("%d drops, want 7", d)
	}
}

func TestAgainstWireshark(t *testing.T) {
	plain := pcaptest.Build(t, talk)
	file := sourcetest.Editcap(t, plain, "snoop")
	want := sourcetest.Read(pcap.Format, bytes.NewReader(plain), sourcetest.Options{})
	sourcetest.Same(t, sourcetest.Read(snoop.Format, bytes.NewReader(file), sourcetest.Options{}), want, 1)
	sourcetest.Test(t, snoop.Format, file)
	sourcetest.Tshark(t, snoop.Format, build(t, talk, true))
}

// The two lengths of a record stand in for each other.
func TestWrongLengths(t *testing.T) {
	file := build(t, talk, true)
	want := sourcetest.Read(snoop.Format, bytes.NewReader(file), sourcetest.Options{})
	at := int(want.Packets[2].Offset)
	for _, tt := range []struct {
		name string
		at   int
		v    uint32
	}{
		{"captured length too large", at + 4, 1 << 30},
		{"captured length too small", at + 4, 3},
		{"record length too large", at + 8, 1 << 31},
		{"record length too small", at + 8, 25},
	} {
		bad := bytes.Clone(file)
		binary.BigEndian.PutUint32(bad[tt.at:], tt.v)
		got := sourcetest.Read(snoop.Format, bytes.NewReader(bad), sourcetest.Options{})
		if len(got.Packets) != len(want.Packets) || !bytes.Equal(got.Packets[2].Data, want.Packets[2].Data) || got.Input.LostBytes != 0 {
			t.Errorf("%s: %d of %d packets, %d bytes lost, %v", tt.name, len(got.Packets), len(want.Packets), got.Input.LostBytes, got.Input.Damage)
		}
	}
}

func FuzzSnoop(f *testing.F) {
	f.Add(build(f, talk, true), uint16(100))
	f.Add(build(f, talk, false), uint16(1))
	f.Add(surveyor(f, talk, 18), uint16(1))
	f.Fuzz(func(t *testing.T, file []byte, slab uint16) { sourcetest.Fuzz(t, snoop.Format, file, slab) })
}
