package report

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"recap/replay"
	"recap/replay/http"
)

// shownIDs, shownFailures and shownNames bound lists in the summary.
const (
	shownIDs      = 10
	shownFailures = 5
	shownNames    = 8
)

// A summary is written line by line, a label and what belongs to it.
type summary struct{ b bytes.Buffer }

func (s *summary) line(label, format string, args ...any) {
	fmt.Fprintf(&s.b, "  %-10s %s\n", label, fmt.Sprintf(format, args...))
}

// Text writes the summary of a run for a terminal.
func Text(w io.Writer, r *replay.Result) error {
	s := new(summary)
	fmt.Fprintf(&s.b, "replay %s to %s\n", plain(r.Run), plain(r.To))
	s.line("ended", "%s", ended(r))
	s.rates(r)
	s.source(r)
	s.sent(r)
	s.timing(r)
	switch f := r.Target.(type) {
	case nil:
	case *http.Findings:
		s.http(f)
	default:
		for _, p := range flatten(f) {
			s.line("", "%s %s", p.name, p.value)
		}
	}
	s.ledger(r)
	s.hops(r.Hops)
	for i, f := range r.Failures[:min(len(r.Failures), shownFailures)] {
		s.line(first(i, "failures"), "%s × %s: %s", number(f.Pairs), plain(f.Hop), plain(f.Error))
	}
	s.search(r.Search)
	s.verdict(&r.Verdict)
	_, err := w.Write(s.b.Bytes())
	return err
}

func first(i int, label string) string {
	if i == 0 {
		return label
	}
	return ""
}

func ended(r *replay.Result) string {
	why := map[string]string{"source": "the source was sent to its end", "for": "the time was up", "limit": "the limit was reached",
		"interrupted": "interrupted", "error": "an error"}[r.Ended]
	if why == "" {
		why = plain(r.Ended)
	}
	text := fmt.Sprintf("%s after %s", why, span(r.ElapsedNS))
	if r.TookNS > r.ElapsedNS {
		text += fmt.Sprintf(" (%s with all that came after)", span(r.TookNS))
	}
	if r.Error != "" {
		text += ": " + plain(r.Error)
	}
	return text
}

func (s *summary) rates(r *replay.Result) {
	q := &r.Rate
	switch {
	case q.AskedPerSecond > 0:
		s.line("rate", "asked %s, achieved %s (%+.2f %%)", rate(q.AskedPerSecond, unitOf(q.Unit)), rate(q.Achieved, unitOf(q.Unit)), 100*q.Error)
	case q.Asked == "max" || q.Asked == "":
		s.line("rate", "as fast as possible: %s", speedOf(r))
	default:
		s.line("rate", "asked %s, took %+.2f %% more or less", plain(q.Asked), 100*q.Error)
	}
	var parts []string
	for _, l := range levels(q) {
		parts = append(parts, l.name+" "+rate(l.bits, "bits"))
	}
	parts = append(parts, speedOf(r))
	if q.PacketsPerSecond > 0 && !r.OfPackets {
		parts = append(parts, rate(q.PacketsPerSecond, "packets"))
	}
	s.line("", "%s", strings.Join(parts, " · "))
}

// source tells where the source kept the sender waiting, and what helps.
func (s *summary) source(r *replay.Result) {
	c := &r.Schedule
	if c.HeldNS > 0 {
		s.line("held", "%s (%s of the time): what takes the pairs had more than it could take, and asked to wait", span(c.HeldNS), share(float64(c.HeldNS), float64(r.ElapsedNS)))
	}
	if c.StarvedNS < int64(starved) || float64(c.StarvedNS) < starvedShare*float64(r.ElapsedNS) {
		return
	}
	s.line("source", "what was due waited %s for the source (%s of the time)", span(c.StarvedNS), share(float64(c.StarvedNS), float64(r.ElapsedNS)))
	switch {
	case c.Loops > 1 && !c.Cached:
		s.line("", "each pass reads it again: raise --read-ahead until all of it is kept")
	case c.Loops > 1:
		s.line("", "that was in the first pass, which is read while it is sent; those behind it came out of memory")
	default:
		s.line("", "the source is the limit: recap extract it, and replay what that wrote, with --loop and a --read-ahead that holds it")
	}
}

// What is less than these is not worth a word: so long, and so much of the run.
const (
	starved      = 10 * time.Millisecond
	starvedShare = 0.01
)

// speedOf returns the rate of what was sent, pairs or packets.
func speedOf(r *replay.Result) string {
	if r.OfPackets {
		return rate(r.Rate.PacketsPerSecond, "packets")
	}
	return rate(r.Rate.PairsPerSecond, "pairs")
}

// unitOf returns what a rate counts, in words.
func unitOf(unit string) string {
	switch unit {
	case "bps":
		return "bits"
	case "pps":
		return "packets"
	}
	return "pairs"
}

type level struct {
	name string
	bits float64
}

// levels returns the rates that the target has.
func levels(q *replay.RateResult) (list []level) {
	for _, l := range []level{{"L1", q.L1}, {"L2", q.L2}, {"inner", q.Inner}, {"HTTP", q.HTTP}} {
		if l.bits > 0 {
			list = append(list, l)
		}
	}
	return list
}

func (s *summary) sent(r *replay.Result) {
	text := number(r.Sent.Pairs) + " pairs"
	switch {
	case r.OfPackets:
		text = number(r.Sent.Packets) + " packets as they were captured"
	case r.Sent.Packets > 0:
		text += ", " + number(r.Sent.Packets) + " packets"
	}
	if r.Sent.Bytes > 0 {
		text += ", " + size(r.Sent.Bytes)
	}
	if n := r.Counters[replay.CountSyscalls]; n > 0 {
		text += ", " + number(n) + " system calls"
	}
	if c := &r.Schedule; c.Loops > 1 {
		text += fmt.Sprintf(", in %s passes", number(c.Loops))
	}
	s.line("sent", "%s", text)
	if r.OfPackets {
		return
	}
	if out := ranked(r.Schedule.LeftOut); len(out) > 0 {
		s.line("", "not scheduled: %s", strings.Join(out, ", "))
	}
}

// ranked lists counts, the largest first.
func ranked[N int64 | uint64](counts map[string]N) (list []string) {
	names := make([]string, 0, len(counts))
	for name, n := range counts {
		if n > 0 {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		if counts[a] != counts[b] {
			return compare(counts[b], counts[a])
		}
		return strings.Compare(a, b)
	})
	for i, name := range names {
		if i == shownNames {
			return append(list, fmt.Sprintf("%d more", len(names)-i))
		}
		list = append(list, plain(name)+" "+number(counts[name]))
	}
	return list
}

func compare[N int64 | uint64](a, b N) int {
	if a < b {
		return -1
	}
	return 1
}

func (s *summary) timing(r *replay.Result) {
	t := &r.Timing
	if t.Units == 0 {
		return
	}
	s.line("timing", "behind the deadline: p50 %s · p99 %s · p99.9 %s · max %s", span(t.P50NS), span(t.P99NS), span(t.P999NS), span(t.MaxNS))
	s.line("", "%s of %s units later than %s (%s)", number(t.Late), number(t.Units), span(t.LateAfterNS), share(float64(t.Late), float64(t.Units)))
}

func (s *summary) http(f *http.Findings) {
	l := &f.Latency
	for i, q := range []struct {
		name string
		q    http.Quantiles
	}{{"due → done", l.Intended}, {"sent → done", l.Service}, {"sent → first", l.FirstByte}, {"due → sent", l.SendDelay}} {
		if q.q.Count > 0 {
			s.line(first(i, "latency"), "%-12s p50 %s · p90 %s · p99 %s · p99.9 %s · max %s", q.name, span(q.q.P50NS), span(q.q.P90NS), span(q.q.P99NS), span(q.q.P999NS), span(q.q.MaxNS))
		}
	}
	statuses := make(map[string]int64, len(f.Status))
	for code, n := range f.Status {
		statuses[fmt.Sprint(code, " ×")] = n
	}
	s.line("answers", "%s over %s connections (at most %s at once): %s", number(f.Answered), number(f.Connections.Opened), number(f.Connections.Most), orNone(ranked(statuses)))
	c := &f.Compared
	s.line("", "%s as recorded, %s different, %s alike without a recorded body, %s without a recorded response", number(c.Same), number(c.Different), number(c.SameHead), number(c.NoRecord))
	for _, part := range []struct {
		label string
		list  []string
	}{{"differences", ranked(f.Differences)}, {"fields", ranked(f.Headers)}, {"places in JSON", ranked(f.Places)},
		{"errors", ranked(f.Errors)}, {"left out", ranked(f.LeftOut)}, {"held back by", ranked(f.HeldBack)}} {
		if len(part.list) > 0 {
			s.line("", "%s: %s", part.label, strings.Join(part.list, ", "))
		}
	}
	if f.Late > 0 {
		s.line("", "%s requests waited more than 1 ms for their connection or the response before", number(f.Late))
	}
	if f.Redirects > 0 {
		s.line("", "%s redirects were not followed", number(f.Redirects))
	}
}

func orNone(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}

func (s *summary) ledger(r *replay.Result) {
	l := &r.Ledger
	if r.OfPackets {
		s.packets(r)
		return
	}
	s.line("ledger", "scheduled %s = sent %s + left out %s + failed %s + unsent %s", number(l.Scheduled), number(l.Sent), number(l.LeftOut), number(l.Failed), number(l.Unsent))
	if out := ranked(l.LeftOutBy); len(out) > 0 {
		s.line("", "left out: %s", strings.Join(out, ", "))
	}
	s.ids("failed", l.FailedIDs)
	if !l.Collected {
		s.line("", "no collector: what arrived is not known")
		return
	}
	if l.ByCount {
		s.line("", "without markers: by number only")
	}
	s.line("", "seen %s · lost %s (%s) · duplicated %s · mispaired %s · truncated %s · half %s · late %s", number(l.Seen), number(l.Lost),
		share(float64(l.Lost), float64(l.Sent)), number(l.Duplicated), number(l.Mispaired), number(l.Truncated), number(l.Half), number(l.Late))
	if l.Unsized > 0 {
		s.line("", "not tested for truncation %s: the collector does not know the size of a body", number(l.Unsized))
	}
	if l.Unexpected+l.Unmarked+l.BadMarker+l.OtherRun > 0 {
		s.line("", "of none of them: unexpected %s · unmarked %s · damaged marker %s · other run %s", number(l.Unexpected), number(l.Unmarked), number(l.BadMarker), number(l.OtherRun))
	}
	if l.Delay.Units > 0 {
		s.line("", "due → seen: p50 %s · p99 %s · max %s", span(l.Delay.P50NS), span(l.Delay.P99NS), span(l.Delay.MaxNS))
	}
	for _, part := range idLists(l) {
		s.ids(part.name, part.ids)
	}
}

// packets tells of captured packets what there is to tell: they have no markers.
func (s *summary) packets(r *replay.Result) {
	var parts []string
	for name, n := range r.Counters {
		if reason, ok := strings.CutPrefix(name, replay.CountPacketsLeftOut); ok {
			parts = append(parts, plain(reason)+" "+number(n))
		}
	}
	slices.Sort(parts)
	s.line("ledger", "packets not accepted %s, left out: %s", number(r.Counters[replay.CountPacketsNotAccepted]), orNone(parts))
	if r.Counters[replay.CountPacketsTooLarge] > 0 {
		s.line("", "too_large: more than the MTU leaves room for; in the URL, oversize=cut sends what fits, and mtu=9000 (not iface:) says that there is more")
	}
	if r.Ledger.Collected {
		s.line("", "%s pairs came out; packets have no markers, so they are counted only", number(r.Ledger.Observations))
		return
	}
	s.line("", "no collector: what arrived is not known")
}

type idList struct {
	name string
	ids  []replay.PairID
}

func idLists(l *replay.LedgerReport) []idList {
	return []idList{{"lost", l.LostIDs}, {"duplicated", l.DuplicatedIDs}, {"mispaired", l.MispairedIDs}, {"truncated", l.TruncatedIDs}, {"late", l.LateIDs}}
}

func (s *summary) ids(name string, ids []replay.PairID) {
	if len(ids) == 0 {
		return
	}
	var list []string
	for _, id := range ids[:min(len(ids), shownIDs)] {
		list = append(list, idText(id))
	}
	if len(ids) > shownIDs {
		list = append(list, "…")
	}
	s.line("", "%s: %s", name, strings.Join(list, ", "))
}

func idText(id replay.PairID) string {
	text := fmt.Sprintf("#%d", id.Seq)
	if id.ID != "" {
		text += " " + plain(id.ID)
	}
	return text
}

func (s *summary) hops(hops []replay.Hop) {
	for i, h := range hops {
		s.line(first(i, "hops"), "%s", hopText(&h))
	}
}

func hopText(h *replay.Hop) string {
	parts := []string{fmt.Sprintf("%-10s", plain(h.Name))}
	if h.Where != "" {
		parts[0] += " " + plain(h.Where)
	}
	add := func(n *uint64, unit string) {
		if n != nil {
			parts = append(parts, number(*n)+" "+unit)
		}
	}
	add(h.Pairs, "pairs")
	add(h.Packets, "packets")
	if h.Bytes != nil {
		parts = append(parts, size(*h.Bytes))
	}
	if h.Dropped != nil && (*h.Dropped > 0 || h.Packets == nil) {
		add(h.Dropped, "dropped")
	}
	if h.Lost != nil && *h.Lost != 0 {
		parts = append(parts, number(*h.Lost)+" less than before")
	}
	if h.Note != "" {
		parts = append(parts, plain(h.Note))
	}
	return strings.Join(parts, " · ")
}

func (s *summary) search(q *replay.Search) {
	if q == nil {
		return
	}
	switch {
	case !q.Found:
		s.line("search", "no rate meets %s", plain(q.Limit))
	default:
		text := plain(q.Rate)
		if q.BitsPerSecond > 0 {
			text += " = " + rate(q.BitsPerSecond, "bits")
		}
		s.line("search", "%s holds up to %s, %s", plain(q.Limit), text, rate(q.PairsPerSecond, "pairs"))
	}
	if q.SenderBound {
		s.line("", "the sender was the limit, not the ingestor")
	}
	for _, t := range q.Trials {
		s.line("", "%s", trialText(&t))
	}
}

func trialText(t *replay.Trial) string {
	text := fmt.Sprintf("%-8s %s: %s sent, %s lost (%s)", plain(t.Purpose), plain(t.Rate), number(t.Sent), number(t.Lost), share(t.Loss, 1))
	if !t.OK && t.Why != "" {
		text += ": " + plain(t.Why)
	}
	return text
}

func (s *summary) verdict(v *replay.Verdict) {
	for i, l := range v.Limits {
		s.line(first(i, "limits"), "%s", limitText(&l))
	}
	word := verdictWord(v)
	if v.Reason != "" {
		word += ": " + plain(v.Reason)
	}
	s.line("verdict", "%s", word)
}

// verdictWord is the verdict in a word. Sent is less than OK: nobody looked what arrived.
func verdictWord(v *replay.Verdict) string {
	if word := map[string]string{replay.VerdictOK: "OK", replay.VerdictSent: "SENT", replay.VerdictInterrupted: "INTERRUPTED"}[v.State]; word != "" {
		return word
	}
	return "FAILED"
}

func limitText(l *replay.LimitResult) string {
	switch {
	case l.Unknown:
		return plain(l.Limit) + ": could not be tested, counts as missed"
	case l.Missed:
		return fmt.Sprintf("%s: missed with %g", plain(l.Limit), l.Value)
	}
	return fmt.Sprintf("%s: met with %g", plain(l.Limit), l.Value)
}
