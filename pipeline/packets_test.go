package pipeline_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"recap/pipeline"
	"recap/pipeline/bpf"
	"recap/pipeline/exchange"
	"recap/reader"
)

// writePackets writes packets of a link type, one a millisecond, into a pcap file.
func writePackets(t *testing.T, link uint32, packets ...[]byte) string {
	t.Helper()
	o := binary.LittleEndian
	b := o.AppendUint32(nil, 0xa1b2c3d4)
	b = o.AppendUint32(b, 2|4<<16)
	b = o.AppendUint64(b, 0)
	b = o.AppendUint32(o.AppendUint32(b, 262144), link)
	for i, p := range packets {
		b = o.AppendUint32(o.AppendUint32(b, 1), uint32(i)*1000)
		b = o.AppendUint32(o.AppendUint32(b, uint32(len(p))), uint32(len(p)))
		b = append(b, p...)
	}
	path := filepath.Join(t.TempDir(), "in.pcap")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// runPackets gives back a line for each pair, and what was counted.
func runPackets(t *testing.T, path string, opt pipeline.Options, line func(*exchange.Pair) string) ([]string, *pipeline.Stats) {
	t.Helper()
	src, err := reader.Open(context.Background(), []string{path}, reader.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	var lines []string
	stats, err := pipeline.Run(context.Background(), src, opt, func(b *exchange.Batch) error {
		for _, p := range b.Pairs {
			lines = append(lines, line(p))
		}
		b.Release()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if packets, payload := stats.Ledger.Balance(); packets != 0 || payload != 0 {
		t.Errorf("the ledger is off by %d packets and %d bytes: %+v", packets, payload, stats.Ledger)
	}
	return lines, stats
}

func cat(parts ...[]byte) []byte { return slices.Concat(parts...) }

func u16(v int) []byte { return binary.BigEndian.AppendUint16(nil, uint16(v)) }
func u32(v int) []byte { return binary.BigEndian.AppendUint32(nil, uint32(v)) }

// tcp4 is a segment in IPv4 from host a to host b of 10.0.0.0/24.
func tcp4(a, b, sport, dport, seq, ack int, payload string) []byte {
	return ip4(6, a, b, cat(u16(sport), u16(dport), u32(seq), u32(ack), []byte{0x50, 0x18}, u16(1000), u32(0), []byte(payload)))
}

func ip4(proto, a, b int, payload []byte) []byte {
	return cat([]byte{0x45, 0}, u16(20+len(payload)), u16(seqOf(payload)), u16(0x4000), []byte{64, byte(proto), 0, 0, 10, 0, 0, byte(a), 10, 0, 0, byte(b)}, payload)
}

// seqOf makes identifications differ.
func seqOf(b []byte) int { return len(b)*7 + int(b[len(b)-1]) }

func ether(typ int, b []byte) []byte { return cat(make([]byte, 12), u16(typ), b) }

const (
	request  = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
	response = "HTTP/1.1 204 No Content\r\n\r\n"
)

// A packet that holds several frames counts once, and each of its segments is used.
func TestAggregatedFramesAreOnePacket(t *testing.T) {
	sub := func(b []byte) []byte {
		f := cat(make([]byte, 12), u16(8+len(b)), []byte{0xaa, 0xaa, 3, 0, 0, 0, 8, 0}, b)
		return cat(f, make([]byte, -len(f)&3))
	}
	wifi := func(frames ...[]byte) []byte {
		return cat([]byte{0x88, 1, 0, 0}, make([]byte, 20), []byte{0x80, 0}, cat(frames...))
	}
	all := []byte{}
	for _, seg := range [][]byte{
		tcp4(1, 2, 4000, 80, 1, 1, request[:10]), tcp4(1, 2, 4000, 80, 11, 1, request[10:]), tcp4(2, 1, 80, 4000, 1, 1+len(request), response),
		tcp4(3, 2, 4001, 80, 1, 1, request), tcp4(2, 3, 80, 4001, 1, 1+len(request), response),
		tcp4(1, 2, 4000, 80, 1, 1, request[:10]), // again
	} {
		all = append(all, sub(seg)...)
	}
	path := writePackets(t, 105, wifi(all), wifi(sub(tcp4(1, 2, 4000, 80, 1+len(request), 1+len(response), request)), sub(ip4(17, 1, 2, make([]byte, 8)))),
		wifi(sub(tcp4(2, 1, 80, 4000, 1+len(response), 1+2*len(request), response))))
	lines, stats := runPackets(t, path, pipeline.Options{}, func(p *exchange.Pair) string {
		return fmt.Sprintf("%v %s %s %v", p.Conn.Client.IP, p.Request.Target, p.State, p.Request.Packets)
	})
	slices.Sort(lines) // two were completed by one packet
	if got, want := fmt.Sprint(lines), "[10.0.0.1 /a complete [1] 10.0.0.1 /a complete [2] 10.0.0.3 /a complete [1]]"; got != want {
		t.Errorf("pairs %s, want %s", got, want)
	}
	if stats.Ledger.PacketsRead != 3 {
		t.Errorf("packets read: %d, want 3", stats.Ledger.PacketsRead)
	}
}

// The options of a GENEVE tunnel stand with the connections of the packets that had them.
func TestTunnelOptionsReachTheConnection(t *testing.T) {
	geneve := func(cookie int, b []byte) []byte {
		opts := cat(u16(0x108), []byte{3, 1}, u32(cookie))
		udp := cat(u16(5000), u16(6081), u16(16+len(opts)+len(b)), u16(0), []byte{byte(len(opts) / 4), 0}, u16(0x0800), u32(7<<8), opts, b)
		return ether(0x0800, ip4(17, 8, 9, udp))
	}
	path := writePackets(t, 1,
		geneve(1, tcp4(1, 2, 4000, 80, 1, 1, request)), geneve(2, tcp4(3, 2, 4001, 80, 1, 1, request)),
		geneve(1, tcp4(2, 1, 80, 4000, 1, 1+len(request), response)), geneve(2, tcp4(2, 3, 80, 4001, 1, 1+len(request), response)))
	lines, stats := runPackets(t, path, pipeline.Options{}, func(p *exchange.Pair) string {
		s := p.Conn.Client.IP.String()
		for _, tunnel := range p.Conn.Tunnels {
			for _, o := range tunnel.Options {
				s += " " + tunnel.Type + " " + o.String()
			}
		}
		return s
	})
	if got, want := fmt.Sprint(lines), "[10.0.0.1 geneve aws_flow_cookie=00000001 10.0.0.3 geneve aws_flow_cookie=00000002]"; got != want {
		t.Errorf("pairs %s, want %s", got, want)
	}
	if len(stats.Tunnels) != 1 {
		t.Errorf("%d tunnel stacks, want 1: %v", len(stats.Tunnels), stats.Tunnels)
	}
}

// A filter leaves the same as a capture without the packets that it leaves out.
func TestFilterIsAsIfThePacketsWereNotThere(t *testing.T) {
	all := [][]byte{
		ether(0x0800, tcp4(1, 2, 4000, 80, 1, 1, request)), ether(0x0800, tcp4(3, 2, 4001, 8080, 1, 1, request)), ether(0x0806, make([]byte, 28)),
		ether(0x0800, tcp4(2, 3, 8080, 4001, 1, 1+len(request), response)), ether(0x0800, tcp4(2, 1, 80, 4000, 1, 1+len(request), response)),
	}
	line := func(p *exchange.Pair) string { return p.Conn.Client.IP.String() + " " + p.State.String() }
	filter, err := bpf.Compile("tcp port 80")
	if err != nil {
		t.Fatal(err)
	}
	for _, workers := range []int{1, 4} {
		got, stats := runPackets(t, writePackets(t, 1, all...), pipeline.Options{Filter: filter, Workers: workers}, line)
		want, _ := runPackets(t, writePackets(t, 1, all[0], all[4]), pipeline.Options{}, line)
		if !slices.Equal(got, want) || len(got) != 1 {
			t.Errorf("pairs %q, want %q", got, want)
		}
		if l := stats.Ledger; l.PacketsRead != 5 || l.Packets[exchange.PacketFiltered] != 3 || l.Packets[exchange.PacketTCPHTTP] != 2 || len(l.Packets) != 2 {
			t.Errorf("ledger %+v", l)
		}
	}
}

// Fragments that overlap with different bytes are somebody's doing: the pair and the
// connection say so, others do not.
func TestFragmentsInConflictAreNamed(t *testing.T) {
	segment := tcp4(1, 2, 4000, 80, 1, 1, request)[20:]
	fragment := func(at, end int, more int, change byte) []byte {
		b := ip4(6, 1, 2, slices.Clone(segment[at:end]))
		copy(b[4:], cat(u16(77), u16(more<<13|at/8)))
		b[20] ^= change
		return ether(0x0800, b)
	}
	path := writePackets(t, 1, fragment(0, 32, 1, 0), fragment(24, 32, 1, 0x20), fragment(32, len(segment), 0, 0),
		ether(0x0800, tcp4(2, 1, 80, 4000, 1, 1+len(request), response)),
		ether(0x0800, tcp4(1, 2, 4000, 80, 1+len(request), 1+len(response), request)),
		ether(0x0800, tcp4(2, 1, 80, 4000, 1+len(response), 1+2*len(request), response)))
	lines, _ := runPackets(t, path, pipeline.Options{}, func(p *exchange.Pair) string {
		return fmt.Sprint(p.Request.Method, " ", p.State, " ", p.Anomalies.Has(exchange.AnomalyOverlapConflict))
	})
	if got, want := fmt.Sprint(lines), "[GET complete true GET complete false]"; got != want {
		t.Errorf("pairs %s, want %s", got, want)
	}
}

// Fragments that were dropped to keep the limit may have held anything: the reading is
// not whole, and says how many datagrams went.
func TestEvictedFragmentsAreCounted(t *testing.T) {
	var packets [][]byte
	for i := range 1000 {
		b := ip4(17, 1, 2, make([]byte, 1000))
		copy(b[4:], cat(u16(i), u16(1<<13))) // the first of a datagram
		packets = append(packets, ether(0x0800, b))
	}
	path := writePackets(t, 1, packets...)
	for _, tt := range []struct {
		name   string
		memory int64
		lost   bool
	}{{"room for all", 8 << 20, false}, {"room for a few", 64 << 10, true}} {
		t.Run(tt.name, func(t *testing.T) {
			_, stats := runPackets(t, path, pipeline.Options{FragmentMemory: tt.memory}, nil)
			if n := stats.Reasons["fragments_evicted"]; stats.Incomplete != tt.lost || (n > 900) != tt.lost {
				t.Errorf("incomplete %t, %d evicted", stats.Incomplete, n)
			}
		})
	}
}
