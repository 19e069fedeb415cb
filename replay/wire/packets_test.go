package wire

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"recap/reader/packet"
)

func TestTimesOfLoopsFollowEachOther(t *testing.T) {
	var s tape
	var got []time.Duration
	for _, p := range []struct {
		loop uint32
		ns   int64
	}{{0, 1000}, {0, 3000}, {0, 2500}, {0, packet.NoTime}, {0, 4000}, {1, 1000}, {1, 4000}, {2, packet.NoTime}, {2, 9000}, {2, 9500}} {
		got = append(got, s.at(&packet.Packet{TimeNS: p.ns}, p.loop))
	}
	second := 3000 + loopGap
	third := second + 3000 + loopGap
	want := []time.Duration{0, 2000, 2000, 2000, 3000, second, second + 3000, third, third, third + 500}
	if !slices.Equal(got, want) {
		t.Errorf("times are %v, want %v", got, want)
	}
}

// FuzzFrameOf: a frame is what was captured, perhaps behind an Ethernet header; and the
// two directions of a flow have one hash.
func FuzzFrameOf(f *testing.F) {
	ip4 := append([]byte{0x45, 0, 0, 30, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 1, 2, 3, 4}, make([]byte, 6)...)
	ip6 := append([]byte{0x60, 0, 0, 0, 0, 10, 6, 64, 39: 1}, 1, 2, 3, 4, 5, 6)
	f.Add(uint16(packet.LinkRaw), uint8(0), ip4)
	f.Add(uint16(packet.LinkIPv6), uint8(0), ip6)
	f.Add(uint16(packet.LinkEthernet), uint8(4), append([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 0x81, 0, 0, 7, 8, 0}, ip4...))
	f.Add(uint16(packet.LinkSLL), uint8(0), append(make([]byte, 14), append([]byte{8, 0}, ip4...)...))
	f.Add(uint16(packet.LinkSLL2), uint8(0), append([]byte{0x86, 0xdd, 19: 0}, ip6...))
	f.Add(uint16(packet.LinkNull), uint8(0), append([]byte{2, 0, 0, 0}, ip4...))
	f.Fuzz(func(t *testing.T, link uint16, fcs uint8, data []byte) {
		p := packet.Packet{Data: data, Link: packet.LinkType(link), FCSLen: fcs, Length: uint32(len(data))}
		fr, why := frameOf(&p)
		if why != "" {
			if fr.data != nil || fr.added != 0 {
				t.Fatalf("%s, and yet a frame", why)
			}
			return
		}
		kept := data
		if int(fcs) < len(data) {
			kept = data[:len(data)-int(fcs)]
		}
		if !bytes.HasSuffix(kept, fr.data) || fr.added != 0 && fr.added != etherLen {
			t.Fatalf("%d bytes behind %d are not the packet's", len(fr.data), fr.added)
		}
		frame := append(fr.head[:fr.added:fr.added], fr.data...)
		typ, ip := etherType(frame)
		swapped := slices.Clone(ip)
		switch {
		case typ == 0x0800 && len(ip) >= 20:
			swap(swapped[12:20])
			if n := int(ip[0]&15) * 4; n >= 20 && len(ip) >= n+4 && binary.BigEndian.Uint16(ip[6:])&0x3fff == 0 && (ip[9] == 6 || ip[9] == 17) {
				swap(swapped[n : n+4])
			}
		case typ == 0x86dd && len(ip) >= 44:
			swap(swapped[8:40])
			swap(swapped[40:44])
		}
		if a, b := hashOf(typ, ip), hashOf(typ, swapped); a != b || a != fr.hash {
			t.Fatalf("hashes are %x and %x, that of the frame %x", a, b, fr.hash)
		}
	})
}

// swap exchanges the halves of b.
func swap(b []byte) {
	n := len(b) / 2
	first := slices.Clone(b[:n])
	copy(b, b[n:])
	copy(b[n:], first)
}
