package main

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// offsets is a flag such as tap2.pcap=+1.5ms, given once for each input whose clock
// was wrong. It is a pflag.Value.
type offsets struct{ byName map[string]time.Duration }

func (o *offsets) String() string { return strings.Join(o.list(), " ") }

// list returns the offsets as the manifest holds them.
func (o *offsets) list() []string {
	list := []string{}
	for _, name := range slices.Sorted(maps.Keys(o.byName)) {
		list = append(list, fmt.Sprintf("%s=%s", name, signed(o.byName[name])))
	}
	return list
}

func signed(d time.Duration) string {
	if d < 0 {
		return d.String()
	}
	return "+" + d.String()
}

// Type names the value in --help.
func (o *offsets) Type() string { return "FILE=TIME" }

// Set takes one more offset.
func (o *offsets) Set(text string) error {
	at := strings.LastIndexByte(text, '=')
	if at <= 0 {
		return fmt.Errorf("it must be an input and what to add to its times, as in tap2.pcap=+1.5ms")
	}
	name := text[:at]
	d, err := time.ParseDuration(strings.TrimSpace(text[at+1:]))
	if err != nil {
		return fmt.Errorf("%q is not a time such as +1.5ms, -2s or 1h", text[at+1:])
	}
	if old, twice := o.byName[name]; twice && old != d {
		return fmt.Errorf("%q has two offsets", name)
	}
	if o.byName == nil {
		o.byName = make(map[string]time.Duration)
	}
	o.byName[name] = d
	return nil
}

// A shifting tells the reader the offset of each input, and remembers which were asked for.
type shifting struct {
	offsets *offsets
	used    map[string][]string // inputs by the name of their offset
	inputs  []string            // the first that were asked for, a few
}

func newShifting(o *offsets) *shifting {
	return &shifting{offsets: o, used: make(map[string][]string)}
}

// of returns the offset of an input, nanoseconds: the one for its whole name, or
// else for the longest end of it that has whole names of directories, or for its
// file name.
func (s *shifting) of(input string) int64 {
	if len(s.inputs) <= shownSkipped && !slices.Contains(s.inputs, input) {
		s.inputs = append(s.inputs, input)
	}
	for _, name := range namesOf(input) {
		d, ok := s.offsets.byName[name]
		if !ok {
			continue
		}
		if !slices.Contains(s.used[name], input) {
			s.used[name] = append(s.used[name], input)
		}
		return int64(d)
	}
	return 0
}

// namesOf lists what an input may be called, the longest name first.
func namesOf(input string) []string {
	names := []string{input, filepath.Clean(input)}
	for rest, more := filepath.ToSlash(filepath.Clean(input)), true; more; {
		if _, rest, more = strings.Cut(rest, "/"); more {
			names = append(names, filepath.FromSlash(rest))
		}
	}
	return names
}

// check returns an error for offsets of no input, or of several.
func (s *shifting) check() error {
	for _, name := range slices.Sorted(maps.Keys(s.offsets.byName)) {
		switch inputs := s.used[name]; len(inputs) {
		case 0:
			return errNoSuchClock(name, s.inputs)
		case 1:
		default:
			return errSeveralClocks(name, inputs)
		}
	}
	return nil
}
