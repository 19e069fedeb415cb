package pipeline

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"recap/pipeline/exchange"
	"recap/reader"
	"recap/reader/packet"
	"recap/reader/pcaptest"
)

// found is all that a run gave out.
type found struct {
	pairs []*exchange.Pair
	flows []*exchange.Flow
	stats *Stats
}

// full are the options that make everything there is.
var full = Options{HashBodies: true, DecodeBodies: true, VerifyChecksums: true, Workers: 1}

// extract reads a capture in memory. It fails the test unless the ledger balances.
func extract(t testing.TB, capture []byte, opt Options, slab int) *found {
	t.Helper()
	src, err := reader.Open(t.Context(), []string{"-"}, reader.Options{Stdin: bytes.NewReader(capture), SlabSize: slab})
	if err != nil {
		return &found{stats: &Stats{}} // no capture
	}
	defer src.Close()
	f := &found{}
	f.stats, err = Run(t.Context(), src, opt, func(b *exchange.Batch) error { // not released: the pairs stay as they are
		f.pairs = append(f.pairs, b.Pairs...)
		f.flows = append(f.flows, b.Flows...)
		return nil
	})
	var damage *packet.Error
	if err != nil && !errors.As(err, &damage) {
		t.Fatal(err)
	}
	if p, b := f.stats.Ledger.Balance(); p != 0 || b != 0 {
		t.Fatalf("ledger is out of balance by %d packets and %d bytes: %+v", p, b, f.stats.Ledger)
	}
	for i := 1; i < len(f.pairs); i++ {
		if comparePairs(f.pairs[i-1], f.pairs[i]) >= 0 {
			t.Fatalf("pairs %d and %d are out of order", i-1, i)
		}
	}
	return f
}

func (f *found) String() string {
	var b strings.Builder
	for _, p := range f.pairs {
		fmt.Fprintf(&b, "%s %s %s %d %q %s\n", p.State, p.Request.Method, p.Request.Target, p.Response.Status, p.Response.Body,
			strings.Join(p.Anomalies.Append(nil), " "))
	}
	return b.String()
}

func text(s string) string {
	var b strings.Builder
	for l := range strings.Lines(s) {
		if l = strings.TrimSpace(l); l != "" {
			if !strings.HasSuffix(l, "]") {
				l += " []"
			}
			b.WriteString(strings.TrimSuffix(l[:strings.LastIndex(l, " [")]+" "+l[strings.LastIndex(l, " [")+2:], "]") + "\n")
		}
	}
	return b.String()
}

// equal compares two runs to the last field.
func equal(t *testing.T, what string, a, b *found) {
	t.Helper()
	if len(a.pairs) != len(b.pairs) || len(a.flows) != len(b.flows) {
		t.Fatalf("%s: %d pairs and %d flows, want %d and %d", what, len(b.pairs), len(b.flows), len(a.pairs), len(a.flows))
	}
	for i := range a.pairs {
		a, b := *a.pairs[i], *b.pairs[i]
		a.Scratch, b.Scratch = nil, nil
		if !reflect.DeepEqual(normal(a), normal(b)) {
			t.Fatalf("%s: pair %d is\n%.2000s\nwant\n%.2000s", what, i, fmt.Sprintf("%+v", b), fmt.Sprintf("%+v", a))
		}
	}
	for i := range a.flows {
		if !reflect.DeepEqual(a.flows[i], b.flows[i]) {
			t.Fatalf("%s: flow %d is\n%+v\nwant\n%+v", what, i, b.flows[i], a.flows[i])
		}
	}
	if !reflect.DeepEqual(a.stats, b.stats) {
		t.Fatalf("%s: stats are\n%+v\nwant\n%+v", what, b.stats, a.stats)
	}
}

// normal makes empty and missing lists one.
func normal(p exchange.Pair) exchange.Pair {
	// Which bodies share memory depends on what a worker has seen before.
	p.Request.Shared, p.Response.Shared = false, false
	for _, m := range []*exchange.Message{&p.Request.Message, &p.Response.Message} {
		m.Headers = append([]exchange.Header(nil), m.Headers...)
		m.Trailers = append([]exchange.Header(nil), m.Trailers...)
		m.Head = append([]byte(nil), m.Head...)
		m.Gaps = append([]exchange.Gap(nil), m.Gaps...)
		m.Packets = append([]int64(nil), m.Packets...)
		m.Body = append([]byte(nil), m.Body...)
	}
	p.Response.Interim = append([]exchange.Interim(nil), p.Response.Interim...)
	p.Files = append([]string(nil), p.Files...)
	return p
}

func TestPairsOfCaptures(t *testing.T) {
	const a, b = "10.0.0.1:4000 > 10.0.0.2:80", "10.0.0.2:80 > 10.0.0.1:4000"
	const req = ` "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"`
	const resp = ` "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"`
	for _, tt := range []struct{ name, capture, want string }{
		{"a whole connection", `
			handshake
			` + a + req + `
			` + b + resp + `
			` + a + ` close`, `
			complete GET /a 200 "ok"`},
		{"a connection joined in the middle", a + req + "\n" + b + resp, `
			complete GET /a 200 "ok" [midstream]`},
		{"a request split over segments of one byte", `
			handshake
			` + a + req + ` mss=1
			` + b + resp + ` mss=3 reverse`, `
			complete GET /a 200 "ok"`},
		{"HTTP on an unusual port", `
			handshake
			10.0.0.1:4000 > 10.0.0.2:31337` + req + `
			10.0.0.2:31337 > 10.0.0.1:4000` + resp, `
			complete GET /a 200 "ok"`},
		{"the response is captured before its request", `
			` + a + ` handshake
			` + a + req + ` late=1
			` + b + resp, `
			complete GET /a 200 "ok"`},
		{"one direction only", `
			` + a + req + `
			` + a + req, `
			request_only GET /a 0 "" [midstream one_sided]
			request_only GET /a 0 "" [one_sided]`},
		{"a bad checksum", `
			handshake
			` + a + req + ` badsum
			` + b + resp, `
			complete GET /a 200 "ok" [bad_checksum]`},
		{"a checksum that is left to an offload", `
			handshake
			` + a + req + `
			` + b + resp, `
			complete GET /a 200 "ok"`},
		{"two tenants with the same addresses and ports", `
			default vxlan=7
			handshake
			` + a + req + `
			default vxlan=8
			` + a + ` "GET /b HTTP/1.1\r\n\r\n"
			` + b + ` "HTTP/1.1 404 No\r\nContent-Length: 1\r\n\r\n8"
			default vxlan=7
			` + b + ` "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n7"`, `
			complete GET /b 404 "8"
			complete GET /a 200 "7"`},
		{"the ports are used again", `
			handshake
			` + a + req + `
			` + b + resp + `
			` + a + ` close
			` + a + ` handshake "GET /b HTTP/1.1\r\n\r\n"
			` + b + ` "HTTP/1.1 204 No\r\n\r\n"`, `
			complete GET /a 200 "ok"
			complete GET /b 204 ""`},
		{"a retransmission with other bytes", `
			handshake
			` + a + ` "GET /a HTTP/1.1\r\n"
			` + a + ` seq=-17 "GET /b HTTP/1.1\r\n"
			` + a + ` "Host: x\r\n\r\n"
			` + b + resp, `
			complete GET /a 200 "ok" [overlap_conflict retransmission_differs]`},
		{"HTTP behind a preamble of another protocol", `
			handshake
			` + a + ` "\x05\x01\x00"
			` + b + ` "\x05\x00"
			` + a + req + `
			` + b + resp, `
			complete GET /a 200 "ok"`},
		{"a lost segment in a body", `
			handshake
			` + a + req + `
			` + b + ` "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"
			` + b + ` "def" drop
			` + b + ` "ghi"
			` + a + ` close`, `
			partial GET /a 200 "abcghi" [lost_segment]`},
		{"a packet cut by the snap length", `
			handshake
			` + a + req + `
			` + b + ` "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabcdefghi" cut=95
			` + a + ` close`, `
			partial GET /a 200 "abc" [snaplen_cut]`},
		{"a packet cut by the mirror", `
			handshake
			default vxlan=5
			` + a + req + `
			` + b + ` "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabcdefghi" mirror=95
			` + a + ` close`, `
			partial GET /a 200 "abc" [mirror_truncated]`},
		{"a reset in the middle of a response", `
			handshake
			` + a + req + `
			` + b + ` "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"
			` + b + ` rst`, `
			partial GET /a 200 "abc" [rst]`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			capture := pcaptest.Build(t, tt.capture)
			f := extract(t, capture, full, 0)
			if got, want := f.String(), text(tt.want); strings.ReplaceAll(got, " \n", "\n") != strings.ReplaceAll(want, " \n", "\n") {
				t.Errorf("pairs are\n%swant\n%s", got, want)
			}
		})
	}
}

func TestPortReuseIsNamed(t *testing.T) {
	const a, b = "10.0.0.1:4000 > 10.0.0.2:80", "10.0.0.2:80 > 10.0.0.1:4000"
	f := extract(t, pcaptest.Build(t, a+` handshake "GET /a HTTP/1.1\r\n\r\n"
		`+b+` "HTTP/1.1 204 No\r\n\r\n"
		`+a+` close
		`+a+` handshake "GET /b HTTP/1.1\r\n\r\n"`), full, 0)
	if len(f.flows) != 2 || f.flows[0].CloseReason != "reused" || !f.flows[1].Anomalies.Has(exchange.AnomalyPortReuse) ||
		f.flows[0].Conn.ID == f.flows[1].Conn.ID {
		t.Errorf("flows are %+v", f.flows)
	}
}

// A tap that sees one direction sees of a connection's end and of the next one's
// beginning only its half.
func TestPortReuseSeenFromOneSide(t *testing.T) {
	const a, b = "10.0.0.1:4000 > 10.0.0.2:80", "10.0.0.2:80 > 10.0.0.1:4000"
	for _, tt := range []struct{ name, capture, want string }{
		{"the server's, reset by a client that is not seen", b + ` isn=7 synack
			` + b + ` "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na"
			` + b + ` isn=900000 synack flow=next
			` + b + ` "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nb" flow=next`, `
			response_only   200 "a" [one_sided]
			response_only   200 "b" [one_sided]`},
		{"the client's, closed", a + ` isn=7 syn
			` + a + ` "GET /a HTTP/1.1\r\n\r\n"
			` + a + ` fin ack
			` + a + ` isn=2000 syn flow=next
			` + a + ` "GET /b HTTP/1.1\r\n\r\n" flow=next`, `
			request_only GET /a 0 "" [one_sided]
			request_only GET /b 0 "" [one_sided]`},
		{"the server's, its handshake behind its data", b + ` isn=7 synack late=1
			` + b + ` "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na"`, `
			response_only   200 "a" [midstream one_sided]`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := extract(t, pcaptest.Build(t, tt.capture), full, 0)
			if got, want := f.String(), text(tt.want); strings.ReplaceAll(got, " \n", "\n") != strings.ReplaceAll(want, " \n", "\n") {
				t.Errorf("pairs are\n%swant\n%s", got, want)
			}
		})
	}
}

// What is missing before the protocol is known may have been requests.
func TestNothingIsPairedAcrossAHoleAtTheStart(t *testing.T) {
	const a, b = "10.0.0.1:4000 > 10.0.0.2:80", "10.0.0.2:80 > 10.0.0.1:4000"
	f := extract(t, pcaptest.Build(t, a+` handshake skip=50 "GET /b HTTP/1.1\r\n\r\n"
		`+a+` "GET /c HTTP/1.1\r\n\r\n"
		`+b+` "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na"
		`+b+` "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nb"`), full, 0)
	for _, p := range f.pairs {
		if p.Request.Present && p.Response.Present {
			t.Errorf("%s was paired with %q", p.Request.Target, p.Response.Body)
		}
	}
	if len(f.pairs) != 4 {
		t.Errorf("there are %d pairs:\n%s", len(f.pairs), f)
	}
}

// A head whose second half is missing is a request all the same.
func TestFirstRequestCutByAHole(t *testing.T) {
	const a, b = "10.0.0.1:4000 > 10.0.0.2:80", "10.0.0.2:80 > 10.0.0.1:4000"
	f := extract(t, pcaptest.Build(t, a+` handshake "GET /a/long/target"
		`+a+` drop fill=50
		`+b+` "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na"
		`+a+` close`), full, 0)
	if len(f.pairs) != 1 || f.pairs[0].Request.Target != "/a/long/target" || f.pairs[0].State != exchange.Partial {
		t.Errorf("pairs are\n%s", f)
	}
}

func TestOtherProtocolsAreCounted(t *testing.T) {
	f := extract(t, pcaptest.Build(t, `
		handshake
		10.0.0.1:1 > 10.0.0.2:22 "SSH-2.0-x\r\n"
		10.0.0.1:2 > 10.0.0.2:443 hex=16030100050100000100
		10.0.0.1:3 > 10.0.0.2:80 close
		10.0.0.1:4 > 10.0.0.2:80 "\x00\x01\x02"
		10.0.0.1:5 > 10.0.0.2:53 udp "x"
	`), full, 0)
	if got, want := fmt.Sprint(f.stats.Protocols), "map[none:1 ssh:1 tls:1 unknown:1]"; got != want {
		t.Errorf("protocols are %s, want %s", got, want)
	}
	l := f.stats.Ledger
	if l.Packets[exchange.PacketUDP] != 1 || l.Packets[exchange.PacketTLSOpaque] != 4 || l.Payload[exchange.BytesOther] != 14 || l.Payload[exchange.BytesTLS] != 10 {
		t.Errorf("ledger is %+v", l)
	}
}

// busy is a capture of many connections that do all sorts of things at once.
func busy(t testing.TB, conns int, seed uint64) []byte {
	t.Helper()
	rnd := rand.New(rand.NewPCG(seed, 1))
	var lines []string
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	type state struct{ left int }
	open := make([]state, conns)
	for i := range open {
		open[i].left = 1 + rnd.IntN(6)
	}
	add("handshake")
	add("step 300us")
	for live := conns; live > 0; {
		i := rnd.IntN(conns)
		if open[i].left == 0 {
			continue
		}
		tunnel := ""
		if i%5 == 0 {
			tunnel = fmt.Sprintf(" vxlan=%d", 7+i%2)
		}
		client, server := fmt.Sprintf("10.0.%d.1:%d", i%3, 4000+i/2), fmt.Sprintf("10.9.0.%d:80", i%4)
		extra := []string{"", " dup", " late=2", " drop", " cut=90", " mss=20", " mss=10 reverse", " badsum"}[max(0, rnd.IntN(30)-22)]
		body := strings.Repeat(fmt.Sprintf("body of %d ", i), rnd.IntN(300))
		switch rnd.IntN(8) {
		case 0:
			add("%s > %s%s%s `POST /p%d HTTP/1.1` \"\\r\\nContent-Length: %d\\r\\n\\r\\n\" %q mss=500", client, server, tunnel, extra, i, len(body), body)
		case 1:
			add("%s > %s%s%s \"\\x01\\x02\\x03 junk\\r\\n\"", client, server, tunnel, extra)
		default:
			add("%s > %s%s%s \"GET /g%d?n=%d HTTP/1.1\\r\\nHost: h\\r\\n\\r\\n\"", client, server, tunnel, extra, i, open[i].left)
		}
		switch rnd.IntN(8) {
		case 0: // no answer
		case 1:
			add("%s > %s%s \"HTTP/1.1 200 OK\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n%x\\r\\n\" %q \"\\r\\n0\\r\\n\\r\\n\" mss=700", server, client, tunnel, len(body)+1, body+"x")
		default:
			add("%s > %s%s%s \"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n\" %q mss=1400", server, client, tunnel, extra, len(body), body)
		}
		if open[i].left--; open[i].left == 0 {
			live--
			switch rnd.IntN(4) {
			case 0:
				add("%s > %s%s rst", client, server, tunnel)
			case 1, 2:
				add("%s > %s%s close", client, server, tunnel)
			}
		}
	}
	return pcaptest.Build(t, strings.Join(lines, "\n"))
}

// small are options under which connections are evicted.
func small() Options {
	o := full
	o.Mem = 1 << 20
	return o
}

// TestTheResultDoesNotDependOnWorkersOrBatches is the promise that the same capture
// gives the same bytes.
func TestTheResultDoesNotDependOnWorkersOrBatches(t *testing.T) {
	captures := map[string][]byte{"busy": busy(t, 60, 1), "busier": busy(t, 300, 2)}
	for _, name := range []string{"lossy.pcap", "web-vxlan.pcap", "two-tenants.pcap", "snap128.pcap", "wrk.pcap", "two-links.pcapng", "cut.pcap"} {
		b, err := os.ReadFile(filepath.Join("../testdata/captures", name))
		if err != nil {
			t.Fatal(err)
		}
		captures[name] = b
	}
	for name, capture := range captures {
		for kind, opt := range map[string]Options{"default": full, "small memory": small()} {
			t.Run(name+", "+kind, func(t *testing.T) {
				want := extract(t, capture, opt, 0)
				if len(want.pairs) == 0 {
					t.Fatal("no pairs")
				}
				for _, workers := range []int{1, 2, 3, 8} {
					for _, slab := range []int{0, 2 << 10, 64 << 10} {
						o := opt
						o.Workers = workers
						equal(t, fmt.Sprintf("%d workers, slabs of %d", workers, slab), want, extract(t, capture, o, slab))
					}
				}
			})
		}
	}
}

func TestOutFails(t *testing.T) {
	src, err := reader.Open(t.Context(), []string{"../testdata/captures/web.pcap"}, reader.Options{SlabSize: 4 << 10})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	broken := errors.New("disk full")
	calls := 0
	_, err = Run(t.Context(), src, full, func(b *exchange.Batch) error { calls++; b.Release(); return broken })
	if !errors.Is(err, broken) || calls != 1 {
		t.Errorf("Run = %v after %d calls", err, calls)
	}
}

func TestCancel(t *testing.T) {
	src, err := reader.Open(t.Context(), []string{"../testdata/captures/web.pcap"}, reader.Options{SlabSize: 4 << 10})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	ctx, cancel := context.WithCancel(t.Context())
	opt := full
	opt.Prompt = true
	st, err := Run(ctx, src, opt, func(b *exchange.Batch) error { cancel(); b.Release(); return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Run = %v", err)
	}
	if p, b := st.Ledger.Balance(); p != 0 || b != 0 {
		t.Errorf("ledger is out of balance by %d packets and %d bytes", p, b)
	}
}

// Who reads as it comes (Prompt) gets a pair with the packets that complete it, also one
// that goes on, and also in a tunnel: no other tap is waited for.
func TestPromptPairsWaitForNobody(t *testing.T) {
	capture := "default vxlan=7\nhandshake\n" +
		`10.0.0.1:4000 > 10.0.0.2:80 "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"` + "\n" +
		`10.0.0.2:80 > 10.0.0.1:4000 "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"` + "\n"
	for i := range 40 {
		capture += fmt.Sprintf("10.0.0.9:%d > 10.0.0.2:80 \"GET /%d HTTP/1.1\\r\\n\\r\\n\"\n10.0.0.2:80 > 10.0.0.9:%d \"HTTP/1.1 204 No Content\\r\\n\\r\\n\"\n", 5000+i, i, 5000+i)
	}
	src, err := reader.Open(t.Context(), []string{"-"}, reader.Options{Stdin: bytes.NewReader(pcaptest.Build(t, capture)), SlabSize: 1 << 10})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	opt := full
	opt.Prompt = true
	batches, at := 0, 0
	if _, err := Run(t.Context(), src, opt, func(b *exchange.Batch) error {
		defer b.Release()
		batches++
		for i := range b.Pairs {
			if b.Pairs[i].Request.Target == "/ws" {
				at = batches
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if at == 0 || at > batches/2 {
		t.Errorf("the pair came with batch %d of %d, want it with one of the first", at, batches)
	}
}

// FuzzPipeline: any file. The ledger balances, and eight workers with small memory
// find what one does.
func FuzzPipeline(f *testing.F) {
	f.Add(pcaptest.Build(f, "handshake\n10.0.0.1:4000 > 10.0.0.2:80 \"GET /a HTTP/1.1\\r\\n\\r\\n\"\n10.0.0.2:80 > 10.0.0.1:4000 \"HTTP/1.1 200 OK\\r\\n\\r\\nx\" close"))
	f.Add(pcaptest.Build(f, "10.0.0.1:4000 > 10.0.0.2:80 vxlan=7 fill=100 mss=10 reverse drop=3\n10.0.0.1:4000 > 10.0.0.2:80 frag=16 fill=60", pcaptest.Pcapng()))
	f.Add(busy(f, 3, 5))
	f.Fuzz(func(t *testing.T, capture []byte) {
		opt := full
		opt.Mem = 1 << 20
		one := extract(t, capture, opt, 0)
		opt.Workers = 8
		equal(t, "eight workers", one, extract(t, capture, opt, 1<<10))
	})
}
