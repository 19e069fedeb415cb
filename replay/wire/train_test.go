package wire

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"testing"

	"recap/replay/targettest"
)

// Trains hold all segments in order, and what the kernel needs to divide them: the sum
// of the pseudo header in place of the checksum, and lengths of the whole.
func TestTrainsHoldWhatTheirSegmentsDo(t *testing.T) {
	for _, ip := range []string{"10.0.0.9", "2001:db8::9"} {
		for _, stamps := range []bool{false, true} {
			p := &memPort{mtu: 1450}
			target := NewTarget(new(targettest.Env), p, Options{Timestamps: stamps})
			events := targettest.Events(4, 70_000)
			for i := range events {
				c := *events[i].Pair.Conn
				c.Server.IP = netip.MustParseAddr(ip)
				events[i].Pair.Conn = &c
			}
			if err := errors.Join(target.Send(t.Context(), events), target.Close(t.Context())); err != nil {
				t.Fatal(err)
			}
			long := 0
			for i := 0; i < len(p.frames); {
				var train Train
				train.Start(p.frames[i].data)
				want := len(checkFrame(t, p.frames[i].data))
				for j := i + 1; j < len(p.frames) && train.Add(p.frames[j].data); j++ {
					checkFrame(t, p.frames[j].data)
				}
				whole := append([]byte{}, p.frames[i].data...)
				for _, f := range p.frames[i+1 : i+train.Count()] {
					whole = append(whole, train.Payload(f.data)...)
					want += len(train.Payload(f.data))
				}
				n := train.Count()
				var h [VirtioLen]byte
				train.Virtio(&h)
				i += n
				if n == 1 {
					if h != [VirtioLen]byte{} {
						t.Fatalf("a single frame has the header % x", h)
					}
					continue
				}
				long = max(long, n)
				copy(whole, p.frames[i-n].data[:train.head])
				head, size := int(binary.NativeEndian.Uint16(h[2:])), int(binary.NativeEndian.Uint16(h[4:]))
				start := int(binary.NativeEndian.Uint16(h[6:]))
				tcp := whole[start:]
				if len(tcp) != want || (len(whole)-head+size-1)/size != n {
					t.Fatalf("%d segments of %d bytes are %d bytes, want %d", n, size, len(tcp), want)
				}
				// Adding up all of the segment, with the field as it is, gives its checksum.
				sum := inet(tcp)
				binary.BigEndian.PutUint16(tcp[16:], ^sum)
				if got := checkFrame(t, whole); len(got) != want {
					t.Fatalf("the whole has %d bytes, want %d", len(got), want)
				}
			}
			if long < 10 {
				t.Errorf("the longest train to %s has %d segments", ip, long)
			}
		}
	}
}
