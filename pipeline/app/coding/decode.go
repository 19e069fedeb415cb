package coding

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

// Limits of decoding; none is optional.
type Limits struct {
	Out        int64 // decoded bytes
	Layers     int
	ZstdWindow int64
}

// Outcome says how decoding went.
type Outcome uint8

// Outcomes. What was decoded is in the Store in all cases but Mismatch, Unknown and
// Limit, where the caller keeps the coded original.
const (
	Decoded    Outcome = iota
	BadTrailer         // the data is whole, its checksum, length or end is wrong or missing
	Broken             // decoding failed part-way
	Mismatch           // the body is not in the coding at all
	Unknown            // a coding that is not known
	Limit              // a limit was met
)

// Decoder undoes codings. One goroutine owns it; it reuses its machinery.
type Decoder struct {
	gz   *gzip.Reader
	fl   io.ReadCloser
	br   *brotli.Reader
	zs   *zstd.Decoder
	src  bytes.Reader
	peek *bufio.Reader
	buf  []byte
}

// List splits a Content-Encoding value into its codings, in the order they were applied.
func List(v string) []string {
	var list []string
	for one := range strings.SplitSeq(v, ",") {
		one = strings.ToLower(strings.TrimSpace(one))
		if one != "" && one != "identity" {
			list = append(list, one)
		}
	}
	return list
}

// Decode undoes the codings that the Content-Encoding value names and writes the
// result to out.
func (d *Decoder) Decode(out *Store, value string, body []byte, lim Limits) Outcome {
	d.src.Reset(body)
	empty := *out
	how := d.run(out, value, &d.src, lim)
	if (how == Mismatch || how == Broken) && slices.Contains(List(value), "br") {
		// The brotli decoder keeps back what it made of the input of a failing call,
		// so that the call has to be a small one.
		*out = empty
		d.src.Reset(body)
		how = d.run(out, value, &bytewise{&d.src}, lim)
	}
	return how
}

// bytewise gives out one byte at a time.
type bytewise struct{ r io.Reader }

func (b *bytewise) Read(p []byte) (int, error) { return b.r.Read(p[:min(1, len(p))]) }

func (d *Decoder) run(out *Store, value string, src io.Reader, lim Limits) Outcome {
	var r io.Reader
	var err error
	switch value { // the usual ones, without a list
	case "gzip", "deflate", "br", "zstd":
		r, err = codings[value](d, src, lim)
	default:
		list := List(value)
		if len(list) > lim.Layers {
			return Limit
		}
		// Before any is opened: whether one fails at once depends on how src comes.
		for _, name := range list {
			if codings[name] == nil {
				return Unknown
			}
		}
		r = src
		for i := len(list) - 1; i >= 0 && err == nil; i-- {
			layers := d
			if len(list) > 1 {
				layers = &Decoder{} // each layer needs machinery of its own
			}
			r, err = codings[list[i]](layers, r, lim)
		}
	}
	if err != nil {
		return outcome(err, 0)
	}
	if d.buf == nil {
		d.buf = make([]byte, 32<<10)
	}
	for {
		n, err := r.Read(d.buf)
		if out.Size+int64(n) > lim.Out {
			return Limit
		}
		out.Write(d.buf[:n])
		if err == io.EOF {
			return Decoded
		}
		if err != nil {
			return outcome(err, out.Size)
		}
	}
}

// codings are the known codings: each returns a reader that undoes it.
var codings = map[string]func(d *Decoder, src io.Reader, lim Limits) (io.Reader, error){
	"gzip": (*Decoder).gzip, "x-gzip": (*Decoder).gzip,
	"deflate":  (*Decoder).deflate,
	"br":       (*Decoder).brotli,
	"zstd":     (*Decoder).zstd,
	"compress": (*Decoder).compress, "x-compress": (*Decoder).compress,
	"lzma": (*Decoder).lzma,
}

func (d *Decoder) gzip(src io.Reader, _ Limits) (io.Reader, error) {
	if d.gz == nil {
		d.gz = new(gzip.Reader)
	}
	return d.gz, d.gz.Reset(src)
}

// deflate takes the zlib format, which is meant (RFC 9110, section 8.4.1.2), and the bare
// deflate data that some send.
func (d *Decoder) deflate(src io.Reader, _ Limits) (io.Reader, error) {
	if d.peek == nil {
		d.peek = bufio.NewReaderSize(nil, 4<<10)
	}
	d.peek.Reset(src)
	h, _ := d.peek.Peek(2)
	if zlibHeader(h) {
		return zlib.NewReader(d.peek)
	}
	if d.fl == nil {
		d.fl = flate.NewReader(d.peek)
		return d.fl, nil
	}
	return d.fl, d.fl.(flate.Resetter).Reset(d.peek, nil)
}

func (d *Decoder) brotli(src io.Reader, _ Limits) (io.Reader, error) {
	if d.br == nil {
		d.br = brotli.NewReader(src)
		return d.br, nil
	}
	return d.br, d.br.Reset(src)
}

func (d *Decoder) zstd(src io.Reader, lim Limits) (io.Reader, error) {
	if d.zs == nil {
		zs, err := zstd.NewReader(src, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(uint64(lim.ZstdWindow)), zstd.WithDecoderMaxMemory(uint64(lim.Out)+1<<20))
		d.zs = zs
		return zs, err
	}
	return d.zs, d.zs.Reset(src)
}

func (d *Decoder) compress(src io.Reader, _ Limits) (io.Reader, error) { return newCompressReader(src) }

func (d *Decoder) lzma(src io.Reader, lim Limits) (io.Reader, error) { return newLZMAReader(src, lim) }

// zlibHeader reports whether b begins as the zlib format does (RFC 1950, section 2.2).
func zlibHeader(b []byte) bool {
	return len(b) >= 2 && b[0]&15 == 8 && (int(b[0])<<8|int(b[1]))%31 == 0
}

// outcome tells what an error after n decoded bytes means.
func outcome(err error, n int64) Outcome {
	switch {
	case errors.Is(err, gzip.ErrChecksum), errors.Is(err, zlib.ErrChecksum), errors.Is(err, zstd.ErrCRCMismatch):
		return BadTrailer
	case errors.Is(err, zstd.ErrWindowSizeExceeded), errors.Is(err, zstd.ErrDecoderSizeExceeded),
		errors.Is(err, errLZMADictionary):
		return Limit
	case n == 0:
		return Mismatch
	case errors.Is(err, gzip.ErrHeader):
		return BadTrailer // junk behind a whole member
	}
	return Broken
}
