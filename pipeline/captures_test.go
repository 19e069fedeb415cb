package pipeline_test

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"recap/pipeline"
	"recap/pipeline/exchange"
	"recap/reader"
)

// want is one row of a *.want.tsv; testdata/captures/README.md explains the columns.
type want map[string]string

func readWant(t *testing.T, name string) []want {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	sc := bufio.NewScanner(f)
	var head []string
	var rows []want
	for sc.Scan() {
		cells := strings.Split(sc.Text(), "\t")
		if head == nil {
			head = cells
			continue
		}
		w := want{}
		for i, c := range cells {
			w[head[i]] = c
		}
		rows = append(rows, w)
	}
	return rows
}

// flow names the connection of a row well enough within one capture.
func (w want) flow() string { return w["tunnel"] + " " + w["client"] + " " + w["server"] }

func tunnelName(c *exchange.Conn) string {
	var names []string
	for _, t := range c.Tunnels {
		names = append(names, fmt.Sprintf("%s:%d", t.Type, t.ID))
	}
	return strings.Join(names, ",")
}

func pairFlow(p *exchange.Pair) string {
	end := func(e exchange.Endpoint) string { return netip.AddrPortFrom(e.IP, e.Port).String() }
	return tunnelName(p.Conn) + " " + end(p.Conn.Client) + " " + end(p.Conn.Server)
}

// row writes p the way expect.py does.
func row(p *exchange.Pair) want {
	size := func(m *exchange.Message, whole bool) (string, string) {
		if !m.Present || !whole || !bytes.HasSuffix(m.Head, []byte("\r\n\r\n")) {
			return "", ""
		}
		if m.BodySize == 0 {
			return "0", ""
		}
		return strconv.FormatInt(m.BodySize, 10), hex.EncodeToString(m.BodySHA256[:])
	}
	w := want{"method": p.Request.Method, "target": p.Request.Target, "state": p.State.String()}
	if p.Response.Present && p.Response.Status != 0 {
		w["status"] = strconv.Itoa(int(p.Response.Status))
	}
	req, resp := &p.Request.Message, &p.Response.Message
	w["request_size"], w["request_sha256"] = size(req, !req.HasBody || req.Hashed)
	w["response_size"], w["response_sha256"] = size(resp, !resp.HasBody || resp.Hashed)
	w["request_packets"], w["response_packets"] = numbers(req.Packets), numbers(resp.Packets)
	return w
}

func numbers(l []int64) string {
	switch {
	case len(l) == 0:
		return ""
	case l[0] == l[len(l)-1]:
		return strconv.FormatInt(l[0], 10)
	}
	return fmt.Sprintf("%d-%d", l[0], l[len(l)-1])
}

// disputed are cells in which we read the capture otherwise than expect.py does, which
// knows from the uncut capture where every message lies.
var disputed = map[string]string{
	"lossy 10.9.0.1:21001 5 status":   "the status line is not in the capture",
	"lossy 10.9.0.1:21005 0 state":    "what is left of the request holds no line that could be told from anything else",
	"lossy 10.9.0.1:21010 0 state":    "the same",
	"snap128 10.9.0.1:21020 5 method": "the request begins in the middle of a segment, with no line end before it",
	"snap128 10.9.0.1:21020 5 target": "the same",
}

// cutShort reports whether got differs from want only in that it ends earlier: of a
// message that is cut in its head we name the packets up to the cut.
func cutShort(w want, column, got string) bool {
	if w["state"] != "partial" || !strings.HasSuffix(column, "_packets") {
		return false
	}
	first, _, _ := strings.Cut(w[column], "-")
	return got == "" || got == first
}

func TestCapturesOfRealSoftware(t *testing.T) {
	files, err := filepath.Glob("../testdata/captures/*.want.tsv")
	if err != nil || len(files) == 0 {
		t.Fatalf("no captures: %v", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".want.tsv")
		t.Run(name, func(t *testing.T) {
			base := strings.TrimSuffix(file, ".want.tsv")
			in := base
			for _, ext := range []string{".pcap", ".pcapng"} {
				if _, err := os.Stat(base + ext); err == nil {
					in = base + ext
				}
			}
			src, err := reader.Open(t.Context(), []string{in}, reader.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer src.Close()
			got := map[string][]*exchange.Pair{}
			st, err := pipeline.Run(t.Context(), src, pipeline.Options{HashBodies: true, DecodeBodies: true, Workers: 2},
				func(b *exchange.Batch) error { // never released, so its pairs stay as they are
					for _, p := range b.Pairs {
						got[pairFlow(p)] = append(got[pairFlow(p)], p)
					}
					return nil
				})
			if err != nil {
				t.Fatal(err)
			}
			if a, b := st.Ledger.Balance(); a != 0 || b != 0 {
				t.Errorf("ledger is out of balance by %d packets and %d payload bytes", a, b)
			}
			rows := map[string][]want{}
			for _, w := range readWant(t, file) {
				rows[w.flow()] = append(rows[w.flow()], w)
			}
			for flow := range got {
				if rows[flow] == nil {
					t.Errorf("%s: %d pairs, want none", flow, len(got[flow]))
				}
			}
			for flow, list := range rows {
				comparePairs(t, name, flow, got[flow], list)
			}
		})
	}
}

func comparePairs(t *testing.T, name, flow string, pairs []*exchange.Pair, rows []want) {
	slices.SortFunc(pairs, func(a, b *exchange.Pair) int { return cmp.Compare(a.Ordinal, b.Ordinal) })
	for i, w := range rows {
		if i >= len(pairs) {
			t.Errorf("%s #%s: no pair for %s %s %s (%s)", flow, w["ordinal"], w["method"], w["target"], w["status"], w["note"])
			continue
		}
		g := row(pairs[i])
		for _, k := range []string{"method", "target", "status", "state", "request_size", "response_size",
			"request_sha256", "response_sha256", "request_packets", "response_packets"} {
			if g[k] == w[k] || cutShort(w, k, g[k]) {
				continue
			}
			if _, ok := disputed[name+" "+w["client"]+" "+w["ordinal"]+" "+k]; !ok {
				t.Errorf("%s #%d %s %s: %s is %q, want %q (%s) %v", flow, i, w["method"], w["target"], k, g[k], w[k], w["note"],
					pairs[i].Anomalies.Append(nil))
			}
		}
	}
	for _, p := range pairs[min(len(pairs), len(rows)):] {
		t.Errorf("%s #%d: pair too many: %s %s %d", flow, p.Ordinal, p.Request.Method, p.Request.Target, p.Response.Status)
	}
}
