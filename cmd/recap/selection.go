package main

import (
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"recap/reader"
	"recap/reader/blob"
)

// selection are the flags that say which of the captures found behind an argument
// are read. What is named itself is always read.
type selection struct {
	since, until moment
	vms          globs
	cache        string
}

func (s *selection) register(f *pflag.FlagSet) {
	s.until.end = true
	f.Var(&s.since, "since", "of what is found in directories and URLs, read the captures that began at `TIME` or later, as in 2026-11-20 or 2026-11-20T09:30 (UTC). The name tells, as Azure Network Watcher writes it; else the time of the last change counts")
	f.Var(&s.until, "until", "and those that began before `TIME`; a day without a time is taken whole")
	f.Var(&s.vms, "vm", "and those of the virtual machines `NAME`, as their path tells; may have * and ?; repeatable")
	f.StringVar(&s.cache, "cache", "", "keep whole copies of what is read from URLs in `DIR`, for the next time")
}

// active reports whether anything is chosen.
func (s *selection) active() bool { return s.since.set || s.until.set || len(s.vms.patterns) > 0 }

// wanted is a [reader.Options] Filter.
func (s *selection) wanted(name string, _ int64, modified time.Time) bool {
	began := modified
	p, known := blob.ParseWatcherPath(filepath.ToSlash(name))
	if known {
		began = p.Start
	}
	if len(s.vms.patterns) > 0 && (p.VM == "" || !s.vms.match(p.VM)) {
		return false
	}
	if s.since.set && began.Before(s.since.at) || s.until.set && !began.Before(s.until.at) {
		return false
	}
	return true
}

// apply puts the selection into the options of a reader.
func (s *selection) apply(o *reader.Options) {
	if s.active() {
		o.Filter = s.wanted
	}
}

// aheadShare is the part of --mem that may hold bytes read ahead from URLs.
const aheadShare = 16

// newStore returns what reads URLs within mem bytes of state.
func (s *selection) newStore(mem int64) *blob.Store {
	return blob.NewStore(blob.Options{Now: time.Now, Ahead: min(64<<20, max(mem/aheadShare, 8<<20)), Cache: s.cache})
}

// A moment is a point in time on the command line, UTC unless it says otherwise. It
// is a pflag.Value.
type moment struct {
	at   time.Time
	text string
	set  bool
	end  bool // a day without a time stands for its end
}

func (m *moment) String() string { return m.text }

// Type names the value in --help.
func (m *moment) Type() string { return "TIME" }

// Set parses text; on failure m keeps its value.
func (m *moment) Set(text string) error {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04", time.DateOnly} {
		at, err := time.Parse(layout, text)
		if err != nil {
			continue
		}
		if layout == time.DateOnly && m.end {
			at = at.AddDate(0, 0, 1)
		}
		m.at, m.text, m.set = at, text, true
		return nil
	}
	return errors.New("it must be a time as in 2026-11-20, 2026-11-20T09:30 or 2026-11-20T09:30:00+01:00")
}

// globs is a flag of patterns without regard to case; it may be given several times,
// and with commas. It is a pflag.Value.
type globs struct{ patterns []string }

func (g *globs) String() string { return strings.Join(g.patterns, ",") }

// Type names the value in --help.
func (g *globs) Type() string { return "NAME" }

// Set adds the patterns of text.
func (g *globs) Set(text string) error {
	for p := range strings.SplitSeq(text, ",") {
		p = strings.ToLower(strings.TrimSpace(p))
		if _, err := path.Match(p, ""); err != nil || p == "" {
			return fmt.Errorf("%q is not a name", p)
		}
		if !slices.Contains(g.patterns, p) {
			g.patterns = append(g.patterns, p)
		}
	}
	return nil
}

func (g *globs) match(name string) bool {
	return slices.ContainsFunc(g.patterns, func(p string) bool {
		ok, _ := path.Match(p, strings.ToLower(name))
		return ok
	})
}
