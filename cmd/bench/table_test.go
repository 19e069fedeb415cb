package main

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestTables(t *testing.T) {
	ms := func(list ...int) (s []sample) {
		for _, n := range list {
			d := time.Duration(n) * time.Millisecond
			s = append(s, sample{wall: d, cpu: 2 * d, rss: int64(n) * 1e6})
		}
		return s
	}
	plain := &capture{path: "a.pcap", title: "plain", size: 1e6, packets: 1000, pairs: 7}
	tunnel := &capture{path: "b.pcap", title: "VXLAN", vxlan: true, size: 2e6, packets: 1000}
	b := &bench{o: options{runs: 3}, captures: []*capture{plain, tunnel}, missing: []string{"zeek (not installed)"},
		tools: []tool{{name: "sha256sum", vxlan: true}, {name: "recap info", vxlan: true}, {name: "broken"}}}
	b.results = []*result{
		{tool: &b.tools[0], capture: plain, samples: ms(30, 10, 20)},
		{tool: &b.tools[1], capture: plain, samples: ms(5, 4, 90)},
		{tool: &b.tools[2], capture: plain, err: errors.New("test")},
		{tool: &b.tools[1], capture: tunnel, samples: ms(10, 10, 10)},
	}
	var out strings.Builder
	b.print(&out)
	for _, want := range []string{
		"Left out: zeek (not installed).",
		"`a.pcap` (plain): 1.0 MB, 1000 packets, 7 pairs",
		"| sha256sum | 0.020 | 50 | 0.040 | 25 | 20 | 1.00 |  | 50 | 20000 |",
		"| recap info | 0.005 | 200 | 0.010 | 100 | 5 | 4.00 |  | 200 | 5000 |",
		"| broken | failed: test | | | | | | | | |",
		"| recap info | 0.010 | 200 | 0.020 | 100 | 10 |  |  | 100 | 10000 |",
		"| recap info | 5000 | 10000 | 2.00 | 10000 | 20000 | 2.00 |",
	} {
		if !strings.Contains(out.String(), want+"\n") {
			t.Errorf("print() lacks %q; got\n%s", want, out.String())
		}
	}
}
