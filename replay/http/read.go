package http

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"unsafe"

	"recap/pipeline/exchange"
)

const (
	readBuffer = 16 << 10
	// maxHead bounds the status line and the header block of a response, maxLine the
	// line before a chunk, bytes.
	maxHead = 256 << 10
	maxLine = 4 << 10
	// maxInterim bounds the 1xx responses before a final one.
	maxInterim = 100
)

// A responseError is a response that is none by the rules.
type responseError string

func (e responseError) Error() string { return "malformed response: " + string(e) }

// A reader reads responses one after the other. It reads ahead no further than its
// buffer, which grows for a large head only.
type reader struct {
	src  io.Reader
	buf  []byte
	r, w int
}

func (r *reader) reset(src io.Reader) {
	if cap(r.buf) != readBuffer {
		r.buf = make([]byte, readBuffer)
	}
	r.src, r.r, r.w = src, 0, 0
}

// fill reads once behind what is buffered. It makes room, up to limit bytes in all.
func (r *reader) fill(limit int) error {
	if r.r > 0 {
		r.w = copy(r.buf, r.buf[r.r:r.w])
		r.r = 0
	}
	if r.w == len(r.buf) {
		if r.w >= limit {
			return responseError(fmt.Sprintf("a head or line is longer than %d bytes", limit))
		}
		r.buf = append(r.buf, make([]byte, min(len(r.buf), limit-len(r.buf)))...)
	}
	n, err := r.src.Read(r.buf[r.w:])
	r.w += n
	if n > 0 {
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// line returns the next line without its end, valid until the next call.
func (r *reader) line() ([]byte, error) {
	for from := 0; ; {
		if i := bytes.IndexByte(r.buf[r.r+from:r.w], '\n'); i >= 0 {
			line := r.buf[r.r : r.r+from+i]
			if len(line) > maxLine {
				return nil, responseError("a chunk's line is too long")
			}
			r.r += from + i + 1
			return bytes.TrimSuffix(line, []byte("\r")), nil
		}
		if from = r.w - r.r; from > maxLine {
			return nil, responseError("a chunk's line is too long")
		}
		if err := r.fill(len(r.buf)); err != nil {
			return nil, early(err)
		}
	}
}

// block appends to dst the bytes up to and with the next empty line. io.EOF means
// that not one byte came.
func (r *reader) block(dst []byte) ([]byte, error) {
	for from := 0; ; {
		if n := blockEnd(r.buf[r.r:r.w], from); n > maxHead {
			return nil, responseError("the head is too long")
		} else if n > 0 {
			dst = append(dst, r.buf[r.r:r.r+n]...)
			r.r += n
			return dst, nil
		}
		// The last two bytes may be the beginning of the end.
		from = max(0, r.w-r.r-2)
		if err := r.fill(maxHead); err != nil {
			if err == io.EOF && r.w > r.r {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
}

// blockEnd returns the length of the block that ends with an empty line in b, or 0;
// no end lies before from.
func blockEnd(b []byte, from int) int {
	for {
		i := bytes.IndexByte(b[from:], '\n')
		if i < 0 {
			return 0
		}
		from += i + 1
		switch {
		case bytes.HasPrefix(b[from:], []byte("\n")):
			return from + 1
		case bytes.HasPrefix(b[from:], []byte("\r\n")):
			return from + 2
		}
	}
}

// A response is what was read of one. Its texts are valid until the next is read.
type response struct {
	status   int32
	fields   []exchange.Header
	trailers []exchange.Header
	// close: no request may follow on this connection.
	close bool
	head  []byte
	body  bodyReader
}

// next reads the head of the final response to a request of this method into p, and
// makes p.body ready. Interim responses are passed over.
func (r *reader) next(p *response, method string) error {
	for range maxInterim {
		head, err := r.block(p.head[:0])
		if err != nil {
			return err
		}
		p.head = head
		old, err := p.parse()
		if err != nil {
			return err
		}
		if p.status >= 200 || p.status == 101 {
			return p.frame(r, method, old)
		}
	}
	return responseError("too many interim responses")
}

// parse reads p.head (RFC 9112, sections 4 and 5). old says that it is of HTTP/1.0.
func (p *response) parse() (old bool, err error) {
	line, rest, _ := bytes.Cut(p.head, []byte("\n"))
	line = bytes.TrimSuffix(line, []byte("\r"))
	if len(line) < len("HTTP/1.1 200") || string(line[:7]) != "HTTP/1." || line[8] != ' ' {
		return false, responseError(fmt.Sprintf("status line %.80q", line))
	}
	status, err := strconv.ParseUint(text(line[9:12]), 10, 16)
	if err != nil || status < 100 || len(line) > 12 && line[12] != ' ' {
		return false, responseError(fmt.Sprintf("status line %.80q", line))
	}
	p.status, p.fields = int32(status), p.fields[:0]
	p.fields, err = appendFields(p.fields, rest)
	return line[7] == '0', err
}

// appendFields reads the lines of a block.
func appendFields(list []exchange.Header, block []byte) ([]exchange.Header, error) {
	for len(block) > 0 {
		line, rest, _ := bytes.Cut(block, []byte("\n"))
		block = rest
		line = bytes.TrimSuffix(line, []byte("\r"))
		if len(line) == 0 {
			continue
		}
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok || len(name) == 0 {
			return list, responseError(fmt.Sprintf("header line %.80q", line))
		}
		list = append(list, exchange.Header{Name: text(name), Value: text(bytes.Trim(value, " \t"))})
	}
	return list, nil
}

// text returns b as a string without a copy: both live as long as the response.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// frame finds out how long the body is (RFC 9112, section 6.3).
func (p *response) frame(r *reader, method string, old bool) error {
	p.body = bodyReader{r: r, p: p}
	p.trailers = p.trailers[:0]
	p.close = old
	length, chunked := int64(-1), false
	for i := range p.fields {
		name, value := p.fields[i].Name, p.fields[i].Value
		switch len(name) {
		case len("Connection"):
			if same(name, "Connection") {
				p.close = p.close && !hasItem(value, "keep-alive") || hasItem(value, "close")
			}
		case len("Content-Length"):
			if !same(name, "Content-Length") {
				continue
			}
			n, err := strconv.ParseUint(value, 10, 63)
			if err != nil || length >= 0 && length != int64(n) {
				return responseError(fmt.Sprintf("length %.40q", value))
			}
			length = int64(n)
		case len("Transfer-Encoding"):
			if same(name, "Transfer-Encoding") {
				chunked = hasItem(value, "chunked")
			}
		}
	}
	switch b := &p.body; {
	case p.status == 101:
		p.close, b.done = true, true
	case method == "HEAD", p.status == 204, p.status == 304:
		b.done = true
	case chunked:
		b.chunked = true
	case length >= 0:
		b.left, b.done = length, length == 0
	default:
		b.toEnd, p.close = true, true
	}
	return nil
}

// A bodyReader gives the body of one response, without its framing.
type bodyReader struct {
	r       *reader
	p       *response
	left    int64 // of the body, or of the chunk
	chunked bool
	begun   bool // the first chunk
	toEnd   bool
	done    bool
}

func (b *bodyReader) Read(p []byte) (int, error) {
	switch {
	case b.done:
		return 0, io.EOF
	case b.toEnd:
		n, err := b.r.read(p)
		b.done = err == io.EOF
		return n, err
	case b.chunked && b.left == 0:
		if err := b.chunk(); err != nil {
			return 0, err
		}
		if b.done {
			return 0, io.EOF
		}
	}
	n, err := b.r.read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	b.done = b.left == 0 && !b.chunked
	if n > 0 {
		err = nil
	}
	return n, early(err)
}

// chunk reads the line before a chunk, and the trailers behind the last one.
func (b *bodyReader) chunk() error {
	if b.begun {
		if line, err := b.r.line(); err != nil {
			return err
		} else if len(line) > 0 {
			return responseError("a chunk has no end")
		}
	}
	b.begun = true
	line, err := b.r.line()
	if err != nil {
		return err
	}
	size, _, _ := bytes.Cut(line, []byte(";"))
	n, err := strconv.ParseUint(text(bytes.TrimSpace(size)), 16, 63)
	if err != nil {
		return responseError(fmt.Sprintf("chunk size %.40q", size))
	}
	b.left = int64(n)
	if n > 0 {
		return nil
	}
	return b.trailer()
}

func (b *bodyReader) trailer() error {
	for size := 0; ; {
		line, err := b.r.line()
		if err != nil {
			return err
		}
		if len(line) == 0 {
			b.done = true
			return nil
		}
		if size += len(line); size > maxHead {
			return responseError("the trailers are too long")
		}
		if b.p.trailers, err = appendFields(b.p.trailers, slices.Clone(line)); err != nil {
			return err
		}
	}
}

// read gives what is buffered, else what the source has; large reads pass the buffer by.
func (r *reader) read(p []byte) (int, error) {
	if r.r < r.w {
		n := copy(p, r.buf[r.r:r.w])
		r.r += n
		return n, nil
	}
	if len(p) >= len(r.buf) {
		return r.src.Read(p)
	}
	if err := r.fill(len(r.buf)); err != nil {
		return 0, err
	}
	return r.read(p)
}

// early makes an end inside a message one.
func early(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// same compares names of fields without regard to case.
func same(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if x, y := a[i], b[i]; x != y && lower(x) != lower(y) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
