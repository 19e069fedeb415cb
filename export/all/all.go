// Package all is the explicit list of sinks. A new sink is one file or folder and
// one line here.
package all

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"recap/export"
	"recap/export/flows"
	"recap/export/har"
	"recap/export/jsonl"
	"recap/export/parquet"
	"recap/export/views"
)

// A Format is one kind of output file.
type Format struct {
	Name   string // as --format names it
	File   string // its name in the output directory
	Stream bool   // one record to a line, whatever stands around them: may go to standard output
	Always bool   // written beside whatever format is chosen
	New    func(w io.Writer, o export.Options) export.Sink
}

// Formats lists every format.
func Formats() []Format {
	return []Format{
		{Name: "parquet", File: "pairs.parquet", New: func(w io.Writer, o export.Options) export.Sink { return parquet.NewPairs(w, o) }},
		{Name: "jsonl", File: "pairs.jsonl", Stream: true, New: func(w io.Writer, o export.Options) export.Sink { return jsonl.New(w, o) }},
		{Name: "har", File: "pairs.har", Stream: true, New: har.New},
		{Name: "zeek", File: "zeek_http.jsonl", Stream: true, New: views.NewZeek},
		{Name: "eve", File: "eve_http.jsonl", Stream: true, New: views.NewEVE},
		{Name: "ecs", File: "ecs_http.jsonl", Stream: true, New: views.NewECS},
		{Name: "ocsf", File: "ocsf_http.jsonl", Stream: true, New: views.NewOCSF},
		{Name: "flows", File: "flows.parquet", Always: true, New: func(w io.Writer, o export.Options) export.Sink { return flows.New(w, o) }},
		{Name: "messages", File: "messages.parquet", Always: true, New: func(w io.Writer, o export.Options) export.Sink { return parquet.NewMessages(w, o) }},
	}
}

// Choose returns the formats of the given names, in the order of [Formats], and
// those that are always written.
func Choose(names []string) ([]Format, error) {
	var known []string
	var out []Format
	for _, f := range Formats() {
		known = append(known, f.Name)
		if f.Always || slices.Contains(names, f.Name) {
			out = append(out, f)
		}
	}
	for _, n := range names {
		if !slices.Contains(known, n) {
			return nil, fmt.Errorf("unknown format %q: known are %s", n, strings.Join(known, ", "))
		}
	}
	return out, nil
}
