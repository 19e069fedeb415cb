package pipeline

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"recap/pipeline/exchange"
	"recap/reader/pcaptest"
)

// TestTenantsWithOneKey: conversations with the same addresses and ports, at the same time,
// that differ by what a flow key does not hold.
func TestTenantsWithOneKey(t *testing.T) {
	const client, server = "10.0.0.1:4000 > 10.0.0.2:80 ", "10.0.0.2:80 > 10.0.0.1:4000 "
	lines := []string{
		client + "isn=%d0000 syn", server + "isn=%d5000 synack", client + "ack", client + `"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n"`,
		server + `"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nbody%d"`, client + "fin ack", server + "fin ack", client + "ack",
	}
	for _, tt := range []struct {
		name  string
		place string // of the first tenant; the second's has 2 for 1
		back  string // the same, of what servers send
	}{
		{"VLANs", "vlan=1", "vlan=1"},
		{"a VLAN each way", "vlan=1", "vlan=31"},
		{"labels", "mpls=1", "mpls=41"},
		{"sessions of a mirror", "erspan=1", "erspan=1"},
		{"TEIDs", "gtpu=1", "gtpu=51"},
		{"MAC addresses", "mac=02:00:00:00:01:0c>02:00:00:00:01:0d", "mac=02:00:00:00:01:0d>02:00:00:00:01:0c"},
	} {
		for later := range len(lines) - 1 { // so many lines the second begins after the first
			t.Run(fmt.Sprintf("%s, %d packets later", tt.name, later), func(t *testing.T) {
				var b strings.Builder
				b.WriteString("handshake off\n")
				say := func(tenant, i int) {
					if i < 0 || i >= len(lines) {
						return
					}
					place := tt.place
					if strings.HasPrefix(lines[i], server) {
						place = tt.back
					}
					digit := fmt.Sprint(tenant)
					if strings.HasPrefix(place, "mac") {
						place = strings.ReplaceAll(place, ":01:", ":0"+digit+":")
					} else {
						place = place[:len(place)-1] + digit
					}
					fmt.Fprintf(&b, "%s %s flow=%s\n", strings.ReplaceAll(lines[i], "%d", digit), place, digit)
				}
				for i := range len(lines) + later {
					say(1, i)
					say(2, i-later)
				}
				f := extract(t, pcaptest.Build(t, b.String()), full, 0)
				var got []string
				for _, p := range f.pairs {
					got = append(got, fmt.Sprint(p.Request.Target, " ", string(p.Response.Body), " ", len(p.Vantages)))
					if p.State != exchange.Complete || !p.Anomalies.Empty() {
						t.Errorf("a pair is %v, with %v", p.State, p.Anomalies)
					}
				}
				slices.Sort(got)
				if want := []string{"/1 body1 0", "/2 body2 0"}; !slices.Equal(got, want) {
					t.Errorf("pairs are %q, want %q\n%s", got, want, f)
				}
				count(t, b.String(), f)
			})
		}
	}
}
