package vwr_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"recap/reader/packet"
	"recap/reader/pcap"
	"recap/reader/pcaptest"
	"recap/reader/sourcetest"
	"recap/reader/vwr"
)

const talk = `
	10.0.0.1:4000 > 10.0.0.2:80 handshake "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
	10.0.0.2:80 > 10.0.0.1:4000 @20ms "HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n" fill=100 mss=60
	10.0.0.1:4000 > 10.0.0.2:80 close @1h`

// A file says how to write one.
type file struct {
	kind    string
	cck     bool // frames of 802.11 with a longer header of the physical layer
	notes   bool // records that hold no frame among the others
	reduced int  // bytes that are left of frames, of the third generation
	rf      bool // measurements before the frame
	since   bool // times since the start
}

func put16(b []byte, at, v int) { binary.BigEndian.PutUint16(b[at:], uint16(v)) }

func putTime(b []byte, at int, ns int64) {
	binary.BigEndian.PutUint32(b[at:], uint32(ns))
	binary.BigEndian.PutUint32(b[at+4:], uint32(ns>>32))
}

func record(command, mode, device byte, body []byte) []byte {
	h := make([]byte, 16)
	h[0], h[1], h[8] = command, mode, device
	put16(h, 10, len(body))
	if command == 0xfe {
		put16(h, 10, 0)
		put16(h, 14, len(body))
	}
	return append(h, body...)
}

func pad4(b []byte) []byte { return append(b, make([]byte, -len(b)&3)...) }

// wifi makes a data frame of 802.11 out of one of Ethernet.
func wifi(b []byte) []byte {
	h := append([]byte{0x08, 0x01, 0, 0}, make([]byte, 20)...)
	copy(h[4:], b[:6])
	copy(h[10:], b[6:12])
	return append(append(h, 0xaa, 0xaa, 3, 0, 0, 0), b[12:]...)
}

// frame writes one record and returns what frame is in it.
func (f file) frame(p pcaptest.Packet, ns int64) (rec, data []byte) {
	data = bytes.Clone(p.Data)
	junk := []byte{1, 2, 3, 4}
	switch f.kind {
	case "ethernet1":
		t := make([]byte, 44)
		put16(t, 8, len(data)+4)
		putTime(t, 20, ns)
		return record(0x21, 0, 0, append(pad4(append(bytes.Clone(data), junk...)), t...)), data
	case "ethernet2":
		t := make([]byte, 48)
		put16(t, 0, len(data)+4)
		putTime(t, 4, ns)
		return record(0x31, 0, 0x18, append(pad4(append(bytes.Clone(data), junk...)), t...)), data
	}
	data = wifi(data)
	switch f.kind {
	case "wifi1":
		t, plcp := make([]byte, 64), []byte{0x0b, 0, 0, 0}
		t[1] = 2 | 8
		if f.cck {
			t[1], plcp = 8, []byte{0x0a, 0, 0, 0, 0, 0}
		}
		put16(t, 8, len(plcp)+len(data)+4)
		t[16] = 1
		putTime(t, 24, ns)
		return record(0x21, 0, 0, append(pad4(append(append(plcp, data...), junk...)), t...)), data
	case "wifi2":
		h, t := make([]byte, 20), make([]byte, 48)
		n := len(data) + 4
		h[3], h[4] = byte(n), byte(n>>8)|0xe0
		putTime(t, 0, ns)
		return record(0x21, 0, 0x15, append(pad4(append(append(h, data...), junk...)), t...)), data
	}
	h, t := make([]byte, 32), make([]byte, 48)
	putTime(t, 0, ns)
	mode, command := byte(0), byte(0x21)
	if f.rf {
		command = 0x39
	}
	n := len(data)
	if f.reduced > 0 {
		mode, n = 0x30, n+4
	}
	h[9], h[10], h[11] = byte(n>>16), byte(n>>8), byte(n)
	if f.reduced > 0 && len(data) > f.reduced {
		data = data[:f.reduced]
	}
	body := append(h, pad4(bytes.Clone(data))...)
	if f.reduced > 0 && n == len(data)+4 {
		body = append(append(h, data...), junk...)
	} else if f.reduced > 0 {
		body = append(h, data...)
	}
	body = append(body, t...)
	if f.rf {
		body = append(make([]byte, 100), body...)
	}
	return record(command, mode, 61, body), data
}

func (f file) build(t testing.TB, text string) (file []byte, want []packet.Packet) {
	pkts, err := pcaptest.Packets(text)
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range pkts {
		if f.notes && i%3 == 0 {
			file = append(file, record(0xc1, 0, 0, []byte("a message"))...)
			file = append(file, record(0xfe, 0, 0, []byte("another one"))...)
		}
		ns := p.TimeNS
		if f.since {
			ns -= pkts[0].TimeNS
		}
		rec, data := f.frame(p, ns)
		q := packet.Packet{Data: data, TimeNS: ns, Length: uint32(len(data)), Link: packet.LinkWiFi}
		if f.kind[0] == 'e' {
			q.Link = packet.LinkEthernet
		}
		if f.reduced > 0 {
			q.Length = uint32(len(wifi(p.Data)))
			if int(q.Length) > len(data) {
				q.Length += 4
			}
		}
		file, want = append(file, rec...), append(want, q)
	}
	return file, want
}

var files = []struct {
	name string
	file file
}{
	{"Ethernet", file{kind: "ethernet1"}},
	{"Ethernet of the second generation", file{kind: "ethernet2"}},
	{"802.11", file{kind: "wifi1"}},
	{"802.11b", file{kind: "wifi1", cck: true}},
	{"802.11 of the second generation", file{kind: "wifi2"}},
	{"802.11 of the third generation", file{kind: "wifi3"}},
	{"with measurements", file{kind: "wifi3", rf: true}},
	{"with notes", file{kind: "ethernet2", notes: true}},
	{"times since the start", file{kind: "ethernet1", since: true}},
}

func read(file []byte) sourcetest.Result {
	return sourcetest.Read(vwr.Format, bytes.NewReader(file), sourcetest.Options{})
}

func TestConformance(t *testing.T) {
	for _, tt := range files {
		file, _ := tt.file.build(t, talk)
		t.Run(tt.name, func(t *testing.T) { sourcetest.Test(t, vwr.Format, file) })
	}
}

func TestPackets(t *testing.T) {
	for _, tt := range append(files, struct {
		name string
		file file
	}{"cut frames", file{kind: "wifi3", reduced: 100}}) {
		t.Run(tt.name, func(t *testing.T) {
			file, want := tt.file.build(t, talk)
			got := read(file)
			sourcetest.Same(t, got, sourcetest.Result{Packets: want}, 1)
			if (got.Input.Anomalies["start_date_unknown"] == 1) != tt.file.since || (len(got.Input.Unknown) == 2) != tt.file.notes {
				t.Errorf("anomalies %v, unknown %v", got.Input.Anomalies, got.Input.Unknown)
			}
		})
	}
}

func TestMatch(t *testing.T) {
	one, _ := file{kind: "ethernet1"}.build(t, `10.0.0.1:4000 > 10.0.0.2:80 "x"`)
	for _, tt := range []struct {
		name string
		file []byte
		want bool
	}{
		{"one frame", one, true},
		{"one frame that is cut", one[:len(one)-1], false},
		{"notes alone", record(0xc1, 0, 0, []byte("a message")), false},
		{"pcap", pcaptest.Build(t, talk), false},
		{"zeros", make([]byte, 5000), false},
		{"text", bytes.Repeat([]byte("1234567890 !!!! 89"), 400), false},
	} {
		if got := vwr.Format.Match(tt.file[:min(len(tt.file), 4096)]); got != tt.want {
			t.Errorf("%s: %t, want %t", tt.name, got, tt.want)
		}
	}
	if pcap.Format.Match(one) {
		t.Error("matched by pcap")
	}
}

// tshark has what is known of a frame as part of the packet, so the ends are compared.
func TestAgainstWireshark(t *testing.T) {
	for _, tt := range files {
		file, _ := tt.file.build(t, talk)
		t.Run(tt.name, func(t *testing.T) { sourcetest.TsharkTail(t, vwr.Format, file) })
	}
}

func FuzzVWR(f *testing.F) {
	for i, tt := range files {
		file, _ := tt.file.build(f, talk)
		f.Add(file, uint16(100*i))
	}
	f.Fuzz(func(t *testing.T, file []byte, slab uint16) {
		sourcetest.Fuzz(t, vwr.Format, file, slab)
		sourcetest.PrefixesOfSound(t, vwr.Format, file)
	})
}
