package http1

import (
	"crypto/sha256"
	"strings"
	"testing"

	"recap/pipeline/app"
	"recap/pipeline/app/http1/http1test"
	"recap/pipeline/exchange"
)

// evade plays a case, both streams in pieces of n bytes (0: whole).
func evade(t testing.TB, k *http1test.Case, n int) *player {
	t.Helper()
	p := newPlayer()
	p.env.Limits.Head = 64 << 10
	for d, text := range []string{k.Request, k.Response} {
		for len(text) > 0 {
			i := len(text)
			if n > 0 {
				i = min(n, i)
			}
			m := move{dir: exchange.Dir(d), data: text[:i], acked: true}
			if d == 1 {
				m.ack = int64(len(k.Request))
			}
			p.play(m)
			text = text[i:]
		}
	}
	p.play(sClose, cClose)
	p.end(t, app.EndFIN)
	return p
}

// found tells how the hidden body of a case was recovered: "body", "alt" or "".
func found(k *http1test.Case, pairs []*exchange.Pair) string {
	sum := sha256.Sum256([]byte(k.Want))
	how := ""
	for _, q := range pairs {
		m := &q.Response.Message
		switch {
		case string(m.Body) == k.Want && q.Request.Present:
			return "body"
		case k.Alt && m.Alt != nil && string(m.Alt.Body) == k.Want && m.Alt.Hashed && m.Alt.BodySHA256 == sum:
			how = "alt"
		}
	}
	return how
}

// TestEvasion: the text that each case hides is found, its oddity named, and no byte is lost.
func TestEvasion(t *testing.T) {
	var body, alt, odd, controls int
	cases := http1test.Cases()
	for i := range cases {
		k := &cases[i]
		t.Run(k.Describe(), func(t *testing.T) {
			p := evade(t, k, 0)
			names := anomalies(p.pairs)
			switch found(k, p.pairs) {
			case "body":
				body++
			case "alt":
				alt++
			default:
				t.Errorf("the body is not found: %s%s", lines(p.pairs), names)
			}
			named := false
			for _, a := range k.Anomalies {
				named = named || strings.Contains(" "+names+" ", " "+a+" ")
			}
			switch {
			case k.Kind == 0 && names != "":
				t.Errorf("a control has anomalies: %s", names)
			case k.Kind == 0:
				controls++
			case !named && !k.Uncommon:
				t.Errorf("anomalies are %q, want one of %q", names, k.Anomalies)
			case names != "":
				odd++
			}
			checkTargets(t, k, p.pairs)
			if k.Kind > 0 && k.Request != "" {
				checkHeads(t, k, p.pairs)
			}
		})
	}
	t.Logf("%d kinds, %d cases: %d bodies recovered, %d more as the other reading of an ambiguous message; %d with a named oddity; %d controls clean",
		http1test.Kinds(), len(cases), body, alt, odd, controls)
}

func checkTargets(t *testing.T, k *http1test.Case, pairs []*exchange.Pair) {
	want := k.Targets
	if want == nil {
		want = []string{"/a"}
	}
	var got []string
	for _, q := range pairs {
		if q.Request.Present {
			got = append(got, q.Request.Target)
		}
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("requests are %q, want %q", got, want)
	}
}

// checkHeads: what is kept as a head stands in the stream.
func checkHeads(t *testing.T, k *http1test.Case, pairs []*exchange.Pair) {
	for _, q := range pairs {
		if !strings.Contains(k.Response, string(q.Response.Head)) || !strings.Contains(k.Request, string(q.Request.Head)) {
			t.Errorf("heads %q and %q are not as they were sent", q.Request.Head, q.Response.Head)
		}
		if q.Request.Present && len(q.Request.Head) == 0 {
			t.Error("a request without its head")
		}
	}
}

// TestEvasionSplit: how the bytes are cut into segments does not matter.
func TestEvasionSplit(t *testing.T) {
	cases := http1test.Cases()
	for i := range cases {
		k := &cases[i]
		whole := lines(evade(t, k, 0).pairs)
		for _, n := range []int{1, 2, 7, 100} {
			p := evade(t, k, n)
			if got := lines(p.pairs); got != whole {
				t.Errorf("%s, in pieces of %d:\n%swhole:\n%s", k.Describe(), n, got, whole)
				break
			}
		}
	}
}
