package tls

import (
	"fmt"
	"strings"
	"testing"
)

func TestKeyLines(t *testing.T) {
	r, m, x := strings.Repeat("ab", 32), strings.Repeat("cd", 48), strings.Repeat("ef", 32)
	for _, tt := range []struct {
		name, text string
		want       KeyStats
	}{
		{"nothing", "", KeyStats{}},
		{"a comment and empty lines", "# SSL\n\n \r\n", KeyStats{}},
		{"a master secret", "CLIENT_RANDOM " + r + " " + m + "\n", KeyStats{Secrets: 1}},
		{"no line end, CRLF before", "CLIENT_RANDOM " + r + " " + m + "\r\nCLIENT_TRAFFIC_SECRET_0 " + r + " " + x, KeyStats{Secrets: 2}},
		{"upper case", "CLIENT_RANDOM " + strings.ToUpper(r+" "+m), KeyStats{Secrets: 1}},
		{"said twice", strings.Repeat("CLIENT_RANDOM "+r+" "+m+"\n", 2), KeyStats{Secrets: 1, Ignored: 1}},
		{"of no use here", "EXPORTER_SECRET " + r + " " + x, KeyStats{Ignored: 1}},
		{"an unknown label", "SECRET " + r + " " + x, KeyStats{Malformed: 1}},
		{"a short random", "CLIENT_RANDOM " + r[2:] + " " + m, KeyStats{Malformed: 1}},
		{"a short secret", "CLIENT_RANDOM " + r + " " + x, KeyStats{Malformed: 1}},
		{"not hex", "CLIENT_RANDOM " + r + " " + m[:94] + "zz", KeyStats{Malformed: 1}},
		{"a word too many", "CLIENT_RANDOM " + r + " " + m + " x", KeyStats{Malformed: 1}},
		{"an endless line", strings.Repeat("x", 1<<20) + "\nCLIENT_RANDOM " + r + " " + m, KeyStats{Secrets: 1, Malformed: 1}},
		{"RSA, both forms", "RSA 0011223344556677 " + m + "\nRSA Session-ID:" + x + " Master-Key:" + m, KeyStats{Secrets: 2}},
		{"RSA, malformed", "RSA 00 " + m + "\nRSA Session-ID: Master-Key:" + m, KeyStats{Malformed: 2}},
		{"more for one connection than there can be", many(r), KeyStats{Secrets: maxPerRandom, Dropped: 4}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, size := range []int{1 << 30, 1, 7} {
				k := new(Keys)
				for b := []byte(tt.text); len(b) > 0; {
					n := min(size, len(b))
					k.Write(b[:n])
					b = b[n:]
				}
				k.Flush()
				if got := k.Stats(); got != tt.want {
					t.Errorf("written %d at a time: Stats() = %+v, want %+v", size, got, tt.want)
				}
			}
		})
	}
}

func many(random string) string {
	var b strings.Builder
	for i := range maxPerRandom + 4 {
		fmt.Fprintf(&b, "CLIENT_TRAFFIC_SECRET_0 %s %064x\n", random, i)
	}
	return b.String()
}

// What came later is not seen by an earlier view.
func TestViews(t *testing.T) {
	k := new(Keys)
	early := k.All()
	random := [32]byte{1}
	late := k.Add(fmt.Appendf(nil, "CLIENT_RANDOM %x %096x", random, 5))
	if early.find(&random, masterSecret, 0) != nil || early.has(&random) {
		t.Error("the earlier view sees a later secret")
	}
	if late.find(&random, masterSecret, 0) == nil || !late.has(&random) {
		t.Error("the later view does not see it")
	}
	if c := k.Clone(); c.Stats() != k.Stats() {
		t.Errorf("Clone().Stats() = %+v, want %+v", c.Stats(), k.Stats())
	}
}

// No verb of package fmt shows a secret.
func TestKeysDoNotPrint(t *testing.T) {
	k := new(Keys)
	view := k.Add([]byte("CLIENT_RANDOM " + strings.Repeat("ab", 32) + " " + strings.Repeat("cd", 48)))
	c := newPlayer(&view)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q", "%d"} {
		for _, v := range []any{k, view, &view, struct{ K *Keys }{k}, c.conn.view} {
			if got := fmt.Sprintf(verb, v); strings.Contains(got, "cdcd") || strings.Contains(got, "205") {
				t.Errorf("Sprintf(%q) of a %T = %s", verb, v, got)
			}
		}
	}
}
