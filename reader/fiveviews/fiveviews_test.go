package fiveviews_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"recap/reader/fiveviews"
	"recap/reader/pcap"
	"recap/reader/pcaptest"
	"recap/reader/sourcetest"
)

const talk = `
	10.0.0.1:4000 > 10.0.0.2:80 handshake "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
	10.0.0.2:80 > 10.0.0.1:4000 @20ms "HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n" fill=100 mss=60
	10.0.0.1:4000 > 10.0.0.2:80 "later" @1h
	10.0.0.1:4000 > 10.0.0.2:80 close`

// build writes a file. Before every packet whose number is a multiple of every stands
// a record that is none.
func build(t testing.TB, text string, every int) []byte {
	pkts, err := pcaptest.Packets(text)
	if err != nil {
		t.Fatal(err)
	}
	le := binary.LittleEndian
	var b []byte
	for _, v := range []uint32{0xaaaaaaaa, 32, 0x10000, 24, 0x18001000, 0, 0, 0, 0x80000007, 0x10004, 1234, 0x20000000, 0x10004, uint32(len(pkts))} {
		b = le.AppendUint32(b, v)
	}
	record := func(kind uint32, ns int64, data []byte) {
		b = le.AppendUint32(b, 0x3333eeee)
		b = le.AppendUint16(le.AppendUint16(b, 36), 0x4000)
		for _, v := range []uint32{0x80000000, kind, uint32(len(data)), 1, uint32(ns / 1e9), uint32(ns % 1e9), 0} {
			b = le.AppendUint32(b, v)
		}
		b = append(b, data...)
	}
	for i, p := range pkts {
		if every > 0 && i%every == 0 {
			record(2, p.TimeNS, []byte("alarm"))
		}
		record(0, p.TimeNS, p.Data)
	}
	return b
}

func read(file []byte) sourcetest.Result {
	return sourcetest.Read(fiveviews.Format, bytes.NewReader(file), sourcetest.Options{})
}

func TestConformance(t *testing.T) {
	sourcetest.TestAll(t, fiveviews.Format, map[string][]byte{
		"packets only":      build(t, talk, 0),
		"with zero padding": append(build(t, talk, 0), make([]byte, 500)...),
	})
}

func TestAgainstPcap(t *testing.T) {
	want := sourcetest.Read(pcap.Format, bytes.NewReader(pcaptest.Build(t, talk)), sourcetest.Options{})
	sourcetest.Same(t, read(build(t, talk, 0)), want, 1)
	mixed := read(build(t, talk, 3))
	sourcetest.Same(t, mixed, want, 1)
	if n := mixed.Input.Unknown["5views record 2"]; n == 0 {
		t.Errorf("records without packets were not counted: %v", mixed.Input.Unknown)
	}
}

func TestAgainstWireshark(t *testing.T) {
	plain := pcaptest.Build(t, talk)
	file := sourcetest.Editcap(t, plain, "5views")
	want := sourcetest.Read(pcap.Format, bytes.NewReader(plain), sourcetest.Options{})
	sourcetest.Same(t, read(file), want, 1)
	sourcetest.Test(t, fiveviews.Format, file)
	sourcetest.Tshark(t, fiveviews.Format, build(t, talk, 3))
}

// A length that leads nowhere costs its own packet and is told.
func TestWrongLengths(t *testing.T) {
	file := build(t, talk, 0)
	want := read(file)
	for _, v := range []uint32{0, 3, 1 << 16, 1 << 31} {
		bad := bytes.Clone(file)
		binary.LittleEndian.PutUint32(bad[want.Packets[2].Offset+16:], v)
		got := read(bad)
		if n := len(want.Packets) - len(got.Packets); n > 1 || got.Input.DamageCount == 0 {
			t.Errorf("length %d: %d of %d packets, damage %v", v, len(got.Packets), len(want.Packets), got.Input.Damage)
		}
	}
}

func FuzzFiveViews(f *testing.F) {
	f.Add(build(f, talk, 0), uint16(100))
	f.Add(build(f, talk, 2), uint16(1))
	f.Fuzz(func(t *testing.T, file []byte, slab uint16) { sourcetest.Fuzz(t, fiveviews.Format, file, slab) })
}
