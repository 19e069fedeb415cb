package textdump

import (
	"bytes"

	"recap/reader/packet"
)

// tcpiptrace reads what TCPIPTRACE, TCPTRACE and UCX$TRACE print on VMS, after
// wiretap/vms.c: a header, the fields of the IP header, and the bytes.
//
//	TCPIPtrace full display RCV packet 8 at 10-JUL-2001 14:54:19.56
//
//	IP Version = 4,  IHL = 5,  TOS = 00,   Total Length = 84 = ^x0054
//	...
//	50010C0A   714C1140   00008F17   54000045    0000    E..T....@.Lq...P
//	27E54C3C | C0B64000   6F00DB02 | 32010C0A    0010    ...2...o.@..<L.'
//
// A row is to be read from right to left, byte by byte. Fragments come without the header,
// and so without a time.
type tcpiptrace struct {
	headed bool // a header was read, and its length is to come
	base   int  // column at which the rows of the packet begin
}

// tcpiptraceNames are what headers contain.
var tcpiptraceNames = [...]string{"TCPIPtrace", "TCPtrace", "INTERnet trace"}

func (t *tcpiptrace) begin(line []byte, r *record) kind {
	if bytes.Contains(line, []byte("IP Version = ")) && !t.headed {
		r.link = packet.LinkRaw
		t.next(line, r)
		return header
	}
	c := cursor{rest: line}
	for i := 0; ; i++ {
		if i == len(tcpiptraceNames) {
			return text
		}
		if bytes.Contains(line, []byte(tcpiptraceNames[i])) {
			break
		}
	}
	c.after(" packet ")
	if hasPrefix(c.rest, "seq # = ") {
		c.word("seq # = ")
	}
	c.number()
	c.word(" at ")
	c.spaces()
	r.timeNS = c.vmsTime()
	if c.bad {
		return text
	}
	t.headed = true
	r.link = packet.LinkRaw
	return header
}

func (t *tcpiptrace) next(line []byte, r *record) bool {
	if !r.headed {
		c := cursor{rest: line}
		if c.after("Total Length = "); !c.bad {
			r.length = c.length(r)
			r.headed, t.headed = !c.bad, false
		}
		return true
	}
	if len(r.data) == 0 {
		if !t.stray(line) {
			return true
		}
		t.base = len(line) - len(bytes.TrimLeft(line, " \t"))
	}
	offset, ok := int64(-1), false
	if at := t.base + 45; len(line) >= at+4 {
		offset, ok = hexadecimal(line[at : at+4])
	}
	column := func(i int) int { return t.base + 39 - i/4*11 - i%4*2 }
	if !ok || offset != int64(len(r.data)) || !r.columns(line, column) {
		r.fail(badDump)
		return true
	}
	r.add()
	return true
}

// stray implements [dialect]: a row is four groups of four bytes, not all of which need be
// there, and an offset.
func (t *tcpiptrace) stray(line []byte) bool {
	row := bytes.TrimLeft(line, " \t")
	if len(row) < 49 {
		return false
	}
	for i := range 4 {
		if _, ok := hexadecimal(row[11*i : 11*i+8]); !ok {
			return false
		}
	}
	_, ok := hexadecimal(row[45:49])
	return ok && blank(row, 41, 45)
}
