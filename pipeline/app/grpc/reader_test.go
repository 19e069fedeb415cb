package grpc

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"recap/pipeline/app"
	"recap/pipeline/app/coding"
	"recap/pipeline/exchange"
	"recap/reader/packet"
)

// message is a message as a body holds it.
func message(flags byte, payload string) string {
	n := len(payload)
	return string([]byte{flags, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}) + payload
}

func zip(s string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write([]byte(s))
	w.Close()
	return b.String()
}

// read gives body to a Reader in pieces of at most piece bytes, with a hole of gap bytes
// (negative: of unknown size) behind cut bytes where gap is not 0. It returns a line for
// each message, and one for the anomalies of the pair.
func read(body string, form Form, encoding string, piece, cut int, gap int64) string {
	var b strings.Builder
	env := &app.Env{
		Limits:  app.Limits{Body: 1 << 20, Decode: 1 << 20, DecodeLayers: 4, Hash: true, DecodeBodies: true},
		Decoder: new(coding.Decoder),
		Message: func(m *exchange.StreamMessage) {
			fmt.Fprintf(&b, "%d %s %q", m.Ordinal, m.Type, m.Payload)
			if m.Compressed {
				b.WriteString(" compressed")
			}
			if m.Partial {
				fmt.Fprintf(&b, " partial of %d", m.Size)
			}
			for _, a := range m.Anomalies.Append(nil) {
				b.WriteString(" !" + a)
			}
			b.WriteByte('\n')
		},
	}
	pair := new(exchange.Pair)
	pair.Reset()
	r := NewReader(env, &exchange.Conn{}, Body{Pair: pair, Form: form, Encoding: encoding, Count: new(int64)})
	parts := []string{body}
	if gap != 0 {
		parts = []string{body[:cut], body[cut+int(max(gap, 0)):]}
	}
	for i, p := range parts {
		if i > 0 {
			r.Gap(gap)
		}
		for len(p) > 0 {
			n := min(piece, len(p))
			r.Data(packet.Pos{}, []byte(p[:n]))
			p = p[n:]
		}
	}
	r.End(packet.Pos{})
	for _, a := range pair.Anomalies.Append(nil) {
		b.WriteString("! " + a + "\n")
	}
	return b.String()
}

func TestReader(t *testing.T) {
	text := base64.StdEncoding.EncodeToString
	two := message(0, "first") + message(0, "")
	for _, tt := range []struct {
		name     string
		body     string
		form     Form
		encoding string
		cut      int
		gap      int64
		want     string
	}{
		{"nothing", "", Plain, "", 0, 0, ""},
		{"two messages", two, Plain, "", 0, 0, "0 message \"first\"\n1 message \"\"\n"},
		{"compressed", message(1, zip("squeezed")), Plain, "gzip", 0, 0, "0 message \"squeezed\" compressed\n"},
		{"compressed, and nobody says how", message(1, "x"), Plain, "", 0, 0, "0 message \"x\" compressed !ce_mismatch\n"},
		{"trailers", two + message(0x80, "grpc-status:0\r\n"), Web, "", 0, 0,
			"0 message \"first\"\n1 message \"\"\n2 trailers \"grpc-status:0\\r\\n\"\n"},
		{"trailers where there are none", message(0x80, "x"), Plain, "", 0, 0, "! bad_grpc\n"},
		{"no messages at all", "<html>", Web, "", 0, 0, "! bad_grpc\n"},
		{"text", text([]byte(two)), WebText, "", 0, 0, "0 message \"first\"\n1 message \"\"\n"},
		{"text in pieces that are padded each", text([]byte(message(0, "a"))) + text([]byte(message(0, "bc"))) + text([]byte(message(0x80, "s:0"))), WebText, "", 0, 0,
			"0 message \"a\"\n1 message \"bc\"\n2 trailers \"s:0\"\n"},
		{"text that is none", text([]byte(message(0, "a")))[:4] + "????", WebText, "", 0, 0, "! bad_grpc\n"},
		{"text that is cut", text([]byte(message(0, "abcd")))[:10], WebText, "", 0, 0, "0 message \"a\" partial of 4\n"},
		{"a message that is cut", two[:8], Plain, "", 0, 0, "0 message \"fir\" partial of 5\n"},
		{"a head that is cut", two[:3], Plain, "", 0, 0, "! bad_grpc\n"},
		{"a hole inside a message", two, Plain, "", 6, 2, "0 message \"f\" partial of 5\n1 message \"\"\n"},
		{"a hole inside a head", two, Plain, "", 2, 2, ""},
		{"a hole inside text", text([]byte(two)), WebText, "", 8, 4, "0 message \"f\" partial of 5\n"},
		{"a hole of unknown size", two, Plain, "", 6, -1, "0 message \"f\" partial of 5\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, piece := range []int{1 << 20, 1, 3} {
				if got := read(tt.body, tt.form, tt.encoding, piece, tt.cut, tt.gap); got != tt.want {
					t.Errorf("in pieces of %d:\n%swant\n%s", piece, got, tt.want)
				}
			}
		})
	}
}

func TestFormOf(t *testing.T) {
	for value, want := range map[string]Form{
		"": None, "text/plain": None, "application/grp": None, "application/grpc": Plain, "application/grpc+proto": Plain,
		"Application/GRPC-Web; charset=utf-8": Web, "application/grpc-web+proto": Web, "application/grpc-web-text+proto": WebText,
	} {
		if got := FormOf(value); got != want {
			t.Errorf("FormOf(%q) = %d, want %d", value, got, want)
		}
	}
}

// FuzzReader: pieces change nothing, base64 changes nothing, and holes invent nothing: each
// message that is whole is one of those of the whole body.
func FuzzReader(f *testing.F) {
	f.Add([]byte(message(0, "first")+message(1, zip("second"))+message(0x80, "grpc-status:0\r\n")), byte(3), uint16(7), uint16(2))
	f.Add([]byte("\x00\x00\x00\x00\x01a\x00\x00\xff\xff\xffb"), byte(0), uint16(1), uint16(0))
	f.Fuzz(func(t *testing.T, b []byte, piece byte, cut, gap uint16) {
		body := string(b)
		whole := read(body, Web, "gzip", 1<<20, 0, 0)
		if got := read(body, Web, "gzip", int(piece)+1, 0, 0); got != whole {
			t.Fatalf("in pieces of %d:\n%sin one:\n%s", int(piece)+1, got, whole)
		}
		text := base64.StdEncoding.EncodeToString(b)
		if got := read(text, WebText, "gzip", int(piece)+1, 0, 0); got != whole {
			t.Fatalf("in base64:\n%splain:\n%s", got, whole)
		}
		at := int(cut) % (len(b) + 1)
		n := int(gap) % (len(b) - at + 1)
		if n == 0 {
			return
		}
		for line := range strings.Lines(read(body, Web, "gzip", int(piece)+1, at, int64(n))) {
			if _, m, _ := strings.Cut(line, " "); !strings.Contains(line, " partial ") && !strings.Contains(whole, m) {
				t.Fatalf("with a hole of %d at %d: %s, in all\n%s", n, at, line, whole)
			}
		}
	})
}
