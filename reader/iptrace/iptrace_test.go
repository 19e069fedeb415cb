package iptrace_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	"recap/reader/iptrace"
	"recap/reader/packet"
	"recap/reader/pcap"
	"recap/reader/pcaptest"
	"recap/reader/sourcetest"
)

// whole is a conversation of packets that were all captured to their ends: records tell
// one length only.
const whole = `
	10.0.0.1:4000 > 10.0.0.2:80 handshake "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
	10.0.0.2:80 > 10.0.0.1:4000 @20ms "HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n" fill=100 mss=60
	10.0.0.1:4000 > 10.0.0.2:80 "later" @1h
	10.0.0.1:4000 > 10.0.0.2:80 close`

// A file says how to write one.
type file struct {
	version byte   // '1' or '2'
	kind    byte   // of the interface
	pad     int    // bytes before a packet
	prefix  string // of the interface's name
}

func (f file) build(t testing.TB, text string) []byte {
	pkts, err := pcaptest.Packets(text)
	if err != nil {
		t.Fatal(err)
	}
	be := binary.BigEndian
	b := []byte(fmt.Sprintf("iptrace %c.0", f.version))
	for i, p := range pkts {
		info := make([]byte, 22)
		info[3] = byte(i % 2)
		copy(info[4:8], f.prefix)
		info[20], info[21] = f.kind, byte(i%2)
		sec, nsec := uint32(p.TimeNS/1e9), uint32(p.TimeNS%1e9)
		if f.version == '2' {
			info = be.AppendUint32(be.AppendUint32(append(info, 0, 0), sec), nsec)
		}
		b = be.AppendUint32(b, uint32(len(info)+f.pad+len(p.Data)))
		b = be.AppendUint32(b, sec)
		b = append(append(append(b, info...), make([]byte, f.pad)...), p.Data...)
	}
	return b
}

func ethernet(version byte) file { return file{version: version, kind: 6, prefix: "en"} }

func read(file []byte) sourcetest.Result {
	return sourcetest.Read(iptrace.Format, bytes.NewReader(file), sourcetest.Options{})
}

func TestConformance(t *testing.T) {
	sourcetest.TestAll(t, iptrace.Format, map[string][]byte{
		"1.0":               ethernet('1').build(t, whole),
		"2.0":               ethernet('2').build(t, whole),
		"with zero padding": append(ethernet('2').build(t, whole), make([]byte, 500)...),
	})
}

func TestAgainstPcap(t *testing.T) {
	want := sourcetest.Read(pcap.Format, bytes.NewReader(pcaptest.Build(t, whole)), sourcetest.Options{})
	for _, tt := range []struct {
		name  string
		file  file
		link  packet.LinkType
		unit  int64
		name0 string
	}{
		{"1.0", ethernet('1'), packet.LinkEthernet, 1e9, "en0"},
		{"2.0", ethernet('2'), packet.LinkEthernet, 1, "en0"},
		{"an SP switch", file{version: '2', kind: 12, prefix: "css"}, packet.LinkRaw, 1, "css0"},
		{"loopback with a name of four letters", file{version: '2', kind: 24, prefix: "loop"}, packet.LinkRaw, 1, "loop0"},
		{"FDDI", file{version: '2', kind: 15, pad: 3, prefix: "fi"}, 10, 1, "fi0"},
		{"token ring", file{version: '1', kind: 9, prefix: "tr"}, 6, 1e9, "tr0"},
		{"a kind that is not known", file{version: '2', kind: 200, prefix: "xx"}, packet.LinkUnassigned + 200, 1, "xx0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := read(tt.file.build(t, whole))
			sourcetest.SameOver(t, tt.link, got, want, tt.unit)
			if ifs := got.Input.Interfaces; len(ifs) != 2 || ifs[0].Name != tt.name0 {
				t.Errorf("interfaces %+v", ifs)
			}
		})
	}
}

func TestAgainstWireshark(t *testing.T) {
	for _, f := range []file{ethernet('1'), ethernet('2'), {version: '2', kind: 15, pad: 3, prefix: "fi"}, {version: '2', kind: 24, prefix: "lo"}} {
		sourcetest.Tshark(t, iptrace.Format, f.build(t, whole))
	}
}

// A file cannot make interfaces without end.
func TestManyInterfaces(t *testing.T) {
	one := ethernet('2').build(t, "10.0.0.1:4000 > 10.0.0.2:80 syn")
	file := bytes.Clone(one[:11])
	for i := range 3000 {
		rec := bytes.Clone(one[11:])
		binary.BigEndian.PutUint16(rec[8+5:], uint16(i))
		file = append(file, rec...)
	}
	got := read(file)
	if len(got.Packets) != 3000 || len(got.Input.Interfaces) > 1001 {
		t.Errorf("%d packets, %d interfaces", len(got.Packets), len(got.Input.Interfaces))
	}
}

func FuzzIptrace(f *testing.F) {
	f.Add(ethernet('1').build(f, whole), uint16(100))
	f.Add(ethernet('2').build(f, whole), uint16(1))
	f.Add(file{version: '2', kind: 15, pad: 3, prefix: "fi"}.build(f, whole), uint16(30))
	f.Fuzz(func(t *testing.T, file []byte, slab uint16) { sourcetest.Fuzz(t, iptrace.Format, file, slab) })
}
