package bpf

import "encoding/binary"

// A program is a filter for one link type: instructions of which each says where to go on.
type program struct {
	code  []instr
	entry int32
}

// Where a program ends.
const (
	accept = -1
	reject = -2
)

type opcode uint8

const (
	opPlain   opcode = iota // opTest at off alone
	opTest                  // compare masked bytes with k
	opTestLen               // compare the length on the wire with k
	opTestReg               // compare register a with register b
	opConst                 // register a = k
	opLen                   // register a = length on the wire
	opLoad                  // register a = bytes at off + register b
	opArith                 // register a = a (cond) b
	opWiFi                  // bases from a = 802.11 frame, behind a header of its own where k is set; what it carries
	opPFLog                 // base a = behind the header of pflog
	opGeneve                // bases from a = type, frame and payload inside a GENEVE packet
	opVXLAN                 // the same for VXLAN
	opFramed                // base a is known
	opChain                 // compare the protocol behind the headers of IPv4, where tran is set, or IPv6 with k
)

// Comparisons, and arithmetic as its operators.
const (
	equal   = '='
	greater = '>'
	atLeast = ']'
	left    = 'l'
	right   = 'r'
)

type instr struct {
	op     opcode
	size   uint8
	cond   uint8
	base   uint8 // added to the offset where not 0; see machine
	tran   bool  // and the length of the IPv4 header at nl
	index  bool  // and register b
	a, b   uint8
	nl     uint32
	off    uint32
	mask   uint32
	k      uint32
	jt, jf int32
}

// Numbers of registers and of bases. Base 0 is always 0.
const (
	maxRegs  = 16
	maxBases = 32
)

// unknown is a base that a packet does not have.
const unknown = 1<<32 - 1

// run reports whether b, which had wire bytes, passes. A byte looked for behind the
// end of b fails, wherever in the expression.
func (p *program) run(b []byte, wire uint32) bool {
	var base [maxBases]uint32
	var reg [maxRegs]uint32
	pc := p.entry
	for pc >= 0 {
		in := &p.code[pc]
		var v, k uint32
		switch in.op {
		case opPlain:
			at := uint(in.off)
			switch in.size {
			case 1:
				if at >= uint(len(b)) {
					return false
				}
				v = uint32(b[at])
			case 2:
				if at+2 > uint(len(b)) {
					return false
				}
				v = uint32(binary.BigEndian.Uint16(b[at:]))
			default:
				if at+4 > uint(len(b)) {
					return false
				}
				v = binary.BigEndian.Uint32(b[at:])
			}
			v, k = v&in.mask, in.k
			if in.cond == equal {
				if pc = in.jf; v == k {
					pc = in.jt
				}
				continue
			}
		case opTest, opLoad:
			at := uint64(in.off) + uint64(base[in.base%maxBases])
			if in.tran {
				nl := uint64(in.nl) + uint64(base[in.base%maxBases])
				if nl >= uint64(len(b)) {
					return false
				}
				at += uint64(b[nl]&15) * 4
			}
			if in.index {
				at += uint64(reg[in.b%maxRegs])
			}
			if at+uint64(in.size) > uint64(len(b)) {
				return false
			}
			switch c := b[at:]; in.size {
			case 1:
				v = uint32(c[0])
			case 2:
				v = uint32(binary.BigEndian.Uint16(c))
			default:
				v = binary.BigEndian.Uint32(c)
			}
			if in.op == opLoad {
				reg[in.a%maxRegs] = v
				pc = in.jt
				continue
			}
			v, k = v&in.mask, in.k
		case opTestLen:
			v, k = wire, in.k
		case opTestReg:
			v, k = reg[in.a%maxRegs], reg[in.b%maxRegs]
		case opChain:
			var ok bool
			if v, ok = in.chain(b, uint64(in.off)+uint64(base[in.base%maxBases])); !ok {
				return false
			}
			k = in.k
		case opFramed:
			v, k = base[in.a%maxBases], unknown-1
		case opConst:
			reg[in.a%maxRegs] = in.k
			pc = in.jt
			continue
		case opLen:
			reg[in.a%maxRegs] = wire
			pc = in.jt
			continue
		case opArith:
			r, ok := calculate(in.cond, reg[in.a%maxRegs], reg[in.b%maxRegs])
			if !ok {
				return false
			}
			reg[in.a%maxRegs] = r
			pc = in.jt
			continue
		default:
			if !in.find(b, &base) {
				return false
			}
			pc = in.jt
			continue
		}
		var is bool
		switch in.cond {
		case equal:
			is = v == k
		case greater:
			is = v > k
		default:
			is = v >= k
		}
		if pc = in.jf; is {
			pc = in.jt
		}
	}
	return pc == accept
}

// chain returns the first protocol behind the IP header at b[at:] that is in.k or no
// extension header; false where the packet is too short to tell. Extension headers begin
// with the number of the next and their length: in units of 8 bytes less the first
// (RFC 8200, section 4), that of authentication in units of 4 less two (RFC 4302), behind
// which libpcap forgets where it was and looks into the IP header.
func (in *instr) chain(b []byte, at uint64) (uint32, bool) {
	const hopByHop, routing, fragment, authentication, destination = 0, 43, 44, 51, 60
	field, header := uint64(6), uint64(40)
	if in.tran {
		field = 9
	}
	if at+field >= uint64(len(b)) {
		return 0, false
	}
	if in.tran {
		header = uint64(b[at]&15) * 4
	}
	next := uint32(b[at+field])
	for at += header; next != in.k; {
		unit, less := uint64(8), uint64(1)
		switch next {
		case hopByHop, routing, fragment, destination:
			if in.tran {
				return next, true
			}
		case authentication:
			unit, less = 4, 2
		default:
			return next, true
		}
		if at+1 >= uint64(len(b)) {
			return 0, false
		}
		next, at = uint32(b[at]), at+(uint64(b[at+1])+less)*unit
	}
	return next, true
}

// calculate is unsigned and of 32 bits. Division by zero fails.
func calculate(op uint8, a, b uint32) (uint32, bool) {
	switch op {
	case '+':
		return a + b, true
	case '-':
		return a - b, true
	case '*':
		return a * b, true
	case '/':
		if b == 0 {
			return 0, false
		}
		return a / b, true
	case '%':
		if b == 0 {
			return 0, false
		}
		return a % b, true
	case '&':
		return a & b, true
	case '|':
		return a | b, true
	case '^':
		return a ^ b, true
	case left:
		return a << b, true
	}
	return a >> b, true
}

// find sets the bases of in; false where the packet is too short.
func (in *instr) find(b []byte, base *[maxBases]uint32) bool {
	set := func(i uint8, v int) { base[(in.a+i)%maxBases] = uint32(v) }
	switch in.op {
	case opPFLog:
		if len(b) < 1 {
			return false
		}
		set(0, (int(b[0])+3)&^3)
		return true
	case opWiFi:
		n := 0
		if in.k != 0 {
			if len(b) < 4 {
				return false
			}
			n = int(binary.LittleEndian.Uint16(b[2:]))
		}
		set(0, n)
		if n >= len(b) {
			set(1, unknown)
			return in.mask == 0 // unless what it carries is looked at
		}
		h := 24
		if b[n]&0x80 != 0 {
			h += 2
		}
		set(1, n+h)
		return true
	}
	at := int(in.nl + base[in.base%maxBases])
	if in.tran {
		if at >= len(b) {
			return false
		}
		at += int(b[at]&15) * 4
	} else {
		at += 40
	}
	at += 8 // UDP
	if in.op == opVXLAN {
		set(0, at+8+12)
		set(1, at+8)
		set(2, at+8+14)
		return true
	}
	if at+4 > len(b) {
		return false
	}
	inner := at + 8 + int(b[at]&0x3f)*4
	set(0, at+2)
	set(1, unknown)
	set(2, inner)
	if binary.BigEndian.Uint16(b[at+2:]) == 0x6558 {
		set(0, inner+12)
		set(1, inner)
		set(2, inner+14)
	}
	return true
}
