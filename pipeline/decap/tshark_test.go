package decap

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"recap/pipeline/exchange"
	"recap/reader/packet"
)

// tsharkLines runs tshark over a capture and returns, by packet number, the
// innermost TCP segment in the form of segmentLine. Further arguments are tshark's.
func tsharkLines(t *testing.T, path string, args ...string) map[int64]string {
	out, err := exec.Command("tshark", append(args, "-n", "-r", path, "-o", "tcp.desegment_tcp_streams:FALSE", "-o", "ip.defragment:TRUE",
		"-T", "fields", "-E", "occurrence=a", "-e", "frame.number", "-e", "frame.protocols", "-e", "ip.src", "-e", "ip.dst",
		"-e", "ipv6.src", "-e", "ipv6.dst", "-e", "tcp.srcport", "-e", "tcp.dstport", "-e", "tcp.seq_raw", "-e", "tcp.len", "-e", "tcp.payload")...).Output()
	if err != nil {
		t.Logf("tshark: %v", err)
	}
	lines := make(map[int64]string)
	sc := bufio.NewScanner(bytes.NewReader(out))
	sc.Buffer(nil, 64<<20)
	last := func(s string) string { return s[strings.LastIndexByte(s, ',')+1:] }
	for sc.Scan() {
		f := strings.Split(sc.Text(), "\t")
		protos := strings.Split(f[1], ":")
		tcp := slices.Index(protos, "tcp")
		// Quoted in an error or sampled, a segment is no traffic. Without a length it
		// has a header that cannot be, of which tshark shows the first fields.
		if tcp < 0 || slices.ContainsFunc(protos[:tcp], func(p string) bool { return p == "icmp" || p == "icmpv6" || p == "sflow" }) || last(f[9]) == "" {
			continue
		}
		src, dst := last(f[2]), last(f[3])
		for i := tcp; i >= 0; i-- {
			if protos[i] == "ipv6" {
				src, dst = last(f[4]), last(f[5])
			}
			if protos[i] == "ip" || protos[i] == "ipv6" {
				break
			}
		}
		payload, err := hex.DecodeString(last(f[10]))
		if err != nil {
			t.Fatal(err)
		}
		n, _ := strconv.ParseInt(f[0], 10, 64)
		lines[n] = line(src+":"+last(f[6]), dst+":"+last(f[7]), last(f[8]), payload)
	}
	return lines
}

func segmentLine(s *Segment) string {
	src, dst := netip.AddrPortFrom(exchange.Addr(s.Key.Lo, s.Key.V6), s.Key.LoPort), netip.AddrPortFrom(exchange.Addr(s.Key.Hi, s.Key.V6), s.Key.HiPort)
	if s.Info&FromHi != 0 {
		src, dst = dst, src
	}
	text := func(a netip.AddrPort) string { return fmt.Sprintf("%s:%d", a.Addr(), a.Port()) }
	return line(text(src), text(dst), strconv.FormatUint(uint64(s.Seq), 10), s.Payload())
}

func line(src, dst, seq string, payload []byte) string {
	sum := sha256.Sum256(payload)
	return fmt.Sprintf("%s > %s seq %s, %d bytes %x", src, dst, seq, len(payload), sum[:8])
}

// explained are differences in which the packets were read: by capture, how many
// packets differ and why.
var explained = map[string]struct {
	packets int
	why     string
}{
	"zeek-ipv4-fragmented-4.pcap":                 {1, "fragments overlap with different bytes; the first copy is kept and the conflict recorded, tshark keeps the last"},
	"zeek-chksums-ip6-hoa-tcp-bad-chksum.pcap":    {1, "the segment is from the home address of the destination option (RFC 6275, section 6.3), not from the care-of address"},
	"zeek-chksums-ip6-route0-tcp-bad-chksum.pcap": {1, "the segment is to the last address of the routing header (RFC 2460, section 4.4), not to the next hop"},
}

// TestAgainstTshark compares the innermost TCP segment of every packet: addresses,
// ports, sequence number and the payload bytes that were captured.
func TestAgainstTshark(t *testing.T) {
	if _, err := exec.LookPath("tshark"); err != nil || os.Getenv("RECAP_TSHARK") == "" {
		t.Skip("RECAP_TSHARK is not set or tshark is not installed: no second opinion")
	}
	eachCapture(t, func(t *testing.T, path string, ps []packet.Packet) {
		if c := os.Getenv("RECAP_TSHARK"); c != "1" && !strings.Contains(c, filepath.Base(filepath.Dir(path))) {
			t.Skip("not among the categories of RECAP_TSHARK")
		}
		want := tsharkLines(t, path)
		d := NewDecoder(Options{})
		var diffs []string
		for i := range ps {
			var s Segment
			got := ""
			disp := d.Decode(&ps[i], &s)
			if disp == DispTCP {
				got = segmentLine(&s)
				for d.Next(&s) {
					got = segmentLine(&s) // the last one, as tsharkLines has it
				}
			}
			w := want[ps[i].Number]
			if disp == dispTCPHeaderCut && strings.Contains(w, ", 0 bytes ") {
				continue // all that tshark shows is a part of the header
			}
			if s.Flags&RST != 0 && len(s.Payload()) > 0 {
				s.TCP = s.TCP[:s.HeaderLen] // tshark shows data of a reset as its cause (RFC 9293, section 3.5.2)
				got = segmentLine(&s)
			}
			if got != w {
				diffs = append(diffs, fmt.Sprintf("packet %d: got %q (%v, %v)\n want %q", ps[i].Number, got, disp, d.Stack(s.Stack), w))
			}
		}
		if e := explained[filepath.Base(path)]; len(diffs) != e.packets {
			t.Errorf("%d packets differ, %d are explained\n%s", len(diffs), e.packets, strings.Join(diffs[:min(5, len(diffs))], "\n"))
		}
	})
}
