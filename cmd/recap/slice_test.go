package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"reflect"
	"testing"

	"recap/pipeline/decap"
	"recap/reader/packet"
	"recap/reader/pcaptest"
)

// runRecap runs the root command as main does.
func runRecap(t *testing.T, args ...string) (stdout []byte, code int) {
	t.Helper()
	var out, err bytes.Buffer
	root := newRoot(&ui{in: bytes.NewReader(nil), out: &out, err: &err})
	root.SetArgs(args)
	e := root.ExecuteContext(t.Context())
	if code = exitCode(e); code != exitOK && code != exitIncomplete {
		t.Fatalf("recap %q: %v\n%s", args, e, err.String())
	}
	return out.Bytes(), code
}

// said is what must be the same of a pair in a slice: all but numbers of packets,
// and ids, which are made of them.
func said(t *testing.T, lines []byte) []map[string]any {
	t.Helper()
	var list []map[string]any
	for d := json.NewDecoder(bytes.NewReader(lines)); ; {
		var r map[string]any
		if err := d.Decode(&r); err == io.EOF {
			return list
		} else if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"id", "flow_id", "ordinal", "capture", "anomalies"} {
			delete(r, name)
		}
		for _, name := range []string{"request", "response"} {
			if m, ok := r[name].(map[string]any); ok {
				delete(m, "packets")
			}
		}
		list = append(list, r)
	}
}

func TestSliceGivesTheSamePairs(t *testing.T) {
	captures := filepath.Join("..", "..", "testdata", "captures")
	for _, tt := range []struct {
		name  string
		every int // so many pairs apart
	}{
		{"web.pcap", 9}, {"web-vxlan.pcap", 29}, {"two-tenants.pcap", 7}, {"lossy.pcap", 8}, {"snap128.pcap", 19}, {"rotated", 8},
		{"two-links.pcapng", 3}, {"any-sll2.pcap", 4}, {"ipv6.pcap", 2}, {"wrk.pcap", 67},
		{"h2-tls.pcapng", 3}, {"tls13.pcapng", 3}, // with keys
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			out := filepath.Join(dir, "out")
			runRecap(t, "extract", "-f", "parquet", "-o", out, filepath.Join(captures, tt.name))
			lines, _ := runRecap(t, "extract", "-f", "jsonl", "-o", "-", filepath.Join(captures, tt.name))
			all := said(t, lines)
			for i, line := range bytes.Split(bytes.TrimSpace(lines), []byte("\n")) {
				if i%tt.every != 0 {
					continue
				}
				var r struct{ ID string }
				if err := json.Unmarshal(line, &r); err != nil {
					t.Fatal(err)
				}
				file := filepath.Join(dir, fmt.Sprintf("%d.pcapng", i))
				runRecap(t, "slice", out, "--pair", r.ID, "--keep-secrets", "-o", file)
				again, _ := runRecap(t, "extract", "-f", "jsonl", "-o", "-", file)
				found := false
				for _, got := range said(t, again) {
					found = found || reflect.DeepEqual(got, all[i])
				}
				if !found {
					t.Errorf("pair %d does not come out of its slice:\n%.600s\nwhich gives\n%.2000s", i, line, again)
				}
			}
		})
	}
}

// Nothing in a QUIC connection tells where its streams stand: all of it comes, and
// nothing of another one, or of TCP, between the same ends.
func TestSliceOfQUIC(t *testing.T) {
	p := newPlan(decap.Options{})
	end := func(ip string, port int32) endRow { return endRow{IP: ip, Port: port} }
	row := &flowRow{FlowID: "f", Protocol: "quic", Client: end("10.0.0.1", 4000), Server: end("10.0.0.2", 443), Capture: captureNumbers{2, 6}}
	if err := p.add(row, []*pairPlace{{ID: "p", State: "complete", FlowID: "f", Capture: captureNumbers{2, 3}}}); err != nil {
		t.Fatal(err)
	}
	list, err := pcaptest.Packets(`10.0.0.1:4000 > 10.0.0.2:443 udp "@before"
		10.0.0.1:4000 > 10.0.0.2:443 udp "@one"
		10.0.0.2:443 > 10.0.0.1:4000 udp "@two"
		10.0.0.1:4001 > 10.0.0.2:443 udp "@another"
		10.0.0.1:4000 > 10.0.0.2:443 "@TCP"
		10.0.0.2:443 > 10.0.0.1:4000 udp "@three"
		10.0.0.2:443 > 10.0.0.1:4000 udp "@behind"`)
	if err != nil {
		t.Fatal(err)
	}
	for i, q := range list {
		p.packet(&packet.Packet{Data: q.Data, Number: int64(i + 1), Length: uint32(len(q.Data)), Link: packet.LinkEthernet})
	}
	if got := p.picks(); !reflect.DeepEqual(got, []picked{{2, 0}, {3, 0}, {6, 0}}) {
		t.Errorf("picked %v, want the packets 2, 3 and 6", got)
	}
}
