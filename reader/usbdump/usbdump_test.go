package usbdump_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"recap/reader/packet"
	"recap/reader/pcaptest"
	"recap/reader/sourcetest"
	"recap/reader/usbdump"
)

// build writes a file of blocks of some packets each: bulk transfers with a frame in one part.
func build(t testing.TB, perBlock int) (file []byte, want []packet.Packet) {
	pkts, err := pcaptest.Packets(sourcetest.Talk)
	if err != nil {
		t.Fatal(err)
	}
	le := binary.LittleEndian
	file = append([]byte{0x0e, 0, 0x90, 0x9a, 0, 3}, make([]byte, 26)...)
	var block []byte
	for i, p := range pkts {
		data := make([]byte, 128, 136+len(p.Data))
		le.PutUint32(data, uint32(136+p.Length))
		data[11] = 2
		le.PutUint32(data[28:], 1)
		data = le.AppendUint32(le.AppendUint32(data, p.Length), 3)
		data = append(data, p.Data...)
		orig := p.Length + 136
		for _, v := range []uint32{uint32(p.TimeNS / 1e9), uint32(p.TimeNS % 1e9 / 1000), uint32(len(data)), orig} {
			block = le.AppendUint32(block, v)
		}
		block = append(append(block, 20, 4, 0, 0), data...)
		block = append(block, make([]byte, -len(data)&3)...)
		want = append(want, packet.Packet{Data: data, Length: orig, Link: 186, TimeNS: p.TimeNS / 1000 * 1000})
		if (i+1)%perBlock == 0 || i == len(pkts)-1 {
			file = append(le.AppendUint32(file, uint32(len(block))), block...)
			block = block[:0]
		}
	}
	return file, want
}

func TestConformance(t *testing.T) {
	one, _ := build(t, 100)
	many, _ := build(t, 2)
	sourcetest.TestAll(t, usbdump.Format, map[string][]byte{
		"one block":         one,
		"blocks of two":     many,
		"with zero padding": append(bytes.Clone(one), make([]byte, 500)...),
	})
}

func TestPackets(t *testing.T) {
	for _, n := range []int{1, 3, 100} {
		file, want := build(t, n)
		got := sourcetest.Read(usbdump.Format, bytes.NewReader(file), sourcetest.Options{})
		sourcetest.Same(t, got, sourcetest.Result{Packets: want}, 1)
		if len(got.Input.Anomalies) > 0 || got.Input.LostBytes > 0 {
			t.Errorf("anomalies %v, %d bytes lost", got.Input.Anomalies, got.Input.LostBytes)
		}
		sourcetest.Tshark(t, usbdump.Format, file)
	}
}

func FuzzUSBDump(f *testing.F) {
	one, _ := build(f, 100)
	many, _ := build(f, 2)
	f.Add(one, uint16(100))
	f.Add(many, uint16(1))
	f.Fuzz(func(t *testing.T, file []byte, slab uint16) { sourcetest.Fuzz(t, usbdump.Format, file, slab) })
}
