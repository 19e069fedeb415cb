package main

import (
	"io"
	"strings"

	"recap/export"
)

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
