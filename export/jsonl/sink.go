package jsonl

import (
	"io"

	"recap/export"
	"recap/pipeline/exchange"
)

// flushAt is how many bytes are gathered before the writer gets them.
const flushAt = 256 << 10

// maxKept bounds the buffer that is kept after a large record.
const maxKept = 4 << 20

// Rows make text of pairs.
type Rows interface {
	// Append appends the row of p. Nothing of p may be kept, but until Release.
	Append(dst []byte, p *exchange.Pair) []byte
	// Release forgets the pairs seen so far.
	Release()
}

// A Frame is what stands around rows.
type Frame struct {
	Head, Tail    string // of the file
	Before, After string // of each row; the first has no Before
}

// Lines is the frame of files of lines.
func Lines() Frame { return Frame{After: "\n"} }

// A Sink writes a row for each pair to an io.Writer, and only whole rows at a time.
type Sink struct {
	w     io.Writer
	flush bool
	frame Frame
	form  Rows
	buf   []byte
	rows  int64
	err   error
}

// NewSink returns a sink that writes to w.
func NewSink(w io.Writer, o export.Options, f Frame, form Rows) *Sink {
	return &Sink{w: w, flush: o.Flush, frame: f, form: form, buf: []byte(f.Head)}
}

// Rows returns the number of pairs written.
func (s *Sink) Rows() int64 { return s.rows }

// Write implements [export.Sink].
func (s *Sink) Write(b *exchange.Batch) error {
	for _, p := range b.Pairs {
		if s.err != nil {
			break
		}
		if s.rows > 0 {
			s.buf = append(s.buf, s.frame.Before...)
		}
		s.buf = append(s.form.Append(s.buf, p), s.frame.After...)
		s.rows++
		if len(s.buf) >= flushAt {
			s.send()
		}
	}
	s.form.Release()
	if s.flush && s.err == nil {
		s.send()
	}
	return s.err
}

// Close implements [export.Sink].
func (s *Sink) Close() error {
	if s.err == nil {
		s.buf = append(s.buf, s.frame.Tail...)
		s.send()
	}
	s.buf, s.form = nil, nil
	return s.err
}

func (s *Sink) send() {
	if len(s.buf) > 0 {
		_, s.err = s.w.Write(s.buf)
	}
	if cap(s.buf) > maxKept {
		s.buf = nil
	}
	s.buf = s.buf[:0]
}
