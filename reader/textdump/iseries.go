package textdump

import (
	"bytes"
	"time"

	"recap/reader/packet"
)

// iseries reads the communications trace of IBM i (iSeries, AS/400), printed with
// ASCII(*YES), after wiretap/iseries.c: pages with a heading, of which the first tells the
// date, and records of Ethernet, each with the headers or with all bytes as data:
//
//	8   S      145  11:43:59.82956               0006299C14AE  0006299C14FE   ETHV2   Type: 0800
//	                IP Header  :  45000091388B40004006CC860A1490960A149097
//	   Data . . . . . :  5443503200020010 0000004980000000  B800000080470103 01001E0000002000   *TCP2...*
//	                     002F010080000004 0300800700C00600                                      *./..*
//
// Rows have no offsets, so a record counts only if all bytes came that its length says. Headings
// may stand among its rows. Of IPv6 the trace does not show all headers, which makes a
// packet with others one that is not whole. A trace may be of the first bytes of packets only,
// as its heading then says: there, a row that is not full, or an empty line, ends a packet.
type iseries struct {
	in      *packet.Input
	clock   daytime
	date    int64 // midnight of the first day, nanoseconds since 1970
	dated   bool
	undated bool // a packet was found without a date
	cut     bool // not all bytes of packets were traced
	missing int  // bytes still to come of the packet
}

const (
	iseriesHeaderAt = 22 // column of the names of headers
	iseriesDataAt   = 9
	iseriesFullRow  = 32
	etherHeader     = 14
)

// iseriesHeaders are the names of headers; all have the same width.
var iseriesHeaders = [...]string{
	"IP Header  :  ", "IPv6 Header:  ", "ARP Header :  ", "TCP Header :  ", "UDP Header :  ", "ICMP Header:  ", "ICMPv6  Hdr:  ", "Option  Hdr:  ",
}

const iseriesData = "Data . . . . . :  "

func (s *iseries) begin(line []byte, r *record) kind {
	if s.heading(line) {
		if s.missing > 0 {
			return text // among the rows of a packet
		}
		return known
	}
	c := cursor{rest: line}
	c.spaces()
	c.number()
	c.rest = bytes.TrimLeft(c.rest, " \t*")
	if len(c.rest) < 2 || c.rest[0] < 'A' || c.rest[0] > 'Z' || c.rest[1] != ' ' {
		return text
	}
	c.rest = c.rest[1:]
	c.spaces()
	length := c.length(r)
	c.spaces()
	at := c.clock()
	c.word(".")
	at += c.fraction()
	if c.bad || !c.addresses() {
		return text
	}
	r.data = c.hexes(r.data, 2*6)
	c.spaces()
	r.data = c.hexes(r.data, 2*6)
	c.spaces()
	if !s.frame(&c, r) || c.bad {
		r.data = r.data[:0]
		return text
	}
	r.length = etherHeader + length
	r.link, r.headed = packet.LinkEthernet, true
	r.timeNS = s.date + s.clock.since(at)
	if !s.dated && !s.undated {
		s.undated = true
		s.in.AddAnomaly(noDate)
	}
	s.missing = r.missing()
	return header
}

// frame reads the kind of the frame and its type.
func (s *iseries) frame(c *cursor, r *record) bool {
	kind := token(c.rest)
	c.rest = c.rest[len(kind):]
	c.spaces()
	if string(kind) != "ETHV2" {
		r.other = "iseries frame that is not of Ethernet II"
		r.data = append(r.data, 0, 0)
		return len(kind) > 0
	}
	name := token(c.rest)
	if !bytes.EqualFold(name, []byte("type:")) {
		return false
	}
	c.rest = c.rest[len(name):]
	c.spaces()
	r.data = c.hexes(r.data, 2*2)
	return true
}

// token returns what precedes the next space.
func token(b []byte) []byte {
	if n := bytes.IndexAny(b, " \t"); n >= 0 {
		return b[:n]
	}
	return b
}

// addresses steps to the first of two words of twelve hexadecimal digits, if there are such.
func (c *cursor) addresses() bool {
	for b := bytes.TrimLeft(c.rest, " \t"); len(b) > 0; b = bytes.TrimLeft(b, " \t") {
		first := token(b)
		behind := bytes.TrimLeft(b[len(first):], " \t")
		if isAddress(first) && isAddress(token(behind)) {
			c.rest = b
			return true
		}
		b = b[len(first):]
	}
	return false
}

func isAddress(b []byte) bool {
	for _, c := range b {
		if nibble(c) > 15 {
			return false
		}
	}
	return len(b) == 2*6
}

// hexes appends the bytes of n digits to dst.
func (c *cursor) hexes(dst []byte, n int) []byte {
	for range n / 2 {
		dst = append(dst, c.pair())
	}
	return dst
}

// heading reads a line of the heading of a page. Its words are separated by dots.
func (s *iseries) heading(line []byte) bool {
	if bytes.Contains(line, []byte("COMMUNICATIONS TRACE")) {
		return true
	}
	name, value, ok := bytes.Cut(line, []byte(" : "))
	if !ok {
		return false
	}
	name, value = bytes.Trim(name, " ."), bytes.TrimSpace(value)
	switch string(name) {
	case "Object protocol":
		return string(token(value)) == "ETHERNET"
	case "Start date/Time":
		return s.startDate(value)
	case "Beginning bytes":
		s.cut = string(token(value)) != "*MAX"
		return true
	}
	return false
}

// startDate reads month, day and year of two digits, or day and month where the first is no
// month.
func (s *iseries) startDate(b []byte) bool {
	c := cursor{rest: b}
	month := c.number()
	c.word("/")
	day := c.number()
	c.word("/")
	year := c.below(100)
	if month > 12 {
		month, day = day, month
	}
	date := c.dated(2000+year, time.Month(month), day, 0)
	if c.bad {
		return false
	}
	s.date, s.dated = date, true
	return true
}

func (s *iseries) next(line []byte, r *record) bool {
	row, data := iseriesRow(line)
	switch {
	case row == nil:
		if s.cut && len(r.data) > etherHeader && blank(line, 0, len(line)) {
			r.whole, s.missing = true, 0
		}
		return true
	case r.hidesOptions(line):
		r.fail("options of the IP header are not shown")
		return true
	}
	r.row = r.row[:0]
	if !r.groups(row) {
		r.fail(badDump)
		return true
	}
	switch {
	case len(r.row) > r.missing():
		r.fail("more bytes than the length of the packet")
	case len(r.data)+len(r.row) > r.max:
		r.fail("packet of more bytes than the limit")
	default:
		r.data = append(r.data, r.row...)
		r.whole = r.missing() == 0 || s.cut && data && len(r.row) < iseriesFullRow
	}
	if s.missing = r.missing(); r.whole {
		s.missing = 0
	}
	return true
}

// hidesOptions says whether a line begins the header behind that of IPv4, which is not whole.
func (r *record) hidesOptions(line []byte) bool {
	const typeAt = 12
	named := !blank(line, 0, iseriesHeaderAt+1)
	if !named || len(r.data) <= etherHeader || string(r.data[typeAt:etherHeader]) != "\x08\x00" {
		return false
	}
	return len(r.data)-etherHeader < int(r.data[etherHeader]&15)*4
}

// iseriesRow returns the digits of a row, nil if the line is none, and whether they are
// of data.
func iseriesRow(line []byte) (digits []byte, data bool) {
	rest := bytes.TrimLeft(line, " ")
	switch at := len(line) - len(rest); at {
	case iseriesHeaderAt:
		for _, name := range iseriesHeaders {
			if hasPrefix(rest, name) {
				return rest[len(name):], false
			}
		}
	case iseriesDataAt:
		if hasPrefix(rest, iseriesData) {
			return rest[len(iseriesData):], true
		}
	case iseriesHeaderAt + 14, iseriesDataAt + len(iseriesData):
		if _, ok := pair(rest); ok {
			return rest, at != iseriesHeaderAt+14
		}
	}
	return nil, false
}

// groups reads groups of eight bytes to r.row; only the last may have fewer. Characters between
// asterisks may follow. Headers have no groups, and may be longer.
func (r *record) groups(b []byte) bool {
	for full := true; ; {
		n := len(r.row)
		all, rest := pairs(r.row, b, "")
		n = len(all) - n
		r.row = all
		if n == 0 || n%8 != 0 && !full || len(rest) > 0 && rest[0] != ' ' && rest[0] != '*' {
			return false
		}
		full = n%8 == 0
		b = bytes.TrimLeft(rest, " ")
		if len(b) == 0 || b[0] == '*' {
			return true
		}
		if !full {
			return false
		}
	}
}

// stray implements [dialect].
func (s *iseries) stray(line []byte) bool {
	row, _ := iseriesRow(line)
	return row != nil
}
