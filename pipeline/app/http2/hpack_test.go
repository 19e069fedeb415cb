package http2

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"golang.org/x/net/http2/hpack"

	"recap/pipeline/app"
)

// collect is a sink for tests of the decoder alone.
type collect struct{ list []entry }

func (c *collect) field(e *entry)       { c.list = append(c.list, *e) }
func (c *collect) text(b []byte) string { return string(b) }
func (c *collect) wants() bool          { return true }

func decodeAll(d *decoder, b []byte) ([]entry, error) {
	var out collect
	for len(b) > 0 {
		n, err := d.step(b, &out)
		if err != nil {
			return nil, err
		}
		b = b[n:]
	}
	return out.list, nil
}

// blocksOf divides b into header blocks: a length byte before each.
func blocksOf(b []byte) (list [][]byte) {
	for len(b) > 0 {
		n := min(int(b[0]), len(b)-1)
		list = append(list, b[1:1+n])
		b = b[1+n:]
	}
	return list
}

func FuzzHPACK(f *testing.F) {
	var hb bytes.Buffer
	enc := hpack.NewEncoder(&hb)
	var seed []byte
	for i := range 20 {
		hb.Reset()
		if i == 7 {
			enc.SetMaxDynamicTableSize(200)
		}
		if i == 14 {
			enc.SetMaxDynamicTableSize(4096)
		}
		enc.WriteField(hpack.HeaderField{Name: ":path", Value: fmt.Sprint("/", i/3)})
		enc.WriteField(hpack.HeaderField{Name: fmt.Sprint("x-", i%4), Value: strings.Repeat("v", i%5)})
		enc.WriteField(hpack.HeaderField{Name: "cookie", Value: "secret", Sensitive: i%2 == 0})
		seed = append(seed, byte(hb.Len()))
		seed = append(seed, hb.Bytes()...)
	}
	f.Add(seed)
	f.Add([]byte("\x03\x40\x00\x00\x01\xbe\x04\x7e\x01a\x00\x01\xbe"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 4096 {
			return
		}
		blocks := blocksOf(b)
		if len(blocks) > 64 {
			blocks = blocks[:64]
		}
		// What a full decoder, and one that is not ours, make of it.
		full := newDecoder(true)
		other := hpack.NewDecoder(4096, nil)
		other.SetAllowedMaxDynamicTableSize(1 << 31)
		var want [][]entry
		for i, x := range blocks {
			got, err := decodeAll(&full, x)
			fields, otherErr := other.DecodeFull(x)
			if otherErr == nil && err != nil {
				t.Fatalf("block %d %x: %v, x/net/http2 has no objection", i, x, err)
			}
			if otherErr != nil || err != nil {
				blocks = blocks[:i]
				break
			}
			if len(got) != len(fields) {
				t.Fatalf("block %d: %d fields, want %d", i, len(got), len(fields))
			}
			for j, e := range got {
				if name, value := app.Escape([]byte(fields[j].Name)), app.Escape([]byte(fields[j].Value)); e.name != name || e.value != value {
					t.Fatalf("block %d: %s=%q, want %s=%q", i, e.name, e.value, name, value)
				}
			}
			want = append(want, got)
		}
		// Joined at every block: what is said is the same, or unknown.
		for k := 1; k < len(blocks); k++ {
			d := newDecoder(false)
			for i := k; i < len(blocks); i++ {
				got, err := decodeAll(&d, blocks[i])
				if err != nil {
					t.Fatalf("joined at %d: block %d: %v", k, i, err)
				}
				for j, e := range got {
					w := &want[i][j]
					if e.nameOdd&oddUnknown == 0 && e.name != w.name || e.valueOdd&oddUnknown == 0 && e.value != w.value {
						t.Fatalf("joined at %d: block %d: %s=%q, want %s=%q", k, i, e.name, e.value, w.name, w.value)
					}
				}
			}
		}
	})
}

func TestHuffman(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 20000 {
		b := make([]byte, r.IntN(40))
		for i := range b {
			b[i] = byte(r.IntN(256))
			if r.IntN(2) == 0 {
				b[i] = "abcdefghij/-_=."[r.IntN(15)]
			}
		}
		coded := hpack.AppendHuffmanString(nil, string(b))
		if got, ok := appendHuffman(nil, coded); !ok || !bytes.Equal(got, b) {
			t.Fatalf("appendHuffman(%x) = %q, %t, want %q", coded, got, ok, b)
		}
		// Any bytes: the same verdict as x/net/http2.
		want, err := hpack.HuffmanDecodeToString(b)
		if got, ok := appendHuffman(nil, b); ok != (err == nil) || ok && string(got) != want {
			t.Fatalf("appendHuffman(%x) = %q, %t, want %q, %v", b, got, ok, want, err)
		}
	}
}
