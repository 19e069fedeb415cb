package eyesdn_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"recap/reader/eyesdn"
	"recap/reader/packet"
	"recap/reader/pcaptest"
	"recap/reader/sourcetest"
)

const talk = `
	10.0.0.1:4000 > 10.0.0.2:80 handshake "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
	10.0.0.2:80 > 10.0.0.1:4000 @20ms "HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n" fill=100 mss=60
	10.0.0.1:4000 > 10.0.0.2:80 "later" @1h
	10.0.0.1:4000 > 10.0.0.2:80 close`

// build writes the packets as PPP, and before each a frame of the D channel if asked.
func build(t testing.TB, signalling bool) (file []byte, want []packet.Packet) {
	pkts, err := pcaptest.Packets(talk)
	if err != nil {
		t.Fatal(err)
	}
	file = []byte("EyeSDN")
	frame := func(channel byte, ns int64, data []byte) {
		usec := uint32(ns % 1e9 / 1000)
		raw := []byte{byte(usec >> 16), byte(usec >> 8), byte(usec), 0}
		raw = binary.BigEndian.AppendUint32(raw, uint32(ns/1e9))
		raw = binary.BigEndian.AppendUint16(append(raw, channel, 1), uint16(len(data)))
		file = append(file, 0xff)
		for _, c := range append(raw, data...) {
			if c >= 0xfe {
				file = append(file, 0xfe)
				c -= 2
			}
			file = append(file, c)
		}
	}
	for _, p := range pkts {
		if signalling {
			frame(0, p.TimeNS, []byte{0xfc, 0xff, 3, 15})
		}
		data := append([]byte("\xff\x03\x00\x21"), p.Data[14:]...)
		frame(1, p.TimeNS, data)
		want = append(want, packet.Packet{Data: data, Length: uint32(len(data)), Link: packet.LinkPPP, TimeNS: p.TimeNS / 1000 * 1000})
	}
	return file, want
}

func read(file []byte) sourcetest.Result {
	return sourcetest.Read(eyesdn.Format, bytes.NewReader(file), sourcetest.Options{})
}

func TestConformance(t *testing.T) {
	file, _ := build(t, false)
	sourcetest.Test(t, eyesdn.Format, file)
	t.Run("with zero padding", func(t *testing.T) {
		sourcetest.Test(t, eyesdn.Format, append(bytes.Clone(file), make([]byte, 500)...))
	})
}

func TestPackets(t *testing.T) {
	file, want := build(t, true)
	got := read(file)
	sourcetest.Same(t, got, sourcetest.Result{Packets: want}, 1)
	if n := got.Input.Unknown["eyesdn frame of no B channel"]; n != int64(len(want)) {
		t.Errorf("%d frames of signalling, want %d", n, len(want))
	}
}

func TestAgainstWireshark(t *testing.T) {
	file, want := build(t, false)
	sourcetest.Tshark(t, eyesdn.Format, file)
	sourcetest.Same(t, read(sourcetest.Editcap(t, file, "eyesdn")), sourcetest.Result{Packets: want}, 1)
}

// A frame whose length is wrong is given up, and no other.
func TestWrongLengths(t *testing.T) {
	file, want := build(t, false)
	at := int(read(file).Packets[2].Offset)
	for _, v := range []byte{1, 0x7f} {
		bad := bytes.Clone(file)
		bad[at+12] = v
		got := read(bad)
		if len(got.Packets) != len(want)-1 || got.Input.DamageCount != 1 {
			t.Errorf("length %d: %d of %d packets, damage %v", v, len(got.Packets), len(want), got.Input.Damage)
		}
	}
}

func FuzzEyeSDN(f *testing.F) {
	plain, _ := build(f, false)
	mixed, _ := build(f, true)
	f.Add(plain, uint16(100))
	f.Add(mixed, uint16(1))
	f.Fuzz(func(t *testing.T, file []byte, slab uint16) {
		sourcetest.Fuzz(t, eyesdn.Format, file, slab)
		sourcetest.Prefixes(t, eyesdn.Format, file)
	})
}
