package all

import (
	"net/url"
	"strings"
	"testing"
)

// Each scheme leads to one target and is told about in the error for one that does not.
func TestFind(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range Targets() {
		if k.Open == nil || k.Doc == "" {
			t.Errorf("%v: without Open or Doc", k.Schemes)
		}
		for _, s := range k.Schemes {
			if seen[s] {
				t.Errorf("%s is there twice", s)
			}
			seen[s] = true
			if got, err := Find(&url.URL{Scheme: s}); err != nil || got.Doc != k.Doc {
				t.Errorf("Find(%s) = %q, %v", s, got.Doc, err)
			}
		}
	}
	_, err := Find(&url.URL{Scheme: "gopher"})
	for s := range seen {
		if err == nil || !strings.Contains(err.Error(), s) {
			t.Errorf("the error for gopher is %v, without %s", err, s)
		}
	}
	for _, k := range Collectors() {
		if k.Open == nil || k.Doc == "" {
			t.Errorf("%v: without Open or Doc", k.Schemes)
		}
		for _, s := range k.Schemes {
			if got, err := FindCollector(&url.URL{Scheme: s}); err != nil || got.Doc != k.Doc {
				t.Errorf("FindCollector(%s) = %q, %v", s, got.Doc, err)
			}
		}
	}
}
