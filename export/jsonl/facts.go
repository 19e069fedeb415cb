package jsonl

import (
	"strings"

	"recap/export"
	"recap/pipeline/exchange"
)

// Facts writes those of some fields that have a value: no nulls, no empty lists.
type Facts struct {
	encoder
	enter  func(c *export.Cursor) bool
	fields []field
}

// NewFacts returns Facts of the given fields of a pair. Their keys begin with prefix.
func NewFacts(prefix string, fields []export.Field) *Facts {
	f := &Facts{fields: prepare(fields)}
	f.sparse = true
	for i := range f.fields {
		f.fields[i].key = `"` + prefix + f.fields[i].Name + `":`
	}
	return f
}

// FactsOf returns Facts of the members of a group of a pair.
func FactsOf(prefix string, group export.Field) *Facts {
	f := NewFacts(prefix, group.Fields)
	f.enter = group.Enter
	return f
}

// Append appends members to an object that dst ends inside.
func (f *Facts) Append(dst []byte, p *exchange.Pair) []byte {
	f.cur.Pair(p)
	if f.enter != nil && !f.enter(&f.cur) {
		return dst
	}
	return f.members(dst, f.fields)
}

func (e *encoder) members(b []byte, fields []field) []byte {
	for i := range fields {
		f := &fields[i]
		before := len(b)
		b = append(comma(b), strings.TrimPrefix(f.key, ",")...)
		at := len(b)
		b = e.value(b, f)
		// A string begins with a quote, and a null body's encoding is null with it.
		if v := string(b[at:min(at+len("null"), len(b))]); v == "null" || v == "[]" || v == "{}" {
			b = b[:before]
		}
	}
	return b
}

// comma appends the comma before the next member or element where one belongs.
func comma(b []byte) []byte {
	if c := b[len(b)-1]; c == '{' || c == '[' {
		return b
	}
	return append(b, ',')
}
