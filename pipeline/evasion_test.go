package pipeline

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"testing"

	"recap/pipeline/app/http1/http1test"
	"recap/pipeline/exchange"
	"recap/reader/pcaptest"
)

// capture writes a case as a capture: the request, the response in segments, the close.
func evasionCapture(t testing.TB, k *http1test.Case) []byte {
	t.Helper()
	var b strings.Builder
	b.WriteString("10.0.0.1:4000 > 10.0.0.2:80 handshake\n")
	fmt.Fprintf(&b, "10.0.0.1:4000 > 10.0.0.2:80 %q\n", k.Request)
	if k.Response != "" {
		fmt.Fprintf(&b, "10.0.0.2:80 > 10.0.0.1:4000 mss=300 close %q\n", k.Response)
	}
	return pcaptest.Build(t, b.String())
}

// TestEvasionCaptures: the hidden text of each case comes out of a capture too, and the
// ledger balances.
func TestEvasionCaptures(t *testing.T) {
	cases := http1test.Cases()
	kinds := map[int]int{}
	for i := range cases {
		k := &cases[i]
		f := extract(t, evasionCapture(t, k), full, 0)
		sum := sha256.Sum256([]byte(k.Want))
		found, named := false, k.Uncommon || k.Kind == 0
		for _, p := range f.pairs {
			m := &p.Response.Message
			found = found || string(m.Body) == k.Want && p.Request.Present || k.Alt && m.Alt != nil && m.Alt.Hashed && m.Alt.BodySHA256 == sum
			p.Anomalies.Each(func(a exchange.Anomaly) { named = named || slices.Contains(k.Anomalies, a.String()) })
		}
		if !found || !named {
			t.Errorf("%s: found %t, named %t:\n%s", k.Describe(), found, named, f)
			continue
		}
		kinds[k.Kind]++
	}
	if len(kinds) != http1test.Kinds()+1 {
		t.Errorf("%d kinds came out of captures, want %d and the controls", len(kinds), http1test.Kinds())
	}
	t.Logf("%d cases of %d kinds, read from captures", len(cases), http1test.Kinds())
}
