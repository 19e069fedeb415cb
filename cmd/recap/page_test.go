package main

import (
	"bytes"
	"fmt"
	"html"
	"regexp"
	"strings"
	"testing"

	"recap/export"
)

// The policy names style and script by their hashes: were they written otherwise
// than they were hashed, a browser would show a bare page.
func TestThePolicyAllowsWhatThePageHolds(t *testing.T) {
	var b bytes.Buffer
	if err := newPage("out", &export.Manifest{}).write(&b); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	policy := html.UnescapeString(regexp.MustCompile(`Content-Security-Policy" content="([^"]*)"`).FindStringSubmatch(text)[1])
	for _, tag := range []string{"style", "script"} {
		_, rest, _ := strings.Cut(text, "<"+tag+">")
		inside, _, ok := strings.Cut(rest, "</"+tag+">")
		if want := tag + "-src '" + pageHash(inside) + "'"; !ok || !strings.Contains(policy, want) {
			t.Errorf("policy %s lacks %s", policy, want)
		}
	}
}

func TestThePageIsBounded(t *testing.T) {
	m := &export.Manifest{Anomalies: map[string]int64{}}
	for i := range 5000 {
		m.Inputs = append(m.Inputs, export.ManifestInput{Name: "x"})
		m.Anomalies[fmt.Sprint(i)] = 1
	}
	p := newPage("out", m)
	if len(p.Inputs) != pageRows || p.MoreInputs != "4,800 more" || len(p.Anomalies) != pageRows {
		t.Errorf("%d inputs, %q, %d anomalies", len(p.Inputs), p.MoreInputs, len(p.Anomalies))
	}
	if got := shortened(strings.Repeat("é", 10_000)); len([]rune(got)) != maxShownText+1 {
		t.Errorf("a long text has %d characters", len([]rune(got)))
	}
}

func TestPartName(t *testing.T) {
	for _, tt := range []struct{ arg, name, want string }{
		{"caps", "caps/a.pcap", "a.pcap"},
		{"caps/", "caps/deep/a.pcap", "deep/a.pcap"},
		{"a.pcap", "a.pcap", "a.pcap"},
		{"/data/a.pcap", "/data/a.pcap", "a.pcap"},
		{"../a.pcap", "../a.pcap", "a.pcap"},
		{"caps/*/x.pcap", "caps/one/x.pcap", "one/x.pcap"},
		{"*.pcap", "a.pcap", "a.pcap"},
		{".", "deep/a.pcap", "deep/a.pcap"},
		{"..", "../a.pcap", "a.pcap"},
		{"file:///data/a.pcap", "file:///data/a.pcap", "a.pcap"},
		{"https://h/c/?sig=x", "https://h/c/y=1/a.cap", "y=1/a.cap"},
		{"caps", "caps/manifest.json", "input-manifest.json"},
		{"..", "..", "input-"},
	} {
		if got := partName(tt.arg, tt.name); got != tt.want {
			t.Errorf("partName(%q, %q) = %q, want %q", tt.arg, tt.name, got, tt.want)
		}
	}
}
