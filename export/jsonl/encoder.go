package jsonl

import (
	"slices"
	"strconv"

	"recap/export"
	"recap/pipeline/exchange"
)

// An encoder writes values of a record. Its cursor must stand on the record.
type encoder struct {
	cur  export.Cursor
	text []byte // for strings that are made up on the spot
	// sparse leaves out what has no value.
	sparse bool

	quoted      map[*byte]quoted // bodies that are shared memory, by address
	quotedBytes int
}

// Release forgets the record, so that nothing of it is kept alive.
func (e *encoder) Release() { e.cur.Release() }

// field is an export.Field with its key written out.
type field struct {
	*export.Field
	key      string // `"name":`, with a comma before it where one belongs
	children []field
	body     bool // also writes body_encoding
	head     bool
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

func (e *encoder) object(b []byte, fields []field) []byte {
	b = append(b, '{')
	if e.sparse {
		return append(e.members(b, fields), '}')
	}
	for i := range fields {
		f := &fields[i]
		b = append(b, f.key...)
		b = e.value(b, f)
	}
	return append(b, '}')
}

func (e *encoder) value(b []byte, f *field) []byte {
	switch f.Type {
	case export.Struct:
		if f.Enter != nil && !f.Enter(&e.cur) {
			break
		}
		return e.object(b, f.children)
	case export.List:
		return e.list(b, f)
	case export.String:
		if f.Str != nil {
			if v, ok := f.Str(&e.cur); ok {
				return AppendString(b, v)
			}
			break
		}
		var ok bool
		if e.text, ok = f.Text(&e.cur, e.text[:0]); ok {
			return AppendString(b, export.Peek(e.text))
		}
	case export.Bytes:
		return e.bytes(b, f)
	case export.Time:
		if v, ok := f.Int(&e.cur); ok {
			return AppendTime(b, v, 9, "Z")
		}
	case export.Bool:
		if v, ok := f.Int(&e.cur); ok {
			return strconv.AppendBool(b, v != 0)
		}
	default:
		if v, ok := f.Int(&e.cur); ok {
			return strconv.AppendInt(b, v, 10)
		}
	}
	return append(b, "null"...)
}

func (e *encoder) bytes(b []byte, f *field) []byte {
	v, ok := f.Raw(&e.cur)
	switch {
	case f.head && !(ok && e.cur.HeadEscaped()):
		return append(b, "null"...)
	case f.head:
		return AppendBase64(b, v)
	case !ok:
		return append(b, `null,"body_encoding":null`...)
	}
	if !f.body || len(v) == 0 || !e.cur.Shared() {
		return appendEncoded(b, v)
	}
	// The same body in the same memory as before: it was quoted before.
	if q, ok := e.quoted[&v[0]]; ok && len(q.body) == len(v) {
		return append(b, q.text...)
	}
	start := len(b)
	b = appendEncoded(b, v)
	text := b[start:]
	if len(text) > maxQuoted/8 {
		return b
	}
	if e.quotedBytes += len(v) + len(text); e.quotedBytes > maxQuoted || e.quoted == nil {
		e.quoted, e.quotedBytes = make(map[*byte]quoted), len(v)+len(text)
	}
	e.quoted[&v[0]] = quoted{v, slices.Clone(text)}
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

func (e *encoder) list(b []byte, f *field) []byte {
	b = append(b, '[')
	switch {
	case f.Headers != nil:
		b = appendHeaders(b, f.Headers(&e.cur))
	case f.Ints != nil:
		for i, v := range f.Ints(&e.cur) {
			if i > 0 {
				b = append(b, ',')
			}
			b = strconv.AppendInt(b, v, 10)
		}
	default:
		for i := range f.Len(&e.cur) {
			if i > 0 {
				b = append(b, ',')
			}
			f.At(&e.cur, i)
			b = e.value(b, &f.children[0])
		}
	}
	return append(b, ']')
}

func appendHeaders(b []byte, list []exchange.Header) []byte {
	for i, h := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"name":`...)
		b = AppendString(b, h.Name)
		b = append(b, `,"value":`...)
		b = append(AppendString(b, h.Value), '}')
	}
	return b
}
