package jsonl_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os/exec"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"recap/export"
	"recap/export/jsonl"
	"recap/export/sinktest"
	"recap/pipeline/exchange"
)

func TestSink(t *testing.T) {
	sinktest.Run(t, sinktest.Case{
		New: func(w io.Writer, o export.Options) export.Sink { return jsonl.New(w, o) },
		Check: func(t *testing.T, file []byte) int {
			if len(file) == 0 {
				return 0
			}
			lines := bytes.Split(bytes.TrimSuffix(file, []byte("\n")), []byte("\n"))
			for i, l := range lines {
				if !utf8.Valid(l) {
					t.Errorf("line %d is not UTF-8", i+1)
				}
				if bytes.ContainsAny(l, "\x00\x1b\r") {
					t.Errorf("line %d holds a bare control character", i+1)
				}
				var v map[string]any
				if err := json.Unmarshal(l, &v); err != nil {
					t.Errorf("line %d: %v", i+1, err)
				}
			}
			return len(lines)
		},
	})
}

// TestValues compares every line with the record, field by field.
func TestValues(t *testing.T) {
	pairs := sinktest.Tricky()
	lines := strings.Split(string(write(t, pairs)), "\n")
	schema := export.PairSchema()
	for i, p := range pairs {
		d := json.NewDecoder(strings.NewReader(lines[i]))
		d.UseNumber()
		var got map[string]any
		if err := d.Decode(&got); err != nil {
			t.Fatal(err)
		}
		var c export.Cursor
		c.Pair(p)
		want := sinktest.JSON(schema, &c)
		if diff := sinktest.Diff(want, got); diff != "" {
			t.Errorf("pair %d: %s", i, diff)
		}
	}
}

// TestKeyOrder checks that keys come in the order of the schema.
func TestKeyOrder(t *testing.T) {
	var want []string
	for _, f := range export.PairSchema() {
		want = append(want, f.Name)
	}
	d := json.NewDecoder(bytes.NewReader(write(t, sinktest.Tricky()[3:4])))
	if _, err := d.Token(); err != nil {
		t.Fatal(err)
	}
	var got []string
	for d.More() {
		k, err := d.Token()
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, k.(string))
		var skip json.RawMessage
		if err := d.Decode(&skip); err != nil {
			t.Fatal(err)
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("keys are %v, want %v", got, want)
	}
}

// TestRandomBodies has 10,000 random bodies and heads come back to the byte.
func TestRandomBodies(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	pairs := make([]*exchange.Pair, 10_000)
	for i := range pairs {
		p := &exchange.Pair{Conn: &exchange.Conn{}}
		p.Request.Message = exchange.Message{Present: true, Body: random(r), HasBody: true, Head: random(r), HeadEscaped: true}
		pairs[i] = p
	}
	lines := bytes.Split(write(t, pairs), []byte("\n"))
	for i, p := range pairs {
		var got struct {
			Request struct {
				Head         []byte
				Body         string
				BodyEncoding string `json:"body_encoding"`
			}
		}
		if err := json.Unmarshal(lines[i], &got); err != nil {
			t.Fatalf("pair %d: %v", i, err)
		}
		body := []byte(got.Request.Body)
		if got.Request.BodyEncoding == "base64" {
			body, _ = base64.StdEncoding.DecodeString(got.Request.Body)
		} else if !utf8.Valid(p.Request.Body) {
			t.Errorf("body %d is not UTF-8 and was written as %q", i, got.Request.BodyEncoding)
		}
		if !bytes.Equal(body, p.Request.Body) {
			t.Fatalf("body %d is %q, want %q", i, body, p.Request.Body)
		}
		if !bytes.Equal(got.Request.Head, p.Request.Head) {
			t.Fatalf("head %d is %q, want %q", i, got.Request.Head, p.Request.Head)
		}
	}
}

// random returns bytes of one of several kinds: any, ASCII, text with some bad bytes.
func random(r *rand.Rand) []byte {
	b := make([]byte, r.IntN(100))
	kind := r.IntN(4)
	for i := range b {
		switch b[i] = byte(r.Uint32()); kind {
		case 1:
			b[i] &= 0x7f
		case 2:
			b[i] = b[i]&0x5f | 0x20
		case 3:
			if r.IntN(20) > 0 {
				b[i] = "aé\"\\漢\x1f"[r.IntN(9)]
			}
		}
	}
	return b
}

// TestPython has another strict parser read every line.
func TestPython(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("SKIPPED: python3 is not installed, so no second JSON parser has read the lines")
	}
	pairs := sinktest.Tricky()
	cmd := exec.Command(python, "-c", `
import sys, json, base64, hashlib
def bad(x): raise ValueError(x)
n = 0
for line in sys.stdin.buffer.read().split(b"\n")[:-1]:
    o = json.loads(line.decode("utf-8", "strict"), parse_constant=bad, object_pairs_hook=lambda p: dict(p) if len(p) == len(dict(p)) else bad("key twice"))
    for m in (o["request"], o["response"]):
        if m and m["body"] is not None:
            b = m["body"].encode() if m["body_encoding"] == "utf8" else base64.b64decode(m["body"], validate=True)
            assert hashlib.sha256(b).hexdigest() == m["body_sha256"] and len(b) == m["body_stored"]
    n += 1
print(n)`)
	cmd.Stdin = bytes.NewReader(write(t, pairs))
	out, err := cmd.CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != fmt.Sprint(len(pairs)) {
		t.Errorf("python: %v\n%s", err, out)
	}
}

func TestInvalidUTF8InStringsIsEscaped(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"one bad byte", "a\xffb", `"a\\xffb"`},
		{"a cut character", "é\xc3", `"é\\xc3"`},
		{"a lone surrogate", "\xed\xa0\x80", `"\\xed\\xa0\\x80"`},
		{"bad byte after eight good ones", "12345678\x80", `"12345678\\x80"`},
		{"only bad bytes", "\x80\x81", `"\\x80\\x81"`},
		{"nothing", "", `""`},
		{"every escape", "\b\f\n\r\t\"\\\x00\x1f\x7f", `"\b\f\n\r\t\"\\\u0000\u001f` + "\x7f\""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := string(jsonl.AppendString(nil, tt.in)); got != tt.want {
				t.Errorf("AppendString(%q) = %s, want %s", tt.in, got, tt.want)
			}
		})
	}
}

func FuzzJSONString(f *testing.F) {
	f.Add("plain")
	f.Add("\x00\"\\\u2028é漢🦊\x7f")
	f.Add(strings.Repeat("a", 4095) + "\"é")
	f.Fuzz(func(t *testing.T, s string) {
		var got string
		if err := json.Unmarshal(jsonl.AppendString(nil, s), &got); err != nil {
			t.Fatal(err)
		}
		if utf8.ValidString(s) && got != s {
			t.Fatalf("%q came back as %q", s, got)
		}
		if !utf8.ValidString(got) {
			t.Fatalf("%q was written as the invalid %q", s, got)
		}
	})
}

func FuzzBody(f *testing.F) {
	f.Add([]byte("text"))
	f.Add([]byte{0xff, 0})
	f.Add([]byte(strings.Repeat("\x01", 5000) + "\xc3"))
	f.Fuzz(func(t *testing.T, b []byte) {
		text, encoding := jsonl.AppendBody([]byte("x"), b)
		var got string
		if err := json.Unmarshal(text[1:], &got); err != nil {
			t.Fatal(err)
		}
		if (encoding == "utf8") != utf8.Valid(b) {
			t.Fatalf("%q was written as %s", b, encoding)
		}
		back := []byte(got)
		if encoding == "base64" {
			back, _ = base64.StdEncoding.DecodeString(got)
		}
		if !bytes.Equal(back, b) {
			t.Fatalf("%q came back as %q", b, back)
		}
	})
}

func write(t testing.TB, pairs []*exchange.Pair) []byte {
	var buf bytes.Buffer
	s := jsonl.New(&buf, export.Options{})
	if err := s.Write(&exchange.Batch{Pairs: pairs}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func BenchmarkPairs(b *testing.B) {
	sinktest.Bench(b, func(w io.Writer, o export.Options) export.Sink { return jsonl.New(w, o) })
}

// BenchmarkBody quotes bodies of several kinds.
func BenchmarkBody(b *testing.B) {
	for _, tt := range []struct {
		name string
		body []byte
	}{
		{"json", sinktest.Realistic(3, 1)[0].Response.Body},
		{"prose", bytes.Repeat([]byte("words without anything to escape in them "), 100)},
		{"chinese", bytes.Repeat([]byte("漢字仮名"), 300)},
		{"binary", bytes.Repeat([]byte{0xff, 0xd8, 0, 1, 'a'}, 800)},
	} {
		b.Run(tt.name, func(b *testing.B) {
			b.SetBytes(int64(len(tt.body)))
			var buf []byte
			for range b.N {
				buf, _ = jsonl.AppendBody(buf[:0], tt.body)
			}
		})
	}
}

// decode reads one object.
func decode(t *testing.T, text []byte) map[string]any {
	t.Helper()
	if err := sinktest.Strict(text); err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var m map[string]any
	if err := d.Decode(&m); err != nil {
		t.Fatal(err)
	}
	return m
}
