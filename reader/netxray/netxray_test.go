package netxray_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	"recap/reader/netxray"
	"recap/reader/packet"
	"recap/reader/pcap"
	"recap/reader/pcaptest"
	"recap/reader/sourcetest"
)

const talk = `
	10.0.0.1:4000 > 10.0.0.2:80 handshake "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
	10.0.0.2:80 > 10.0.0.1:4000 @20ms "HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n" fill=100 mss=60
	10.0.0.1:4000 > 10.0.0.2:80 "cut short" cut=50
	10.0.0.1:4000 > 10.0.0.2:80 "cut short too" cut=52 @1m
	10.0.0.1:4000 > 10.0.0.2:80 close`

// A file says how to write one.
type file struct {
	version  string // empty: from before versions
	unit     byte
	capture  byte
	origin   uint64
	realtick uint32
	trailer  bool // four bytes behind every packet, which its header tells of
	before   int  // bytes before the first record
	after    int  // bytes behind the last
	turn     int  // so many records, the last of the capture, stand first, as in a ring
	perTick  int64
	atm      byte // what records of ATM say they hold; 0 for Ethernet
	round    bool // times that a floating-point number holds exactly
}

func (f file) build(t testing.TB, text string) []byte {
	pkts, err := pcaptest.Packets(text)
	if err != nil {
		t.Fatal(err)
	}
	le := binary.LittleEndian
	start := pkts[0].TimeNS / 1e9
	var records [][]byte
	for i, p := range pkts {
		ns := p.TimeNS - start*1e9
		if f.round {
			ns = int64(i) * 15625000
		}
		data, length := p.Data, p.Length
		b := le.AppendUint64(nil, f.origin+uint64(ns/f.perTick))
		if f.atm != 0 {
			data, length = atmOf(f.atm, data)
		}
		if f.trailer {
			data, length = append(bytes.Clone(data), 1, 2, 3, 4), length+4
		}
		b = le.AppendUint16(b, uint16(length))
		switch {
		case f.version == "":
			b = append(b, make([]byte, 6)...)
			data = append(bytes.Clone(data), make([]byte, int(length)-len(data))...) // there are no cut packets
		case f.version[2] == '1':
			b = append(le.AppendUint16(b, uint16(len(data))), make([]byte, 16)...)
		default:
			b = append(le.AppendUint16(b, uint16(len(data))), make([]byte, 28)...)
			b[12] = f.atm
			if f.trailer {
				b[14], b[15] = 0xff, 0xff
			}
		}
		records = append(records, append(b, data...))
	}
	b := make([]byte, 128, 4096)
	copy(b, "VL\x00\x00")
	if f.version != "" {
		copy(b, "XCP\x00"+f.version)
	}
	le.PutUint32(b[12:], uint32(start))
	le.PutUint32(b[16:], uint32(len(records)))
	b[48], b[84] = f.unit, f.capture
	if f.atm != 0 {
		b[44] = 8
	}
	le.PutUint64(b[52:], f.origin)
	le.PutUint32(b[76:], f.realtick)
	first := len(records) - f.turn
	for _, r := range records[first:] {
		b = append(b, r...)
	}
	end := len(b)
	b = append(b, bytes.Repeat([]byte{0xee}, f.before)...)
	le.PutUint32(b[24:], uint32(len(b)))
	for _, r := range records[:first] {
		b = append(b, r...)
	}
	if f.turn == 0 {
		end = len(b)
	}
	le.PutUint32(b[28:], uint32(end))
	return append(b, bytes.Repeat([]byte{0xdd}, f.after)...)
}

// atmOf makes a frame of ATM, with padding and trailer, out of one of Ethernet: in an
// emulated LAN, or behind LLC.
func atmOf(kind byte, frame []byte) ([]byte, uint32) {
	b := append([]byte{0, 1}, frame...)
	if kind&7 == 7 {
		b = append([]byte{0xaa, 0xaa, 3, 0, 0, 0}, frame[12:]...)
	}
	n := len(b)
	b = append(b, make([]byte, (48-(n+8)%48)%48+8)...)
	binary.BigEndian.PutUint16(b[len(b)-6:], uint16(n))
	return b, uint32(len(b))
}

func TestATM(t *testing.T) {
	want := sourcetest.Read(pcap.Format, bytes.NewReader(pcaptest.Build(t, atmTalk)), sourcetest.Options{})
	for _, tt := range []struct {
		name string
		kind byte
		link packet.LinkType
	}{
		{"an emulated LAN", 0x50, packet.LinkEthernet},
		{"an emulated LAN, by another number", 0x34, packet.LinkEthernet},
		{"LLC", 0x57, 100},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := file{version: "002.001", perTick: 1e3, atm: tt.kind}.build(t, atmTalk)
			got := read(file)
			if len(got.Packets) != len(want.Packets) || got.Input.DamageCount != 0 || len(got.Input.Anomalies) != 0 {
				t.Fatalf("%d of %d packets, damage %v, anomalies %v", len(got.Packets), len(want.Packets), got.Input.Damage, got.Input.Anomalies)
			}
			for i, p := range got.Packets {
				w := want.Packets[i].Data
				if tt.link == 100 {
					w = append([]byte{0xaa, 0xaa, 3, 0, 0, 0}, w[12:]...)
				}
				if p.Link != tt.link || !bytes.Equal(p.Data, w) || int(p.Length) != len(w) {
					t.Errorf("packet %d: link %d, %d bytes of %d, want %d of link %d", i+1, p.Link, len(p.Data), p.Length, len(w), tt.link)
				}
			}
			sourcetest.Test(t, netxray.Format, file)
		})
	}
	t.Run("signalling is counted", func(t *testing.T) {
		got := read(file{version: "002.001", perTick: 1e3, atm: 0x52}.build(t, atmTalk))
		if n := got.Input.Unknown["netxray ATM cells and signalling"]; len(got.Packets) != 0 || int(n) != len(want.Packets) {
			t.Errorf("%d packets, %d counted, want %d counted", len(got.Packets), n, len(want.Packets))
		}
	})
}

// atmTalk has no cut packets, which have no trailer.
const atmTalk = `
	10.0.0.1:4000 > 10.0.0.2:80 handshake "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
	10.0.0.2:80 > 10.0.0.1:4000 @20ms "HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n" fill=100 mss=60
	10.0.0.1:4000 > 10.0.0.2:80 close`

func read(file []byte) sourcetest.Result {
	return sourcetest.Read(netxray.Format, bytes.NewReader(file), sourcetest.Options{})
}

func TestConformance(t *testing.T) {
	for _, tt := range []struct {
		name string
		file file
	}{
		{"1.0", file{version: "001.000", perTick: 1e6}},
		{"1.1", file{version: "001.100", perTick: 1e3}},
		{"2.2 of a gigabit pod", file{version: "002.002", capture: 2, perTick: 1}},
	} {
		t.Run(tt.name, func(t *testing.T) { sourcetest.Test(t, netxray.Format, tt.file.build(t, talk)) })
	}
}

func TestAgainstPcap(t *testing.T) {
	want := sourcetest.Read(pcap.Format, bytes.NewReader(pcaptest.Build(t, talk)), sourcetest.Options{})
	for _, tt := range []struct {
		name    string
		file    file
		unknown int64 // stretches without packets
	}{
		{"1.0", file{version: "001.000", perTick: 1e6}, 0},
		{"1.1", file{version: "001.100", perTick: 1e3}, 0},
		{"1.1 with an origin", file{version: "001.100", perTick: 1e3, origin: 1 << 40}, 0},
		{"2.0", file{version: "002.000", perTick: 1e3}, 0},
		{"2.0 with the unit in its header", file{version: "002.000", unit: 2, realtick: 1e5, perTick: 1e4, origin: 77}, 0},
		{"2.2 of a pod, with an origin that means nothing", file{version: "002.002", capture: 6, unit: 2, perTick: 50}, 0},
		{"2.1 with four bytes behind each packet", file{version: "002.001", perTick: 1e3, trailer: true}, 0},
		{"data before and behind", file{version: "002.001", perTick: 1e3, before: 3000, after: 99}, 2},
		{"data behind", file{version: "002.001", perTick: 1e3, after: 99}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := read(tt.file.build(t, talk))
			sourcetest.Same(t, got, want, max(tt.file.perTick, 1e3))
			if n := got.Input.Unknown["netxray stretch without packets"]; n != tt.unknown {
				t.Errorf("%d stretches without packets, want %d", n, tt.unknown)
			}
			if len(got.Input.Anomalies) != 0 {
				t.Errorf("anomalies %v", got.Input.Anomalies)
			}
		})
	}
}

// A capture from before versions has one length.
func TestOldest(t *testing.T) {
	got := read(file{perTick: 1e6}.build(t, talk))
	pkts, _ := pcaptest.Packets(talk)
	if len(got.Packets) != len(pkts) || got.Input.DamageCount != 0 {
		t.Fatalf("%d of %d packets, damage %v", len(got.Packets), len(pkts), got.Input.Damage)
	}
	for i, p := range got.Packets {
		if p.Length != pkts[i].Length || int(p.Length) != len(p.Data) || p.TimeNS/1e6 != pkts[i].TimeNS/1e6 {
			t.Errorf("packet %d: %d bytes at %d, want %d at %d", i+1, p.Length, p.TimeNS, pkts[i].Length, pkts[i].TimeNS)
		}
	}
}

func TestCircularBuffer(t *testing.T) {
	want := read(file{version: "001.100", perTick: 1e3}.build(t, talk))
	got := read(file{version: "001.100", perTick: 1e3, turn: 4, before: 700}.build(t, talk))
	if got.Input.Anomalies["circular_buffer"] != 1 || got.Input.DamageCount != 0 || len(got.Packets) != len(want.Packets) {
		t.Fatalf("%d of %d packets, anomalies %v, damage %v", len(got.Packets), len(want.Packets), got.Input.Anomalies, got.Input.Damage)
	}
	for i, p := range got.Packets {
		w := want.Packets[(i+len(want.Packets)-4)%len(want.Packets)]
		if !bytes.Equal(p.Data, w.Data) || p.TimeNS != w.TimeNS {
			t.Errorf("packet %d is another", i+1)
		}
	}
}

func TestCheckSequence(t *testing.T) {
	f := file{version: "002.001", unit: 2, realtick: 0x123400, perTick: 1e3, trailer: true}
	for i, p := range read(f.build(t, talk)).Packets {
		if p.FCSLen != 4 {
			t.Errorf("packet %d: %d bytes of check sequence, want 4", i+1, p.FCSLen)
		}
	}
}

func TestUnknownUnit(t *testing.T) {
	got := read(file{version: "002.001", unit: 9, perTick: 1e3}.build(t, talk))
	if got.Input.Anomalies["unknown_time_unit"] != 1 || got.Input.DamageCount != 0 {
		t.Errorf("anomalies %v, damage %v", got.Input.Anomalies, got.Input.Damage)
	}
	for i, p := range got.Packets {
		if p.TimeNS != packet.NoTime || p.RawTicks == 0 {
			t.Errorf("packet %d: time %d, raw %d; want none and the ticks", i+1, p.TimeNS, p.RawTicks)
		}
	}
}

// A file that was cut between two records says so.
func TestCutBetweenRecords(t *testing.T) {
	file := file{version: "001.100", perTick: 1e3}.build(t, talk)
	want := read(file)
	got := read(file[:want.Packets[5].Offset])
	if len(got.Packets) != 5 || got.Input.DamageCount != 1 {
		t.Errorf("%d packets, damage %v; want 5 and one", len(got.Packets), got.Input.Damage)
	}
}

func TestAgainstWireshark(t *testing.T) {
	plain := pcaptest.Build(t, talk)
	want := sourcetest.Read(pcap.Format, bytes.NewReader(plain), sourcetest.Options{})
	for _, to := range []string{"ngwsniffer_1_1", "ngwsniffer_2_0"} {
		t.Run(to, func(t *testing.T) {
			file := sourcetest.Editcap(t, plain, to)
			sourcetest.Same(t, read(file), want, 1000)
			sourcetest.Test(t, netxray.Format, file)
		})
	}
	for _, f := range []file{
		{perTick: 1e6},
		{version: "001.000", perTick: 1e6},
		{version: "001.100", perTick: 1e3, origin: 1 << 40},
		{version: "002.000", perTick: 1e3, before: 3000, after: 99},
		{version: "002.001", unit: 2, realtick: 64000, perTick: 15625},
		{version: "002.001", perTick: 1e3, trailer: true},
		{version: "002.002", capture: 2, perTick: 1},
		{version: "002.003", capture: 3, unit: 2, perTick: 800},
	} {
		f.round = true
		t.Run(fmt.Sprintf("%q, adapter %d, unit %d", f.version, f.capture, f.unit), func(t *testing.T) {
			sourcetest.Tshark(t, netxray.Format, f.build(t, talk))
		})
	}
}

func FuzzNetXRay(f *testing.F) {
	f.Add(file{version: "001.100", perTick: 1e3}.build(f, talk), uint16(100))
	f.Add(file{version: "002.001", perTick: 1e3, trailer: true, before: 50, after: 50}.build(f, talk), uint16(1))
	f.Add(file{version: "001.000", perTick: 1e6, turn: 3, before: 30}.build(f, talk), uint16(60))
	f.Fuzz(func(t *testing.T, file []byte, slab uint16) { sourcetest.Fuzz(t, netxray.Format, file, slab) })
}
