//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"recap/reader/pcaptest"
)

// minuteFile holds pairs from second first to second last after 2026-11-20 09:00 UTC,
// one each second, on one connection that is joined in the middle.
func minuteFile(t *testing.T, first, last int) []byte {
	var text strings.Builder
	start := time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC).Unix()
	for at := first; at <= last; at++ {
		fmt.Fprintf(&text, "10.0.0.1:4000 > 10.0.0.2:80 at=%d.5 \"GET /%d HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n\"\n", start+int64(at), at)
		fmt.Fprintf(&text, "10.0.0.2:80 > 10.0.0.1:4000 \"HTTP/1.1 204 No Content\\r\\n\\r\\n\"\n")
	}
	return pcaptest.Build(t, text.String())
}

func TestRotations(t *testing.T) {
	minutes := func(names string) map[string][]byte {
		files := map[string][]byte{}
		for i, name := range strings.Fields(names) {
			files[name] = minuteFile(t, 60*i, 60*i+59)
		}
		return files
	}
	for _, tt := range []struct {
		name  string
		files map[string][]byte
		want  string // inputs of each part, in order
	}{
		{"seconds in the name", minutes("w-20261120090000.pcap w-20261120090100.pcap w-20261120090200.pcap"),
			"w-20261120090000.pcap+w-20261120090100.pcap+w-20261120090200.pcap"},
		{"another time zone, another form", minutes("w_2026-11-20_14:30:00.pcap w_2026-11-20_14:31:00.pcap"),
			"w_2026-11-20_14:30:00.pcap+w_2026-11-20_14:31:00.pcap"},
		{"minutes in the name", minutes("202611200900.cap 202611200901.cap"), "202611200900.cap+202611200901.cap"},
		{"seconds since 1970", minutes("tap.1795165200 tap.1795165260"), "tap.1795165200+tap.1795165260"},
		{"other stems", minutes("a-20261120090000.pcap b-20261120090100.pcap"), "a-20261120090000.pcap b-20261120090100.pcap"},
		{"a minute is missing", map[string][]byte{
			"w-20261120090000.pcap": minuteFile(t, 0, 59), "w-20261120090200.pcap": minuteFile(t, 120, 179)},
			"w-20261120090000.pcap w-20261120090200.pcap"},
		{"ten seconds of every minute", map[string][]byte{
			"w-20261120090000.pcap": minuteFile(t, 0, 9), "w-20261120090100.pcap": minuteFile(t, 60, 69)},
			"w-20261120090000.pcap w-20261120090100.pcap"},
		{"two captures at one time", map[string][]byte{
			"w-20261120090000.pcap": minuteFile(t, 0, 70), "w-20261120090100.pcap": minuteFile(t, 60, 119)},
			"w-20261120090000.pcap w-20261120090100.pcap"},
		{"a name that is not about the packets", map[string][]byte{
			"w-20261120090000.pcap": minuteFile(t, 0, 59), "w-20261120090733.pcap": minuteFile(t, 60, 119)},
			"w-20261120090000.pcap w-20261120090733.pcap"},
		{"a file that is cut", map[string][]byte{
			"w-20261120090000.pcap": minuteFile(t, 0, 59)[:4000], "w-20261120090100.pcap": minuteFile(t, 60, 119)},
			"w-20261120090000.pcap w-20261120090100.pcap"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newShell(t)
			s.write("in", tt.files)
			cmd := s.command("extract", "--each", "-f", "jsonl", "-o", "out", "in")
			said, err := cmd.CombinedOutput()
			if code := cmd.ProcessState.ExitCode(); code != 0 && code != 3 {
				t.Fatalf("%v\n%s", err, said)
			}
			var m eachManifest
			if err := json.Unmarshal([]byte(s.files("out")["manifest.json"]), &m); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, p := range m.Parts {
				names := p.Inputs
				if len(names) == 0 {
					names = []string{p.Input}
				} else if !strings.Contains(string(said), "joined       "+names[0]+" and ") {
					t.Errorf("the summary does not tell what was joined:\n%s", said)
				}
				got = append(got, strings.ReplaceAll(strings.Join(names, "+"), "in/", ""))
			}
			if got := strings.Join(got, " "); got != tt.want {
				t.Errorf("gives %s\nwant  %s", got, tt.want)
			}
		})
	}
}

// FuzzRotationOf: the time in a name and its stem make two different names different.
func FuzzRotationOf(f *testing.F) {
	f.Add("d/w-20261120090000.pcap", "d/w-20261120090100.pcap")
	f.Add("1795165200", "w_2026-11-20_09.00.00")
	f.Fuzz(func(t *testing.T, a, b string) {
		x, ok := rotationOf(a)
		y, fine := rotationOf(b)
		if !ok || !fine {
			return
		}
		if x.unit != time.Second && x.unit != time.Minute || x.at.Year() < 0 {
			t.Errorf("%q is %+v", a, x)
		}
		if zone, ok := x.zone(x.at.UnixNano()); x.at.Year() > 1700 && x.at.Year() < 2250 && (!ok || zone != 0) {
			t.Errorf("%q at its own time: zone %v, %t", a, zone, ok)
		}
		digits := func(s string) string {
			return strings.Map(func(r rune) rune {
				if r >= '0' && r <= '9' {
					return r
				}
				return -1
			}, s)
		}
		if x.stem == y.stem && x.at.Equal(y.at) && x.unit == y.unit && digits(a) != digits(b) {
			t.Errorf("%q and %q are both %+v", a, b, x)
		}
	})
}
