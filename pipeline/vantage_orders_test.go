package pipeline

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"recap/pipeline/exchange"
	"recap/reader/pcaptest"
)

// Whatever keeps the taps apart, and however much later the second shows a conversation
// that may be over by then, its pair comes once, with the other as its vantage.
func TestTapsInAnyOrder(t *testing.T) {
	const client, server = "10.0.0.1:4000 > 10.0.0.2:80 ", "10.0.0.2:80 > 10.0.0.1:4000 "
	lines := []string{
		client + "syn", server + "synack", client + "ack",
		client + `"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"`, server + `"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst"`,
		client + `"GET /b HTTP/1.1\r\nHost: x\r\n\r\n"`, server + `"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond"`,
		client + "fin ack", server + "fin ack", client + "ack",
	}
	places := []string{"", "vlan=3", "vxlan=1", "vxlan=2", "geneve=4", "erspan=5", "erspan3=6", "gretap=7", "gre=8"}
	for i, first := range places {
		for k, second := range places {
			if i == k || strings.Contains(first, "erspan") && strings.Contains(second, "erspan") {
				continue
			}
			for _, delay := range []float64{0.00002, 0.001, 0.3, 1.9} {
				name := fmt.Sprintf("%q, then %q %gs later", first, second, delay)
				d := &damaged{r: rand.New(rand.NewPCG(1, 1))}
				for n, l := range lines {
					for tap, words := range []string{first, second} {
						at := float64(n)*0.0004 + float64(tap)*delay
						d.add(at, fmt.Sprintf("%s %s ipid=%d flow=tap%d at=%.6f", l, words, n+1, tap, 1.7e9+at))
					}
				}
				f := extract(t, pcaptest.Build(t, d.String()), full, 0)
				if len(f.pairs) != 2 || len(f.flows) != 1 {
					t.Errorf("%s: %d pairs, %d connections\n%s", name, len(f.pairs), len(f.flows), f)
					continue
				}
				together := !strings.Contains(first+second, "=") || k < 2 && i < 2 // one connection to TCP, which knows near copies only
				for _, p := range f.pairs {
					if together && delay > 0.001 {
						continue
					}
					if len(p.Vantages) != 1 || max(p.Vantages[0].DelayNS, -p.Vantages[0].DelayNS)-int64(delay*1e9) > 1000 {
						t.Errorf("%s: vantages are %+v", name, p.Vantages)
					} else if v := p.Vantages[0]; (v.DelayNS > 0) != (len(p.Conn.Tunnels) == strings.Count(first, "=")-strings.Count(first, "vlan")) &&
						len(p.Conn.Tunnels) != len(v.Tunnels) {
						t.Errorf("%s: the pair of %+v has a delay of %d ns", name, p.Conn.Tunnels, v.DelayNS)
					}
				}
			}
		}
	}
}

// add adds a line in the words of pcaptest.
func (d *damaged) add(at float64, text string) {
	d.lines = append(d.lines, struct {
		at   float64
		text string
	}{at, text})
}

// recut adds payload as several taps show it: each has cut it in its own way, and lacks some
// of its segments. It tells d.both where a byte is missing at all.
func (d *damaged) recut(from, to, payload string, sizes []int, offset *int) {
	seen := make([]bool, len(payload))
	for tap, size := range sizes {
		for at := 0; at < len(payload); {
			n := min(1+d.r.IntN(size), len(payload)-at)
			time := d.clock + float64(at)*1e-7 + float64(tap)*d.delay
			line := fmt.Sprintf("%s > %s %q ipid=%d vxlan=%d flow=tap%d at=%.7f", from, to, payload[at:at+n], (*offset+at)%65535+1, 7+tap, tap, 1.7e9+time)
			if d.r.Float64() < d.loss {
				line += " drop"
			} else {
				for i := at; i < at+n; i++ {
					seen[i] = true
				}
			}
			d.add(time, line)
			at += n
		}
	}
	for _, s := range seen {
		d.both = d.both || !s
	}
	*offset += len(payload)
	d.clock += 0.0004
}

// Bytes that any tap saw are in the message, also where segments begin at other places at
// each: a network card puts them together at one, and they are cut at another.
func TestTapsThatCutDifferently(t *testing.T) {
	const client, server = "10.0.0.1:4000", "10.0.0.2:80"
	whole := 0
	for _, sizes := range [][]int{{100, 100}, {400, 60}, {5, 9}, {30, 200, 17}} {
		for seed := range uint64(40) {
			d := &damaged{r: rand.New(rand.NewPCG(seed, 2)), loss: 0.08, delay: 0.0003}
			for n, l := range []string{client + " > " + server + " syn", server + " > " + client + " synack", client + " > " + server + " ack"} {
				for tap := range sizes {
					at := float64(n)*1e-5 + float64(tap)*d.delay
					d.add(at, fmt.Sprintf("%s ipid=%d vxlan=%d flow=tap%d at=%.7f", l, n+1, 7+tap, tap, 1.7e9+at))
				}
			}
			d.clock = 0.001
			offsets := [2]int{}
			for n := range 4 {
				body := strings.Repeat(fmt.Sprintf("%d, ", n*7919), 20+d.r.IntN(200))
				d.recut(client, server, fmt.Sprintf("GET /%d HTTP/1.1\r\nHost: x\r\n\r\n", n+1), sizes, &offsets[0])
				d.recut(server, client, fmt.Sprintf("HTTP/1.1 200 OK\r\nServer: %d\r\nContent-Length: %d\r\n\r\n%s", n+1, len(body), body), sizes, &offsets[1])
			}
			if d.both {
				continue
			}
			whole++
			checkOnce(t, seed, extract(t, pcaptest.Build(t, d.String()), full, 0), 4, false)
		}
	}
	if whole < 20 {
		t.Errorf("%d captures only in which every byte was seen by some tap", whole)
	}
}

// One tap shows the requests of a tenant, another the responses of one with the same
// addresses and numbers: they are no pairs, for other taps show both whole.
func TestHalvesOfTwoTenantsAreNotJoined(t *testing.T) {
	const client, server = "10.0.0.1:4000 > 10.0.0.2:80 ", "10.0.0.2:80 > 10.0.0.1:4000 "
	views := []struct{ tenant, vni, sides int }{{1, 11, 3}, {2, 21, 3}, {1, 12, 1}, {2, 22, 2}}
	var b strings.Builder
	b.WriteString("handshake off\n")
	for n, l := range []string{
		client + "syn", server + "synack", client + "ack", client + `"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n"`,
		server + `"HTTP/1.1 200 OK\r\nServer: %d\r\nContent-Length: 5\r\n\r\nabcde"`,
	} {
		side := 1
		if strings.HasPrefix(l, server) {
			side = 2
		}
		for _, v := range views {
			line := strings.ReplaceAll(l, "%d", fmt.Sprint(v.tenant))
			line += fmt.Sprintf(" outer=192.0.2.%d>192.0.2.200 vxlan=%d ipid=%d flow=%d", v.vni, v.vni, n+1, v.vni)
			if v.sides&side == 0 {
				line += " drop"
			}
			fmt.Fprintln(&b, line)
		}
	}
	f := extract(t, pcaptest.Build(t, b.String()), full, 0)
	checkOnce(t, 0, f, 2, false)
	if len(f.pairs) != 2 {
		t.Errorf("pairs are\n%s", f)
	}
}

// A hole that no tap can fill does not keep the holes behind it from being filled.
func TestHolesBehindOneThatNobodyFills(t *testing.T) {
	const client, server = "10.0.0.1:4000 > 10.0.0.2:80 ", "10.0.0.2:80 > 10.0.0.1:4000 "
	piece := func(letter string) string { return server + `"` + strings.Repeat(letter, 20) + `"` + "\n" }
	text := client + "syn\n" + server + "synack\n" + client + "ack\n" + client + `"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"` + "\n" +
		server + `"HTTP/1.1 200 OK\r\nContent-Length: 140\r\n\r\n"` + "\n" +
		piece("a") + strings.ReplaceAll(piece("b"), "\n", " drop\n") + piece("c") + "1|" + piece("d") + piece("e") + "2|" + piece("f") + piece("g") +
		client + "fin ack\n" + server + "fin ack\n" + client + "ack\n"
	f := extract(t, pcaptest.Build(t, taps(text, "vxlan=1", "vxlan=2")), full, 0)
	if len(f.pairs) != 1 {
		t.Fatalf("pairs are\n%s", f)
	}
	if g := f.pairs[0].Response.Gaps; len(g) != 1 || g[0].Offset != 20 || g[0].Length != 20 {
		t.Errorf("holes are %v, want the second piece alone\n%s", g, f)
	}
}

// TestPortReuseWithAnIDForEachDirection: the connection before is still open when its ports
// are used again, so that only the answer tells; it comes under the other id.
func TestPortReuseWithAnIDForEachDirection(t *testing.T) {
	const client, server = "10.0.0.1:4000 > 10.0.0.2:80 ", "10.0.0.2:80 > 10.0.0.1:4000 "
	var b strings.Builder
	b.WriteString("handshake off\n")
	for n := range 2 {
		for _, l := range []string{
			client + "isn=%d000000 syn", server + "isn=%d500000 synack", client + "ack", client + `"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n"`,
			server + `"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde"`, client + "ack",
		} {
			id := 1
			if strings.HasPrefix(l, server) {
				id = 2
			}
			fmt.Fprintf(&b, "%s vxlan=%d flow=%d\n", strings.ReplaceAll(l, "%d", fmt.Sprint(n+1)), id, n)
		}
	}
	f := extract(t, pcaptest.Build(t, b.String()), full, 0)
	if len(f.pairs) != 2 || f.pairs[0].State != exchange.Complete || f.pairs[1].State != exchange.Complete {
		t.Errorf("pairs are\n%s", f)
	}
}
