package http

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"

	"recap/pipeline/exchange"
)

const (
	// minKept and maxKept bound how much of a body is kept to be compared byte by byte
	// or as JSON; what is longer is compared by its hash.
	minKept = 64 << 10
	maxKept = 1 << 20
	// maxDecoded bounds what a coded body may become.
	maxDecoded = 1 << 30
	// maxReused is the largest buffer that a connection keeps for its next response.
	maxReused = 256 << 10
	// maxCodings bounds how often a body may be coded.
	maxCodings = 4
)

var errDecodedSize = errors.New("the decoded body is too large")

// An answer is a response as it is compared: read to its end, decoded.
type answer struct {
	status   int32
	fields   []exchange.Header
	trailers []exchange.Header
	wire     int64 // size of the body before decoding
	size     int64 // after it
	body     []byte
	whole    bool // body is all of it
	hash     hash.Hash
	// decode is why the body could not be decoded; wire is right also then.
	decode error

	source bodySource
	gzip   *gzip.Reader
}

// read takes a whole response over HTTP/1.
func (a *answer) read(r *response, p *exchange.Pair) error {
	if err := a.consume(r.status, r.fields, &r.body, p); err != nil {
		return err
	}
	a.trailers = r.trailers
	return nil
}

// consume reads body to its end. Its error is one of reading; a body that cannot be
// decoded is no reason to give up the connection.
func (a *answer) consume(status int32, fields []exchange.Header, body io.Reader, p *exchange.Pair) error {
	if cap(a.body) > maxReused {
		a.body = nil
	}
	a.status, a.fields, a.trailers, a.decode = status, fields, nil, nil
	a.wire, a.size, a.body, a.whole = 0, 0, a.body[:0], true
	source := &a.source
	*source = bodySource{r: body, n: &a.wire}
	decoded, done, err := a.decoder(codings(fields), source)
	if err == nil {
		err = a.take(decoded, int(min(max(minKept, 2*p.Response.BodySize), maxKept)))
		done()
	}
	if source.err != nil && source.err != io.EOF {
		return source.err
	}
	a.decode = err
	if source.err == io.EOF {
		return nil
	}
	_, err = io.Copy(io.Discard, source)
	return err
}

// take keeps up to limit bytes of r, and a hash of all where that is not enough.
func (a *answer) take(r io.Reader, limit int) error {
	for {
		if len(a.body) == cap(a.body) {
			a.body = append(a.body, make([]byte, max(512, len(a.body)))...)[:len(a.body)]
		}
		n, err := r.Read(a.body[len(a.body):cap(a.body)])
		a.size += int64(n)
		a.body = a.body[:len(a.body)+n]
		if len(a.body) > limit || !a.whole {
			a.spill()
		}
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		case a.size > maxDecoded:
			return errDecodedSize
		}
	}
}

// spill puts what is kept into the hash.
func (a *answer) spill() {
	if a.whole {
		a.whole = false
		if a.hash == nil {
			a.hash = sha256.New()
		}
		a.hash.Reset()
	}
	a.hash.Write(a.body)
	a.body = a.body[:0]
}

func (a *answer) sum() (sum [32]byte) {
	if a.whole {
		return sha256.Sum256(a.body)
	}
	a.hash.Sum(sum[:0])
	return sum
}

// A bodySource counts what is read, and remembers how it ended: a decoder may put its
// own error in place of one.
type bodySource struct {
	r   io.Reader
	n   *int64
	err error
}

func (s *bodySource) Read(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.r.Read(p)
	*s.n += int64(n)
	s.err = err
	return n, err
}

// codings returns the content codings in the order in which they were applied.
func codings(fields []exchange.Header) string {
	value := ""
	for i := range fields {
		if same(fields[i].Name, "Content-Encoding") {
			if value != "" {
				value += ","
			}
			value += fields[i].Value
		}
	}
	return value
}

// decoder undoes the codings; done releases what it took.
func (a *answer) decoder(codings string, r io.Reader) (decoded io.Reader, done func(), err error) {
	done = func() {}
	if codings == "" {
		return r, done, nil
	}
	list := strings.Split(codings, ",")
	if len(list) > maxCodings {
		return nil, done, fmt.Errorf("a body of %d codings", len(list))
	}
	for i := len(list) - 1; i >= 0; i-- {
		switch strings.ToLower(strings.TrimSpace(list[i])) {
		case "", "identity":
		case "gzip", "x-gzip":
			r, err = a.gunzip(r)
		case "deflate":
			r, err = inflate(r)
		case "br":
			r = brotli.NewReader(r)
		case "zstd":
			var d *zstd.Decoder
			if d, err = zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(64<<20)); err == nil {
				r, done = d, d.Close
			}
		default:
			err = fmt.Errorf("unknown content coding %.40q", list[i])
		}
		if err != nil {
			return nil, done, err
		}
	}
	return r, done, nil
}

// gunzip uses the last reader again; the second of two codings has its own.
func (a *answer) gunzip(r io.Reader) (io.Reader, error) {
	z := a.gzip
	a.gzip = nil
	if z == nil {
		z = new(gzip.Reader)
	}
	if err := z.Reset(r); err == io.EOF {
		return bytes.NewReader(nil), nil // nothing at all decodes to nothing
	} else if err != nil {
		return nil, err
	}
	a.gzip = z
	return z, nil
}

// inflate reads zlib, as deflate is defined, or the bare stream that many send.
func inflate(r io.Reader) (io.Reader, error) {
	var head [2]byte
	n, err := io.ReadFull(r, head[:])
	if err != nil && err != io.ErrUnexpectedEOF && err != io.EOF {
		return nil, err
	}
	r = io.MultiReader(bytes.NewReader(head[:n]), r)
	if head[0]&0x0f == 8 && (uint(head[0])<<8|uint(head[1]))%31 == 0 {
		return zlib.NewReader(r)
	}
	return flate.NewReader(r), nil
}
