package reader

import (
	"bufio"
	"bytes"
	"errors"
	"io"

	"recap/reader/format"
)

// maxLayers is how often an input may be compressed over.
const maxLayers = 4

// maxEmpty is how often a reader may return nothing before it is given up.
const maxEmpty = 100

// sniffBuffer is the size of reads below a decompressor, bytes.
const sniffBuffer = 256 << 10

// sniffed is an input whose format is known.
type sniffed struct {
	format      format.Format
	ok          bool
	r           io.Reader // from the beginning of the unpacked file
	head        []byte
	compression string
	close       []io.Closer
}

func (s *sniffed) Close() error {
	for _, c := range s.close {
		c.Close()
	}
	s.close = nil
	return nil
}

// sniff finds out what r is, below any compression. note receives damage of
// the compressed data that does not end it.
func sniff(r io.Reader, o *Options, note func(error)) (*sniffed, error) {
	s := &sniffed{r: r}
	for range maxLayers + 1 {
		in := s.r
		head, err := readHead(in, o.Formats)
		s.head = head
		s.r = &prefixed{head: head, err: err, r: in}
		if s.format, s.ok = formatOf(head, o.Formats, false); s.ok {
			return s, nil
		}
		c := compressionOf(head)
		if c == nil {
			if s.format, s.ok = formatOf(head, o.Formats, true); s.ok {
				return s, nil
			}
			if err == nil && isText(head) {
				head, err = readText(in, head)
				s.head, s.r = head, &prefixed{head: head, err: err, r: in}
				if s.format, s.ok = textOf(head, o.Formats); s.ok {
					return s, nil
				}
			}
			if err != nil && err != io.EOF {
				return s, err
			}
			return s, nil
		}
		under := &counting{r: s.r}
		buf := bufio.NewReaderSize(under, sniffBuffer)
		z, err := c.open(buf, o, note)
		if err != nil {
			return s, &unpackError{name: c.name, err: err}
		}
		s.close = append(s.close, z)
		s.r = &unpacking{name: c.name, z: z, in: under, buf: buf}
		if s.compression != "" {
			s.compression += "+"
		}
		s.compression += c.name
	}
	return s, errors.New("compressed too many times over")
}

// formatOf returns the format of a file that begins with head, out of those with
// a magic number or of the weak ones.
func formatOf(head []byte, formats []format.Format, weak bool) (f format.Format, ok bool) {
	for _, f := range formats {
		if f.Weak == weak && f.Match(head) {
			return f, true
		}
	}
	return f, false
}

// textOf is [formatOf] for formats of which the beginning of a text may say nothing.
func textOf(head []byte, formats []format.Format) (f format.Format, ok bool) {
	for _, f := range formats {
		if f.Text && f.Match(head) {
			return f, true
		}
	}
	return f, false
}

// isText says whether head may be of a text, for which it is enough to hold no zero byte: few
// files of other kinds are so over [format.HeadSize] bytes.
func isText(head []byte) bool { return bytes.IndexByte(head, 0) < 0 }

// readText reads on behind head, up to [format.TextSize] bytes.
func readText(r io.Reader, head []byte) ([]byte, error) {
	all := append(make([]byte, 0, format.TextSize), head...)
	for empty := 0; len(all) < format.TextSize; {
		n, err := r.Read(all[len(all):format.TextSize])
		all = all[:len(all)+n]
		if err != nil {
			return all, err
		}
		if n > 0 {
			empty = 0
		} else if empty++; empty > maxEmpty {
			return all, io.ErrNoProgress
		}
	}
	return all, nil
}

func compressionOf(head []byte) *compression {
	for i, c := range compressions {
		if c.match(head) {
			return &compressions[i]
		}
	}
	return nil
}

// readHead reads the first bytes of r: no more than it takes to know the format,
// because the rest of a pipe may come late.
func readHead(r io.Reader, formats []format.Format) ([]byte, error) {
	head := make([]byte, 0, 64) // enough for every magic number
	for empty := 0; len(head) < format.HeadSize; {
		if len(head) == cap(head) {
			head = append(make([]byte, 0, format.HeadSize), head...)
		}
		n, err := r.Read(head[len(head):cap(head)])
		head = head[:len(head)+n]
		if err != nil {
			return head, err
		}
		if n > 0 {
			empty = 0
		} else if empty++; empty > maxEmpty {
			return head, io.ErrNoProgress
		}
		if len(head) < 16 {
			continue
		}
		if _, ok := formatOf(head, formats, false); ok || compressionOf(head) != nil {
			return head, nil
		}
	}
	return head, nil
}

// prefixed reads what was already taken from r, then the error that followed it
// or the rest.
type prefixed struct {
	head []byte
	err  error
	r    io.Reader
}

func (p *prefixed) Read(b []byte) (int, error) {
	if len(p.head) > 0 {
		n := copy(b, p.head)
		p.head = p.head[n:]
		return n, nil
	}
	if p.err != nil {
		return 0, p.err
	}
	return p.r.Read(b)
}

// counting counts what was read.
type counting struct {
	r io.Reader
	n int64
}

func (c *counting) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += int64(n)
	return n, err
}

// unpacking tells where compressed data is damaged.
type unpacking struct {
	name string
	z    io.Reader
	in   *counting
	buf  *bufio.Reader
	out  int64
}

func (u *unpacking) Read(b []byte) (int, error) {
	n, err := u.z.Read(b)
	u.out += int64(n)
	if err != nil && err != io.EOF {
		err = &unpackError{name: u.name, in: u.in.n - int64(u.buf.Buffered()), out: u.out, err: err}
	}
	return n, err
}
