package capsa_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"recap/reader/capsa"
	"recap/reader/packet"
	"recap/reader/pcap"
	"recap/reader/pcaptest"
	"recap/reader/sourcetest"
)

// A file says how to write one.
type file struct {
	kind  uint16
	words byte // of unknown meaning between header and packet
	pad   int  // bytes behind every packet
}

const header = 0x44ef

func (f file) build(t testing.TB, text string) []byte {
	pkts, err := pcaptest.Packets(text)
	if err != nil {
		t.Fatal(err)
	}
	le := binary.LittleEndian
	b := append([]byte("cpse"), byte(f.kind), 0, 0xe8, 3, 1, 0, 1, 0)
	b = append(b, make([]byte, header-len(b))...)
	le.PutUint32(b[20:], uint32(len(pkts)))
	table := 0
	for i, p := range pkts {
		if i%200 == 0 {
			table = len(b)
			b = append(append(b, 0xfe), make([]byte, 804)...)
		}
		at := len(b)
		le.PutUint32(b[table+1+i%200*4:], uint32(at-table))
		wire := p.Length
		if int(wire) == len(p.Data) {
			wire += 4
		}
		r := make([]byte, 32+4*int(f.words))
		lengths, when := 0, 16
		if f.kind == 1 {
			lengths, when = 16, 8
			r[0], r[24] = byte(i), f.words
		}
		le.PutUint64(r[when:], uint64(p.TimeNS/1000))
		le.PutUint16(r[lengths:], uint16(len(r)+len(p.Data)+f.pad))
		le.PutUint16(r[lengths+2:], uint16(len(p.Data)))
		le.PutUint16(r[lengths+4:], uint16(wire))
		b = append(append(append(b, r...), p.Data...), make([]byte, f.pad)...)
	}
	le.PutUint32(b[12:], uint32(len(b)))
	return b
}

func read(file []byte) sourcetest.Result {
	return sourcetest.Read(capsa.Format, bytes.NewReader(file), sourcetest.Options{})
}

var files = []struct {
	name string
	file file
}{
	{"Capsa", file{kind: 1, pad: 2}},
	{"Capsa with more words", file{kind: 1, words: 5}},
	{"Packet Builder", file{kind: 2}},
}

func TestConformance(t *testing.T) {
	for _, tt := range files {
		t.Run(tt.name, func(t *testing.T) { sourcetest.Test(t, capsa.Format, tt.file.build(t, sourcetest.Talk)) })
	}
}

// many has more packets than one table has places.
const many = sourcetest.Talk + `
	10.0.0.1:4001 > 10.0.0.2:80 fill=40000 mss=100`

func TestAgainstPcap(t *testing.T) {
	want := sourcetest.Read(pcap.Format, bytes.NewReader(pcaptest.Build(t, many)), sourcetest.Options{})
	for _, tt := range files {
		t.Run(tt.name, func(t *testing.T) {
			got := read(tt.file.build(t, many))
			sourcetest.Same(t, got, want, 1000)
			if got.Input.LostBytes != 0 || len(got.Input.Anomalies)+len(got.Input.Unknown) != 0 {
				t.Errorf("%d bytes lost, anomalies %v, unknown %v", got.Input.LostBytes, got.Input.Anomalies, got.Input.Unknown)
			}
		})
	}
}

func TestFarTime(t *testing.T) {
	b := file{kind: 2}.build(t, sourcetest.Talk)
	copy(b[read(b).Packets[0].Offset+16:], "\xff\xff\xff\xff\xff\xff\xff\xff")
	if p := read(b).Packets[0]; p.TimeNS != packet.NoTime || p.RawTicks != 1<<64-1 {
		t.Errorf("time %d, ticks %d", p.TimeNS, p.RawTicks)
	}
}

func TestAgainstWireshark(t *testing.T) {
	for _, tt := range files {
		t.Run(tt.name, func(t *testing.T) { sourcetest.Tshark(t, capsa.Format, tt.file.build(t, many)) })
	}
}

func FuzzCapsa(f *testing.F) {
	for i, tt := range files {
		f.Add(tt.file.build(f, sourcetest.Talk)[header:], uint8(tt.file.kind), uint16(100*i))
	}
	f.Fuzz(func(t *testing.T, records []byte, kind uint8, slab uint16) {
		file := append(append([]byte("cpse"), kind, 0), make([]byte, header-6)...)
		file = append(file, records...)
		sourcetest.Fuzz(t, capsa.Format, file, slab)
		sourcetest.PrefixesOfSound(t, capsa.Format, file)
	})
}
