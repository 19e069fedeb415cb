package all_test

import (
	"bytes"
	"os"
	"regexp"
	"slices"
	"testing"

	"recap/reader/all"
)

// The page on captures has a row for every format, and for no other.
func TestCapturesDoc(t *testing.T) {
	page, err := os.ReadFile("../../docs/captures.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := bytes.Cut(page, []byte("\n## Read\n"))
	if !found {
		t.Fatal("docs/captures.md has no section Read")
	}
	table, _, _ = bytes.Cut(table, []byte("\n## "))
	var rows []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllSubmatch(table, -1) {
		rows = append(rows, string(m[1]))
	}
	var names []string
	for _, f := range all.Formats() {
		names = append(names, f.Name)
		if !slices.Contains(rows, f.Name) {
			t.Errorf("docs/captures.md lacks a row for %s", f.Name)
		}
	}
	for i, row := range rows {
		if !slices.Contains(names, row) || slices.Contains(rows[:i], row) {
			t.Errorf("docs/captures.md has a row for %s, which is no format, or has one already", row)
		}
	}
}
