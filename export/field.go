package export

import "recap/pipeline/exchange"

// What a field is, and how its value is taken from a record. The list of fields is in schema.go.

// Type is what kind of value a field holds.
type Type uint8

// Types of fields.
const (
	String Type = iota // valid UTF-8
	Bytes              // any bytes
	Int32
	Int64
	Bool
	Time // nanoseconds since the epoch; people read it in UTC
	Struct
	List // of the one element in Fields
)

var typeNames = [...]string{"string", "bytes", "int32", "int64", "bool", "time", "struct", "list"}

func (t Type) String() string { return typeNames[t] }

// Use says how a column is written; it never changes a value.
type Use uint8

// Uses of fields.
const (
	Dict   Use = 1 << iota // values repeat: worth a dictionary
	Stats                  // minimum and maximum per row group
	Bloom                  // bloom filter per row group
	Bulky                  // bodies and heads: never in a footer
	InJSON                 // in JSON lines only
)

// A Field describes one field of a record and how to take it from there. Which of
// the functions is set follows from Type; a Cursor given to them stands on the
// record and, inside groups and lists, was moved there by Enter and At.
type Field struct {
	Name string
	Type Type
	// Null: the field may be null. Lists never are; they may be empty.
	Null   bool
	Use    Use
	Doc    string
	Fields []Field // of a Struct; the element of a List

	// Exactly one of these for each leaf. The second result is false for null.
	Str  func(c *Cursor) (string, bool)
	Text func(c *Cursor, dst []byte) ([]byte, bool) // appends; for strings that are made up on the spot
	Raw  func(c *Cursor) ([]byte, bool)
	Int  func(c *Cursor) (int64, bool) // Int32, Int64, Bool (0 or 1) and Time

	// Enter moves into a Struct; false: the group is null. Not set where the group
	// is always there and needs no moving.
	Enter func(c *Cursor) bool
	// Len and At are how long a List is and the move to its element i.
	Len func(c *Cursor) int
	At  func(c *Cursor, i int)
	// Headers and Ints, where set, give the whole List at once.
	Headers func(c *Cursor) []exchange.Header
	Ints    func(c *Cursor) []int64
}

// A Cursor is a place in a record. The zero Cursor stands nowhere; Pair, Flow
// and Message put it at the start of a record. It holds what it is given until the next one.
type Cursor struct {
	pair     *exchange.Pair
	flow     *exchange.Flow
	stream   *exchange.StreamMessage
	conn     *exchange.Conn
	end      *exchange.Endpoint
	msg      *exchange.Message
	side     *exchange.FlowSide
	vantage  *exchange.Vantage
	conflict *exchange.Conflict
	interim  *exchange.Interim
	tunnels  []exchange.Tunnel
	index    int
	option   int // among those of tunnels[index]
	names    []string
}

// Pair puts the cursor on p.
func (c *Cursor) Pair(p *exchange.Pair) {
	c.pair, c.conn = p, p.Conn
	if c.conn == nil {
		c.conn = &exchange.Conn{}
	}
}

// Flow puts the cursor on f.
func (c *Cursor) Flow(f *exchange.Flow) {
	c.flow, c.conn = f, f.Conn
	if c.conn == nil {
		c.conn = &exchange.Conn{}
	}
}

// Message puts the cursor on m.
func (c *Cursor) Message(m *exchange.StreamMessage) {
	c.stream, c.conn = m, m.Conn
	if c.conn == nil {
		c.conn = &exchange.Conn{}
	}
}

// HeadEscaped reports whether a string of the message under the cursor had to be
// escaped, so that only its head holds the truth.
func (c *Cursor) HeadEscaped() bool { return c.msg != nil && c.msg.HeadEscaped }

// Shared reports whether the message's body is memory that never changes.
func (c *Cursor) Shared() bool { return c.msg != nil && c.msg.Shared }

// Release forgets the record, so that nothing of it is kept alive.
func (c *Cursor) Release() { *c = Cursor{names: c.names[:0]} }

// some is a string that is null when empty: what the capture does not tell.
func some(s string) (string, bool) { return s, s != "" }

func text(name, doc string, use Use, f func(c *Cursor) string) Field {
	return Field{Name: name, Type: String, Use: use, Doc: doc, Str: func(c *Cursor) (string, bool) { return f(c), true }}
}

func optText(name, doc string, use Use, f func(c *Cursor) string) Field {
	return Field{Name: name, Type: String, Null: true, Use: use, Doc: doc, Str: func(c *Cursor) (string, bool) { return some(f(c)) }}
}

func int64s(name, doc string, use Use, f func(c *Cursor) int64) Field {
	return Field{Name: name, Type: Int64, Use: use, Doc: doc, Int: func(c *Cursor) (int64, bool) { return f(c), true }}
}

func int32s(name, doc string, use Use, f func(c *Cursor) int32) Field {
	return Field{Name: name, Type: Int32, Use: use, Doc: doc, Int: func(c *Cursor) (int64, bool) { return int64(f(c)), true }}
}

func flag(name, doc string, f func(c *Cursor) bool) Field {
	return Field{Name: name, Type: Bool, Doc: doc, Int: func(c *Cursor) (int64, bool) {
		if f(c) {
			return 1, true
		}
		return 0, true
	}}
}

// optInt is an int64 that is null when it equals none.
func optInt(name, doc string, use Use, none int64, f func(c *Cursor) int64) Field {
	return Field{Name: name, Type: Int64, Null: true, Use: use, Doc: doc, Int: func(c *Cursor) (int64, bool) {
		n := f(c)
		return n, n != none
	}}
}

// times returns the two fields of a time. Every int64 of nanoseconds lies between
// the years 1677 and 2262, so that both are null or neither is.
func times(prefix, doc string, use Use, f func(c *Cursor) int64) []Field {
	human := optInt(prefix, doc+", UTC", use, exchange.NoTime, f)
	human.Type = Time
	return []Field{human, optInt(prefix+"_ns", doc+", nanoseconds since the epoch, exact", use, exchange.NoTime, f)}
}

// group is a group that may be null; enter moves into it.
func group(name, doc string, enter func(c *Cursor) bool, fields ...Field) Field {
	return Field{Name: name, Type: Struct, Null: true, Doc: doc, Enter: enter, Fields: fields}
}

func always(name, doc string, enter func(c *Cursor), fields ...Field) Field {
	return Field{Name: name, Type: Struct, Doc: doc, Fields: fields, Enter: func(c *Cursor) bool { enter(c); return true }}
}

func listOf(name, doc string, n func(c *Cursor) int, at func(c *Cursor, i int), element Field) Field {
	element.Name = "element"
	return Field{Name: name, Type: List, Doc: doc, Len: n, At: at, Fields: []Field{element}}
}

func row(fields ...Field) Field { return Field{Type: Struct, Fields: fields} }

// Value makes the field of the record under c into plain Go values: string,
// []byte, int32, int64, bool, map[string]any, []any, or nil for null. It is for
// tests and for filters that look at whole lists; it allocates. Strings and bytes
// still belong to the record.
func (f *Field) Value(c *Cursor) any {
	switch f.Type {
	case Struct:
		if f.Enter != nil && !f.Enter(c) {
			return nil
		}
		m := make(map[string]any, len(f.Fields))
		for i := range f.Fields {
			m[f.Fields[i].Name] = f.Fields[i].Value(c)
		}
		return m
	case List:
		l := make([]any, f.Len(c))
		for i := range l {
			f.At(c, i)
			l[i] = f.Fields[0].Value(c)
		}
		return l
	case String:
		if f.Str != nil {
			if s, ok := f.Str(c); ok {
				return s
			}
		} else if b, ok := f.Text(c, nil); ok {
			return string(b)
		}
		return nil
	case Bytes:
		if b, ok := f.Raw(c); ok {
			return b
		}
		return nil
	}
	n, ok := f.Int(c)
	switch {
	case !ok:
		return nil
	case f.Type == Int32:
		return int32(n)
	case f.Type == Bool:
		return n != 0
	}
	return n
}

// Micros rounds nanoseconds down to microseconds, before the epoch too.
func Micros(ns int64) int64 { return floor(ns, 1e3) }

// Millis rounds nanoseconds down to milliseconds, before the epoch too.
func Millis(ns int64) int64 { return floor(ns, 1e6) }

func floor(n, unit int64) int64 {
	q := n / unit
	if n%unit < 0 {
		q--
	}
	return q
}
