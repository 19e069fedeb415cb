package main

import (
	"strings"
	"testing"
)

func TestChoice(t *testing.T) {
	c := choice{value: "first", words: []string{"first", "last"}}
	if err := c.Set("last"); err != nil || c.value != "last" {
		t.Errorf("Set(last) = %v, value %q", err, c.value)
	}
	for _, text := range []string{"best", "", "first,last"} {
		if err := c.Set(text); err == nil || !strings.Contains(err.Error(), "first or last") || c.value != "last" {
			t.Errorf("Set(%q) = %v, value %q; want an error that names the words, and no change", text, err, c.value)
		}
	}
}

func TestWords(t *testing.T) {
	w := words{values: []string{"parquet", "jsonl"}, allowed: []string{"parquet", "jsonl"}}
	for _, text := range []string{"jsonl", "jsonl,parquet", " jsonl "} {
		if err := w.Set(text); err != nil {
			t.Errorf("Set(%q) = %v", text, err)
		}
	}
	if got, want := w.String(), "jsonl,parquet"; got != want {
		t.Errorf("after several uses: %q, want %q", got, want)
	}
	for _, text := range []string{"", "csv", "jsonl,"} {
		if err := w.Set(text); err == nil {
			t.Errorf("Set(%q) is no error", text)
		}
	}
}

func TestPorts(t *testing.T) {
	p := ports{known: []string{"geneve", "vxlan"}}
	for _, text := range []string{"vxlan=4789,8472", "geneve=6082", "vxlan=8472,1"} {
		if err := p.Set(text); err != nil {
			t.Errorf("Set(%q) = %v", text, err)
		}
	}
	if got, want := p.String(), "geneve=6082 vxlan=4789,8472,1"; got != want {
		t.Errorf("String() = %q, want %q", got, want)
	}
	for _, text := range []string{"", "vxlan", "vxlan=", "vxlan=0", "vxlan=65536", "vxlan=a", "foo=1", "vxlan=1,,2"} {
		if err := p.Set(text); err == nil {
			t.Errorf("Set(%q) is no error", text)
		}
	}
}

func TestLimitRefusesNothing(t *testing.T) {
	l := limit{4096}
	if err := l.Set("0"); err == nil || l.size != 4096 {
		t.Errorf("Set(0) = %v, value %d; want an error and no change", err, l.size)
	}
	if err := l.Set("1MiB"); err != nil || l.String() != "1MiB" {
		t.Errorf("Set(1MiB) = %v, value %s", err, l.String())
	}
}
