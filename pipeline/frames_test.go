package pipeline_test

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	xhttp2 "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"recap/pipeline"
	"recap/pipeline/exchange"
	"recap/reader"
	"recap/reader/packet"
	"recap/reader/pcaptest"
	"recap/reader/sourcetest"
)

var update = flag.Bool("update", false, "write testdata/captures/h2c.pairs.tsv again")

const h2c = "../testdata/captures/h2c.pcap"

// readAll runs a source and returns its pairs and connections.
func readAll(t *testing.T, src packet.Source) (pairs []*exchange.Pair, flows []*exchange.Flow, st *pipeline.Stats) {
	t.Helper()
	defer src.Close()
	st, err := pipeline.Run(t.Context(), src, pipeline.Options{HashBodies: true, DecodeBodies: true, Workers: 1},
		func(b *exchange.Batch) error { // never released, so its pairs stay as they are
			pairs = append(pairs, b.Pairs...)
			flows = append(flows, b.Flows...)
			return nil
		})
	if err != nil {
		t.Fatal(err)
	}
	if a, b := st.Ledger.Balance(); a != 0 || b != 0 {
		t.Errorf("ledger is out of balance by %d packets and %d payload bytes: %+v", a, b, st.Ledger)
	}
	return pairs, flows, st
}

// without is a source that leaves out the first packets.
type without struct {
	packet.Source
	skip int
}

func (s *without) Next() (*packet.Batch, error) {
	b, err := s.Source.Next()
	if err == nil {
		n := min(s.skip, len(b.Packets))
		b.Packets = b.Packets[n:]
		s.skip -= n
	}
	return b, err
}

func openCapture(t *testing.T, name string) packet.Source {
	t.Helper()
	src, err := reader.Open(t.Context(), []string{name}, reader.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return src
}

// blocks lists the fields of every header block of a message.
func blocks(p *exchange.Pair) (list []string) {
	add := func(l []exchange.Header) {
		if len(l) > 0 {
			var s []string
			for _, f := range l {
				s = append(s, f.Name+"="+f.Value)
			}
			list = append(list, strings.Join(s, "\x00"))
		}
	}
	add(p.Request.Headers)
	add(p.Request.Trailers)
	for _, i := range p.Response.Interim {
		add(i.Headers)
	}
	add(p.Response.Headers)
	add(p.Response.Trailers)
	return list
}

// TestHTTP2OfRealSoftware compares h2c.pcap with the rows beside it, which were
// checked against tshark's reading.
func TestHTTP2OfRealSoftware(t *testing.T) {
	pairs, flows, _ := readAll(t, openCapture(t, h2c))
	for _, f := range flows {
		if f.Pairs == 0 {
			t.Errorf("no pairs from port %d", f.Conn.Client.Port)
		}
	}
	slices.SortFunc(pairs, func(a, b *exchange.Pair) int {
		return cmp.Or(cmp.Compare(a.Conn.Client.Port, b.Conn.Client.Port), cmp.Compare(a.Ordinal, b.Ordinal))
	})
	var got strings.Builder
	fmt.Fprintln(&got, "port\tordinal\tprotocol\tstate\tmethod\ttarget\tstatus\tinterim\trequest_size\tresponse_size\tresponse_sha256\tfields\ttrailers\trequest_packets\tresponse_packets\tanomalies")
	for _, p := range pairs {
		sum := ""
		if p.Response.HasBody {
			sum = hex.EncodeToString(p.Response.BodySHA256[:])
		}
		fmt.Fprintf(&got, "%d\t%d\t%s\t%s\t%s\t%s\t%d\t%d\t%d\t%d\t%s\t%d\t%d\t%s\t%s\t%s\n", p.Conn.Client.Port, p.Ordinal, p.Protocol, p.State, p.Request.Method,
			p.Request.Target, p.Response.Status, len(p.Response.Interim), p.Request.BodySize, p.Response.BodySize, sum,
			len(p.Request.Headers)+len(p.Response.Headers), len(p.Request.Trailers)+len(p.Response.Trailers),
			numbers(p.Request.Packets), numbers(p.Response.Packets), strings.Join(p.Anomalies.Append(nil), ","))
	}
	golden := strings.TrimSuffix(h2c, ".pcap") + ".pairs.tsv"
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("got\n%s\nwant\n%s", &got, want)
	}
}

// TestHTTP2LikeTshark: every header block that tshark shows, field by field.
func TestHTTP2LikeTshark(t *testing.T) {
	sourcetest.Tool(t, "tshark")
	out, err := exec.Command("tshark", "-n", "-r", h2c, "-Y", "http2", "-T", "json", "-J", "http2", "--no-duplicate-keys").Output()
	if err != nil {
		t.Skipf("tshark: %v", err)
	}
	var frames []any
	if err := json.Unmarshal(out, &frames); err != nil {
		t.Fatal(err)
	}
	want := map[string]int{}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, x := range v {
				walk(x)
			}
		case map[string]any:
			list, ok := v["http2.header"].([]any)
			if one, single := v["http2.header"].(map[string]any); single {
				list, ok = []any{one}, true
			}
			if ok {
				var s []string
				for _, x := range list {
					m := x.(map[string]any)
					s = append(s, fmt.Sprintf("%v=%v", m["http2.header.name"], m["http2.header.value"]))
				}
				want[strings.Join(s, "\x00")]++
			}
			for k, x := range v {
				if k != "http2.header" {
					walk(x)
				}
			}
		}
	}
	walk(frames)
	if len(want) < 10 {
		t.Fatalf("tshark shows %d different header blocks", len(want))
	}
	pairs, _, _ := readAll(t, openCapture(t, h2c))
	for _, p := range pairs {
		if p.Protocol != "HTTP/2" {
			continue
		}
		for _, b := range blocks(p) {
			// tshark does not put CONTINUATION together, and has the upgraded request as HTTP/1.
			if want[b]--; want[b] < 0 && !strings.Contains(b, "continuation-test-") && !strings.Contains(strings.ToLower(b), "upgrade=h2c") {
				t.Errorf("tshark does not show %q", b)
			}
		}
	}
	for b, n := range want {
		if n > 0 {
			t.Errorf("only tshark shows %q", b)
		}
	}
}

// TestHTTP2JoinedInTheMiddle leaves out the first packets: what is still said is true.
func TestHTTP2JoinedInTheMiddle(t *testing.T) {
	pairs, _, st := readAll(t, openCapture(t, h2c))
	all := map[string]bool{}
	bodies := map[string]bool{}
	for _, p := range pairs {
		for _, b := range blocks(p) {
			for f := range strings.SplitSeq(b, "\x00") {
				name, value, _ := strings.Cut(f, "=")
				all[f], all[name+"="], all["="+value] = true, true, true
			}
		}
		bodies[string(p.Response.Body)] = true
	}
	known, unknown := 0, 0
	total := int(st.Ledger.PacketsRead)
	for skip := 1; skip < total; skip += 3 {
		pairs, _, _ := readAll(t, &without{openCapture(t, h2c), skip})
		for _, p := range pairs {
			if p.Protocol != "HTTP/2" {
				continue
			}
			for _, b := range blocks(p) {
				for f := range strings.SplitSeq(b, "\x00") {
					name, value, _ := strings.Cut(f, "=")
					if name == "?idx" {
						name, unknown = "", unknown+1
						_, value, _ = strings.Cut(value, "=")
						if strings.HasPrefix(value, "?idx=") {
							continue
						}
					} else {
						known++
					}
					if !all[name+"="+value] {
						t.Errorf("without the first %d packets: %s", skip, f)
					}
				}
			}
			if p.State == exchange.Complete && !bodies[string(p.Response.Body)] {
				t.Errorf("without the first %d packets: body %.80q", skip, p.Response.Body)
			}
		}
	}
	if known == 0 || unknown == 0 {
		t.Errorf("%d fields known, %d unknown", known, unknown)
	}
}

// side writes the frames of one side.
type side struct {
	*xhttp2.Framer
	buf, hb bytes.Buffer
	enc     *hpack.Encoder
}

func newSide() *side {
	s := new(side)
	s.Framer = xhttp2.NewFramer(&s.buf, nil)
	s.enc = hpack.NewEncoder(&s.hb)
	return s
}

func (s *side) headers(id uint32, last bool, fields ...string) *side {
	s.hb.Reset()
	for i := 0; i < len(fields); i += 2 {
		s.enc.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	s.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: id, BlockFragment: s.hb.Bytes(), EndStream: last, EndHeaders: true})
	return s
}

// take returns what was written since, as pcaptest has it.
func (s *side) take() string {
	defer s.buf.Reset()
	return "hex=" + hex.EncodeToString(s.buf.Bytes())
}

func TestHTTP2IsFound(t *testing.T) {
	const up, down = "10.0.0.1:4000 > 10.0.0.2:80 ", "10.0.0.2:80 > 10.0.0.1:4000 "
	const rup = "10.0.0.1:80 > 10.0.0.2:4000 "
	const rdown = "10.0.0.2:4000 > 10.0.0.1:80 "
	preface := "hex=" + hex.EncodeToString([]byte(xhttp2.ClientPreface))
	get := func(s *side, id uint32) string {
		return s.headers(id, true, ":method", "GET", ":scheme", "http", ":path", fmt.Sprint("/", id), ":authority", "x").take()
	}
	ok := func(s *side, id uint32) string {
		s.headers(id, false, ":status", "200", "server", "y")
		s.WriteData(id, true, fmt.Append(nil, "body ", id))
		return s.take()
	}
	settings := func(s *side) string { s.WriteSettings(); return s.take() }
	windows := func(s *side) string {
		s.WriteWindowUpdate(0, 100)
		s.WriteSettingsAck()
		s.WritePing(false, [8]byte{1})
		return s.take()
	}
	for _, tt := range []struct {
		name string
		text func(c, s *side) string
		want string
	}{
		{"by the preface, on any port", func(c, s *side) string {
			return up + "handshake " + preface + "\n" + up + settings(c) + "\n" + down + settings(s) + "\n" + up + get(c, 1) + "\n" + down + ok(s, 1)
		}, `complete GET /1 200 "body 1"`},
		{"by the preface in many segments", func(c, s *side) string {
			return up + "handshake mss=1 " + preface + "\n" + up + settings(c) + "\n" + down + settings(s) + "\n" + up + "mss=2 " + get(c, 1) + "\n" + down + "mss=3 " + ok(s, 1)
		}, `complete GET /1 200 "body 1"`},
		{"when the server speaks first", func(c, s *side) string {
			return down + settings(s) + "\n" + up + preface + " " + settings(c) + "\n" + up + get(c, 1) + "\n" + down + ok(s, 1)
		}, `complete GET /1 200 "body 1" midstream`},
		{"without a handshake, from the preface on", func(c, s *side) string {
			return up + preface + " " + settings(c) + "\n" + down + settings(s) + "\n" + up + get(c, 1) + "\n" + down + ok(s, 1)
		}, `complete GET /1 200 "body 1" midstream`},
		{"in the middle", func(c, s *side) string {
			get(c, 1)
			ok(s, 1)
			return up + windows(c) + "\n" + down + windows(s) + "\n" + up + get(c, 3) + "\n" + down + ok(s, 3)
		}, `partial GET /3 200 "body 3" hpack_unknown midstream`},
		{"in the middle, the client being the side with the lower port", func(c, s *side) string {
			get(c, 1)
			ok(s, 1)
			return rup + windows(c) + "\n" + rdown + windows(s) + "\n" + rup + get(c, 3) + " " + windows(c) + "\n" + rdown + ok(s, 3)
		}, `partial GET /3 200 "body 3" hpack_unknown midstream`},
		{"in the middle, where the server happens to begin with SETTINGS", func(c, s *side) string {
			get(c, 1)
			ok(s, 1)
			return down + settings(s) + "\n" + up + windows(c) + "\n" + up + get(c, 3) + "\n" + down + ok(s, 3) + " " + windows(s)
		}, `partial GET /3 200 "body 3" hpack_unknown midstream`},
		{"in the middle, with only one side captured", func(c, s *side) string {
			ok(s, 1)
			return down + windows(s) + "\n" + down + ok(s, 3) + "\n" + down + ok(s, 5)
		}, `partial   200 "body 3" hpack_unknown midstream one_sided
			partial   200 "body 5" hpack_unknown one_sided`},
		{"behind an upgrade", func(c, s *side) string {
			s.WriteSettings()
			return up + "handshake \"GET /1 HTTP/1.1\\r\\nHost: x\\r\\nConnection: Upgrade, HTTP2-Settings\\r\\nUpgrade: h2c\\r\\nHTTP2-Settings: \\r\\n\\r\\n\"\n" +
				down + "\"HTTP/1.1 101 Switching Protocols\\r\\nConnection: Upgrade\\r\\nUpgrade: h2c\\r\\n\\r\\n\" " + ok(s, 1) + "\n" +
				up + preface + " " + settings(c) + "\n" + up + get(c, 3) + "\n" + down + ok(s, 3) + "\n" + up + "close"
		}, `complete GET /1 101 ""
			complete GET /1 200 "body 1"
			complete GET /3 200 "body 3"`},
		{"behind an upgrade whose 101 is lost", func(c, s *side) string {
			settings(s)
			return up + "handshake \"GET /1 HTTP/1.1\\r\\nHost: x\\r\\nConnection: Upgrade, HTTP2-Settings\\r\\nUpgrade: h2c\\r\\nHTTP2-Settings: \\r\\n\\r\\n\"\n" +
				down + "drop \"HTTP/1.1 101 Switching Protocols\\r\\nConnection: Upgrade\\r\\nUpgrade: h2c\\r\\n\\r\\n\"\n" +
				up + preface + " " + settings(c) + "\n" + up + "@3s " + get(c, 3) + "\n" + down + windows(s) + " " + ok(s, 3) + "\n" + up + "@3s close"
		}, `complete GET /3 200 "body 3" resynchronized
			request_only GET /1 0 ""
			request_only GET /1 0 ""`},
		{"behind a loss at the start", func(c, s *side) string {
			settings(c)
			return up + "handshake drop " + preface + "\n" + up + "drop " + get(c, 1) + "\n" + down + settings(s) + " " + ok(s, 1) + "\n" +
				up + "@3s " + windows(c) + "\n" + up + get(c, 3) + "\n" + down + ok(s, 3) + "\n" + up + "@3s close"
		}, `response_only   200 "body 1" midstream
			partial GET /3 200 "body 3" hpack_unknown`},
		{"not in other protocols that like zeros", func(c, s *side) string {
			zeros := "hex=" + strings.Repeat("00", 2000)
			return up + zeros + "\n" + down + zeros + "\n" + up + "hex=" + strings.Repeat("000004000000", 300) + "\n" + down + "hex=" + strings.Repeat("000000040000000000", 100)
		}, ``},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text := tt.text(newSide(), newSide())
			pairs, _, _ := readAll(t, pcaptest.Source(t, text, 0))
			var got []string
			for _, p := range pairs {
				got = append(got, strings.TrimSpace(fmt.Sprintf("%s %s %s %d %q %s", p.State, p.Request.Method, p.Request.Target, p.Response.Status,
					p.Response.Body, strings.Join(p.Anomalies.Append(nil), " "))))
			}
			var want []string
			for l := range strings.Lines(tt.want) {
				if l = strings.TrimSpace(l); l != "" {
					want = append(want, l)
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("got\n\t%s\nwant\n\t%s\nof\n%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"), text)
			}
		})
	}
}
