package bpf

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"recap/reader/packet"
)

// expressions are checked against tcpdump over every capture.
var expressions = []string{
	"", "ip", "ip6", "arp", "rarp", "tcp", "udp", "icmp", "icmp6", "sctp", "igmp", "esp", "ah", "pim", "vrrp",
	"not tcp", "! udp", "tcp or udp", "tcp and not port 80", "ip and not tcp", "not not ip", "not (tcp or udp)", "tcp || arp && ip",
	"host 10.0.0.1", "src host 10.0.0.1", "dst host 10.0.0.2", "src 10.0.0.1", "dst 10.0.0.2", "src or dst 10.0.0.1", "src and dst host 10.0.0.1",
	"host 10.0.0.1 or 10.0.0.3", "host 10.0.0.1 and not 10.0.0.2", "ip host 10.0.0.2", "arp host 10.0.0.2", "host 10", "host 10.1",
	"net 10", "net 10.0", "net 10.0.0.0/8", "net 192.168.0.0 mask 255.255.0.0", "src net 10.0.0.0/24", "dst net 192.0.2.0/24", "net 0.0.0.0/0", "net 0",
	"host 2001:db8::1", "src host 2001:db8::1", "net 2001:db8::/32", "ip6 dst net 2001:db8::/33", "net ::/0", "ip6 host ::1", "net fe80::/10",
	"port 80", "src port 80", "dst port 80", "tcp port 80", "tcp dst port 80", "udp port 53", "sctp port 7", "port 80 or 443", "tcp port (80 or 8080)",
	"port http", "port domain", "not port 80", "portrange 80-90", "tcp src portrange 1000-65535", "portrange 90-80", "src and dst port 53", "portrange 53",
	"ip proto 6", "ip proto \\tcp", "ip6 proto 58", "proto 17", "proto \\icmp", "ip proto 47", "ip6 proto 44", "ip proto (1 or 6)",
	"ether proto 0x0800", "ether proto \\arp", "ether proto 0x88cc", "ether proto 66", "ether proto 6", "stp", "ipx", "atalk", "aarp", "netbeui", "iso", "decnet", "lat",
	"len > 100", "len <= 60", "greater 100", "less 100", "len = 60", "len - 14 > 46", "len & 1 = 0",
	"tcp[13] & 2 != 0", "tcp[tcpflags] & (tcp-syn|tcp-ack) = tcp-syn", "tcp[tcpflags] & tcp-fin != 0", "tcp[2:2] = 80", "tcp[0:2] > 1024",
	"ip[6:2] & 0x1fff != 0", "ip[8] < 64", "ip[2:2] > 576", "ip[0] & 0xf = 5", "ip6[6] = 6", "ip6[40] = 0", "udp[4:2] > 20", "icmp[icmptype] = icmp-echo",
	"icmp6[icmp6type] = icmp6-neighborsolicit", "arp[6:2] = 1", "tcp[((tcp[12] & 0xf0) >> 2):4] = 0x47455420", "ip[2:2] - ((ip[0]&0xf)<<2) - ((tcp[12]&0xf0)>>2) != 0",
	"ip[0] + ip[1] = 0x45", "ip[9] * 2 = 12", "ip[8] / 2 >= 32", "ip[ip[0] & 1] != 0", "1 + 2 = 3", "1 > 2", "ip[2:2] / ip[1] = 0",
	"tcp[1000] = 0 or ip", "not tcp[1000] = 0", "-1 > 5", "(-icmp[0]) < len", "udp[4] <= -ip6[13:2]", "not (-icmp[0]) < len", "len > - -tcp[0]", "-(ip[0] + icmp6[0]) != 0", "0x10 = 020", "ip[8] << 1 > 0x80", "ip[8] ^ 64 = 0", "2 < ip[8]", "tcp[0] = tcp[1]",
	"ip protochain 6", "ip6 protochain 6", "protochain \\tcp", "protochain 17", "ip6 protochain 44", "ip6 protochain 59", "ip protochain 51", "not ip protochain 6",
	"clnp", "esis", "isis", "llc", "llc i", "llc s", "llc u", "llc rr", "llc ui", "llc xid", "llc and not llc u", "not llc",
	"inbound", "outbound", "not inbound", "inbound and tcp", "ifindex 2", "ifindex 0 and outbound",
	"tcp[13] == 2", "ip[16] >= 224", "ip multicast", "ip6 multicast",
}

// ethernet are those that only some link types have.
var ethernet = []string{
	"vlan", "vlan 5", "vlan 5 and ip", "vlan and tcp port 80", "vlan 5 and vlan 6", "vlan 5 and vlan 6 and host 10.0.0.1", "not vlan", "vlan or ip",
	"vlan and ether proto 0x0806", "tcp or (vlan and tcp)", "vlan and icmp6", "vlan 7 or vlan 6",
	"mpls", "mpls 16", "mpls 16 and ip", "mpls and mpls 17 and host 10.0.0.1", "mpls and ip6", "mpls and tcp port 80", "mpls 16 and mpls 17", "not mpls",
	"pppoed", "pppoes", "pppoes 3", "pppoes 3 and ip", "pppoes and tcp port 80", "pppoes and ip6", "vlan and pppoes and ip",
	"geneve", "geneve 7", "geneve and ip", "geneve 7 and tcp port 80", "geneve and ether host 02:00:00:00:00:01", "geneve and host 10.0.0.1", "not geneve",
	"geneve and vlan 5", "geneve 8 or ip6", "geneve and arp", "geneve and ip6", "geneve and ether proto 0x0800",
	"ether[0] & 1 = 0", "ether[12:2] = 0x0800", "link[0] = 2",
}

// withMACs are those that every link type with addresses has.
var withMACs = []string{
	"ether host 02:00:00:00:00:01", "ether src 02:00:00:00:00:01", "ether dst host 02:00:00:00:00:02", "broadcast", "multicast", "ether broadcast", "ether multicast",
	"ether src or dst 02-00-00-00-00-01", "ether host 0200.0000.0001", "not ether multicast",
}

// A frame is a captured packet.
type frame struct {
	data []byte
	wire int
}

// readPcap reads what tcpdump writes and tests make: pcap with microseconds.
func readPcap(t *testing.T, b []byte) (link packet.LinkType, frames []frame) {
	t.Helper()
	if len(b) < 24 {
		return 0, nil
	}
	var o binary.ByteOrder = binary.LittleEndian
	switch binary.BigEndian.Uint32(b) {
	case 0xa1b2c3d4, 0xa1b23c4d:
		o = binary.BigEndian
	case 0xd4c3b2a1, 0x4d3cb2a1:
	default:
		return 0, nil
	}
	link = packet.LinkType(o.Uint32(b[20:]))
	for b = b[24:]; len(b) >= 16; {
		n := int(o.Uint32(b[8:]))
		if n > len(b)-16 {
			break
		}
		frames = append(frames, frame{b[16 : 16+n], int(o.Uint32(b[12:]))})
		b = b[16+n:]
	}
	return link, frames
}

func writePcap(link packet.LinkType, frames []frame) []byte {
	o := binary.LittleEndian
	b := o.AppendUint32(nil, 0xa1b2c3d4)
	b = o.AppendUint32(b, 2|4<<16)
	b = o.AppendUint64(b, 0)
	b = o.AppendUint32(b, 262144)
	b = o.AppendUint32(b, uint32(link))
	for _, f := range frames {
		b = o.AppendUint64(b, 0)
		b = o.AppendUint32(b, uint32(len(f.data)))
		b = append(o.AppendUint32(b, uint32(f.wire)), f.data...)
	}
	return b
}

// against compares Match with tcpdump for every expression over a capture. Where
// packets are cut within their headers, the optimizer of libpcap makes a difference: it
// leaves tests out and turns them around, and what a packet too short fails depends
// on their order. There, either answer will do.
func against(t *testing.T, path string, exprs []string, cut bool) {
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	link, frames := readPcap(t, file)
	for _, expr := range exprs {
		want, ok := ask(t, path, expr, frames)
		if !ok {
			continue
		}
		plain := want
		if cut {
			plain, _ = ask(t, path, expr, frames, "-O")
		}
		f, err := Compile(expr)
		if err != nil {
			t.Errorf("Compile(%q): %v; tcpdump accepts it", expr, err)
			continue
		}
		for i := range frames {
			if got := f.Match(link, frames[i].data, frames[i].wire); got != want[i] && got != plain[i] {
				t.Errorf("%q, packet %d: Match = %t, tcpdump %t: %x", expr, i+1, got, want[i], frames[i].data[:min(len(frames[i].data), 100)])
				break
			}
		}
	}
}

// ask returns which frames of a capture tcpdump takes; false where it refuses expr.
func ask(t *testing.T, path, expr string, frames []frame, options ...string) ([]bool, bool) {
	var stderr bytes.Buffer
	cmd := exec.Command("tcpdump", append(options, "-r", path, "-w", "-", "--", expr)...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	takes := make([]bool, len(frames))
	switch {
	case bytes.Contains(stderr.Bytes(), []byte("rejects all")):
		return takes, true
	case err != nil && !bytes.Contains(stderr.Bytes(), []byte("truncated")):
		t.Logf("tcpdump %q: %v: %s", expr, err, strings.TrimSpace(stderr.String()))
		return nil, false
	}
	_, kept := readPcap(t, out)
	for i := range frames {
		if len(kept) > 0 && bytes.Equal(kept[0].data, frames[i].data) && kept[0].wire == frames[i].wire {
			takes[i], kept = true, kept[1:]
		}
	}
	if len(kept) > 0 {
		t.Errorf("tcpdump %q: %d packets are not of the capture", expr, len(kept))
	}
	return takes, true
}

func needTcpdump(t *testing.T) {
	if _, err := exec.LookPath("tcpdump"); err != nil {
		t.Skip("tcpdump is not installed: no second opinion on filters")
	}
}

func TestAgainstTcpdump(t *testing.T) {
	needTcpdump(t)
	for _, z := range zoos() {
		t.Run(z.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "zoo.pcap")
			if err := os.WriteFile(path, writePcap(z.link, z.frames), 0o600); err != nil {
				t.Fatal(err)
			}
			exprs := expressions
			if z.macs {
				exprs = append(exprs[:len(exprs):len(exprs)], withMACs...)
			}
			if z.link == packet.LinkEthernet {
				exprs = append(exprs[:len(exprs):len(exprs)], ethernet...)
			}
			against(t, path, exprs, true)
		})
	}
}

func TestAgainstTcpdumpOverCaptures(t *testing.T) {
	needTcpdump(t)
	if testing.Short() {
		t.Skip("short: tcpdump is not asked about captures")
	}
	captures, err := filepath.Glob("../../testdata/captures/*.pcap")
	if err != nil || len(captures) == 0 {
		t.Fatalf("no captures: %v", err)
	}
	if dir := os.Getenv("RECAP_CORPUS"); dir != "" {
		for _, category := range []string{"l2", "linktype", "tunnel", "ipfrag", "truncated"} {
			more, _ := filepath.Glob(filepath.Join(dir, category, "*.pcap"))
			captures = append(captures, more...)
		}
	} else {
		t.Log("RECAP_CORPUS is not set: no directory of further captures to read")
	}
	// Over many captures, some of the expressions.
	few := []string{"tcp", "port 80", "not port 80", "net 10.0.0.0/8", "host 127.0.0.1", "udp and not host 10.0.0.1", "ip6", "arp or icmp", "tcp[tcpflags] & tcp-syn != 0", "len > 200", "ip[6:2] & 0x3fff != 0", "tcp src portrange 1024-65535"}
	for _, c := range captures {
		t.Run(filepath.Base(c), func(t *testing.T) {
			file, err := os.ReadFile(c)
			if err != nil {
				t.Fatal(err)
			}
			exprs := few
			if link, _ := readPcap(t, file); link == packet.LinkEthernet {
				exprs = append(few[:len(few):len(few)], "vlan", "vlan and port 80", "mpls and ip", "pppoes and ip", "geneve and tcp", "ether multicast")
			}
			against(t, c, exprs, false)
		})
	}
}
