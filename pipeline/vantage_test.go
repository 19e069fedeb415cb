package pipeline

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"recap/pipeline/exchange"
	"recap/reader/pcaptest"
)

// taps writes every line for each of several taps, whose words stand in where. "1|" in
// front of a line leaves it to the first tap, "-1|" to the others. What a host sends has
// one identification at all of them.
func taps(text string, where ...string) string {
	var b strings.Builder
	b.WriteString("handshake off\n")
	n := 0
	for l := range strings.Lines(text) {
		if l = strings.TrimSpace(l); l == "" {
			continue
		}
		n++
		for i, words := range where {
			one := l
			if at, rest, ok := strings.Cut(l, "|"); ok && len(at) <= 2 {
				other := strings.HasPrefix(at, "-")
				if (strings.TrimPrefix(at, "-") == fmt.Sprint(i+1)) == other {
					one = rest + " drop" // counts in the sequence space, as it does elsewhere
				} else {
					one = rest
				}
			}
			fmt.Fprintf(&b, "%s %s ipid=%d flow=tap%d @100us\n", one, words, n, i)
		}
	}
	return b.String()
}

func TestCopiesOfAConversation(t *testing.T) {
	const (
		client = "10.0.0.1:4000 > 10.0.0.2:80 "
		server = "10.0.0.2:80 > 10.0.0.1:4000 "
		talk   = client + "syn\n" + server + "synack\n" + client + "ack\n" + client + `"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"` + "\n"
		head   = server + `"HTTP/1.1 200 OK\r\nContent-Length: 60\r\n\r\n"` + "\n"
		body   = server + `"aaaaaaaaaaaaaaaaaaaa"` + "\n"
		more   = server + `"bbbbbbbbbbbbbbbbbbbb"` + "\n"
		last   = server + `"cccccccccccccccccccc"` + "\n"
		end    = client + "fin ack\n" + server + "fin ack\n" + client + "ack\n"
		all    = `complete GET /a 200 "aaaaaaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbbbbbcccccccccccccccccccc"`
		one    = "vxlan=1 ttl=64 mac=02:00:00:00:00:01>02:00:00:00:00:02"
		two    = "vlan=9 outer=192.0.2.7>192.0.2.8 vxlan=2 ttl=63 mac=02:00:00:00:00:03>02:00:00:00:00:04"
	)
	for _, tt := range []struct {
		name, capture string
		want          string // pairs
		vantages      int    // of all pairs
		flows         int
	}{
		{"two taps", taps(talk+head+body+more+last+end, one, two), all, 1, 1},
		{"three taps", taps(talk+head+body+more+last+end, one, two, "gre=7"), all, 2, 1},
		{"one tap outside any tunnel", taps(talk+head+body+more+last+end, one, "ttl=3"), all, 1, 1},
		{"VLANs that differ", taps(talk+head+body+more+last+end, "vlan=5", "vlan=6 ttl=63"), all, 1, 1},
		{"a hole at one tap", taps(talk+head+body+"2|"+more+last+end, one, two), all, 1, 1},
		{"holes at both", taps(talk+head+"1|"+body+"2|"+more+last+end, one, two), all, 1, 1},
		{"the request at one tap only", taps(strings.Replace(talk, client+`"`, "2|"+client+`"`, 1)+head+body+more+last+end, one, two), all, 1, 1},
		{"one tap shows the beginning only", taps(talk+head+"1|"+body+"1|"+more+"1|"+last+end, one, two), all, 1, 1},
		{"one tap begins late", taps("1|"+client+"syn\n1|"+server+"synack\n1|"+client+"ack\n"+client+`"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"`+"\n"+head+body+more+last+end, one, two), all, 1, 1},
		{"one tap cuts its packets", taps(talk+head+body+more+last+end, one, two+" mirror=80"), all, 1, 1},
		{"the first tap cuts its packets", taps(talk+head+body+more+last+end, one+" mirror=80", two), all, 1, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := extract(t, pcaptest.Build(t, tt.capture), full, 0)
			vantages := 0
			for _, p := range f.pairs {
				vantages += len(p.Vantages)
			}
			if got, want := strings.TrimSpace(f.String()), tt.want; strings.TrimSuffix(got, " ") != want || vantages != tt.vantages || len(f.flows) != tt.flows {
				t.Errorf("%d vantages, %d flows, pairs\n%s\nwant %d, %d,\n%s", vantages, len(f.flows), got, tt.vantages, tt.flows, want)
			}
			count(t, tt.capture, f)
		})
	}
}

// A tap may be so late that the other has shown whole pairs before its first packet comes.
func TestCopiesBehindWholePairs(t *testing.T) {
	one := func(tunnel, body string, pairs int) string {
		var b strings.Builder
		fmt.Fprintf(&b, "handshake off\n")
		n := 0
		line := func(words string) {
			n++
			fmt.Fprintf(&b, "%s %s ipid=%d flow=%s @100us\n", words, tunnel, n, tunnel)
		}
		const client, server = "10.0.0.1:4000 > 10.0.0.2:80 ", "10.0.0.2:80 > 10.0.0.1:4000 "
		line(client + "syn")
		line(server + "synack")
		line(client + "ack")
		for i := range pairs {
			line(fmt.Sprintf(`%s"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n"`, client, i))
			line(fmt.Sprintf(`%s"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n%s"`, server, body))
		}
		return b.String()
	}
	for _, tt := range []struct {
		name, capture string
		pairs, flows  int
	}{
		{"the same conversation", one("vxlan=1", "abc", 3) + one("vxlan=2", "abc", 3), 3, 1},
		{"it goes on at the second tap", one("vxlan=1", "abc", 2) + one("vxlan=2", "abc", 3), 3, 2},
		{"another one with the same numbers", one("vxlan=1", "abc", 3) + one("vxlan=2", "xyz", 3), 6, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := extract(t, pcaptest.Build(t, tt.capture), full, 0)
			if len(f.pairs) != tt.pairs || len(f.flows) != tt.flows {
				t.Errorf("%d pairs, %d flows, want %d and %d:\n%s", len(f.pairs), len(f.flows), tt.pairs, tt.flows, f)
			}
			count(t, tt.capture, f)
		})
	}
}

// count checks that a reading which only counts counts what the full one found.
func count(t *testing.T, capture string, f *found) {
	t.Helper()
	o := full
	o.CountPairs, o.HashBodies, o.DecodeBodies, o.BodyLimit = true, false, false, -1
	c := extract(t, pcaptest.Build(t, capture), o, 0)
	if len(c.pairs) > 0 || c.stats.Pairs != f.stats.Pairs || !reflect.DeepEqual(c.stats.States, f.stats.States) ||
		!reflect.DeepEqual(c.stats.Ledger, f.stats.Ledger) || len(c.flows) != len(f.flows) {
		t.Errorf("counted %d pairs %v, %d flows, ledger %+v; want %d %v, %d, %+v", c.stats.Pairs, c.stats.States, len(c.flows), c.stats.Ledger,
			f.stats.Pairs, f.stats.States, len(f.flows), f.stats.Ledger)
	}
}

// The two directions of a conversation may be mirrored by sessions of their own.
func TestHalvesOfAConversation(t *testing.T) {
	const (
		client = "10.0.0.1:4000 > 10.0.0.2:80 "
		server = "10.0.0.2:80 > 10.0.0.1:4000 "
	)
	talk := []string{client + "syn", server + "synack", client + "ack", client + `"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"`,
		server + `"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"`, client + "ack", client + `"GET /b HTTP/1.1\r\nHost: x\r\n\r\n"`, server + `"HTTP/1.1 204 No\r\n\r\n"`}
	for _, words := range [][2]string{{"vxlan=1", "vxlan=2"}, {"vlan=1", "vlan=2"}, {"gre=1", "gre=2"}, {"erspan=1", "erspan=2"}, {"vxlan=1", ""}, {"geneve=1", "vxlan=1"}} {
		for from := range 4 {
			t.Run(fmt.Sprintf("%q and %q from packet %d", words[0], words[1], from+1), func(t *testing.T) {
				var b strings.Builder
				b.WriteString("handshake off\n")
				for i, l := range talk {
					w := words[0]
					if strings.HasPrefix(l, server) {
						w = words[1]
					}
					if i < from {
						l += " drop"
					}
					fmt.Fprintf(&b, "%s %s flow=one\n", l, w)
				}
				f := extract(t, pcaptest.Build(t, b.String()), full, 0)
				var got []string
				for _, p := range f.pairs {
					got = append(got, fmt.Sprint(p.State, " ", p.Request.Target, " ", p.Response.Status))
				}
				if want := []string{"complete /a 200", "complete /b 204"}; !slices.Equal(got, want) || len(f.flows) != 1 {
					t.Errorf("%d flows, pairs %q, want 1 and %q", len(f.flows), got, want)
				}
				count(t, b.String(), f)
			})
		}
	}
}

// Tenants may have the same addresses, ports and sequence numbers, and even say the same.
func TestTenantsAreNotMixed(t *testing.T) {
	const (
		client = "10.0.0.1:4000 > 10.0.0.2:80 "
		server = "10.0.0.2:80 > 10.0.0.1:4000 "
		get    = client + `"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"`
		head   = server + `"HTTP/1.1 200 OK\r\nContent-Length: 60\r\n\r\naaaaaaaaaaaaaaaaaaaa"`
	)
	// each writes lines for two tenants; two "|" parts are what each says.
	each := func(same bool, lines ...string) string {
		var b strings.Builder
		b.WriteString("handshake off\n")
		for i, l := range lines {
			first, second, ok := strings.Cut(l, "|")
			if !ok {
				second = first
			}
			for tenant, l := range []string{first, second} {
				clock := 100 * i
				if !same {
					clock += 7000 * tenant
				}
				fmt.Fprintf(&b, "%s vxlan=%d flow=t%d ts=%d:1\n", l, tenant+1, tenant, clock+1)
			}
		}
		return b.String()
	}
	open := []string{client + "syn", server + "synack", client + "ack"}
	said := func(x, y string) string {
		return x + `"` + strings.Repeat("b", 40) + `"|` + y + `"` + strings.Repeat("c", 40) + `"`
	}
	for _, tt := range []struct {
		name    string
		capture string
		bodies  string
	}{
		{"different responses, same timestamps", each(true, append(open, get, head, said(server, server))...), "ab ac"},
		{"different responses", each(false, append(open, get, head, said(server, server))...), "ab ac"},
		{"the same responses, other timestamps", each(false, append(open, get, head, server+`"`+strings.Repeat("b", 40)+`"`)...), "ab ab"},
		{"the same head, a hole in one body", each(false, append(open, get, server+`"HTTP/1.1 200 OK\r\nContent-Length: 60\r\n\r\n"`,
			server+`"aaaaaaaaaaaaaaaaaaaa" drop|`+server+`"dddddddddddddddddddd"`, said(server, server), client+"ack")...), "b dc"},
		{"the same timestamps, a hole in the second body", each(true, append(open, get, server+`"HTTP/1.1 200 OK\r\nContent-Length: 60\r\n\r\n"`,
			server+`"dddddddddddddddddddd"|`+server+`"aaaaaaaaaaaaaaaaaaaa" drop`, said(server, server), client+"ack")...), "c db"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := extract(t, pcaptest.Build(t, tt.capture), full, 0)
			var got []string
			for _, p := range f.pairs {
				got = append(got, string(slices.Compact(slices.Clone(p.Response.Body))))
				if len(p.Vantages) > 0 {
					t.Errorf("a pair has the vantages %+v", p.Vantages)
				}
			}
			slices.Sort(got)
			if strings.Join(got, " ") != tt.bodies || len(f.flows) != 2 {
				t.Errorf("%d flows, bodies %q, want 2, %q", len(f.flows), got, tt.bodies)
			}
			count(t, tt.capture, f)
		})
	}
}

// A connection's row tells of the taps too, with the options of their tunnels.
func TestConnectionsTellTheirVantages(t *testing.T) {
	const client, server = "10.0.0.1:4000 > 10.0.0.2:80 ", "10.0.0.2:80 > 10.0.0.1:4000 "
	text := taps(client+"syn\n"+server+"synack\n"+client+"ack\n"+client+`"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"`+"\n"+
		server+`"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"`, "vxlan=1", "vxlan=2", "vlan=3 outer=192.0.2.7>192.0.2.8 vxlan=1")
	f := extract(t, pcaptest.Build(t, text), full, 0)
	if len(f.flows) != 1 || len(f.pairs) != 1 {
		t.Fatalf("%d flows and %d pairs, want one", len(f.flows), len(f.pairs))
	}
	show := func(list []exchange.Vantage) string {
		var s []string
		for _, v := range list {
			s = append(s, fmt.Sprint(v.Tunnels[0].ID, v.Tunnels[0].Src, v.VLANs, v.DelayNS))
		}
		return strings.Join(s, ", ")
	}
	if got, want := show(f.flows[0].Vantages), "1 192.0.2.7 [3] 200000, 2 192.0.2.1 [] 100000"; got != want {
		t.Errorf("vantages of the connection %s, want %s", got, want)
	}
	if got, want := show(f.pairs[0].Vantages), "1 192.0.2.7 [3] 200000, 2 192.0.2.1 [] 100000"; got != want {
		t.Errorf("vantages of the pair %s, want %s", got, want)
	}
}

// What a mirror repeats is a copy, what a sender repeats a retransmission: identifications
// tell, and timestamps where there are none.
func TestCopiesAreNoRetransmissions(t *testing.T) {
	const get = ` "GET /a HTTP/1.1\r\nHost: x\r\n\r\n" `
	for _, tt := range []struct {
		name          string
		ends          [2]string
		first, second string
		sentAgain     int64
		duplicates    int64 // packets
	}{
		{"a copy", [2]string{"10.0.0.1:4000", "10.0.0.2:80"}, "ipid=7", "ipid=7", 0, 1},
		{"sent again", [2]string{"10.0.0.1:4000", "10.0.0.2:80"}, "ipid=7", "ipid=8", 1, 0},
		{"a copy with another TTL", [2]string{"10.0.0.1:4000", "10.0.0.2:80"}, "ipid=7 ttl=9", "ipid=7 ttl=8", 0, 1},
		{"a copy in IPv6", [2]string{"[2001:db8::1]:4000", "[2001:db8::2]:80"}, "ts=5:1", "ts=5:1", 0, 1},
		{"sent again in IPv6", [2]string{"[2001:db8::1]:4000", "[2001:db8::2]:80"}, "ts=5:1", "ts=6:1", 1, 0},
		{"IPv6 without timestamps", [2]string{"[2001:db8::1]:4000", "[2001:db8::2]:80"}, "", "", 1, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, b := tt.ends[0]+" > "+tt.ends[1], tt.ends[1]+" > "+tt.ends[0]
			f := extract(t, pcaptest.Build(t, a+" handshake\n"+a+get+tt.first+"\n"+a+get+"seq=-28 "+tt.second+"\n"+b+` "HTTP/1.1 204 No\r\n\r\n"`), full, 0)
			if len(f.flows) != 1 || len(f.pairs) != 1 {
				t.Fatalf("%d flows, %d pairs", len(f.flows), len(f.pairs))
			}
			side := f.flows[0].Sides[exchange.ToServer]
			if got := f.stats.Ledger.Packets[exchange.PacketDuplicate]; side.Retransmissions != tt.sentAgain || side.RetransmitBytes != 28*tt.sentAgain || got != tt.duplicates {
				t.Errorf("%d retransmissions of %d bytes, %d copies; want %d, %d", side.Retransmissions, side.RetransmitBytes, got, tt.sentAgain, tt.duplicates)
			}
		})
	}
}
