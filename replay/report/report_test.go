package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"html"
	"io"
	"math"
	nethttp "net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"recap/replay"
	"recap/replay/http"
)

var update = flag.Bool("update", false, "write testdata anew")

func ptr[T any](v T) *T { return &v }

// sample is a run of 20 s with a bad moment in the middle.
func sample() *replay.Result {
	r := &replay.Result{Run: "89abcdef", Sources: []string{"recap-out"}, To: "http://127.0.0.1:8080/", Collect: "kafka://127.0.0.1:9092/pairs",
		Started: time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC), Ended: "source", ElapsedNS: 20e9, TookNS: 22e9,
		Rate: replay.RateResult{Asked: "5000pairs/s", Unit: "pairs/s", AskedPerSecond: 5000, Achieved: 4998, Error: -0.0004, PairsPerSecond: 4998,
			PacketsPerSecond: 25_123, L1: 1.31e9, L2: 1.28e9, Inner: 1.21e9, HTTP: 1.05e9},
		Sent:     replay.Amount{Pairs: 99_960, Packets: 502_460, Bytes: 2_500_000_000},
		Schedule: replay.ScheduleStat{Read: 100_000, Loops: 1, LeftOut: map[string]uint64{"response_only": 12}},
		Timing:   replay.Timing{Units: 99_960, Late: 37, LateAfterNS: 1e6, MeanNS: 21_000, P50NS: 15_000, P90NS: 40_000, P99NS: 88_000, P999NS: 900_000, MaxNS: 4_100_000},
		Ledger: replay.LedgerReport{Scheduled: 100_388, Sent: 99_960, LeftOut: 400, LeftOutBy: map[string]uint64{"unsafe_method": 400}, Failed: 28, Collected: true, Seen: 99_948, Lost: 12, Duplicated: 3, Mispaired: 1,
			LateAfterNS: 10e9, Observations: 99_952, Delay: replay.Timing{Units: 99_948, P50NS: 3e6, P99NS: 22e6, MaxNS: 810e6},
			LostIDs:   []replay.PairID{{Seq: 50_017, ID: "383be3eaf6f10f3700000001"}, {Seq: 50_018}},
			FailedIDs: []replay.PairID{{Seq: 7}}},
		Hops: []replay.Hop{{Name: "scheduled", Pairs: ptr(uint64(99_988))}, {Name: "accepted", Pairs: ptr(uint64(99_960)), Lost: ptr(int64(28))},
			{Name: "interface", Where: "eth0", Packets: ptr(uint64(502_460)), Bytes: ptr(uint64(2_600_000_000)), Dropped: ptr(uint64(0))},
			{Name: "collector", Where: "kafka://127.0.0.1:9092/pairs", Pairs: ptr(uint64(99_948)), Lost: ptr(int64(12)), Note: "from 50,017 to 50,028"}},
		Counters: map[string]int64{replay.CountSyscalls: 12_222, "connections": 64},
		Failures: []replay.Failure{{Hop: "accepted", Error: "no whole response in time", Pairs: 28}},
		Verdict:  replay.Verdict{State: replay.VerdictMissed, Reason: "limits missed: loss>0", Limits: []replay.LimitResult{{Limit: "loss>0", Value: 12, Missed: true}, {Limit: "late>1%", Value: 0.03}}},
	}
	f := &http.Findings{Kind: "http", Address: "127.0.0.1:8080", Answered: 99_960, Late: 812, BytesSent: 25e6, BytesReceived: 2.4e9,
		Errors: map[string]int64{"timeout": 28}, Status: map[int32]int64{200: 99_000, 404: 950, 503: 10}, Versions: map[string]int64{"HTTP/1.1": 64},
		LeftOut: map[string]int64{"unsafe_method": 400}, HeldBack: map[string]int64{}, Connections: http.Connections{Opened: 64, Most: 64, ClosedByPeer: 3},
		Compared: http.Compared{Same: 98_000, Different: 1_900, SameHead: 60}, Differences: map[string]int64{"status": 10, "json": 1_800, "header_value": 90},
		Headers: map[string]int64{"etag": 90}, Places: map[string]int64{"$.items[*].price": 1_800},
		Examples: []http.Example{{Kind: "json", Name: "$.items[*].price", Pair: "383be3eaf6f10f3700000001", Seq: 12, Method: "GET", Target: "/api/items?page=2", Recorded: "12.5", Received: "13"}}}
	r.Target = f
	r.Series.StepNS, f.Series.StepNS = 1e9, 1e9
	for i := range 20 {
		bad := math.Exp(-math.Abs(float64(i) - 10))
		s := replay.Step{AtNS: int64(i) * 1e9, Pairs: uint64(5000 - 900*bad), Packets: 25_000, Bytes: uint64(125e6 * (1 - bad/5)), Late: uint64(30 * bad),
			ErrorP99NS: int64(60_000 + 3e6*bad), ErrorMaxNS: int64(400_000 + 5e6*bad), DelayP50NS: int64(3e6 + 9e6*bad), DelayMaxNS: int64(20e6 + 700e6*bad), Lost: uint64(9 * bad)}
		s.Seen = s.Pairs - s.Lost
		r.Series.Steps = append(r.Series.Steps, s)
		f.Series.Points = append(f.Series.Points, http.Point{AtNS: s.AtNS, Answered: int64(s.Pairs), Errors: int64(28 * bad), Different: int64(95 + 20*bad),
			P50NS: int64(900_000 + 3e6*bad), P99NS: int64(4e6 + 300e6*bad), MaxNS: int64(20e6 + 700e6*bad)})
	}
	for at, n := int64(1000), int64(10); at < 8e6; at, n = at*2, n*3%9973 {
		r.Timing.Histogram = append(r.Timing.Histogram, replay.Bar{FromNS: at / 2, ToNS: at, Count: n + 1})
	}
	curve := func(base float64) (q http.Quantiles) {
		q = http.Quantiles{Count: 99_960, MeanNS: int64(base * 1.3), MinNS: int64(base / 4), P50NS: int64(base), P90NS: int64(2 * base), P95NS: int64(3 * base), P99NS: int64(5 * base), P999NS: int64(90 * base), MaxNS: int64(700 * base)}
		for rest := 1.0; rest > 1e-5; rest /= 1.6 {
			q.Curve = append(q.Curve, http.Quantile{Q: 1 - rest, NS: int64(base * math.Pow(1/rest, 0.6))})
		}
		return q
	}
	f.Latency = http.Latencies{Intended: curve(1e6), Service: curve(0.7e6), FirstByte: curve(0.6e6), SendDelay: curve(0.05e6), Connect: curve(0.2e6)}
	return r
}

// hostile is text that would do harm where it is not escaped.
const hostile = "\x1b[2J\r\n</script><img src=x onerror=alert(1)>\"' onload=alert(1) {{.}} javascript:alert(1) \u202e \xff"

func hostileResult() *replay.Result {
	r := sample()
	r.To, r.Collect, r.Sources, r.Error, r.Run = hostile, hostile, []string{hostile}, hostile, hostile
	r.Rate.Asked, r.Rate.Unit = hostile, hostile
	r.Hops[0].Name, r.Hops[0].Where, r.Hops[0].Note = hostile, hostile, hostile
	r.Failures[0].Error, r.Failures[0].Hop = hostile, hostile
	r.Verdict.Reason, r.Verdict.Limits[0].Limit = hostile, hostile
	r.Counters[hostile] = 1
	r.Schedule.LeftOut[hostile] = 1
	r.Ledger.LostIDs[0].ID = hostile
	r.Search = &replay.Search{Limit: hostile, Found: true, Rate: hostile, Trials: []replay.Trial{{Rate: hostile, Purpose: hostile, Why: hostile}}}
	f := r.Target.(*http.Findings)
	for _, m := range []map[string]int64{f.Errors, f.LeftOut, f.HeldBack, f.Headers, f.Places, f.Differences} {
		m[hostile] = 1
	}
	f.Examples = append(f.Examples, http.Example{Kind: hostile, Name: hostile, Pair: hostile, Method: hostile, Target: hostile, Recorded: hostile, Received: hostile})
	return r
}

func TestText(t *testing.T) {
	var b bytes.Buffer
	if err := Text(&b, sample()); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join("testdata", "summary.txt")
	if *update {
		if err := os.WriteFile(name, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if got := b.String(); got != string(want) {
		t.Errorf("got\n%s\nwant\n%s\ngo test ./replay/report -update writes it anew", got, want)
	}
}

func TestAnEmptyResultCanBeShown(t *testing.T) {
	for _, r := range []*replay.Result{{}, {Target: &http.Findings{}}, {Target: map[string]any{"a": []int{1}, "b": 2}}, {Search: &replay.Search{}}} {
		for _, write := range []func(io.Writer, *replay.Result) error{Text, JSON, Page} {
			var b bytes.Buffer
			if err := write(&b, r); err != nil || b.Len() == 0 {
				t.Errorf("%v, %d bytes", err, b.Len())
			}
			if bytes.Contains(b.Bytes(), []byte("NaN")) {
				t.Errorf("%s", b.Bytes())
			}
		}
	}
}

func TestForeignTextsDoNoHarm(t *testing.T) {
	var b bytes.Buffer
	if err := Text(&b, hostileResult()); err != nil {
		t.Fatal(err)
	}
	if i := bytes.IndexAny(b.Bytes(), "\x1b\r\u202e"); i >= 0 {
		t.Errorf("the summary holds a control character: %q", b.Bytes()[i:i+20])
	}
	b.Reset()
	if err := Page(&b, hostileResult()); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	if strings.Contains(text, "<img") || strings.Count(text, "</script>") != 1 || strings.ContainsAny(text, "\x1b\u202e") {
		t.Error("the page holds foreign markup")
	}
	if m := regexp.MustCompile(`<[^>]*\son(load|error)=`).FindString(text); m != "" {
		t.Errorf("the page holds %q", m)
	}
	b.Reset()
	if err := JSON(&b, hostileResult()); err != nil || !json.Valid(b.Bytes()) {
		t.Errorf("replay.json: %v", err)
	}
}

// The policy names style and script by their hashes: were they written otherwise
// than they were hashed, a browser would show a bare page.
func TestThePolicyAllowsWhatThePageHolds(t *testing.T) {
	var b bytes.Buffer
	if err := Page(&b, sample()); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	policy := html.UnescapeString(regexp.MustCompile(`Content-Security-Policy" content="([^"]*)"`).FindStringSubmatch(text)[1])
	for _, tag := range []string{"style", "script"} {
		_, rest, _ := strings.Cut(text, "<"+tag+">")
		inside, _, ok := strings.Cut(rest, "</"+tag+">")
		if want := tag + "-src '" + hash(inside) + "'"; !ok || !strings.Contains(policy, want) {
			t.Errorf("policy %s lacks %s", policy, want)
		}
	}
	if m := regexp.MustCompile(`(?i)(src|href)=|url\(|@import|style="`).FindString(text); m != "" {
		t.Errorf("the page refers to something: %q", m)
	}
	if n := strings.Count(text, `<figure class="chart"`); n != 9 {
		t.Errorf("%d charts, want 9", n)
	}
}

func TestThePageIsBounded(t *testing.T) {
	r := sample()
	for i := range 100_000 {
		r.Series.Steps = append(r.Series.Steps, replay.Step{AtNS: int64(i+20) * 1e9, Pairs: 1, ErrorP99NS: 5})
		r.Ledger.LostIDs = append(r.Ledger.LostIDs, replay.PairID{Seq: uint64(i)})
	}
	r.ElapsedNS = 100_020e9
	r.Target.(*http.Findings).Examples = make([]http.Example, 5000)
	var b bytes.Buffer
	if err := Page(&b, r); err != nil || b.Len() > 1<<20 {
		t.Errorf("%v, %d bytes", err, b.Len())
	}
}

func TestWriteReplacesOnlyWhenTold(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	if err := Write(dir, sample(), false); err != nil {
		t.Fatal(err)
	}
	if err := Write(dir, sample(), false); !errors.Is(err, os.ErrExist) {
		t.Errorf("the second time gives %v", err)
	}
	if err := Write(dir, sample(), true); err != nil {
		t.Error(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("%v, %v", entries, err)
	}
	var back struct {
		Format  string `json:"format"`
		Version int    `json:"version"`
		Ledger  replay.LedgerReport
		Target  http.Findings
	}
	text, err := os.ReadFile(filepath.Join(dir, JSONName))
	if err == nil {
		err = json.Unmarshal(text, &back)
	}
	if err != nil || back.Format != Format || back.Version != Version || back.Ledger.Lost != 12 || back.Target.Answered != 99_960 {
		t.Errorf("%v, %+v", err, back)
	}
}

func TestMetrics(t *testing.T) {
	at, stop, err := ServeMetrics("127.0.0.1:0", &replay.Live{})
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	res, err := nethttp.Get("http://" + at + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || !bytes.Contains(text, []byte(`recap_replay_phase{phase="starting"} 1`)) {
		t.Errorf("%v\n%s", err, text)
	}
	line := regexp.MustCompile(`^(# (HELP|TYPE) recap_replay_[a-z_]+ .+|recap_replay_[a-z_]+({phase="[a-z]+"})? [0-9.e+]+)$`)
	full := metrics(&replay.Snapshot{Collecting: true, Elapsed: 90 * time.Second, Sent: replay.Amount{Pairs: 1e9}})
	for l := range strings.Lines(string(full)) {
		if !line.MatchString(strings.TrimSuffix(l, "\n")) {
			t.Errorf("line %q", l)
		}
	}
	if !strings.Contains(string(full), "recap_replay_pairs_sent_total 1e+09\n") {
		t.Errorf("%s", full)
	}
}

func TestLine(t *testing.T) {
	var l Line
	l.Next(replay.Snapshot{Phase: "sending", Elapsed: time.Second, Sent: replay.Amount{Pairs: 1000, Bytes: 1e6}})
	got := l.Next(replay.Snapshot{Phase: "sending", Elapsed: 2 * time.Second, Sent: replay.Amount{Pairs: 3000, Bytes: 3e6}, Late: 2, Collecting: true, Seen: 2900})
	if want := "sending 2 s · 3,000 pairs · 2,000 pairs/s · 16 Mbit/s · 2 late · 2,900 seen"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := cut(got, 12); got != "sending 2 s " {
		t.Errorf("cut gives %q", got)
	}
}

func TestWords(t *testing.T) {
	for _, tt := range []struct{ got, want string }{
		{number(uint64(1234567)), "1,234,567"}, {number(-1000), "-1,000"}, {number(999), "999"},
		{rate(1.25e9, "bits"), "1.25 Gbit/s"}, {rate(12345, "pairs"), "12,345 pairs/s"}, {rate(0.5, "pairs"), "0.5 pairs/s"},
		{size(int64(1500)), "1.50 kB"}, {size(uint64(12)), "12 B"},
		{span(0), "0 s"}, {span(999), "999 ns"}, {span(1500), "1.5 µs"}, {span(12_345_678), "12.3 ms"}, {span(-2e9), "-2 s"}, {span(3_725e9), "1h2m5s"},
		{share(0, 0), "0 %"}, {share(1, 1e6), "< 0.01 %"}, {share(1, 3), "33.33 %"},
		{plain("a\x1b[1mb\"\\"), `a\x1b[1mb"\`},
		{nines(2), "50 %"}, {nines(10), "90 %"}, {nines(1000), "99.9 %"},
	} {
		if tt.got != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
}

// What could not be looked at, and what did not fit, is said with what to do about it.
func TestTextSaysWhatWasNotTested(t *testing.T) {
	r := sample()
	r.Ledger.Unsized = 7
	var b bytes.Buffer
	if err := Text(&b, r); err != nil || !strings.Contains(b.String(), "not tested for truncation 7") {
		t.Errorf("%v\n%s", err, b.String())
	}
	b.Reset()
	r.OfPackets, r.Counters[replay.CountPacketsTooLarge] = true, 90
	if err := Text(&b, r); err != nil || !strings.Contains(b.String(), "left out: too_large 90") || !strings.Contains(b.String(), "oversize=cut") {
		t.Errorf("%v\n%s", err, b.String())
	}
}

// A run of less than a second has one step, and its plots show it.
func TestPlotsOfAShortRun(t *testing.T) {
	r := sample()
	r.ElapsedNS = 500e6
	r.Series.Steps = r.Series.Steps[:1]
	f := r.Target.(*http.Findings)
	f.Series.Points = []http.Point{{Answered: 100, P50NS: 1e6, P99NS: 2e6, MaxNS: 3e6}}
	if c := answers(f, r.ElapsedNS).curves[0]; len(c.points) != 2 || c.points[0] != (xy{0, 100}) || c.points[1] != (xy{0.5, 100}) {
		t.Errorf("answers per second: %v, want 100 from 0 to 0.5 s", c.points)
	}
	if c := latency(f, r.ElapsedNS).curves[2]; len(c.points) != 2 || c.points[1] != (xy{0.5, 3e6}) {
		t.Errorf("longest latency: %v, want 3 ms from 0 to 0.5 s", c.points)
	}
}
