package main

import (
	"cmp"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"recap/export"
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
	shownComments   = 8
	shownProtocols  = 8
	shownHosts      = 5
	shownPackets    = 5
)

// infoText is what info writes for people.
func infoText(inputs []*packet.Input, stats *pipeline.Stats) string {
	var t sheet
	for _, in := range inputs {
		inputRows(&t, in)
		t.b.WriteByte('\n')
	}
	if len(inputs) > 1 {
		t.row("all inputs", readParts(inputs, stats)...)
		t.row("time", timeParts(inputs)...)
	}
	t.row("connections", totalParts(stats.Flows, stats.Protocols, 0)...)
	t.row("pairs", totalParts(stats.Pairs, stats.States, 0)...)
	tunnelRows(&t, stats.Tunnels)
	ledgerRows(&t, &stats.Ledger)
	t.row("anomalies", counted(stats.Anomalies, 0)...)
	t.row("incomplete", counted(stats.Reasons, 0)...)
	healthRows(&t, inputs, stats)
	return t.b.String()
}

func inputRows(t *sheet, in *packet.Input) {
	t.row("file", in.Name)
	format := formatText(in)
	if in.Sections > 1 {
		format += ", " + many(in.Sections, "section", "sections")
	}
	t.row("format", format)
	t.row("size", bytesText(in.Size)+",", many(in.Packets, "packet", "packets")+",", bytesText(in.CapturedLen)+" captured")
	t.row("time", timeParts([]*packet.Input{in})...)
	for i := range in.Interfaces {
		if i == shownInterfaces && len(in.Interfaces) > i+1 {
			t.row("interface", many(len(in.Interfaces)-i, "more", "more"))
			break
		}
		t.row("interface", interfaceParts(i, &in.Interfaces[i])...)
	}
	t.row("written by", writerParts(in)...)
	for i, c := range in.Comments {
		if i == shownComments {
			t.row("comment", many(len(in.Comments)-i, "more", "more"))
			break
		}
		t.row("comment", c)
	}
	if n := len(in.Names); n > 0 {
		t.row("names", many(n, "name that the capture itself gives for an address", "names that the capture itself gives for addresses"))
	}
	if n := len(in.Secrets); n > 0 {
		t.row("key logs", count(n)+" (never copied to an output)")
	}
	t.row("skipped", counted(in.Unknown, 8)...)
	t.row("oddities", counted(in.Anomalies, 0)...)
	t.row("lost", lostParts([]*packet.Input{in})...)
}

func interfaceParts(i int, f *packet.Interface) []string {
	parts := []string{fmt.Sprintf("%d", i)}
	if f.Name != "" {
		parts[0] += " " + f.Name
	}
	if f.Description != "" {
		parts = append(parts, f.Description)
	}
	parts = append(parts, linkName(f.Link))
	if f.SnapLen > 0 {
		parts = append(parts, "snap length "+count(int64(f.SnapLen)))
	}
	if f.Filter != "" {
		parts = append(parts, "filter "+f.Filter)
	}
	parts = append(parts, many(f.Packets, "packet", "packets"))
	if f.Drops >= 0 {
		parts = append(parts, many(f.Drops, "drop", "drops"))
	}
	return separated(",", parts)
}

func writerParts(in *packet.Input) []string {
	var parts []string
	for _, s := range []string{in.Application, in.OS, in.Hardware} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	return separated(",", parts)
}

// verified tells what verify found and returns the exit code for it.
func (u *ui) verified(dir string, m *export.Manifest, checks []check, unlisted []string) error {
	good := map[string]int{}
	total := map[string]int{}
	code := exitOK
	for _, c := range checks {
		total[c.kind]++
		switch {
		case c.err == nil:
			good[c.kind]++
		case c.bad:
			u.errorf("%s %s: %v", c.kind, c.name, c.err)
			code = exitFailure
		default:
			u.warnf("%s %s: not checked: %v", c.kind, c.name, c.err)
			if code == exitOK {
				code = exitIncomplete
			}
		}
	}
	for i, name := range unlisted {
		if i == shownSkipped && len(unlisted) > i+1 {
			u.warnf("%s that the manifest does not list", many(len(unlisted)-i, "more file", "more files"))
			break
		}
		u.warnf("%s is not in the manifest", filepath.Join(dir, name))
	}
	var t sheet
	t.row("outputs", fmt.Sprintf("%s of %s as in the manifest", count(good["output"]), count(total["output"])))
	t.row("inputs", fmt.Sprintf("%s of %s as in the manifest", count(good["input"]), count(total["input"])))
	if m.Ledger.Ledger != nil {
		ledgerRows(&t, m.Ledger.Ledger)
	}
	switch {
	case m.Interrupted:
		t.row("extract", "was interrupted: the outputs are partial")
	case !m.Complete:
		t.row("extract", "met damage or a limit; the manifest tells where")
	}
	io.WriteString(u.out, t.b.String())
	if code == exitOK {
		return nil
	}
	return &failure{code: code}
}

// sliced tells what slice wrote.
func (u *ui) sliced(out string, s *slicing, packets int64) {
	if out == "-" {
		out = "standard output"
	}
	var t sheet
	t.row("wrote", out+":", many(packets, "packet", "packets"), "of", many(s.pairs, "pair", "pairs"), "in",
		many(len(s.plan.flows), "connection", "connections"))
	if flags := sliceFlags(s); flags != "" {
		t.row("next", "read it with the options of the first extract:", flags)
	}
	io.WriteString(u.err, t.b.String())
}

// sliceFlags lists the options that the slice must be read with again.
func sliceFlags(s *slicing) string {
	var flags []string
	if text, _ := s.manifest.Options["tunnel-port"].(string); text != "" {
		for word := range strings.FieldsSeq(text) {
			flags = append(flags, "--tunnel-port "+word)
		}
	}
	for _, name := range []string{"merge-tunnels", "split-tunnels"} {
		if on, _ := s.manifest.Options[name].(bool); on {
			flags = append(flags, "--"+name)
		}
	}
	if s.keys {
		flags = append(flags, "--keylog (keys are not copied)")
	}
	return strings.Join(flags, " ")
}

// sliceAbout is the comment of a slice as a whole.
func sliceAbout(dir string, s *slicing) string {
	return fmt.Sprintf("recap slice of %s: the packets of %s; packets are as captured", printable(dir), many(s.pairs, "pair", "pairs"))
}

// sliceComment says what a packet was taken for: pairs, or the connection around them.
func sliceComment(flow string, pairs []string, more int) string {
	switch {
	case len(pairs) == 0:
		return "connection " + flow
	case len(pairs) == 1:
		return "pair " + pairs[0]
	case more > 0:
		return "pairs " + strings.Join(pairs, ", ") + " and " + count(more) + " more"
	}
	return "pairs " + andList(pairs)
}

// slicePlace says where a packet comes from.
func slicePlace(file string, q *packet.Packet) string {
	text := fmt.Sprintf("%s packet %d", printable(file), q.FileNum)
	if q.Number != q.FileNum {
		text += fmt.Sprintf(" (%d of the capture)", q.Number)
	}
	if q.TimeNS == packet.NoTime {
		text += ", time unknown"
	}
	return text
}

// sliceOrigin describes an interface by its input and what that says of it.
func sliceOrigin(file, description string) string {
	if description == "" {
		return printable(file)
	}
	return printable(description) + " (" + printable(file) + ")"
}

// The health of a capture: what was found, why it is likely so, what to do.

func dropsFinding(drops int64) finding {
	return finding{Name: "drops",
		What:   "the capturing machine counted " + many(drops, "packet", "packets") + " that it dropped",
		Cause:  "it could not keep up",
		Advice: "a larger capture buffer (tcpdump -B, dumpcap -B), a faster disk, or a filter"}
}

func lostFinding(h *pipeline.Health, s *pipeline.Stats, sampled, dropped bool) finding {
	f := finding{Name: "lost",
		What: many(h.Lost.Count, "hole", "holes") + " in TCP streams (" + bytesText(h.Lost.Bytes) + " that the hosts had and the capture has not), in " +
			count(h.LostConns) + " of " + many(s.Flows, "connection", "connections"),
		Cause:  "packets were lost between the hosts and the recorder: a full mirror port, a small capture buffer, a slow disk",
		Advice: "compare the drop counters of mirror and recorder; a larger capture buffer or a filter often helps"}
	switch {
	case sampled:
		f.Cause = "the mirror, or the recorder, keeps only a sample of the packets: most connections lack much"
		f.Advice = "switch sampling off, or mirror fewer hosts in full: HTTP cannot be read out of samples"
	case dropped:
		f.Cause = "the capturing machine dropped packets; its own count says so"
	}
	return f
}

func oneWayFinding(h *pipeline.Health, s *pipeline.Stats) finding {
	return finding{Name: "one_way",
		What:   "one direction only: " + count(h.OneWay.Count) + " of " + many(s.Flows, "connection", "connections") + " (" + bytesText(h.OneWay.Bytes) + " of payload)",
		Cause:  "the mirror takes one direction, or the other one has another path",
		Advice: "mirror both directions, or give the capture of the other path as a further INPUT: recap puts them together"}
}

func snapFinding(h *pipeline.Health) finding {
	return finding{Name: "snaplen",
		What:   many(h.Snapped.Count, "packet", "packets") + " cut by the snap length" + lengthText(h.SnapLengths) + "; " + bytesText(h.Snapped.Bytes) + " are missing",
		Cause:  "the recorder was told to keep the beginning of each packet",
		Advice: "record whole packets: tcpdump -s 0"}
}

func mirrorFinding(h *pipeline.Health) finding {
	return finding{Name: "mirror_truncated",
		What:   many(h.MirrorCut.Count, "packet", "packets") + " cut before the capture" + lengthText(h.MirrorLengths) + "; " + bytesText(h.MirrorCut.Bytes) + " of payload are missing",
		Cause:  "the mirror cuts packets to a length of its own, or to what fits beside its tunnel header",
		Advice: "take the packet length off the mirror session, and let the way to the recorder carry mirrored packets in full"}
}

func fragmentFinding(h *pipeline.Health) finding {
	return finding{Name: "outer_fragments",
		What:   many(h.OuterFragments.Count, "mirrored packet", "mirrored packets") + " in fragments",
		Cause:  "with the tunnel's header they do not fit the MTU between mirror and recorder; a lost fragment loses all of the packet",
		Advice: "raise that MTU by the size of the headers (VXLAN: 50 bytes over IPv4, 70 over IPv6)"}
}

func copiesFinding(h *pipeline.Health, s *pipeline.Stats) finding {
	return finding{Name: "copies",
		What: many(h.Copies.Count, "packet that was seen before", "packets that were seen before") + " (" + shareText(h.Copies.Count, s.Ledger.PacketsRead) + "), " +
			bytesText(h.Copies.Bytes) + " of payload",
		Cause:  "several taps on one path, or a mirror that takes packets both in and out",
		Advice: "nothing is counted twice; mirroring each packet once saves their bytes"}
}

func clockFinding(h *pipeline.Health) finding {
	var parts []string
	if n := h.Forward.Count; n > 0 {
		parts = append(parts, many(n, "step", "steps")+" ahead by more than an hour (at most "+durationText(time.Duration(h.Forward.Largest))+")")
	}
	if n := h.Backward.Count; n > 0 {
		parts = append(parts, many(n, "step", "steps")+" back by more than a second (at most "+durationText(time.Duration(h.Backward.Largest))+")")
	}
	return finding{Name: "clock",
		What:   "capture times jump: " + strings.Join(parts, ", "),
		Cause:  "the recorder's clock was set, a pause in the capture, or files that were joined",
		Advice: "believe latencies across the jumps only after a look; give joined files as INPUTs of their own"}
}

func encryptedFinding(n int64, s *pipeline.Stats) finding {
	return finding{Name: "encrypted",
		What:   bytesText(n) + " of payload (" + shareText(n, s.Ledger.PayloadBytes) + ") are TLS that was not decrypted",
		Cause:  "there are no keys for it",
		Advice: "give the session keys with --keylog (SSLKEYLOGFILE writes them), or capture behind what ends TLS"}
}

func filterFinding(ports []port, saved, all int64) finding {
	var parts, terms []string
	for i, p := range ports {
		if i == shownPorts && len(ports) > i+1 {
			parts = append(parts, many(len(ports)-i, "more port", "more ports"))
			break
		}
		parts = append(parts, fmt.Sprintf("%s %d (%s) %s", p.Transport, p.Port, strings.Join(p.Protocols, ", "), bytesText(p.Wire)))
		terms = append(terms, fmt.Sprintf("%s port %d", p.Transport, p.Port))
	}
	return finding{Name: "filterable",
		What:   bytesText(saved) + " (" + shareText(saved, all) + " of the bytes on the wire) to ports that gave no pair: " + strings.Join(parts, ", "),
		Cause:  "the mirror takes all ports",
		Advice: "a filter saves them: not (" + strings.Join(terms, " or ") + ")"}
}

// lengthText names the length that most of the cut packets have.
func lengthText(list []pipeline.LengthCount) string {
	if len(list) == 0 {
		return ""
	}
	var all int64
	for _, l := range list {
		all += l.Packets
	}
	text := ", most of them to "
	if list[0].Packets == all {
		text = ", to "
	} else if 2*list[0].Packets < all {
		return ", to various lengths"
	}
	return text + many(list[0].Length, "byte", "bytes")
}

// shareText writes a share in percent.
func shareText(part, whole int64) string {
	switch p := 100 * ratio(part, whole); {
	case p > 0 && p < 0.1:
		return "less than 0.1 %"
	case p < 10:
		return fmt.Sprintf("%.1f %%", p)
	default:
		return fmt.Sprintf("%.0f %%", p)
	}
}

// healthRows tells how well the capture was taken.
func healthRows(t *sheet, inputs []*packet.Input, s *pipeline.Stats) {
	h := &s.Health
	t.row("protocols", protocolParts(h)...)
	t.row("hosts", hostParts(h)...)
	for _, u := range notUsed(&s.Ledger) {
		amount := many(u.Packets, "packet", "packets")
		if u.Bytes > 0 {
			amount = many(u.Bytes, "payload byte", "payload bytes")
		}
		t.row("not used", strings.Fields(amount+" "+u.Name+": "+u.Why)...)
	}
	for _, f := range findings(inputs, s) {
		text := f.What
		if len(f.Packets) > 0 {
			text += "; " + packetsText(f.Packets, f.Count)
		}
		t.row("health", strings.Fields(text)...)
		t.row("  cause", strings.Fields("likely: "+f.Cause)...)
		t.row("  advice", strings.Fields(f.Advice)...)
	}
}

// packetsText names packets that show something that was seen n times.
func packetsText(numbers []int64, n int64) string {
	var list []string
	for _, p := range numbers {
		list = append(list, count(p))
	}
	if int64(len(list)) < n {
		return "first at packets " + strings.Join(list, ", ")
	}
	if len(list) == 1 {
		return "at packet " + list[0]
	}
	return "at packets " + andList(list)
}

func protocolParts(h *pipeline.Health) []string {
	all := wireBytes(h)
	var parts []string
	for i, p := range h.Protocols {
		if i == shownProtocols && len(h.Protocols) > i+1 {
			parts = append(parts, many(len(h.Protocols)-i, "more", "more"))
			break
		}
		parts = append(parts, p.Name+" "+bytesText(p.Wire)+" ("+shareText(p.Wire, all)+")")
	}
	return separated(",", parts)
}

func hostParts(h *pipeline.Health) []string {
	if len(h.Talkers) == 0 {
		return nil
	}
	first := many(h.Hosts, "host", "hosts")
	if !h.HostsExact {
		first = "more than " + first
	}
	parts := []string{first + "; most bytes:"}
	for i, t := range h.Talkers {
		if i == shownHosts {
			break
		}
		text := t.Addr.String() + " " + bytesText(t.Wire)
		if t.Over > 0 {
			text += " (or up to " + bytesText(t.Over) + " less)"
		}
		if i < min(len(h.Talkers), shownHosts)-1 {
			text += ","
		}
		parts = append(parts, text)
	}
	return parts
}

// whyUnused explains a name of the ledger that stands for something lost.
func whyUnused(name string) string {
	reason, undecodable := strings.CutPrefix(name, exchange.PacketUndecodable)
	if !undecodable {
		reason = strings.TrimPrefix(name, exchange.BytesDiscarded)
	}
	if why := unusedWords[reason]; why != "" {
		return why
	}
	if link, ok := strings.CutPrefix(reason, "link_type_"); ok {
		return "link type " + link + " is not read"
	}
	if header, ok := strings.CutSuffix(reason, "_header"); ok {
		return "a " + header + " header is malformed or cut"
	}
	return "left out at a limit or because it could not be read"
}

var unusedWords = map[string]string{
	"ipv4_length":        "an IPv4 header says a total length shorter than itself",
	"tcp_header":         "a TCP header says a length that it cannot have",
	"tcp_header_cut":     "the capture ends inside the TCP header; a larger snap length helps",
	"depth":              "more encapsulations than --depth opens",
	"tunnel_table":       "more different tunnels than are told apart",
	"vlan_table":         "more different VLAN stacks than are told apart",
	"fragment_oversize":  "a fragment that reaches beyond the largest datagram",
	"fragment_malformed": "a fragment that can be part of no datagram",
	"fragment_conflict":  "a fragment that contradicts the others about the datagram's length",
	"ip_version":         "raw IP that is neither version 4 nor 6",
	"before_start":       "older than the first byte of a connection that the capture joined in the middle",
	"out_of_window":      "far from what the connection was at: a forgery, or a long hole in the capture",
	"after_close":        "behind the end of a stream that its sender had announced",
	"late":               "came after its hole had been given up; --mem and the capture's order decide when",
	"unparsed":           "beginnings and tails of messages that could not be read",
	"conflicts":          "copies of bytes that another copy says otherwise; --overlap-policy chooses",
}

// An eachSummary is what extract --each tells at its end.
type eachSummary struct {
	dir                    string
	dataset                bool   // all in one table
	manifest               string // empty for the usual one
	skipped                []skipped
	leftOut                int // by the selection
	parts, whole, resumed  int
	damaged, failed        int
	pairs, flows, packets  int64
	size                   int64
	damagedNames, failures []string
}

func (s *eachSummary) add(t *task, p *eachPart) {
	s.parts++
	s.pairs += p.Pairs
	s.flows += p.Flows
	s.packets += p.Packets
	s.size += p.Size
	if t.done != nil {
		s.resumed++
	}
	switch p.ExitCode {
	case exitOK:
		s.whole++
	case exitIncomplete:
		s.damaged++
		s.damagedNames = append(s.damagedNames, p.Input)
	case exitInterrupted:
	default:
		s.failed++
		s.failures = append(s.failures, p.Input)
	}
}

// summarizeEach tells what became of all inputs together.
func (u *ui) summarizeEach(s *eachSummary) {
	var t sheet
	first := many(s.parts, "input", "inputs") + ", each a capture of its own: " + count(s.whole) + " whole"
	parts := []string{first}
	for _, c := range []struct {
		n    int
		what string
	}{{s.damaged, "with damage or a limit"}, {s.failed, "failed"}} {
		if c.n > 0 {
			parts[len(parts)-1] += ","
			parts = append(parts, count(c.n)+" "+c.what)
		}
	}
	t.row("read", parts...)
	if s.resumed > 0 {
		t.row("resumed", many(s.resumed, "input was", "inputs were")+" finished before and left alone")
	}
	t.row("found", bytesText(s.size)+",", many(s.packets, "packet", "packets")+",", many(s.flows, "connection", "connections")+",", many(s.pairs, "pair", "pairs"))
	t.row("damaged", someNames(s.damagedNames)...)
	t.row("failed", someNames(s.failures)...)
	t.row("skipped", skippedParts(s.skipped)...)
	if s.leftOut > 0 {
		t.row("left out", many(s.leftOut, "file", "files")+" by the selection")
	}
	what := "a directory for each input, "
	if s.dataset {
		what = "one dataset of all, "
	}
	t.row("wrote", s.dir+":", what+cmp.Or(s.manifest, export.ManifestName))
	io.WriteString(u.err, t.b.String())
}

// merged tells that shards were joined.
func (u *ui) merged(dir string, shards int, m *eachManifest) {
	var t sheet
	t.row("merged", many(shards, "shard", "shards")+",", many(m.Total.Parts, "capture", "captures")+",", many(m.Total.Pairs, "pair", "pairs"))
	t.row("wrote", dir+": "+export.ManifestName)
	io.WriteString(u.err, t.b.String())
}

func someNames(names []string) []string {
	var parts []string
	for i, name := range names {
		if i == shownSkipped && len(names) > i+1 {
			parts = append(parts, many(len(names)-i, "more", "more"))
			break
		}
		parts = append(parts, name)
	}
	return separated(",", parts)
}

// resumed tells that there is nothing left to do.
func (u *ui) resumed(dir string, m *export.Manifest) {
	var t sheet
	t.row("resumed", dir+" was finished before:", many(m.Pairs.Total, "pair", "pairs")+",", many(m.Flows, "connection", "connections")+";", "nothing is left to do")
	io.WriteString(u.err, t.b.String())
}

// part begins what is said of one part of a directory that --each has made.
func (u *ui) part(name string) {
	var t sheet
	t.row("part", name)
	io.WriteString(u.out, t.b.String())
}

// partWithout tells of a part that failed when it was made.
func (u *ui) partWithout(name, why string) {
	u.warnf("part %s was not finished: %s", name, why)
}

// reported tells what report wrote.
func (u *ui) reported(out string, p *page) {
	var t sheet
	t.row("wrote", out+":", p.Shown+" of "+p.Total+" pairs")
	io.WriteString(u.err, t.b.String())
}

// pageWords says what a page was made of, and whether that is whole.
func pageWords(m *export.Manifest) (made, verdict string) {
	made = "Extracted with " + printable(m.Tool.Name) + " " + printable(m.Tool.Version)
	if where, _ := m.Options["where"].(string); where != "" {
		made += ", only pairs for which " + printable(where)
	}
	if how, _ := m.Options["redact"].(string); how != "" && how != export.RedactNone.String() {
		made += ", redacted (" + printable(how) + ")"
	}
	switch {
	case m.Complete:
		return made, "nothing was cut, corrupt or missing from a stream, and no limit was met."
	case m.Interrupted:
		return made, "extract was interrupted."
	}
	var parts []string
	if len(m.LimitsHit) > 0 {
		parts = append(parts, counted(m.LimitsHit, 8)...)
	}
	text := strings.Join(parts, " ")
	var places int64
	for i := range m.Inputs {
		places += m.Inputs[i].DamageCount
	}
	if places > 0 {
		if text != "" {
			text += "; "
		}
		text += many(places, "damaged place", "damaged places") + " in the inputs"
	}
	return made, printable(text)
}

func pageTiles(m *export.Manifest) []pageItem {
	tiles := []pageItem{{Name: "pairs", Value: count(m.Pairs.Total)}}
	for _, s := range ranked(m.Pairs.ByState) {
		if n := m.Pairs.ByState[s]; n > 0 && len(tiles) < 6 {
			tiles = append(tiles, pageItem{Name: printable(s), Value: count(n)})
		}
	}
	tiles = append(tiles, pageItem{Name: "connections", Value: count(m.Flows)})
	if l := m.Ledger.Ledger; l != nil {
		tiles = append(tiles, pageItem{Name: "packets", Value: count(l.PacketsRead)})
	}
	var size int64
	for i := range m.Inputs {
		size += m.Inputs[i].Size
	}
	return append(tiles, pageItem{Name: "of " + many(len(m.Inputs), "input", "inputs"), Value: bytesText(size)})
}
