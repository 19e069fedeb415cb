package textdump

import (
	"bytes"
	"time"

	"recap/reader/packet"
)

// A cursor reads a line from left to right. Once something is not there, it is bad and
// finds nothing more.
type cursor struct {
	rest []byte
	bad  bool
}

func (c *cursor) fail() { c.rest, c.bad = nil, true }

// word steps over a text that must follow.
func (c *cursor) word(w string) {
	if len(c.rest) < len(w) || string(c.rest[:len(w)]) != w {
		c.fail()
		return
	}
	c.rest = c.rest[len(w):]
}

// spaces steps over spaces; there may be none.
func (c *cursor) spaces() { c.rest = bytes.TrimLeft(c.rest, " \t") }

// after steps behind the next place where a text stands, and returns what is before.
func (c *cursor) after(w string) []byte {
	n := bytes.Index(c.rest, []byte(w))
	if n < 0 {
		c.fail()
		return nil
	}
	before := c.rest[:n]
	c.rest = c.rest[n+len(w):]
	return before
}

// digits returns the number that follows, and of how many digits it is: 1 to 15.
func (c *cursor) digits() (v int64, n int) {
	for n < len(c.rest) && c.rest[n]-'0' < 10 {
		v = v*10 + int64(c.rest[n]-'0')
		if n++; n > 15 {
			c.fail()
			return 0, 0
		}
	}
	if n == 0 {
		c.fail()
	}
	c.rest = c.rest[min(n, len(c.rest)):]
	return v, n
}

// number returns the number that follows.
func (c *cursor) number() int64 {
	v, _ := c.digits()
	return v
}

// below returns the number that follows, which must be less than limit.
func (c *cursor) below(limit int64) int64 {
	v := c.number()
	if v >= limit {
		c.fail()
	}
	return v
}

// fraction returns the digits behind a decimal point, in nanoseconds; 1 to 9 of them.
func (c *cursor) fraction() int64 {
	v, n := c.digits()
	if n > 9 {
		c.fail()
	}
	for ; n < 9; n++ {
		v *= 10
	}
	return v
}

// clock returns the time of day that follows, as 9:05:07 or 09:05:07, in nanoseconds.
func (c *cursor) clock() int64 {
	h := c.below(24)
	c.word(":")
	m := c.below(60)
	c.word(":")
	s := c.below(61)
	return ((h*60+m)*60 + s) * 1e9
}

const halfDay = 12 * 3600 * 1e9

// daytime makes times out of times of day: one that falls by more than half a day has passed
// midnight.
type daytime struct {
	last, day int64 // nanoseconds
}

// since returns the time since the midnight that began the first day.
func (d *daytime) since(at int64) int64 {
	if at < d.last-halfDay {
		d.day += 2 * halfDay
	}
	d.last = at
	return d.day + at
}

// month returns the month whose name follows, out of names that begin with January's.
func (c *cursor) month(names *[12]string) time.Month {
	for i, name := range names {
		if bytes.HasPrefix(c.rest, []byte(name)) {
			c.rest = c.rest[len(name):]
			return time.Month(i + 1)
		}
	}
	c.fail()
	return 0
}

var shortMonths = [12]string{"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"}

// vmsTime returns the time that follows as VMS prints it: 10-OCT-2001 10:20:45.16.
func (c *cursor) vmsTime() int64 {
	day := c.number()
	c.word("-")
	month := c.month(&shortMonths)
	c.word("-")
	year := c.number()
	c.word(" ")
	at := c.clock()
	c.word(".")
	at += c.fraction()
	return c.dated(year, month, day, at)
}

// dated returns a time of day as nanoseconds since 1970. Years are those that fit.
func (c *cursor) dated(year int64, month time.Month, day, at int64) int64 {
	if c.bad || year < 1970 || year > 2200 || month < 1 || month > 12 || day < 1 || day > 31 {
		c.fail()
		return packet.NoTime
	}
	return time.Date(int(year), month, int(day), 0, 0, 0, 0, time.UTC).Unix()*1e9 + at
}

// length returns the number of bytes that follows: at least 1, at most what r may hold.
func (c *cursor) length(r *record) int {
	n := c.number()
	switch {
	case c.bad || n == 0:
		c.fail()
	case n > int64(r.max):
		r.fail("packet length exceeds the limit")
	}
	return int(min(n, int64(r.max)))
}

// nibble returns the value of a hexadecimal digit, or 16 and more.
func nibble(c byte) byte {
	switch {
	case c-'0' < 10:
		return c - '0'
	case c|0x20-'a' < 6:
		return c | 0x20 - 'a' + 10
	}
	return 16
}

// pair returns the byte whose two digits begin b.
func pair(b []byte) (v byte, ok bool) {
	if len(b) < 2 {
		return 0, false
	}
	high, low := nibble(b[0]), nibble(b[1])
	return high<<4 | low, high|low < 16
}

// hexadecimal returns the number of up to 8 digits that is all of b.
func hexadecimal(b []byte) (v int64, ok bool) {
	for _, c := range b {
		d := nibble(c)
		if d > 15 {
			return 0, false
		}
		v = v<<4 | int64(d)
	}
	return v, len(b) > 0 && len(b) <= 8
}

// pairs appends the bytes that begin b to dst, each two digits and, between them, sep. It
// returns what follows the last.
func pairs(dst, b []byte, sep string) (all, rest []byte) {
	for {
		v, ok := pair(b)
		if !ok {
			return dst, b
		}
		dst, b = append(dst, v), b[2:]
		next, found := bytes.CutPrefix(b, []byte(sep))
		if _, ok := pair(next); !found || !ok {
			return dst, b
		}
		b = next
	}
}

// add appends the row to the packet, unless its bytes are more than are to come. All rows
// but the last are full.
func (r *record) add() {
	switch {
	case r.short && len(r.row) > 0:
		r.fail(badDump)
	case len(r.data)+len(r.row) > r.max:
		r.fail("packet of more bytes than the limit")
	case r.length >= 0 && len(r.row) > r.missing():
		r.fail("more bytes than the length of the packet")
	default:
		r.data = append(r.data, r.row...)
		r.short = len(r.row) < fullRow
		r.whole = len(r.data) == r.length
	}
}

// fullRow is how many bytes a row has; some have more.
const fullRow = 16

// broken says whether a line that is no row looks as if it had been one: most of its words
// are bytes, or many.
func broken(line []byte) bool {
	bytes, all := words(line)
	return bytes > 0 && (bytes >= 4 || 2*bytes >= all)
}

// words returns how many words of a line are two hexadecimal digits, and how many there are.
func words(line []byte) (bytes, all int) {
	for i := 0; i < len(line); i++ {
		from := i
		for i < len(line) && line[i] != ' ' {
			i++
		}
		if i == from {
			continue
		}
		all++
		if _, ok := pair(line[from:i]); ok && i-from == 2 {
			bytes++
		}
	}
	return bytes, all
}

// columns reads a row whose digits stand at columns of line. It says whether they are digits,
// and behind the first blank column there are no more.
func (r *record) columns(line []byte, column func(i int) int) bool {
	r.row = r.row[:0]
	for i := range fullRow {
		at := column(i)
		if blank(line, at, at+2) {
			continue
		}
		v, ok := pair(line[at:])
		if !ok || len(r.row) < i {
			return false
		}
		r.row = append(r.row, v)
	}
	return len(r.row) > 0
}

// blank says whether nothing stands in columns from up to but not including to of line.
func blank(line []byte, from, to int) bool {
	to = min(to, len(line))
	return from >= to || len(bytes.TrimSpace(line[from:to])) == 0
}
