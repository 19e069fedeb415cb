package pipeline_test

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"recap/pipeline"
	"recap/pipeline/exchange"
	"recap/reader/sourcetest"
)

// recorded reads a capture of testdata/captures.
func recorded(t *testing.T, name string, workers int) (pairs []*exchange.Pair, messages []*exchange.StreamMessage) {
	t.Helper()
	src := openCapture(t, "../testdata/captures/"+name)
	defer src.Close()
	st, err := pipeline.Run(t.Context(), src, pipeline.Options{HashBodies: true, DecodeBodies: true, Workers: workers},
		func(b *exchange.Batch) error { // never released, so its pairs stay as they are
			pairs = append(pairs, b.Pairs...)
			messages = append(messages, b.Messages...)
			return nil
		})
	if err != nil {
		t.Fatal(err)
	}
	if a, b := st.Ledger.Balance(); a != 0 || b != 0 {
		t.Errorf("ledger is out of balance by %d packets and %d payload bytes: %+v", a, b, st.Ledger)
	}
	return pairs, messages
}

// messageRow writes m the way streams.py does.
func messageRow(m *exchange.StreamMessage) want {
	w := want{
		"port": fmt.Sprint(m.Conn.Client.Port), "kind": m.Kind, "direction": [2]string{"to_server", "to_client"}[m.Dir], "type": m.Type,
		"size": fmt.Sprint(m.Size), "sha256": hex.EncodeToString(m.SHA256[:]), "event_id": m.ID,
	}
	if m.HasRetry {
		w["retry_ms"] = fmt.Sprint(m.RetryMS)
	}
	if m.CloseCode != 0 {
		w["close_code"] = fmt.Sprint(m.CloseCode)
	}
	return w
}

// TestMessagesOfRealSoftware: what the ends of WebSockets, streams of events and gRPC
// received, in order for each direction of a connection.
func TestMessagesOfRealSoftware(t *testing.T) {
	for _, name := range []string{"streams", "grpc"} {
		t.Run(name, func(t *testing.T) {
			_, messages := recorded(t, name+".pcap", 2)
			got, rows := map[string][]want{}, map[string][]want{}
			for _, m := range messages {
				if m.Partial || len(m.Anomalies.Append(nil)) > 0 || int64(len(m.Payload)) != m.Size {
					t.Errorf("port %d: %s: partial %t, %d of %d bytes, anomalies %v", m.Conn.Client.Port, m.Type, m.Partial, len(m.Payload), m.Size, m.Anomalies.Append(nil))
				}
				if m.Type != "ping" && m.Type != "pong" { // of which the ends do not tell
					w := messageRow(m)
					got[w["port"]+w["direction"]] = append(got[w["port"]+w["direction"]], w)
				}
			}
			for _, w := range readWant(t, "../testdata/captures/"+name+".messages.tsv") {
				rows[w["port"]+w["direction"]] = append(rows[w["port"]+w["direction"]], w)
			}
			if len(got) != len(rows) {
				t.Errorf("messages in %d directions, want %d", len(got), len(rows))
			}
			for k, list := range rows {
				if len(got[k]) != len(list) {
					t.Errorf("%s: %d messages, want %d", k, len(got[k]), len(list))
					continue
				}
				for i, w := range list {
					for column, v := range w {
						if got[k][i][column] != v {
							t.Errorf("%s #%d %s: %s is %q, want %q", k, i, w["type"], column, got[k][i][column], v)
						}
					}
				}
			}
		})
	}
}

// TestExchangesOfRealSoftware: HTTP/2 over TLS and gRPC, field by field as tshark reads
// them with the same keys.
func TestExchangesOfRealSoftware(t *testing.T) {
	fields := func(list []exchange.Header) string {
		var s []string
		for _, f := range list {
			s = append(s, f.Name+": "+f.Value)
		}
		return strings.Join(s, " | ")
	}
	for _, name := range []string{"grpc.pcap", "h2-tls.pcapng"} {
		t.Run(name, func(t *testing.T) {
			pairs, _ := recorded(t, name, 2)
			slices.SortFunc(pairs, func(a, b *exchange.Pair) int {
				return cmp.Or(cmp.Compare(a.Conn.Client.Port, b.Conn.Client.Port), cmp.Compare(a.Ordinal, b.Ordinal))
			})
			base, _, _ := strings.Cut(name, ".")
			rows := readWant(t, "../testdata/captures/"+base+".exchanges.tsv")
			if len(pairs) != len(rows) || len(rows) < 6 {
				t.Fatalf("%d pairs, want %d", len(pairs), len(rows))
			}
			for i, w := range rows {
				p := pairs[i]
				got := want{
					"port": fmt.Sprint(p.Conn.Client.Port), "stream": w["stream"], "method": p.Request.Method, "path": p.Request.Target, "status": fmt.Sprint(p.Response.Status),
					"request": fields(p.Request.Headers), "response": fields(p.Response.Headers), "trailers": fields(p.Response.Trailers),
					"request_bytes": fmt.Sprint(p.Request.BodyWireSize), "response_bytes": fmt.Sprint(p.Response.BodyWireSize),
				}
				got["resets"] = "0"
				anomalies := "[]"
				if p.Anomalies.Has(exchange.AnomalyStreamReset) {
					got["resets"], anomalies = "1", "[stream_reset]"
				}
				for column, v := range w {
					if got[column] != v {
						t.Errorf("port %s stream %s: %s is %q, want %q", w["port"], w["stream"], column, got[column], v)
					}
				}
				if p.State != exchange.Complete || fmt.Sprint(p.Anomalies.Append(nil)) != anomalies {
					t.Errorf("port %s stream %s: %s, anomalies %v", w["port"], w["stream"], p.State, p.Anomalies.Append(nil))
				}
			}
		})
	}
}

// TestWebSocketLikeTshark: every frame that tshark shows is in a message, and no more:
// opcodes in order, and bytes as sent.
func TestWebSocketLikeTshark(t *testing.T) {
	sourcetest.Tool(t, "tshark")
	out, err := exec.Command("tshark", "-n", "-r", "../testdata/captures/streams.pcap", "-Y", "websocket", "-T", "json",
		"-J", "tcp websocket", "--no-duplicate-keys").Output()
	if err != nil {
		t.Skipf("tshark: %v", err)
	}
	var packets []struct {
		Source struct {
			Layers struct {
				TCP struct {
					Src string `json:"tcp.srcport"`
					Dst string `json:"tcp.dstport"`
				} `json:"tcp"`
				WebSocket json.RawMessage `json:"websocket"`
			} `json:"layers"`
		} `json:"_source"`
	}
	if err := json.Unmarshal(out, &packets); err != nil {
		t.Fatal(err)
	}
	type layer struct {
		Fin     string `json:"websocket.fin"`
		Opcode  string `json:"websocket.opcode"`
		Length  string `json:"websocket.payload_length"`
		Longer  string `json:"websocket.payload_length_ext_16"`
		Longest string `json:"websocket.payload_length_ext_64"`
	}
	frames := map[string]string{} // by ports of the sender and the receiver
	for _, p := range packets {
		var list []layer
		if raw := bytes.TrimSpace(p.Source.Layers.WebSocket); raw[0] == '[' {
			err = json.Unmarshal(raw, &list)
		} else {
			list = make([]layer, 1)
			err = json.Unmarshal(raw, &list[0])
		}
		if err != nil {
			t.Fatal(err)
		}
		ports := p.Source.Layers.TCP.Src + " " + p.Source.Layers.TCP.Dst
		for _, f := range list {
			n, _ := strconv.Atoi(cmp.Or(f.Longest, f.Longer, f.Length))
			if f.Opcode == "0" { // a message that goes on
				frames[ports] += fmt.Sprintf("+%d ", n)
			} else {
				frames[ports] += fmt.Sprintf("%s:%d ", f.Opcode, n)
			}
		}
	}
	want := map[string]string{}
	for port, text := range frames {
		for _, f := range strings.Fields(text) {
			if f[0] != '+' {
				want[port] += " " + f
				continue
			}
			i := strings.LastIndexByte(want[port], ':') + 1
			a, _ := strconv.Atoi(want[port][i:])
			b, _ := strconv.Atoi(f[1:])
			want[port] = want[port][:i] + fmt.Sprint(a+b)
		}
	}
	got := map[string]string{}
	opcodes := map[string]int{"text": 1, "binary": 2, "close": 8, "ping": 9, "pong": 10}
	_, messages := recorded(t, "streams.pcap", 1)
	for _, m := range messages {
		if m.Kind == "websocket" {
			ports := [2]uint16{m.Conn.Client.Port, m.Conn.Server.Port}
			got[fmt.Sprint(ports[m.Dir], " ", ports[1-m.Dir])] += fmt.Sprintf(" %d:%d", opcodes[m.Type], m.WireSize)
		}
	}
	if len(want) < 3 {
		t.Fatalf("tshark shows frames of %d ports", len(want))
	}
	for port := range want {
		if got[port] != want[port] {
			t.Errorf("of ports %s one sends\n%s\nto tshark\n%s", port, got[port], want[port])
		}
	}
}
