package textdump

import (
	"bytes"

	"recap/reader/packet"
)

// netscreen reads what "snoop" prints on Juniper's NetScreen firewalls, after
// wiretap/netscreen.c:
//
//	6843828.0: trust(o) len=98:00121ebbd132->00600868d659/0800
//	              192.168.1.1 -> 192.168.1.10/6
//	              00 60 08 68 d6 59 00 12 1e bb d1 32 08 00 45 00     .`.h.Y.....2..E.
//
// and an empty line. Times count since the machine was started. A trace may show less of
// a packet than its length.
//
// What an ADSL interface shows is Ethernet if it begins with the destination that the
// header names, and PPP otherwise; serial interfaces are PPP.
type netscreen struct {
	adsl bool
	to   []byte // the destination
}

func (n *netscreen) begin(line []byte, r *record) kind {
	if len(line) == 0 || line[0]-'0' > 9 {
		return text
	}
	c := cursor{rest: line}
	sec := c.below(1 << 32)
	c.word(".")
	part := c.fraction()
	c.word(":")
	c.spaces()
	name := c.after("(")
	if len(c.rest) > 0 && (c.rest[0] == 'i' || c.rest[0] == 'o') {
		c.rest = c.rest[1:]
	}
	c.word(") len=")
	length := c.length(r)
	c.word(":")
	if c.bad || broken(c.rest) {
		return text
	}
	r.headed, r.length, r.timeNS, r.link = true, length, sec*1e9+part, packet.LinkEthernet
	if bytes.HasPrefix(name, []byte("seri")) {
		r.link = packet.LinkPPP
	}
	n.adsl = bytes.HasPrefix(name, []byte("adsl"))
	c.after("->")
	n.to, _ = pairs(n.to[:0], c.rest, "")
	return header
}

func (n *netscreen) next(line []byte, r *record) bool {
	switch {
	case n.stray(line):
		first := len(r.data) == 0
		r.row, _ = pairs(r.row[:0], bytes.TrimLeft(line, " "), " ")
		if r.add(); first && n.adsl && (len(n.to) == 0 || !bytes.HasPrefix(r.row, n.to)) {
			r.link = packet.LinkPPP
		}
	case blank(line, 0, len(line)):
		r.whole = len(r.data) > 0
	case len(r.data) > 0 || broken(line):
		r.fail(badDump)
	}
	return true
}

// stray implements [dialect]: a row is indented, and has up to 16 bytes. Its characters stand
// behind the place of the last.
func (*netscreen) stray(line []byte) bool {
	const indent, digits, most = 14, 16 * 3, 16*3 + 4 + 16
	if !blank(line, 0, indent) {
		return false
	}
	hex := bytes.TrimSpace(line)
	n := 0
	for ; n < 16; n++ {
		if _, ok := pair(hex[min(3*n, len(hex)):]); !ok {
			break
		}
		if at := 3*n + 2; at < len(hex) && hex[at] != ' ' {
			return false
		}
	}
	return n > 0 && len(hex) <= most && blank(hex, 3*n, digits)
}
