package decap

import (
	"bufio"
	"bytes"
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
// innermost TCP segment in the form of segmentLine.
func tsharkLines(t *testing.T, path string) map[int64]string {
	out, err := exec.Command("tshark", "-n", "-r", path, "-o", "tcp.desegment_tcp_streams:FALSE", "-o", "ip.defragment:TRUE",
		"-T", "fields", "-E", "occurrence=a", "-e", "frame.number", "-e", "frame.protocols", "-e", "ip.src", "-e", "ip.dst",
		"-e", "ipv6.src", "-e", "ipv6.dst", "-e", "tcp.srcport", "-e", "tcp.dstport", "-e", "tcp.seq_raw", "-e", "tcp.len").Output()
	if err != nil {
		t.Logf("tshark: %v", err)
	}
	lines := make(map[int64]string)
	sc := bufio.NewScanner(bytes.NewReader(out))
	sc.Buffer(nil, 16<<20)
	last := func(s string) string { return s[strings.LastIndexByte(s, ',')+1:] }
	for sc.Scan() {
		f := strings.Split(sc.Text(), "\t")
		protos := strings.Split(f[1], ":")
		tcp := slices.Index(protos, "tcp")
		if tcp < 0 || slices.Contains(protos[:tcp], "icmp") || slices.Contains(protos[:tcp], "icmpv6") {
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
		n, _ := strconv.ParseInt(f[0], 10, 64)
		lines[n] = fmt.Sprintf("%s:%s > %s:%s seq %s len %s", src, last(f[6]), dst, last(f[7]), last(f[8]), last(f[9]))
	}
	return lines
}

func segmentLine(s *Segment) string {
	src, dst := netip.AddrPortFrom(exchange.Addr(s.Key.Lo, s.Key.V6), s.Key.LoPort), netip.AddrPortFrom(exchange.Addr(s.Key.Hi, s.Key.V6), s.Key.HiPort)
	if s.Info&FromHi != 0 {
		src, dst = dst, src
	}
	return fmt.Sprintf("%s:%d > %s:%d seq %d len %d", src.Addr(), src.Port(), dst.Addr(), dst.Port(), s.Seq, len(s.Payload())+int(s.Missing))
}

// TestAgainstTshark compares the innermost TCP segment of every packet. What tshark
// reads and recap does not, and lengths that exceed the packet, differ.
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
		diffs := 0
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
			if w := want[ps[i].Number]; got != w {
				if diffs++; diffs <= 5 {
					t.Errorf("packet %d: got %q (%v, %v)\n want %q", ps[i].Number, got, disp, d.Stack(s.Stack), w)
				}
			}
		}
		if diffs > 5 {
			t.Errorf("%d packets differ", diffs)
		}
	})
}
