package jsontext_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"recap/pipeline/exchange/jsontext"
)

// FuzzAppend: what is taken is the longest valid beginning, it reads back to the same bytes, and Plain tells whether
// it was ASCII without escapes.
func FuzzAppend(f *testing.F) {
	f.Add([]byte("plain ascii, longer than eight bytes"))
	f.Add([]byte("quotes \" and \\ and \x00\x1f\x7f\b\f\n\r\t"))
	f.Add([]byte("two é three € four 𝄞 cut \xe2\x82"))
	f.Add([]byte(strings.Repeat("a", 2047) + "€" + strings.Repeat("\"", 3000)))
	f.Add([]byte(strings.Repeat("é", 1500) + "\xff after"))
	f.Fuzz(func(t *testing.T, b []byte) {
		out, n := jsontext.Append([]byte(`"`), b)
		valid := 0
		for valid < len(b) {
			r, size := utf8.DecodeRune(b[valid:])
			if r == utf8.RuneError && size == 1 {
				break
			}
			valid += size
		}
		if n != valid {
			t.Fatalf("took %d of %d bytes, %d of them valid", n, len(b), valid)
		}
		if plain := n == len(b) && string(out[1:]) == string(b) && utf8.RuneCount(b) == len(b); jsontext.Plain(b) != plain {
			t.Fatalf("Plain is %t for %q", !plain, b)
		}
		var got string
		if err := json.Unmarshal(append(out, '"'), &got); err != nil {
			t.Fatal(err)
		}
		if got != string(b[:n]) {
			t.Fatalf("read back as %q, was %q", got, b[:n])
		}
	})
}
