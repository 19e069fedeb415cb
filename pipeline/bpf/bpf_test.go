package bpf

import (
	"strings"
	"testing"

	"recap/reader/packet"
)

func TestErrorsSayWhere(t *testing.T) {
	for _, tt := range []struct {
		expr string
		pos  int
		msg  string
	}{
		{"tcp port", 8, "a port must come here"},
		{"port 80 or", 10, "a condition must come here"},
		{"port 65536", 5, "at most 65535"},
		{"port nonsense", 5, "a port must come here"},
		{"host example.com", 5, "names are not looked up"},
		{"foo", 0, "not known"},
		{"tcp and foo", 8, "not known"},
		{"10.0.0.1", 0, "an address needs a word"},
		{"80", 0, "a number needs a word"},
		{"tcp and 10.0.0.1", 8, "an address needs a word"},
		{"(tcp", 0, "not closed"},
		{"tcp)", 3, "no parenthesis to close"},
		{"tcp tcp", 4, "and, or, or the end"},
		{"tcp[13", 6, "there must be ]"},
		{"tcp[13:3] = 1", 7, "1, 2 or 4"},
		{"tcp[13]", 7, "a comparison must come here"},
		{"tcp[13] = ", 10, "a number must come here"},
		{"ip[0] / 0 = 1", 6, "division by zero"},
		{"ip[0] << 32 = 1", 6, "more than 31 bits"},
		{"net 10.0.0.1/8", 4, "outside the network"},
		{"net 10.0.0.0/33", 13, "up to 32"},
		{"net 2001:db8::1/32", 4, "outside the network"},
		{"net 10.0.0.0 mask 8", 18, "a netmask must come here"},
		{"host 10.0.0.256", 5, "above 255"},
		{"ip6 host 10.0.0.1", 9, "have IPv4 addresses"},
		{"ip host ::1", 8, "only ip6"},
		{"tcp host 10.0.0.1", 9, "have IPv4 addresses"},
		{"ether host 10.0.0.1", 11, "ether needs an address"},
		{"host 00:11:22:33:44:55", 5, "needs ether before it"},
		{"ether", 5, "must come here"},
		{"icmp port 7", 10, "only tcp, udp and sctp"},
		{"ip proto nonsense", 9, "a protocol must come here"},
		{"ip proto 256", 9, "too large"},
		{"tcp proto 5", 10, "only ether, ip and ip6"},
		{"vlan 4096", 5, "too large"},
		{"ip broadcast", 3, "netmask"},
		{"arp multicast", 4, "only ether, ip and ip6"},
		{"ifname eth0", 0, "not supported"},
		{"ether protochain 6", 17, "only ip and ip6"},
		{"tcp protochain 6", 15, "only ether, ip and ip6"},
		{"src protochain 6", 15, "only ether, ip and ip6"},
		{"protochain 256", 11, "too large"},
		{"ifindex", 7, "a number must come here"},
		{"tcp $ udp", 4, "not part of the language"},
		{"proto \\", 6, "a name must follow"},
		{"len > 99999999999", 6, "32 bits"},
		{strings.Repeat("(", 2000) + "tcp" + strings.Repeat(")", 2000), 1000, "nested too deeply"},
		{strings.Repeat("not ", 2000) + "tcp", 4000, "nested too deeply"},
		{strings.Repeat("tcp and ", 10000), maxExpr, "too long"},
		{"len = " + strings.Repeat("(1+", 30) + "len" + strings.Repeat(")", 30), 129, "nested too deeply"},
		{strings.Repeat("geneve and ", 20) + "ip", 222, "too many tunnels"},
	} {
		f, err := Compile(tt.expr)
		e, ok := err.(*Error)
		if !ok {
			t.Errorf("Compile(%.40q) = %v, %v; want an error", tt.expr, f, err)
			continue
		}
		if e.Pos != tt.pos || !strings.Contains(e.Msg, tt.msg) {
			t.Errorf("Compile(%.40q): %d: %s; want %d: %s", tt.expr, e.Pos, e.Msg, tt.pos, tt.msg)
		}
	}
	_, err := Compile("tcp and prot 80 and ip[0] = 5")
	if want := `at byte 8, before "prot 80 and ip[0] = …": the word is not known here`; err == nil || err.Error() != want {
		t.Errorf("Compile: %v, want %s", err, want)
	}
	if _, err = Compile("tcp and"); err == nil || err.Error() != "at the end: a condition must come here" {
		t.Errorf("Compile: %v", err)
	}
}

func TestPrinted(t *testing.T) {
	for _, tt := range []struct{ expr, want string }{
		{"", ""},
		{"tcp port 80 or 443 and not host 10.1", "((tcp port 80 or tcp port 443) and not net 10.1.0.0 mask 255.255.0.0)"},
		{"src or dst net 10 and ip6 dst ::1", "(net 10.0.0.0 mask 255.0.0.0 and ip6 dst net ::1/128)"},
		{"port (80 or 81)", "(port 80 or port 81)"},
		{"tcp[13] & 2 == 2 && len>5", "((tcp[13:1] & 2) = 2 and len > 5)"},
		{"ip[2:2]-4*len|1^2&3 != 0", "((ip[2:2] - (4 * len)) | (1 ^ (2 & 3))) != 0"},
		{"vlan 5 and geneve or less 60", "((vlan 5 and geneve) or len <= 60)"},
		{"ether src 0-1-2-3-4-5 or broadcast", "(ether src host 00:01:02:03:04:05 or ether broadcast)"},
		{"ip proto \\tcp", "ip proto 6"},
		{"ip6 protochain \\tcp or protochain (6 or 17)", "(ip6 protochain 6 or (protochain 6 or protochain 17))"},
		{"llc or llc ui and esis", "((llc or llc ui) and esis)"},
		{"inbound and ifindex 2 or outbound", "((inbound and ifindex 2) or outbound)"},
	} {
		f, err := Compile(tt.expr)
		if err != nil {
			t.Errorf("Compile(%q): %v", tt.expr, err)
			continue
		}
		if got := f.String(); got != tt.want {
			t.Errorf("String of %q = %q, want %q", tt.expr, got, tt.want)
		}
	}
}

// What libpcap of this age cannot say, tcpdump cannot check.
func TestBeyondTcpdump(t *testing.T) {
	inner := framed(0x0800, network()[0].b)
	vxlan := framed(0x0800, v4(4, 5, 17, 0, nil, datagram(9, 4789, join([]byte{8, 0, 0, 0}, be32(7<<8), inner))))
	sllVLAN := join(be16(0), be16(1), be16(6), make([]byte, 8), be16(0x8100), be16(5), be16(0x0800), network()[0].b)
	pflog := join([]byte{61, 2}, make([]byte, 62), network()[0].b)
	behindAH := framed(0x86dd, v6(1, 2, 51, join([]byte{60, 1}, make([]byte, 10), []byte{6, 0, 1, 4, 0, 0, 0, 0}, segment(1, 2, 2, ""))))
	fddi := join([]byte{0x51}, inner[:12], []byte{0xaa, 0xaa, 3, 0, 0, 0, 8, 0}, network()[0].b)
	for _, tt := range []struct {
		expr string
		link packet.LinkType
		b    []byte
		want bool
	}{
		{"vxlan", packet.LinkEthernet, vxlan, true},
		{"ip6 protochain 6", packet.LinkEthernet, behindAH, true},
		{"protochain 17", packet.LinkEthernet, behindAH, false},
		{"inbound or outbound or ifindex 1", packet.LinkEthernet, vxlan, false},
		{"vxlan 7 and tcp port 80 and host 10.0.0.1", packet.LinkEthernet, vxlan, true},
		{"vxlan 8", packet.LinkEthernet, vxlan, false},
		{"vxlan and udp", packet.LinkEthernet, vxlan, false},
		{"vxlan and ether src 02:00:00:00:00:01", packet.LinkEthernet, vxlan, true},
		{"vxlan", packet.LinkEthernet, inner, false},
		{"vlan 5 and tcp port 80", packet.LinkSLL, sllVLAN, true},
		{"vlan 6", packet.LinkSLL, sllVLAN, false},
		{"tcp port 80", 117, pflog, true},
		{"ip6", 117, pflog, false},
		{"len > 60", 117, nil, false},
		{"tcp port 80 and ether dst 02:00:00:00:00:02", 10, fddi, true},
		{"ip", 9999, inner, false},
		{"not ip", 9999, inner, true},
		{"link[0] = 2 and len > 20", 9999, inner, true},
	} {
		f, err := Compile(tt.expr)
		if err != nil {
			t.Errorf("Compile(%q): %v", tt.expr, err)
			continue
		}
		if got := f.Match(tt.link, tt.b, len(tt.b)); got != tt.want {
			t.Errorf("%q of link type %d: Match = %t, want %t", tt.expr, tt.link, got, tt.want)
		}
	}
}

// FuzzCompile: an expression compiles or has an error within it; what a filter prints
// compiles to the same filter, which matches the same packets.
func FuzzCompile(f *testing.F) {
	for _, list := range [][]string{expressions, ethernet, withMACs} {
		for _, e := range list {
			f.Add(e)
		}
	}
	zoo := zoos()
	f.Fuzz(func(t *testing.T, expr string) {
		a, err := Compile(expr)
		if err != nil {
			if e, ok := err.(*Error); !ok || e.Pos < 0 || e.Pos > len(expr) {
				t.Fatalf("Compile(%q): %v", expr, err)
			}
			return
		}
		text := a.String()
		if len(text) > maxExpr {
			return
		}
		b, err := Compile(text)
		if err != nil {
			if strings.Contains(err.Error(), "too deeply") {
				return // printing adds parentheses
			}
			t.Fatalf("Compile(%q), which %q printed: %v", text, expr, err)
		}
		if b.String() != text {
			t.Fatalf("%q printed %q, which printed %q", expr, text, b.String())
		}
		for _, z := range zoo {
			for i := 0; i < len(z.frames); i += 1 + len(z.frames)/20 {
				f := z.frames[i]
				if x, y := a.Match(z.link, f.data, f.wire), b.Match(z.link, f.data, f.wire); x != y {
					t.Fatalf("%q and %q: Match = %t and %t for %x", expr, text, x, y, f.data)
				}
			}
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	frame := framed(0x0800, v4(1, 2, 6, 0x4000, nil, segment(1234, 80, 0x18, strings.Repeat("x", 1400))))
	for _, expr := range []string{"tcp", "tcp port 80", "not port 22", "host 10.0.0.1 and tcp port 443", "tcp[tcpflags] & tcp-syn != 0",
		"tcp port 80 and (((ip[2:2] - ((ip[0]&0xf)<<2)) - ((tcp[12]&0xf0)>>2)) != 0)"} {
		b.Run(expr, func(b *testing.B) {
			f, err := Compile(expr)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				f.Match(packet.LinkEthernet, frame, len(frame))
			}
		})
	}
}
