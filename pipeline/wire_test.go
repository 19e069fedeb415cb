package pipeline_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"recap/pipeline"
	"recap/pipeline/exchange"
	"recap/reader"
	"recap/reader/packet"
	"recap/reader/sourcetest"
	"recap/replay"
	"recap/replay/file"
	"recap/replay/targettest"
	"recap/replay/wire"
)

// captureNames are those that hold HTTP.
func captureNames(t *testing.T) (names []string) {
	for _, pattern := range []string{"*.pcap", "*.pcapng"} {
		l, err := filepath.Glob("../testdata/captures/" + pattern)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, l...)
	}
	return names
}

// allPairs are those of all captures.
func allPairs(t *testing.T) (pairs []*exchange.Pair) {
	for _, name := range captureNames(t) {
		l, _ := readPairs(t, open(t, name))
		pairs = append(pairs, l...)
	}
	return pairs
}

func open(t *testing.T, name string) packet.Source {
	t.Helper()
	src, err := reader.Open(t.Context(), []string{name}, reader.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { src.Close() })
	return src
}

// readPairs runs the pipeline; the pairs stay as they are, because nothing is released.
func readPairs(t *testing.T, src packet.Source) (pairs []*exchange.Pair, s *pipeline.Stats) {
	t.Helper()
	s, err := pipeline.Run(t.Context(), src, pipeline.Options{HashBodies: true, DecodeBodies: true, Workers: 2}, func(b *exchange.Batch) error {
		pairs = append(pairs, b.Pairs...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return pairs, s
}

// schedule numbers pairs by the time of their request, for a number of loops.
func schedule(pairs []*exchange.Pair, loops int) (events []replay.Event) {
	start := func(p *exchange.Pair) int64 {
		if p.Request.Present {
			return p.Request.TimeNS
		}
		return p.Response.TimeNS
	}
	pairs = slices.Clone(pairs)
	slices.SortStableFunc(pairs, func(a, b *exchange.Pair) int { return cmp.Compare(start(a), start(b)) })
	if len(pairs) == 0 {
		return nil
	}
	first, last := start(pairs[0]), start(pairs[len(pairs)-1])
	for loop := range loops {
		for _, p := range pairs {
			at := time.Duration(start(p)-first) + time.Duration(loop)*time.Duration(last-first+int64(time.Millisecond))
			events = append(events, replay.Event{Pair: p, Seq: uint64(len(events)), Loop: uint32(loop), At: at})
		}
	}
	return events
}

// replayTo sends events to a target in batches of several sizes.
func replayTo(t *testing.T, target replay.Target, events []replay.Event) {
	t.Helper()
	for n := 1; len(events) > 0; n = n*3%17 + 1 {
		n := min(n, len(events))
		if err := target.Send(context.Background(), events[:n]); err != nil {
			t.Fatal(err)
		}
		events = events[n:]
	}
	if err := target.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// replayFile writes a capture of the events.
func replayFile(t *testing.T, events []replay.Event, o wire.Options) (string, *targettest.Env) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "replay.pcap")
	env := new(targettest.Env)
	target, err := file.Open(t.Context(), &url.URL{Scheme: "file", Path: name}, file.Options{Options: o}, env)
	if err != nil {
		t.Fatal(err)
	}
	replayTo(t, target, events)
	if err := env.Balance(len(events)); err != nil {
		t.Fatal(err)
	}
	return name, env
}

// What was read from a capture, sent again, and read again is the same.
func TestPairsComeBackFromTheWire(t *testing.T) {
	for _, name := range captureNames(t) {
		t.Run(filepath.Base(name), func(t *testing.T) {
			pairs, _ := readPairs(t, open(t, name))
			events := schedule(pairs, 3)
			replayed, env := replayFile(t, events, wire.Options{})
			got, stats := readPairs(t, open(t, replayed))
			if a, b := stats.Ledger.Balance(); a != 0 || b != 0 || stats.Incomplete {
				t.Errorf("ledger is out of balance by %d, %d; incomplete because of %v", a, b, stats.Reasons)
			}
			compareReplayed(t, events, env.SentOrder(), got)
			for seq, f := range env.Failures() {
				p := events[seq].Pair
				if p.State == exchange.Complete && !errors.Is(f[0].Err, wire.ErrUpgrade) {
					t.Errorf("%s %s was not sent: %v %v", p.Request.Method, p.Request.Target, f, p.Anomalies.Append(nil))
				}
			}
		})
	}
}

// A joinEnv notes which events share a request.
type joinEnv struct {
	targettest.Env
	joined map[uint64]uint64
}

func (e *joinEnv) Joined(response, request uint64) { e.joined[response] = request }

// With upgrades, both halves of each come back: the 101, and the response of stream 1 to
// the same request.
func TestUpgradesComeBackFromTheWire(t *testing.T) {
	pairs, _ := readPairs(t, open(t, filepath.Join("..", "testdata", "captures", "h2c.pcap")))
	for _, decoded := range []bool{false, true} {
		events := schedule(pairs, 2)
		env := &joinEnv{joined: map[uint64]uint64{}}
		name := filepath.Join(t.TempDir(), "replay.pcap")
		target, err := file.Open(t.Context(), &url.URL{Scheme: "file", Path: name},
			file.Options{Options: wire.Options{Upgrade: true, Decoded: decoded, Timestamps: decoded}}, env)
		if err != nil {
			t.Fatal(err)
		}
		replayTo(t, target, events)
		if got := len(env.SentOrder()); got != len(events) || len(env.joined) != 4 {
			t.Fatalf("sent %d of %d events, %d of them joined, want 4", got, len(events), len(env.joined))
		}
		got, _ := readPairs(t, open(t, name))
		back := map[uint64]bool{}
		for _, g := range got {
			q, qErr := replay.ParseMarker(replay.FindMarker(g.Request.Headers))
			s, sErr := replay.ParseMarker(replay.FindMarker(g.Response.Headers))
			if qErr != nil || sErr != nil {
				t.Fatalf("markers of %s: %v, %v", g.Request.Target, qErr, sErr)
			}
			want := s.Seq
			if of, ok := env.joined[s.Seq]; ok {
				want = of
			}
			if q.Seq != want || back[s.Seq] {
				t.Errorf("the response of #%d came to #%d, want #%d; before: %t", s.Seq, q.Seq, want, back[s.Seq])
			}
			back[s.Seq] = true
			p := events[s.Seq].Pair
			if g.Response.Status != p.Response.Status || string(g.Response.Body) != string(p.Response.Body) ||
				string(g.Request.Body) != string(p.Request.Body) || g.Request.Target != p.Request.Target {
				t.Errorf("#%d came back as %d with %d bytes, want %d with %d", s.Seq, g.Response.Status, len(g.Response.Body), p.Response.Status, len(p.Response.Body))
			}
		}
		if len(back) != len(events) {
			t.Errorf("%d of %d pairs came back", len(back), len(events))
		}
	}
}

// The keep-alives of long pauses take nothing away.
func TestSlowPairsComeBackFromTheWire(t *testing.T) {
	events := schedule(slow(t), 2)
	name, env := replayFile(t, events, wire.Options{})
	got, _ := readPairs(t, open(t, name))
	compareReplayed(t, events, env.SentOrder(), got)
	if len(got) != len(events) {
		t.Errorf("%d pairs came back, want %d", len(got), len(events))
	}
}

// compareReplayed compares pairs that came back with those that were sent.
func compareReplayed(t *testing.T, events []replay.Event, sent []uint64, got []*exchange.Pair) {
	t.Helper()
	back := make(map[uint64]*exchange.Pair)
	for _, g := range got {
		q, err := replay.ParseMarker(replay.FindMarker(g.Request.Headers))
		if err != nil {
			t.Errorf("%s %s came back without a marker: %v", g.Request.Method, g.Request.Target, err)
			continue
		}
		if r, err := replay.ParseMarker(replay.FindMarker(g.Response.Headers)); err != nil || r.Seq != q.Seq {
			t.Errorf("%s %s #%d is mispaired: its response is #%d, %v", g.Request.Method, g.Request.Target, q.Seq, r.Seq, err)
		}
		if back[q.Seq] != nil {
			t.Errorf("#%d came back twice", q.Seq)
		}
		back[q.Seq] = g
	}
	for _, seq := range sent {
		if back[seq] == nil {
			t.Errorf("#%d %s %s is lost", seq, events[seq].Pair.Request.Method, events[seq].Pair.Request.Target)
			continue
		}
		if d := difference(events[seq].Pair, back[seq]); d != "" {
			t.Errorf("#%d %s %s: %s", seq, events[seq].Pair.Request.Method, events[seq].Pair.Request.Target, d)
		}
	}
	if len(got) != len(sent) {
		t.Errorf("%d pairs came back, %d were sent", len(got), len(sent))
	}
}

// difference tells what of w is otherwise in g.
func difference(w, g *exchange.Pair) string {
	host := !strings.HasPrefix(w.Request.Version, "HTTP/2")
	switch {
	case g.State != exchange.Complete:
		return fmt.Sprintf("it is %s: %v", g.State, g.Anomalies.Append(nil))
	case g.Request.Method != w.Request.Method || g.Request.Target != w.Request.Target:
		return "another request: " + g.Request.Method + " " + g.Request.Target
	case g.Response.Status != w.Response.Status:
		return fmt.Sprintf("status %d, want %d", g.Response.Status, w.Response.Status)
	case !bytes.Equal(g.Request.Body, w.Request.Body):
		return fmt.Sprintf("request body of %d bytes, want %d", len(g.Request.Body), len(w.Request.Body))
	case !bytes.Equal(g.Response.Body, w.Response.Body):
		return fmt.Sprintf("response body of %d bytes, want %d", len(g.Response.Body), len(w.Response.Body))
	case fields(&g.Request.Message, host) != fields(&w.Request.Message, host):
		return "request fields\n" + fields(&g.Request.Message, host) + "want\n" + fields(&w.Request.Message, host)
	case fields(&g.Response.Message, host) != fields(&w.Response.Message, host):
		return "response fields\n" + fields(&g.Response.Message, host) + "want\n" + fields(&w.Response.Message, host)
	case trailers(g) != trailers(w):
		return "trailers " + trailers(g) + ", want " + trailers(w)
	}
	return ""
}

// fields lists what must come back as it was: all but the framing of the body, and
// Host, which HTTP/2 has in another place, where it is not asked for.
func fields(m *exchange.Message, host bool) string {
	var b strings.Builder
	for _, h := range m.Headers {
		switch strings.ToLower(h.Name) {
		case "content-length", "transfer-encoding", "content-encoding", "x-replay-id", ":authority":
			continue
		case "host":
			if !host {
				continue
			}
		}
		if strings.HasPrefix(h.Name, ":") {
			continue
		}
		fmt.Fprintf(&b, "%s: %s\n", h.Name, h.Value)
	}
	return b.String()
}

func trailers(p *exchange.Pair) string { return fmt.Sprint(p.Request.Trailers, p.Response.Trailers) }

// tshark finds nothing to complain about in what is written, and the same pairs.
func TestTsharkAgreesWithTheWire(t *testing.T) {
	sourcetest.Tool(t, "tshark")
	pairs := allPairs(t)
	file, env := replayFile(t, schedule(pairs, 2), wire.Options{})
	out, err := exec.Command("tshark", "-r", file, "-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE", "-q", "-z", "expert,note").Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	closings := 0
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		switch {
		case len(f) < 4 || f[0] == "Frequency" || strings.HasPrefix(line, "="):
		case strings.Contains(line, "the connection closing"):
			closings++
		case f[2] != "TCP" && f[2] != "IPv4" && f[2] != "IPv6" && f[2] != "Ethernet" && f[1] != "Malformed":
			// About what stands in the messages, which is the capture's.
		default:
			t.Errorf("tshark says: %s", strings.TrimSpace(line))
		}
	}
	if closings != 2 {
		t.Errorf("tshark speaks %d times of closing, want 2; it says\n%s", closings, out)
	}
	responses, err := exec.Command("tshark", "-r", file, "-Y", "http.response", "-T", "fields", "-e", "http.response.code").Output()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(responses)) {
		n += len(strings.Split(strings.TrimSpace(line), ","))
	}
	if want := len(env.SentOrder()); n != want {
		t.Errorf("tshark finds %d responses, %d were sent", n, want)
	}
}
