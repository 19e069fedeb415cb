package coding

import (
	"bytes"
	"io"
	"math/rand/v2"
	"os/exec"
	"testing"
	"testing/iotest"

	"github.com/ulikunitz/xz/lzma"
)

// compress writes b in the compress format with codes of at most widest bits. It empties
// the table after every reset bytes (0: never).
func compress(b []byte, widest uint, block bool, reset int) []byte {
	flags := byte(widest)
	w := &codeWriter{out: []byte{0x1f, 0x9d, 0}, width: leastWidth}
	first := 256
	if block {
		flags |= 0x80
		first = firstInBlock
	}
	w.out[2] = flags
	table, free := map[string]int{}, first
	s := ""
	emit := func() {
		if code, ok := table[s]; ok {
			w.put(code)
		} else {
			w.put(int(s[0]))
		}
	}
	// The width grows where the reader has defined so many codes.
	widen := func(defined int) {
		if defined > w.most(widest) && w.width < widest {
			w.align()
			w.width++
		}
	}
	count := 0
	for _, c := range b {
		count++
		t := s + string([]byte{c})
		if len(t) > 1 && table[t] == 0 {
			emit()
			if free < 1<<widest {
				table[t] = free
				free++
			}
			widen(free - 1) // the reader defines a code one step later
			t = string([]byte{c})
			if block && reset > 0 && count >= reset {
				s, count = t, 0
				emit()
				widen(free)
				w.put(clearCode)
				w.align()
				w.width, free, table, t = leastWidth, first, map[string]int{}, ""
			}
		}
		s = t
	}
	if s != "" {
		emit()
	}
	w.flush()
	return w.out
}

type codeWriter struct {
	out   []byte
	bits  uint64
	nbits uint
	width uint
	group int
}

func (w *codeWriter) most(widest uint) int {
	if w.width == widest {
		return 1 << widest
	}
	return 1<<w.width - 1
}

func (w *codeWriter) put(code int) {
	w.bits |= uint64(code) << w.nbits
	w.nbits += w.width
	w.group = (w.group + 1) & 7
	for w.nbits >= 8 {
		w.out = append(w.out, byte(w.bits))
		w.bits >>= 8
		w.nbits -= 8
	}
}

func (w *codeWriter) align() {
	for w.group != 0 {
		w.put(0)
	}
}

func (w *codeWriter) flush() {
	if w.nbits > 0 {
		w.out = append(w.out, byte(w.bits))
	}
}

func uncompress(t testing.TB, b []byte, one bool) ([]byte, error) {
	t.Helper()
	var src io.Reader = bytes.NewReader(b)
	if one {
		src = iotest.OneByteReader(src)
	}
	r, err := newCompressReader(src)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(r, 1<<22))
}

// samples are texts of several kinds, by name.
func samples() map[string][]byte {
	rnd := rand.New(rand.NewPCG(3, 4))
	words := make([]byte, 200_000)
	for i := range words {
		words[i] = "abcd "[rnd.IntN(5)]
	}
	noise := make([]byte, 70_000)
	for i := range noise {
		noise[i] = byte(rnd.IntN(256))
	}
	return map[string][]byte{
		"nothing": nil, "one byte": []byte("a"), "one byte repeated": bytes.Repeat([]byte("a"), 100_000),
		"words": words, "noise": noise,
	}
}

func TestCompressRoundTrip(t *testing.T) {
	for name, text := range samples() {
		for _, widest := range []uint{9, 10, 12, 16} {
			for _, block := range []bool{true, false} {
				for _, reset := range []int{0, 3000} {
					got, err := uncompress(t, compress(text, widest, block, reset), false)
					if err != nil || !bytes.Equal(got, text) {
						t.Errorf("%s, %d bits, block mode %t, reset %d: %d bytes, %v; want %d", name, widest, block, reset, len(got), err, len(text))
					}
				}
			}
		}
	}
}

// TestCompressBesideGzip has gzip read what this package's writer wrote, and broken
// copies of it: both readers must give the same.
func TestCompressBesideGzip(t *testing.T) {
	path, err := exec.LookPath("gzip")
	if err != nil {
		t.Skip("SKIPPED: gzip, which reads the compress format too, is not installed, so nothing is checked against it")
	}
	rnd := rand.New(rand.NewPCG(5, 6))
	for name, text := range samples() {
		for _, widest := range []uint{9, 12, 16} {
			coded := compress(text, widest, true, 5000)
			for n := range 4 {
				b := bytes.Clone(coded)
				if n > 0 && len(b) > 3 {
					b[3+rnd.IntN(len(b)-3)] ^= 1 << rnd.IntN(8)
				}
				cmd := exec.Command(path, "-dc")
				cmd.Stdin = bytes.NewReader(b)
				want, gzErr := cmd.Output()
				got, err := uncompress(t, b, false)
				if gzErr != nil { // it keeps back what it has not yet written
					if !bytes.HasPrefix(got, want) {
						t.Errorf("%s, %d bits, damage %d: %d bytes that are not those of gzip", name, widest, n, len(got))
					}
					continue
				}
				if err != nil || !bytes.Equal(got, want) {
					t.Errorf("%s, %d bits, damage %d: %d bytes, %v; gzip gives %d", name, widest, n, len(got), err, len(want))
				}
			}
		}
	}
}

func TestCompressAndLZMAAsCodings(t *testing.T) {
	text := bytes.Repeat([]byte("what is coded. "), 1000)
	var lz bytes.Buffer
	w, err := lzma.WriterConfig{DictCap: 1 << 16}.NewWriter(&lz)
	if err != nil {
		t.Fatal(err)
	}
	w.Write(text)
	w.Close()
	huge := bytes.Clone(lz.Bytes())
	copy(huge[1:5], "\xff\xff\xff\xff")
	z := compress(text, 16, true, 0)
	for _, tt := range []struct {
		name, value string
		body        []byte
		how         Outcome
	}{
		{"compress", "compress", z, Decoded},
		{"the old name of compress", "x-compress", z, Decoded},
		{"compress in gzip", "compress, gzip", pack(t, "gzip", z), Decoded},
		{"no compress at all", "compress", text, Mismatch},
		{"a code that is not defined yet", "compress", []byte("\x1f\x9d\x90\xff\xff\xff"), Mismatch},
		{"lzma", "lzma", lz.Bytes(), Decoded},
		{"lzma with a dictionary over the limit", "lzma", huge, Limit},
		{"no lzma at all", "lzma", text, Mismatch},
	} {
		a, how, b, howStream := both(tt.value, tt.body, limits, 7)
		if how != tt.how || howStream != tt.how {
			t.Errorf("%s: outcome %d, of a stream %d, want %d", tt.name, how, howStream, tt.how)
		}
		if tt.how == Decoded && (!bytes.Equal(a.Data, text) || !bytes.Equal(b.Data, text)) {
			t.Errorf("%s: %d and %d bytes, want %d", tt.name, a.Size, b.Size, len(text))
		}
	}
}

// FuzzCompress: what is written is read back; any bytes are read alike in any pieces, and
// the output stays bounded by what the format can make of the input.
func FuzzCompress(f *testing.F) {
	f.Add([]byte("abababababab"), uint8(9), uint16(0))
	f.Add([]byte("\x1f\x9d\x90abc"), uint8(16), uint16(5))
	f.Add(compress([]byte("some words, some words"), 12, true, 7), uint8(1), uint16(3))
	f.Fuzz(func(t *testing.T, b []byte, widest uint8, reset uint16) {
		whole, err := uncompress(t, b, false)
		pieces, errPieces := uncompress(t, b, true)
		if !bytes.Equal(whole, pieces) || (err == nil) != (errPieces == nil) {
			t.Fatalf("%d bytes and %v at once, %d and %v byte by byte", len(whole), err, len(pieces), errPieces)
		}
		// A code of n stands for at most n bytes more than the one before the table grew.
		if n := int64(len(b)); int64(len(whole)) > n*(n+2) {
			t.Fatalf("%d bytes came out of %d", len(whole), n)
		}
		bits := 9 + uint(widest)%8
		got, err := uncompress(t, compress(b, bits, widest&0x80 == 0, int(reset)), false)
		if err != nil || !bytes.Equal(got, b) {
			t.Fatalf("%q came back as %q, %v", b, got, err)
		}
	})
}
