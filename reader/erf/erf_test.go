package erf_test

import (
	"bytes"
	"encoding/binary"
	"math/big"
	"testing"

	"recap/reader/erf"
	"recap/reader/packet"
	"recap/reader/pcap"
	"recap/reader/pcaptest"
	"recap/reader/sourcetest"
)

const talk = sourcetest.Talk

// build writes an ERF file of one type of record with the given number of
// extension headers.
func build(t testing.TB, text string, typ byte, ext int) []byte {
	pkts, err := pcaptest.Packets(text)
	if err != nil {
		t.Fatal(err)
	}
	var b []byte
	for _, p := range pkts {
		b = append(b, record(p, typ, ext)...)
	}
	return b
}

// fixed converts nanoseconds to units of 2^-32 s, rounding up, so that reading
// gives the same nanoseconds back.
func fixed(ns int64) uint64 {
	n := new(big.Int).Lsh(big.NewInt(ns), 32)
	n.Add(n, big.NewInt(1e9-1))
	return n.Div(n, big.NewInt(1e9)).Uint64()
}

func record(p pcaptest.Packet, typ byte, ext int) []byte {
	data, length := p.Data, p.Length
	var sub []byte
	switch typ {
	case 2, 11, 16, 20:
		sub = make([]byte, 2)
	case 5, 17:
		sub = make([]byte, 4)
		data = append([]byte{0x0f, 0, 8, 0}, data[14:]...)
		length -= 10
	case 1, 10, 15, 19:
		data = append([]byte{0xff, 3, 0, 0x21}, data[14:]...)
		length -= 10
	case 4, 9:
		if typ == 9 {
			sub = make([]byte, 4)
		}
		data = append([]byte{0, 0, 2, 0, 0xaa, 0xaa, 3, 0, 0, 0, 8, 0}, data[14:]...)
		length -= 2
	case 22, 23:
		data = data[14:]
		length -= 14
	}
	size := (16 + 8*ext + len(sub) + len(data) + 7) &^ 7
	if typ < 48 && len(data) < int(length) {
		size = 16 + 8*ext + len(sub) + len(data) // a cut record need not be a multiple of 8
	}
	r := binary.LittleEndian.AppendUint64(nil, fixed(p.TimeNS))
	if ext > 0 {
		typ |= 0x80
	}
	r = append(r, typ, 0x04)
	r = binary.BigEndian.AppendUint16(r, uint16(size))
	r = append(r, 0, 0)
	r = binary.BigEndian.AppendUint16(r, uint16(length))
	for i := range ext {
		e := byte(5)
		if i < ext-1 {
			e |= 0x80
		}
		r = append(r, e, 1, 2, 3, 4, 5, 6, 7)
	}
	r = append(append(r, sub...), data...)
	return append(r, make([]byte, size-len(r))...)
}

func TestConformance(t *testing.T) {
	sourcetest.TestAll(t, erf.Format, map[string][]byte{
		"Ethernet":                          build(t, talk, 2, 0),
		"Ethernet with an extension header": build(t, talk, 2, 1),
		"coloured Ethernet":                 build(t, talk, 16, 0),
		"PPP over HDLC":                     build(t, talk, 1, 0),
		"IPv4":                              build(t, talk, 22, 0),
		"ATM":                               build(t, talk, 4, 1),
		"with zero padding":                 append(build(t, talk, 2, 0), make([]byte, 500)...),
	})
}

func TestTypes(t *testing.T) {
	plain := sourcetest.Read(pcap.Format, bytes.NewReader(pcaptest.Build(t, talk, pcaptest.Nano())), sourcetest.Options{})
	for _, tt := range []struct {
		typ  byte
		ext  int
		link packet.LinkType
	}{
		{2, 0, 1}, {2, 1, 1}, {2, 3, 1}, {11, 0, 1}, {16, 0, 1}, {20, 2, 1},
		{1, 0, packet.LinkPPP}, {5, 0, packet.LinkCHDLC}, {10, 0, packet.LinkPPP}, {15, 1, packet.LinkPPP},
		{17, 0, packet.LinkCHDLC}, {19, 0, packet.LinkPPP}, {22, 0, packet.LinkIPv4}, {23, 0, packet.LinkIPv6},
		{4, 0, 100}, {4, 1, 100}, {9, 0, 100},
	} {
		res := sourcetest.Read(erf.Format, bytes.NewReader(build(t, talk, tt.typ, tt.ext)), sourcetest.Options{})
		if len(res.Packets) != len(plain.Packets) || res.Input.DamageCount > 0 {
			t.Errorf("type %d: %d packets, want %d; damage %v", tt.typ, len(res.Packets), len(plain.Packets), res.Input.Damage)
			continue
		}
		for i, p := range res.Packets {
			w := plain.Packets[i]
			if !bytes.HasSuffix(p.Data, w.Data[14:]) || p.Link != tt.link || p.TimeNS != w.TimeNS {
				t.Errorf("type %d, %d extension headers, packet %d: link %d, time %d, %x; want link %d, time %d, %x", tt.typ, tt.ext, i+1,
					p.Link, p.TimeNS, p.Data, tt.link, w.TimeNS, w.Data)
				break
			}
		}
	}
}

func TestTime(t *testing.T) {
	for _, tt := range []struct {
		name  string
		ticks uint64
		want  int64
	}{
		{"a whole second", 5 << 32, 5e9},
		{"half a second", 5<<32 | 1<<31, 5_500_000_000},
		{"less than half a nanosecond", 5<<32 | 2, 5e9},
		{"more than half a nanosecond", 5<<32 | 3, 5_000_000_001},
		{"carry into the next second", 5<<32 | 0xffffffff, 6e9},
		{"the last second", 0xffffffff << 32, 0xffffffff * 1e9},
	} {
		file := build(t, talk, 2, 0)
		binary.LittleEndian.PutUint64(file, tt.ticks)
		if got := sourcetest.Read(erf.Format, bytes.NewReader(file), sourcetest.Options{}).Packets[0].TimeNS; got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
}

// Without a magic number only consistent records may pass.
func TestMatch(t *testing.T) {
	file := build(t, talk, 2, 0)
	for _, tt := range []struct {
		name string
		file []byte
		want bool
	}{
		{"records", file, true},
		{"one record", file[:72], true},
		{"half a record", file[:40], false},
		{"text", bytes.Repeat([]byte("these are notes, not a capture. "), 200), false},
		{"zero bytes", make([]byte, 4096), false},
		{"pcap", pcaptest.Build(t, talk), false},
		{"pcapng", pcaptest.Build(t, talk, pcaptest.Pcapng()), false},
		{"a record and junk", append(bytes.Clone(file[:72]), "junkjunkjunkjunkjunk"...), false},
	} {
		if got := erf.Format.Match(tt.file[:min(len(tt.file), 4096)]); got != tt.want {
			t.Errorf("%s: match is %t, want %t", tt.name, got, tt.want)
		}
	}
}

func TestAgainstWireshark(t *testing.T) {
	// editcap writes ERF out of ERF records only, and 4.0 refuses those too: what is
	// compared is how tshark reads ours.
	for _, typ := range []byte{1, 5, 15, 17, 22} {
		sourcetest.Tshark(t, erf.Format, build(t, talk, typ, 0))
		sourcetest.Tshark(t, erf.Format, build(t, talk, typ, 2))
	}
	sourcetest.Tshark(t, erf.Format, build(t, talk, 2, 0))
	for _, typ := range []byte{4, 9} { // tshark shows the header of the cell too
		sourcetest.TsharkTail(t, erf.Format, build(t, talk, typ, 0))
		sourcetest.TsharkTail(t, erf.Format, build(t, talk, typ, 1))
	}
}

func FuzzERF(f *testing.F) {
	for _, typ := range []byte{1, 2, 4, 5, 9, 16, 22} {
		f.Add(build(f, talk, typ, 0), uint16(100))
		f.Add(build(f, talk, typ, 2), uint16(1))
	}
	f.Fuzz(func(t *testing.T, file []byte, slab uint16) { sourcetest.Fuzz(t, erf.Format, file, slab) })
}

// Losses stand where records of other types have a color.
func TestLosses(t *testing.T) {
	for _, tt := range []struct {
		typ   byte
		drops int64
	}{{2, 513}, {16, -1}} {
		file := build(t, `10.0.0.1:1 > 10.0.0.2:2 "a"`, tt.typ, 0)
		binary.BigEndian.PutUint16(file[12:], 513)
		res := sourcetest.Read(erf.Format, bytes.NewReader(file), sourcetest.Options{})
		if len(res.Packets) != 1 || int64(res.Packets[0].Dropped) != max(tt.drops, 0) || res.Input.Interfaces[0].Drops != tt.drops {
			t.Errorf("type %d: %d packets, the first after %d drops, %d in all; want 1 and %d", tt.typ, len(res.Packets), res.Packets[0].Dropped, res.Input.Interfaces[0].Drops, tt.drops)
		}
	}
}
