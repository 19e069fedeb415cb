package wire

import (
	"encoding/binary"
	"net/netip"

	"recap/pipeline/exchange"
	"recap/reader/packet/checksum"
)

// TCP flags (RFC 9293, section 3.1).
const (
	flagFIN = 1
	flagSYN = 2
	flagPSH = 8
	flagACK = 16
)

const (
	etherLen = 14
	ip4Len   = 20
	ip6Len   = 40
	tcpLen   = 20
	// synLen is what a SYN adds in options: maximum segment size, and window scale
	// with padding (RFC 9293, section 3.2; RFC 7323, section 2.2).
	synLen = 8
	// stampLen is what timestamps add to each segment, with padding in front (RFC 7323,
	// appendix A).
	stampLen = 12
	// windowScale makes the window of window octets one of 8 MiB, more than is ever
	// unacknowledged.
	windowScale = 7
	window      = 0xffff
	hopLimit    = 64
)

// maxHead is the length of the longest header block without options.
const maxHead = etherLen + ip6Len + tcpLen

// A side is what all frames of one direction share: the headers with zeros where a
// frame has its own values, and the sums over them.
type side struct {
	head   [maxHead]byte
	ipSum  uint64 // IPv4 header without length, id and checksum
	tcpSum uint64 // pseudo header and TCP header without length, numbers, offset, flags, window
	next   uint32 // sequence number of the next byte
	id     uint16 // IPv4 identification of the next packet
	last   byte   // the byte before next

	stamps bool   // segments carry timestamps
	base   uint32 // what its clock shows at the beginning of the run, ms
	clock  uint32 // what it shows now
	stamp  uint32 // what it showed at the last segment
}

// endpoints are the ends of a connection on the wire.
type endpoints struct {
	ip   netip.Addr
	port uint16
	mac  [6]byte
}

// macOf returns the address of e on its link: that of the capture, else one that is
// locally administered and follows from the IP address.
func macOf(e *exchange.Endpoint, ip netip.Addr) [6]byte {
	if e.HasMAC && e.MAC[0]&1 == 0 && e.MAC != [6]byte{} {
		return e.MAC
	}
	a := ip.As16()
	return [6]byte{2, a[11] ^ a[7], a[12], a[13], a[14], a[15]}
}

// init fills in the headers of frames from one end to the other, which both have
// addresses of the same family.
func (s *side) init(from, to endpoints, v6 bool) {
	*s = side{next: s.next, id: s.id, stamps: s.stamps, base: s.base}
	copy(s.head[:], to.mac[:])
	copy(s.head[6:], from.mac[:])
	ip := s.head[etherLen:]
	var pseudo uint64
	if v6 {
		binary.BigEndian.PutUint16(s.head[12:], 0x86dd)
		ip[0], ip[6], ip[7] = 0x60, 6, hopLimit // RFC 8200, section 3
		a, b := from.ip.As16(), to.ip.As16()
		copy(ip[8:], a[:])
		copy(ip[24:], b[:])
		pseudo = checksum.Sum(ip[8:40])
	} else {
		binary.BigEndian.PutUint16(s.head[12:], 0x0800)
		// RFC 791, section 3.1; not to be fragmented.
		ip[0], ip[6], ip[8], ip[9] = 0x45, 0x40, hopLimit, 6
		a, b := from.ip.As4(), to.ip.As4()
		copy(ip[12:], a[:])
		copy(ip[16:], b[:])
		s.ipSum = checksum.Sum(ip[:20])
		pseudo = checksum.Sum(ip[12:20])
	}
	tcp := s.head[etherLen+ipLen(v6):]
	binary.BigEndian.PutUint16(tcp, from.port)
	binary.BigEndian.PutUint16(tcp[2:], to.port)
	s.tcpSum = checksum.Add(pseudo, word(6)+word(from.port)+word(to.port))
}

func ipLen(v6 bool) int {
	if v6 {
		return ip6Len
	}
	return ip4Len
}

// headLen is the length of the headers of a data segment's frame, bytes.
func headLen(v6, stamps bool) int {
	n := etherLen + ipLen(v6) + tcpLen
	if stamps {
		n += stampLen
	}
	return n
}

// A segment is what a frame has of its own.
type segment struct {
	flags   uint8
	seq     uint32
	ack     uint32
	win     uint16
	mss     uint16 // for a SYN
	echo    uint32 // the latest timestamp of the other side
	payload uint64 // sum of the payload, which stands in the frame already
}

// frame writes the headers of g into f, which is as long as the frame.
func (s *side) frame(f []byte, v6 bool, g *segment) {
	n := ipLen(v6)
	opts := 0
	if g.flags&flagSYN != 0 {
		opts = synLen
	}
	if s.stamps {
		opts += stampLen
	}
	f = f[:len(f):len(f)]
	copy(f[:etherLen+n+tcpLen], s.head[:])
	ip := f[etherLen:]
	if v6 {
		binary.BigEndian.PutUint16(ip[4:], uint16(len(ip)-ip6Len))
	} else {
		binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)))
		binary.BigEndian.PutUint16(ip[4:], s.id)
		put(ip[10:], checksum.Add(s.ipSum, word(uint16(len(ip)))+word(s.id)))
		s.id++
	}
	tcp := ip[n:]
	binary.BigEndian.PutUint32(tcp[4:], g.seq)
	binary.BigEndian.PutUint32(tcp[8:], g.ack)
	offset := uint16(tcpLen+opts) << 10
	binary.BigEndian.PutUint16(tcp[12:], offset|uint16(g.flags))
	binary.BigEndian.PutUint16(tcp[14:], g.win)
	total := checksum.Add(s.tcpSum, word(uint16(len(tcp)))+word(uint16(g.seq>>16))+word(uint16(g.seq))+
		word(uint16(g.ack>>16))+word(uint16(g.ack))+word(offset|uint16(g.flags))+word(g.win))
	if opts != 0 {
		o := tcp[tcpLen : tcpLen+opts]
		s.options(o, g)
		total = checksum.Add(total, checksum.Sum(o))
	}
	put(tcp[16:], checksum.Add(total, g.payload))
}

// options writes the options of g into o, which is as long as they are.
func (s *side) options(o []byte, g *segment) {
	if g.flags&flagSYN != 0 {
		o[0], o[1], o[2], o[3] = 2, 4, byte(g.mss>>8), byte(g.mss)
		o[4], o[5], o[6], o[7] = 1, 3, 3, windowScale
		o = o[synLen:]
	}
	if s.stamps {
		o[0], o[1], o[2], o[3] = 1, 1, 8, 10
		binary.BigEndian.PutUint32(o[4:], s.clock)
		binary.BigEndian.PutUint32(o[8:], g.echo)
		s.stamp = s.clock
	}
}
