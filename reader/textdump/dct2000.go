package textdump

import (
	"bytes"
	"time"

	"recap/reader/packet"
)

// dct2000 reads the transcripts (.out) of Catapult's DCT2000, after
// wiretap/catapult_dct2000.c. The first line is a title, the second the time at which
// the session began; each further line may be a frame:
//
//	Session Transcript
//	November 9, 2005     14:41:09.7452
//	ctx.1/ethernet/1/ s tm 1.2345  l $02000009...
//
// that is, context and port, protocol and variant, direction, time since the start, and
// the bytes behind a dollar sign. Units of fractions are 100 microseconds. Frames of
// protocols that do not begin with a link layer or IP are counted.
type dct2000 struct {
	line  int
	start int64 // nanoseconds
	ok    bool  // both lines of the header were read
}

var dctLinks = map[string]packet.LinkType{
	"ip": packet.LinkRaw, "sctp": packet.LinkRaw, "gre": packet.LinkRaw, "mipv6": packet.LinkRaw, "igmp": packet.LinkRaw,
	"ethernet": packet.LinkEthernet, "ppp": packet.LinkPPP, "frelay_l2": packet.LinkFrameRelay,
}

var longMonths = [12]string{"January", "February", "March", "April", "May", "June",
	"July", "August", "September", "October", "November", "December"}

// dctUnit is what the fractions of times count, nanoseconds.
const dctUnit = 100_000

func (d *dct2000) begin(line []byte, r *record) kind {
	if d.line < 2 {
		d.line++
		if d.line == 1 && !bytes.HasPrefix(line, []byte("Session Transcript")) || d.line == 2 && !d.begun(line) {
			d.line = 3
			return text
		}
		d.ok = d.line == 2
		return known
	}
	if !d.ok || bytes.IndexByte(line, '$') < 0 {
		return text
	}
	return d.frame(line, r)
}

// begun reads the second line.
func (d *dct2000) begun(line []byte) bool {
	c := cursor{rest: line}
	month := c.month(&longMonths)
	c.spaces()
	day := c.number()
	c.word(",")
	c.spaces()
	year := c.number()
	c.spaces()
	at := c.clock()
	c.word(".")
	at += c.below(10000) * dctUnit
	d.start = c.dated(year, month, day, at)
	return !c.bad
}

// frame reads a line that may be one.
func (d *dct2000) frame(line []byte, r *record) kind {
	c := cursor{rest: line}
	c.after(".")
	c.number()
	c.word("/")
	protocol := c.after("/")
	c.after(" tm ")
	sec := c.below(1 << 32)
	c.word(".")
	part := c.below(10000)
	c.word(" ")
	if between := c.after("$"); c.bad || bytes.IndexByte(between, '\'') >= 0 {
		return text
	}
	r.headed, r.whole = true, true
	r.timeNS = d.start + sec*int64(time.Second) + part*dctUnit
	link, ok := dctLinks[string(protocol)]
	if !ok {
		r.other = "dct2000 frame of another protocol"
		return header
	}
	r.link = link
	all, rest := pairs(r.data, c.rest, "")
	r.data = all
	if len(rest) > 0 {
		r.fail(badDump)
	}
	if len(all) > r.max {
		r.fail("packet of more bytes than the limit")
	}
	return header
}

// next implements [dialect]: nothing belongs to a frame but its line.
func (*dct2000) next([]byte, *record) bool { return false }

// stray implements [dialect]: digits alone are the rest of a line that was broken.
func (*dct2000) stray(line []byte) bool {
	for _, c := range line {
		if nibble(c) > 15 {
			return false
		}
	}
	return len(line) > 0
}
