package wire

import (
	"regexp"
	"strings"
	"testing"

	"recap/pipeline/exchange"
	"recap/replay"
	"recap/replay/targettest"
)

// plainPair is a pair of this version, with a head that is not stored as captured.
func plainPair(version string) *exchange.Pair {
	p := targettest.Pair(1, 0, &exchange.Conn{ID: exchange.ID{1}})
	p.Request.Head, p.Response.Head = nil, nil
	p.Request.Version, p.Response.Version = version, version
	return p
}

func TestHeadsThatLinesCannotHold(t *testing.T) {
	field := func(name, value string) func(*exchange.Pair) {
		return func(p *exchange.Pair) {
			p.Request.Headers = append(p.Request.Headers, exchange.Header{Name: name, Value: value})
		}
	}
	for _, tt := range []struct {
		name       string
		change     func(*exchange.Pair)
		lines, h2  bool // whether it can be sent after HTTP/1.1, and after HTTP/2
		rawIsPlain bool // or with its head as captured
	}{
		{"nothing odd", func(*exchange.Pair) {}, true, true, true},
		{"a field in a field", field("x", "a\r\nevil: 1"), false, false, true},
		{"a field behind a bare line feed", field("x", "a\nevil: 1"), false, false, true},
		{"a request in a field", field("x", "a\r\n\r\nGET /smuggled HTTP/1.1"), false, false, true},
		{"a folded field", field("x", "a\r\n b"), true, false, true},
		{"a bare carriage return", field("x", "a\rb"), true, false, true},
		{"a zero byte", field("x", "a\x00b"), true, false, true},
		{"a space in a name", field("a b", "c"), true, false, true},
		{"no name", field("", "c"), true, false, true},
		{"a colon in a name", field("a:b", "c"), true, false, true},
		{"a line break in a name", field("a\nb", "c"), false, false, true},
		{"a space in the target", func(p *exchange.Pair) { p.Request.Target = "/a b" }, true, false, true},
		{"a line break in the target", func(p *exchange.Pair) { p.Request.Target = "/ HTTP/1.1\r\nx: y" }, false, false, true},
		{"a space in the method", func(p *exchange.Pair) { p.Request.Method = "GE T" }, true, false, true},
		{"no method", func(p *exchange.Pair) { p.Request.Method = "" }, false, false, true},
		{"a line break in the host", func(p *exchange.Pair) { p.Request.Host = "a\r\nx: y" }, false, false, true},
		{"a line break in the reason", func(p *exchange.Pair) { p.Response.Reason = "OK\r\nx: y" }, false, false, true},
		{"a line break in a field of the response", func(p *exchange.Pair) { p.Response.Headers = []exchange.Header{{Name: "x", Value: "a\nb"}} }, false, false, true},
		{"a line break in a trailer", func(p *exchange.Pair) { p.Response.Trailers = []exchange.Header{{Name: "x", Value: "a\nb"}} }, false, false, false},
		{"a line break in an interim response", func(p *exchange.Pair) {
			p.Response.Interim = []exchange.Interim{{Status: 103, Headers: []exchange.Header{{Name: "x", Value: "a\nb"}}}}
		}, false, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for version, want := range map[string]bool{"HTTP/1.1": tt.lines, "HTTP/2": tt.h2} {
				p := plainPair(version)
				tt.change(p)
				if got := plain(p); got != want {
					t.Errorf("plain is %t after %s, want %t", got, version, want)
				}
			}
			p := plainPair("HTTP/1.1")
			tt.change(p)
			p.Request.Head, p.Response.Head = []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), []byte("HTTP/1.1 200 OK\r\n\r\n")
			if got := plain(p); got != tt.rawIsPlain {
				t.Errorf("plain is %t with its head as captured, want %t", got, tt.rawIsPlain)
			}
		})
	}
}

// Also --incomplete does not send it.
func TestWhatLinesCannotHoldIsLeftOut(t *testing.T) {
	for _, incomplete := range []bool{false, true} {
		env := new(targettest.Env)
		target := NewTarget(env, &memPort{mtu: 1450}, Options{Incomplete: incomplete})
		events := []replay.Event{{Pair: plainPair("HTTP/2"), Seq: 0}, {Pair: plainPair("HTTP/2"), Seq: 1}}
		q := &events[0].Pair.Request
		q.Headers = append(q.Headers, exchange.Header{Name: "x", Value: "a\r\n\r\nGET / HTTP/1.1\r\n\r\n"})
		if err := target.Send(t.Context(), events); err != nil {
			t.Fatal(err)
		}
		if err := target.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := env.Left()[0]; len(got) != 1 || got[0] != "head_not_lines" {
			t.Errorf("left out because of %q", got)
		}
		if got := env.SentOrder(); len(got) != 1 || got[0] != 1 {
			t.Errorf("sent %v, want the other alone", got)
		}
	}
}

// foldedLine is a line that goes on in the next.
var foldedLine = regexp.MustCompile("\r?\n[ \t]")

// FuzzPlain holds that a request that is taken for plain has as many lines as it has
// fields, one of which is the marker, whatever stands in them.
func FuzzPlain(f *testing.F) {
	f.Add("GET", "/", "x", "a", true)
	f.Add("GET", "/a b", "x", "a\r\n b", false)
	f.Add("P", "/", ":x", "a\n\tb", true)
	f.Fuzz(func(t *testing.T, method, target, name, value string, h2 bool) {
		version := "HTTP/1.1"
		if h2 {
			version = "HTTP/2"
		}
		p := plainPair(version)
		q := &p.Request
		q.Method, q.Target, q.Host, q.Headers = method, target, "host", []exchange.Header{{Name: name, Value: value}}
		q.Body, q.BodySize, q.BodyWireSize, q.HasBody, q.ContentEncoding = nil, 0, 0, false, ""
		if !plain(p) {
			return
		}
		text, _, _ := written(p, testMarker)
		text = foldedLine.ReplaceAllString(text, " ")
		head, rest, found := strings.Cut(text, "\r\n\r\n")
		if n := strings.Count(head, "\n"); !found || rest != "" || n < 1 || n > 4 || strings.Count(head, "\n") != strings.Count(head, "\r\n") {
			t.Fatalf("%q has %d lines", text, n+1)
		}
	})
}
