package quic_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	quicgo "github.com/quic-go/quic-go"

	"recap/pipeline"
	"recap/reader/sourcetest"
)

// tshark reads one field of all packets that a filter passes; where a packet has several
// values, each is a line.
func tshark(t *testing.T, capture, keys, filter, field string) []string {
	t.Helper()
	cmd := exec.Command("tshark", "-n", "-r", capture, "-o", "tls.keylog_file:"+keys, "-Y", filter, "-T", "fields", "-e", field)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v", cmd, err)
	}
	return strings.Fields(strings.ReplaceAll(string(out), ",", "\n"))
}

// tshark reads the same with the same secrets: names and fingerprints of the hellos, and
// as many requests and header blocks.
func TestTshark(t *testing.T) {
	sourcetest.Tool(t, "tshark")
	rec := talk(t, 2, &quicgo.Config{})
	path := capture(t, rec.list)
	keys := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(keys, []byte(rec.keys), 0o600); err != nil {
		t.Fatal(err)
	}
	got := extract(t, path, rec.keys, pipeline.Options{})
	var ja3 []string
	for _, f := range got.flows {
		ja3 = append(ja3, f.Conn.TLS.JA3)
	}
	want := tshark(t, path, keys, "tls.handshake.type == 1", "tls.handshake.ja3")
	slices.Sort(ja3)
	slices.Sort(want)
	if !slices.Equal(slices.Compact(ja3), slices.Compact(want)) {
		t.Errorf("JA3 are %v, tshark has %v", ja3, want)
	}
	if names := tshark(t, path, keys, "tls.handshake.type == 1", "tls.handshake.extensions_server_name"); len(names) != 2 || names[0] != got.flows[0].Conn.TLS.SNI {
		t.Errorf("tshark has the names %v", names)
	}
	ids := make(map[string]bool)
	for _, id := range tshark(t, path, keys, "quic.stream.stream_id && udp.srcport != 443", "quic.stream.stream_id") {
		ids[id] = true
	}
	requests := 0
	for id := range ids {
		if n, err := strconv.Atoi(id); err == nil && n%4 == 0 {
			requests++
		}
	}
	if 2*requests != len(got.pairs) { // both connections count their streams alike
		t.Errorf("%d pairs, tshark has %d request streams in each of 2 connections", len(got.pairs), requests)
	}
	phases := tshark(t, path, keys, "quic.key_phase", "quic.key_phase")
	if !slices.ContainsFunc(phases, func(p string) bool { return p == "1" || p == "True" }) {
		t.Error("the capture holds no key update, which it is to hold")
	}
}
