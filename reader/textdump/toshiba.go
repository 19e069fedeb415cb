package textdump

import (
	"bytes"

	"recap/reader/format"
	"recap/reader/packet"
)

// toshiba reads what "snoop dump" prints on Toshiba's TR-600 and TR-650 ISDN routers, after
// wiretap/toshiba.c. The header may stand behind a prompt, and be broken into lines:
//
//	[No.1] 00:00:09.14 B1:1 Tx 207.193.26.136->151.164.1.8 DNS  SPORT=1028 ...
//	OFFSET 0001-0203-0405-0607-0809-0A0B-0C0D-0E0F 0123456789ABCDEF LEN=67
//	0000 : FF03 003D C000 0008 2145 0000 3A12 6500 ...=....!E..:.e.
//
// Times count since the trace was started.
type toshiba struct{}

func (toshiba) begin(line []byte, r *record) kind {
	c := cursor{rest: line}
	c.after("[No.")
	c.number()
	c.word("] ")
	at := c.clock()
	c.word(".")
	at += c.fraction()
	c.word(" ")
	channel := c.after(" ")
	if c.bad || len(channel) == 0 {
		return text
	}
	r.timeNS, r.link = at, packet.LinkEthernet
	switch channel[0] {
	case 'B':
		r.link = linkBChannel
	case 'D':
		r.other = "toshiba frame of a D channel"
	}
	return header
}

// linkBChannel stands for a link type that the first bytes of a packet tell.
const linkBChannel = packet.LinkUnassigned

func (t toshiba) next(line []byte, r *record) bool {
	if !r.headed {
		if bytes.HasPrefix(line, []byte("OFFSET 0001-0203")) {
			c := cursor{rest: line}
			c.after("LEN=")
			r.length = c.length(r)
			r.headed = !c.bad
		}
		return true
	}
	column := func(i int) int { return 7 + i/2*5 + i%2*2 }
	if offset, ok := hexadecimal(line[:min(4, len(line))]); !ok || offset != int64(len(r.data)) || !t.stray(line) || !r.columns(line, column) {
		r.fail(badDump)
		return true
	}
	r.add()
	if r.whole && r.link == linkBChannel {
		link, ok := format.BChannel(r.data)
		if !ok {
			r.other = "toshiba frame of a B channel that is not PPP"
		}
		r.link = link
	}
	return true
}

// stray implements [dialect]: a row is an offset of four digits, a colon and groups of two bytes.
func (toshiba) stray(line []byte) bool {
	if len(line) < 9 || string(line[4:7]) != " : " {
		return false
	}
	_, ok := hexadecimal(line[:4])
	_, byteOK := pair(line[7:])
	return ok && byteOK
}
