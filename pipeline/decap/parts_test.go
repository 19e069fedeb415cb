package decap

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"recap/reader/packet"
)

// portFrame is an Ethernet frame with a segment from port.
func portFrame(port int) []byte {
	return eth(0x0800, ip4(clientIP, serverIP, 6, tcpOpts(port, 80, 1, nil, []byte("x"))))
}

func TestTransfersGiveEverySegment(t *testing.T) {
	arp := eth(0x0806, make([]byte, 28))
	withCheck := func(f []byte) []byte { return join(leb16(len(f)+4), f, make([]byte, 4)) }
	concatenated := func(frames ...[]byte) []byte {
		b := join(frames...)
		return join([]byte{0xf8, byte(len(frames))}, be16(len(b)), be16(0), b)
	}
	overlapping := ncmBlock("NCM0", portFrame(1), portFrame(2))
	copy(overlapping[24:], overlapping[20:24]) // the second place is that of the first
	for _, tt := range []struct {
		name  string
		link  packet.LinkType
		frame []byte
		ports string
		bad   int64
	}{
		{"NCM", 220, usbmon(64, ncmBlock("NCM0", portFrame(1), portFrame(2), portFrame(3))), "[1 2 3]", 0},
		{"NCM among others", 220, usbmon(64, ncmBlock("NCM0", arp, portFrame(1), arp, portFrame(2))), "[1 2]", 0},
		{"NCM with one place twice", 220, usbmon(64, overlapping), "[1]", 0},
		{"MBIM", 220, usbmon(64, ncmBlock("IPS\x00", portFrame(1)[14:], portFrame(2)[14:])), "[1 2]", 0},
		{"RNDIS", 189, usbmon(48, join(rndisPacket(portFrame(1)), rndisPacket(portFrame(2)))), "[1 2]", 0},
		{"RNDIS with damage", 189, usbmon(48, join(rndisPacket(portFrame(1)), rndisPacket(portFrame(2)[:20]), rndisPacket(portFrame(3)))), "[1 3]", 1},
		{"EEM", 189, usbmon(48, join(withCheck(portFrame(1)), leb16(0x8001), []byte{9}, withCheck(arp), withCheck(portFrame(2)), leb16(0))), "[1 2]", 0},
		{"frames on a cable", 143, concatenated(docsis(0, 0, nil, portFrame(1)), docsis(0, 0, nil, arp), docsis(1, 4, []byte{3, 0, 0, 0}, portFrame(2))), "[1 2]", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, slow := NewDecoder(Options{}), NewDecoder(Options{})
			slow.slowOnly = true
			p := pkt(tt.link, exact(tt.frame))
			checkDecode(t, d, slow, p)
			checkSum(t, d, 1)
			d = NewDecoder(Options{})
			var s Segment
			var ports []int
			for more := d.Decode(p, &s) == DispTCP; more; more = d.Next(&s) {
				ports = append(ports, int(s.Key.LoPort))
				if s.Number != 1 {
					t.Errorf("segment %+v", s)
				}
			}
			if got := fmt.Sprint(ports); got != tt.ports {
				t.Errorf("ports %s, want %s", got, tt.ports)
			}
			if c := d.Counts(); c.BadFrames != tt.bad || c.TCP != 1 {
				t.Errorf("Counts = %+v, want %d bad frames", c, tt.bad)
			}
			for n := range tt.frame { // no cut makes a segment that is not there
				p := pkt(tt.link, exact(tt.frame[:n]))
				p.Length = uint32(len(tt.frame))
				checkDecode(t, d, slow, p)
			}
		})
	}
}

// cutSTT cuts a frame in parts of n bytes.
func cutSTT(n int, b []byte) (parts [][]byte) {
	for off := 0; off < len(b); off += n {
		parts = append(parts, over4(6, stt(len(b), off, b[off:min(off+n, len(b))])))
	}
	return parts
}

// cutLWAPP cuts a frame in two.
func cutLWAPP(n int, b []byte) [][]byte {
	return [][]byte{over4(17, udp(9, 12222, lwapp(3, b[:n]))), over4(17, udp(9, 12222, lwapp(2, b[n:])))}
}

// cutACL cuts a frame of L2CAP in parts of n bytes.
func cutACL(n int, b []byte) (parts [][]byte) {
	for off := 0; off < len(b); off += n {
		begins, part := 0x2000, b[off:min(off+n, len(b))]
		if off > 0 {
			begins = 0x1000
		}
		parts = append(parts, join([]byte{2}, leb16(begins|11), leb16(len(part)), part))
	}
	return parts
}

func TestPartsOfTunnels(t *testing.T) {
	payload := strings.Repeat("0123456789", 30)
	frame := eth(0x0800, ip4(clientIP, serverIP, 6, tcpSeg(payload)))
	wifiIP := join(wifi(8, 1, nil), snap(0x0800, frame[14:]))
	whole := sttFrame(0, frame)
	for _, tt := range []struct {
		name  string
		link  packet.LinkType
		parts [][]byte
		stack string
		// anyOrder: parts say their place.
		anyOrder bool
	}{
		{"STT", packet.LinkEthernet, cutSTT(101, whole), "stt:42(192.0.2.1>192.0.2.2)", true},
		{"STT, nearly all in the first", packet.LinkEthernet, cutSTT(len(whole)-1, whole), "stt:42(192.0.2.1>192.0.2.2)", true},
		{"LWAPP", packet.LinkEthernet, cutLWAPP(99, wifiIP), "lwapp:-1(192.0.2.1>192.0.2.2)", true},
		{"Bluetooth", 187, cutACL(27, l2cap([]byte{2, 8, 0}, frame[14:])), "", false},
	} {
		for _, order := range []string{"in order", "reversed"} {
			if order == "reversed" && !tt.anyOrder {
				continue
			}
			t.Run(tt.name+", "+order, func(t *testing.T) {
				d, slow := NewDecoder(Options{}), NewDecoder(Options{})
				slow.slowOnly = true
				// That there is STT at all has been seen.
				checkDecode(t, d, slow, pkt(packet.LinkEthernet, over4(6, stt(len(sttFrame(0, inE)), 0, sttFrame(0, inE)))))
				parts := slices.Clone(tt.parts)
				if order == "reversed" {
					slices.Reverse(parts)
				}
				for i, part := range parts {
					disp, s := checkDecode(t, d, slow, pkt(tt.link, exact(part)))
					if i < len(parts)-1 {
						if disp != DispFragmentHeld {
							t.Fatalf("part %d: Decode = %v, want %v", i, disp, DispFragmentHeld)
						}
						continue
					}
					if disp != DispTCP || string(s.Payload()) != payload || s.Info&Reassembled == 0 {
						t.Fatalf("last part: Decode = %v, payload %q", disp, s.TCP)
					}
					if got := stackText(d.Stack(s.Stack)); got != tt.stack {
						t.Errorf("Stack = %s, want %s", got, tt.stack)
					}
				}
				checkSum(t, d, int64(len(parts))+1)
			})
		}
	}
}

// Connections to the port of STT stay connections.
func TestSTTIsNoConnection(t *testing.T) {
	request := tcpOpts(40000, 7471, 0x00640000, nil, []byte("GET / HTTP/1.1\r\n\r\n"))
	zeros := tcpOpts(40000, 7471, 0x00640000, nil, make([]byte, 60))
	syn := stt(88, 0, sttFrame(0, inE))
	syn[13] = byte(SYN)
	d, slow := NewDecoder(Options{}), NewDecoder(Options{})
	slow.slowOnly = true
	for _, tt := range []struct {
		name string
		b    []byte
	}{
		{"a request", request},
		{"an upload of zeros", zeros},
		{"a part of a frame whose beginning nobody saw", stt(188, 88, make([]byte, 100))},
		{"a SYN", syn},
		{"an acknowledgement", tcpOpts(40000, 7471, 0x00640000, nil, nil)},
	} {
		disp, s := checkDecode(t, d, slow, pkt(packet.LinkEthernet, exact(eth(0x0800, ip4(clientIP, serverIP, 6, tt.b)))))
		if disp != DispTCP || max(s.Key.HiPort, s.Key.LoPort) < 7471 || s.Stack != 0 {
			t.Errorf("%s: Decode = %v, %+v", tt.name, disp, s)
		}
	}
	off, slowOff := NewDecoder(Options{TunnelPorts: map[string][]uint16{"stt": {}}}), NewDecoder(Options{TunnelPorts: map[string][]uint16{"stt": {}}})
	slowOff.slowOnly = true
	f := sttFrame(0, inE)
	if _, s := checkDecode(t, off, slowOff, pkt(packet.LinkEthernet, over4(6, stt(len(f), 0, f)))); s.Stack != 0 || string(s.Payload()) != string(f) {
		t.Errorf("switched off: %+v", s)
	}
	at := NewDecoder(Options{TunnelPorts: map[string][]uint16{"stt": {7472}, "fou": {5555}}})
	moved := stt(len(f), 0, f)
	copy(moved[2:], be16(7472))
	var s Segment
	if disp := at.Decode(pkt(packet.LinkEthernet, over4(6, moved)), &s); disp != DispTCP || stackText(at.Stack(s.Stack)) != "stt:42(192.0.2.1>192.0.2.2)" {
		t.Errorf("at another port: %v, %+v", disp, s)
	}
	if disp := at.Decode(pkt(packet.LinkEthernet, over4(17, udp(1, 5555, in6))), &s); disp != DispTCP || stackText(at.Stack(s.Stack)) != "fou:-1(192.0.2.1>192.0.2.2)" {
		t.Errorf("IP directly behind UDP: %v, %+v", disp, s)
	}
}

// Frames of a Bluetooth connection whose parts are lost do not take those of the next one, nor
// of one that goes the other way at the same time.
func TestBluetoothPartsThatAreLost(t *testing.T) {
	one := cutACL(40, l2cap([]byte{2, 8, 0}, portFrame(1)[14:]))
	two := cutACL(40, l2cap([]byte{2, 8, 0}, portFrame(2)[14:]))
	small := h4(l2cap([]byte{2, 8, 0}, portFrame(3)[14:]))
	sent := func(b []byte) []byte { return join(be32(0), b) }
	received := func(b []byte) []byte { return join(be32(1), b) }
	for _, tt := range []struct {
		name  string
		link  packet.LinkType
		parts [][]byte
		want  string
	}{
		{"parts are lost", 201, [][]byte{sent(one[1]), sent(one[0]), sent(two[0]), sent(two[1]), sent(one[1]), sent(one[0]), sent(one[1])},
			"non_ip fragment_held fragment_held tcp 2 non_ip fragment_held tcp 1"},
		{"both directions at once", 201, [][]byte{sent(one[0]), received(two[0]), sent(one[1]), received(small), received(two[1])},
			"fragment_held fragment_held tcp 1 tcp 3 non_ip"},
		{"both directions at once, in the other order", 201, [][]byte{sent(one[0]), received(small), received(two[0]), sent(one[1]), received(two[1])},
			"fragment_held tcp 3 fragment_held tcp 1 tcp 2"},
		{"a whole frame between the parts of another, of which no direction is known", 187, [][]byte{one[0], small, one[1]},
			"fragment_held tcp 3 tcp 1"},
		{"two frames begin, of which no direction is known", 187, [][]byte{one[0], two[0], one[1], two[1], one[0], one[1]},
			"fragment_held non_ip non_ip non_ip fragment_held tcp 1"},
	} {
		d, slow := NewDecoder(Options{}), NewDecoder(Options{})
		slow.slowOnly = true
		var got []string
		for _, b := range tt.parts {
			disp, s := checkDecode(t, d, slow, pkt(tt.link, exact(b)))
			if got = append(got, disp.String()); disp == DispTCP {
				got = append(got, fmt.Sprint(s.Key.LoPort))
			}
		}
		if got := strings.Join(got, " "); got != tt.want {
			t.Errorf("%s: got %s\nwant %s", tt.name, got, tt.want)
		}
		checkSum(t, d, int64(len(tt.parts)))
	}
}
