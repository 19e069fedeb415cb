package replay

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"recap/pipeline/exchange"
)

var someMarker = Marker{Run: 0x89abcdef, Loop: 1, Seq: 1000, Due: 10_000_000_996}

const someMarkerText = "89abcdef-00-000001-00000003e8-0000002540be4-d48bda49"

func TestMarkerText(t *testing.T) {
	m := someMarker
	m.Due = 0x2540be4
	if got := m.String(); got != someMarkerText || len(got) != MarkerSize {
		t.Errorf("%+v is %s, want %s", m, got, someMarkerText)
	}
	for _, text := range []string{someMarkerText, " " + someMarkerText + "\t", strings.ToUpper(someMarkerText)} {
		if got, err := ParseMarker([]byte(text)); err != nil || got != m {
			t.Errorf("ParseMarker(%q) = %+v, %v; want %+v", text, got, err, m)
		}
	}
}

func TestMarkerIsRefused(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		none       bool
	}{
		{"nothing", "", true},
		{"something else", "550e8400-e29b-41d4-a716-446655440000", true},
		{"a marker cut short", someMarkerText[:MarkerSize-1], true},
		{"no digit", strings.Replace(someMarkerText, "3e8", "3g8", 1), true},
		{"dashes elsewhere", strings.Replace(someMarkerText, "ef-00-", "ef00--", 1), true},
		{"another check", someMarkerText[:MarkerSize-1] + "0", false},
		{"another sequence", strings.Replace(someMarkerText, "3e8", "3e9", 1), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if m, err := ParseMarker([]byte(tt.text)); err == nil || errors.Is(err, ErrNoMarker) != tt.none {
				t.Errorf("ParseMarker(%q) = %+v, %v", tt.text, m, err)
			}
		})
	}
}

func TestFindMarkerKnowsNoCase(t *testing.T) {
	for _, name := range []string{"X-Replay-Id", "x-replay-id", "X-REPLAY-ID"} {
		if got := FindMarker([]exchange.Header{{Name: "Host", Value: "x"}, {Name: name, Value: "v"}}); string(got) != "v" {
			t.Errorf("FindMarker of %s = %q", name, got)
		}
	}
	if got := FindMarker([]exchange.Header{{Name: "X-Replay-Ids", Value: "v"}}); got != nil {
		t.Errorf("FindMarker without one = %q", got)
	}
}

// Whatever reads as a marker is written the same again, but for case and white space;
// and no single changed byte goes unnoticed.
func FuzzMarker(f *testing.F) {
	f.Add([]byte(someMarkerText), 3, byte('1'))
	f.Add([]byte(" "+strings.ToUpper(someMarkerText)), 51, byte('0'))
	f.Fuzz(func(t *testing.T, text []byte, at int, c byte) {
		m, err := ParseMarker(text)
		if err != nil {
			return
		}
		own := m.Append(nil)
		if want := bytes.ToLower(bytes.Trim(text, " \t")); !bytes.Equal(own, want) {
			t.Fatalf("ParseMarker(%q) writes as %q", text, own)
		}
		at = int(uint(at) % MarkerSize)
		if own[at] == c || bytes.EqualFold(own[at:at+1], []byte{c}) {
			return
		}
		own[at] = c
		if n, err := ParseMarker(own); err == nil {
			t.Fatalf("%q reads as %+v after byte %d was changed", own, n, at)
		}
	})
}
