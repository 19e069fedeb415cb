package reader

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"errors"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"golang.org/x/text/encoding/unicode"

	"recap/reader/sniffer"
)

// compression is one way in which a capture may be packed.
type compression struct {
	name  string
	match func(head []byte) bool
	// open returns the unpacked bytes of r. note records damage that does not end
	// the data. An error other than io.EOF of the reader does end it.
	open func(r *bufio.Reader, o *Options, note func(error)) (io.ReadCloser, error)
}

// compressions lists what is unpacked; a further one is one line here.
var compressions = []compression{
	{"gzip", hasPrefix("\x1f\x8b"), openGzip},
	{"xz", hasPrefix("\xfd7zXZ\x00"), openXZ},
	{"bzip2", isBzip2, openBzip2},
	{"lz4", isLZ4, openLZ4},
	{"sniffer", sniffer.Packed, openSniffer},
	{"utf-16", isUTF16, openUTF16},
	{"zstd", isZstd, openZstd}, // also anything that begins with a frame to be skipped
}

// openSniffer unpacks the captures of Sniffers for DOS, which bring a compression of their own.
func openSniffer(r *bufio.Reader, _ *Options, _ func(error)) (io.ReadCloser, error) {
	return sniffer.Unpack(r), nil
}

// isUTF16 says whether head is a text of two bytes a character, with a byte order mark or
// without, of which the first are of ASCII: so are text dumps that were printed on Windows.
func isUTF16(head []byte) bool {
	const least = 16 // characters
	low, b := 0, head
	switch {
	case bytes.HasPrefix(head, []byte("\xff\xfe")):
		b = head[2:]
	case bytes.HasPrefix(head, []byte("\xfe\xff")):
		low, b = 1, head[2:]
	}
	if len(b) < 2*least {
		return false
	}
	for i := 0; i < 2*least; i += 2 {
		c, high := b[i+low], b[i+1-low]
		if high != 0 || c > '~' || c < ' ' && c != '\n' && c != '\r' && c != '\t' {
			return false
		}
	}
	return true
}

func openUTF16(r *bufio.Reader, _ *Options, _ func(error)) (io.ReadCloser, error) {
	decoder := unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewDecoder()
	return io.NopCloser(decoder.Reader(r)), nil
}

func hasPrefix(magic string) func([]byte) bool {
	return func(head []byte) bool { return bytes.HasPrefix(head, []byte(magic)) }
}

// isBzip2 asks for the level and the mark of a block or of the end as well.
func isBzip2(head []byte) bool {
	if len(head) < 10 || string(head[:3]) != "BZh" || head[3] < '1' || head[3] > '9' {
		return false
	}
	mark := string(head[4:10])
	return mark == "1AY&SY" || mark == "\x17\x72\x45\x38\x50\x90"
}

// isLZ4 knows a frame and a legacy one.
func isLZ4(head []byte) bool {
	return bytes.HasPrefix(head, []byte("\x04\x22\x4d\x18")) || bytes.HasPrefix(head, []byte("\x02\x21\x4c\x18"))
}

// isZstd knows a zstd frame and a skippable one (RFC 8878, section 3.1).
func isZstd(head []byte) bool {
	if len(head) < 4 {
		return false
	}
	return string(head[:4]) == "\x28\xb5\x2f\xfd" || head[0]&0xf0 == 0x50 && string(head[1:4]) == "\x2a\x4d\x18"
}

// gzipReader reads all members of a gzip file, also those after a bad checksum.
type gzipReader struct {
	r    *bufio.Reader
	z    *gzip.Reader
	note func(error)
}

func openGzip(r *bufio.Reader, _ *Options, note func(error)) (io.ReadCloser, error) {
	z, err := gzip.NewReader(r)
	if err != nil {
		return nil, err
	}
	z.Multistream(false)
	return &gzipReader{r, z, note}, nil
}

func (g *gzipReader) Read(b []byte) (int, error) {
	for {
		n, err := g.z.Read(b)
		if err == nil || n > 0 && err != io.EOF && err != gzip.ErrChecksum {
			return n, err
		}
		switch err {
		case io.EOF:
		case gzip.ErrChecksum:
			g.note(&unpackError{name: "gzip", err: errors.New("checksum of the gzip data is wrong")})
		default:
			return n, err
		}
		if err := g.nextMember(); err != nil || n > 0 {
			return n, err
		}
	}
}

func (g *gzipReader) Close() error { return g.z.Close() }

var errJunk = errors.New("something else follows the compressed data")

// nextMember goes on after a member; zero padding after the last is no damage.
func (g *gzipReader) nextMember() error {
	c, err := g.r.ReadByte()
	for err == nil && c == 0 {
		c, err = g.r.ReadByte()
	}
	if err != nil {
		return err
	}
	g.r.UnreadByte()
	if head, _ := g.r.Peek(2); string(head) != "\x1f\x8b" {
		return errJunk
	}
	if err := g.z.Reset(g.r); err != nil {
		return noEOF(err)
	}
	g.z.Multistream(false)
	return nil
}

func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// zstdReader reads all frames of a zstd file, also those with a bad checksum and
// those behind them.
type zstdReader struct {
	r    *bufio.Reader
	z    *zstd.Decoder
	note func(error)
}

func openZstd(r *bufio.Reader, o *Options, note func(error)) (io.ReadCloser, error) {
	d, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(uint64(o.ZstdWindow)))
	if err != nil {
		return nil, err
	}
	return &zstdReader{r, d, note}, nil
}

func (z *zstdReader) Read(b []byte) (int, error) {
	for {
		n, err := z.z.Read(b)
		if n == 0 && err != nil {
			// Where the end of a frame is damaged, the decoder says so before it
			// gives out the frame's last block, which it has all the same.
			n, err = z.z.Read(b)
		}
		if !errors.Is(err, zstd.ErrCRCMismatch) {
			return n, err
		}
		z.note(&unpackError{name: "zstd", err: errors.New("checksum of the zstd data is wrong")})
		if err := z.z.Reset(z.r); n > 0 || err != nil {
			return n, err
		}
	}
}

func (z *zstdReader) Close() error {
	z.z.Close()
	return nil
}

// rest says what follows the compressed data, of which last was read already:
// nothing but zero bytes is the end, anything else is junk.
func rest(last []byte, r *bufio.Reader) error {
	for _, c := range last {
		if c != 0 {
			return errJunk
		}
	}
	for {
		switch c, err := r.ReadByte(); {
		case err != nil:
			return err
		case c != 0:
			return errJunk
		}
	}
}

// recent remembers the last bytes that were read.
type recent struct {
	r    *bufio.Reader
	last [4]byte
}

func (r *recent) Read(b []byte) (int, error) {
	n, err := r.r.Read(b)
	for _, c := range b[max(0, n-len(r.last)):n] {
		copy(r.last[:], r.last[1:])
		r.last[len(r.last)-1] = c
	}
	return n, err
}

func (r *recent) ReadByte() (byte, error) {
	c, err := r.r.ReadByte()
	if err == nil {
		copy(r.last[:], r.last[1:])
		r.last[len(r.last)-1] = c
	}
	return c, err
}

// bzip2Reader tells padding after the last stream from junk. A block is given
// out only after its checksum was found right: what is damaged is lost from its
// block on.
type bzip2Reader struct {
	src *recent
	z   io.Reader
	err error
}

func openBzip2(r *bufio.Reader, _ *Options, _ func(error)) (io.ReadCloser, error) {
	src := &recent{r: r}
	return &bzip2Reader{src: src, z: bzip2.NewReader(src)}, nil
}

func (b *bzip2Reader) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.z.Read(p)
	if err == bzip2.StructuralError("bad magic value in continuation file") {
		err = rest(b.src.last[2:], b.src.r)
	}
	if n > 0 {
		b.err = err
		return n, nil
	}
	return n, err
}

func (b *bzip2Reader) Close() error { return nil }

// lz4Reader reads all frames of an lz4 file, also those after a bad checksum.
type lz4Reader struct {
	src  *recent
	z    *lz4.Reader
	note func(error)
	err  error // to be returned after the data before it
}

func openLZ4(r *bufio.Reader, _ *Options, note func(error)) (io.ReadCloser, error) {
	src := &recent{r: r}
	return &lz4Reader{src: src, z: lz4.NewReader(src), note: note}, nil
}

func (l *lz4Reader) Read(p []byte) (int, error) {
	for {
		if err := l.err; err != nil {
			return 0, err
		}
		n, err := l.z.Read(p)
		switch {
		case errors.Is(err, lz4.ErrInvalidFrameChecksum):
			l.note(&unpackError{name: "lz4", err: errors.New("checksum of the lz4 data is wrong")})
			l.z.Reset(l.src)
			err = nil
		case errors.Is(err, lz4.ErrInvalidFrame):
			err = rest(l.src.last[:], l.src.r)
		}
		l.err = err
		if n > 0 {
			return n, nil
		}
	}
}

func (l *lz4Reader) Close() error { return nil }
