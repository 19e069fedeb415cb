// Package jsonl writes pairs as JSON lines: one object per pair, its keys those of
// [export.PairSchema] in that order, every key present, null where there is
// nothing. Strings are what the record holds; a body is text where it is valid
// UTF-8 and base64 where it is not (body_encoding says which); head is base64 and
// only there where a string of its message had to be escaped. Times are RFC 3339
// with nine decimals, UTC.
//
// What other formats made of JSON need is here too: a [Sink] of rows of any form,
// an [Object] written member by member, the [Facts] of a record that a format has
// no fields for.
package jsonl

import (
	"io"

	"recap/export"
	"recap/pipeline/exchange"
)

// New returns a sink that writes to w.
func New(w io.Writer, o export.Options) *Sink {
	return NewSink(w, o, Lines(), &record{fields: prepare(export.PairSchema())})
}

// record writes the whole of a pair.
type record struct {
	encoder
	fields []field
}

func (r *record) Append(dst []byte, p *exchange.Pair) []byte {
	r.cur.Pair(p)
	return r.object(dst, r.fields)
}
