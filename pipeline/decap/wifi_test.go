package decap

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"recap/reader/packet"
	"recap/reader/sourcetest"
)

// A wifiFrame says how a frame is sent in fragments.
type wifiFrame struct {
	qos  bool
	tid  byte
	ta   byte // last byte of the transmitter's address
	seq  int
	size int  // of fragments
	amsd bool // it is an aggregate
}

// cut returns the fragments that body is sent in, to the distribution system.
func (f wifiFrame) cut(body []byte) (list [][]byte) {
	for i := 0; len(body) > 0; i++ {
		n := min(f.size, len(body))
		h := []byte{0x08, 1, 0, 0, 2, 0, 0, 0, 0, 0xaa, 2, 0, 0, 0, 0, f.ta, 2, 0, 0, 0, 0, 0xbb}
		if n < len(body) {
			h[1] |= 4
		}
		h = binary.LittleEndian.AppendUint16(h, uint16(f.seq<<4|i))
		if f.qos {
			h[0] |= 0x80
			control := f.tid
			if f.amsd {
				control |= 0x80
			}
			h = append(h, control, 0)
		}
		list = append(list, append(h, body[:n]...))
		body = body[n:]
	}
	return list
}

// retried is frame b, sent again.
func retried(b []byte) []byte {
	b = exact(b)
	b[1] |= 8
	return b
}

// withFCS puts b, with its check sequence, behind a radiotap header that has a time.
func withFCS(b []byte) []byte {
	h := join([]byte{0, 0, 25, 0, 3, 0, 0, 0x80}, []byte{0, 0, 0, 0, 0, 0, 0, 0}, make([]byte, 8), []byte{0x10})
	return join(h, b, binary.LittleEndian.AppendUint32(nil, crc32.ChecksumIEEE(b)))
}

// padded is b behind a radiotap header that says that headers are padded, and so is b.
func padded(b []byte, header int) []byte {
	return join([]byte{0, 0, 9, 0, 2, 0, 0, 0, 0x20}, b[:header], make([]byte, (4-header%4)%4), b[header:])
}

// ports decodes the packets and tells of each the client port of its segments, or its disposition.
func ports(t *testing.T, d *Decoder, link packet.LinkType, packets [][]byte) string {
	var out []string
	for i, b := range packets {
		p := pkt(link, exact(b))
		p.Number, p.TimeNS = int64(i+1), int64(i)*1e6
		var s Segment
		disp := d.Decode(p, &s)
		if disp != DispTCP {
			out = append(out, disp.String())
			continue
		}
		for more := true; more; more = d.Next(&s) {
			out = append(out, fmt.Sprintf("%d:%d", s.Key.LoPort, len(s.Payload())))
		}
	}
	return strings.Join(out, " ")
}

func wifiSegment(port, n int) []byte {
	return snap(0x0800, ip4(clientIP, serverIP, 6, tcpOpts(port, 80, 1, nil, make([]byte, n))))
}

func TestWiFiFragments(t *testing.T) {
	one := wifiFrame{ta: 1, seq: 5, size: 40}.cut(wifiSegment(1, 60)) // 108 bytes: three
	other := wifiFrame{ta: 2, seq: 5, size: 40}.cut(wifiSegment(2, 60))
	tid1 := wifiFrame{qos: true, tid: 1, ta: 1, seq: 5, size: 60}.cut(wifiSegment(3, 60))
	tid2 := wifiFrame{qos: true, tid: 2, ta: 1, seq: 5, size: 60}.cut(wifiSegment(4, 60))
	aggregate := wifiFrame{qos: true, ta: 1, seq: 6, size: 100, amsd: true}.cut(join(subframe(wifiSegment(5, 20)), subframe(wifiSegment(6, 30))))
	secret := exact(one[1])
	secret[1] |= 0x40
	fcs := func(list [][]byte) (out [][]byte) {
		for _, b := range list {
			out = append(out, withFCS(b))
		}
		return out
	}
	for _, tt := range []struct {
		name    string
		link    packet.LinkType
		packets [][]byte
		want    string
	}{
		{"in order", packet.LinkWiFi, one, "fragment_held fragment_held 1:60"},
		{"out of order", packet.LinkWiFi, [][]byte{one[2], one[0], one[1]}, "fragment_held fragment_held 1:60"},
		{"sent again", packet.LinkWiFi, [][]byte{one[0], retried(one[0]), one[1], one[2], retried(one[2])},
			"fragment_held fragment_held fragment_held 1:60 fragment_held"},
		{"of two transmitters", packet.LinkWiFi, [][]byte{one[0], other[0], other[1], one[1], one[2], other[2]},
			"fragment_held fragment_held fragment_held fragment_held 1:60 2:60"},
		{"of two traffic classes", packet.LinkWiFi, [][]byte{tid1[0], tid2[0], tid1[1], tid2[1]}, "fragment_held fragment_held 3:60 4:60"},
		{"of an aggregate", packet.LinkWiFi, aggregate, "fragment_held 5:20 6:30"},
		{"with check sequences", packet.LinkRadiotap, fcs(one), "fragment_held fragment_held 1:60"},
		{"of padded headers", packet.LinkRadiotap, [][]byte{padded(tid1[0], 26), padded(tid1[1], 26)}, "fragment_held 3:60"},
		{"one of them encrypted", packet.LinkWiFi, [][]byte{one[0], secret, one[2]}, "fragment_held undecodable:wifi_encrypted fragment_held"},
		{"the first missing", packet.LinkWiFi, one[1:], "fragment_held fragment_held"},
		{"a frame of its own between", packet.LinkWiFi, [][]byte{one[0], wifiFrame{ta: 1, seq: 6, size: 400}.cut(wifiSegment(7, 9))[0], one[1], one[2]},
			"fragment_held 7:9 fragment_held 1:60"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := NewDecoder(Options{})
			if got := ports(t, d, tt.link, tt.packets); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			checkSum(t, d, int64(len(tt.packets)))
		})
	}
}

// What the capture cut off a fragment is missing from the segment, and nothing else is put there.
func TestCutWiFiFragments(t *testing.T) {
	list := wifiFrame{ta: 1, seq: 5, size: 80}.cut(wifiSegment(1, 100)) // 48 bytes of headers: 32, 68
	for _, tt := range []struct {
		name    string
		drop    [2]int // bytes that the snap length cut off each
		payload int
		missing uint32
	}{
		{"the last", [2]int{0, 20}, 80, 20},
		{"the first", [2]int{10, 0}, 22, 78},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := NewDecoder(Options{})
			var s Segment
			var disp Disposition
			for i, b := range list {
				p := pkt(packet.LinkWiFi, exact(b[:len(b)-tt.drop[i]]))
				p.Length = uint32(len(b))
				disp = d.Decode(p, &s)
			}
			if disp != DispTCP || len(s.Payload()) != tt.payload || s.Missing != tt.missing || s.Info&CutBySnaplen == 0 || s.Info&CutByMirror != 0 {
				t.Errorf("Decode = %v, %d bytes of payload, %d missing, info %b; want %d, %d", disp, len(s.Payload()), s.Missing, s.Info, tt.payload, tt.missing)
			}
		})
	}
}

// TestWiFiFragmentsLikeTshark compares what is put together with what tshark makes of
// the same packets.
func TestWiFiFragmentsLikeTshark(t *testing.T) {
	sourcetest.Tool(t, "tshark")
	var packets [][]byte
	for i := range 20 {
		f := wifiFrame{qos: i%2 == 1, tid: byte(i % 8), ta: byte(i % 3), seq: 4090 + i, size: 34 + 2*i}
		list := f.cut(wifiSegment(1000+i, 70+i))
		if i%5 == 0 {
			list = append(list[:1], append([][]byte{retried(list[0])}, list[1:]...)...)
		}
		for _, b := range list {
			packets = append(packets, withFCS(b))
		}
	}
	path := filepath.Join(t.TempDir(), "wifi.pcap")
	file := join([]byte{0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0}, make([]byte, 8), []byte{0, 0, 4, 0, 127, 0, 0, 0})
	le := binary.LittleEndian
	for i, b := range packets {
		file = le.AppendUint32(le.AppendUint32(file, 1), uint32(i))
		file = le.AppendUint32(le.AppendUint32(file, uint32(len(b))), uint32(len(b)))
		file = append(file, b...)
	}
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	want := tsharkLines(t, path)
	if len(want) != 20 {
		t.Fatalf("tshark shows %d segments, want 20", len(want))
	}
	d := NewDecoder(Options{})
	for i, b := range packets {
		p := pkt(packet.LinkRadiotap, exact(b))
		var s Segment
		got := ""
		if d.Decode(p, &s) == DispTCP {
			got = segmentLine(&s)
		}
		if got != want[int64(i+1)] {
			t.Errorf("packet %d: got %q, want %q", i+1, got, want[int64(i+1)])
		}
	}
}
