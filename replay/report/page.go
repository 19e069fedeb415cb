package report

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"strings"

	"recap/replay"
	"recap/replay/http"
)

//go:embed page/page.html
var pageHTML string

//go:embed page/page.css
var pageCSS string

//go:embed page/page.js
var pageJS string

// pageRows bounds each list of the page.
const pageRows = 200

// A page is what the template shows. Numbers are texts by then, and foreign texts plain.
type page struct {
	Policy  string
	Style   template.CSS
	Script  template.JS
	Title   string
	Made    string
	OK      bool
	Word    string // of the verdict
	Verdict string
	Tiles   []row
	Charts  []*chart
	Rates   []row
	Ledger  []row
	Hops    []pageHop
	Limits  []pageLimit
	Trials  []pageTrial
	Search  string
	Lists   []pageList
	IDs     []pageIDs
	Notes   []string
	Latency []pageLatency
	Diffs   []pageDiff
	MoreDif string
}

type row struct{ Name, Value, Note string }

type pageHop struct{ Name, Where, Pairs, Packets, Bytes, Dropped, Lost, Note string }

type pageLimit struct {
	Limit, Value, Result string
	Missed               bool
}

type pageTrial struct {
	Rate, Purpose, Sent, Lost, Loss, Bits, Pairs, Why string
	OK                                                bool
}

type pageList struct {
	Title string
	Rows  []row
}

type pageIDs struct {
	Title, More string
	IDs         []string
}

type pageLatency struct{ Name, Count, Mean, P50, P90, P99, P999, Max string }

type pageDiff struct{ Kind, Name, Pair, Request, Recorded, Received string }

// Page writes replay.html.
func Page(w io.Writer, r *replay.Result) error {
	t, err := template.New("page").Parse(pageHTML)
	if err != nil {
		return fmt.Errorf("%s: %w", PageName, err)
	}
	return t.Execute(w, newPage(r))
}

func newPage(r *replay.Result) *page {
	p := &page{Style: template.CSS(pageCSS), Script: template.JS(pageJS), OK: r.Verdict.OK, Charts: plots(r)}
	p.Policy = "default-src 'none'; style-src '" + hash(pageCSS) + "'; script-src '" + hash(pageJS) + "'; base-uri 'none'; form-action 'none'"
	p.Title = "Replay to " + plain(r.To)
	p.Made = "Run " + plain(r.Run)
	if !r.Started.IsZero() {
		p.Made += ", " + r.Started.UTC().Format("2006-01-02 15:04:05") + " UTC"
	}
	if n := len(r.Sources); n > 0 {
		p.Made += ", from " + plain(r.Sources[0])
		if n > 1 {
			p.Made += fmt.Sprintf(" and %s more", number(n-1))
		}
	}
	p.Word, p.Verdict = verdictWord(&r.Verdict), plain(r.Verdict.Reason)
	p.Notes = append(p.Notes, "Ended: "+ended(r)+".")
	p.tiles(r)
	p.rates(r)
	p.ledger(r)
	for i := range r.Hops[:min(len(r.Hops), pageRows)] {
		p.Hops = append(p.Hops, pageHopOf(&r.Hops[i]))
	}
	for i := range r.Verdict.Limits[:min(len(r.Verdict.Limits), pageRows)] {
		l := &r.Verdict.Limits[i]
		word := "met"
		if l.Unknown {
			word = "could not be tested"
		} else if l.Missed {
			word = "missed"
		}
		p.Limits = append(p.Limits, pageLimit{plain(l.Limit), fmt.Sprintf("%g", l.Value), word, l.Missed || l.Unknown})
	}
	p.search(r.Search)
	p.target(r.Target)
	p.failures(r)
	return p
}

func (p *page) tiles(r *replay.Result) {
	add := func(name, value string) { p.Tiles = append(p.Tiles, row{name, value, ""}) }
	add("pairs sent", number(r.Ledger.Sent))
	if r.Sent.Packets > 0 {
		add("packets", number(r.Sent.Packets))
	}
	add("pairs per second", strings.TrimSuffix(rate(r.Rate.PairsPerSecond, "pairs"), " pairs/s"))
	if l := levels(&r.Rate); len(l) > 0 {
		add(l[len(l)-1].name, rate(l[len(l)-1].bits, "bits"))
	}
	if r.Ledger.Collected && !r.Ledger.CountOnly {
		add("lost", fmt.Sprintf("%s (%s)", number(r.Ledger.Lost), share(float64(r.Ledger.Lost), float64(r.Ledger.Sent))))
		add("mispaired", number(r.Ledger.Mispaired))
	}
	if f, ok := r.Target.(*http.Findings); ok {
		add("latency p99, from due", span(f.Latency.Intended.P99NS))
		add("responses different", number(f.Compared.Different))
	}
	if n := r.Ledger.LeftOut; n > 0 {
		add("left out", number(n))
	}
	if r.Ledger.Failed > 0 {
		add("failed", number(r.Ledger.Failed))
	}
	if r.Timing.Units > 0 {
		add("timing error p99", span(r.Timing.P99NS))
	}
}

func (p *page) rates(r *replay.Result) {
	q := &r.Rate
	add := func(name, value, note string) { p.Rates = append(p.Rates, row{name, value, note}) }
	if q.AskedPerSecond > 0 {
		add("asked", rate(q.AskedPerSecond, unitOf(q.Unit)), plain(q.Asked))
		add("achieved", rate(q.Achieved, unitOf(q.Unit)), fmt.Sprintf("%+.3f %%", 100*q.Error))
	} else {
		add("asked", "", plain(q.Asked))
	}
	notes := map[string]string{"L1": "with preamble, check sequence and gap", "L2": "frames", "inner": "frames inside the tunnel", "HTTP": "heads and bodies"}
	for _, l := range levels(q) {
		add(l.name, rate(l.bits, "bits"), notes[l.name])
	}
	add("pairs", rate(q.PairsPerSecond, "pairs"), "")
	if q.PacketsPerSecond > 0 {
		add("packets", rate(q.PacketsPerSecond, "packets"), "")
	}
	if ns := r.Schedule.HeldNS; ns > 0 {
		add("held", span(ns), "what takes the pairs asked to wait")
	}
	t := &r.Timing
	if t.Units > 0 {
		add("behind the deadline", span(t.P50NS), "p50")
		add("", span(t.P99NS), "p99")
		add("", span(t.P999NS), "p99.9")
		add("", span(t.MaxNS), "max")
		add("late", number(t.Late), fmt.Sprintf("of %s, by more than %s", number(t.Units), span(t.LateAfterNS)))
	}
}

func (p *page) ledger(r *replay.Result) {
	l := &r.Ledger
	if l.CountOnly {
		p.Notes = append(p.Notes, "Packets were sent as they were captured. They have no markers: what came out is counted, what was lost is not known.")
	}
	add := func(name string, n uint64, note string) { p.Ledger = append(p.Ledger, row{name, number(n), note}) }
	add("scheduled", l.Scheduled, "")
	add("sent", l.Sent, share(float64(l.Sent), float64(l.Scheduled)))
	add("left out", l.LeftOut, "a rule of the target is against sending them")
	add("failed", l.Failed, "")
	add("unsent", l.Unsent, "")
	if !l.Collected {
		p.Notes = append(p.Notes, "There was no collector: what arrived is not known.")
		return
	}
	add("seen", l.Seen, share(float64(l.Seen), float64(l.Sent)))
	add("lost", l.Lost, share(float64(l.Lost), float64(l.Sent)))
	add("duplicated", l.Duplicated, "")
	add("mispaired", l.Mispaired, "request and response of different pairs")
	add("truncated", l.Truncated, "")
	add("half", l.Half, "one of two messages")
	add("late", l.Late, "by more than "+span(l.LateAfterNS))
	add("unexpected", l.Unexpected, "seen, but not noted as sent")
	add("observations", l.Observations, "of the collector")
	add("of unknown size", l.Unsized, "not tested for truncation")
	add("unmarked", l.Unmarked, "")
	add("damaged markers", l.BadMarker, "")
	add("of other runs", l.OtherRun, "")
	for _, part := range idLists(l) {
		p.ids(part.name, part.ids)
	}
}

func (p *page) ids(title string, ids []replay.PairID) {
	if len(ids) == 0 {
		return
	}
	list := pageIDs{Title: strings.ToUpper(title[:1]) + title[1:]}
	for _, id := range ids[:min(len(ids), pageRows)] {
		list.IDs = append(list.IDs, idText(id))
	}
	if n := len(ids) - len(list.IDs); n > 0 {
		list.More = "and " + number(n) + " more in " + JSONName
	}
	p.IDs = append(p.IDs, list)
}

func pageHopOf(h *replay.Hop) pageHop {
	text := func(n *uint64) string {
		if n == nil {
			return ""
		}
		return number(*n)
	}
	q := pageHop{Name: plain(h.Name), Where: plain(h.Where), Pairs: text(h.Pairs), Packets: text(h.Packets), Dropped: text(h.Dropped), Note: plain(h.Note)}
	if h.Bytes != nil {
		q.Bytes = size(*h.Bytes)
	}
	if h.Lost != nil {
		q.Lost = number(*h.Lost)
	}
	return q
}

func (p *page) search(s *replay.Search) {
	if s == nil {
		return
	}
	p.Search = "No rate meets " + plain(s.Limit) + "."
	if s.Found {
		p.Search = fmt.Sprintf("%s holds up to %s: %s, %s.", plain(s.Limit), plain(s.Rate), rate(s.BitsPerSecond, "bits"), rate(s.PairsPerSecond, "pairs"))
	}
	if s.SenderBound {
		p.Search += " The sender was the limit, not the ingestor."
	}
	for _, t := range s.Trials[:min(len(s.Trials), pageRows)] {
		p.Trials = append(p.Trials, pageTrial{plain(t.Rate), plain(t.Purpose), number(t.Sent), number(t.Lost), share(t.Loss, 1),
			rate(t.BitsPerSecond, "bits"), rate(t.PairsPerSecond, "pairs"), plain(t.Why), t.OK})
	}
}

func (p *page) target(found any) {
	switch f := found.(type) {
	case nil:
	case *http.Findings:
		p.http(f)
	default:
		list := pageList{Title: "What the target says"}
		for _, q := range flatten(f) {
			list.Rows = append(list.Rows, row{q.name, q.value, ""})
		}
		p.Lists = append(p.Lists, list)
	}
}

func (p *page) http(f *http.Findings) {
	for _, l := range []struct {
		name string
		q    *http.Quantiles
	}{{"due to done", &f.Latency.Intended}, {"sent to done", &f.Latency.Service}, {"sent to first byte", &f.Latency.FirstByte},
		{"due to sent", &f.Latency.SendDelay}, {"making a connection", &f.Latency.Connect}} {
		if q := l.q; q.Count > 0 {
			p.Latency = append(p.Latency, pageLatency{l.name, number(q.Count), span(q.MeanNS), span(q.P50NS), span(q.P90NS), span(q.P99NS), span(q.P999NS), span(q.MaxNS)})
		}
	}
	statuses := make(map[string]int64, len(f.Status))
	for code, n := range f.Status {
		statuses[fmt.Sprint(code)] = n
	}
	compared := map[string]int64{"as recorded": f.Compared.Same, "different": f.Compared.Different, "alike, no recorded body": f.Compared.SameHead, "no recorded response": f.Compared.NoRecord}
	connections := map[string]int64{"opened": f.Connections.Opened, "at most at once": f.Connections.Most, "closed by the target": f.Connections.ClosedByPeer, "closed to make room": f.Connections.Evicted,
		"closed because more came than was asked for": f.Connections.Unasked}
	for _, l := range []struct {
		title  string
		counts map[string]int64
	}{{"Responses", compared}, {"Status", statuses}, {"Differences, in pairs", f.Differences}, {"Fields that differ", f.Headers},
		{"Places in JSON that differ", f.Places}, {"Errors", f.Errors}, {"Left out", f.LeftOut}, {"Held back by", f.HeldBack},
		{"Connections", connections}} {
		p.counts(l.title, l.counts)
	}
	for _, e := range f.Examples[:min(len(f.Examples), pageRows)] {
		p.Diffs = append(p.Diffs, pageDiff{plain(e.Kind), plain(e.Name), idText(replay.PairID{Seq: e.Seq, ID: e.Pair}), plain(e.Method + " " + e.Target), plain(e.Recorded), plain(e.Received)})
	}
	if n := len(f.Examples) - len(p.Diffs); n > 0 {
		p.MoreDif = "and " + number(n) + " more in " + JSONName
	}
}

func (p *page) counts(title string, counts map[string]int64) {
	list := pageList{Title: title}
	for _, text := range ranked(counts) {
		name, n := text, ""
		if i := strings.LastIndexByte(text, ' '); !strings.HasSuffix(text, " more") {
			name, n = text[:i], text[i+1:]
		}
		list.Rows = append(list.Rows, row{name, n, ""})
	}
	if len(list.Rows) > 0 {
		p.Lists = append(p.Lists, list)
	}
}

func (p *page) failures(r *replay.Result) {
	list := pageList{Title: "Why pairs failed"}
	for _, f := range r.Failures[:min(len(r.Failures), pageRows)] {
		list.Rows = append(list.Rows, row{plain(f.Hop) + ": " + plain(f.Error), number(f.Pairs), ""})
	}
	if len(list.Rows) > 0 {
		p.Lists = append(p.Lists, list)
	}
	p.ids("failed", r.Ledger.FailedIDs)
	p.counts("Not scheduled", signed(r.Schedule.LeftOut))
	p.counts("Left out by the target", signed(r.Ledger.LeftOutBy))
	p.counts("Counters", r.Counters)
}

func signed(counts map[string]uint64) map[string]int64 {
	m := make(map[string]int64, len(counts))
	for name, n := range counts {
		m[name] = int64(n)
	}
	return m
}

// hash is how a content security policy names an inline style or script.
func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}
