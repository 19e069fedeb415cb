package replay

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

func TestBitmapAgainstAMap(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var b, c bitmap
	inB, inC := map[uint64]bool{}, map[uint64]bool{}
	for range 20000 {
		i := r.Uint64N(3 * pageBits)
		if r.IntN(10) > 0 {
			i = r.Uint64N(2000)
		}
		if r.IntN(2) == 0 {
			if b.set(i) == inB[i] {
				t.Fatalf("set(%d) of b", i)
			}
			inB[i] = true
		} else {
			c.set(i)
			inC[i] = true
		}
	}
	var only, both uint64
	for i := range inB {
		if inC[i] {
			both++
		} else {
			only++
		}
	}
	last, n := int64(-1), uint64(0)
	b.without(&c, func(i uint64) bool {
		if int64(i) <= last || !inB[i] || inC[i] {
			t.Fatalf("without gives %d behind %d", i, last)
		}
		last = int64(i)
		n++
		return true
	})
	if n != only || b.common(&c) != both || b.n != uint64(len(inB)) {
		t.Errorf("without %d, want %d; common %d, want %d; n %d, want %d", n, only, b.common(&c), both, b.n, len(inB))
	}
}

// 100 million pairs take 12.5 MB a question, and questions that never come up nothing.
func TestBitmapSize(t *testing.T) {
	var b bitmap
	for i := uint64(0); i < 100_000_000; i += pageBits {
		b.set(i)
	}
	if bytes := len(b.pages) * pageWords * 8; bytes > 12_600_000 {
		t.Errorf("%d bytes", bytes)
	}
	var rare bitmap
	rare.set(99_999_999)
	pages := 0
	for _, p := range rare.pages {
		if p != nil {
			pages++
		}
	}
	if pages != 1 {
		t.Errorf("%d pages for one bit", pages)
	}
}

func TestLimits(t *testing.T) {
	r := &Result{}
	r.Ledger = LedgerReport{Collected: true, Scheduled: 1000, Sent: 1000, Lost: 5, Duplicated: 1, Late: 2, Delay: Timing{MaxNS: int64(3 * time.Second)}}
	r.Timing = Timing{Units: 100, Late: 1, P99NS: 150_000}
	r.Rate.Error = -0.002
	for _, tt := range []struct {
		text   string
		missed bool
	}{
		{"loss>0", true}, {"loss>5", false}, {"loss>4", true}, {"loss>0.5%", false}, {"loss>0.4%", true}, {"dup>0", true}, {"mispaired>0", false},
		{"truncated>0", false}, {"late>0", true}, {"late>5s", false}, {"late>2s", true}, {"late_sends>1%", false}, {"late_sends>200us", false},
		{"late_sends>100us", true}, {"rate_error>0.1%", true}, {"rate_error>0.3", false}, {"failed>0", false}, {"unsent>0", false}, {"half>0", false},
	} {
		list, err := ParseLimits(tt.text)
		if err != nil {
			t.Errorf("ParseLimits(%s): %v", tt.text, err)
			continue
		}
		if x := list[0].missed(r); x.Missed != tt.missed {
			t.Errorf("%s: %+v, want missed %t", tt.text, x, tt.missed)
		}
	}
	if v := judge(r, mustLimits(t, "mispaired>0, dup>0"), nil); v.OK || v.State != VerdictMissed || !strings.HasPrefix(v.Reason, "limits missed: dup>0 (1); sent ") {
		t.Errorf("verdict %+v", v)
	}
	r.Ledger.Collected = false
	if v := judge(r, mustLimits(t, "loss>0"), nil); v.OK || !v.Limits[0].Unknown || !strings.Contains(v.Reason, "not known") {
		t.Errorf("verdict without a collector %+v", v)
	}
}

func mustLimits(t *testing.T, text string) []Limit {
	t.Helper()
	list, err := ParseLimits(text)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestParseLimitsRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"": "it must be a name", "loss": "it must be a name", "loss>": "it must be a name", "los>0": `"los" is not known; there are loss`,
		"loss>x": "not a number", "loss>-1": "not a number", "loss>NaN": "not a number", "loss>5s": "loss is no time", "late>-5s": "below 0", "loss>0,": "it must be a name",
	} {
		if _, err := ParseLimits(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseLimits(%q): %v, want %q", text, err, want)
		}
	}
}

func TestParseLoss(t *testing.T) {
	for text, want := range map[string]float64{"loss=0": 0, "loss=0.5%": 0.005, "loss=0.01": 0.01} {
		if got, err := ParseLoss(text); err != nil || got != want {
			t.Errorf("ParseLoss(%q) = %g, %v; want %g", text, got, err, want)
		}
	}
	for _, text := range []string{"", "loss", "dup=0", "loss=x", "loss=-1%", "loss=100%", "loss=NaN"} {
		if got, err := ParseLoss(text); err == nil {
			t.Errorf("ParseLoss(%q) = %g", text, got)
		}
	}
}

// A response that goes out to the request of another event is no mispairing, and any
// other that comes to that request is.
func TestSharedRequestsAreNoMispairing(t *testing.T) {
	l := ledger{run: 7}
	l.schedule(4)
	l.join(1, 0)
	for seq := range uint64(4) {
		l.markSent(seq, 0)
	}
	text := func(seq uint64) []byte { return Marker{Run: 7, Seq: seq}.Append(nil) }
	for _, o := range [][2]uint64{{0, 0}, {0, 1}, {3, 2}} {
		l.observe(&Observation{Request: text(o[0]), Response: text(o[1]), RequestBody: -1, ResponseBody: -1}, 0)
	}
	r := l.report(true)
	if r.Seen != 3 || r.Lost != 1 || r.Mispaired != 1 || r.Duplicated != 0 {
		t.Errorf("seen %d, lost %d, mispaired %d, duplicated %d", r.Seen, r.Lost, r.Mispaired, r.Duplicated)
	}
	l.observe(&Observation{Request: text(2), Response: text(1), RequestBody: -1, ResponseBody: -1}, 0)
	if r := l.report(true); r.Mispaired != 2 {
		t.Errorf("mispaired %d, want 2", r.Mispaired)
	}
}
