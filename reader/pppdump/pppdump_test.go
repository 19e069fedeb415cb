package pppdump_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"testing"

	"recap/reader/format"
	"recap/reader/packet"
	"recap/reader/pcaptest"
	"recap/reader/pppdump"
	"recap/reader/sourcetest"
)

const talk = `
	10.0.0.1:4000 > 10.0.0.2:80 handshake "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
	10.0.0.2:80 > 10.0.0.1:4000 @2s "HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n" fill=100 mss=60
	10.0.0.1:4000 > 10.0.0.2:80 "later" @1h
	10.0.0.1:4000 > 10.0.0.2:80 close`

// fcs16 appends the check sequence of RFC 1662, appendix C.2.
func fcs16(b []byte) []byte {
	fcs := uint16(0xffff)
	for _, c := range b {
		for i := range 8 {
			bit := fcs&1 ^ uint16(c>>i&1)
			if fcs >>= 1; bit != 0 {
				fcs ^= 0x8408
			}
		}
	}
	return binary.LittleEndian.AppendUint16(b, ^fcs)
}

func fcs32(b []byte) []byte { return binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(b)) }

// stuffed returns a frame as it goes over the line.
func stuffed(b []byte) []byte {
	out := []byte{0x7e}
	for _, c := range b {
		if c < 0x20 || c == 0x7e || c == 0x7d {
			out = append(out, 0x7d)
			c ^= 0x20
		}
		out = append(out, c)
	}
	return append(out, 0x7e)
}

// build writes each packet as a record of its own, or several records of at most most bytes.
func build(t testing.TB, fcs func([]byte) []byte, most int) (file []byte, want []packet.Packet) {
	pkts, err := pcaptest.Packets(talk)
	if err != nil {
		t.Fatal(err)
	}
	be := binary.BigEndian
	now := pkts[0].TimeNS / 1e9 * 1e9
	file = be.AppendUint32([]byte{7}, uint32(now/1e9))
	for i, p := range pkts {
		if step := (p.TimeNS - now) / 1e8; step > 255 {
			file = be.AppendUint32(append(file, 5), uint32(step))
			now += step * 1e8
		} else if step > 0 {
			file = append(file, 6, byte(step))
			now += step * 1e8
		}
		data := fcs(append([]byte("\xff\x03\x00\x21"), p.Data[14:]...))
		for raw := stuffed(data); len(raw) > 0; {
			n := min(most, len(raw))
			file = be.AppendUint16(append(file, byte(1+i%2)), uint16(n))
			file, raw = append(file, raw[:n]...), raw[n:]
		}
		want = append(want, packet.Packet{Data: data, Length: uint32(len(data)), Link: packet.LinkPPP, TimeNS: now})
	}
	return file, want
}

func read(file []byte) sourcetest.Result {
	return sourcetest.Read(pppdump.Format, bytes.NewReader(file), sourcetest.Options{})
}

func TestConformance(t *testing.T) {
	file, _ := build(t, fcs16, 1<<16-1)
	sourcetest.Test(t, pppdump.Format, file)
	t.Run("with zero padding", func(t *testing.T) {
		sourcetest.Test(t, pppdump.Format, append(bytes.Clone(file), make([]byte, 500)...))
	})
}

func TestPackets(t *testing.T) {
	for _, tt := range []struct {
		name string
		fcs  func([]byte) []byte
		most int
		size uint8
	}{
		{"one record each", fcs16, 1<<16 - 1, 2},
		{"frames over many records", fcs16, 5, 2},
		{"check sequences of 32 bits", fcs32, 50, 4},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file, want := build(t, tt.fcs, tt.most)
			got := read(file)
			sourcetest.Same(t, got, sourcetest.Result{Packets: want}, 1)
			for i, p := range got.Packets {
				if p.FCSLen != tt.size {
					t.Errorf("packet %d: %d bytes of check sequence, want %d", i+1, p.FCSLen, tt.size)
				}
			}
			sourcetest.Tshark(t, pppdump.Format, file)
		})
	}
}

// What else goes over a line is counted, and makes no packet.
func TestTalkOfModems(t *testing.T) {
	file, want := build(t, fcs16, 1<<16-1)
	login := []byte("\x02\x00\x10CONNECT 57600\r\n\x7e")
	mixed := append(append(bytes.Clone(file[:5]), login...), file[5:]...)
	got := read(mixed)
	sourcetest.Same(t, got, sourcetest.Result{Packets: want}, 1)
	if n := got.Input.Unknown["pppdump bytes that are no frame with a right check sequence"]; n != 1 {
		t.Errorf("counted %v", got.Input.Unknown)
	}
	bad := bytes.Clone(file)
	bad[len(bad)-3] ^= 1
	if got := read(bad); len(got.Packets) != len(want)-1 {
		t.Errorf("%d packets of %d with a wrong check sequence", len(got.Packets), len(want))
	}
}

func TestMatch(t *testing.T) {
	file, _ := build(t, fcs16, 100)
	for _, tt := range []struct {
		name string
		file []byte
		want bool
	}{
		{"a record of a line", file, true},
		{"with padding", append(bytes.Clone(file), make([]byte, 512)...), true},
		{"a login only", append(bytes.Clone(file[:5]), "\x02\x00\x10CONNECT 57600\r\n\x7e"...), false},
		{"pcap", pcaptest.Build(t, talk), false},
		{"zeros", make([]byte, 4096), false},
		{"first time only", file[:5], false},
	} {
		if got := pppdump.Format.Match(tt.file[:min(len(tt.file), format.HeadSize)]); got != tt.want {
			t.Errorf("%s: matched %t, want %t", tt.name, got, tt.want)
		}
	}
}

func FuzzPPPDump(f *testing.F) {
	whole, _ := build(f, fcs16, 1<<16-1)
	parts, _ := build(f, fcs32, 7)
	f.Add(whole, uint16(100))
	f.Add(parts, uint16(1))
	f.Fuzz(func(t *testing.T, file []byte, slab uint16) {
		sourcetest.Fuzz(t, pppdump.Format, file, slab)
		sourcetest.Prefixes(t, pppdump.Format, file)
	})
}
