package textdump

import (
	"bytes"
	"time"

	"recap/reader/packet"
)

// ascend reads what wandisplay, wandsession, ether-display and their like print on
// Lucent's (Ascend's) MAX and Pipeline, after wiretap/ascend_parser.lemon:
//
//	RECV-iguana:241:(task: B02614C0, time: 1975432.85) 49 octets @ 8003BD94
//	  [0000]: FF 03 00 3D C0 06 CA 22 2F 45 00 00 28 6A 3B 40
//
// Sessions are PPP, ETHER and WD_DIALOUT_DISP are Ethernet; ISDN signalling (PRI-) is
// counted. Later versions leave a space after eight bytes, and show the characters. A
// trace shows at most 128 bytes of a packet.
//
// Times count since the machine was started. A line "Date: 01/12/1990.  Time: 12:22:33"
// before the first packet says when that was; the zone is not known.
type ascend struct {
	in     *packet.Input
	date   int64 // that of the Date line, nanoseconds
	dated  bool
	timed  bool  // a packet had a time
	base   int64 // when the machine was started, nanoseconds since 1970
	dialed bool  // the line before is that of a WD_DIALOUT_DISP
}

// mostAscend is how much of a packet is shown, bytes.
const mostAscend = 128

func (a *ascend) begin(line []byte, r *record) kind {
	wasDialed := a.dialed
	a.dialed = bytes.HasPrefix(line, []byte("WD_DIALOUT_DISP:"))
	if bytes.HasPrefix(line, []byte("Date: ")) {
		a.dateLine(line)
		return text
	}
	c := cursor{rest: line}
	prefix := bytes.TrimSpace(c.after("(task"))
	c.after("time: ")
	sec := c.below(1 << 33)
	c.word(".")
	part := c.fraction()
	c.word(") ")
	length := c.length(r)
	c.word(" octets @ ")
	if c.bad {
		return text
	}
	switch {
	case hasPrefix(prefix, "XMIT-") || hasPrefix(prefix, "RECV-"):
		r.link = packet.LinkPPP
	case hasPrefix(prefix, "ETHER"), len(prefix) == 0 && wasDialed:
		r.link = packet.LinkEthernet
	case hasPrefix(prefix, "PRI-"):
		r.other = "ascend frame of ISDN signalling"
	default:
		return text
	}
	r.headed, r.length, r.timeNS = true, length, a.since(sec)+sec*1e9+part
	return header
}

func hasPrefix(b []byte, prefix string) bool { return bytes.HasPrefix(b, []byte(prefix)) }

// since returns when the machine was started, which is sec seconds ago at the first packet.
func (a *ascend) since(sec int64) int64 {
	switch {
	case a.timed:
	case a.dated:
		a.base = a.date - sec*1e9
		a.in.AddAnomaly(noZone)
	default:
		a.in.AddAnomaly(noDate)
	}
	a.timed = true
	return a.base
}

func (a *ascend) dateLine(line []byte) {
	c := cursor{rest: line}
	c.word("Date: ")
	month := c.below(13)
	c.word("/")
	day := c.number()
	c.word("/")
	year := c.number()
	c.word(".")
	c.spaces()
	c.word("Time: ")
	if at := c.dated(year, monthOf(month), day, c.clock()); !c.bad {
		a.date, a.dated = at, true
	}
}

// monthOf returns the month of a number.
func monthOf(n int64) time.Month { return time.Month(n) }

func (a *ascend) next(line []byte, r *record) bool {
	if !a.stray(line) {
		if blank(line, 0, len(line)) {
			r.whole = len(r.data) > 0
		} else {
			r.fail(badDump)
		}
		return true
	}
	from := bytes.IndexByte(line, '[') + len("[0000]: ")
	gap := 0
	if at := from + 8*3; !blank(line, at, at+2) && line[at] == ' ' {
		gap = 1
	}
	column := func(i int) int { return from + 3*i + i/8*gap }
	if offset, _ := hexadecimal(line[from-7 : from-3]); offset != int64(len(r.data)) || !r.columns(line, column) || !blank(line, from+16*3, from+16*3+4) {
		r.fail(badDump)
		return true
	}
	if r.add(); len(r.data) >= mostAscend {
		r.whole = true
	}
	return true
}

// stray implements [dialect]: a row is indented, and begins with an offset in brackets.
func (a *ascend) stray(line []byte) bool {
	row := bytes.TrimLeft(line, " ")
	if len(row) < 10 || row[0] != '[' || string(row[5:8]) != "]: " {
		return false
	}
	_, ok := hexadecimal(row[1:5])
	return ok
}
