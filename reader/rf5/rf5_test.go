package rf5_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"recap/reader/packet"
	"recap/reader/pcap"
	"recap/reader/pcaptest"
	"recap/reader/rf5"
	"recap/reader/sourcetest"
)

const talk = sourcetest.Talk

// long fills several pages.
const long = talk + `
	10.0.0.1:4001 > 10.0.0.2:80 "POST / HTTP/1.1\r\nHost: x\r\n\r\n"
	10.0.0.1:4001 > 10.0.0.2:80 fill=40000 mss=1400
	10.0.0.2:80 > 10.0.0.1:4001 "HTTP/1.1 204 No Content\r\n\r\n"`

// A file says how to write one.
type file struct {
	stack  string // "" is one that says nothing
	atm    bool
	k18    bool
	notes  bool   // records that hold no frame among the others
	behind int    // bytes behind every frame
	source uint32 // added to the number of the source in frames
	end    bool
}

// A writer puts the blanks into a file.
type writer struct {
	b       []byte
	records int
}

func (w *writer) write(rec []byte) {
	w.records++
	for _, c := range rec {
		if (len(w.b)-512)%8192 == 0 {
			w.b = append(w.b, "\x00\x00\x00\x07 junk \x00\x01\x00\x20\x00\x00"...)
		}
		w.b = append(w.b, c)
	}
}

func record(kind, length, source uint32, rest ...[]byte) []byte {
	be := binary.BigEndian
	b := be.AppendUint32(be.AppendUint32(nil, 0), kind)
	b = be.AppendUint32(be.AppendUint32(b, length), source)
	b = append(b, bytes.Join(rest, nil)...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	be.PutUint32(b, uint32(len(b)))
	return b
}

func (f file) describe() []byte {
	be := binary.BigEndian
	b := []byte{0, 0, 6, 15, 0, 0, 0, 3, 1, 0, 1, 0, 0, 0}
	name, stack := "Port 1\x00", "C:\\stacks\\"+f.stack+".stk\x00"
	hardware := be.AppendUint32(nil, 0x00100008)
	if f.atm {
		hardware = append(be.AppendUint32(nil, 0x01020000), make([]byte, 20)...)
	}
	b = be.AppendUint16(be.AppendUint16(b, uint16(len(hardware))), uint16(len(name)))
	b = be.AppendUint16(b, uint16(len(stack)))
	return record(0x00070041, 1, 5, b, hardware, []byte(name), []byte(stack))
}

func (f file) build(t testing.TB, text string) []byte {
	pkts, err := pcaptest.Packets(text)
	if err != nil {
		t.Fatal(err)
	}
	be := binary.BigEndian
	w := &writer{b: make([]byte, 512)}
	copy(w.b, "\x00\x00\x02\x00\x12\x05\x00\x10")
	w.write(record(0x00070040, 0, 0, []byte("a title\x00")))
	w.write(f.describe())
	for i, p := range pkts {
		if f.notes && i%3 == 0 {
			w.write(record(0x00020030, 0, 0, []byte("what happened")))
		}
		kind, head := uint32(0x00010020), make([]byte, 8)
		head = be.AppendUint64(head, uint64(p.TimeNS-631152000e9)/500)
		if f.k18 {
			kind, head = 0x000d0020, append(head, make([]byte, 20)...)
		}
		data := p.Data
		if f.atm {
			data = append([]byte{0xaa, 0xaa, 3, 0, 0, 0}, data[12:]...)
		}
		w.write(record(kind, uint32(len(data)), 5+f.source, head, data, make([]byte, f.behind)))
	}
	if f.end {
		w.b = append(w.b, 0xff, 0xff)
	}
	be.PutUint32(w.b[8:], uint32(len(w.b)))
	be.PutUint32(w.b[12:], 8192)
	be.PutUint32(w.b[0x24:], uint32(w.records))
	be.PutUint32(w.b[0x2c:], uint32(w.records))
	return w.b
}

func read(file []byte) sourcetest.Result {
	return sourcetest.Read(rf5.Format, bytes.NewReader(file), sourcetest.Options{})
}

// whole is a conversation without packets that are cut, which the format cannot tell.
const whole = `
	10.0.0.1:4000 > 10.0.0.2:80 handshake "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
	10.0.0.2:80 > 10.0.0.1:4000 @20ms "HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n" fill=100 mss=60
	10.0.0.1:4000 > 10.0.0.2:80 close @1h`

func TestConformance(t *testing.T) {
	for _, tt := range []struct {
		name string
		file []byte
	}{
		{"Ethernet by its name", file{stack: "ethernet_ip"}.build(t, whole)},
		{"Ethernet by its frames", file{stack: "x", end: true}.build(t, whole)},
		{"ATM", file{atm: true, behind: 14}.build(t, whole)},
		{"K18", file{k18: true, notes: true}.build(t, whole)},
		{"more than a page", file{stack: "ethernet"}.build(t, whole+`
			10.0.0.1:4001 > 10.0.0.2:80 fill=8000 mss=1400`)},
		{"with zero padding", append(file{}.build(t, whole), make([]byte, 500)...)},
	} {
		t.Run(tt.name, func(t *testing.T) { sourcetest.Test(t, rf5.Format, tt.file) })
	}
}

func TestAgainstPcap(t *testing.T) {
	text := whole + `
		10.0.0.1:4001 > 10.0.0.2:80 fill=40000 mss=1400`
	want := sourcetest.Read(pcap.Format, bytes.NewReader(pcaptest.Build(t, text)), sourcetest.Options{})
	for _, f := range []file{{}, {stack: "ethernet"}, {k18: true}, {notes: true, behind: 3}, {source: 7 << 24}, {source: 9}, {end: true}} {
		got := read(f.build(t, text))
		sourcetest.Same(t, got, want, 500)
		if got.Input.LostBytes != 0 || (got.Input.Anomalies["unknown_source"] > 0) != (f.source == 9) {
			t.Errorf("%+v: %d bytes lost, anomalies %v", f, got.Input.LostBytes, got.Input.Anomalies)
		}
	}
	got := read(file{atm: true, behind: 14}.build(t, text))
	if len(got.Packets) != len(want.Packets) {
		t.Fatalf("ATM: %d packets, want %d", len(got.Packets), len(want.Packets))
	}
	for i, p := range got.Packets {
		if p.Link != 100 || !bytes.HasSuffix(want.Packets[i].Data, p.Data[8:]) {
			t.Errorf("ATM packet %d: link %d, %x", i+1, p.Link, p.Data)
		}
	}
}

// Frames of a source of which neither name nor bytes tell the link layer are counted.
func TestUnknownLink(t *testing.T) {
	got := read(file{}.build(t, `10.0.0.1:4000 > 10.0.0.2:80 "x" cut=30`))
	if n := got.Input.Unknown["rf5 frame of a source whose link layer is not known"]; len(got.Packets) != 0 || n != 1 {
		t.Errorf("%d packets, unknown %v", len(got.Packets), got.Input.Unknown)
	}
}

// A hole costs no more than the packets in it.
func TestHole(t *testing.T) {
	file := file{stack: "ethernet"}.build(t, long)
	want := read(file)
	for _, at := range []int{9000, 16900, 20000} {
		bad := bytes.Clone(file)
		clear(bad[at : at+3000])
		got := read(bad)
		sourcetest.Balance(t, got, len(bad))
		if n := len(want.Packets) - len(got.Packets); n < 1 || n > 4 || got.Input.DamageCount == 0 {
			t.Errorf("hole at %d: %d packets lost, damage %v", at, n, got.Input.Damage)
		}
	}
}

// A time that does not fit is told as it stands.
func TestFarTime(t *testing.T) {
	file := file{}.build(t, whole)
	at := read(file).Packets[0].Offset
	copy(file[at+0x18:], "\xff\xff\xff\xff\xff\xff\xff\xfe")
	if p := read(file).Packets[0]; p.TimeNS != packet.NoTime || p.RawTicks != 1<<64-2 {
		t.Errorf("time %d, ticks %d", p.TimeNS, p.RawTicks)
	}
}

func TestAgainstWireshark(t *testing.T) {
	for _, f := range []file{{}, {k18: true}, {notes: true}, {atm: true}, {behind: 8}, {end: true}} {
		mine := f.build(t, whole+`
			10.0.0.1:4001 > 10.0.0.2:80 fill=40000 mss=1400`)
		sourcetest.Tshark(t, rf5.Format, mine)
		if f.behind > 0 {
			continue // editcap does not write that anew
		}
		written := sourcetest.Editcap(t, mine, "rf5")
		sourcetest.Same(t, read(written), read(mine), 1)
	}
}

func FuzzRF5(f *testing.F) {
	f.Add(file{}.build(f, whole), uint16(100))
	f.Add(file{k18: true, notes: true, end: true}.build(f, whole), uint16(1))
	f.Add(file{atm: true, behind: 14}.build(f, whole+" fill=9000 mss=1400"), uint16(30))
	f.Fuzz(func(t *testing.T, file []byte, slab uint16) {
		sourcetest.Fuzz(t, rf5.Format, file, slab)
		sourcetest.PrefixesOfSound(t, rf5.Format, file)
	})
}
