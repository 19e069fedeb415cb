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

// A tenant says the same as others of its capture, in packets with the same numbers, but
// for one letter that its bodies are of.
type tenant struct {
	letter byte
	places [2]string // words of pcaptest, by who sends
	stamps [2]uint32 // where the clocks of its hosts begin
	ids    [2]uint16
	stamp  bool // packets have TCP timestamps
	at     float64
	lost   bool // some packet was
}

// A timed line is one of a capture with its time.
type timed struct {
	at   float64
	text string
}

// packet returns a packet of side in the words of pcaptest.
func (n *tenant) packet(r *rand.Rand, side int, loss float64, words string) timed {
	ends := [2]string{"10.0.0.1:4000", "10.0.0.2:80"}
	n.at += 0.00001 + 0.002*r.Float64()
	n.ids[side]++
	l := fmt.Sprintf("%s > %s %s %s flow=%c ipid=%d at=%.6f", ends[side], ends[1-side], words, n.places[side], n.letter, n.ids[side], 1.7e9+n.at)
	if n.stamp {
		ms := uint32(n.at * 1000)
		l += fmt.Sprintf(" ts=%d:%d", n.stamps[side]+ms, n.stamps[1-side]+ms)
	}
	if r.Float64() < loss {
		l += " drop"
		n.lost = true
	}
	return timed{n.at, l}
}

// converse returns all packets of the tenant, with as many exchanges as there are sizes.
func (n *tenant) converse(r *rand.Rand, sizes [][2]int, mss int, loss float64, shaken bool) (list []timed) {
	add := func(side int, loss float64, words string) { list = append(list, n.packet(r, side, loss, words)) }
	shake := loss
	if !shaken {
		shake = 2
	}
	add(0, shake, "syn isn=7000")
	add(1, shake, "synack isn=9000")
	add(0, shake, "ack")
	for i, size := range sizes {
		for side, head := range [2]string{"POST /x HTTP/1.1\r\nHost: x\r\n", "HTTP/1.1 200 OK\r\n"} {
			said := fmt.Sprintf("%sNumber: %d\r\nContent-Length: %d\r\n\r\n%s", head, i, size[side], strings.Repeat(string(n.letter), size[side]))
			for part := range slices.Chunk([]byte(said), mss) {
				add(side, loss, fmt.Sprintf("%q", part))
			}
		}
		add(0, loss, "ack")
	}
	add(0, loss, "fin ack")
	add(1, loss, "fin ack")
	add(0, loss, "ack")
	return list
}

// TestTenantsWithEqualNumbers: two or three tenants with the same addresses, ports, initial
// sequence numbers and lengths, who say different things, at one time. No pair may hold
// bytes of two of them.
func TestTenantsWithEqualNumbers(t *testing.T) {
	for _, place := range []string{"vxlan", "geneve", "gre", "gtpu", "vlan", "mpls", "erspan", "svlan=5 vlan"} {
		t.Run(place, func(t *testing.T) {
			for seed := range uint64(40) {
				r := rand.New(rand.NewPCG(seed, 3))
				sizes := make([][2]int, 1+r.IntN(4))
				for i := range sizes {
					sizes[i] = [2]int{1 + r.IntN(900), 1 + r.IntN(900)}
				}
				mss, loss, shaken := []int{60, 536, 1448}[r.IntN(3)], []float64{0, 0, 0.05, 0.15}[r.IntN(4)], r.IntN(3) > 0
				stamp, each, apart := r.IntN(2) == 0, r.IntN(4) == 0, []float64{0, 0.001, 0.3}[r.IntN(3)]
				if !stamp {
					loss, shaken = 0, true // else numbers alone would have to tell which halves belong together
				}
				tenants := make([]tenant, 2+r.IntN(2))
				var list []timed
				for i := range tenants {
					n := &tenants[i]
					*n = tenant{letter: byte('A' + i), stamp: stamp, at: apart * float64(i), ids: [2]uint16{uint16(r.Uint32()), uint16(r.Uint32())},
						stamps: [2]uint32{r.Uint32(), r.Uint32()}}
					for side := range n.places {
						n.places[side] = fmt.Sprintf("%s=%d", place, 11+i)
						if each && stamp && side == 1 { // an id for each direction: only clocks tell whose it is
							n.places[side] = fmt.Sprintf("%s=%d", place, 21+i)
						}
					}
					list = append(list, n.converse(r, sizes, mss, loss, shaken)...)
				}
				checkTenants(t, seed, tenants, list, len(sizes))
			}
		})
	}
}

func checkTenants(t *testing.T, seed uint64, tenants []tenant, list []timed, exchanges int) {
	t.Helper()
	slices.SortStableFunc(list, func(a, b timed) int { return int((a.at - b.at) * 1e7) })
	var b strings.Builder
	b.WriteString("handshake off\n")
	for _, l := range list {
		b.WriteString(l.text + "\n")
	}
	f := extract(t, pcaptest.Build(t, b.String()), full, 0)
	whole := map[byte]int{}
	for _, p := range f.pairs {
		said := string(p.Request.Body) + string(p.Response.Body)
		if said == "" {
			continue
		}
		if strings.Trim(said, said[:1]) != "" {
			t.Errorf("seed %d: a %v pair with %v holds bytes of two tenants: %.80q, %.80q", seed, p.State, p.Anomalies, p.Request.Body, p.Response.Body)
		}
		if p.State == exchange.Complete {
			whole[said[0]]++
		}
	}
	for i := range tenants {
		if n := &tenants[i]; !n.lost && whole[n.letter] != exchanges {
			t.Errorf("seed %d: %d whole pairs of tenant %c, want %d", seed, whole[n.letter], n.letter, exchanges)
		}
	}
}

// TestCopiesLongAfter: a tap whose packets come many packets behind those of another is told
// by what a flow key does not hold, and shows every pair.
func TestCopiesLongAfter(t *testing.T) {
	for _, places := range [][2]string{
		{"vlan=1", "vlan=2"},
		{"", "vlan=2"},
		{"mpls=1", "mpls=2"},
		{"erspan=1", "erspan=2"},
		{"gtpu=1", "gtpu=2"},
		{"mac=02:00:00:00:01:0c>02:00:00:00:01:0d", "mac=02:00:00:00:02:0c>02:00:00:00:02:0d"},
	} {
		for _, delay := range []float64{0.02, 0.5, 1.9} {
			t.Run(fmt.Sprint(places, " ", delay), func(t *testing.T) {
				for seed := range uint64(5) {
					d := &damaged{r: rand.New(rand.NewPCG(seed, 1)), delay: delay, places: places}
					want := d.converse(5)
					f := extract(t, pcaptest.Build(t, d.String()), full, 0)
					checkOnce(t, seed, f, want, false)
					for _, p := range f.pairs {
						if len(p.Vantages) != 1 || p.Vantages[0].DelayNS != int64(delay*1e9) {
							t.Errorf("seed %d: %s has vantages %v", seed, p.Request.Target, p.Vantages)
						}
					}
				}
			})
		}
	}
}

// TestAConversationThatTakesAnotherWay: from some packet on it goes through another VLAN or
// router; it is one all the same.
func TestAConversationThatTakesAnotherWay(t *testing.T) {
	const client, server = "10.0.0.1:4000 > 10.0.0.2:80 ", "10.0.0.2:80 > 10.0.0.1:4000 "
	lines := []string{
		client + "syn", server + "synack", client + "ack", client + `"GET /1 HTTP/1.1\r\nHost: x\r\n"`, client + `"\r\n"`,
		server + `"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"`, server + `"some body"`, client + "ack",
		client + "fin ack", server + "fin ack", client + "ack",
	}
	for _, tt := range []struct{ name, before, after, marks string }{
		{"another VLAN, timestamps", "vlan=1", "vlan=2", "df ts=%d:%d"},
		{"another VLAN, identifications", "vlan=1", "vlan=2", "ipid=%d"},
		{"another TEID", "gtpu=1", "gtpu=2", "ipid=%d"},
		{"another router, nothing that tells packets apart", "mac=02:00:00:00:01:0c>02:00:00:00:01:0d", "mac=02:00:00:00:02:0c>02:00:00:00:02:0d", "df ipid=0"},
		{"another router, one identification for all packets", "mac=02:00:00:00:01:0c>02:00:00:00:01:0d", "mac=02:00:00:00:02:0c>02:00:00:00:02:0d", "ipid=1"},
	} {
		for turn := 3; turn < len(lines); turn++ {
			t.Run(fmt.Sprintf("%s, at packet %d", tt.name, turn+1), func(t *testing.T) {
				var b strings.Builder
				b.WriteString("handshake off\n")
				for i, l := range lines {
					place := tt.before
					if i >= turn {
						place = tt.after
					}
					marks := tt.marks
					switch strings.Count(marks, "%d") {
					case 1:
						marks = fmt.Sprintf(marks, 100+i)
					case 2:
						marks = fmt.Sprintf(marks, 100+i, 100+i)
					}
					fmt.Fprintf(&b, "%s %s %s flow=one\n", l, place, marks)
				}
				f := extract(t, pcaptest.Build(t, b.String()), full, 0)
				if len(f.pairs) != 1 || f.pairs[0].State != exchange.Complete || len(f.pairs[0].Vantages) > 0 {
					t.Errorf("pairs are\n%s", f)
				}
			})
		}
	}
}

// TestPortsUsedAgainAtATapThatLacksIt: a tap that lacks the end of a conversation and the
// beginning of the next one learns from another that it is the next.
func TestPortsUsedAgainAtATapThatLacksIt(t *testing.T) {
	const client, server = "10.0.0.1:4000 > 10.0.0.2:80 ", "10.0.0.2:80 > 10.0.0.1:4000 "
	text := taps(`
		`+client+`isn=1000 syn
		`+server+`isn=5000 synack
		`+client+`"GET /1 HTTP/1.1\r\nHost: x\r\n\r\n"
		`+server+`"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none"
		1|`+server+`fin ack
		1|`+client+`fin ack
		1|`+client+`isn=9000000 seq=9000000 syn ack=0
		1|`+server+`seq=70000000 ack=9000001 synack
		`+client+`seq=9000001 ack=70000001 "GET /2 HTTP/1.1\r\nHost: x\r\n\r\n"
		`+server+`seq=70000001 ack=9000030 "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\ntwo"
	`, "vxlan=1", "vxlan=2")
	f := extract(t, pcaptest.Build(t, text), full, 0)
	var got []string
	for _, p := range f.pairs {
		got = append(got, fmt.Sprint(p.Request.Target, " ", string(p.Response.Body), " ", p.State, " ", len(p.Vantages)))
	}
	slices.Sort(got)
	if want := []string{"/1 one complete 1", "/2 two complete 1"}; !slices.Equal(got, want) {
		t.Errorf("pairs are %q, want %q\n%s", got, want, f)
	}
	count(t, text, f)
}

// TestHalvesOfTenantsArePartedAgain: the answer to one tenant's SYN, which is missing, may
// answer another's by its numbers. What follows shows that each tunnel has both directions.
func TestHalvesOfTenantsArePartedAgain(t *testing.T) {
	const client, server = "10.0.0.1:4000 > 10.0.0.2:80 ", "10.0.0.2:80 > 10.0.0.1:4000 "
	for _, place := range []string{"vxlan", "geneve", "vlan", "gtpu"} {
		t.Run(place, func(t *testing.T) {
			var b strings.Builder
			b.WriteString("handshake off\n")
			n := 0
			say := func(tenant int, words string) {
				n++
				fmt.Fprintf(&b, "%s %s=%d flow=%d ipid=%d\n", words, place, tenant, tenant, 9000*tenant+n)
			}
			say(1, client+"isn=7000 syn")
			say(2, client+"isn=7000 syn drop")
			say(2, server+"isn=9000 synack")
			say(1, server+"isn=9000 synack")
			for tenant := 2; tenant > 0; tenant-- {
				say(tenant, client+"ack")
			}
			for tenant := 1; tenant <= 2; tenant++ {
				say(tenant, client+fmt.Sprintf(`"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n"`, tenant))
			}
			for tenant := 2; tenant > 0; tenant-- {
				say(tenant, server+fmt.Sprintf(`"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nsay%d"`, tenant))
			}
			f := extract(t, pcaptest.Build(t, b.String()), full, 0)
			var got []string
			for _, p := range f.pairs {
				where := p.Conn.VLANs
				for _, u := range p.Conn.Tunnels {
					where = append(where, int32(u.ID))
				}
				got = append(got, fmt.Sprint(p.Request.Target, " ", string(p.Response.Body), " ", p.State, " ", where, len(p.Vantages)))
			}
			slices.Sort(got)
			if want := []string{"/1 say1 complete [1] 0", "/2 say2 complete [2] 0"}; !slices.Equal(got, want) {
				t.Errorf("pairs are %q, want %q\n%s", got, want, f)
			}
			count(t, b.String(), f)
		})
	}
}
