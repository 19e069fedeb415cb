package quic_test

import (
	"slices"
	"strings"
	"testing"

	quicgo "github.com/quic-go/quic-go"

	"recap/pipeline"
	"recap/pipeline/exchange"
)

// offloaded puts datagrams of one direction together as a host does that leaves their
// division to the network card: all but the last have one size. It tells how many it put
// together with others.
func offloaded(list []datagram) (out []datagram, joined int) {
	size := 0 // of those that the last of out consists of; 0: nothing may follow it
	for _, x := range list {
		n := len(out) - 1
		if n >= 0 && size > 0 && out[n].up == x.up && out[n].port == x.port && len(x.b) <= size && len(out[n].b)+len(x.b) < 60000 {
			out[n].b = slices.Concat(out[n].b, x.b)
			joined++
			if len(x.b) < size {
				size = 0
			}
			continue
		}
		out, size = append(out, x), len(x.b)
		if size < 1200 {
			size = 0
		}
	}
	return out, joined
}

// Datagrams that were captured before they were divided give the same pairs.
func TestUndividedDatagrams(t *testing.T) {
	rec := talk(t, 1, &quicgo.Config{})
	list, joined := offloaded(rec.list)
	if joined < 5 {
		t.Fatalf("%d of %d datagrams came together", joined, len(rec.list))
	}
	got := extract(t, capture(t, list), rec.keys, pipeline.Options{})
	if !slices.Equal(got.pairs, rec.pairs) {
		t.Errorf("pairs:\n%s\nwant\n%s", strings.Join(got.pairs, "\n"), strings.Join(rec.pairs, "\n"))
	}
	if opaque := got.stats.Ledger.Payload[exchange.BytesQUIC]; opaque > 12000 { // the handshake
		t.Errorf("%d bytes stayed closed", opaque)
	}
}
