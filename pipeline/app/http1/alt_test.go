package http1

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"

	"recap/pipeline/app"
	"recap/pipeline/exchange"
)

// checkAlt finds contradictions in another reading.
func checkAlt(t testing.TB, a *exchange.AltFraming, limit int64) {
	t.Helper()
	switch {
	case a == nil:
	case int64(len(a.Body)) > limit, len(a.StartLines) > maxStartLines:
		t.Fatalf("%d bytes of a body and %d start lines are kept", len(a.Body), len(a.StartLines))
	case len(a.Body) > 0 && a.BodySize < int64(len(a.Body)):
		t.Fatalf("%d bytes of %d are kept", len(a.Body), a.BodySize)
	case a.Hashed && a.BodySize == int64(len(a.Body)) && a.BodySHA256 != sha256.Sum256(a.Body):
		t.Fatalf("the hash of %q is another", a.Body)
	}
}

// showAlt writes another reading as `framing "body"/size [start lines]`; ? stands for a
// body that was not seen to its end.
func showAlt(a *exchange.AltFraming) string {
	if a == nil {
		return "none"
	}
	seen := ""
	if !a.Hashed {
		seen = "?"
	}
	return fmt.Sprintf("%s %q/%d%s %q", a.Framing, a.Body, a.BodySize, seen, a.StartLines)
}

func TestAltFraming(t *testing.T) {
	inner := "GET /inner HTTP/1.1\r\nHost: x\r\n\r\n"
	second := "POST /second HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi"
	post := func(fields, body string) string { return "POST /a HTTP/1.1\r\n" + fields + "\r\n" + body }
	length := func(n int) string { return fmt.Sprintf("Content-Length: %d\r\n", n) }
	const te = "Transfer-Encoding: chunked\r\n"
	chunk := func(b string) string { return fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(b), b) }
	answer := s("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	for _, tt := range []struct {
		name  string
		moves []move
		want  string // of the first request
	}{
		{"the length goes on behind the chunks", []move{c(post(length(5+len(inner))+te, "0\r\n\r\n"+inner)), answer, answer},
			fmt.Sprintf("content_length %q/%d []", "0\r\n\r\n"+inner, 5+len(inner))},
		{"in a later segment", []move{c(post(length(5+len(inner))+te, "0\r\n\r\n")), c(inner[:7]), c(inner[7:]), answer, answer},
			fmt.Sprintf("content_length %q/%d []", "0\r\n\r\n"+inner, 5+len(inner))},
		{"the answer comes before the rest", []move{c(post(length(5+len(inner))+te, "0\r\n\r\n")), answer, c(inner), answer},
			fmt.Sprintf("content_length %q/%d? []", "0\r\n\r\n", 5+len(inner))},
		{"the rest is lost", []move{c(post(length(5+len(inner))+te, "0\r\n\r\n")), cGap(int64(len(inner))), c(inner), answer, answer},
			fmt.Sprintf("content_length %q/%d? []", "0\r\n\r\n", 5+len(inner))},
		{"the length ends before a request inside a chunk", []move{c(post(length(4)+te, chunk(inner))), answer},
			`content_length "20\r\n"/4 ["GET /inner HTTP/1.1"]`},
		{"two requests inside a chunk", []move{c(post(length(4)+te, chunk(second+inner))), answer},
			`content_length "4e\r\n"/4 ["POST /second HTTP/1.1" "GET /inner HTTP/1.1"]`},
		{"a chunk that the other reading does not see begin", []move{c(post(length(3)+te, chunk(inner))), answer},
			`content_length "20\r"/3 ["GET /inner HTTP/1.1"]`},
		{"a hole in the chunks", []move{c(post(length(60)+te, "20\r\n"+inner[:10])), cGap(10), c(inner[20:] + "\r\n0\r\n\r\n"), answer},
			`content_length ""/60? []`},
		{"no body for who knows no chunks", []move{c(post("Transfer-Encoding: xchunked\r\n", chunk(inner))), answer},
			`none ""/0 []`},
		{"an extension holds a line end, behind which other readers go on",
			[]move{c(post(te, "2;\nxx\r\n30\r\n0\r\n\r\n"+inner+strings.Repeat("y", 0x30-5-len(inner))+"\r\n0\r\n\r\n")), answer, answer},
			`chunked "30"/2 ["GET /inner HTTP/1.1"]`},
		{"the same in the second chunk",
			[]move{c(post(te, "3\r\nabc\r\n2;\nxx\r\n30\r\n0\r\n\r\n"+inner+strings.Repeat("y", 0x30-5-len(inner))+"\r\n0\r\n\r\n")), answer, answer},
			`chunked "abc30"/5 ["GET /inner HTTP/1.1"]`},
		{"two lengths, and a request behind the first", []move{c(post(length(0)+length(len(inner)), inner)), answer, answer},
			fmt.Sprintf("content_length %q/%d []", inner, len(inner))},
		{"two lengths, and nothing behind the second", []move{c(post(length(2)+length(2+len(inner)), "ab"+"GET\r\n"+inner[5:])), answer},
			`content_length "ab"/2 []`},
		{"a length that only some readers know", []move{c(post("Content_Length: 2\r\n", "{}"+inner)), answer, answer},
			`content_length ""/0 []`},
		{"a length that only some readers know, and a request at once", []move{c(post("Content_Length: 2\r\n", inner)), answer, answer},
			`content_length "GE"/2 []`},
		{"the body is a request", []move{c(post(length(len(inner)), inner)), answer},
			`none ""/0 ["GET /inner HTTP/1.1"]`},
		{"the body is two requests, in pieces", []move{c(post(length(len(inner+second)), inner[:3])), c(inner[3:] + second[:9]), c(second[9:]), answer},
			`none ""/0 ["GET /inner HTTP/1.1" "POST /second HTTP/1.1"]`},
		{"the chunks are a request", []move{c(post(te, chunk(inner))), answer},
			`none ""/0 ["GET /inner HTTP/1.1"]`},
		{"fields without a version", []move{c("GET /a\r\nHost: x\r\n\r\n" + inner), answer, answer},
			`none ""/0 []`},
		{"fields without a version, in pieces", []move{c("GET /a\r\nHo"), c("st: x\r\n\r"), c("\n"), answer},
			`none ""/0 []`},
		{"a body that was refused, and then a request", []move{c(post("Expect: 100-continue\r\n"+length(len(inner)), "")), s("HTTP/1.1 417 no\r\nContent-Length: 0\r\n\r\n"), c(inner), answer},
			fmt.Sprintf("content_length \"\"/%d? []", len(inner))},
		{"the body is longer than what is stored", []move{c(post(length(2<<20)+te, fmt.Sprintf("%x\r\n", 3<<20))), c(strings.Repeat("x", 3<<20)), c("\r\n0\r\n\r\n"), answer},
			""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlayer()
			p.play(tt.moves...)
			p.end(t, app.EndFIN)
			a := p.pairs[0].Request.Alt
			if got := showAlt(a); got != tt.want && tt.want != "" {
				t.Errorf("the other reading is %s, want %s", got, tt.want)
			}
			if a == nil {
				t.Fatal("no other reading")
			}
			checkAlt(t, a, p.env.Limits.Body)
			if tt.want == "" && (int64(len(a.Body)) != p.env.Limits.Body || !a.Hashed) {
				t.Errorf("%d bytes are stored, hashed %t", len(a.Body), a.Hashed)
			}
		})
	}
}

// The other reading of a response may find one more.
func TestAltFramingOfResponse(t *testing.T) {
	p := newPlayer()
	split := "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
	p.play(c("GET /a HTTP/1.1\r\n\r\n"), s("HTTP/1.1 200 OK\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n"+fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(split), split)))
	p.end(t, app.EndFIN)
	if got, want := showAlt(p.pairs[0].Response.Alt), `content_length "28\r\n"/4 ["HTTP/1.1 200 OK"]`; got != want {
		t.Errorf("the other reading is %s, want %s", got, want)
	}
}
