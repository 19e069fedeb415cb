package peek_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	"recap/reader/format"
	"recap/reader/packet"
	"recap/reader/pcap"
	"recap/reader/pcaptest"
	"recap/reader/peek"
	"recap/reader/sourcetest"
)

const talk = sourcetest.Talk

const epoch1904 = 2082844800

// A file says how to write a classic one.
type file struct {
	version byte
	wifi    bool
	ring    bool
	status  byte
	tail    []byte // behind every whole packet
}

func (f file) build(t testing.TB, text string) []byte {
	pkts, err := pcaptest.Packets(text)
	if err != nil {
		t.Fatal(err)
	}
	be := binary.BigEndian
	b := make([]byte, 50)
	b[0] = f.version
	be.PutUint32(b[6:], uint32(len(pkts)))
	start := pkts[0].TimeNS/1e9 - 5
	be.PutUint32(b[10:], uint32(start+epoch1904))
	if f.ring {
		b[25] = 1
	}
	if f.wifi {
		b[29] = 1
	}
	for _, p := range pkts {
		data := p.Data
		if f.version == 7 && f.wifi {
			data = append([]byte{2, 6, 70, 0}, data...)
		}
		wire := int(p.Length) + len(data) - len(p.Data) + len(f.tail)
		slice := len(data)
		if len(p.Data) == int(p.Length) {
			data = append(bytes.Clone(data), f.tail...)
			slice = 0
		}
		if f.version&0x7f < 7 {
			b = be.AppendUint16(be.AppendUint16(b, uint16(wire)), uint16(slice))
			b = append(b, 0, f.status)
			b = be.AppendUint32(b, uint32((p.TimeNS-start*1e9)/1e6))
			b = append(b, make([]byte, 16)...)
		} else {
			b = be.AppendUint16(be.AppendUint16(append(b, 0, 0), uint16(wire)), uint16(slice))
			b = append(b, 0, f.status)
			b = be.AppendUint64(b, uint64(p.TimeNS/1000+epoch1904*1e6))
		}
		b = append(b, data...)
		if f.version&0x7f == 7 && len(data)%2 == 1 {
			b = append(b, 0)
		}
	}
	return b
}

// buildTagged writes a tagged file of a kind of medium, with so many fields that mean
// nothing here.
func buildTagged(t testing.TB, text string, medium, extra int) []byte {
	pkts, err := pcaptest.Packets(text)
	if err != nil {
		t.Fatal(err)
	}
	le := binary.LittleEndian
	var b []byte
	section := func(name, body string) {
		b = append(b, name...)
		b = le.AppendUint32(le.AppendUint32(b, uint32(12+len(body))), 0x200)
		b = append(b, body...)
	}
	section("\x7fver", "<?xml version=\"1.0\"?>\n<VersionInfo><FileVersion>9</FileVersion></VersionInfo>\n")
	section("sess", fmt.Sprintf("<Session><MediaType>0</MediaType><MediaSubType>%d</MediaSubType></Session>\n", medium))
	b = append(b, "pkts\x00\x00\x00\x00\x00\x00\x00\x00"...)
	for _, p := range pkts {
		ticks := uint64(p.TimeNS) + 11644473600*1e9
		slice := uint32(len(p.Data))
		data := p.Data
		if len(data) == int(p.Length) {
			data = append(bytes.Clone(data), 0, 0, 0, 0)
			slice += 4
		}
		for _, f := range []struct {
			tag uint16
			v   uint32
		}{{0, p.Length + 4}, {1, uint32(ticks)}, {2, uint32(ticks >> 32)}, {3, 0}} {
			b = le.AppendUint32(le.AppendUint16(b, f.tag), f.v)
		}
		for i := range extra {
			b = le.AppendUint32(le.AppendUint16(b, uint16(4+i)), 7)
		}
		b = le.AppendUint32(le.AppendUint16(b, 0xffff), slice)
		b = append(b, data...)
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
		{"version 5", peek.Classic, file{version: 5}.build(t, talk)},
		{"version 7", peek.Classic, file{version: 7, status: 1}.build(t, talk)},
		{"tagged", peek.Tagged, buildTagged(t, talk, 0, 0)},
		{"tagged with many fields", peek.Tagged, buildTagged(t, talk, 0, 9)},
		{"tagged with zero padding", peek.Tagged, append(buildTagged(t, talk, 0, 1), make([]byte, 500)...)},
	} {
		t.Run(tt.name, func(t *testing.T) { sourcetest.Test(t, tt.format, tt.file) })
	}
}

func TestAgainstPcap(t *testing.T) {
	want := read(pcap.Format, pcaptest.Build(t, talk))
	four := []byte{1, 2, 3, 4}
	for _, tt := range []struct {
		name   string
		format format.Format
		file   []byte
		link   packet.LinkType
		unit   int64
	}{
		{"version 5", peek.Classic, file{version: 5}.build(t, talk), packet.LinkEthernet, 1e6},
		{"version 6", peek.Classic, file{version: 6}.build(t, talk), packet.LinkEthernet, 1e6},
		{"version 6 of EtherHelp", peek.Classic, file{version: 0x86}.build(t, talk), packet.LinkEthernet, 1e6},
		{"version 7", peek.Classic, file{version: 7, status: 1}.build(t, talk), packet.LinkEthernet, 1000},
		{"token ring", peek.Classic, file{version: 7, ring: true}.build(t, talk), 6, 1000},
		{"802.11", peek.Classic, file{version: 7, wifi: true, tail: four}.build(t, talk), packet.LinkWiFi, 1000},
		{"tagged", peek.Tagged, buildTagged(t, talk, 0, 0), packet.LinkEthernet, 1},
		{"tagged 802.11", peek.Tagged, buildTagged(t, talk, 1, 5), packet.LinkWiFi, 1},
		{"tagged of a medium that is not known", peek.Tagged, buildTagged(t, talk, 9, 0), packet.LinkUnassigned + 9, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := read(tt.format, tt.file)
			sourcetest.SameOver(t, tt.link, got, want, tt.unit)
		})
	}
}

// The check sequence stays with the packet, which says so.
func TestCheckSequence(t *testing.T) {
	for _, tt := range []struct {
		name string
		got  sourcetest.Result
	}{
		{"classic", read(peek.Classic, file{version: 7, tail: []byte{1, 2, 3, 4}}.build(t, talk))},
		{"tagged", read(peek.Tagged, buildTagged(t, talk, 3, 0))},
	} {
		for i, p := range tt.got.Packets {
			if whole := int(p.Length) == len(p.Data); (p.FCSLen == 4) != whole {
				t.Errorf("%s, packet %d: check sequence of %d bytes, whole %t", tt.name, i+1, p.FCSLen, whole)
			}
		}
	}
}

const whole = `
	10.0.0.1:4000 > 10.0.0.2:80 handshake "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
	10.0.0.2:80 > 10.0.0.1:4000 @20ms "HTTP/1.1 200 OK\r\nContent-Length: 201\r\n\r\n" fill=101 mss=61
	10.0.0.1:4000 > 10.0.0.2:80 close @1h`

func TestAgainstWireshark(t *testing.T) {
	t.Setenv("TZ", "UTC")
	for _, f := range []file{{version: 5}, {version: 6}, {version: 7, status: 1}, {version: 7}, {version: 7, ring: true}} {
		sourcetest.Tshark(t, peek.Classic, f.build(t, talk))
	}
	sourcetest.Tshark(t, peek.Classic, file{version: 7, wifi: true, tail: []byte{1, 2, 3, 4}}.build(t, whole))
	sourcetest.Tshark(t, peek.Tagged, buildTagged(t, whole, 0, 3))
	sourcetest.Tshark(t, peek.Tagged, buildTagged(t, whole, 1, 0))
	sourcetest.Tshark(t, peek.Tagged, buildTagged(t, whole, 3, 0))
}

// What merely begins with the number of a version is no classic file.
func TestNoClassic(t *testing.T) {
	good := file{version: 7}.build(t, talk)
	for _, tt := range []struct {
		name string
		at   int
		v    byte
	}{
		{"another version", 0, 8},
		{"bytes that are reserved", 40, 1},
		{"another medium", 25, 2},
		{"a first packet of no length", 53, 0},
	} {
		bad := bytes.Clone(good)
		bad[tt.at] = tt.v
		if peek.Classic.Match(bad[:min(len(bad), format.HeadSize)]) {
			t.Errorf("%s: taken", tt.name)
		}
	}
}

func FuzzClassic(f *testing.F) {
	f.Add(file{version: 5}.build(f, talk), uint16(100))
	f.Add(file{version: 7, wifi: true}.build(f, talk), uint16(1))
	f.Fuzz(func(t *testing.T, file []byte, slab uint16) { sourcetest.Fuzz(t, peek.Classic, file, slab) })
}

func FuzzTagged(f *testing.F) {
	f.Add(buildTagged(f, talk, 0, 0), uint16(100))
	f.Add(buildTagged(f, talk, 3, 5), uint16(1))
	f.Fuzz(func(t *testing.T, file []byte, slab uint16) { sourcetest.Fuzz(t, peek.Tagged, file, slab) })
}
