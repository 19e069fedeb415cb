package textdump

import (
	"bytes"

	"recap/reader/packet"
)

// k12 reads the text files of Tektronix' K12 and K15 analyzers, after wiretap/k12text.l.
// A record is a line of dashes, one of time and protocol, one of bytes, and an empty one:
//
//	+---------+---------------+----------+
//	20:05:31,290,267   ETHER
//	|0   |02|00|00|09|...|
//
// There is no length, so that only the empty line, or the next record, shows that the
// bytes are all there. A time of day that falls by more than half a day has passed midnight.
type k12 struct {
	clock daytime
	timed bool // the line of the time was read
}

// k12Links are the protocols that carry IP.
var k12Links = map[string]packet.LinkType{"ETHER": packet.LinkEthernet, "HDLC": packet.LinkCHDLC}

func (k *k12) begin(line []byte, r *record) kind {
	for i, least := range [...]int{9, 15, 10} {
		rest := bytes.TrimLeft(bytes.TrimPrefix(line, []byte("+")), "-")
		dashes := len(line) - len(rest) - 1
		if len(line) == 0 || line[0] != '+' || dashes < least || dashes > 100 || i == 0 && dashes != 9 {
			return text
		}
		line = rest
	}
	if string(line) != "+" {
		return text
	}
	k.timed = false
	return header
}

func (k *k12) next(line []byte, r *record) bool {
	switch {
	case !k.timed:
		k.timed = true
		if !k.time(line, r) {
			return false
		}
		r.headed = true
	case len(line) == 0:
		r.whole = len(r.data) > 0
	case k.stray(line):
		k.row(line, r)
	case len(r.data) > 0:
		r.fail(badDump)
	}
	return true
}

// time reads the second line of a record.
func (k *k12) time(line []byte, r *record) bool {
	c := cursor{rest: line}
	if bytes.HasPrefix(line, []byte("XX:XX:XX,")) { // a time that the writer did not know
		c.word("XX:XX:XX")
	} else {
		at := c.clock()
		rest := c
		rest.word(",")
		ms, n := rest.digits()
		rest.word(",")
		us, m := rest.digits()
		if rest.bad || n != 3 || m != 3 {
			return false
		}
		r.timeNS = k.clock.since(at + ms*1e6 + us*1e3)
	}
	c.after(" ")
	name := bytes.TrimSpace(c.rest)
	if link, ok := k12Links[string(name)]; ok {
		r.link = link
	} else {
		r.other = "k12text frame of another protocol"
	}
	return !c.bad
}

// stray implements [dialect]: a row is |, four characters of offset, and | again.
func (k *k12) stray(line []byte) bool {
	return len(line) > 6 && line[0] == '|' && nibble(line[1]) < 16 && line[5] == '|'
}

func (k *k12) row(line []byte, r *record) {
	offset, ok := hexadecimal(bytes.TrimRight(line[1:5], " "))
	was := len(r.data)
	all, rest := pairs(r.data, line[6:], "|")
	r.data = all
	switch {
	case len(all) > r.max:
		r.fail("packet of more bytes than the limit")
	case !ok || offset != int64(was) || string(rest) != "|" || len(all) == was:
		r.fail(badDump)
	}
}
