package parquet

import (
	"bytes"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go/format"
)

// TestLimitsOfLongStrings: what is cut still bounds the value, and is text.
func TestLimitsOfLongStrings(t *testing.T) {
	a := strings.Repeat("a", maxBound-1)
	for _, tt := range []struct {
		name, value, lo, hi string
	}{
		{"as long as a bound", a + "b", a + "b", a + "b"},
		{"longer", a + "bc", a + "b", a + "c"},
		{"a character over the border", a + "éz", a, a[1:] + "b"},
		{"no character before the border can be raised", strings.Repeat("é", maxBound), strings.Repeat("é", maxBound/2), ""},
		{"the last that can be raised stands far in front", "a" + strings.Repeat("é", maxBound), "a" + strings.Repeat("é", maxBound/2-1), "b"},
		{"the highest character of ASCII", a + "\x7fz", a + "\x7f", a[1:] + "b"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := limits{any: true, least: []byte(tt.value), great: []byte(tt.value)}
			lo, hi := l.bytes(format.ByteArray)
			if tt.hi == "" {
				tt.lo = "" // without one limit there is none
			}
			if string(lo) != tt.lo || string(hi) != tt.hi {
				t.Errorf("limits %q and %q, want %q and %q", lo, hi, tt.lo, tt.hi)
			}
			if hi != nil && (bytes.Compare(lo, []byte(tt.value)) > 0 || bytes.Compare(hi, []byte(tt.value)) < 0) {
				t.Errorf("%q is not between %q and %q", tt.value, lo, hi)
			}
		})
	}
}
