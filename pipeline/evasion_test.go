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
			found = found || string(m.Body) == k.Want && p.Request.Present || k.Alt && m.Alt != nil && string(m.Alt.Body) == k.Want && m.Alt.Hashed && m.Alt.BodySHA256 == sum
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

// A method alone on its line is a request where the answer is a response, and nothing
// where it is not: other protocols have commands of the same names.
func TestMethodAlone(t *testing.T) {
	const ask, answer = "10.0.0.1:4000 > 10.0.0.2:80 ", "10.0.0.2:80 > 10.0.0.1:4000 "
	const bad = answer + `"HTTP/1.1 400 Bad Request\r\nContent-Length: 3\r\n\r\nbad" close`
	for _, tt := range []struct{ name, text, want string }{
		{"with LF", ask + `"GET\n\n"` + "\n" + bad, "complete GET 400"},
		{"with CR LF", ask + `"POST\r\n\r\n"` + "\n" + bad, "complete POST 400"},
		{"a blank behind it, and a field", ask + `"GET \r\nHost: x\r\n\r\n"` + "\n" + bad, "complete GET 400"},
		{"in two segments", ask + `"GET\r"` + "\n" + ask + `"\n\r\n"` + "\n" + bad, "complete GET 400"},
		{"the head does not end", ask + `"GET\r\n"` + "\n" + bad, "partial GET 400"},
		{"behind a request", ask + `"GET / HTTP/1.1\r\n\r\n"` + "\n" + answer + `"HTTP/1.1 204 No Content\r\n\r\n"` + "\n" + ask + `"GET\r\n\r\n"` + "\n" + bad, "complete GET 204; complete GET 400"},
		{"of NNTP", answer + `"200 news\r\n"` + "\n" + ask + `"POST\r\n"` + "\n" + answer + `"340 go on\r\n"` + "\n" + ask + `"From: a\r\n\r\nhello\r\n.\r\n"`, ""},
		{"without an answer", ask + `"GET\r\n\r\n"`, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := extract(t, pcaptest.Build(t, "handshake\n"+tt.text), full, 0)
			var got []string
			for _, p := range f.pairs {
				got = append(got, fmt.Sprint(p.State, " ", p.Request.Method, " ", p.Response.Status))
			}
			if g := strings.Join(got, "; "); g != tt.want {
				t.Errorf("pairs are %q, want %q:\n%s", g, tt.want, f)
			}
		})
	}
}

// What proxies and scanners put before the first request, in the same segment, hides
// neither the request nor its answer.
func TestBeforeTheFirstRequest(t *testing.T) {
	const ask, answer = "10.0.0.1:4000 > 10.0.0.2:80 ", "10.0.0.2:80 > 10.0.0.1:4000 "
	const get = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
	const junk = "complete GET /a 204 junk_before_request"
	for _, tt := range []struct{ name, before, want string }{
		{"a header of the PROXY protocol", "PROXY TCP4 192.0.2.1 192.0.2.2 1000 80\r\n", junk},
		{"one of its second version", "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x01\xc0\x00\x02\x02\x03\xe8\x00\x50", junk},
		{"NUL", "\x00\x00", junk},
		{"a blank line", " \r\n", junk},
		{"a blank", " ", junk},
		{"line ends", "\r\n\n", "complete GET /a 204 "},
		{"a message of another protocol that carries it", "REQMOD icap://10.0.0.2/x ICAP/1.0\r\nEncapsulated: req-hdr=0\r\n\r\n", "response_only   204 "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := extract(t, pcaptest.Build(t, fmt.Sprintf("handshake\n%s%q\n%s%q\n", ask, tt.before+get, answer, "HTTP/1.1 204 No Content\r\n\r\n")), full, 0)
			var got []string
			for _, p := range f.pairs {
				got = append(got, fmt.Sprintf("%s %s %s %d %s", p.State, p.Request.Method, p.Request.Target, p.Response.Status, strings.Join(p.Anomalies.Append(nil), " ")))
			}
			if g := strings.Join(got, "; "); g != tt.want {
				t.Errorf("pairs are %q, want %q:\n%s", g, tt.want, f)
			}
		})
	}
}
