package nstrace

import "encoding/binary"

// A kind says where the fields of a record that holds a packet are; 0 for what it has not.
type kind struct {
	family   uint16 // the version of the record, times ten
	header   int    // bytes before the packet
	timeAt   int
	absolute bool // the time has eight bytes, since 1970
	origAt   int  // length on the wire
	offsetAt int  // where in the packet the bytes begin
	namesAt  int  // lengths of two names of virtual machines, which follow the header
	sizeAt   int  // how many bytes stand before the packet indeed
	nextAt   int  // the type of what follows the header
}

// maxHeader is what can stand before a packet.
const maxHeader = 64 << 10

// whole and part are the kinds of 2.0 to 2.6 by the numbers of their first types: records
// of whole packets, and of parts, which begin at the fourth.
var (
	whole = map[byte]kind{
		0xc0: {family: 20, header: 8, timeAt: 4},
		0xd0: {family: 21, header: 16, timeAt: 4},
		0xe0: {family: 22, header: 18, timeAt: 4},
		0xf0: {family: 23, header: 24, timeAt: 4, absolute: true},
		0xf8: {family: 24, header: 29, timeAt: 4, absolute: true},
		0xb0: {family: 25, header: 31, timeAt: 4, absolute: true, namesAt: 29},
		0xa0: {family: 26, header: 48, timeAt: 4, absolute: true, namesAt: 29},
	}
	kinds = table()
)

// table returns the kinds of 2.0 and later by type.
func table() (t [256]kind) {
	for first, k := range whole {
		p := k
		p.header += 4
		p.origAt = 8
		if k.absolute {
			p.origAt = 12
		}
		p.offsetAt = p.origAt + 2
		if k.namesAt > 0 {
			p.namesAt += 4
		}
		n := 3
		if k.family >= 24 {
			n = 4 // received, before and after the pipeline of the card
		}
		for i := range n {
			t[int(first)+i], t[int(first)+4+i] = k, p
		}
	}
	for i := range 4 {
		t[0xa8+i] = kind{family: 30, header: 52, timeAt: 4, absolute: true, origAt: 20, namesAt: 31}
		t[0xac+i] = kind{family: 35, header: 35, timeAt: 4, absolute: true, origAt: 20, sizeAt: 26, nextAt: 34}
	}
	return t
}

// kinds10 returns the kind of a type of 1.0.
func kinds10(t uint16) kind {
	switch t {
	case 0x0310, 0x0311, 0x0312:
		return kind{family: 10, header: 12, timeAt: 8}
	case 0x0314, 0x0315, 0x0316:
		return kind{family: 10, header: 16, timeAt: 8, origAt: 12, offsetAt: 14}
	}
	return kind{}
}

// start returns where in record b, which holds the header, the packet begins.
func (k kind) start(b []byte) int {
	switch {
	case k.sizeAt > 0:
		return max(k.header, int(binary.LittleEndian.Uint16(b[k.sizeAt:])))
	case k.namesAt > 0:
		return k.header + int(b[k.namesAt]) + int(b[k.namesAt+1])
	}
	return k.header
}

// Types of what follows the header in 3.5.
const (
	nextNull     = 0
	nextEthernet = 1
	nextHTTP     = 2 // a message without the packet around it
	// partHeader is what other parts begin with: their length in two bytes, and the type
	// of the next.
	partHeader = 3
)

// framed says whether the parts that follow the header end with an Ethernet frame.
func (k kind) framed(b []byte) bool {
	at, next := k.header, b[k.nextAt]
	for next != nextNull && next != nextEthernet && next != nextHTTP {
		if len(b) < at+partHeader {
			return false
		}
		n := int(binary.LittleEndian.Uint16(b[at:]))
		if n < partHeader {
			return false
		}
		next, at = b[at+2], at+n
	}
	return next == nextEthernet && at == k.start(b)
}

// orig returns the length on the wire, -1 for a packet that is always whole.
func (k kind) orig(b []byte) int {
	if k.origAt == 0 {
		return -1
	}
	return int(binary.LittleEndian.Uint16(b[k.origAt:]))
}

// time returns the time as it stands.
func (k kind) time(b []byte) uint64 {
	if k.absolute {
		return binary.LittleEndian.Uint64(b[k.timeAt:])
	}
	return uint64(binary.LittleEndian.Uint32(b[k.timeAt:]))
}
