package har_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"recap/export"
	"recap/export/har"
	"recap/export/sinktest"
	"recap/pipeline/exchange"
)

func TestSink(t *testing.T) {
	sinktest.Run(t, sinktest.Case{New: har.New, Check: func(t *testing.T, file []byte) int {
		if err := sinktest.Strict(file); err != nil {
			t.Error(err)
		}
		if bytes.ContainsAny(file, "\x00\x1b\r") {
			t.Error("the file holds a bare control character")
		}
		var got struct {
			Log struct{ Entries []json.RawMessage }
		}
		if err := json.Unmarshal(file, &got); err != nil {
			t.Error(err)
		}
		return len(got.Log.Entries)
	}})
}

func write(t testing.TB, pairs ...*exchange.Pair) []byte {
	t.Helper()
	var buf bytes.Buffer
	s := har.New(&buf, export.Options{})
	if err := s.Write(&exchange.Batch{Pairs: pairs}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// entry is the entry of one pair, what stands beside the format's fields left out.
func entry(t *testing.T, p *exchange.Pair) map[string]any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(write(t, p)))
	d.UseNumber()
	var got struct {
		Log struct{ Entries []map[string]any }
	}
	if err := d.Decode(&got); err != nil {
		t.Fatal(err)
	}
	e := got.Log.Entries[0]
	standard(e)
	return e
}

func standard(m map[string]any) {
	for k, v := range m {
		if strings.HasPrefix(k, "_") && k != "_absent" && k != "_no_url" && k != "_encoding" && k != "_expires" && k != "_maxAge" {
			delete(m, k)
		} else if o, ok := v.(map[string]any); ok {
			standard(o)
		}
	}
}

func TestFields(t *testing.T) {
	none := &exchange.Pair{LatencyNS: exchange.NoTime, DurationNS: exchange.NoTime}
	full := &exchange.Pair{LatencyNS: 81_000, DurationNS: 1_181_000, Conn: &exchange.Conn{ID: exchange.ID{1}}}
	full.Request = exchange.Request{
		Message: exchange.Message{
			Present: true, TimeNS: 1_700_000_000_000_000_001, EndTimeNS: 1_700_000_000_001_000_001, Version: "HTTP/1.1", Head: make([]byte, 77),
			Headers:     []exchange.Header{{Name: "COOKIE", Value: "a=1; b=x=y;; lone"}},
			ContentType: "x/y", HasBody: true, Body: []byte{0xff}, BodySize: 1, BodyWireSize: 1,
		},
		Method: "POST", URL: "http://h/p?x=1&x=%20&&flag", Target: "/p?x=1&x=%20&&flag", Query: "x=1&x=%20&&flag",
	}
	full.Response = exchange.Response{
		Message: exchange.Message{
			Present: true, TimeNS: 1_700_000_000_001_081_001, EndTimeNS: 1_700_000_000_001_181_001, Version: "HTTP/2",
			Headers: []exchange.Header{
				{Name: "Location", Value: "/q"},
				{Name: "set-cookie", Value: "s=1; Path=/; Domain=h; Expires=Wed, 21-Oct-2026 07:28:00 GMT; HttpOnly; secure; SameSite=Lax; Max-Age=5"},
				{Name: "Set-Cookie", Value: "t=2; Expires=soon"},
			},
			ContentType: "text/plain", HasBody: true, Body: []byte("text"), BodySize: 4, BodyWireSize: 24,
		},
		Status: 302, Reason: "Found",
	}
	early := &exchange.Pair{State: exchange.ResponseOnly, LatencyNS: -5}
	early.Request = exchange.Request{Message: exchange.Message{Present: true, TimeNS: 10, EndTimeNS: 5}, Target: "*"}
	early.Response.Message = exchange.Message{Present: true, TimeNS: exchange.NoTime, EndTimeNS: 7}
	for _, tt := range []struct {
		name string
		pair *exchange.Pair
		want string
	}{
		{"a pair of which nothing is known", none, `{"startedDateTime":"0001-01-01T00:00:00.000Z","time":0,
			"request":{"method":"","url":"","httpVersion":"","cookies":[],"headers":[],"queryString":[],"headersSize":-1,"bodySize":-1,"_absent":true},
			"response":{"status":0,"statusText":"","httpVersion":"","cookies":[],"headers":[],"content":{"size":-1,"mimeType":""},"redirectURL":"","headersSize":-1,"bodySize":-1,"_absent":true},
			"cache":{},"timings":{"send":-1,"wait":-1,"receive":-1},"connection":"000000000000000000000000"}`},
		{"every field", full, `{"startedDateTime":"2023-11-14T22:13:20.000000001Z","time":1.181,
			"request":{"method":"POST","url":"http://h/p?x=1&x=%20&&flag","httpVersion":"HTTP/1.1","headersSize":77,"bodySize":1,
				"cookies":[{"name":"a","value":"1"},{"name":"b","value":"x=y"},{"name":"","value":"lone"}],"headers":[{"name":"COOKIE","value":"a=1; b=x=y;; lone"}],
				"queryString":[{"name":"x","value":"1"},{"name":"x","value":"%20"},{"name":"flag","value":""}],"postData":{"mimeType":"x/y","text":"/w==","_encoding":"base64"}},
			"response":{"status":302,"statusText":"Found","httpVersion":"HTTP/2","headersSize":-1,"bodySize":24,"redirectURL":"/q",
				"cookies":[{"name":"s","value":"1","path":"/","domain":"h","expires":"2026-10-21T07:28:00Z","httpOnly":true,"secure":true,"sameSite":"Lax","_maxAge":"5"},
					{"name":"t","value":"2","_expires":"soon"}],
				"headers":[{"name":"Location","value":"/q"},{"name":"set-cookie","value":"s=1; Path=/; Domain=h; Expires=Wed, 21-Oct-2026 07:28:00 GMT; HttpOnly; secure; SameSite=Lax; Max-Age=5"},
					{"name":"Set-Cookie","value":"t=2; Expires=soon"}],
				"content":{"size":4,"compression":-20,"mimeType":"text/plain","text":"text"}},
			"cache":{},"timings":{"send":1,"wait":0.081,"receive":0.1},"connection":"010000000000000000000000"}`},
		{"a response before its request, and times that run back", early, `{"startedDateTime":"1970-01-01T00:00:00.000000010Z","time":0,
			"request":{"method":"","url":"*","_no_url":true,"httpVersion":"","cookies":[],"headers":[],"queryString":[],"headersSize":-1,"bodySize":0},
			"response":{"status":0,"statusText":"","httpVersion":"","cookies":[],"headers":[],"content":{"size":0,"mimeType":""},"redirectURL":"","headersSize":-1,"bodySize":0},
			"cache":{},"timings":{"send":-1,"wait":0,"receive":-1},"connection":"000000000000000000000000"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := json.NewDecoder(strings.NewReader(tt.want))
			d.UseNumber()
			var want map[string]any
			if err := d.Decode(&want); err != nil {
				t.Fatal(err)
			}
			if diff := sinktest.Diff(want, entry(t, tt.pair)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestValidator has the archive checked against the schema of HAR 1.2 that the npm
// package har-validator brings; NODE_PATH may say where it is.
func TestValidator(t *testing.T) {
	if _, err := exec.LookPath("node"); err != nil {
		t.Skip("SKIPPED: node is not installed, so no other program has checked the archive")
	}
	if exec.Command("node", "-e", `require("har-validator/lib/promise")`).Run() != nil {
		t.Skip("SKIPPED: the npm package har-validator is not installed, so no other program has checked the archive")
	}
	check(t, exec.Command("node", "-e", `
const {har} = require("har-validator/lib/promise"), fs = require("fs");
const v = JSON.parse(fs.readFileSync(process.argv[1]));
har(v).then(() => console.log(v.log.entries.length), e => { console.log(JSON.stringify(e.errors)); process.exit(1) });`))
}

// TestHaralyzer has another reader open the archive.
func TestHaralyzer(t *testing.T) {
	if exec.Command("python3", "-c", "import haralyzer").Run() != nil {
		t.Skip("SKIPPED: the Python package haralyzer is not installed, so no second reader has opened the archive")
	}
	check(t, exec.Command("python3", "-c", `
import sys, json, haralyzer
p = haralyzer.HarParser(json.load(open(sys.argv[1])))
entries = [e for page in p.pages for e in page.entries]
for e in entries:
    e.request.method, e.request.url, e.response.status, e.response.text, e.time, e.startTime
print(len(entries))`))
}

// check runs cmd on an archive and wants to hear how many entries it has.
func check(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "pairs.har")
	pairs := sinktest.Realistic(50, 3)
	if err := os.WriteFile(name, write(t, pairs...), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd.Args = append(cmd.Args, name)
	if out, err := cmd.CombinedOutput(); err != nil || strings.TrimSpace(string(out)) != "50" {
		t.Errorf("%v: %v\n%.2000s", cmd.Args[0], err, out)
	}
}

// FuzzCookies: whatever a server sends as cookies, the archive is JSON, and each
// cookie's name and value are parts of what was sent.
func FuzzCookies(f *testing.F) {
	f.Add("a=b; Path=/; Expires=Wed, 21 Oct 2026 07:28:00 GMT", "x=1; y", "q=1&r")
	f.Add(";;=;=;", "=;", "&&=&")
	f.Fuzz(func(t *testing.T, set, sent, query string) {
		p := &exchange.Pair{}
		p.Request.Headers, p.Request.Query = []exchange.Header{{Name: "Cookie", Value: sent}}, query
		p.Response.Headers = []exchange.Header{{Name: "Set-Cookie", Value: set}}
		file := write(t, p)
		if err := sinktest.Strict(file); err != nil {
			t.Fatal(err)
		}
		type parameter struct{ Name, Value string }
		var got struct {
			Log struct {
				Entries []struct {
					Request  struct{ Cookies, QueryString []parameter }
					Response struct{ Cookies []parameter }
				}
			}
		}
		if err := json.Unmarshal(file, &got); err != nil {
			t.Fatal(err)
		}
		e := got.Log.Entries[0]
		within := func(list []parameter, text string) {
			for _, c := range list {
				if text = plain(text); !strings.Contains(text, c.Name) || !strings.Contains(text, c.Value) {
					t.Fatalf("%q is not in %q", c, text)
				}
			}
		}
		within(e.Request.Cookies, sent)
		within(e.Request.QueryString, query)
		within(e.Response.Cookies, set)
		if len(e.Response.Cookies) != 1 {
			t.Fatalf("%d cookies of one field", len(e.Response.Cookies))
		}
	})
}

// plain is s as JSON text holds it.
func plain(s string) string {
	var b strings.Builder
	for i, r := range s {
		if r == '\ufffd' && !strings.HasPrefix(s[i:], "\ufffd") {
			const hex = "0123456789abcdef"
			b.WriteString(`\x` + string(hex[s[i]>>4]) + string(hex[s[i]&15]))
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

func BenchmarkPairs(b *testing.B) { sinktest.Bench(b, har.New) }
