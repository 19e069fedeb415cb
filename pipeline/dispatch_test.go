package pipeline

import (
	"strings"
	"testing"

	"recap/pipeline/exchange"
)

// TestTimesOfACapture: packets are not strictly in order, and some have no time.
func TestTimesOfACapture(t *testing.T) {
	d := &dispatcher{firstNS: exchange.NoTime, lastNS: exchange.NoTime}
	for _, ns := range []int64{exchange.NoTime, 50, 30, exchange.NoTime, 90, 70} {
		d.time(ns)
	}
	if d.firstNS != 30 || d.lastNS != 90 {
		t.Errorf("from %d to %d, want 30 to 90", d.firstNS, d.lastNS)
	}
}

func TestNamesOfInterfaces(t *testing.T) {
	n := &names{files: []string{"a"}, ifaces: [][]string{{"eth0", ""}}}
	for _, tt := range []struct {
		file, iface int32
		want        string
	}{{0, 0, "eth0"}, {0, 1, "1"}, {0, 7, "7"}, {1, 0, ""}, {0, -1, ""}} {
		if got := n.iface(tt.file, tt.iface); got != tt.want {
			t.Errorf("interface %d of input %d is %q, want %q", tt.iface, tt.file, got, tt.want)
		}
	}
}

// TestEveryLimitIsAReason: what a limit left out makes the result incomplete, whichever it was.
func TestEveryLimitIsAReason(t *testing.T) {
	reasons := map[exchange.Anomaly]bool{}
	for _, a := range lossy {
		reasons[a] = true
	}
	for _, a := range exchange.AllAnomalies() {
		if strings.HasSuffix(a.String(), "_limit") && !reasons[a] {
			t.Errorf("%v is no reason", a)
		}
	}
}
