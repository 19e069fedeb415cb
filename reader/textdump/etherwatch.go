package textdump

import (
	"bytes"

	"recap/reader/packet"
)

// etherwatch reads what DBS Etherwatch prints on VMS, after wiretap/dbs-etherwatch.c:
//
//	From 00-D0-C0-D2-4D-60 [MF1] to AA-00-04-00-FC-94 [PSERVB]
//	Protocol 08-00 00 00-00-00-00-00,   50 byte buffer at 10-OCT-2001 10:20:45.17
//	  [E..(8......%....]-    0-[45 00 00 28 38 94 00 00 1D 06 D2 25 80 93 11 1A]
//
// with or without the characters. The header of the frame is in the first two lines only,
// so that it is put together from these: of Ethernet II where control and protocol
// identifier are all zero, and otherwise of 802.3 with its length.
type etherwatch struct {
	ends [12]byte // destination and source
	at   int      // bytes of the frame header in the packet
	read bool     // the second line was read
}

func (e *etherwatch) begin(line []byte, r *record) kind {
	c := cursor{rest: line}
	c.word("From ")
	source := c.address()
	c.after("] to ")
	to := c.address()
	if c.bad {
		return text
	}
	copy(e.ends[:], to[:])
	copy(e.ends[6:], source[:])
	e.read = false
	r.link = packet.LinkEthernet
	return header
}

// address returns the six bytes that follow, with dashes between them.
func (c *cursor) address() (a [6]byte) {
	for i := range a {
		if i > 0 {
			c.word("-")
		}
		a[i] = c.pair()
	}
	return a
}

// pair returns the byte of two digits that follows.
func (c *cursor) pair() byte {
	v, ok := pair(c.rest)
	if !ok {
		c.fail()
		return 0
	}
	c.rest = c.rest[2:]
	return v
}

func (e *etherwatch) next(line []byte, r *record) bool {
	if !e.read {
		e.read = true
		return e.second(line, r)
	}
	offset, hex := etherwatchRow(line)
	if hex == nil || offset != int64(len(r.data)-e.at) {
		r.fail(badDump)
		return true
	}
	r.row, hex = pairs(r.row[:0], hex, " ")
	if r.add(); string(hex) != "]" {
		r.fail(badDump)
	}
	return true
}

// second reads the second line of a record: protocol or service access points, control,
// protocol identifier, length and time.
func (e *etherwatch) second(line []byte, r *record) bool {
	c := cursor{rest: line}
	c.word("Protocol ")
	var f [8]byte // two bytes, one of control, five of the identifier
	for i := range f {
		switch i {
		case 0, 2 + 1:
		case 2:
			c.word(" ")
		default:
			c.word("-")
		}
		if i == 3 {
			c.word(" ")
		}
		f[i] = c.pair()
	}
	c.word(",")
	c.spaces()
	length := c.length(r)
	c.word(" byte buffer at ")
	c.spaces()
	r.timeNS = c.vmsTime()
	if c.bad {
		return false
	}
	r.headed = true
	r.data = append(r.data, e.ends[:]...)
	if [6]byte(f[2:]) == [6]byte{} {
		r.data = append(r.data, f[:2]...)
	} else {
		n := 3 // bytes of LLC
		switch {
		case f[2]&3 != 3:
			n = 4
		case f[0] == 0xaa && f[1] == 0xaa && f[2] == 3:
			n = 8
		}
		r.data = append(r.data, byte((n+length)>>8), byte(n+length))
		r.data = append(r.data, f[:n]...)
	}
	e.at = len(r.data)
	r.length = e.at + length
	return true
}

// etherwatchRow returns the offset of a row, and what is in the brackets of its bytes, with
// the closing one.
func etherwatchRow(line []byte) (offset int64, hex []byte) {
	at := bytes.LastIndex(line, []byte("-["))
	if at < 1 {
		return 0, nil
	}
	from := at
	for from > 0 && line[from-1]-'0' < 10 {
		from--
	}
	c := cursor{rest: line[from:at]}
	if offset = c.number(); c.bad {
		return 0, nil
	}
	return offset, line[at+2:]
}

// stray implements [dialect].
func (e *etherwatch) stray(line []byte) bool {
	_, hex := etherwatchRow(line)
	_, ok := pair(hex)
	return ok
}
