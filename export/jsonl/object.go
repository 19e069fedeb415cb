package jsonl

import (
	"encoding/hex"
	"net/netip"
	"strconv"

	"recap/export"
	"recap/pipeline/exchange"
)

// maxDepth bounds how deep objects and lists of an Object lie in each other.
const maxDepth = 8

// An Object is written member by member at the end of a buffer. Names of members
// must need no escape. An empty name stands for an element of a list.
type Object struct {
	b       []byte
	open    [maxDepth]opening
	depth   int
	address []byte
}

// opening is an object or a list that is open.
type opening struct {
	at  int // where the member begins
	end byte
}

// Begin opens the object itself, behind dst.
func (o *Object) Begin(dst []byte) {
	o.b, o.depth = append(dst, '{'), 0
}

// End closes the object and returns dst with it. Nothing of either is kept.
func (o *Object) End() []byte {
	b := append(o.b, '}')
	o.b = nil
	return b
}

// Add has f append members.
func (o *Object) Add(f *Facts, p *exchange.Pair) { o.b = f.Append(o.b, p) }

func (o *Object) key(name string) {
	o.b = comma(o.b)
	if name != "" {
		o.b = append(append(append(o.b, '"'), name...), '"', ':')
	}
}

// Open opens an object.
func (o *Object) Open(name string) { o.enter(name, '{', '}') }

// OpenList opens a list.
func (o *Object) OpenList(name string) { o.enter(name, '[', ']') }

func (o *Object) enter(name string, c, end byte) {
	o.open[o.depth] = opening{len(o.b), end}
	o.depth++
	o.key(name)
	o.b = append(o.b, c)
}

// Close closes what was opened last.
func (o *Object) Close() {
	o.depth--
	o.b = append(o.b, o.open[o.depth].end)
}

// CloseAny closes what was opened last, or takes it back if nothing is in it.
func (o *Object) CloseAny() {
	if c := o.b[len(o.b)-1]; c == '{' || c == '[' {
		o.depth--
		o.b = o.b[:o.open[o.depth].at]
		return
	}
	o.Close()
}

// Text writes a string.
func (o *Object) Text(name, v string) {
	o.key(name)
	o.b = AppendString(o.b, v)
}

// Str writes a string that is not empty.
func (o *Object) Str(name, v string) {
	if v != "" {
		o.Text(name, v)
	}
}

// Bytes writes text of any bytes that is not empty, as [AppendString] does.
func (o *Object) Bytes(name string, v []byte) { o.Str(name, export.Peek(v)) }

// Int writes a number.
func (o *Object) Int(name string, v int64) {
	o.key(name)
	o.b = strconv.AppendInt(o.b, v, 10)
}

// True writes true if v is.
func (o *Object) True(name string, v bool) {
	if v {
		o.Raw(name, "true")
	}
}

// Raw writes JSON as it is.
func (o *Object) Raw(name, json string) {
	o.key(name)
	o.b = append(o.b, json...)
}

// Decimal writes v divided by ten to the power of decimals, without trailing zeros.
func (o *Object) Decimal(name string, v int64, decimals int) {
	o.key(name)
	o.b = appendDecimal(o.b, v, decimals)
}

func appendDecimal(b []byte, v int64, decimals int) []byte {
	u := uint64(v)
	if v < 0 {
		b, u = append(b, '-'), -u
	}
	var digits [20]byte
	text := strconv.AppendUint(digits[:0], u, 10)
	if n := len(text) - decimals; n > 0 {
		b, text = append(b, text[:n]...), text[n:]
	} else {
		b = append(b, '0')
	}
	point := len(b)
	b = append(b, '.')
	for n := decimals - len(text); n > 0; n-- {
		b = append(b, '0')
	}
	b = append(b, text...)
	for b[len(b)-1] == '0' {
		b = b[:len(b)-1]
	}
	if len(b) == point+1 {
		b = b[:point]
	}
	return b
}

// Time writes a time in UTC with nine decimals, if it is known.
func (o *Object) Time(name string, ns int64) { o.Stamp(name, ns, 9, "Z") }

// Stamp writes a time as [AppendTime] does, if it is known.
func (o *Object) Stamp(name string, ns int64, decimals int, utc string) {
	if ns != exchange.NoTime {
		o.key(name)
		o.b = AppendTime(o.b, ns, decimals, utc)
	}
}

// Body writes a body as [AppendBody] does, and says how.
func (o *Object) Body(name string, v []byte) (encoding string) {
	o.key(name)
	o.b, encoding = AppendBody(o.b, v)
	return encoding
}

// Addr writes a valid address.
func (o *Object) Addr(name string, a netip.Addr) {
	if a.IsValid() {
		o.address = a.AppendTo(o.address[:0])
		o.Bytes(name, o.address)
	}
}

// MAC writes a link address, in hex digits of one case with a separator.
func (o *Object) MAC(name string, e *exchange.Endpoint, digits string, sep byte) {
	if !e.HasMAC {
		return
	}
	o.key(name)
	o.b = append(o.b, '"')
	for i, c := range e.MAC {
		if i > 0 {
			o.b = append(o.b, sep)
		}
		o.b = append(o.b, digits[c>>4], digits[c&15])
	}
	o.b = append(o.b, '"')
}

// Headers writes fields as a list of objects with name and value.
func (o *Object) Headers(name string, list []exchange.Header) {
	o.OpenList(name)
	o.b = appendHeaders(o.b, list)
	o.Close()
}

// ID writes an id in hex.
func (o *Object) ID(name string, id exchange.ID) {
	o.key(name)
	o.b = append(hex.AppendEncode(append(o.b, '"'), id[:]), '"')
}
