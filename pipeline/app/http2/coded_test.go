package http2

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz/lzma"

	"recap/pipeline/app"
	"recap/pipeline/app/http1"
	"recap/pipeline/exchange"
	"recap/reader/packet"
)

// pack applies codings, the first one first.
func pack(t testing.TB, body string, codings ...string) string {
	t.Helper()
	b := []byte(body)
	for _, name := range codings {
		var out bytes.Buffer
		var w io.WriteCloser
		var err error
		switch name {
		case "gzip":
			w = gzip.NewWriter(&out)
		case "deflate":
			w = zlib.NewWriter(&out)
		case "raw":
			w, err = flate.NewWriter(&out, 6)
		case "br":
			w = brotli.NewWriter(&out)
		case "zstd":
			w, err = zstd.NewWriter(&out)
		case "lzma":
			w, err = lzma.NewWriter(&out)
		}
		if err != nil {
			t.Fatal(err)
		}
		w.Write(b)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		b = out.Bytes()
	}
	return string(b)
}

// overHTTP1 returns the pair of one exchange of HTTP/1 with this answer.
func overHTTP1(h *heard, codings []string, body string) *exchange.Pair {
	var head strings.Builder
	fmt.Fprintf(&head, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n", len(body))
	for _, v := range codings {
		head.WriteString("Content-Encoding: " + v + "\r\n")
	}
	c := http1.New(testEnv(h), &exchange.Conn{}, [2]bool{})
	at := packet.Pos{Number: 1}
	c.Data(exchange.ToServer, at, []byte("GET /a HTTP/1.1\r\nHost: shop.example\r\n\r\n"))
	at.Number++
	c.Data(exchange.ToClient, at, []byte(head.String()+"\r\n"+body))
	c.End(app.EndFIN, at)
	return h.pairs[0]
}

// overHTTP2 is the same exchange over HTTP/2.
func overHTTP2(t *testing.T, codings []string, body string) *exchange.Pair {
	talk, c, s := start()
	c.get(1, "/a")
	c.flush()
	fields := []string{"content-type", "text/html"}
	for _, v := range codings {
		fields = append(fields, "content-encoding", v)
	}
	s.ok(1, body, fields...)
	s.flush()
	return feed(t, talk.said, Options{}, 0).pairs[0]
}

// TestCodingsAsInHTTP1: what is claimed and what is there lead to the same body, size,
// hash and oddities, whichever version of HTTP carries it.
func TestCodingsAsInHTTP1(t *testing.T) {
	text := "<p>" + strings.Repeat("what is coded, ", 40) + "</p>"
	gz := pack(t, text, "gzip")
	for _, tt := range []struct {
		name    string
		codings []string // fields
		body    string
		want    string // decoded; "" is the body as it was sent
		named   string
	}{
		{"nothing is claimed, and nothing there", nil, text, text, ""},
		{"gzip", []string{"gzip"}, gz, text, ""},
		{"gzip is claimed, and the body is plain", []string{"gzip"}, text, "", "ce_mismatch"},
		{"gzip is there, and not claimed", nil, gz, "", "ce_mismatch"},
		{"gzip is claimed twice, and there once", []string{"gzip, gzip"}, gz, text, "ce_mismatch stacked_coding"},
		{"gzip where deflate is claimed", []string{"deflate"}, gz, text, "ce_mismatch"},
		{"deflate without its header where gzip is claimed", []string{"gzip"}, pack(t, text, "raw"), text, "ce_mismatch"},
		{"the other order", []string{"gzip, deflate"}, pack(t, text, "deflate", "gzip"), text, "ce_mismatch stacked_coding"},
		{"a name that is none", []string{"foo"}, gz, text, "ce_mismatch"},
		{"a name that is none, and zstd", []string{"foo"}, pack(t, text, "zstd"), text, "ce_mismatch"},
		{"junk behind the name", []string{"gzip;"}, gz, text, "ce_mismatch"},
		{"an empty element", []string{"gzip,"}, gz, text, "ce_mismatch"},
		{"two fields", []string{"deflate", "gzip"}, pack(t, text, "deflate", "gzip"), text, "stacked_coding"},
		{"four layers", []string{"gzip, br, zstd, deflate"}, pack(t, text, "gzip", "br", "zstd", "deflate"), text, "stacked_coding"},
		{"five layers", []string{"gzip, br, zstd, deflate, gzip"}, pack(t, text, "gzip", "br", "zstd", "deflate", "gzip"), "", "decode_limit stacked_coding"},
		{"lzma", []string{"lzma"}, pack(t, text, "lzma"), text, ""},
		{"no trailer", []string{"gzip"}, gz[:len(gz)-8], text, "gzip_bad_trailer"},
		{"a wrong checksum, and more members behind it", []string{"gzip"}, gz[:len(gz)-8] + "\x01\x02\x03\x04" + gz[len(gz)-4:] + gz, text + text, "gzip_bad_trailer"},
		{"reserved bits", []string{"gzip"}, gz[:3] + "\xe0" + gz[4:], text, "gzip_header"},
		{"cut in the data", []string{"gzip"}, gz[:len(gz)-20], "?", "decode_error"},
		{"ten thousand times", []string{strings.Repeat("gzip,", 10_000)}, gz, "", "ce_mismatch decode_limit stacked_coding"},
		{"in thousands of fields", strings.Split(strings.Repeat("gzip ", 9_000)+"gzip", " "), gz, "", "decode_limit stacked_coding"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			one, two := overHTTP1(new(heard), tt.codings, tt.body), overHTTP2(t, tt.codings, tt.body)
			a, b := &one.Response.Message, &two.Response.Message
			if !bytes.Equal(a.Body, b.Body) || a.BodySize != b.BodySize || a.BodyWireSize != b.BodyWireSize || a.Hashed != b.Hashed || a.BodySHA256 != b.BodySHA256 {
				t.Errorf("HTTP/1 has %d bytes %.40q, HTTP/2 %d bytes %.40q", a.BodySize, a.Body, b.BodySize, b.Body)
			}
			want := tt.want
			if want == "" {
				want = tt.body
			}
			if want != "?" && string(b.Body) != want || want == "?" && !strings.HasPrefix(text, string(b.Body)) {
				t.Errorf("the body is %d bytes %.40q, want %d bytes", len(b.Body), b.Body, len(want))
			}
			for _, p := range []*exchange.Pair{one, two} {
				if got := strings.Join(p.Anomalies.Append(nil), " "); got != tt.named {
					t.Errorf("%s: anomalies are %q, want %q", p.Protocol, got, tt.named)
				}
			}
		})
	}
}
