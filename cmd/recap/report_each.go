package main

import (
	"cmp"
	"io"

	"recap/export"
)

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
	joined                 []string // sets of files that are one capture
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
	if n := len(p.Inputs); n > 1 {
		s.joined = append(s.joined, p.Input+" and "+many(n-1, "file", "files")+" more")
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
	t.row("joined", someNames(s.joined)...)
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
