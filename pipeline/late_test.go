package pipeline

import (
	"fmt"
	"strings"
	"testing"

	"recap/pipeline/exchange"
	"recap/reader/pcaptest"
)

const (
	lateAsk    = "10.0.0.1:4000 > 10.0.0.2:80"
	lateAnswer = "10.0.0.2:80 > 10.0.0.1:4000"
)

// A response is injected before the server answers, or bytes of a pair come again and
// differ: the pair says so, where it was complete before as well.
func TestAConflictIsNotedWithTheCompletePair(t *testing.T) {
	ask := func(n int) string {
		return fmt.Sprintf("%s %q\n", lateAsk, fmt.Sprintf("GET /%d HTTP/1.1\r\nHost: x\r\n\r\n", n))
	}
	answer := func(body string) string { return "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n" + body }
	const size = len("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfake")
	again := func(body string, after int, t string) string {
		return fmt.Sprintf("%s at=%s seq=%d ack=1029 %q\n", lateAnswer, t, 5001+after, answer(body))
	}
	two := "handshake\n" + ask(1) + lateAnswer + fmt.Sprintf(" %q\n", answer("fake")) + ask(2) + lateAnswer + fmt.Sprintf(" %q\n", answer("okay"))
	for _, tt := range []struct{ name, capture, want string }{
		{"the only one", "handshake\n" + ask(1) + lateAnswer + fmt.Sprintf(" %q\n", answer("fake")) + again("real", 0, "1577836800.5"), "/1! "},
		{"the one before the last", two + again("real", 0, "1577836800.5"), "/1! /2 "},
		{"the last one", two + again("real", size, "1577836800.5"), "/1 /2! "},
		{"none where both copies are the same", two + again("fake", 0, "1577836800.5"), "/1 /2 "},
		{"none after more than a second", two + again("real", 0, "1577836801.9"), "/1 /2 "},
	} {
		for _, workers := range []int{1, 2} {
			for _, slab := range []int{0, 256} {
				opt := full
				opt.Workers = workers
				f := extract(t, pcaptest.Build(t, tt.capture), opt, slab)
				var got strings.Builder
				noted := int64(0)
				for _, p := range f.pairs {
					got.WriteString(p.Request.Target)
					if p.Anomalies.Has(exchange.AnomalyOverlapConflict) && p.Anomalies.Has(exchange.AnomalyRetransmissionDiffers) {
						got.WriteString("!")
						noted++
					}
					got.WriteString(" ")
				}
				if got.String() != tt.want {
					t.Errorf("%s, %d workers, slabs of %d: %s, want %s", tt.name, workers, slab, got.String(), tt.want)
				}
				count := opt
				count.CountPairs = true
				c := extract(t, pcaptest.Build(t, tt.capture), count, slab)
				for what, n := range map[string]int64{"extracting": f.stats.Anomalies["overlap_conflict"], "counting": c.stats.Anomalies["overlap_conflict"]} {
					// The row of the connection has it too.
					if want := noted + min(1, int64(strings.Count(tt.capture, "real"))); n != want {
						t.Errorf("%s, %s: %d conflicts in all, want %d", tt.name, what, n, want)
					}
				}
			}
		}
	}
}
