package decap

import (
	"fmt"
	"testing"

	"recap/reader/packet"
)

// snap is an LLC header for an EtherType, and b.
func snap(typ int, b []byte) []byte { return join([]byte{0xaa, 0xaa, 3, 0, 0, 0}, be16(typ), b) }

func TestAggregatesGiveEverySegment(t *testing.T) {
	frame := func(port int) []byte {
		return subframe(snap(0x0800, ip4(clientIP, serverIP, 6, tcpOpts(port, 80, 1, nil, []byte("x")))))
	}
	arp, bad := subframe(snap(0x0806, make([]byte, 28))), subframe(snap(0x0800, in4[:19]))
	nested := subframe(snap(0x0800, ip4(outerA, outerB, 47, join(be16(0), be16(0x8200), wifi(0x88, 1, []byte{0x80, 0}), frame(3), frame(4)))))
	fragment := func(i int) []byte {
		return subframe(snap(0x0800, cut4(32, 5, 6, tcpOpts(9, 80, 1, nil, make([]byte, 40)))[i]))
	}
	for _, tt := range []struct {
		name   string
		frames []byte
		ports  string
		bad    int64
	}{
		{"three", join(frame(1), frame(2), frame(3)), "[1 2 3]", 0},
		{"among others", join(arp, frame(1), arp, frame(2), arp), "[1 2]", 0},
		{"damage before", join(bad, frame(1)), "[1]", 0},
		{"damage between and behind", join(frame(1), bad, frame(2), bad), "[1 2]", 2},
		{"padding behind", join(frame(1), frame(2), make([]byte, 13)), "[1 2]", 0},
		{"an aggregate in an aggregate", join(frame(1), nested, frame(5)), "[1 3 4 5]", 0},
		{"that first", join(nested, frame(5)), "[3 4 5]", 0},
		{"a whole datagram in fragments", join(fragment(0), frame(1), fragment(1)), "[1 9]", 0},
		{"a length past the end", join(frame(1), frame(2)[:14+8+20+20]), "[1 2]", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, slow := NewDecoder(Options{}), NewDecoder(Options{})
			slow.slowOnly = true
			p := pkt(packet.LinkWiFi, exact(join(wifi(0x88, 1, []byte{0x80, 0}), tt.frames)))
			checkDecode(t, d, slow, p)
			checkSum(t, d, 1)

			d = NewDecoder(Options{})
			var ports []int
			var s Segment
			for disp := d.Decode(p, &s); disp == DispTCP; {
				ports = append(ports, int(s.Key.LoPort))
				if s.DstMAC != [6]byte(testMACs) || s.Clock != 0 || s.Number != 1 {
					t.Errorf("segment %+v", s)
				}
				s = Segment{}
				if !d.Next(&s) {
					break
				}
			}
			if got := fmt.Sprint(ports); got != tt.ports {
				t.Errorf("ports %s, want %s", got, tt.ports)
			}
			if c := d.Counts(); c.BadFrames != tt.bad || c.TCP != 1 || c.Packets != 1 {
				t.Errorf("Counts = %+v, want %d bad frames", c, tt.bad)
			}
			// What is left of a packet does not spill over into the next.
			d.Decode(p, &s)
			d.Decode(pkt(packet.LinkEthernet, inE), &s)
			if d.More() || d.Next(&s) {
				t.Errorf("there is more in a frame of one segment")
			}
		})
	}
}

// An aggregate goes on with what was known before its first frame.
func TestAggregatesKeepWhatIsAroundThem(t *testing.T) {
	around := func(frames ...[]byte) []byte {
		return eth(0x8100, vlanTag(7, 0x0800, ip4(outerA, outerB, 47, join(be16(0x2000), be16(0x8200), be32(5), wifi(0x88, 1, []byte{0x80, 0}), join(frames...)))))
	}
	first := subframe(snap(0x8100, vlanTag(8, 0x0800, ip4(outerB, outerA, 4, in4))))
	second := subframe(snap(0x86dd, in6))
	d, slow := NewDecoder(Options{}), NewDecoder(Options{})
	slow.slowOnly = true
	p := pkt(packet.LinkEthernet, exact(around(first, second)))
	checkDecode(t, d, slow, p)
	var s Segment
	d.Decode(p, &s)
	if got, want := stackText(d.Stack(s.Stack))+fmt.Sprint(d.VLANStack(s.VLANs)), "gre:5(192.0.2.1>192.0.2.2) ipip:-1(192.0.2.2>192.0.2.1)[7 8]"; got != want {
		t.Errorf("first: %s, want %s", got, want)
	}
	if !d.Next(&s) {
		t.Fatal("no second segment")
	}
	if got, want := stackText(d.Stack(s.Stack))+fmt.Sprint(d.VLANStack(s.VLANs)), "gre:5(192.0.2.1>192.0.2.2)[7]"; got != want || !s.Key.V6 {
		t.Errorf("second: %s, want %s; key %v", got, want, s.Key)
	}
}
