package coding

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"crypto/sha256"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
)

var limits = Limits{Out: 1 << 20, Layers: 3, ZstdWindow: 8 << 20}

// pack applies one coding.
func pack(t testing.TB, name string, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	var w io.WriteCloser
	var err error
	switch name {
	case "gzip", "x-gzip":
		w = gzip.NewWriter(&out)
	case "zlib":
		w = zlib.NewWriter(&out)
	case "raw":
		w, err = flate.NewWriter(&out, 6)
	case "br":
		w = brotli.NewWriter(&out)
	case "zstd":
		w, err = zstd.NewWriter(&out, zstd.WithEncoderConcurrency(1))
	default:
		t.Fatal(name)
	}
	if err != nil {
		t.Fatal(err)
	}
	w.Write(b)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func both(value string, body []byte, lim Limits, step int) (a *Store, how Outcome, b *Store, howStream Outcome) {
	a = &Store{Limit: 1 << 20, Hash: true}
	how = new(Decoder).Decode(a, value, body, lim)
	s := NewStream(1<<20, true, value, lim)
	for len(body) > 0 {
		n := min(step, len(body))
		s.Write(body[:n])
		body = body[n:]
	}
	b, howStream = s.Finish()
	return a, how, b, howStream
}

func TestDecode(t *testing.T) {
	text := bytes.Repeat([]byte("what is coded. "), 1000)
	gz := pack(t, "gzip", text)
	for _, tt := range []struct {
		name  string
		value string
		body  []byte
		how   Outcome
		out   []byte // where how leaves something
	}{
		{"gzip", "gzip", gz, Decoded, text},
		{"the old name of gzip, in capitals", "X-GZIP", gz, Decoded, text},
		{"deflate as the zlib format", "deflate", pack(t, "zlib", text), Decoded, text},
		{"deflate without the zlib format", "deflate", pack(t, "raw", text), Decoded, text},
		{"brotli", "br", pack(t, "br", text), Decoded, text},
		{"zstd", "zstd", pack(t, "zstd", text), Decoded, text},
		{"gzip in brotli", "gzip, br", pack(t, "br", gz), Decoded, text},
		{"three layers", "deflate, gzip, zstd", pack(t, "zstd", pack(t, "gzip", pack(t, "zlib", text))), Decoded, text},
		{"gzip twice", "gzip, gzip", pack(t, "gzip", gz), Decoded, text},
		{"more layers than the limit", "gzip, gzip, gzip, gzip", gz, Limit, nil},
		{"identity in the list", "identity, gzip", gz, Decoded, text},
		{"two gzip members", "gzip", append(bytes.Clone(gz), gz...), Decoded, append(bytes.Clone(text), text...)},
		{"a gzip checksum that is wrong", "gzip", flip(gz, len(gz)-6), BadTrailer, text},
		{"a gzip length that is wrong", "gzip", flip(gz, len(gz)-2), BadTrailer, text},
		{"junk behind a gzip member", "gzip", append(bytes.Clone(gz), "junk behind it all"...), BadTrailer, text},
		{"a zlib checksum that is wrong", "deflate", flip(pack(t, "zlib", text), -1), BadTrailer, text},
		{"no gzip at all", "gzip", []byte("plain text"), Mismatch, nil},
		{"no brotli at all", "br", []byte("plain text, and not a little of it"), Mismatch, nil},
		{"no zstd at all", "zstd", []byte("plain text"), Mismatch, nil},
		{"a coding that nobody knows", "rot13", text, Unknown, nil},
		{"one that nobody knows among others", "gzip, rot13", text, Unknown, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, step := range []int{1, 1000, 1 << 20} {
				a, how, b, howStream := both(tt.value, tt.body, limits, step)
				if how != tt.how || howStream != tt.how {
					t.Fatalf("outcome %d, of a stream %d, want %d", how, howStream, tt.how)
				}
				if tt.out == nil {
					continue
				}
				for _, s := range []*Store{a, b} {
					if !bytes.Equal(s.Data, tt.out) || s.Size != int64(len(tt.out)) {
						t.Fatalf("%d bytes, want %d", s.Size, len(tt.out))
					}
					if sum, ok := s.Sum(); !ok || sum != sha256.Sum256(tt.out) {
						t.Fatal("the hash is wrong")
					}
				}
			}
		})
	}
}

func flip(b []byte, i int) []byte {
	b = bytes.Clone(b)
	b[(i+len(b))%len(b)] ^= 1
	return b
}

// TestTruncatedBodiesGiveTheirBeginning cuts coded bodies: what comes out is a prefix
// of the whole.
func TestTruncatedBodiesGiveTheirBeginning(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	text := make([]byte, 40_000)
	for i := range text {
		text[i] = byte('a' + rnd.IntN(8))
	}
	for value, name := range map[string]string{"gzip": "gzip", "deflate": "zlib", "br": "br", "zstd": "zstd"} {
		whole := pack(t, name, text)
		for n := len(whole) - 1; n > 0; n -= 1 + n/20 {
			a, how, b, howStream := both(value, whole[:n], limits, 777)
			if how == Decoded || how != howStream {
				t.Errorf("%s cut to %d: %d, stream %d", value, n, how, howStream)
			}
			if !bytes.HasPrefix(text, a.Data) || !bytes.HasPrefix(text, b.Data) {
				t.Errorf("%s cut to %d: something else came out", value, n)
			}
		}
	}
}

func TestBombsStopAtTheLimit(t *testing.T) {
	zeros := make([]byte, 8<<20)
	for _, tt := range []struct{ value, first, second string }{
		{"gzip", "gzip", ""}, {"deflate", "zlib", ""}, {"br", "br", ""}, {"zstd", "zstd", ""}, {"gzip, gzip", "gzip", "gzip"}, {"gzip, br", "gzip", "br"},
	} {
		body := pack(t, tt.first, zeros)
		if tt.second != "" {
			body = pack(t, tt.second, body)
		}
		a, how, b, howStream := both(tt.value, body, limits, 1000)
		if how != Limit || howStream != Limit || a.Size > limits.Out || b.Size > limits.Out {
			t.Errorf("%s: outcome %d and %d, %d and %d bytes", tt.value, how, howStream, a.Size, b.Size)
		}
	}
	t.Run("a zstd window over the limit", func(t *testing.T) {
		var out bytes.Buffer
		w, err := zstd.NewWriter(&out, zstd.WithWindowSize(16<<20))
		if err != nil {
			t.Fatal(err)
		}
		w.Write(zeros) // the size is not known at first, so the window is announced
		w.Write(zeros[:1<<20])
		w.Close()
		var s Store
		if how := new(Decoder).Decode(&s, "zstd", out.Bytes(), Limits{Out: 64 << 20, Layers: 1, ZstdWindow: 8 << 20}); how != Limit {
			t.Errorf("outcome %d, want %d", how, Limit)
		}
	})
}

// TestADecoderIsUsedAgain: what one body leaves behind must not show in the next.
func TestADecoderIsUsedAgain(t *testing.T) {
	var d Decoder
	text := []byte("some text that is coded, and coded again")
	for range 3 {
		for value, name := range map[string]string{"gzip": "gzip", "deflate": "raw", "br": "br", "zstd": "zstd"} {
			var bad, good Store
			d.Decode(&bad, value, []byte("\x00\x01 not in this coding"), limits)
			good.Limit = 100
			if how := d.Decode(&good, value, pack(t, name, text), limits); how != Decoded || !bytes.Equal(good.Data, text) {
				t.Fatalf("%s: outcome %d, %q", value, how, good.Data)
			}
		}
	}
}

func TestStore(t *testing.T) {
	all := []byte("0123456789")
	for limit := range int64(12) {
		for step := 1; step <= 10; step++ {
			s := Store{Limit: limit, Hash: true}
			for i := 0; i < len(all); i += step {
				s.Write(all[i:min(len(all), i+step)])
			}
			sum, ok := s.Sum()
			if string(s.Data) != string(all[:min(10, limit)]) || s.Size != 10 || s.Whole() != (limit >= 10) || !ok || sum != sha256.Sum256(all) {
				t.Errorf("limit %d, step %d: %q of %d, hash %t", limit, step, s.Data, s.Size, sum == sha256.Sum256(all))
			}
		}
	}
	var s Store
	s.Write(all)
	if _, ok := s.Sum(); ok || s.Size != 10 || s.Data != nil {
		t.Error("the zero Store keeps or hashes")
	}
}

// FuzzDecode: at once or as a stream, in any pieces, what decodes does so alike, and no
// limit is passed. Where decoding fails, how much comes out before may differ: some
// decoders give nothing out before they have seen a whole buffer.
func FuzzDecode(f *testing.F) {
	text := []byte("a little text, a little text, a little text")
	for value, name := range map[string]string{"gzip": "gzip", "deflate": "zlib", "br": "br", "zstd": "zstd"} {
		f.Add(value, pack(f, name, text), uint8(3))
	}
	f.Add("gzip, br", pack(f, "br", pack(f, "gzip", text)), uint8(0))
	f.Fuzz(func(t *testing.T, value string, body []byte, step uint8) {
		lim := Limits{Out: 64 << 10, Layers: 3, ZstdWindow: 1 << 20}
		a, how, b, howStream := both(value, body, lim, 1+int(step))
		same := how == howStream && bytes.Equal(a.Data, b.Data) && a.Size == b.Size
		// What a failing layer gives out before it fails decides which end the layer around it sees.
		failed := func(o Outcome) bool { return o == Mismatch || o == Broken || o == BadTrailer }
		if failed(how) && failed(howStream) {
			same = bytes.HasPrefix(a.Data, b.Data) || bytes.HasPrefix(b.Data, a.Data)
		}
		if !same {
			t.Fatalf("%q: outcome %d with %d bytes, as a stream %d with %d", value, how, a.Size, howStream, b.Size)
		}
		if a.Size > lim.Out || int64(len(a.Data)) > lim.Out {
			t.Fatalf("%d bytes came out", a.Size)
		}
	})
}
