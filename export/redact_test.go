package export_test

import (
	"bytes"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"recap/export"
	"recap/export/all"
	"recap/export/bodies"
	"recap/export/sinktest"
	"recap/pipeline/exchange"
)

const canary = "c4n4rySECRETc4n4ry"

// secretPair carries the canary wherever a credential may stand.
func secretPair() *exchange.Pair {
	hs := []exchange.Header{
		{Name: "Host", Value: "user:" + canary + "@example.com"},
		{Name: "Authorization", Value: "Bearer " + canary}, {Name: "proxy-authorization", Value: canary},
		{Name: "COOKIE", Value: "a=1; sid=" + canary}, {Name: "X-Api-Key ", Value: canary},
		{Name: "X-Vault-Token", Value: canary}, {Name: "Referer", Value: "https://u:" + canary + "@h/p?x=1&access_token=" + canary + "#id_token=" + canary},
		{Name: "Link", Value: "</a?sig=" + canary + ">; rel=next"},
		{Name: "X-Back", Value: "/r?to=" + url.QueryEscape("https://h/?token="+canary)},
		{Name: "X-Plain", Value: "kept"},
	}
	head := "GET /p?token=" + canary + "&page=2 HTTP/1.1\r\n"
	for _, h := range hs {
		head += h.Name + ": " + h.Value + "\r\n"
	}
	head += "Cookie: x\r\n folded=" + canary + "\r\nSet-Cookie:\t" + canary + "\n\r\n"
	p := &exchange.Pair{Conn: &exchange.Conn{}, Protocol: "HTTP/1.1"}
	p.Request = exchange.Request{Method: "GET", Target: "/p?token=" + canary + "&page=2", Query: "token=" + canary + "&page=2", Host: "example.com", Path: "/p;jsessionid=" + canary, URL: "http://me:" + canary + "@example.com/p?%74oken=" + canary}
	p.Request.Message = exchange.Message{Present: true, Headers: hs, Head: []byte(head), HeadEscaped: true, Trailers: []exchange.Header{{Name: "X-Secret", Value: canary}}}
	p.Request.Alt = &exchange.AltFraming{Framing: exchange.FramingLength, BodySize: 5, Body: []byte("GET / HTTP/1.1\r\nCookie: a=" + canary + "\r\n\r\n"), StartLines: []string{"GET /p?token=" + canary + "&page=2 HTTP/1.1"}}
	p.Response = exchange.Response{Status: 302, Interim: []exchange.Interim{{Status: 103, Headers: []exchange.Header{{Name: "Set-Cookie", Value: canary}}}}}
	p.Response.Message = exchange.Message{Present: true, Head: []byte("HTTP/1.1 302 Found\rSet-Cookie: a=" + canary + "\rLocation: /?code=" + canary + "\r\r"), HeadEscaped: true,
		Headers: []exchange.Header{{Name: "Set-Cookie", Value: "a=" + canary}, {Name: "Location", Value: "/?code=" + canary}}}
	return p
}

// TestCanary looks for the secret in every output of every format.
func TestCanary(t *testing.T) {
	for _, key := range []string{"", "k"} {
		for _, level := range []export.Redaction{export.RedactHeaders, export.RedactStrict} {
			t.Run(fmt.Sprintf("%v with key %q", level, key), func(t *testing.T) {
				p := secretPair()
				if level == export.RedactStrict {
					p.Request.Body, p.Request.HasBody, p.Request.BodySize = []byte(canary), true, int64(len(canary))
					p.Request.Headers = append(p.Request.Headers, exchange.Header{Name: "X-Custom", Value: canary})
					p.Request.Query += "&q=" + canary
				}
				dir := filepath.Join(t.TempDir(), "out")
				written := writeDir(t, dir, p, func(s export.Sink) export.Sink { return export.NewRedactor(level, []byte(key), s) })
				for name, file := range written {
					if bytes.Contains(file, []byte(canary)) {
						t.Errorf("%s holds the secret", name)
					}
				}
				if level == export.RedactHeaders && !bytes.Contains(written["pairs.jsonl"], []byte("page=2")) {
					t.Error("a harmless parameter is gone")
				}
				if p.Request.Headers[1].Value != "Bearer "+canary {
					t.Error("the pair itself was changed")
				}
			})
		}
	}
	t.Run("none keeps it", func(t *testing.T) {
		written := writeDir(t, filepath.Join(t.TempDir(), "out"), secretPair(), func(s export.Sink) export.Sink { return export.NewRedactor(export.RedactNone, nil, s) })
		if !bytes.Contains(written["pairs.jsonl"], []byte(canary)) {
			t.Error("nothing was to be redacted")
		}
	})
}

// writeDir writes p with every format and the body store through wrap and returns
// all files of the directory, Parquet uncompressed by way of its values.
func writeDir(t *testing.T, dir string, p *exchange.Pair, wrap func(export.Sink) export.Sink) map[string][]byte {
	t.Helper()
	d, err := export.OpenDir(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	g := export.NewGroup()
	var rows [][]byte
	for _, f := range all.Formats() {
		w, err := d.Create(f.File)
		if err != nil {
			t.Fatal(err)
		}
		g.Add(f.Name, f.New(w, export.Options{}))
	}
	store, err := bodies.New(filepath.Join(dir, "bodies"))
	if err != nil {
		t.Fatal(err)
	}
	g.Add("bodies", store)
	g.Add("seen", sinkFunc(func(b *exchange.Batch) error {
		for _, p := range b.Pairs {
			var c export.Cursor
			c.Pair(p)
			for _, f := range export.PairSchema() {
				rows = append(rows, fmt.Appendf(nil, "%s", f.Value(&c)))
			}
		}
		return nil
	}))
	s := wrap(g)
	if err := s.Write(&exchange.Batch{Pairs: []*exchange.Pair{p}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	outs, err := d.Commit()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.WriteManifest(&export.Manifest{Outputs: outs}); err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{"values": bytes.Join(rows, []byte("\n"))}
	filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().IsRegular() {
			files[filepath.Base(path)], _ = os.ReadFile(path)
		}
		return nil
	})
	return files
}

type sinkFunc func(*exchange.Batch) error

func (f sinkFunc) Write(b *exchange.Batch) error { return f(b) }
func (f sinkFunc) Close() error                  { return nil }

func TestRedactedValues(t *testing.T) {
	redact := func(level export.Redaction, key string, h exchange.Header) (got string) {
		p := &exchange.Pair{Request: exchange.Request{Message: exchange.Message{Headers: []exchange.Header{h}}}}
		s := export.NewRedactor(level, []byte(key), sinkFunc(func(b *exchange.Batch) error {
			got = strings.Clone(b.Pairs[0].Request.Headers[0].Value)
			return nil
		}))
		if err := s.Write(&exchange.Batch{Pairs: []*exchange.Pair{p}}); err != nil {
			t.Fatal(err)
		}
		return got
	}
	for _, tt := range []struct {
		name, header, value, want string
	}{
		{"scheme is kept", "Authorization", "Basic abc", "Basic redacted"},
		{"no scheme", "Authorization", "abc", "redacted"},
		{"unknown scheme", "Authorization", "my secret", "redacted"},
		{"an author is no auth", "Referer", "/?author=me", "/?author=me"},
		{"parameter in the middle", "Referer", "/?a=1&token=x&b=2", "/?a=1&token=redacted&b=2"},
		{"user name and password", "Location", "ftp://a:b@c/d", "ftp://redacted@c/d"},
		{"an at sign in the path", "Location", "http://c/@d", "http://c/@d"},
		{"semicolons belong to a secret", "Location", "/?token=a;b&c=d", "/?token=redacted&c=d"},
		{"nothing to hide", "Location", "/a?b=c#d", "/a?b=c#d"},
		{"empty", "Cookie", "", ""},
		{"empty parameter", "Location", "/?token=&a=b", "/?token=&a=b"},
		{"a URL inside a URL", "Location", "/?to=http%3A%2F%2Fh%2F%3Fsig%3Dx&a=b", "/?to=redacted&a=b"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := redact(export.RedactHeaders, "", exchange.Header{Name: tt.header, Value: tt.value}); got != tt.want {
				t.Errorf("%s: %s became %q, want %q", tt.header, tt.value, got, tt.want)
			}
		})
	}
	h := exchange.Header{Name: "Cookie", Value: "a"}
	one, again, other := redact(export.RedactHeaders, "k", h), redact(export.RedactHeaders, "k", h), redact(export.RedactHeaders, "l", h)
	if one != again || one == other || !strings.HasPrefix(one, "redacted-") || len(one) != len("redacted-")+16 {
		t.Errorf("pseudonyms are %q, %q, %q: want two equal and one different", one, again, other)
	}
	if got := redact(export.RedactStrict, "", exchange.Header{Name: "X-User", Value: "joe"}); got != "redacted" {
		t.Errorf("strict left X-User: %s", got)
	}
}

// TestRedactionIsLinear feeds values that make naive scanning quadratic.
func TestRedactionIsLinear(t *testing.T) {
	for _, unit := range []string{"?a=%41", "://", "://@", "?", "&a=", ";x=%2525", "%25", "?token="} {
		v := strings.Repeat(unit, 1<<20/len(unit))
		p := &exchange.Pair{Conn: &exchange.Conn{}, Request: exchange.Request{URL: v, Message: exchange.Message{Head: []byte("GET / HTTP/1.1\r\nA: " + v)}}}
		s := export.NewRedactor(export.RedactHeaders, nil, sinkFunc(func(*exchange.Batch) error { return nil }))
		if err := s.Write(&exchange.Batch{Pairs: []*exchange.Pair{p}}); err != nil {
			t.Fatal(err)
		}
	}
}

// TestRedactorMemory has a slow reader: copies must live until the batch is released.
func TestRedactorMemory(t *testing.T) {
	g := export.NewGroup()
	var buf bytes.Buffer
	f := all.Formats()[1]
	g.Add(f.Name, f.New(&buf, export.Options{}))
	s := export.NewRedactor(export.RedactHeaders, []byte("k"), g)
	for range 50 {
		b := exchange.NewBatch(nil)
		b.Pairs = append(sinktest.Tricky()[:4], secretPair())
		if err := s.Write(b); err != nil {
			t.Fatal(err)
		}
		b.Release()
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	n := 4 + 1
	lines := bytes.SplitAfter(buf.Bytes(), []byte("\n"))
	for i, l := range lines[:50*n] {
		if !bytes.Equal(l, lines[i%n]) {
			t.Fatalf("line %d differs from line %d, of the same pair", i, i%n)
		}
	}
}
