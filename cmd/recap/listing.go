package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"recap/reader"
	"recap/reader/blob"
)

// This file is what info tells before anything is read.

// A listing is what would be read, as info --list --json writes it.
type listing struct {
	Files   []listed `json:"files"`
	Size    int64    `json:"size"`    // of those whose size is known, bytes
	Unknown int      `json:"unknown"` // files without a known size
	LeftOut int      `json:"left_out"`
}

type listed struct {
	Name     string  `json:"name"`
	Size     *int64  `json:"size"` // null where it is not known
	Modified *string `json:"modified"`
	VM       string  `json:"vm,omitempty"`
	Began    *string `json:"began,omitempty"` // as the name tells
}

func listingOf(found []reader.Found, leftOut int) *listing {
	l := &listing{Files: []listed{}, LeftOut: leftOut}
	for _, f := range found {
		e := listed{Name: f.Name}
		if f.Size >= 0 {
			e.Size = &f.Size
			l.Size += f.Size
		} else {
			l.Unknown++
		}
		if !f.Modified.IsZero() {
			t := f.Modified.UTC().Format(time.RFC3339)
			e.Modified = &t
		}
		if p, ok := blob.ParseWatcherPath(f.Name); ok {
			t := p.Start.Format(time.RFC3339Nano)
			e.VM, e.Began = p.VM, &t
		}
		l.Files = append(l.Files, e)
	}
	return l
}

// write writes the listing for people, a file to a line.
func (l *listing) write(w io.Writer) error {
	var b strings.Builder
	for _, f := range l.Files {
		size := "?"
		if f.Size != nil {
			size = count(*f.Size)
		}
		fmt.Fprintf(&b, "%15s  %s\n", size, printable(f.Name))
	}
	total := many(len(l.Files), "file", "files") + ", " + bytesText(l.Size)
	if l.Unknown > 0 {
		total += " and " + many(l.Unknown, "file of unknown size", "files of unknown size")
	}
	if l.LeftOut > 0 {
		total += "; the selection leaves out " + many(l.LeftOut, "file", "files")
	}
	_, err := io.WriteString(w, b.String()+"to read  "+total+"\n")
	return err
}

func (l *listing) writeJSON(w io.Writer) error {
	text, err := json.MarshalIndent(l, "", "  ")
	if err != nil {
		return err
	}
	_, err = w.Write(append(printableJSON(text), '\n'))
	return err
}
