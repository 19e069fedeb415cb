package nstrace_test

import (
	"bytes"
	"encoding/binary"
	"os/exec"
	"strings"
	"testing"

	"recap/reader/nstrace"
	"recap/reader/packet"
	"recap/reader/pcap"
	"recap/reader/pcaptest"
	"recap/reader/sourcetest"
)

const talk = sourcetest.Talk

// A file says how to write one.
type file struct {
	family int  // of the records of packets, times ten
	part   bool // as parts of packets
	names  bool // of virtual machines
	sized  int  // bytes that 3.5 has between header and packet
	noise  int  // before every packet whose number is a multiple stands a record that is none
	late   int  // so many packets stand before the absolute time
}

func (f file) signature() []byte {
	le := binary.LittleEndian
	switch {
	case f.family == 10:
		b := append(le.AppendUint16(le.AppendUint16(nil, 0x0101), 64), 0, 0, 0, 0)
		return append(b, append([]byte("NetScaler Performance Data"), make([]byte, 30)...)...)
	case f.family < 30:
		return append([]byte{1, 34, 0}, "NetScaler V20 Performance Data\x00"...)
	case f.family == 30:
		return append([]byte{1, 34, 0}, "Netscaler V30 Performance Data\x00"...)
	}
	return append([]byte{1, 34, 0}, "Netscaler V35 Performance Data\x00"...)
}

func (f file) absTime(sec int64) []byte {
	le := binary.LittleEndian
	if f.family == 10 {
		b := le.AppendUint32(le.AppendUint16(le.AppendUint16(nil, 0x0107), 12), 0)
		return le.AppendUint32(b, uint32(sec))
	}
	return le.AppendUint32([]byte{7, 8, 0, 0}, uint32(sec))
}

// record writes one packet.
func (f file) record(data []byte, orig uint32, ns, since int64) []byte {
	le := binary.LittleEndian
	first := map[int]byte{20: 0xc0, 21: 0xd0, 22: 0xe0, 23: 0xf0, 24: 0xf8, 25: 0xb0, 26: 0xa0, 30: 0xa8, 35: 0xac}[f.family]
	if f.part {
		first += 4
	}
	rel := uint32(since/1000) | 2<<30
	if since > 1000e9 {
		rel = uint32(since/1e6) | 1<<30
	}
	var b []byte
	if f.family == 10 {
		kind := uint16(0x0310)
		if f.part {
			kind = 0x0314
		}
		b = le.AppendUint32(le.AppendUint32(le.AppendUint16(le.AppendUint16(b, kind), 0), 1), rel)
		if f.part {
			b = le.AppendUint16(le.AppendUint16(b, uint16(orig)), 0)
		}
		b = append(b, data...)
		le.PutUint16(b[2:], uint16(len(b)))
		return b
	}
	b = append(b, first, 0, 0, 1)
	if f.family < 23 {
		b = le.AppendUint32(b, rel)
	} else {
		b = le.AppendUint64(b, uint64(ns))
	}
	if f.part && f.family < 30 {
		b = le.AppendUint16(le.AppendUint16(b, uint16(orig)), 0)
	}
	if f.family > 20 {
		b = le.AppendUint32(le.AppendUint32(b, 4711), 0)
	}
	if f.family >= 30 {
		b = le.AppendUint16(b, uint16(orig))
	}
	if f.family > 21 {
		b = le.AppendUint16(b, 0)
	}
	if f.family > 22 {
		b = le.AppendUint16(b, 3)
	}
	names := ""
	switch {
	case f.family == 35:
		b = append(le.AppendUint16(b, uint16(35+f.sized)), make([]byte, 7+f.sized)...)
		b[34] = 1
		if f.sized > 0 { // a part of its own, then the frame
			b[34] = 0x83
			le.PutUint16(b[35:], uint16(f.sized))
			b[37] = 1
		}
	case f.family >= 24:
		b = append(b, make([]byte, 5)...)
		if f.family >= 25 {
			if f.names {
				names = "vm-avm-bb"
				b = append(b, 4, 5)
			} else {
				b = append(b, 0, 0)
			}
		}
		if f.family == 26 {
			b = append(b, make([]byte, 17)...)
		}
		if f.family == 30 {
			b = append(b, make([]byte, 19)...)
		}
	}
	b = append(append(b, names...), data...)
	b[1] = byte(len(b))
	if len(b) >= 0x80 {
		b[1], b[2] = byte(len(b))|0x80, byte(len(b)>>7)
	}
	return b
}

func (f file) build(t testing.TB, text string) []byte {
	pkts, err := pcaptest.Packets(text)
	if err != nil {
		t.Fatal(err)
	}
	page := 8192
	if f.family >= 30 {
		page = 16384
	}
	b := f.signature()
	if f.late == 0 {
		b = append(b, f.absTime(pkts[0].TimeNS/1e9)...)
	}
	last := pkts[0].TimeNS / 1e9 * 1e9
	for i, p := range pkts {
		if f.late > 0 && i == f.late {
			b = append(b, f.absTime(p.TimeNS/1e9)...)
		}
		if f.noise > 0 && i%f.noise == 0 {
			if f.family == 10 {
				b = append(b, 0x0a, 0x01, 12, 0, 1, 2, 3, 4, 5, 6, 7, 8)
			} else {
				b = append(b, 0x0a, 8, 0, 0, 1, 2, 3, 4)
			}
		}
		rec := f.record(p.Data, p.Length, p.TimeNS, p.TimeNS-last)
		last = p.TimeNS
		if left := page - len(b)%page; f.family < 30 && len(rec) >= left || left < 40 {
			b = append(append(b, make([]byte, left)...), f.signature()...)
		}
		b = append(b, rec...)
	}
	return b
}

func read(file []byte) sourcetest.Result {
	return sourcetest.Read(nstrace.Format, bytes.NewReader(file), sourcetest.Options{})
}

func TestConformance(t *testing.T) {
	sourcetest.TestAll(t, nstrace.Format, map[string][]byte{
		"1.0":               file{family: 10}.build(t, talk),
		"2.0":               file{family: 20}.build(t, talk),
		"2.0 with parts":    file{family: 26, part: true}.build(t, talk),
		"3.0":               file{family: 30}.build(t, talk),
		"3.5":               file{family: 35, sized: 20}.build(t, talk),
		"with zero padding": append(file{family: 35}.build(t, talk), make([]byte, 500)...),
	})
}

// long fills more than a page of each version.
const long = talk + `
	10.0.0.1:4001 > 10.0.0.2:80 "POST / HTTP/1.1\r\nHost: x\r\n\r\n"
	10.0.0.1:4001 > 10.0.0.2:80 fill=40000 mss=1400
	10.0.0.2:80 > 10.0.0.1:4001 "HTTP/1.1 204 No Content\r\n\r\n"`

// Records that go on behind unused ends of pages, and, from 3.0 on, over their borders.
func TestPages(t *testing.T) {
	want := sourcetest.Read(pcap.Format, bytes.NewReader(pcaptest.Build(t, long)), sourcetest.Options{})
	for _, family := range []int{10, 20, 24, 30, 35} {
		file := file{family: family, part: family < 30}.build(t, long)
		got := read(file)
		sourcetest.Same(t, got, want, 1000)
		if got.Input.LostBytes != 0 || got.Input.Padding != 0 {
			t.Errorf("version %d: %d bytes lost, %d of padding", family, got.Input.LostBytes, got.Input.Padding)
		}
		for _, slab := range []int{1, 100, 5000} {
			again := sourcetest.Read(nstrace.Format, bytes.NewReader(file), sourcetest.Options{Slab: slab, Eager: true})
			sourcetest.Equal(t, "a small slab", again, got)
		}
		cut := len(file) * 2 / 3
		part := read(file[:cut])
		sourcetest.Balance(t, part, cut)
		if n := len(part.Packets); n < len(got.Packets)/2 || n == len(got.Packets) {
			t.Errorf("version %d: %d of %d packets before a cut", family, n, len(got.Packets))
		}
		// A hole in the middle costs no more than the packets in it.
		bad := bytes.Clone(file)
		clear(bad[cut : cut+3000])
		hole := read(bad)
		sourcetest.Balance(t, hole, len(bad))
		if n := len(got.Packets) - len(hole.Packets); n < 1 || n > 4 || hole.Input.DamageCount == 0 {
			t.Errorf("version %d: %d packets lost to a hole, damage %v", family, n, hole.Input.Damage)
		}
	}
}

func TestAgainstPcap(t *testing.T) {
	want := sourcetest.Read(pcap.Format, bytes.NewReader(pcaptest.Build(t, talk)), sourcetest.Options{})
	for _, tt := range []struct {
		name    string
		file    file
		unknown int64
	}{
		{"1.0 in parts", file{family: 10, part: true}, 0},
		{"2.0 in parts", file{family: 20, part: true}, 0},
		{"2.1 in parts", file{family: 21, part: true}, 0},
		{"2.2 in parts", file{family: 22, part: true}, 0},
		{"2.3 in parts", file{family: 23, part: true}, 0},
		{"2.4 in parts", file{family: 24, part: true}, 0},
		{"2.5 in parts", file{family: 25, part: true, names: true}, 0},
		{"2.6 in parts", file{family: 26, part: true, names: true}, 0},
		{"3.0", file{family: 30}, 0},
		{"3.0 with names", file{family: 30, names: true}, 0},
		{"3.5", file{family: 35}, 0},
		{"3.5 with more in the header", file{family: 35, sized: 100}, 0},
		{"records of other types", file{family: 24, part: true, noise: 3}, 4},
		{"records of other types in 1.0", file{family: 10, part: true, noise: 3}, 4},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := read(tt.file.build(t, talk))
			sourcetest.Same(t, got, want, 1000)
			var unknown int64
			for _, n := range got.Input.Unknown {
				unknown += n
			}
			if unknown != tt.unknown || len(got.Input.Anomalies) != 0 {
				t.Errorf("unknown %v, anomalies %v", got.Input.Unknown, got.Input.Anomalies)
			}
		})
	}
}

// Records of whole packets tell no length but their own.
func TestWhole(t *testing.T) {
	for _, family := range []int{10, 20, 21, 22, 23, 24, 25, 26} {
		got := read(file{family: family, names: true}.build(t, talk))
		if len(got.Packets) != 12 || got.Input.DamageCount != 0 || int(got.Packets[3].Length) != len(got.Packets[3].Data) {
			t.Errorf("version %d: %d packets, damage %v", family, len(got.Packets), got.Input.Damage)
		}
	}
}

// Before the first absolute time packets have none; after damage it is doubtful.
func TestRelativeTimes(t *testing.T) {
	file1 := file{family: 20, late: 3}.build(t, talk)
	got := read(file1)
	for i, p := range got.Packets {
		if (p.TimeNS == packet.NoTime) != (i < 3) {
			t.Errorf("packet %d: time %d", i+1, p.TimeNS)
		}
	}
	clear(file1[got.Packets[4].Offset : got.Packets[4].Offset+4])
	if got := read(file1); got.Input.Anomalies["relative_time_lost"] != 1 {
		t.Errorf("anomalies %v", got.Input.Anomalies)
	}
}

// A part of a packet that is not its beginning is counted.
func TestMiddle(t *testing.T) {
	file1 := file{family: 24, part: true}.build(t, talk)
	at := read(file1).Packets[1].Offset
	file1[at+14] = 7
	got := read(file1)
	if len(got.Packets) != 11 || got.Input.Unknown["nstrace packet without its beginning"] != 1 {
		t.Errorf("%d packets, unknown %v", len(got.Packets), got.Input.Unknown)
	}
}

// Records of 3.5 that hold something else than a frame are counted.
func TestNoFrame(t *testing.T) {
	for _, next := range []byte{0, 2, 0x80} {
		file1 := file{family: 35}.build(t, talk)
		file1[read(file1).Packets[1].Offset+34] = next
		got := read(file1)
		if len(got.Packets) != 11 || got.Input.Unknown["nstrace record without a frame"] != 1 {
			t.Errorf("%d packets, unknown %v", len(got.Packets), got.Input.Unknown)
		}
	}
}

// The signature may stand behind other records of the first page.
func TestSignatureLater(t *testing.T) {
	f := file{family: 35}
	whole := f.build(t, talk)
	other := append(f.absTime(1), whole...)
	if !nstrace.Format.Match(other) {
		t.Fatal("not recognised")
	}
	if got := read(other); len(got.Packets) != 12 || got.Input.DamageCount != 0 {
		t.Errorf("%d packets, damage %v", len(got.Packets), got.Input.Damage)
	}
}

// tshark has the header of a record as part of the packet, so the ends are compared.
func TestAgainstWireshark(t *testing.T) {
	for _, f := range []file{
		{family: 10}, {family: 10, part: true}, {family: 20}, {family: 20, part: true}, {family: 21}, {family: 22, part: true}, {family: 23},
		{family: 24, part: true}, {family: 25, names: true}, {family: 26, part: true}, {family: 26, noise: 4},
		{family: 30, names: true}, {family: 35, sized: 9},
	} {
		sourcetest.TsharkTail(t, nstrace.Format, f.build(t, talk))
		sourcetest.TsharkTail(t, nstrace.Format, f.build(t, long))
	}
}

// What editcap writes anew, in pages of its own, holds the same. (It cannot write 1.0
// out of 1.0.)
func TestAgainstEditcap(t *testing.T) {
	for family, to := range map[int]string{24: "nstrace20", 30: "nstrace30", 35: "nstrace35"} {
		f := file{family: family, part: family == 24}
		mine := f.build(t, long)
		written := sourcetest.Editcap(t, mine, to)
		got := read(written)
		want := read(mine)
		sourcetest.Same(t, got, want, 1)
		if len(got.Packets) != len(want.Packets) {
			t.Errorf("%s: %d packets, want %d", to, len(got.Packets), len(want.Packets))
		}
	}
}

// The Ethernet header begins where tshark dissects it.
func TestStartOfFrames(t *testing.T) {
	sourcetest.Tool(t, "tshark")
	for _, f := range []file{{family: 10}, {family: 25, names: true}, {family: 26, names: true}, {family: 30, names: true}, {family: 35}, {family: 35, sized: 20}} {
		name := t.TempDir() + "/file"
		sourcetest.WriteFile(t, name, f.build(t, talk))
		out, err := exec.Command("tshark", "-n", "-r", name, "-T", "fields", "-e", "tcp.srcport").Output()
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(out), "4000\n") + strings.Count(string(out), "80\n"); n != 12 {
			t.Errorf("version %d: tshark finds %d TCP segments: %q", f.family, n, out)
		}
	}
}

func FuzzNstrace(f *testing.F) {
	f.Add(file{family: 10, noise: 3}.build(f, talk), uint16(100))
	f.Add(file{family: 20, part: true}.build(f, talk), uint16(1))
	f.Add(file{family: 26, names: true}.build(f, talk), uint16(30))
	f.Add(file{family: 35, sized: 5}.build(f, talk), uint16(30))
	f.Fuzz(func(t *testing.T, file []byte, slab uint16) { sourcetest.Fuzz(t, nstrace.Format, file, slab) })
}
