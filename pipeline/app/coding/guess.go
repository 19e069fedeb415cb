package coding

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"slices"
	"strings"

	"github.com/klauspost/compress/zlib"
)

// Guessed tells what Guess has done.
type Guessed struct {
	Codings []string // undone, outermost first; empty: none
	// BadTrailer: the data is whole, the checksum or length behind it is not.
	BadTrailer bool
}

// maxGuess bounds what one layer gives out while codings are guessed, bytes.
const maxGuess = 16 << 20

// Guess undoes the codings that body itself shows to be in, where undoing those that
// value names has failed: of a sender that claims what it did not do, claims it in odd
// words, or did it in another order. What has no magic number is tried only where value
// names something like it, and counts only if all of body decodes without a fault.
func (d *Decoder) Guess(out *Store, value string, body []byte, lim Limits) Guessed {
	var g Guessed
	claimed := min(lim.Layers, max(1, len(List(value))))
	value = strings.ToLower(value)
	for len(g.Codings) < claimed {
		name, next, bad := d.guessLayer(value, body, lim)
		if name == "" {
			break
		}
		g.Codings, g.BadTrailer = append(g.Codings, name), g.BadTrailer || bad
		body = next
	}
	if len(g.Codings) > 0 {
		out.Write(body)
	}
	return g
}

// guessLayer undoes one coding of body, and names it; "" is none.
func (d *Decoder) guessLayer(value string, body []byte, lim Limits) (name string, next []byte, bad bool) {
	lim.Out = min(lim.Out, maxGuess)
	if bytes.HasPrefix(body, GzipMagic) {
		if next, bad, ok := d.looseGzip(body, lim.Out); ok {
			return "gzip", next, bad
		}
		return "", nil, false
	}
	for _, one := range [...]struct{ name, magic, word string }{
		{"zstd", "\x28\xb5\x2f\xfd", ""}, {"compress", "\x1f\x9d", ""},
		{"deflate", "", "deflate"}, {"deflate", "", "zip"}, {"br", "", "br"}, {"lzma", "\x5d\x00", "lzma"},
	} {
		if !strings.HasPrefix(string(body[:min(4, len(body))]), one.magic) || !strings.Contains(squeeze(value), one.word) {
			continue
		}
		if one.name == "deflate" {
			if next, bad, ok := d.exactDeflate(body, lim.Out); ok {
				return one.name, next, bad
			}
			continue
		}
		s := Store{Limit: lim.Out}
		src := bytes.NewReader(body)
		if how := new(Decoder).run(&s, one.name, src, lim); (how == Decoded || how == BadTrailer) && src.Len() == 0 && s.Size > 0 {
			return one.name, s.Data, how == BadTrailer
		}
	}
	return "", nil, false
}

// exactDeflate undoes the deflate data, in the zlib format or bare, that all of body is:
// short data of another kind often begins with some. bad says that the checksum is wrong.
func (d *Decoder) exactDeflate(body []byte, limit int64) (out []byte, bad, ok bool) {
	src := bytes.NewReader(body)
	var r io.Reader
	var err error
	if zlibHeader(body) {
		r, err = zlib.NewReader(src)
	} else {
		r, err = d.Inflate(src, nil)
	}
	if err != nil {
		return nil, false, false
	}
	out, err = io.ReadAll(io.LimitReader(r, limit+1))
	bad = errors.Is(err, zlib.ErrChecksum)
	return out, bad, (err == nil || bad) && src.Len() == 0 && len(out) > 0 && int64(len(out)) <= limit
}

// squeeze leaves the letters of v.
func squeeze(v string) string {
	return strings.Map(func(r rune) rune {
		if r < 'a' || r > 'z' {
			return -1
		}
		return r
	}, v)
}

// Fields of a gzip header (RFC 1952, section 2.3.1).
const (
	gzipHeader  = 10
	gzipTrailer = 8
	gzipHCRC    = 1 << 1
	gzipExtra   = 1 << 2
	gzipName    = 1 << 3
	gzipComment = 1 << 4
)

// looseGzip undoes gzip members as a lenient reader does: reserved flags, the header's
// checksum and what stands behind the data do not matter. bad says that a trailer is
// wrong or missing; ok, that the deflate data of the first ends where it should.
func (d *Decoder) looseGzip(body []byte, limit int64) (out []byte, bad, ok bool) {
	for n := 0; ; n++ {
		one, t := d.looseMember(body, limit-int64(len(out)))
		if t == nil {
			return out, true, n > 0
		}
		out = append(out, one...)
		bad = bad || len(t) < gzipTrailer || binary.LittleEndian.Uint32(t) != crc32.ChecksumIEEE(one) || binary.LittleEndian.Uint32(t[4:]) != uint32(len(one))
		if len(t) <= gzipTrailer {
			return out, bad, true
		}
		body = t[gzipTrailer:]
	}
}

// looseMember undoes the gzip member that body begins with. t is what stands behind its
// data; nil where there is no member, it is not whole, or it is over the limit.
func (d *Decoder) looseMember(body []byte, limit int64) (out, t []byte) {
	if !bytes.HasPrefix(body, GzipMagic) {
		return nil, nil
	}
	data := gzipData(body)
	if data == nil {
		return nil, nil
	}
	src := bytes.NewReader(data)
	r, err := d.Inflate(src, nil)
	if err != nil {
		return nil, nil
	}
	out, err = io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil || int64(len(out)) > limit {
		return nil, nil
	}
	return out, data[len(data)-src.Len() : len(data) : len(data)]
}

// gzipData returns what stands behind the header of a gzip member; nil where the
// header does not end.
func gzipData(b []byte) []byte {
	if len(b) < gzipHeader {
		return nil
	}
	flags, b := b[3], b[gzipHeader:]
	if flags&gzipExtra != 0 {
		if len(b) < 2 || len(b)-2 < int(binary.LittleEndian.Uint16(b)) {
			return nil
		}
		b = b[2+int(binary.LittleEndian.Uint16(b)):]
	}
	for _, f := range [...]byte{gzipName, gzipComment} {
		if flags&f == 0 {
			continue
		}
		i := bytes.IndexByte(b, 0)
		if i < 0 {
			return nil
		}
		b = b[i+1:]
	}
	if flags&gzipHCRC != 0 {
		if len(b) < 2 {
			return nil
		}
		b = b[2:]
	}
	return b
}

// TrailerOnly reports whether a body that value says to be gzip, and that did not decode,
// holds all its data and lacks no more than the trailer.
func (d *Decoder) TrailerOnly(value string, body []byte, lim Limits) bool {
	if list := List(value); len(list) != 1 || !slices.Contains(gzipNames, list[0]) || !bytes.HasPrefix(body, GzipMagic) {
		return false
	}
	_, _, ok := d.looseGzip(body, lim.Out)
	return ok
}

// GzipMagic is what a gzip member begins with, deflate being its method.
var GzipMagic = []byte("\x1f\x8b\x08")

var gzipNames = []string{"gzip", "x-gzip"}

// Claims returns the codings that text, a field value in which something is odd, speaks of.
func Claims(text string) string {
	text = squeeze(strings.ToLower(text))
	var list []string
	for _, name := range []string{"gzip", "deflate", "zstd", "compress", "lzma"} {
		if strings.Contains(text, name) {
			list = append(list, name)
		}
	}
	return strings.Join(list, ", ")
}
