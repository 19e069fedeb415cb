package bluetooth_test

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"

	"recap/reader/bluetooth"
	"recap/reader/format"
	"recap/reader/packet"
	"recap/reader/pcaptest"
	"recap/reader/sourcetest"
)

// A frame is one between a host and its controller.
type frame struct {
	received bool
	kind     byte
	data     []byte // behind the kind
	orig     int    // bytes of data before it was cut
	ns       int64
}

// talk is a conversation over BNEP: each packet whole in one ACL packet, those of the server
// received; commands and events stand between.
func talk(t testing.TB) (list []frame) {
	pkts, err := pcaptest.Packets(sourcetest.Talk)
	if err != nil {
		t.Fatal(err)
	}
	le := binary.LittleEndian
	for i, p := range pkts {
		if i%5 == 2 {
			list = append(list, frame{kind: 1, data: []byte{3, 12, 0}, orig: 3, ns: p.TimeNS}, frame{kind: 4, received: true, data: []byte{14, 4, 1, 3, 12, 0}, orig: 6, ns: p.TimeNS})
		}
		rest, lost := p.Data[14:], int(p.Length)-len(p.Data)
		bnep := append([]byte{2, 8, 0}, rest...)
		b := le.AppendUint16(nil, 0x200b)
		b = le.AppendUint16(b, uint16(4+len(bnep)+lost))
		b = le.AppendUint16(b, uint16(len(bnep)+lost))
		b = append(le.AppendUint16(b, 0x41), bnep...)
		list = append(list, frame{kind: 2, received: rest[15] == 2, data: b, orig: len(b) + lost, ns: p.TimeNS})
	}
	return list
}

// whole are the frames of list that nothing cut.
func whole(list []frame) []frame {
	return slices.DeleteFunc(slices.Clone(list), func(f frame) bool { return f.orig > len(f.data) })
}

// packets are what is to be read of list.
func packets(list []frame) (r sourcetest.Result) {
	for _, f := range list {
		front := []byte{0, 0, 0, 0, f.kind}
		if f.received {
			front[3] = 1
		}
		r.Packets = append(r.Packets, packet.Packet{Data: append(front, f.data...), Length: uint32(5 + f.orig), Link: 201, TimeNS: f.ns / 1000 * 1000})
	}
	return r
}

func btsnoop(media uint32, list []frame) []byte {
	be := binary.BigEndian
	b := be.AppendUint32(be.AppendUint32([]byte("btsnoop\x00"), 1), media)
	for _, f := range list {
		data, orig, flags := f.data, f.orig, uint32(0)
		if f.received {
			flags = 1
		}
		if f.kind == 1 || f.kind == 4 {
			flags |= 2
		}
		switch media {
		case 1002:
			data, orig = append([]byte{f.kind}, data...), orig+1
		case 2001:
			flags = 7<<16 | map[byte]uint32{1: 2, 4: 3, 2: 4}[f.kind]
			if f.kind == 2 && f.received {
				flags++
			}
		}
		for _, v := range []uint32{uint32(orig), uint32(len(data)), flags, 3} {
			b = be.AppendUint32(b, v)
		}
		b = append(be.AppendUint64(b, uint64(f.ns/1000+0x00dcddb30f2f8000)), data...)
	}
	return b
}

func hcidump(list []frame) (b []byte) {
	le := binary.LittleEndian
	for _, f := range list {
		b = le.AppendUint16(b, uint16(1+len(f.data)))
		b = append(b, 0, 0)
		if f.received {
			b[len(b)-2] = 1
		}
		b = le.AppendUint32(le.AppendUint32(b, uint32(f.ns/1e9)), uint32(f.ns%1e9/1000))
		b = append(append(b, f.kind), f.data...)
	}
	return b
}

func packetLogger(order binary.AppendByteOrder, list []frame, notes bool) (b []byte) {
	record := func(kind byte, ns int64, data []byte) {
		b = order.AppendUint32(b, uint32(9+len(data)))
		b = order.AppendUint32(order.AppendUint32(b, uint32(ns/1e9)), uint32(ns%1e9/1000))
		b = append(append(b, kind), data...)
	}
	for i, f := range list {
		if notes && i%3 == 1 {
			record(0xfc, f.ns, []byte("a note"))
		}
		kind := map[byte]byte{1: 0, 4: 1, 2: 2}[f.kind]
		if f.kind == 2 && f.received {
			kind = 3
		}
		record(kind, f.ns, f.data)
	}
	return b
}

func read(f format.Format, file []byte) sourcetest.Result {
	return sourcetest.Read(f, bytes.NewReader(file), sourcetest.Options{})
}

func TestConformance(t *testing.T) {
	all := talk(t)
	for _, tt := range []struct {
		name   string
		format format.Format
		file   []byte
	}{
		{"btsnoop, kinds in the flags", bluetooth.Btsnoop, btsnoop(1001, all)},
		{"btsnoop, kinds in front", bluetooth.Btsnoop, btsnoop(1002, all)},
		{"btsnoop of BlueZ", bluetooth.Btsnoop, btsnoop(2001, all)},
		{"btsnoop with zero padding", bluetooth.Btsnoop, append(btsnoop(1002, all), make([]byte, 500)...)},
		{"hcidump", bluetooth.HCIDump, hcidump(whole(all))},
		{"PacketLogger", bluetooth.PacketLogger, packetLogger(binary.BigEndian, whole(all), false)},
		{"PacketLogger, little-endian, with notes", bluetooth.PacketLogger, packetLogger(binary.LittleEndian, whole(all), true)},
	} {
		t.Run(tt.name, func(t *testing.T) { sourcetest.Test(t, tt.format, tt.file) })
	}
}

func TestPackets(t *testing.T) {
	all := talk(t)
	for _, tt := range []struct {
		name   string
		format format.Format
		file   []byte
		want   []frame
		// front is how many bytes tshark has beside the packet, or with it.
		front int
	}{
		{"btsnoop, kinds in the flags", bluetooth.Btsnoop, btsnoop(1001, all), all, 5},
		{"btsnoop, kinds in front", bluetooth.Btsnoop, btsnoop(1002, all), all, 4},
		{"hcidump", bluetooth.HCIDump, hcidump(whole(all)), whole(all), 4},
		{"PacketLogger", bluetooth.PacketLogger, packetLogger(binary.BigEndian, whole(all), false), whole(all), 5},
		{"PacketLogger, little-endian", bluetooth.PacketLogger, packetLogger(binary.LittleEndian, whole(all), false), whole(all), 5},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := read(tt.format, tt.file)
			sourcetest.Same(t, got, packets(tt.want), 1)
			if got.Input.Format != tt.format.Name || len(got.Input.Anomalies) > 0 || len(got.Input.Interfaces) != 1 {
				t.Errorf("format %s, anomalies %v, interfaces %+v", got.Input.Format, got.Input.Anomalies, got.Input.Interfaces)
			}
			sourcetest.TsharkBehind(t, tt.format, tt.file, tt.front)
		})
	}
}

// The monitor of BlueZ tells the adapter and the kind of event, the way its link type has them.
func TestMonitor(t *testing.T) {
	all := talk(t)
	file := btsnoop(2001, all)
	got := read(bluetooth.Btsnoop, file)
	if len(got.Packets) != len(all) || got.Input.Interfaces[0].Drops != 3 || got.Packets[0].Dropped != 3 || got.Packets[1].Dropped != 0 {
		t.Fatalf("%d packets, drops %+v", len(got.Packets), got.Input.Interfaces)
	}
	for i, p := range got.Packets {
		want := []byte{0, 7, 0, map[byte]byte{1: 2, 4: 3, 2: 4}[all[i].kind]}
		if all[i].kind == 2 && all[i].received {
			want[3]++
		}
		if p.Link != 254 || !bytes.Equal(p.Data, append(want, all[i].data...)) || int(p.Length) != 4+all[i].orig {
			t.Errorf("packet %d: link %d, %x of %d", i+1, p.Link, p.Data, p.Length)
		}
	}
	sourcetest.TsharkBehind(t, bluetooth.Btsnoop, file, 4)
}

func TestNotesAreCounted(t *testing.T) {
	list := whole(talk(t))
	got := read(bluetooth.PacketLogger, packetLogger(binary.BigEndian, list, true))
	sourcetest.Same(t, got, packets(list), 1)
	if n := got.Input.Unknown["packetlogger note"]; n != int64(len(list)+1)/3 {
		t.Errorf("%d notes of %d frames", n, len(list))
	}
}

func TestOddBtsnoop(t *testing.T) {
	list := talk(t)[:3]
	other := btsnoop(1003, list)
	binary.BigEndian.PutUint32(other[8:], 2)
	binary.BigEndian.PutUint64(other[16+16:], 1<<63)
	got := read(bluetooth.Btsnoop, other)
	if a := got.Input.Anomalies; a["odd_version"] != 1 || a["unknown_media_type"] != 1 {
		t.Errorf("anomalies %v", a)
	}
	if p := got.Packets[0]; p.TimeNS != packet.NoTime || p.RawTicks != 1<<63 || p.Link < packet.LinkUnassigned {
		t.Errorf("time %d, ticks %d, link %d", p.TimeNS, p.RawTicks, p.Link)
	}
}

func TestMatch(t *testing.T) {
	list := whole(talk(t))
	dump, logger := hcidump(list), packetLogger(binary.BigEndian, list, true)
	for _, tt := range []struct {
		name         string
		file         []byte
		dump, logger bool
	}{
		{"hcidump", dump, true, false},
		{"one packet", hcidump(list[:1]), true, false},
		{"PacketLogger", logger, false, true},
		{"pcap", pcaptest.Build(t, sourcetest.Talk), false, false},
		{"zeros", make([]byte, 4096), false, false},
		{"text", bytes.Repeat([]byte("GET /a HTTP/1.1\r\n"), 100), false, false},
		{"a header that is cut", dump[:10], false, false},
		{"a second record that is none", append(hcidump(list[:1]), 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14), false, false},
	} {
		head := tt.file[:min(len(tt.file), format.HeadSize)]
		if a, b := bluetooth.HCIDump.Match(head), bluetooth.PacketLogger.Match(head); a != tt.dump || b != tt.logger {
			t.Errorf("%s: matched %t and %t, want %t and %t", tt.name, a, b, tt.dump, tt.logger)
		}
	}
}

func FuzzBtsnoop(f *testing.F) {
	f.Add(btsnoop(1001, talk(f)), uint16(100))
	f.Add(btsnoop(1002, talk(f)), uint16(1))
	f.Add(btsnoop(2001, talk(f)), uint16(30))
	f.Fuzz(func(t *testing.T, file []byte, slab uint16) { sourcetest.Fuzz(t, bluetooth.Btsnoop, file, slab) })
}

func FuzzHCIDump(f *testing.F) {
	f.Add(hcidump(whole(talk(f))), uint16(100))
	f.Fuzz(func(t *testing.T, file []byte, slab uint16) { sourcetest.Fuzz(t, bluetooth.HCIDump, file, slab) })
}

func FuzzPacketLogger(f *testing.F) {
	f.Add(packetLogger(binary.BigEndian, whole(talk(f)), true), uint16(100))
	f.Add(packetLogger(binary.LittleEndian, whole(talk(f)), false), uint16(1))
	f.Fuzz(func(t *testing.T, file []byte, slab uint16) { sourcetest.Fuzz(t, bluetooth.PacketLogger, file, slab) })
}
