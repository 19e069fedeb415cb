package commview_test

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"recap/reader/commview"
	"recap/reader/format"
	"recap/reader/packet"
	"recap/reader/pcap"
	"recap/reader/pcaptest"
	"recap/reader/sourcetest"
)

const talk = `
	10.0.0.1:4000 > 10.0.0.2:80 handshake "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
	10.0.0.2:80 > 10.0.0.1:4000 @20ms "HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n" fill=100 mss=60
	10.0.0.1:4000 > 10.0.0.2:80 "later" @1h
	10.0.0.1:4000 > 10.0.0.2:80 close`

var (
	ncf       = commview.Formats()[0]
	ncfx      = commview.Formats()[1]
	ncfxShort = commview.Formats()[2]
)

func clock(b []byte, ns int64) []byte {
	le := binary.LittleEndian
	t := time.Unix(0, ns).UTC()
	b = append(le.AppendUint16(b, uint16(t.Year())), byte(t.Month()), byte(t.Day()), byte(t.Hour()), byte(t.Minute()), byte(t.Second()))
	return le.AppendUint32(b, uint32(t.Nanosecond()/1000))
}

func packets(t testing.TB, text string) []packet.Packet {
	pkts, err := pcaptest.Packets(text)
	if err != nil {
		t.Fatal(err)
	}
	var all []packet.Packet
	for _, p := range pkts {
		all = append(all, packet.Packet{Data: p.Data, TimeNS: p.TimeNS})
	}
	return all
}

func buildNCF(t testing.TB, text string, flags byte) []byte {
	le := binary.LittleEndian
	var b []byte
	for _, p := range packets(t, text) {
		b = le.AppendUint16(le.AppendUint16(b, uint16(len(p.Data))), uint16(len(p.Data)))
		b = clock(append(b, 0), p.TimeNS)
		b = append(b, flags, 0, 0, 0, 0, 1, 0, 0)
		b = append(b, p.Data...)
	}
	return b
}

// buildNCFX writes records whose length counts so many bytes of the header, each
// packet behind the given radio header.
func buildNCFX(t testing.TB, text string, counted int, medium byte, radio []byte) []byte {
	var b []byte
	for _, p := range packets(t, text) {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(radio)+len(p.Data)+counted))
		b = clock(b, p.TimeNS)
		b = append(b, medium, 0, 0, 0, 0)
		b = append(append(b, radio...), p.Data...)
	}
	return b
}

func read(f format.Format, file []byte) sourcetest.Result {
	return sourcetest.Read(f, bytes.NewReader(file), sourcetest.Options{})
}

func TestConformance(t *testing.T) {
	for _, tt := range []struct {
		name   string
		format format.Format
		file   []byte
	}{
		{"ncf", ncf, buildNCF(t, talk, 0)},
		{"ncf with zero padding", ncf, append(buildNCF(t, talk, 0), make([]byte, 500)...)},
		{"ncfx", ncfx, buildNCFX(t, talk, 20, 0, nil)},
		{"ncfx whose lengths do not count the header", ncfxShort, buildNCFX(t, talk, 0, 0, nil)},
	} {
		t.Run(tt.name, func(t *testing.T) { sourcetest.Test(t, tt.format, tt.file) })
	}
}

func TestAgainstPcap(t *testing.T) {
	want := read(pcap.Format, pcaptest.Build(t, talk))
	for _, tt := range []struct {
		name   string
		format format.Format
		file   []byte
		link   packet.LinkType
	}{
		{"ncf", ncf, buildNCF(t, talk, 0), packet.LinkEthernet},
		{"ncf of 802.11", ncf, buildNCF(t, talk, 1), packet.LinkWiFi},
		{"ncf of a token ring", ncf, buildNCF(t, talk, 2), 6},
		{"ncfx", ncfx, buildNCFX(t, talk, 20, 0, nil), packet.LinkEthernet},
		{"ncfx of 802.11", ncfx, buildNCFX(t, talk, 20, 1, append([]byte{20, 0}, make([]byte, 18)...)), packet.LinkWiFi},
		{"ncfx of 802.11 with an extension", ncfx, buildNCFX(t, talk, 20, 1, append([]byte{24, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, make([]byte, 7)...)), packet.LinkWiFi},
		{"ncfx without a length of the extension", ncfx, buildNCFX(t, talk, 20, 1, append([]byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, make([]byte, 7)...)), packet.LinkWiFi},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := read(tt.format, tt.file)
			sourcetest.SameOver(t, tt.link, got, want, 1000)
			if n := got.Input.Anomalies["start_zone_unknown"]; n != 1 {
				t.Errorf("start_zone_unknown = %d, want 1", n)
			}
		})
	}
}

func TestCompressedPackets(t *testing.T) {
	got := read(ncf, buildNCF(t, talk, 0x40))
	if want := len(packets(t, talk)); len(got.Packets) != 0 || got.Input.Unknown["commview compressed packet"] != int64(want) || got.Input.LostBytes != 0 {
		t.Errorf("%d packets, stepped over %v, want %d", len(got.Packets), got.Input.Unknown, want)
	}
}

func TestAgainstWireshark(t *testing.T) {
	t.Setenv("TZ", "UTC") // it writes local times
	plain := pcaptest.Build(t, talk)
	want := read(pcap.Format, plain)
	for _, tt := range []struct {
		to     string
		format format.Format
	}{
		{"commview-ncf", ncf},
		{"commview-ncfx", ncfxShort},
	} {
		t.Run(tt.to, func(t *testing.T) {
			file := sourcetest.Editcap(t, plain, tt.to)
			sourcetest.Same(t, read(tt.format, file), want, 1000)
			sourcetest.Test(t, tt.format, file)
		})
	}
	sourcetest.TsharkNamed(t, ncf, buildNCF(t, talk, 0), "file.ncf")
	sourcetest.TsharkNamed(t, ncfx, buildNCFX(t, talk, 20, 0, nil), "file.ncfx")
}

// The two lengths of NCF stand in for each other; the one of NCFX costs its packet.
func TestWrongLengths(t *testing.T) {
	for _, tt := range []struct {
		name   string
		format format.Format
		file   []byte
		at     int
		v      uint16
		lost   int
	}{
		{"ncf, too large", ncf, buildNCF(t, talk, 0), 0, 0xffff, 0},
		{"ncf, too small", ncf, buildNCF(t, talk, 0), 0, 3, 0},
		{"ncf, source too large", ncf, buildNCF(t, talk, 0), 2, 0xffff, 0},
		{"ncfx, too large", ncfx, buildNCFX(t, talk, 20, 0, nil), 0, 0xffff, 1},
		{"ncfx, too small", ncfx, buildNCFX(t, talk, 20, 0, nil), 0, 3, 1},
	} {
		want := read(tt.format, tt.file)
		bad := bytes.Clone(tt.file)
		binary.LittleEndian.PutUint16(bad[int(want.Packets[2].Offset)+tt.at:], tt.v)
		got := read(tt.format, bad)
		if n := len(want.Packets) - len(got.Packets); n > tt.lost || n > 0 && got.Input.DamageCount == 0 {
			t.Errorf("%s: %d of %d packets, %v", tt.name, len(got.Packets), len(want.Packets), got.Input.Damage)
		}
	}
}

// Each kind of file is taken by one format, and none by what is something else.
func TestMatch(t *testing.T) {
	for _, tt := range []struct {
		name string
		file []byte
		want string
	}{
		{"ncf", buildNCF(t, talk, 0), "100"},
		{"ncfx", buildNCFX(t, talk, 20, 0, nil), "010"},
		{"ncfx whose lengths do not count the header", buildNCFX(t, talk, 0, 0, nil), "001"},
		{"pcap", pcaptest.Build(t, talk), "000"},
		{"zeros", make([]byte, 4096), "000"},
		{"text", bytes.Repeat([]byte("GET /a HTTP/1.1\r\n"), 100), "000"},
		{"nothing", nil, "000"},
		{"first header cut", buildNCF(t, talk, 0)[:20], "000"},
	} {
		got := ""
		for _, f := range commview.Formats() {
			got += map[bool]string{true: "1", false: "0"}[f.Match(tt.file[:min(len(tt.file), format.HeadSize)])]
		}
		if got != tt.want {
			t.Errorf("%s: matched by %s, want %s", tt.name, got, tt.want)
		}
	}
}

func FuzzCommView(f *testing.F) {
	f.Add(buildNCF(f, talk, 0), uint16(100))
	f.Add(buildNCFX(f, talk, 20, 1, append([]byte{20, 0}, make([]byte, 18)...)), uint16(1))
	f.Add(buildNCFX(f, talk, 0, 0, nil), uint16(30))
	f.Fuzz(func(t *testing.T, file []byte, slab uint16) {
		for _, format := range commview.Formats() {
			sourcetest.Fuzz(t, format, file, slab)
		}
	})
}
