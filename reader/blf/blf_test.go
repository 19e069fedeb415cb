package blf_test

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"recap/reader/blf"
	"recap/reader/format"
	"recap/reader/packet"
	"recap/reader/pcap"
	"recap/reader/pcaptest"
	"recap/reader/sourcetest"
)

const whole = `
	10.0.0.1:4000 > 10.0.0.2:80 handshake "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
	10.0.0.2:80 > 10.0.0.1:4000 @20ms "HTTP/1.1 200 OK\r\nContent-Length: 201\r\n\r\n" fill=101 mss=61
	10.0.0.1:4000 > 10.0.0.2:80 "later" @1h
	10.0.0.1:4000 > 10.0.0.2:80 close`

// A file says how to write one.
type file struct {
	kind      int  // of the objects of frames
	zlib      bool // compress containers
	bare      bool // no containers
	container int  // bytes of objects in each; 0: all in one
	coarse    bool // times in units of 10 µs
	form      int  // of the header of objects, 1 to 3
	noise     int  // before every frame whose number is a multiple stands an object that is none
}

func object(kind, form int, body []byte) []byte {
	le := binary.LittleEndian
	b := le.AppendUint16(le.AppendUint16([]byte("LOBJ"), uint16(len(body)-0)), uint16(form))
	b = le.AppendUint32(le.AppendUint32(b, uint32(16+len(body))), uint32(kind))
	b = append(b, body...)
	return b
}

// frame writes the object of one packet.
func (f file) frame(data []byte, since int64) []byte {
	le := binary.LittleEndian
	flags, ticks := uint32(2), uint64(since)
	if f.coarse {
		flags, ticks = 1, ticks/10000
	}
	head := le.AppendUint32(nil, flags)
	head = le.AppendUint64(append(head, 0, 0, 1, 0), ticks)
	if f.form == 2 {
		head = le.AppendUint64(head, ticks)
	}
	header := 16 + len(head)
	switch f.kind {
	case 71:
		head = append(append(head, data[6:12]...), 3, 0)
		head = append(append(head, data[0:6]...), 0, 0)
		at, tpid, tci := 12, uint16(0), uint16(0)
		if data[12] == 0x81 {
			at, tpid, tci = 16, 0x8100, binary.BigEndian.Uint16(data[14:])
		}
		head = le.AppendUint16(head, binary.BigEndian.Uint16(data[at:]))
		head = le.AppendUint16(le.AppendUint16(head, tpid), tci)
		data = data[at+2:]
		head = append(le.AppendUint16(head, uint16(len(data))), make([]byte, 8)...)
	case 93:
		head = append(head, 3, 0, 0, 0, 0, 1, 0, 0, 0, 0)
		head = append(le.AppendUint16(head, uint16(len(data))), 0, 0, 0, 0)
	case 102:
		head = append(head, 18, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0)
		head = append(le.AppendUint16(head, uint16(len(data))), 0, 0, 0, 0, 0, 0)
	default:
		head = append(head, 32, 0, 0, 0, 3, 0, 0, 0)
		head = append(head, make([]byte, 14)...)
		head = append(le.AppendUint16(head, uint16(len(data))), make([]byte, 8)...)
	}
	b := object(f.kind, max(f.form, 1), append(head, data...))
	le.PutUint16(b[4:], uint16(header))
	return pad(b)
}

// pad makes objects begin at multiples of four.
func pad(b []byte) []byte { return append(b, make([]byte, (4-len(b)%4)%4)...) }

func (f file) contain(b []byte) []byte {
	le := binary.LittleEndian
	method, data := uint16(0), b
	if f.zlib {
		var buf bytes.Buffer
		z := zlib.NewWriter(&buf)
		z.Write(b)
		z.Close()
		method, data = 2, buf.Bytes()
	}
	head := append(le.AppendUint16(nil, method), 0, 0, 0, 0, 0, 0)
	head = append(le.AppendUint32(head, uint32(len(b))), 0, 0, 0, 0)
	c := object(10, 1, append(head, data...))
	le.PutUint16(c[4:], 16)
	return pad(c)
}

func (f file) build(t testing.TB, text string) []byte {
	pkts, err := pcaptest.Packets(text)
	if err != nil {
		t.Fatal(err)
	}
	le := binary.LittleEndian
	start := time.Unix(pkts[0].TimeNS/1e9-3, 5e6).UTC()
	b := make([]byte, 144)
	copy(b, "LOGG")
	le.PutUint32(b[4:], 144)
	for i, v := range []int{start.Year(), int(start.Month()), int(start.Weekday()), start.Day(), start.Hour(), start.Minute(), start.Second(), 5} {
		le.PutUint16(b[40+2*i:], uint16(v))
		le.PutUint16(b[56+2*i:], uint16(v))
	}
	var objects []byte
	for i, p := range pkts {
		if f.noise > 0 && i%f.noise == 0 {
			can := object(86, 1, make([]byte, 40))
			le.PutUint16(can[4:], 32)
			le.PutUint32(can[16:], 2)
			objects = append(objects, can...)
		}
		objects = append(objects, f.frame(p.Data, p.TimeNS-start.UnixNano())...)
	}
	if f.bare {
		return append(b, objects...)
	}
	n := f.container
	if n == 0 {
		n = len(objects)
	}
	for len(objects) > 0 {
		n := min(n, len(objects))
		b = append(b, f.contain(objects[:n])...)
		objects = objects[n:]
	}
	return b
}

func read(file []byte, o sourcetest.Options) sourcetest.Result {
	return sourcetest.Read(blf.Format, bytes.NewReader(file), o)
}

func TestConformance(t *testing.T) {
	sourcetest.TestAll(t, blf.Format, map[string][]byte{
		"objects without containers":         file{kind: 120, bare: true}.build(t, whole),
		"a container that is not compressed": file{kind: 120}.build(t, whole),
		"frames in pieces":                   file{kind: 71}.build(t, whole),
		"with zero padding":                  append(file{kind: 120, bare: true}.build(t, whole), make([]byte, 500)...),
	})
}

func TestAgainstPcap(t *testing.T) {
	want := sourcetest.Read(pcap.Format, bytes.NewReader(pcaptest.Build(t, whole)), sourcetest.Options{})
	for _, tt := range []struct {
		name    string
		file    file
		link    packet.LinkType
		unknown int64
		bad     int64
	}{
		{"one container", file{kind: 120, zlib: true}, packet.LinkEthernet, 0, 0},
		{"objects that go on in the next container", file{kind: 120, zlib: true, container: 100}, packet.LinkEthernet, 0, 0},
		{"containers smaller than the header of an object", file{kind: 71, zlib: true, container: 7}, packet.LinkEthernet, 0, 0},
		{"containers that are not compressed", file{kind: 71, container: 100}, packet.LinkEthernet, 0, 0},
		{"times in units of 10 µs", file{kind: 71, coarse: true}, packet.LinkEthernet, 0, 0},
		{"headers with an original time", file{kind: 120, form: 2}, packet.LinkEthernet, 0, 0},
		{"headers of the third form", file{kind: 120, form: 3}, packet.LinkEthernet, 0, 0},
		{"objects of other buses", file{kind: 120, zlib: true, noise: 3, container: 90}, packet.LinkEthernet, 4, 0},
		{"802.11", file{kind: 93}, packet.LinkWiFi, 0, 0},
		{"frames with errors", file{kind: 102}, packet.LinkEthernet, 0, 11},
		{"forwarded frames", file{kind: 121}, packet.LinkEthernet, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := read(tt.file.build(t, whole), sourcetest.Options{})
			sourcetest.SameOver(t, tt.link, got, want, 1)
			in := got.Input
			if in.Unknown["blf object 86"] != tt.unknown || in.Anomalies["receive_error"] != tt.bad || in.Interfaces[0].Name != "channel 3" {
				t.Errorf("unknown %v, anomalies %v, interfaces %+v", in.Unknown, in.Anomalies, in.Interfaces)
			}
		})
	}
}

// A tag of a VLAN stands apart in objects that hold frames in pieces.
func TestVLAN(t *testing.T) {
	const text = `10.0.0.1:4000 > 10.0.0.2:80 vlan=7 "x"`
	want := sourcetest.Read(pcap.Format, bytes.NewReader(pcaptest.Build(t, text)), sourcetest.Options{})
	sourcetest.Same(t, read(file{kind: 71}.build(t, text), sourcetest.Options{}), want, 1)
}

// Compressed containers read the same way in any slab, and a cut keeps what stands before it.
func TestCompressed(t *testing.T) {
	for _, f := range []file{{kind: 71, zlib: true}, {kind: 120, zlib: true, container: 300, noise: 4}, {kind: 71, zlib: true, container: 90}} {
		b := f.build(t, whole)
		want := read(b, sourcetest.Options{})
		for _, slab := range []int{1, 17, 100, 1000} {
			sourcetest.Equal(t, fmt.Sprint("slab of ", slab), read(b, sourcetest.Options{Slab: slab, Eager: true}), want)
		}
		for n := 144; n < len(b); n++ {
			got := read(b[:n], sourcetest.Options{})
			for i, p := range got.Packets {
				if w := want.Packets[i]; !bytes.Equal(p.Data, w.Data) || p.TimeNS != w.TimeNS {
					t.Fatalf("cut at %d changes packet %d", n, i+1)
				}
			}
			if len(got.Packets) < len(want.Packets) && got.Input.DamageCount == 0 && n > 144 && !boundary(b, n) {
				t.Fatalf("cut at %d: %d of %d packets, and no damage", n, len(got.Packets), len(want.Packets))
			}
		}
	}
}

// boundary says whether an object ends at n, or its padding.
func boundary(b []byte, n int) bool {
	rest := bytes.TrimLeft(b[n:], "\x00")
	return bytes.HasPrefix(rest, []byte("LOBJ"))
}

// A container that is damaged costs what it holds behind the damage, no other.
func TestDamagedContainer(t *testing.T) {
	b := file{kind: 120, zlib: true, container: 400}.build(t, whole)
	want := read(b, sourcetest.Options{})
	second := want.Packets[3].Offset
	bad := bytes.Clone(b)
	for i := range 10 {
		bad[int(second)+70+i] ^= 0x55
	}
	got := read(bad, sourcetest.Options{})
	if n := len(want.Packets) - len(got.Packets); n < 1 || n > 6 || got.Input.DamageCount == 0 {
		t.Errorf("%d of %d packets, damage %v", len(got.Packets), len(want.Packets), got.Input.Damage)
	}
	last := got.Packets[len(got.Packets)-1]
	if !bytes.Equal(last.Data, want.Packets[len(want.Packets)-1].Data) {
		t.Error("the last packet is lost")
	}
}

// A container cannot unpack to more than a block may have.
func TestBomb(t *testing.T) {
	b := file{kind: 120}.build(t, whole)[:144]
	b = append(b, file{zlib: true}.contain(make([]byte, 1<<20))...)
	got := read(b, sourcetest.Options{Limits: format.Limits{MaxBlock: 1 << 16}})
	if got.Input.DamageCount == 0 || !strings.Contains(got.Input.Damage[0].Error(), "limit") {
		t.Errorf("damage %v", got.Input.Damage)
	}
}

func TestAgainstWireshark(t *testing.T) {
	t.Setenv("TZ", "UTC")
	for _, f := range []file{{kind: 71, zlib: true}, {kind: 120, zlib: true, container: 100}, {kind: 71, coarse: true}, {kind: 120, form: 2}} {
		sourcetest.Tshark(t, blf.Format, f.build(t, whole))
	}
}

func FuzzBLF(f *testing.F) {
	f.Add(file{kind: 71}.build(f, whole), uint16(100))
	f.Add(file{kind: 120, bare: true}.build(f, whole), uint16(30))
	f.Add(file{kind: 120, zlib: true, container: 100, noise: 3}.build(f, whole), uint16(1))
	f.Fuzz(func(t *testing.T, file []byte, slab uint16) {
		if !blf.Format.Match(file[:min(len(file), format.HeadSize)]) {
			return
		}
		lim := format.Limits{MaxPacket: 1000, MaxBlock: 1 << 16}
		want := read(file, sourcetest.Options{Limits: lim})
		sourcetest.Equal(t, "a small slab", read(file, sourcetest.Options{Slab: int(slab), Eager: true, Limits: lim}), want)
		var sum int64
		for _, p := range want.Packets {
			sum += int64(len(p.Data))
		}
		// Deflate makes no more than 1032 bytes of one.
		if in := want.Input; in.Bytes != int64(len(file)) || in.LostBytes+in.Padding > in.Bytes || sum > 1032*in.Bytes || sum != in.CapturedLen {
			t.Errorf("%d bytes read, %d lost, %d of padding, %d captured out of %d", in.Bytes, in.LostBytes, in.Padding, sum, len(file))
		}
	})
}
