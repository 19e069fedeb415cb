package coding

import (
	"bytes"
	"strings"
	"testing"
)

func TestGuess(t *testing.T) {
	text := bytes.Repeat([]byte("what is coded. "), 100)
	gz, zl, raw := pack(t, "gzip", text), pack(t, "zlib", text), pack(t, "raw", text)
	reserved := bytes.Clone(gz)
	reserved[3] |= 0xe0
	for _, tt := range []struct {
		name, value string
		body        []byte
		want        string // codings undone
		bad         bool
	}{
		{"gzip under a name with junk", "gzip;", gz, "gzip", false},
		{"gzip under a name that is none", "foo", gz, "gzip", false},
		{"bare deflate where gzip is claimed", "gzip", raw, "deflate", false},
		{"gzip where deflate is claimed", "deflate", gz, "gzip", false},
		{"the other order", "gzip, deflate", pack(t, "gzip", zl), "gzip deflate", false},
		{"one of two", "gzip, deflate", gz, "gzip", false},
		{"one where two of the same are claimed", "gzip, gzip", gz, "gzip", false},
		{"nothing at all", "gzip, deflate", text, "", false},
		{"the other order, with brotli", "br, gzip", pack(t, "br", gz), "br gzip", false},
		{"the other order, with brotli within deflate", "br, deflate, deflate", pack(t, "br", pack(t, "zlib", raw)), "br deflate deflate", false},
		{"bare deflate that nobody speaks of", "foo", raw, "", false},
		{"reserved bits in the header", "gzip", reserved, "gzip", false},
		{"no trailer", "gzip", gz[:len(gz)-8], "gzip", true},
		{"cut inside the data", "gzip", gz[:len(gz)-12], "", false},
		{"deflate with NUL in its name", "def\x00late", zl, "deflate", false},
		{"zstd under a name that is none", "foo", pack(t, "zstd", text), "zstd", false},
		{"brotli with junk in its name", "br;", pack(t, "br", text), "br", false},
	} {
		s := Store{Limit: 1 << 20}
		g := new(Decoder).Guess(&s, tt.value, tt.body, limits)
		if got := strings.Join(g.Codings, " "); got != tt.want || g.BadTrailer != tt.bad {
			t.Errorf("%s: undone %q, bad trailer %t; want %q, %t", tt.name, got, g.BadTrailer, tt.want, tt.bad)
		}
		if tt.want != "" && !bytes.Equal(s.Data, text) {
			t.Errorf("%s: %d bytes, want %d", tt.name, len(s.Data), len(text))
		}
	}
}

// FuzzGuess: what comes out is bounded, and nothing comes out of nothing undone.
func FuzzGuess(f *testing.F) {
	text := []byte("a little text, a little text")
	f.Add("gzip, deflate", pack(f, "gzip", pack(f, "zlib", text)))
	f.Add("x", pack(f, "zstd", text))
	f.Fuzz(func(t *testing.T, value string, body []byte) {
		lim := Limits{Out: 64 << 10, Layers: 3, ZstdWindow: 1 << 20}
		s := Store{Limit: 1 << 20}
		g := new(Decoder).Guess(&s, value, body, lim)
		if s.Size > lim.Out || len(g.Codings) > lim.Layers || len(g.Codings) == 0 && s.Size > 0 {
			t.Fatalf("%d bytes after %q", s.Size, g.Codings)
		}
	})
}
