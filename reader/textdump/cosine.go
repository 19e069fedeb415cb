package textdump

import (
	"bytes"

	"recap/reader/packet"
)

// cosine reads what CoSine's IPNOS prints of its second layer, after wiretap/cosine.c. The
// header may stand behind a prompt, or behind what somebody was typing:
//
//	2000-2-1,18:20:24.1:  l2-tx (PPP:3/7/1:100), Length:536, Pro:1, Off:8, Pri:7, RM:0, Err:0 [0x4070, 0x801]
//	        00 D0 D8 D2 FF 03 00 21  45 00 02 10 00 27 00 00
//
// and an empty line. What is printed to a processing engine has no time. The digits behind
// the point are taken as a number of hundredths, as nothing here has leading zeros. A
// trace shows no more of a packet than its profile asks for.
type cosine struct{}

// cosineLinks are the kinds of interfaces that carry IP, and how many bytes stand before the
// packet: received, and sent.
var cosineLinks = map[string]struct {
	link     packet.LinkType
	received int
	sent     int
}{
	"ETH": {packet.LinkEthernet, 0, 0}, "PPP": {packet.LinkPPP, 4, 4}, "HDLC": {packet.LinkCHDLC, 4, 2},
	"FR": {packet.LinkFrameRelay, 4, 4}, "PPoFR": {packet.LinkFrameRelay, 4, 4}, "ATM": {packet.LinkATM, 16, 16}, "PPoATM": {packet.LinkATM, 16, 16},
}

func (cosine) begin(line []byte, r *record) kind {
	at := bytes.Index(line, []byte("l2-"))
	if at < 0 {
		return text
	}
	c := cursor{rest: line[at+3:]}
	sent := bytes.HasPrefix(c.rest, []byte("tx"))
	if !sent {
		c.word("r")
	} else {
		c.word("t")
	}
	c.word("x (")
	name := c.after(":")
	c.after("), Length:")
	length := c.length(r)
	for _, field := range [...]string{", Pro:", ", Off:", ", Pri:", ", RM:", ", Err:"} {
		c.word(field)
		c.number()
	}
	c.word(" [0x")
	c.after("]")
	if c.bad || broken(c.rest) {
		return text
	}
	r.headed, r.length = true, length
	k, ok := cosineLinks[string(name)]
	if !ok {
		r.other = "cosine frame of another kind of interface"
	}
	r.link, r.skip = k.link, k.received
	if sent {
		r.skip = k.sent
	}
	r.timeNS = cosineTime(line[:at])
	return header
}

// cosineTime returns the time with which the text before a header ends: the last date in
// it whose year has four digits.
func cosineTime(before []byte) int64 {
	for comma := len(before); ; {
		comma = bytes.LastIndexByte(before[:comma], ',')
		if comma < 0 {
			return packet.NoTime
		}
		from := comma
		for from > 0 && comma-from < len("2000-12-31") && (before[from-1] == '-' || before[from-1]-'0' < 10) {
			from--
		}
		dash := bytes.IndexByte(before[from:comma], '-')
		if dash < 4 {
			continue
		}
		c := cursor{rest: before[from+dash-4:]}
		year := c.number()
		c.word("-")
		month := c.below(13)
		c.word("-")
		day := c.number()
		c.word(",")
		at := c.clock()
		c.word(".")
		at += c.below(100) * 1e7
		c.word(":")
		c.spaces()
		if ns := c.dated(year, monthOf(month), day, at); !c.bad && len(c.rest) == 0 {
			return ns
		}
	}
}

func (d cosine) next(line []byte, r *record) bool {
	switch {
	case d.stray(line):
		r.row = r.row[:0]
		for rest := line; ; {
			rest = bytes.TrimLeft(rest, " ")
			v, ok := pair(rest)
			if !ok {
				break
			}
			r.row, rest = append(r.row, v), rest[2:]
		}
		r.add()
	case !blank(line, 0, len(line)):
		if len(r.data) == 0 && !broken(line) {
			return false
		}
		r.fail(badDump)
	case len(r.data) > 0:
		r.whole = true
	}
	return true
}

// stray implements [dialect]: a row is indented, and has up to 16 bytes and nothing else.
func (cosine) stray(line []byte) bool {
	n := 0
	rest := bytes.TrimRight(line, " ")
	for ; len(rest) > 0; n++ {
		after := bytes.TrimLeft(rest, " ")
		if _, ok := pair(after); !ok || len(after) == len(rest) {
			return false
		}
		rest = after[2:]
	}
	return n > 0 && n <= 16
}
