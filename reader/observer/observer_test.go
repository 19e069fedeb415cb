package observer_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"recap/reader/observer"
	"recap/reader/packet"
	"recap/reader/pcap"
	"recap/reader/pcaptest"
	"recap/reader/sourcetest"
)

const talk = sourcetest.Talk

// A file says how to write one.
type file struct {
	local  bool // times of a zone that is not known
	expert int  // before every packet whose number is a multiple stands a record that is none
	extra  int  // bytes between record header and packet: elements
	link   byte
	fcs    bool // the check sequence was captured
}

func (f file) build(t testing.TB, text string) []byte {
	pkts, err := pcaptest.Packets(text)
	if err != nil {
		t.Fatal(err)
	}
	le := binary.LittleEndian
	b := make([]byte, 36)
	copy(b, "ObserverPktBufferVersion=15.00")
	element := func(kind uint16, data []byte) {
		b = le.AppendUint16(le.AppendUint16(b, kind), uint16(4+len(data)))
		b = append(b, data...)
		b[35]++
	}
	element(2, []byte("a comment\x00"))
	if !f.local {
		element(4, []byte{1, 0, 0, 0})
	}
	le.PutUint16(b[32:], uint16(len(b)))
	record := func(kind byte, n int, wire uint32, ns int64, data []byte) {
		b = le.AppendUint32(le.AppendUint32(b, 0x88888888), 1000000)
		for _, v := range []int{len(data), int(wire), 48 + f.extra, 48 + f.extra + len(data)} {
			b = le.AppendUint16(b, uint16(v))
		}
		b = append(b, f.link, 0, byte(min(f.extra, 1)), kind, 0, 0, 0, 0)
		b = le.AppendUint64(le.AppendUint64(b, uint64(n)), uint64(n))
		b = le.AppendUint64(b, uint64(ns-946684800e9))
		if f.extra > 0 {
			b = le.AppendUint16(le.AppendUint16(b, 0x100), uint16(f.extra))
			b = append(b, make([]byte, f.extra-4)...)
		}
		b = append(b, data...)
	}
	for i, p := range pkts {
		if f.expert > 0 && i%f.expert == 0 {
			record(1, i, 40, p.TimeNS, []byte("network load"))
		}
		data := bytes.Clone(p.Data)
		if f.fcs && int(p.Length) == len(data) {
			data = append(data, 1, 2, 3, 4)
		}
		record(0, i, p.Length+4, p.TimeNS, data)
	}
	return b
}

func read(file []byte) sourcetest.Result {
	return sourcetest.Read(observer.Format, bytes.NewReader(file), sourcetest.Options{})
}

func TestConformance(t *testing.T) {
	sourcetest.TestAll(t, observer.Format, map[string][]byte{
		"plain records":         file{}.build(t, talk),
		"records with elements": file{extra: 32}.build(t, talk),
		"with zero padding":     append(file{}.build(t, talk), make([]byte, 500)...),
	})
}

func TestAgainstPcap(t *testing.T) {
	want := sourcetest.Read(pcap.Format, bytes.NewReader(pcaptest.Build(t, talk)), sourcetest.Options{})
	for _, tt := range []struct {
		name  string
		file  file
		link  packet.LinkType
		zone  int64 // start_zone_unknown
		other int64 // records without packets
	}{
		{"plain", file{}, packet.LinkEthernet, 0, 0},
		{"local times", file{local: true}, packet.LinkEthernet, 1, 0},
		{"elements and other records", file{expert: 4, extra: 32}, packet.LinkEthernet, 0, 3},
		{"with check sequences", file{fcs: true}, packet.LinkEthernet, 0, 0},
		{"802.11", file{link: 9}, packet.LinkWiFi, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := read(tt.file.build(t, talk))
			sourcetest.SameOver(t, tt.link, got, want, 1)
			in := got.Input
			if z, o := in.Anomalies["start_zone_unknown"], in.Unknown["observer record 1"]; z != tt.zone || o != tt.other {
				t.Errorf("start_zone_unknown %d, other records %d; want %d and %d", z, o, tt.zone, tt.other)
			}
			if len(in.Comments) != 1 || in.Comments[0] != "a comment" {
				t.Errorf("comments %q", in.Comments)
			}
		})
	}
}

func TestAgainstWireshark(t *testing.T) {
	plain := pcaptest.Build(t, talk)
	file1 := sourcetest.Editcap(t, plain, "observer")
	want := sourcetest.Read(pcap.Format, bytes.NewReader(plain), sourcetest.Options{})
	got := read(file1)
	sourcetest.Same(t, got, want, 1)
	if len(got.Input.Anomalies) > 0 {
		t.Errorf("anomalies %v", got.Input.Anomalies)
	}
	sourcetest.Test(t, observer.Format, file1)
	t.Setenv("TZ", "UTC")
	for _, f := range []file{{}, {local: true}, {expert: 3}, {fcs: true}, {link: 9}} {
		sourcetest.Tshark(t, observer.Format, f.build(t, talk))
	}
}

// The lengths of a record stand in for each other.
func TestWrongLengths(t *testing.T) {
	file := file{}.build(t, talk)
	want := read(file)
	at := int(want.Packets[2].Offset)
	for _, tt := range []struct {
		name string
		at   int
		v    uint16
	}{
		{"captured length too large", at + 8, 0xffff},
		{"next record too far", at + 14, 0xffff},
		{"next record before the header", at + 14, 3},
		{"frame too far", at + 12, 0xffff},
		{"frame before the header", at + 12, 0},
	} {
		bad := bytes.Clone(file)
		binary.LittleEndian.PutUint16(bad[tt.at:], tt.v)
		got := read(bad)
		if n := len(want.Packets) - len(got.Packets); n > 1 || n == 1 && got.Input.DamageCount == 0 {
			t.Errorf("%s: %d of %d packets, %v", tt.name, len(got.Packets), len(want.Packets), got.Input.Damage)
		}
	}
}

// A time beyond what 64 bits of nanoseconds since 1970 hold is kept as it stands.
func TestTimeOutOfRange(t *testing.T) {
	file := file{}.build(t, talk)
	at := read(file).Packets[0].Offset
	binary.LittleEndian.PutUint64(file[at+40:], 1<<63+5)
	if p := read(file).Packets[0]; p.TimeNS != packet.NoTime || p.RawTicks != 1<<63+5 {
		t.Errorf("time %d, raw %d", p.TimeNS, p.RawTicks)
	}
}

func FuzzObserver(f *testing.F) {
	f.Add(file{}.build(f, talk), uint16(100))
	f.Add(file{local: true, expert: 2, extra: 32}.build(f, talk), uint16(1))
	f.Fuzz(func(t *testing.T, file []byte, slab uint16) { sourcetest.Fuzz(t, observer.Format, file, slab) })
}
