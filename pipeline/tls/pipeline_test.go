package tls_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"recap/pipeline"
	"recap/pipeline/exchange"
	"recap/pipeline/tls"
	"recap/reader"
	"recap/reader/packet"
	"recap/reader/sourcetest"
)

const captures = "../../testdata/captures"

// told is what a reading of a capture says, for comparing.
type told struct {
	pairs, flows []string
	stats        *pipeline.Stats
}

func extract(t testing.TB, file string, opt pipeline.Options) told {
	t.Helper()
	src, err := reader.Open(context.Background(), []string{file}, reader.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	opt.HashBodies, opt.DecodeBodies = true, true
	return run(t, src, opt)
}

func run(t testing.TB, src packet.Source, opt pipeline.Options) (out told) {
	t.Helper()
	var err error
	out.stats, err = pipeline.Run(context.Background(), src, opt, func(b *exchange.Batch) error {
		defer b.Release()
		for _, p := range b.Pairs {
			out.pairs = append(out.pairs, fmt.Sprintf("%d %s %s %s %d %s %d %v %v %x", p.Conn.Client.Port, p.Protocol, p.Request.Method, p.Request.URL,
				p.Response.Status, p.State, p.Response.BodySize, p.Request.Packets, p.Response.Packets, p.Response.BodySHA256))
		}
		for _, f := range b.Flows {
			var x exchange.TLS
			if f.Conn.TLS != nil {
				x = *f.Conn.TLS
			}
			out.flows = append(out.flows, fmt.Sprintf("%d %s %d %q %+v", f.Conn.Client.Port, f.Protocol, f.Pairs, f.NoPairs, x))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if p, b := out.stats.Ledger.Balance(); p != 0 || b != 0 {
		t.Errorf("the ledger is off by %d packets and %d bytes: %+v", p, b, out.stats.Ledger)
	}
	return out
}

func keysOf(t testing.TB, file string) *tls.Keys {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	k := new(tls.Keys)
	k.Add(b)
	return k
}

func TestCaptures(t *testing.T) {
	for _, tt := range []struct {
		file, keys string
		want       []string
	}{
		{"tls13.pcapng", "", []string{
			"HTTP/1.1 GET https://shop.example/order.json 200 complete 23", "HTTP/1.1 GET https://shop.example/lines.txt 200 complete 5600",
			"HTTP/1.1 GET https://shop.example/missing 404 complete 14", "HTTP/1.1 POST https://shop.example/echo 201 complete 5",
			"HTTP/1.1 GET https://shop.example/order.json?retry 200 complete 23", "HTTP/2 GET https://shop.example/order.json 200 complete 23",
			"HTTP/2 GET https://shop.example/lines.txt?h2 200 complete 5600", "HTTP/2 GET https://shop.example/missing 404 complete 14"}},
		{"tls12.pcap", "tls12.keylog", []string{
			"HTTP/1.1 GET https://shop.example/order.json 200 complete 23", "HTTP/1.1 GET https://shop.example/lines.txt 200 complete 5600",
			"HTTP/1.1 GET https://shop.example/missing 404 complete 14", "HTTP/1.1 POST https://shop.example/echo 201 complete 5",
			"HTTP/1.1 GET https://shop.example/lines.txt?rsa 200 complete 5600", "HTTP/1.1 GET https://shop.example/order.json 200 complete 23",
			"HTTP/1.1 GET https://shop.example/order.json?-sess_out 200 complete 23", "HTTP/1.1 GET https://shop.example/order.json?-sess_in 200 complete 23",
			"HTTP/2 GET https://shop.example/order.json 200 complete 23"}},
	} {
		t.Run(tt.file, func(t *testing.T) {
			opt := pipeline.Options{Workers: 1}
			if tt.keys != "" {
				opt.Keys = keysOf(t, filepath.Join(captures, tt.keys))
			}
			one := extract(t, filepath.Join(captures, tt.file), opt)
			if len(one.pairs) != len(tt.want) {
				t.Errorf("%d pairs, want %d", len(one.pairs), len(tt.want))
			}
			for i := range min(len(one.pairs), len(tt.want)) {
				if _, got, _ := strings.Cut(one.pairs[i], " "); !strings.HasPrefix(got, tt.want[i]+" ") {
					t.Errorf("pair %d: got  %s\nwant %s", i, got, tt.want[i])
				}
			}
			if n := one.stats.Ledger.Payload[exchange.BytesTLS]; n != 0 {
				t.Errorf("%d bytes are opaque", n)
			}
			opt.Workers = 4
			if four := extract(t, filepath.Join(captures, tt.file), opt); fmt.Sprint(four.pairs, four.flows) != fmt.Sprint(one.pairs, one.flows) {
				t.Error("four workers tell another story than one")
			}
			for _, f := range one.flows {
				t.Log(f)
			}
		})
	}
}

// Without keys the handshake still tells, and every byte is opaque.
func TestOpaque(t *testing.T) {
	got := extract(t, filepath.Join(captures, "tls12.pcap"), pipeline.Options{})
	if len(got.pairs) > 0 {
		t.Errorf("pairs: %q", got.pairs)
	}
	l := got.stats.Ledger
	if l.Payload[exchange.BytesTLS] != l.PayloadBytes || l.Packets[exchange.PacketTLSOpaque] != l.PacketsRead {
		t.Errorf("the ledger is %+v", l)
	}
	for _, f := range got.flows {
		for _, want := range []string{`tls 0 "tls_without_keys"`, "SNI:shop.example", "Version:TLS 1.2", "JA4:t1"} {
			if !strings.Contains(f, want) {
				t.Errorf("%s: no %s", f, want)
			}
		}
	}
}

// secretsAt puts the DSB behind some packets: those before it stay closed, whatever
// the reader has read ahead.
func TestSecretsInTheMiddle(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(captures, "tls13.pcapng"))
	if err != nil {
		t.Fatal(err)
	}
	blocks := blocksOf(t, b)
	var secrets []byte
	rest := blocks[:0]
	for _, x := range blocks {
		if x[0] == 10 && x[1]|x[2]|x[3] == 0 {
			secrets = append(secrets, x...)
			continue
		}
		rest = append(rest, x)
	}
	before := 1 << 30
	for _, at := range []int{2, 40, 75, len(rest)} {
		file := filepath.Join(t.TempDir(), "a.pcapng")
		moved := bytes.Join(rest[:at], nil)
		moved = append(append(moved, secrets...), bytes.Join(rest[at:], nil)...)
		if err := os.WriteFile(file, moved, 0o600); err != nil {
			t.Fatal(err)
		}
		one, four := extract(t, file, pipeline.Options{Workers: 1}), extract(t, file, pipeline.Options{Workers: 4})
		if fmt.Sprint(one.pairs, one.flows) != fmt.Sprint(four.pairs, four.flows) {
			t.Errorf("secrets behind block %d: four workers tell another story than one", at)
		}
		if len(one.pairs) > before || at == 2 && len(one.pairs) != 8 || at == len(rest) && len(one.pairs) != 0 {
			t.Errorf("secrets behind block %d: %d pairs", at, len(one.pairs))
		}
		before = len(one.pairs)
	}
}

func blocksOf(t *testing.T, b []byte) (blocks [][]byte) {
	t.Helper()
	for len(b) >= 12 {
		n := int(b[4]) | int(b[5])<<8 | int(b[6])<<16
		if n < 12 || n > len(b) {
			t.Fatalf("block of %d bytes", n)
		}
		blocks = append(blocks, b[:n])
		b = b[n:]
	}
	return blocks
}

// TestTshark holds what the handshakes tell against tshark's reading. (Its version 4.0
// knows JA3, not JA4: that is held against the published example instead.)
func TestTshark(t *testing.T) {
	sourcetest.Tool(t, "tshark")
	files := []string{filepath.Join(captures, "tls13.pcapng"), filepath.Join(captures, "tls12.pcap")}
	if dir := os.Getenv("RECAP_CORPUS"); dir != "" {
		more, _ := filepath.Glob(filepath.Join(dir, "tls*", "*.pcap*"))
		files = append(files, more...)
	}
	for _, file := range files {
		out, err := exec.Command("tshark", "-n", "-r", file, "-Y", "tcp && tls.handshake.type==1", "-T", "fields", "-E", "occurrence=f",
			"-e", "tcp.srcport", "-e", "tls.handshake.ja3", "-e", "tls.handshake.extensions_server_name").Output()
		if err != nil {
			t.Logf("%s: tshark: %v", file, err)
		}
		got := strings.Join(extract(t, file, pipeline.Options{}).flows, "\n")
		for line := range strings.Lines(string(out)) {
			f := strings.Split(strings.TrimRight(line, "\n"), "\t")
			if !strings.Contains(got, "SNI:"+f[2]+" ") || !strings.Contains(got, "JA3:"+f[1]+" ") && !strings.Contains(line, "retry") && !secondHello(string(out), f[0]) {
				t.Errorf("%s: tshark reads %q, which is not in\n%s", file, f, got)
			}
		}
	}
}

// secondHello reports whether a client sent two hellos: only the first is a fingerprint.
func secondHello(all, port string) bool { return strings.Count("\n"+all, "\n"+port+"\t") > 1 }
