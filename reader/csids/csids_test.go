package csids_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"recap/reader/csids"
	"recap/reader/packet"
	"recap/reader/pcaptest"
	"recap/reader/sourcetest"
)

const talk = `
	10.0.0.1:4000 > 10.0.0.2:80 handshake "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
	10.0.0.2:80 > 10.0.0.1:4000 @20ms "HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n" fill=100 mss=60
	10.0.0.1:4000 > 10.0.0.2:80 close @1h`

func build(t testing.TB, swapped bool) (file []byte, want []packet.Packet) {
	pkts, err := pcaptest.Packets(talk)
	if err != nil {
		t.Fatal(err)
	}
	const ethernet = 14
	for _, p := range pkts {
		data := p.Data[ethernet:]
		want = append(want, packet.Packet{Data: bytes.Clone(data), Length: uint32(len(data)), Link: packet.LinkRaw, TimeNS: p.TimeNS / 1e9 * 1e9})
		if swapped {
			for i := 2; i <= 6; i += 2 {
				data[i], data[i+1] = data[i+1], data[i]
			}
		}
		file = binary.BigEndian.AppendUint32(file, uint32(p.TimeNS/1e9))
		file = append(binary.BigEndian.AppendUint16(append(file, 0, 0), uint16(len(data))), data...)
	}
	return file, want
}

func read(file []byte) sourcetest.Result {
	return sourcetest.Read(csids.Format, bytes.NewReader(file), sourcetest.Options{})
}

func TestConformance(t *testing.T) {
	file, _ := build(t, false)
	sourcetest.Test(t, csids.Format, file)
}

func TestPackets(t *testing.T) {
	for _, swapped := range []bool{false, true} {
		file, want := build(t, swapped)
		if !csids.Format.Match(file[:min(len(file), 4096)]) {
			t.Error("not recognised")
		}
		got := read(file)
		sourcetest.Same(t, got, sourcetest.Result{Packets: want}, 1)
		if n := got.Input.Anomalies["swapped_ip_header"]; (int(n) == len(want)) != swapped || got.Input.LostBytes != 0 {
			t.Errorf("anomalies %v, %d bytes lost", got.Input.Anomalies, got.Input.LostBytes)
		}
	}
}

func TestMatch(t *testing.T) {
	file, _ := build(t, false)
	bad := bytes.Clone(file)
	bad[8+12]++ // of an address, so that the checksum is wrong
	for _, tt := range []struct {
		name string
		file []byte
	}{{"a wrong checksum", bad}, {"zeros", make([]byte, 5000)}, {"a packet that is cut", file[:30]}, {"pcap", pcaptest.Build(t, talk)}} {
		if csids.Format.Match(tt.file[:min(len(tt.file), 4096)]) {
			t.Errorf("%s: recognised", tt.name)
		}
	}
}

func TestAgainstWireshark(t *testing.T) {
	file, _ := build(t, false)
	sourcetest.Tshark(t, csids.Format, file)
}

func FuzzCSIDS(f *testing.F) {
	for _, swapped := range []bool{false, true} {
		file, _ := build(f, swapped)
		f.Add(file, uint16(100))
	}
	f.Fuzz(func(t *testing.T, file []byte, slab uint16) {
		sourcetest.Fuzz(t, csids.Format, file, slab)
		sourcetest.PrefixesOfSound(t, csids.Format, file)
	})
}
