package wire

import (
	"bytes"
	"io"
	"strings"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"

	"recap/pipeline/exchange"
	"recap/replay"
)

// A coder applies content codings (RFC 9110, section 8.4.1). The zero coder works.
type coder struct {
	gzip   *gzip.Writer
	zlib   *zlib.Writer
	brotli *brotli.Writer
	zstd   *zstd.Encoder
}

// Prepare implements [replay.Preparer]: bodies are stored decoded, and are coded again as
// their messages say. It happens once for each pair, however often that is sent.
func (t *Target) Prepare(e *replay.Event) {
	if t.opt.Decoded {
		return
	}
	for d, m := range [2]*exchange.Message{exchange.ToServer: &e.Pair.Request.Message, exchange.ToClient: &e.Pair.Response.Message} {
		if m.ContentEncoding == "" || len(m.Body) == 0 || int64(len(m.Body)) != m.BodySize || asSent(m) {
			continue
		}
		e.Body[d] = t.recode.apply(m.ContentEncoding, m.Body)
	}
}

// apply returns body under a list of codings; nil where one of them cannot be written.
func (c *coder) apply(codings string, body []byte) []byte {
	for coding := range strings.SplitSeq(codings, ",") {
		name := strings.ToLower(strings.TrimSpace(coding))
		if name == "identity" || name == "" {
			continue
		}
		var out bytes.Buffer
		w := c.writer(name, &out)
		if w == nil {
			return nil
		}
		// Into memory: these do not fail.
		_, _ = w.Write(body)
		_ = w.Close()
		body = out.Bytes()
	}
	return body
}

// writer returns the encoder of a coding, made once, that writes to out.
func (c *coder) writer(name string, out io.Writer) io.WriteCloser {
	switch name {
	case "gzip", "x-gzip":
		if c.gzip == nil {
			c.gzip, _ = gzip.NewWriterLevel(out, gzip.BestSpeed)
		}
		c.gzip.Reset(out)
		return c.gzip
	case "deflate": // RFC 9110, section 8.4.1.2: deflate inside zlib
		if c.zlib == nil {
			c.zlib, _ = zlib.NewWriterLevel(out, zlib.BestSpeed)
		}
		c.zlib.Reset(out)
		return c.zlib
	case "br":
		if c.brotli == nil {
			c.brotli = brotli.NewWriterLevel(out, brotli.BestSpeed)
		}
		c.brotli.Reset(out)
		return c.brotli
	case "zstd":
		if c.zstd == nil {
			c.zstd, _ = zstd.NewWriter(out, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
		}
		c.zstd.Reset(out)
		return c.zstd
	}
	return nil
}
