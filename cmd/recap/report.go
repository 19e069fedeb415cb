package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"recap/pipeline"
	"recap/pipeline/exchange"
	"recap/reader/packet"
)

// A summary is what extract tells at its end.
type summary struct {
	inputs    []*packet.Input
	skipped   []skipped
	leftOut   int // by the selection
	stats     *pipeline.Stats
	where     bool  // --where chose among the pairs
	chosen    int64 // pairs that it chose
	outputs   []output
	dir       string // empty where the data went to standard output
	bodies    string // --bodies-dir, where there is one
	bodyFiles int64
	bodyBytes int64
	took      time.Duration
	hasPairs  bool // there is a pairs.parquet to ask
}

// An output is one file written.
type output struct {
	name string
	rows int64 // -1 where rows say nothing
	size int64
}

// summarize tells what was read, what came out, and what could not be used.
func (u *ui) summarize(s summary) {
	var t sheet
	t.row("read", readParts(s.inputs, s.stats)...)
	t.row("time", timeParts(s.inputs)...)
	t.row("pairs", pairParts(s)...)
	t.row("connections", totalParts(s.stats.Flows, s.stats.Protocols, 8)...)
	t.row("tunnels", tunnelParts(s.stats.Tunnels)...)
	ledgerRows(&t, &s.stats.Ledger)
	t.row("anomalies", counted(s.stats.Anomalies, 6)...)
	t.row("incomplete", counted(s.stats.Reasons, 8)...)
	t.row("lost", lostParts(s.inputs)...)
	t.row("skipped", skippedParts(s.skipped)...)
	if s.leftOut > 0 {
		t.row("left out", many(s.leftOut, "file", "files")+" by the selection")
	}
	t.row("wrote", outputParts(s)...)
	if s.bodies != "" {
		t.row("bodies", s.bodies+":", many(s.bodyFiles, "new file", "new files")+",", bytesText(s.bodyBytes))
	}
	t.row("took", tookParts(s)...)
	t.row("next", nextParts(s)...)
	io.WriteString(u.err, t.b.String())
}

func readParts(inputs []*packet.Input, stats *pipeline.Stats) []string {
	var size int64
	kinds := map[string]int64{}
	for _, in := range inputs {
		size += in.Size
		kinds[formatText(in)]++
	}
	kind := ranked(kinds)
	text := many(len(inputs), "file", "files")
	if len(kind) > 0 {
		text += " (" + strings.Join(kind, ", ") + ")"
	}
	return []string{text + ",", bytesText(size) + ",", many(stats.Ledger.PacketsRead, "packet", "packets")}
}

func formatText(in *packet.Input) string {
	format := in.Format
	if format == "" {
		format = "unknown format"
	}
	if in.Compression != "" {
		format += " in " + in.Compression
	}
	return format
}

// timeParts is the range over all inputs.
func timeParts(inputs []*packet.Input) []string {
	if text := rangeText(captureRange(inputs)); text != "" {
		return []string{text}
	}
	return nil
}

// captureRange returns the earliest and the latest usable time of all inputs.
func captureRange(inputs []*packet.Input) (first, last int64) {
	first, last = packet.NoTime, packet.NoTime
	for _, in := range inputs {
		if in.FirstNS != packet.NoTime && (first == packet.NoTime || in.FirstNS < first) {
			first = in.FirstNS
		}
		last = max(last, in.LastNS) // NoTime is the smallest of all
	}
	return first, last
}

func pairParts(s summary) []string {
	parts := totalParts(s.stats.Pairs, s.stats.States, 0)
	if s.where {
		parts[len(parts)-1] += ";"
		parts = append(parts, "--where chose "+count(s.chosen))
	}
	return parts
}

// totalParts writes a total and what it consists of.
func totalParts(total int64, of map[string]int64, most int) []string {
	parts := counted(of, most)
	if len(parts) == 0 {
		return []string{count(total)}
	}
	return append([]string{count(total) + ":"}, parts...)
}

// tunnelParts names the tunnel stacks by type and id, those with most packets first.
func tunnelParts(tunnels []pipeline.TunnelCount) []string {
	packets := map[string]int64{}
	for _, c := range tunnels {
		packets[stackText(c.Tunnels)] += c.Packets
	}
	var parts []string
	names := ranked(packets)
	for i, name := range names {
		if i == shownStacks && len(names) > i+1 {
			parts = append(parts, many(len(names)-i, "more stack", "more stacks"))
			break
		}
		parts = append(parts, name+": "+many(packets[name], "packet", "packets"))
	}
	return separated(",", parts)
}

// tunnelRows gives each tunnel stack a row, with its outer addresses.
func tunnelRows(t *sheet, tunnels []pipeline.TunnelCount) {
	tunnels = slices.SortedStableFunc(slices.Values(tunnels), func(a, b pipeline.TunnelCount) int {
		return cmp.Compare(b.Packets, a.Packets)
	})
	for i, c := range tunnels {
		if i == shownTunnels && len(tunnels) > i+1 {
			t.row("tunnel", many(len(tunnels)-i, "more stack", "more stacks"))
			break
		}
		var parts []string
		for _, e := range c.Tunnels {
			part := stackText([]exchange.Tunnel{e})
			if e.Src.IsValid() && e.Dst.IsValid() {
				part += " (" + e.Src.String() + " to " + e.Dst.String() + ")"
			}
			parts = append(parts, part)
		}
		parts = separated(" >", parts)
		if len(parts) == 0 {
			parts = []string{stackText(nil)}
		}
		parts[len(parts)-1] += ","
		t.row("tunnel", append(parts, many(c.Packets, "packet", "packets"))...)
	}
}

// stackText names a tunnel stack, outermost first: "gre 7 > vxlan 42".
func stackText(stack []exchange.Tunnel) string {
	if len(stack) == 0 {
		return "no tunnel"
	}
	var names []string
	for _, t := range stack {
		name := t.Type
		if t.ID >= 0 {
			name += fmt.Sprintf(" %d", t.ID)
		}
		names = append(names, name)
	}
	return strings.Join(names, " > ")
}

// ledgerRows writes both equations, and says of each whether it holds.
func ledgerRows(t *sheet, l *exchange.Ledger) {
	packets, payload := l.Balance()
	t.row("packets", equation(l.PacketsRead, "", l.Packets, packets)...)
	t.row("payload", equation(l.PayloadBytes, " B", l.Payload, payload)...)
}

func equation(total int64, unit string, of map[string]int64, missing int64) []string {
	var parts []string
	for _, name := range ranked(of) {
		if of[name] != 0 {
			parts = append(parts, count(of[name])+" "+name)
		}
	}
	parts = separated(" +", parts)
	first := count(total) + unit
	if len(parts) > 0 {
		first += " ="
	}
	parts = append([]string{first}, parts...)
	if missing == 0 {
		return append(parts, "(balanced)")
	}
	return append(parts, "(NOT balanced: "+count(missing)+unit+" unaccounted)")
}

// lostParts tells what the files themselves lost.
func lostParts(inputs []*packet.Input) []string {
	var places, bytes, dropped int64
	for _, in := range inputs {
		places += in.DamageCount
		bytes += in.LostBytes
		for _, f := range in.Interfaces {
			dropped += max(f.Drops, 0)
		}
	}
	var parts []string
	if places > 0 {
		text := many(places, "damaged place", "damaged places")
		if bytes > 0 {
			text += " (" + bytesText(bytes) + " of input not usable)"
		}
		parts = append(parts, text)
	}
	if dropped > 0 {
		parts = append(parts, many(dropped, "packet", "packets")+" that the capturing machine says it dropped")
	}
	return separated(",", parts)
}

// skippedParts names files that were found but are no captures.
func skippedParts(list []skipped) []string {
	var parts []string
	for i, s := range list {
		if i == shownSkipped && len(list) > i+1 {
			parts = append(parts, many(len(list)-i, "more file", "more files"))
			break
		}
		parts = append(parts, s.name+" ("+s.why+")")
	}
	return separated(",", parts)
}

func outputParts(s summary) []string {
	var parts []string
	for _, o := range s.outputs {
		text := o.name
		switch {
		case o.rows >= 0 && o.size >= 0:
			text += " (" + many(o.rows, "row", "rows") + ", " + bytesText(o.size) + ")"
		case o.rows >= 0:
			text += " (" + many(o.rows, "row", "rows") + ")"
		}
		parts = append(parts, text)
	}
	parts = separated(",", parts)
	if s.dir != "" {
		return append([]string{s.dir + ":"}, parts...)
	}
	return parts
}

func tookParts(s summary) []string {
	seconds := s.took.Seconds()
	if seconds <= 0 {
		return nil
	}
	var size int64
	for _, in := range s.inputs {
		size += in.Size
	}
	return []string{fmt.Sprintf("%s (%s/s, %s packets/s)", durationText(s.took),
		bytesText(int64(float64(size)/seconds)), count(int64(float64(s.stats.Ledger.PacketsRead)/seconds)))}
}

// nextParts is one command to go on with. The directory's name is quoted for SQL
// inside the shell's double quotes; a name that would need more gets no hint.
func nextParts(s summary) []string {
	if !s.hasPairs || s.stats.Pairs == 0 || strings.ContainsAny(s.dir, "'\"\\$`!\n") {
		return nil
	}
	return []string{`duckdb -c "SELECT request.host, response.status, count(*) FROM '` + s.dir + `/pairs.parquet' GROUP BY ALL ORDER BY 3 DESC LIMIT 20"`}
}

// progressText stands beside the progress bar.
func progressText(packets, pairs int64, took time.Duration) string {
	text := many(pairs, "pair", "pairs")
	if s := took.Seconds(); s > 0 {
		text = count(int64(float64(packets)/s)) + " packets/s, " + text
	}
	return text
}

// What is shown of long lists; --json and the manifest tell all.
const (
	shownStacks     = 4
	shownTunnels    = 32
	shownInterfaces = 16
	shownInputs     = 12 // in full; of more one row each
	shownComments   = 8
	shownProtocols  = 8
	shownHosts      = 5
	shownPackets    = 5
)
