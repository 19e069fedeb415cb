package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"testing"
	"time"

	"recap/pipeline"
	"recap/pipeline/exchange"
	"recap/reader/packet"
)

func TestSummary(t *testing.T) {
	var b bytes.Buffer
	u := &ui{err: &b}
	u.summarize(summary{
		inputs: []*packet.Input{
			{Name: "a.pcap", Format: "pcap", Size: 3 << 20, FirstNS: 1577836800_001_000_000, LastNS: 1577836812_401_000_000, DamageCount: 2, LostBytes: 5000},
			{Name: "b.pcapng.gz", Format: "pcapng", Compression: "gzip", Size: 1 << 20, FirstNS: packet.NoTime, LastNS: packet.NoTime,
				Interfaces: []packet.Interface{{Drops: -1}, {Drops: 12}}},
		},
		stats: &pipeline.Stats{
			Pairs: 1921, States: map[string]int64{"complete": 1900, "request_only": 21},
			Flows: 1042, Protocols: map[string]int64{"http/1": 1038, "tls": 4},
			Tunnels: []pipeline.TunnelCount{
				{Tunnels: []exchange.Tunnel{{Type: "gre", ID: -1}, {Type: "vxlan", ID: 7}}, Packets: 10000},
				{Packets: 2345},
			},
			Anomalies:  map[string]int64{"midstream": 40, "a": 1, "b": 1, "c": 1, "d": 1, "e": 1, "f": 1, "g": 1},
			Reasons:    map[string]int64{"gap": 3},
			Incomplete: true,
			Ledger: exchange.Ledger{
				PacketsRead: 12345, Packets: map[string]int64{"tcp_http": 12000, "tcp_other": 300, "undecodable:ipv4_length": 1, "udp": 40, "non_ip": 4, "fragment_held": 0},
				PayloadBytes: 1234567, Payload: map[string]int64{"http_messages": 1234000},
			},
		},
		where: true, chosen: 7,
		outputs:  []output{{"pairs.parquet", 7, 12345}, {"manifest.json", -1, -1}},
		dir:      "recap-out",
		hasPairs: true,
		took:     2 * time.Second,
	})
	want := `read         2 files (pcap, pcapng in gzip), 4.0 MiB, 12,345 packets
time         2020-01-01 00:00:00.001 to 00:00:12.401 UTC (12.4 s)
pairs        1,921: 1,900 complete, 21 request_only; --where chose 7
connections  1,042: 1,038 http/1, 4 tls
tunnels      gre > vxlan 7: 10,000 packets, no tunnel: 2,345 packets
packets      12,345 = 12,000 tcp_http + 300 tcp_other + 40 udp + 4 non_ip +
             1 undecodable:ipv4_length (balanced)
payload      1,234,567 B = 1,234,000 http_messages (NOT balanced: 567 B unaccounted)
anomalies    40 midstream, 1 a, 1 b, 1 c, 1 d, 1 e, 2 more kinds
incomplete   3 gap
lost         2 damaged places (4.9 KiB of input not usable),
             12 packets that the capturing machine says it dropped
wrote        recap-out: pairs.parquet (7 rows, 12.1 KiB), manifest.json
took         2.0 s (2.0 MiB/s, 6,172 packets/s)
next         duckdb -c "SELECT request.host, response.status, count(*) FROM 'recap-out/pairs.parquet' GROUP BY ALL ORDER BY 3 DESC LIMIT 20"
`
	if got := b.String(); got != want {
		t.Errorf("summarize printed\n%s\nwant\n%s", got, want)
	}
}

func TestFail(t *testing.T) {
	at := &packet.Error{File: "mon\n.pcap", Packet: 1842, Offset: 5242880, Err: errors.New("captured length 91233 exceeds the limit of 65535"), Saved: "1841 packets were used", Hint: "raise the limit with --max-packet"}
	for _, tt := range []struct {
		name string
		err  error
		want string
		code int
	}{
		{"a plain error", errors.New("it broke"), "recap: error: it broke\n", 1},
		{"a place in a file", at, "recap: error: mon\\n.pcap: packet 1842 at byte 5242880: captured length 91233 exceeds the limit of 65535\n" +
			"recap: hint: 1841 packets were used; raise the limit with --max-packet\n", 1},
		{"several at once", &failure{code: 4, err: errors.Join(errors.New("one"), errors.New("two"))}, "recap: error: one\nrecap: error: two\n", 4},
		{"two causes in one sentence", fmt.Errorf("%w (%w)", errors.New("one"), errors.New("two")), "recap: error: one (two)\n", 1},
		{"a missing file", &fs.PathError{Op: "open", Path: "x", Err: fs.ErrNotExist}, "recap: error: open x: file does not exist\n" +
			"recap: hint: check the name; INPUT may also be a directory, a glob in quotes, or - for standard input\n", 1},
		{"nothing left to say", &failure{code: 3}, "", 3},
		{"interrupted", errInterrupted("out"), "recap: error: interrupted\n" +
			"recap: hint: out holds what was finished before, and its manifest says that it is partial\n", 5},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b bytes.Buffer
			(&ui{err: &b}).fail(tt.err)
			if got := b.String(); got != tt.want {
				t.Errorf("fail(%v) printed\n%s\nwant\n%s", tt.err, got, tt.want)
			}
			if got := exitCode(tt.err); got != tt.code {
				t.Errorf("exitCode(%v) = %d, want %d", tt.err, got, tt.code)
			}
		})
	}
}

// A capture may hold thousands of faults, each with foreign text.
func TestDamageIsBoundedAndClean(t *testing.T) {
	in := &packet.Input{Name: "x\x1b[2J"}
	for i := range 2000 {
		in.AddDamage(&packet.Error{File: in.Name, Packet: int64(i + 1), Offset: int64(i), Err: errors.New("bad")})
	}
	var b bytes.Buffer
	if !(&ui{err: &b}).damage([]*packet.Input{in}) {
		t.Error("damage reports none")
	}
	if lines := bytes.Count(b.Bytes(), []byte("\n")); lines != shownDamage+1 {
		t.Errorf("%d lines, want %d", lines, shownDamage+1)
	}
	if bytes.ContainsRune(b.Bytes(), 0x1b) {
		t.Errorf("an escape got through: %q", b.String())
	}
	if want := "recap: error: x\\x1b[2J: 1,995 more damaged places\n"; !bytes.HasSuffix(b.Bytes(), []byte(want)) {
		t.Errorf("got %q, want it to end in %q", b.String(), want)
	}
}

func TestVerdict(t *testing.T) {
	whole := &packet.Input{}
	cut := &packet.Input{DamageCount: 1}
	for _, tt := range []struct {
		name   string
		in     *packet.Input
		stats  pipeline.Stats
		strict bool
		want   int
	}{
		{"whole", whole, pipeline.Stats{}, false, 0},
		{"whole and strict", whole, pipeline.Stats{}, true, 0},
		{"a cut file", cut, pipeline.Stats{}, false, 3},
		{"a cut file and strict", cut, pipeline.Stats{}, true, 1},
		{"a gap in a stream", whole, pipeline.Stats{Incomplete: true}, false, 3},
		{"a ledger that does not balance", whole, pipeline.Stats{Ledger: exchange.Ledger{PacketsRead: 1}}, false, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u := &ui{err: new(bytes.Buffer)}
			if got := exitCode(u.verdict([]*packet.Input{tt.in}, &tt.stats, tt.strict)); got != tt.want {
				t.Errorf("exit code %d, want %d", got, tt.want)
			}
		})
	}
}

func TestNextSaysNothingOfNamesThatNeedQuoting(t *testing.T) {
	stats := &pipeline.Stats{Pairs: 1}
	for _, dir := range []string{"a'b", `a"b`, "a$b", "a`b", `a\b`, "a!b", "a\nb"} {
		if got := nextParts(summary{hasPairs: true, stats: stats, dir: dir}); got != nil {
			t.Errorf("nextParts(%q) = %q, want none", dir, got)
		}
	}
}

func TestCaptureRange(t *testing.T) {
	first, last := captureRange([]*packet.Input{
		{FirstNS: packet.NoTime, LastNS: packet.NoTime}, {FirstNS: -5, LastNS: 7}, {FirstNS: math.MaxInt64, LastNS: math.MaxInt64},
	})
	if first != -5 || last != math.MaxInt64 {
		t.Errorf("captureRange = %d, %d", first, last)
	}
}
