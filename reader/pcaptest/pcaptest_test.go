package pcaptest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"recap/reader/packet"
)

// decode describes a frame as a library that did not build it sees it: layers,
// and for TCP the segment.
func decode(t *testing.T, p Packet) string {
	t.Helper()
	first := map[packet.LinkType]gopacket.Decoder{packet.LinkEthernet: layers.LinkTypeEthernet, packet.LinkRaw: layers.LayerTypeIPv4,
		packet.LinkSLL: layers.LinkTypeLinuxSLL, packet.LinkNull: layers.LinkTypeNull}[p.Link]
	pkt := gopacket.NewPacket(p.Data, first, gopacket.Default)
	var names []string
	for _, l := range pkt.Layers() {
		switch l := l.(type) {
		case *layers.Dot1Q:
			names = append(names, fmt.Sprintf("vlan%d", l.VLANIdentifier))
		case *layers.VXLAN:
			names = append(names, fmt.Sprintf("vxlan%d", l.VNI))
		case *layers.Geneve:
			names = append(names, fmt.Sprintf("geneve%d", l.VNI))
		case *layers.MPLS:
			names = append(names, fmt.Sprintf("mpls%d", l.Label))
		case *layers.GTPv1U:
			names = append(names, fmt.Sprintf("gtpu%d", l.TEID))
		case *layers.PPPoE:
			names = append(names, fmt.Sprintf("pppoe%d", l.SessionId))
		case *layers.ERSPANII:
			names = append(names, fmt.Sprintf("erspan%d", l.SessionID))
		case *layers.TCP:
			names = append(names, segmentText(l))
		case *layers.UDP, *layers.Ethernet, *layers.PPP:
		default:
			names = append(names, strings.ToLower(l.LayerType().String()))
		}
	}
	return strings.TrimSuffix(strings.Join(names, " "), " payload")
}

func segmentText(l *layers.TCP) string {
	flags := ""
	for _, f := range []struct {
		on   bool
		name string
	}{{l.SYN, "S"}, {l.FIN, "F"}, {l.RST, "R"}, {l.PSH, "P"}, {l.ACK, "A"}, {l.URG, "U"}} {
		if f.on {
			flags += f.name
		}
	}
	return fmt.Sprintf("%d>%d %s %d/%d %q", l.SrcPort, l.DstPort, flags, l.Seq, l.Ack, l.Payload)
}

func TestPackets(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       []string
	}{
		{"joined in the middle", `
			10.0.0.1:1 > 10.0.0.2:2 "ab"
			10.0.0.2:2 > 10.0.0.1:1 "cde"
			10.0.0.1:1 > 10.0.0.2:2`,
			[]string{`ipv4 1>2 PA 1001/5001 "ab"`, `ipv4 2>1 PA 5001/1003 "cde"`, `ipv4 1>2 A 1003/5004 ""`}},
		{"whole connection", `10.0.0.1:1 > 10.0.0.2:2 handshake "a" close`,
			[]string{`ipv4 1>2 S 1000/0 ""`, `ipv4 2>1 SA 5000/1001 ""`, `ipv4 1>2 A 1001/5001 ""`,
				`ipv4 1>2 PA 1001/5001 "a"`, `ipv4 1>2 FA 1002/5001 ""`, `ipv4 2>1 FA 5001/1003 ""`, `ipv4 1>2 A 1003/5002 ""`}},
		{"automatic handshake", `
			handshake
			10.0.0.1:1 > 10.0.0.2:2 "a"`,
			[]string{`ipv4 1>2 S 1000/0 ""`, `ipv4 2>1 SA 5000/1001 ""`, `ipv4 1>2 A 1001/5001 ""`, `ipv4 1>2 PA 1001/5001 "a"`}},
		{"steps of a handshake by hand", `
			10.0.0.1:1 > 10.0.0.2:2 syn
			10.0.0.2:2 > 10.0.0.1:1 synack
			10.0.0.1:1 > 10.0.0.2:2 "a" fin
			10.0.0.2:2 > 10.0.0.1:1 rst`,
			[]string{`ipv4 1>2 S 1000/0 ""`, `ipv4 2>1 SA 5000/1001 ""`, `ipv4 1>2 FPA 1001/5001 "a"`, `ipv4 2>1 R 5001/0 ""`}},
		{"port reuse", `
			10.0.0.1:1 > 10.0.0.2:2 "a"
			10.0.0.1:1 > 10.0.0.2:2 syn`,
			[]string{`ipv4 1>2 PA 1001/5001 "a"`, `ipv4 1>2 S 1049578/0 ""`}},
		{"segments, one missing, one twice", `10.0.0.1:1 > 10.0.0.2:2 "abcdef" mss=2 drop=2 dup`,
			[]string{`ipv4 1>2 A 1001/5001 "ab"`, `ipv4 1>2 A 1001/5001 "ab"`, `ipv4 1>2 PA 1005/5001 "ef"`, `ipv4 1>2 PA 1005/5001 "ef"`}},
		{"dropped, skipped, out of order, late", `
			10.0.0.1:1 > 10.0.0.2:2 "abc" drop
			10.0.0.1:1 > 10.0.0.2:2 "def"
			10.0.0.1:1 > 10.0.0.2:2 "jkl" seq=+3
			10.0.0.1:1 > 10.0.0.2:2 "ghi" late=1
			10.0.0.1:1 > 10.0.0.2:2 "mno" skip=3 ack=7
			10.0.0.1:1 > 10.0.0.2:2 "rev" mss=1 reverse isn=0`,
			[]string{`ipv4 1>2 PA 1004/5001 "def"`, `ipv4 1>2 PA 1010/5001 "jkl"`, `ipv4 1>2 PA 1013/7 "mno"`, `ipv4 1>2 PA 1007/5001 "ghi"`,
				`ipv4 1>2 PA 3/5001 "v"`, `ipv4 1>2 A 2/5001 "e"`, `ipv4 1>2 A 1/5001 "r"`}},
		{"payloads", "10.0.0.1:1 > 10.0.0.2:2 \"a\" `\\b`\n\t hex=0d0a\n10.0.0.1:1 > 10.0.0.2:2 \"xy\" rep=3 fill=4",
			[]string{`ipv4 1>2 PA 1001/5001 "a\\b\r\n"`, `ipv4 1>2 PA 1006/5001 "xyxyxyabcd"`}},
		{"IPv6", `[2001:db8::1]:1 > [2001:db8::2]:2 "a"`, []string{`ipv6 1>2 PA 1001/5001 "a"`}},
		{"mirrored", `10.0.0.1:1 > 10.0.0.2:2 vlan=5 vxlan=7 vlan=9 "a"`, []string{`vlan5 ipv4 vxlan7 vlan9 ipv4 1>2 PA 1001/5001 "a"`}},
		{"geneve", `10.0.0.1:1 > 10.0.0.2:2 geneve=7 "a"`, []string{`ipv4 geneve7 ipv4 1>2 PA 1001/5001 "a"`}},
		{"gre and erspan", `
			10.0.0.1:1 > 10.0.0.2:2 gre=7 "a"
			10.0.0.1:1 > 10.0.0.2:2 gretap "a"
			10.0.0.1:1 > 10.0.0.2:2 erspan=7 "a"`,
			[]string{`ipv4 gre ipv4 1>2 PA 1001/5001 "a"`, `ipv4 gre ipv4 1>2 PA 1001/5001 "a"`, `ipv4 gre erspan7 ipv4 1>2 PA 1001/5001 "a"`}},
		{"labels and sessions", `
			10.0.0.1:1 > 10.0.0.2:2 mpls=16 mpls=17 "a"
			10.0.0.1:1 > 10.0.0.2:2 pppoe=5 "b"`,
			[]string{`mpls16 mpls17 ipv4 1>2 PA 1001/5001 "a"`, `pppoe5 ipv4 1>2 PA 1002/5001 "b"`}},
		{"mobile and IP in IP", `10.0.0.1:1 > 10.0.0.2:2 ipip gtpu=3 "a"`, []string{`ipv4 ipv4 gtpu3 ipv4 1>2 PA 1001/5001 "a"`}},
		{"IPv6 in IPv4", `[2001:db8::1]:1 > [2001:db8::2]:2 ipip "a"`, []string{`ipv4 ipv6 1>2 PA 1001/5001 "a"`}},
		{"fragments", `10.0.0.1:1 > 10.0.0.2:2 frag=16 "abcdefgh"`, []string{`ipv4 fragment`, `ipv4 fragment`}},
		{"other links", `
			10.0.0.1:1 > 10.0.0.2:2 link=sll "a"
			10.0.0.1:1 > 10.0.0.2:2 link=raw "b"
			10.0.0.1:1 > 10.0.0.2:2 link=null "c"`,
			[]string{`linux sll ipv4 1>2 PA 1001/5001 "a"`, `ipv4 1>2 PA 1002/5001 "b"`, `loopback ipv4 1>2 PA 1003/5001 "c"`}},
		{"two tenants", `
			10.0.0.1:1 > 10.0.0.2:2 vxlan=1 "aa"
			10.0.0.1:1 > 10.0.0.2:2 vxlan=2 "b"
			10.0.0.1:1 > 10.0.0.2:2 vxlan=1 "c"`,
			[]string{`ipv4 vxlan1 ipv4 1>2 PA 1001/5001 "aa"`, `ipv4 vxlan2 ipv4 1>2 PA 1001/5001 "b"`, `ipv4 vxlan1 ipv4 1>2 PA 1003/5001 "c"`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			pkts, err := Packets(tt.text)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, p := range pkts {
				got = append(got, decode(t, p))
			}
			if g, w := strings.Join(got, "\n"), strings.Join(tt.want, "\n"); g != w {
				t.Errorf("got\n%s\nwant\n%s", g, w)
			}
		})
	}
}

// TestChecksums sums up what was written: a right checksum leaves nothing.
func TestChecksums(t *testing.T) {
	for _, tt := range []struct {
		text    string
		ip, tcp bool
	}{
		{`10.0.0.1:1 > 10.0.0.2:2 "odd"`, true, true},
		{`10.0.0.1:1 > 10.0.0.2:2 "even" ts=1:2`, true, true},
		{`10.0.0.1:1 > 10.0.0.2:2 "a" badsum`, true, false},
		{`10.0.0.1:1 > 10.0.0.2:2 "a" nosum`, true, false},
		{`10.0.0.1:1 > 10.0.0.2:2 "a" badipsum`, false, true},
	} {
		pkts, err := Packets(tt.text, Link(packet.LinkRaw))
		if err != nil {
			t.Fatal(err)
		}
		b := pkts[0].Data
		pseudo := append(append([]byte{}, b[12:20]...), 0, 6, 0, byte(len(b)-20))
		ip, tcp := checksum(b[:20]) == 0, checksum(append(pseudo, b[20:]...)) == 0
		if ip != tt.ip || tcp != tt.tcp {
			t.Errorf("%s: checksums right: IP %t, TCP %t; want %t, %t", tt.text, ip, tcp, tt.ip, tt.tcp)
		}
	}
}

func TestRecords(t *testing.T) {
	pkts, err := Packets(`
		start 1000.5
		step 10us
		10.0.0.1:1 > 10.0.0.2:2 "abcd"
		10.0.0.1:1 > 10.0.0.2:2 @2s "abcd" cut=30
		default vlan=3
		10.0.0.1:1 > 10.0.0.2:2 mirror=40 "abcd"
		10.0.0.1:1 > 10.0.0.2:2 mirror=40 vxlan=1 "abcd"
		default
		frame hex=00 at=7 pad=3 origlen=9 if=2`)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range pkts {
		got = append(got, fmt.Sprintf("%d: %d of %d on %d", p.TimeNS, len(p.Data), p.Length, p.Interface))
	}
	want := `1000500000000: 58 of 58 on 0
1002500000000: 30 of 58 on 0
1002500010000: 40 of 40 on 0
1002500020000: 94 of 94 on 0
7000000000: 4 of 9 on 2`
	if g := strings.Join(got, "\n"); g != want {
		t.Errorf("got\n%s\nwant\n%s", g, want)
	}
}

func TestMistakes(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"\n10.0.0.1:1 10.0.0.2:2", `line 2: want SOURCE > DESTINATION, got "10.0.0.1:1 10.0.0.2:2"`},
		{`10.0.0.1:1 > nowhere "a"`, `line 1: "nowhere" is no address`},
		{`10.0.0.1:1 > 10.0.0.2:2 "a`, `line 1: bad string at "\"a"`},
		{`10.0.0.1:1 > 10.0.0.2:2 sny`, `line 1: "sny": unknown word`},
		{`10.0.0.1:1 > [::1]:2`, `line 1: addresses of two families`},
		{`10.0.0.1:1 > 10.0.0.2:2 vxlan`, `line 1: "vxlan": wants =NUMBER`},
		{`10.0.0.1:1 > 10.0.0.2:2 link=raw vlan=1`, `line 1: link type 101 carries IP only`},
	} {
		if _, err := Packets(tt.text); err == nil || err.Error() != tt.want {
			t.Errorf("Packets(%q) error %v, want %s", tt.text, err, tt.want)
		}
	}
}
