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

func TestRedactedHead(t *testing.T) {
	for _, tt := range []struct {
		name       string
		level      export.Redaction
		head, want string
	}{
		{"nothing to hide", export.RedactHeaders, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n", "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"},
		{"a field that goes on in the next line", export.RedactHeaders, "GET / HTTP/1.1\r\nCookie: a=1;\r\n b=2\r\nHost: x\r\n\r\n",
			"GET / HTTP/1.1\r\nCookie: redacted\r\n redacted\r\nHost: x\r\n\r\n"},
		{"a harmless one that goes on", export.RedactHeaders, "GET / HTTP/1.1\r\nCookie: a\r\nVia: 1.1 a,\r\n\t1.1 b\r\n\r\n",
			"GET / HTTP/1.1\r\nCookie: redacted\r\nVia: 1.1 a,\r\n\t1.1 b\r\n\r\n"},
		{"a line without a colon", export.RedactStrict, "GET / HTTP/1.1\r\nsecret\r\n\r\n", "GET / HTTP/1.1\r\nredacted\r\n\r\n"},
		{"a field that strict does not know", export.RedactStrict, "GET / HTTP/1.1\r\nX-User: joe\r\nVia: a\r\n\r\n", "GET / HTTP/1.1\r\nX-User: redacted\r\nVia: a\r\n\r\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := &exchange.Pair{Request: exchange.Request{Message: exchange.Message{Version: "HTTP/1.1", Head: []byte(tt.head)}}}
			if got := string(redacted(t, tt.level, &exchange.Batch{Pairs: []*exchange.Pair{p}}).Pairs[0].Request.Head); got != tt.want {
				t.Errorf("%q became %q, want %q", tt.head, got, tt.want)
			}
		})
	}
	t.Run("with more secrets than are looked for", func(t *testing.T) {
		m := exchange.Message{Version: "HTTP/1.1", Head: []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n")}
		for i := range 300 {
			m.Headers = append(m.Headers, exchange.Header{Name: "Cookie", Value: fmt.Sprint(i)})
		}
		p := &exchange.Pair{Request: exchange.Request{Message: m}}
		if got := redacted(t, export.RedactHeaders, &exchange.Batch{Pairs: []*exchange.Pair{p}}).Pairs[0].Request.Head; got != nil {
			t.Errorf("the head is %q, want none", got)
		}
	})
}

// redacted returns a copy of what a redactor makes of b.
func redacted(t *testing.T, level export.Redaction, b *exchange.Batch) *exchange.Batch {
	var out exchange.Batch
	t.Helper()
	s := export.NewRedactor(level, nil, sinkFunc(func(b *exchange.Batch) error {
		for _, p := range b.Pairs {
			out.Pairs = append(out.Pairs, p.Clone())
		}
		for _, m := range b.Messages {
			c := *m
			out.Messages = append(out.Messages, &c)
		}
		return nil
	}))
	if err := s.Write(b); err != nil {
		t.Fatal(err)
	}
	return &out
}

// TestStrictLeavesNoTraceOfContent: a hash tells a short secret as well as its text does.
func TestStrictLeavesNoTraceOfContent(t *testing.T) {
	sum := [32]byte{1}
	p := &exchange.Pair{Request: exchange.Request{Host: "me:secret@example.com"}}
	m := &p.Request.Message
	m.Body, m.HasBody, m.Hashed, m.BodySHA256, m.BodySize = []byte("1234"), true, true, sum, 4
	m.Alt = &exchange.AltFraming{Framing: exchange.FramingLength, Body: []byte("1234"), BodySize: 4, Hashed: true, BodySHA256: sum}
	note := &exchange.StreamMessage{Kind: "sse", ID: "user-17", Payload: []byte("1234"), Size: 4, Hashed: true, SHA256: sum}
	out := redacted(t, export.RedactStrict, &exchange.Batch{Pairs: []*exchange.Pair{p}, Messages: []*exchange.StreamMessage{note}})
	q := &out.Pairs[0].Request
	if q.Body != nil || q.HasBody || q.Hashed || q.BodySHA256 != [32]byte{} || q.BodySize != 4 {
		t.Errorf("of the body: %q, hashed %t, %x, size %d; want the size only", q.Body, q.Hashed, q.BodySHA256, q.BodySize)
	}
	if a := q.Alt; a.Body != nil || a.Hashed || a.BodySHA256 != [32]byte{} || a.BodySize != 4 {
		t.Errorf("of the other reading: %+v; want the size only", a)
	}
	if n := out.Messages[0]; n.Payload != nil || n.Hashed || n.SHA256 != [32]byte{} || n.ID != "" || n.Size != 4 {
		t.Errorf("of the message: %+v; want the size only", n)
	}
	if q.Host != "example.com" {
		t.Errorf("host %q", q.Host)
	}
	if !m.Hashed || !m.Alt.Hashed || note.ID == "" {
		t.Error("the records themselves were changed")
	}
}
