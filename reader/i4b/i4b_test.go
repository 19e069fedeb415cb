package i4b_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"recap/reader/format"
	"recap/reader/i4b"
	"recap/reader/packet"
	"recap/reader/pcaptest"
	"recap/reader/sourcetest"
)

const talk = `
	10.0.0.1:4000 > 10.0.0.2:80 handshake "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
	10.0.0.2:80 > 10.0.0.1:4000 @20ms "HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n" fill=100 mss=60
	10.0.0.1:4000 > 10.0.0.2:80 "later" @1h
	10.0.0.1:4000 > 10.0.0.2:80 close`

// front is what stands before the IP header in frames of B channels.
type front struct {
	bytes string
	link  packet.LinkType
}

var (
	ppp   = front{"\xff\x03\x00\x21", packet.LinkPPP}
	chdlc = front{"\x0f\x00\x08\x00", packet.LinkCHDLC}
	plain = front{"", packet.LinkIPv4}
)

// build writes the packets behind a front, and before each a frame of the D channel if asked.
func build(t testing.TB, order binary.AppendByteOrder, f front, signalling bool) (file []byte, want []packet.Packet) {
	pkts, err := pcaptest.Packets(talk)
	if err != nil {
		t.Fatal(err)
	}
	record := func(kind uint32, ns int64, data []byte) {
		for _, v := range []uint32{uint32(32 + len(data)), 0, kind, 1, 0, uint32(len(want)), uint32(ns / 1e9), uint32(ns % 1e9 / 1000)} {
			file = order.AppendUint32(file, v)
		}
		file = append(file, data...)
	}
	for i, p := range pkts {
		if signalling {
			record(1, p.TimeNS, []byte{0xfc, 0xff, 3, 15})
		}
		data := append([]byte(f.bytes), p.Data[14:]...)
		record(uint32(2+i%2), p.TimeNS, data)
		want = append(want, packet.Packet{Data: data, Length: uint32(len(data)), Link: f.link, TimeNS: p.TimeNS / 1000 * 1000})
	}
	return file, want
}

func read(file []byte) sourcetest.Result {
	return sourcetest.Read(i4b.Format, bytes.NewReader(file), sourcetest.Options{})
}

func TestConformance(t *testing.T) {
	little, _ := build(t, binary.LittleEndian, ppp, false)
	big, _ := build(t, binary.BigEndian, plain, false)
	sourcetest.TestAll(t, i4b.Format, map[string][]byte{
		"little-endian":     little,
		"big-endian":        big,
		"with zero padding": append(bytes.Clone(little), make([]byte, 500)...),
	})
}

func TestPackets(t *testing.T) {
	for _, tt := range []struct {
		name  string
		order binary.AppendByteOrder
		front front
	}{
		{"PPP", binary.LittleEndian, ppp},
		{"Cisco HDLC", binary.LittleEndian, chdlc},
		{"IP, big-endian", binary.BigEndian, plain},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file, want := build(t, tt.order, tt.front, true)
			got := read(file)
			sourcetest.Same(t, got, sourcetest.Result{Packets: want}, 1)
			if n := got.Input.Unknown["i4btrace frame of no B channel"]; n != int64(len(want)) {
				t.Errorf("%d frames of signalling, want %d", n, len(want))
			}
			file, _ = build(t, tt.order, tt.front, false)
			sourcetest.Tshark(t, i4b.Format, file)
		})
	}
	file, want := build(t, binary.LittleEndian, front{"\x01\x02\x03\x04", 0}, false)
	if got := read(file); len(got.Packets) != 0 || got.Input.Unknown["i4btrace frame of a B channel that is neither PPP nor IP"] != int64(len(want)) {
		t.Errorf("%d packets, stepped over %v", len(got.Packets), got.Input.Unknown)
	}
}

func TestMatch(t *testing.T) {
	file, _ := build(t, binary.LittleEndian, ppp, false)
	for _, tt := range []struct {
		name string
		file []byte
		want bool
	}{
		{"a trace", file, true},
		{"pcap", pcaptest.Build(t, talk), false},
		{"zeros", make([]byte, 4096), false},
		{"text", bytes.Repeat([]byte("GET /a HTTP/1.1\r\n"), 100), false},
		{"first header cut", file[:20], false},
	} {
		if got := i4b.Format.Match(tt.file[:min(len(tt.file), format.HeadSize)]); got != tt.want {
			t.Errorf("%s: matched %t, want %t", tt.name, got, tt.want)
		}
	}
}

func FuzzI4B(f *testing.F) {
	little, _ := build(f, binary.LittleEndian, ppp, true)
	big, _ := build(f, binary.BigEndian, plain, false)
	f.Add(little, uint16(100))
	f.Add(big, uint16(1))
	f.Fuzz(func(t *testing.T, file []byte, slab uint16) {
		sourcetest.Fuzz(t, i4b.Format, file, slab)
		sourcetest.PrefixesOfSound(t, i4b.Format, file)
	})
}
