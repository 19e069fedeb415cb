package pipeline

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"recap/pipeline/exchange"
	"recap/reader/pcaptest"
)

// damaged is a conversation as two taps show it, each of which lacks packets of its own.
type damaged struct {
	r     *rand.Rand
	loss  float64
	delay float64 // of the second tap, seconds
	years [2]int  // by which the clocks of the taps are off
	// places are the words of pcaptest for where each tap is, where not in VXLAN.
	places [2]string
	lines  []struct {
		at   float64
		text string
	}
	clock float64
	n     int  // packets
	both  bool // both taps lack some packet
}

// packet adds one packet, in the words of pcaptest, at both taps.
func (d *damaged) packet(words string) {
	d.clock += 0.0004
	d.n++
	missed := 0
	for tap := range 2 {
		at := d.clock + float64(tap)*d.delay
		place := d.places[tap]
		if d.places == [2]string{} {
			place = fmt.Sprint("vxlan=", 7+tap)
		}
		l := fmt.Sprintf("%s ipid=%d %s flow=tap%d at=%.6f", words, d.n, place, tap, 1.7e9+at+float64(d.years[tap])*365*86400)
		if d.r.Float64() < d.loss {
			l += " drop"
			missed++
		}
		d.lines = append(d.lines, struct {
			at   float64
			text string
		}{at, l})
	}
	d.both = d.both || missed == 2
}

// say adds payload in packets of at most size bytes, and acknowledgements of some.
func (d *damaged) say(from, to, payload string, size int) {
	for len(payload) > 0 {
		n := min(size, len(payload))
		d.packet(fmt.Sprintf("%s > %s %q", from, to, payload[:n]))
		payload = payload[n:]
		if d.r.IntN(2) == 0 {
			d.packet(to + " > " + from + " ack")
		}
	}
}

// converse adds rounds of pipelined exchanges, whose requests and responses bear their number.
func (d *damaged) converse(rounds int) (exchanges int) {
	const client, server = "10.0.0.1:4000", "10.0.0.2:80"
	d.packet(client + " > " + server + " syn")
	d.packet(server + " > " + client + " synack")
	d.packet(client + " > " + server + " ack")
	for range rounds {
		var ask, answer strings.Builder
		for range 1 + d.r.IntN(3) {
			exchanges++
			fmt.Fprintf(&ask, "GET /%d HTTP/1.1\r\nHost: x\r\n\r\n", exchanges)
			body := strings.Repeat(fmt.Sprintf("%d. ", exchanges), d.r.IntN(300))
			if d.r.IntN(2) == 0 {
				fmt.Fprintf(&answer, "HTTP/1.1 200 OK\r\nServer: %d\r\nContent-Length: %d\r\n\r\n%s", exchanges, len(body), body)
			} else if body != "" {
				fmt.Fprintf(&answer, "HTTP/1.1 200 OK\r\nServer: %d\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", exchanges, len(body), body)
			} else {
				fmt.Fprintf(&answer, "HTTP/1.1 204 No Content\r\nServer: %d\r\n\r\n", exchanges)
			}
		}
		d.say(client, server, ask.String(), 60)
		d.say(server, client, answer.String(), 120)
		d.packet(client + " > " + server + " ack")
	}
	d.packet(client + " > " + server + " fin ack")
	d.packet(server + " > " + client + " fin ack")
	d.packet(client + " > " + server + " ack")
	return exchanges
}

func (d *damaged) String() string {
	slices.SortStableFunc(d.lines, func(a, b struct {
		at   float64
		text string
	}) int {
		return int((a.at - b.at) * 1e7)
	})
	var b strings.Builder
	b.WriteString("handshake off\n")
	for _, l := range d.lines {
		b.WriteString(l.text + "\n")
	}
	return b.String()
}

// Every message comes once, with its partner, whatever each tap lacks of it; and whole
// where one of them has it.
func TestTapsThatLackPackets(t *testing.T) {
	for _, tt := range []struct {
		name  string
		loss  float64
		delay float64
		years [2]int
	}{
		{"nothing is missing", 0, 0.02, [2]int{}},
		{"the second tap's clock is fifty years ahead", 0, 0.02, [2]int{0, 50}},
		{"the first tap's clock is fifty years ahead", 0, 0.0001, [2]int{50, 0}},
		{"few packets are missing", 0.01, 0.0001, [2]int{}},
		{"the second tap is late, few packets are missing", 0.01, 0.05, [2]int{}},
		{"the second tap comes behind all of the first, many packets are missing", 0.05, 1.5, [2]int{}},
		{"many packets are missing", 0.05, 0.0001, [2]int{}},
		{"the second tap is late, many packets are missing", 0.05, 0.05, [2]int{}},
		{"many packets are missing and the clock steps", 0.05, 0.02, [2]int{0, -20}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for seed := range uint64(25) {
				d := &damaged{r: rand.New(rand.NewPCG(seed, 1)), loss: tt.loss, delay: tt.delay, years: tt.years}
				want := d.converse(5)
				text := d.String()
				f := extract(t, pcaptest.Build(t, text), full, 0)
				checkOnce(t, seed, f, want, d.both)
				if n := f.stats.Ledger.Payload[exchange.BytesDuplicate]; n < 0 {
					t.Errorf("seed %d: %d duplicate bytes", seed, n)
				}
				if tt.loss == 0 {
					count(t, text, f)
				}
			}
		})
	}
}

// checkOnce checks that no message of the exchanges came twice, or with a partner that is
// not its own, and where no packet is missing at both taps that all are whole.
func checkOnce(t *testing.T, seed uint64, f *found, exchanges int, both bool) {
	t.Helper()
	asked, answered, whole := map[string]int{}, map[string]int{}, 0
	for _, p := range f.pairs {
		ask, answer := strings.TrimPrefix(p.Request.Target, "/"), ""
		for _, h := range p.Response.Headers {
			if h.Name == "Server" {
				answer = h.Value
			}
		}
		asked[ask]++
		answered[answer]++
		if ask != "" && answer != "" && ask != answer {
			t.Errorf("seed %d: request %s has response %s", seed, ask, answer)
		}
		if p.State == exchange.Complete {
			whole++
		}
		for _, v := range p.Vantages {
			if v.DelayNS < -2*second || v.DelayNS > 2*second {
				t.Errorf("seed %d: a delay of %d ns between the taps", seed, v.DelayNS)
			}
		}
	}
	for n := range exchanges {
		k := fmt.Sprint(n + 1)
		if asked[k] > 1 || answered[k] > 1 {
			t.Errorf("seed %d: request %s came %d times, its response %d times\n%s", seed, k, asked[k], answered[k], f)
		}
	}
	if !both && whole != exchanges {
		t.Errorf("seed %d: %d whole pairs, want %d\n%s", seed, whole, exchanges, f)
	}
}

// The ports may be in use again before the second tap has shown the end of what went before.
func TestPortsUsedAgainBeforeTheCopy(t *testing.T) {
	const client, server = "10.0.0.1:4000 > 10.0.0.2:80 ", "10.0.0.2:80 > 10.0.0.1:4000 "
	var b strings.Builder
	b.WriteString("handshake off\n")
	talk := func(flow, tunnel string, isn, id int) {
		for i, l := range []string{client + fmt.Sprintf("syn isn=%d", isn), server + fmt.Sprintf("synack isn=%d", 3*isn), client + "ack",
			client + fmt.Sprintf(`"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n"`, isn), server + `"HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\naaaaaaaaaa"`,
			server + `"bbbbbbbbbb" drop`, server + `"cccccccccc"`, client + "fin ack", server + "fin ack", client + "ack"} {
			fmt.Fprintf(&b, "%s %s flow=%s ipid=%d @100us\n", l, tunnel, flow, id+i)
		}
	}
	talk("a1", "vxlan=1", 1000, 1)
	talk("b1", "vxlan=1", 500000, 101)
	talk("a2", "vxlan=2", 1000, 1)
	talk("b2", "vxlan=2", 500000, 101)
	f := extract(t, pcaptest.Build(t, b.String()), full, 0)
	vantages := 0
	for _, p := range f.pairs {
		vantages += len(p.Vantages)
	}
	if len(f.pairs) != 2 || vantages != 2 || len(f.flows) != 2 {
		t.Errorf("%d pairs with %d vantages, %d flows; want 2 of each\n%s", len(f.pairs), vantages, len(f.flows), f)
	}
}

// What both taps have in part comes once, with what the better one has.
func TestTapsThatBothHaveAPart(t *testing.T) {
	const client, server = "10.0.0.1:4000 > 10.0.0.2:80 ", "10.0.0.2:80 > 10.0.0.1:4000 "
	open := []string{client + "syn", server + "synack", client + "ack", client + `"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"`}
	both := func(lines []string, cut [2]int, miss func(tap int, l string) bool) string {
		var b strings.Builder
		b.WriteString("handshake off\n")
		for i, l := range lines {
			for tap := range 2 {
				words := ""
				if i == cut[tap] {
					words = " mirror=80"
				}
				if miss != nil && miss(tap, l) {
					words += " drop"
				}
				fmt.Fprintf(&b, "%s vxlan=%d flow=t%d ipid=%d%s\n", l, tap+1, tap, i+1, words)
			}
		}
		return b.String()
	}
	body := func(c string) string { return server + `"` + strings.Repeat(c, 60) + `"` }
	head := server + `"HTTP/1.1 200 OK\r\nContent-Length: 120\r\n\r\n"`
	for _, tt := range []struct{ name, capture, state string }{
		{"each cuts a packet that the other has whole", both(append(slices.Clone(open), head, body("a"), body("b")), [2]int{5, 6}, nil), "complete"},
		{"both cut one packet", both(append(slices.Clone(open), head, body("a"), body("b")), [2]int{5, 5}, nil), "partial"},
		{"one shows what the client says only, and no end of it", both(append(slices.Clone(open), head, body("a"), body("b"), client+"ack @10s", client+"ack @10s"), [2]int{-1, -1},
			func(tap int, l string) bool {
				return tap == 1 && strings.HasPrefix(l, server) || tap == 1 && strings.Contains(l, "@")
			}), "complete"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := extract(t, pcaptest.Build(t, tt.capture), full, 0)
			if len(f.pairs) != 1 || f.pairs[0].State.String() != tt.state {
				t.Errorf("%d pairs, want one that is %s\n%s", len(f.pairs), tt.state, f)
			}
			count(t, tt.capture, f)
		})
	}
}
