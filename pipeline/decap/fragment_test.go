package decap

import (
	"fmt"
	"strings"
	"testing"

	"recap/reader/packet"
)

// cut4 divides an IPv4 payload into fragments of at most size bytes.
func cut4(size, id int, proto int, b []byte) (frags [][]byte) {
	for off := 0; off < len(b); off += size {
		field := off / 8
		end := min(off+size, len(b))
		if end < len(b) {
			field |= 0x2000
		}
		frags = append(frags, ip4Frag(clientIP, serverIP, proto, id, field, b[off:end]))
	}
	return frags
}

func cut6(size, id int, next int, b []byte) (frags [][]byte) {
	for off := 0; off < len(b); off += size {
		field := off
		end := min(off+size, len(b))
		if end < len(b) {
			field |= 1
		}
		frags = append(frags, ip6(client6, server6, 44, join([]byte{byte(next), 0}, be16(field), be32(id), b[off:end])))
	}
	return frags
}

// cutCAPWAP puts b into CAPWAP datagrams of up to n bytes each, whose flags are those of
// fragments beside what flags says.
func cutCAPWAP(n, flags int, b []byte) (frags [][]byte) {
	const fragment, last = 0x80, 0x40
	for off := 0; off < len(b); off += n {
		end, f := min(off+n, len(b)), flags|fragment
		if end == len(b) {
			f |= last
		}
		frags = append(frags, ip4(outerA, outerB, 17, udp(9, 5247, capwap(f, off, b[off:end]))))
	}
	return frags
}

func TestFragments(t *testing.T) {
	payload := strings.Repeat("0123456789", 30)
	tcp := tcpSeg(payload)
	e := func(typ int) func(b []byte) []byte { return func(b []byte) []byte { return eth(typ, b) } }
	inVXLAN := func(b []byte) []byte { return over4(17, udp(1, 4789, vxlan(7, eth(0x0800, b)))) }
	mirror := udp(1, 4789, vxlan(9, eth(0x0800, ip4(clientIP, serverIP, 6, tcp))))
	for _, tt := range []struct {
		name  string
		frags [][]byte
		wrap  func([]byte) []byte
		stack string
	}{
		{"IPv4", cut4(64, 5, 6, tcp), e(0x0800), ""},
		{"IPv4, no full TCP header in the first", cut4(8, 5, 6, tcp), e(0x0800), ""},
		{"IPv6", cut6(64, 5, 6, tcp), e(0x86dd), ""},
		{"IPv6, no full TCP header in the first", cut6(8, 5, 6, tcp), e(0x86dd), ""},
		{"IPv6, an extension header in pieces", cut6(16, 5, 60, join([]byte{6, 3}, make([]byte, 30), tcp)), e(0x86dd), ""},
		{"inside VXLAN", cut4(64, 5, 6, tcp), inVXLAN, "vxlan:7(192.0.2.1>192.0.2.2)"},
		{"around VXLAN", cut4(128, 5, 17, mirror), e(0x0800), "vxlan:9(10.0.0.1>10.0.0.2)"},
		{"of CAPWAP, a frame", cutCAPWAP(64, 0, eth(0x0800, ip4(clientIP, serverIP, 6, tcp))), e(0x0800), "capwap:-1(192.0.2.1>192.0.2.2)"},
		{"of CAPWAP, 802.11 with its control swapped", cutCAPWAP(64, 0x100, join(wifi(1, 8, nil), []byte{0xaa, 0xaa, 3, 0, 0, 0, 8, 0}, ip4(clientIP, serverIP, 6, tcp))), e(0x0800), "capwap:-1(192.0.2.1>192.0.2.2)"},
		{"around and inside VXLAN", cut4(64, 6, 17, udp(1, 4789, vxlan(9, eth(0x86dd, ip6(client6, server6, 6, tcp))))), inVXLAN, "vxlan:7(192.0.2.1>192.0.2.2) vxlan:9(10.0.0.1>10.0.0.2)"},
	} {
		for _, order := range []string{"in order", "reversed"} {
			t.Run(tt.name+", "+order, func(t *testing.T) {
				d, slow := NewDecoder(Options{}), NewDecoder(Options{})
				slow.slowOnly = true
				for i := range tt.frags {
					f := tt.frags[i]
					if order == "reversed" {
						f = tt.frags[len(tt.frags)-1-i]
					}
					disp, s := checkDecode(t, d, slow, pkt(packet.LinkEthernet, exact(tt.wrap(f))))
					if i < len(tt.frags)-1 {
						if disp != DispFragmentHeld {
							t.Fatalf("fragment %d: Decode = %v, want %v", i, disp, DispFragmentHeld)
						}
						continue
					}
					if disp != DispTCP || string(s.Payload()) != payload || s.Info&Reassembled == 0 || s.Info&FragmentConflict != 0 {
						t.Fatalf("last fragment: Decode = %v, info %b, payload %q", disp, s.Info, s.TCP)
					}
					if got := stackText(d.Stack(s.Stack)); got != tt.stack {
						t.Errorf("Stack = %s, want %s", got, tt.stack)
					}
				}
				checkSum(t, d, int64(len(tt.frags)))
			})
		}
	}
}

func TestFragmentsOfTunnelsStayApart(t *testing.T) {
	d := NewDecoder(Options{})
	var s Segment
	frags := cut4(160, 5, 6, tcpSeg(strings.Repeat("x", 200)))
	wrap := func(vni uint32, b []byte) *packet.Packet {
		return pkt(packet.LinkEthernet, over4(17, udp(1, 4789, vxlan(vni, eth(0x0800, b)))))
	}
	for i, tt := range []struct {
		vni  uint32
		frag int
		want Disposition
	}{
		{1, 0, DispFragmentHeld}, {2, 1, DispFragmentHeld}, {1, 1, DispTCP}, {2, 0, DispTCP},
	} {
		if got := d.Decode(wrap(tt.vni, frags[tt.frag]), &s); got != tt.want {
			t.Errorf("packet %d: Decode = %v, want %v", i, got, tt.want)
		}
	}
}

// VLANs, hardware addresses and time to live are those of the first fragment.
func TestFirstFragmentSpeaksForTheDatagram(t *testing.T) {
	frags := cut4(160, 5, 6, tcpSeg(strings.Repeat("x", 200)))
	frags[0][8] = 33
	first := eth(0x8100, vlanTag(3, 0x0800, frags[0]))
	copy(first, "abcdefABCDEF")
	second := eth(0x8100, vlanTag(4, 0x0800, frags[1]))
	for _, order := range [][2][]byte{{first, second}, {second, first}} {
		d := NewDecoder(Options{})
		var s Segment
		d.Decode(pkt(packet.LinkEthernet, order[0]), &s)
		if got := d.Decode(pkt(packet.LinkEthernet, order[1]), &s); got != DispTCP {
			t.Fatalf("Decode = %v, want tcp", got)
		}
		if got := fmt.Sprint(d.VLANStack(s.VLANs)); got != "[3]" || s.TTL != 33 || s.SrcMAC != [6]byte([]byte("ABCDEF")) || s.IPID != 5 {
			t.Errorf("VLANs %s, TTL %d, MAC %s, id %d", got, s.TTL, s.SrcMAC, s.IPID)
		}
	}
}

func TestFragmentConflictIsNoted(t *testing.T) {
	frags := cut4(160, 5, 6, tcpSeg(strings.Repeat("x", 200)))
	other := ip4Frag(clientIP, serverIP, 6, 5, 0x2000|80/8, []byte(strings.Repeat("y", 80)))
	d := NewDecoder(Options{})
	var s Segment
	var got []Disposition
	for _, f := range [][]byte{frags[0], other, frags[1]} {
		got = append(got, d.Decode(pkt(packet.LinkRaw, f), &s))
	}
	if want := "[fragment_held fragment_held tcp]"; fmt.Sprint(got) != want {
		t.Fatalf("Decode = %v, want %s", got, want)
	}
	if s.Info&FragmentConflict == 0 || string(s.Payload()) != strings.Repeat("x", 200) {
		t.Errorf("info %b, payload %q: want the first copy and the conflict", s.Info, s.Payload())
	}
	if c := d.Counts().Fragments; c.Conflicts != 1 || c.Complete != 1 {
		t.Errorf("Counts = %+v", c)
	}
}

func TestHeldFragmentsExpireByTheCaptureClock(t *testing.T) {
	frags := cut4(160, 5, 6, tcpSeg(strings.Repeat("x", 200)))
	d := NewDecoder(Options{})
	var s Segment
	for i, ts := range []int64{0, 31e9} {
		p := pkt(packet.LinkRaw, frags[i])
		p.TimeNS = ts
		if got := d.Decode(p, &s); got != DispFragmentHeld {
			t.Errorf("Decode = %v, want %v", got, DispFragmentHeld)
		}
	}
	if c := d.Counts().Fragments; c.TimedOut != 1 || c.Pending != 1 || c.Incomplete() != 2 {
		t.Errorf("Counts = %+v", c)
	}
}

// Of a datagram with a cut fragment there is what stands before the cut.
func TestCutFragmentsMakeACutSegment(t *testing.T) {
	frags := cut4(160, 5, 6, tcpSeg(strings.Repeat("x", 200)))
	for cut, have := range []int{160 - 20 - 8, 200 - 8} {
		for _, info := range []Info{CutByMirror, CutBySnaplen} {
			d := NewDecoder(Options{})
			var s Segment
			var got Disposition
			for i, f := range frags {
				p := pkt(packet.LinkRaw, f)
				if i == cut {
					p.Data = f[:len(f)-8]
					if info == CutByMirror {
						p.Length -= 8
					}
				}
				got = d.Decode(p, &s)
			}
			if got != DispTCP || len(s.Payload()) != have || int(s.Missing) != 200-have || s.Info&(CutByMirror|CutBySnaplen) != info {
				t.Errorf("fragment %d cut: Decode = %v, payload %d, missing %d, info %b; want %d and %b", cut, got, len(s.Payload()), s.Missing, s.Info, have, info)
			}
			// A whole copy of everything is a datagram of its own.
			for _, f := range frags {
				got = d.Decode(pkt(packet.LinkRaw, f), &s)
			}
			if cut == 0 && (got != DispTCP || len(s.Payload()) != 200) {
				t.Errorf("again, whole: Decode = %v, payload %d; want tcp and 200", got, len(s.Payload()))
			}
		}
	}
}
