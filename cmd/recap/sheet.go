package main

import "strings"

// A sheet is a short text of labelled rows, wrapped for a terminal:
//
//	pairs        921: 900 complete, 21 request_only
//	connections  40: 38 http/1, 2 tls
type sheet struct{ b strings.Builder }

const (
	labelWidth = 13
	sheetWidth = 100
)

// row writes the parts behind the label, a blank between two; a line that grows
// too long goes on under the first part. Without parts there is no row.
func (s *sheet) row(label string, parts ...string) {
	column := 0
	for _, p := range parts {
		p = printable(p)
		width := len([]rune(p))
		switch {
		case column == 0:
			s.b.WriteString(label)
			s.indent(labelWidth - len(label))
			column = labelWidth
		case column+1+width > sheetWidth:
			s.b.WriteByte('\n')
			s.indent(labelWidth)
			column = labelWidth
		default:
			s.b.WriteByte(' ')
			column++
		}
		s.b.WriteString(p)
		column += width
	}
	if column > 0 {
		s.b.WriteByte('\n')
	}
}

func (s *sheet) indent(n int) { s.b.WriteString(strings.Repeat(" ", max(n, 1))) }

// separated puts sep behind every part but the last.
func separated(sep string, parts []string) []string {
	for i := range max(len(parts)-1, 0) {
		parts[i] += sep
	}
	return parts
}

// counted writes a map of counts as parts: "900 complete,", "21 request_only".
// At most most entries are named; the rest is counted. 0 names all.
func counted(m map[string]int64, most int) []string {
	var parts []string
	names := ranked(m)
	for i, name := range names {
		if most > 0 && i == most && len(names) > most+1 {
			parts = append(parts, many(len(names)-most, "more kind", "more kinds"))
			break
		}
		parts = append(parts, count(m[name])+" "+name)
	}
	return separated(",", parts)
}
