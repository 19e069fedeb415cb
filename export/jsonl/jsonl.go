// Package jsonl writes pairs as JSON lines: one object per pair, its keys those of
// [export.PairSchema] in that order, every key present, null where there is
// nothing. Strings are what the record holds; a body is text where it is valid
// UTF-8 and base64 where it is not (body_encoding says which); head is base64 and
// only there where a string of its message had to be escaped. Times are RFC 3339
// with nine decimals, UTC.
package jsonl

import (
	"io"
	"slices"
	"strconv"
	"time"

	"recap/export"
	"recap/pipeline/exchange"
)

// flushAt is how many bytes are gathered before the writer gets them.
const flushAt = 256 << 10

// maxKept bounds the buffer that is kept after a large record.
const maxKept = 4 << 20

// A Sink writes pairs to an io.Writer.
type Sink struct {
	w      io.Writer
	flush  bool
	fields []field
	cur    export.Cursor
	buf    []byte
	text   []byte // for strings that are made up on the spot
	rows   int64
	err    error

	quoted      map[*byte]quoted // bodies that are shared memory, by address
	quotedBytes int
}

// field is an export.Field with its key written out.
type field struct {
	*export.Field
	key      string // `"name":`, with a comma before it where one belongs
	children []field
	body     bool // also writes body_encoding
	head     bool
}

// New returns a sink that writes to w.
func New(w io.Writer, o export.Options) *Sink {
	schema := export.PairSchema()
	return &Sink{w: w, flush: o.Flush, fields: prepare(schema)}
}

func prepare(fields []export.Field) []field {
	var out []field
	for i := range fields {
		f := &fields[i]
		if f.Use&export.InJSON != 0 {
			continue // body_encoding is written with body
		}
		p := field{Field: f, key: `"` + f.Name + `":`, children: prepare(f.Fields)}
		p.body, p.head = f.Name == "body", f.Name == "head"
		if len(out) > 0 {
			p.key = "," + p.key
		}
		out = append(out, p)
	}
	return out
}

// Rows returns the number of pairs written.
func (s *Sink) Rows() int64 { return s.rows }

// Write implements [export.Sink].
func (s *Sink) Write(b *exchange.Batch) error {
	for _, p := range b.Pairs {
		if s.err != nil {
			break
		}
		s.cur.Pair(p)
		s.buf = append(s.object(s.buf, s.fields), '\n')
		s.rows++
		if len(s.buf) >= flushAt {
			s.send()
		}
	}
	s.cur.Release()
	if s.flush && s.err == nil {
		s.send()
	}
	return s.err
}

// Close implements [export.Sink].
func (s *Sink) Close() error {
	if s.err == nil {
		s.send()
	}
	s.buf, s.text, s.quoted = nil, nil, nil
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

func (s *Sink) object(b []byte, fields []field) []byte {
	b = append(b, '{')
	for i := range fields {
		f := &fields[i]
		b = append(b, f.key...)
		b = s.value(b, f)
	}
	return append(b, '}')
}

func (s *Sink) value(b []byte, f *field) []byte {
	switch f.Type {
	case export.Struct:
		if f.Enter != nil && !f.Enter(&s.cur) {
			break
		}
		return s.object(b, f.children)
	case export.List:
		return s.list(b, f)
	case export.String:
		if f.Str != nil {
			if v, ok := f.Str(&s.cur); ok {
				return AppendString(b, v)
			}
			break
		}
		var ok bool
		if s.text, ok = f.Text(&s.cur, s.text[:0]); ok {
			return AppendString(b, peek(s.text))
		}
	case export.Bytes:
		return s.bytes(b, f)
	case export.Time:
		if v, ok := f.Int(&s.cur); ok {
			return appendTime(b, v)
		}
	case export.Bool:
		if v, ok := f.Int(&s.cur); ok {
			return strconv.AppendBool(b, v != 0)
		}
	default:
		if v, ok := f.Int(&s.cur); ok {
			return strconv.AppendInt(b, v, 10)
		}
	}
	return append(b, "null"...)
}

func (s *Sink) bytes(b []byte, f *field) []byte {
	v, ok := f.Raw(&s.cur)
	switch {
	case f.head && !(ok && s.cur.HeadEscaped()):
		return append(b, "null"...)
	case f.head:
		return AppendBase64(b, v)
	case !ok:
		return append(b, `null,"body_encoding":null`...)
	}
	if !f.body || len(v) == 0 || !s.cur.Shared() {
		return appendEncoded(b, v)
	}
	// The same body in the same memory as before: it was quoted before.
	if q, ok := s.quoted[&v[0]]; ok && len(q.body) == len(v) {
		return append(b, q.text...)
	}
	start := len(b)
	b = appendEncoded(b, v)
	text := b[start:]
	if len(text) > maxQuoted/8 {
		return b
	}
	if s.quotedBytes += len(v) + len(text); s.quotedBytes > maxQuoted || s.quoted == nil {
		s.quoted, s.quotedBytes = make(map[*byte]quoted), len(v)+len(text)
	}
	s.quoted[&v[0]] = quoted{v, slices.Clone(text)}
	return b
}

// quoted is a body and how it is written. Holding the body keeps its address from
// being anything else's.
type quoted struct{ body, text []byte }

// maxQuoted bounds what is remembered of quoted bodies, bytes.
const maxQuoted = 16 << 20

func appendEncoded(b, v []byte) []byte {
	b, encoding := AppendBody(b, v)
	b = append(b, `,"body_encoding":"`...)
	b = append(b, encoding...)
	return append(b, '"')
}

func (s *Sink) list(b []byte, f *field) []byte {
	b = append(b, '[')
	switch {
	case f.Headers != nil:
		for i, h := range f.Headers(&s.cur) {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(b, `{"name":`...)
			b = AppendString(b, h.Name)
			b = append(b, `,"value":`...)
			b = append(AppendString(b, h.Value), '}')
		}
	case f.Ints != nil:
		for i, v := range f.Ints(&s.cur) {
			if i > 0 {
				b = append(b, ',')
			}
			b = strconv.AppendInt(b, v, 10)
		}
	default:
		for i := range f.Len(&s.cur) {
			if i > 0 {
				b = append(b, ',')
			}
			f.At(&s.cur, i)
			b = s.value(b, &f.children[0])
		}
	}
	return append(b, ']')
}

// appendTime appends RFC 3339 with nine decimals. The time is in UTC and, being an
// int64 of nanoseconds, between the years 1677 and 2262.
func appendTime(b []byte, ns int64) []byte {
	sec, frac := ns/1e9, ns%1e9
	if frac < 0 {
		sec, frac = sec-1, frac+1e9
	}
	t := time.Unix(sec, 0).UTC()
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	b = two(two(append(b, '"'), year/100), year%100)
	b = two(append(two(append(b, '-'), int(month)), '-'), day)
	b = two(append(two(append(two(append(b, 'T'), hour), ':'), minute), ':'), second)
	b = append(b, '.')
	for div := int64(1e8); div > 0; div /= 10 {
		b = append(b, byte('0'+frac/div%10))
	}
	return append(b, 'Z', '"')
}

func two(b []byte, n int) []byte { return append(b, byte('0'+n/10), byte('0'+n%10)) }
