package netmon_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"recap/reader/netmon"
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

// A file says how to write one; frames are between header and tables.
type file struct {
	major, minor byte
	media        []uint16 // of the frames in turn; none: Ethernet
	comments     bool     // with the further tables of 2.2
	gap          int      // bytes between header and first frame
	before       int64    // so many nanoseconds the first frame is before the start
}

func (f file) build(t testing.TB, text string) []byte {
	pkts, err := pcaptest.Packets(text)
	if err != nil {
		t.Fatal(err)
	}
	le := binary.LittleEndian
	b := make([]byte, 128, 4096)
	copy(b, "GMBU")
	if f.major == 1 {
		copy(b, "RTSS")
	}
	b[4], b[5] = f.minor, f.major
	le.PutUint16(b[6:], 1)
	start := pkts[0].TimeNS + f.before
	ms := time.Unix(0, start).UTC()
	start = start / 1e6 * 1e6
	for i, v := range []int{ms.Year(), int(ms.Month()), int(ms.Weekday()), ms.Day(), ms.Hour(), ms.Minute(), ms.Second(), ms.Nanosecond() / 1e6} {
		le.PutUint16(b[8+2*i:], uint16(v))
	}
	b = append(b, make([]byte, f.gap)...)
	var table []byte
	for i, p := range pkts {
		media := uint16(1)
		if len(f.media) > 0 {
			media = f.media[i%len(f.media)]
		}
		data, length := p.Data, p.Length
		if media == 6 {
			data = append([]byte{2, 32, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29}, data...)
			length += 32
		}
		table = le.AppendUint32(table, uint32(len(b)))
		if f.major == 1 {
			b = le.AppendUint32(b, uint32((p.TimeNS-start)/1e6))
			b = le.AppendUint16(b, uint16(length))
			b = le.AppendUint16(b, uint16(len(data)))
		} else {
			b = le.AppendUint64(b, uint64((p.TimeNS-start)/1000))
			b = le.AppendUint32(b, length)
			b = le.AppendUint32(b, uint32(len(data)))
		}
		b = append(b, data...)
		if f.major > 1 && f.minor > 0 {
			b = le.AppendUint16(b, media)
		}
		if f.major > 1 && f.minor > 1 {
			b = le.AppendUint32(b, 0xffffffff) // no process
		}
		if f.major > 1 && f.minor > 2 {
			b = le.AppendUint64(b, uint64(p.TimeNS/100+116444736000000000))
			b = append(b, 0)
		}
	}
	if f.comments {
		le.PutUint32(b[40:], uint32(len(b)))
		comment := []byte{1, 0, 0, 0, 128, 0, 0, 0, 4, 0, 0, 0, 'h', 0, 0, 0, 0, 0, 0, 0}
		le.PutUint32(b[44:], uint32(len(comment)))
		b = append(b, comment...)
	}
	le.PutUint32(b[24:], uint32(len(b)))
	le.PutUint32(b[28:], uint32(len(table)))
	return append(b, table...)
}

func read(file []byte) sourcetest.Result {
	return sourcetest.Read(netmon.Format, bytes.NewReader(file), sourcetest.Options{})
}

func counts(m map[string]int64) string {
	var s []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		s = append(s, fmt.Sprintf("%s=%d", k, m[k]))
	}
	return strings.Join(s, " ")
}

func TestConformance(t *testing.T) {
	whole := file{major: 2, minor: 3, comments: true}.build(t, talk)
	sourcetest.TestAll(t, netmon.Format, map[string][]byte{
		"1.1":                                  file{major: 1, minor: 1}.build(t, talk),
		"2.0":                                  file{major: 2}.build(t, talk),
		"2.1":                                  file{major: 2, minor: 1}.build(t, talk),
		"2.2":                                  file{major: 2, minor: 2}.build(t, talk),
		"2.3 with comments":                    whole,
		"2.3 that ends before both its tables": whole[:binary.LittleEndian.Uint32(whole[40:])],
		"2.3 with zero padding":                append(file{major: 2, minor: 3}.build(t, talk), make([]byte, 500)...),
	})
}

func TestAgainstPcap(t *testing.T) {
	want := sourcetest.Read(pcap.Format, bytes.NewReader(pcaptest.Build(t, talk)), sourcetest.Options{})
	for _, tt := range []struct {
		file      file
		unit      int64
		anomalies string
		unknown   string
	}{
		{file{major: 1, minor: 1}, 1e6, "start_zone_unknown=1", ""},
		{file{major: 2}, 1, "start_zone_unknown=1", ""},
		{file{major: 2, before: 3e6}, 1, "start_zone_unknown=1", ""},
		{file{major: 2, minor: 1}, 1, "start_zone_unknown=1", ""},
		{file{major: 2, minor: 2, comments: true}, 1, "start_zone_unknown=1", "netmon comments=1"},
		{file{major: 2, minor: 3, comments: true}, 1, "", "netmon comments=1"},
		{file{major: 2, minor: 3, media: []uint16{0, 1, 0xe001}}, 1, "", ""},
	} {
		res := read(tt.file.build(t, talk))
		sourcetest.Same(t, res, want, tt.unit)
		if got := counts(res.Input.Anomalies); got != tt.anomalies {
			t.Errorf("%+v: anomalies %q, want %q", tt.file, got, tt.anomalies)
		}
		if got := counts(res.Input.Unknown); got != tt.unknown {
			t.Errorf("%+v: unknown %q, want %q", tt.file, got, tt.unknown)
		}
	}
}

func TestMedia(t *testing.T) {
	for _, tt := range []struct {
		media uint16
		link  packet.LinkType
	}{
		{0, 1}, {1, 1}, {2, 6}, {3, 10}, {6, packet.LinkWiFi}, {7, packet.LinkRaw}, {8, packet.LinkRaw}, {9, packet.LinkRaw},
		{0xe071, packet.LinkSLL}, {0xe080, packet.LinkWiFi}, {0xe083, 0xf083}, {5, 0xf005},
	} {
		res := read(file{major: 2, minor: 3, media: []uint16{tt.media}}.build(t, talk))
		p := res.Packets[0]
		if p.Link != tt.link || len(p.Data) != 54 || p.Length != 54 {
			t.Errorf("media %#x: link %d, %d of %d bytes; want %d, 54 of 54", tt.media, p.Link, len(p.Data), p.Length, tt.link)
		}
	}
	res := read(file{major: 2, minor: 3, media: []uint16{1, 0xffe0, 0xfffe}}.build(t, talk))
	if got := counts(res.Input.Unknown); len(res.Packets) != 4 || got != "netmon dns_cache=4 netmon event=4" {
		t.Errorf("%d packets, unknown %q", len(res.Packets), got)
	}
}

// Oddities of files that were seen: a hole before the first frame, a table that
// does not go with the frames, none at all, one in the middle.
func TestFrameTable(t *testing.T) {
	plain := file{major: 2, minor: 1}.build(t, talk)
	n := len(read(plain).Packets)
	table := int(binary.LittleEndian.Uint32(plain[24:]))
	wrong := bytes.Clone(plain)
	wrong[table]++
	none := bytes.Clone(plain[:table])
	clear(none[24:32])
	for _, tt := range []struct {
		name      string
		file      []byte
		packets   int
		lost      int64
		anomalies string
		damage    string
	}{
		{"a hole before the first frame", file{major: 2, minor: 1, gap: 40}.build(t, talk), n, 40, "start_zone_unknown=1",
			"[test: packet 1 at byte 128: zero bytes where a record should be; 40 bytes were skipped]"},
		{"another table", wrong, n, 0, "frame_table_differs=1 start_zone_unknown=1", "[]"},
		{"no table", none, n, 0, "frame_table_missing=1 start_zone_unknown=1", "[]"},
		{"cut before the table", plain[:table], n, 0, "start_zone_unknown=1",
			fmt.Sprintf("[test: byte %d: file ends before the end of the frame table, which should be at byte %d]", table, len(plain))},
		{"cut in the table", plain[:table+5], n, 0, "start_zone_unknown=1",
			fmt.Sprintf("[test: byte %d: file ends before the end of the frame table, which should be at byte %d]", table+5, len(plain))},
	} {
		res := read(tt.file)
		sourcetest.Balance(t, res, len(tt.file))
		if in := res.Input; len(res.Packets) != tt.packets || in.LostBytes != tt.lost || counts(in.Anomalies) != tt.anomalies || fmt.Sprint(in.Damage) != tt.damage {
			t.Errorf("%s: %d packets, %d bytes lost, %q, %v; want %d, %d, %q, %s", tt.name, len(res.Packets), in.LostBytes,
				counts(in.Anomalies), in.Damage, tt.packets, tt.lost, tt.anomalies, tt.damage)
		}
	}
}

func TestAgainstWireshark(t *testing.T) {
	plain := pcaptest.Build(t, talk)
	want := sourcetest.Read(pcap.Format, bytes.NewReader(plain), sourcetest.Options{})
	t.Setenv("TZ", "UTC") // editcap writes the start in local time
	for to, unit := range map[string]int64{"netmon1": 2e6, "netmon2": 1} {
		t.Run(to, func(t *testing.T) {
			file := sourcetest.Editcap(t, plain, to)
			sourcetest.Same(t, read(file), want, unit)
			sourcetest.Test(t, netmon.Format, file)
			sourcetest.Tshark(t, netmon.Format, file)
		})
	}
	for _, f := range []file{{major: 1, minor: 1}, {major: 2}, {major: 2, before: 3e6}, {major: 2, minor: 1}, {major: 2, minor: 2, comments: true},
		{major: 2, minor: 3, comments: true}, {major: 2, minor: 3, gap: 40}, {major: 2, minor: 3, media: []uint16{1, 0xe001, 0}}} {
		t.Run(fmt.Sprintf("%d.%d", f.major, f.minor), func(t *testing.T) {
			sourcetest.Tshark(t, netmon.Format, f.build(t, talk))
		})
	}
}

func FuzzNetMon(f *testing.F) {
	for _, v := range []file{{major: 1, minor: 1}, {major: 2}, {major: 2, minor: 1}, {major: 2, minor: 2, comments: true}, {major: 2, minor: 3}} {
		f.Add(v.build(f, talk), uint16(100))
	}
	f.Fuzz(func(t *testing.T, file []byte, slab uint16) { sourcetest.Fuzz(t, netmon.Format, file, slab) })
}
