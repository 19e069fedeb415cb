package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// A choice is a flag that takes one of a few words. It is a pflag.Value.
type choice struct {
	value string
	words []string
	name  string // of the value in --help; empty for the words themselves
}

func (c *choice) String() string { return c.value }

// Type names the value in --help.
func (c *choice) Type() string {
	if c.name != "" {
		return c.name
	}
	return strings.Join(c.words, "|")
}

// Set takes one of the words.
func (c *choice) Set(text string) error {
	if !slices.Contains(c.words, text) {
		return fmt.Errorf("it must be %s", orList(c.words))
	}
	c.value = text
	return nil
}

// words is a flag that takes a comma-separated list out of a few words, each once.
// It is a pflag.Value.
type words struct {
	values  []string
	allowed []string
	changed bool // the default gives way to the first use
}

func (w *words) String() string { return strings.Join(w.values, ",") }

// Type names the value in --help.
func (w *words) Type() string { return "LIST" }

// Set adds the words of text.
func (w *words) Set(text string) error {
	var add []string
	for word := range strings.SplitSeq(text, ",") {
		switch word = strings.TrimSpace(word); {
		case !slices.Contains(w.allowed, word):
			return fmt.Errorf("%q is not known; there are %s", word, andList(w.allowed))
		case !slices.Contains(add, word):
			add = append(add, word)
		}
	}
	if !w.changed {
		w.values, w.changed = nil, true
	}
	for _, word := range add {
		if !slices.Contains(w.values, word) {
			w.values = append(w.values, word)
		}
	}
	return nil
}

// ports is a flag such as vxlan=4789,8472; it may be given several times and
// ports add up. It is a pflag.Value.
type ports struct {
	byTunnel map[string][]uint16
	known    []string
}

func (p *ports) String() string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(p.byTunnel)) {
		var list []string
		for _, n := range p.byTunnel[name] {
			list = append(list, strconv.Itoa(int(n)))
		}
		parts = append(parts, name+"="+strings.Join(list, ","))
	}
	return strings.Join(parts, " ")
}

// Type names the value in --help.
func (p *ports) Type() string { return "TUNNEL=PORTS" }

// Set adds the ports of text.
func (p *ports) Set(text string) error {
	name, list, found := strings.Cut(text, "=")
	if !found {
		return fmt.Errorf("it must be a tunnel and its UDP ports, as in vxlan=4789,8472")
	}
	if !slices.Contains(p.known, name) {
		return fmt.Errorf("tunnel %q is not known; there are %s", name, andList(p.known))
	}
	add := slices.Clone(p.byTunnel[name])
	for word := range strings.SplitSeq(list, ",") {
		n, err := strconv.ParseUint(strings.TrimSpace(word), 10, 16)
		if err != nil || n == 0 {
			return fmt.Errorf("%q is not a port from 1 to 65535", word)
		}
		if !slices.Contains(add, uint16(n)) {
			add = append(add, uint16(n))
		}
	}
	if p.byTunnel == nil {
		p.byTunnel = make(map[string][]uint16)
	}
	p.byTunnel[name] = add
	return nil
}

// positive is a number of at least 1. It is a pflag.Value.
type positive int

func (n *positive) String() string { return strconv.Itoa(int(*n)) }

// Type names the value in --help.
func (n *positive) Type() string { return "N" }

// Set parses text; on failure n keeps its value.
func (n *positive) Set(text string) error {
	v, err := strconv.Atoi(text)
	if err != nil || v < 1 {
		return fmt.Errorf("it must be a number of at least 1")
	}
	*n = positive(v)
	return nil
}

// limit is a size of at least 1 byte: a limit of nothing would be no limit at
// all for the packages below, which read 0 as their default. It is a pflag.Value.
type limit struct{ size }

// Set parses text; on failure l keeps its value.
func (l *limit) Set(text string) error {
	n, err := parseSize(text)
	if err != nil {
		return err
	}
	if n < 1 {
		return fmt.Errorf("it must be at least 1 byte")
	}
	l.size = size(n)
	return nil
}

// orList writes "a", "a or b", "a, b or c".
func orList(list []string) string { return joinLast(list, " or ") }

// andList writes "a", "a and b", "a, b and c".
func andList(list []string) string { return joinLast(list, " and ") }

func joinLast(list []string, last string) string {
	if len(list) < 2 {
		return strings.Join(list, "")
	}
	n := len(list) - 1
	return strings.Join(list[:n], ", ") + last + list[n]
}
