package visual_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"recap/reader/packet"
	"recap/reader/pcap"
	"recap/reader/pcaptest"
	"recap/reader/sourcetest"
	"recap/reader/visual"
)

const (
	whole = `
	10.0.0.1:4000 > 10.0.0.2:80 handshake "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
	10.0.0.2:80 > 10.0.0.1:4000 @20ms "HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n" fill=100 mss=60
	10.0.0.1:4000 > 10.0.0.2:80 close`
	talk = whole + `
	10.0.0.1:4001 > 10.0.0.2:80 "cut short" cut=50
	10.0.0.1:4001 > 10.0.0.2:80 "cut short too" cut=52 @1h`
)

// A file says how to write one.
type file struct {
	media   uint16 // 0: Ethernet
	hint    byte
	noIndex bool
	total   uint32 // packets that the header claims; 0: as many as there are
}

func (f file) build(t testing.TB, text string) []byte {
	pkts, err := pcaptest.Packets(text)
	if err != nil {
		t.Fatal(err)
	}
	le := binary.LittleEndian
	b := make([]byte, 192, 4096)
	copy(b, "\x05VNF")
	le.PutUint32(b[4:], uint32(len(pkts)))
	if f.total > 0 {
		le.PutUint32(b[4:], f.total)
	}
	start := pkts[0].TimeNS / 1e9
	le.PutUint32(b[8:], uint32(start))
	media, fcs := uint16(6), uint32(4)
	if f.media != 0 {
		media, fcs = f.media, 2
	}
	le.PutUint16(b[12:], media)
	le.PutUint16(b[14:], 65535)
	le.PutUint16(b[18:], 1)
	copy(b[128:], "a comment")
	var index []byte
	for _, p := range pkts {
		index = le.AppendUint32(index, uint32(len(b)))
		b = le.AppendUint32(b, uint32((p.TimeNS-start*1e9)/1e6))
		b = le.AppendUint16(le.AppendUint16(b, uint16(p.Length+fcs)), uint16(len(p.Data)))
		b = append(b, 0, 2, 0, 0, f.hint, 0, 0, 0, 0, 0, 0, 0)
		b = append(b, p.Data...)
	}
	if f.noIndex {
		return b
	}
	b[16] = 1
	return append(b, index...)
}

func read(file []byte) sourcetest.Result {
	return sourcetest.Read(visual.Format, bytes.NewReader(file), sourcetest.Options{})
}

func TestConformance(t *testing.T) {
	sourcetest.TestAll(t, visual.Format, map[string][]byte{
		"with an index":     file{}.build(t, talk),
		"without an index":  file{noIndex: true}.build(t, talk),
		"with zero padding": append(file{}.build(t, talk), make([]byte, 500)...),
	})
}

func TestAgainstPcap(t *testing.T) {
	want := sourcetest.Read(pcap.Format, bytes.NewReader(pcaptest.Build(t, talk)), sourcetest.Options{})
	for _, tt := range []struct {
		name      string
		file      file
		link      packet.LinkType
		anomalies int
	}{
		{"Ethernet", file{}, packet.LinkEthernet, 0},
		{"no index", file{noIndex: true}, packet.LinkEthernet, 0},
		{"Cisco HDLC", file{media: 22, hint: 13}, packet.LinkCHDLC, 0},
		{"PPP", file{media: 118, hint: 14}, packet.LinkPPP, 0},
		{"frame relay", file{media: 32}, 107, 0},
		{"a header that claims fewer packets", file{noIndex: true, total: 3}, packet.LinkEthernet, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := read(tt.file.build(t, talk))
			sourcetest.SameOver(t, tt.link, got, want, 1e6)
			if len(got.Input.Anomalies) != tt.anomalies {
				t.Errorf("anomalies %v, want %d", got.Input.Anomalies, tt.anomalies)
			}
		})
	}
}

// Packets behind those that the header counts are read, where no index stands.
func TestWrongCount(t *testing.T) {
	file := file{total: 3, noIndex: true}.build(t, talk)
	file[16] = 1
	got := read(file)
	if len(got.Packets) != 12 || got.Input.DamageCount != 0 || got.Input.Anomalies["frame_table_differs"] != 1 {
		t.Errorf("%d packets, damage %v, anomalies %v", len(got.Packets), got.Input.Damage, got.Input.Anomalies)
	}
}

// A cut index loses no packet, but is told.
func TestCutIndex(t *testing.T) {
	file := file{}.build(t, talk)
	for _, n := range []int{1, 4, 7, 47, 48} {
		got := read(file[:len(file)-n])
		if len(got.Packets) != 12 || got.Input.DamageCount != 1 {
			t.Errorf("without the last %d bytes: %d packets, damage %v", n, len(got.Packets), got.Input.Damage)
		}
	}
}

func TestAgainstWireshark(t *testing.T) {
	plain := pcaptest.Build(t, whole)
	written := sourcetest.Editcap(t, plain, "visual")
	want := sourcetest.Read(pcap.Format, bytes.NewReader(plain), sourcetest.Options{})
	got := read(written)
	sourcetest.Same(t, got, want, 1e6)
	if len(got.Input.Anomalies) != 0 {
		t.Errorf("anomalies %v", got.Input.Anomalies)
	}
	sourcetest.Test(t, visual.Format, written)
	for _, f := range []file{{}, {media: 22, hint: 13}, {media: 118, hint: 14}, {media: 32}} {
		sourcetest.Tshark(t, visual.Format, f.build(t, talk))
	}
}

func FuzzVisual(f *testing.F) {
	f.Add(file{}.build(f, talk), uint16(100))
	f.Add(file{noIndex: true}.build(f, talk), uint16(1))
	f.Add(file{total: 4}.build(f, talk), uint16(30))
	f.Fuzz(func(t *testing.T, file []byte, slab uint16) { sourcetest.Fuzz(t, visual.Format, file, slab) })
}
