package wire

import (
	"bytes"
	"encoding/binary"

	"recap/reader/packet/checksum"
)

// A Train is data segments that follow each other in one direction of a connection, as
// one frame that a network card, or the kernel in its place, divides again.
type Train struct {
	head    int // length of the headers of each segment
	size    int // payload of all segments but the last
	payload int // of all so far
	count   int
	next    uint32 // sequence number of the segment that may follow
	ended   bool
	lead    []byte // the first frame
}

// maxTrain is the longest IP packet, and maxSegments what kernels before 6.9 divide.
const (
	maxTrain    = 65535
	maxSegments = 64
)

// Start begins a train with frame f, which must be one that this package has made.
func (t *Train) Start(f []byte) {
	*t = Train{lead: f, count: 1}
	ip := ipLen(f[etherLen]>>4 == 6)
	tcp := f[etherLen+ip:]
	t.head = etherLen + ip + int(tcp[12]>>4)*4
	t.size = len(f) - t.head
	t.payload = t.size
	t.next = binary.BigEndian.Uint32(tcp[4:]) + uint32(t.size)
	t.ended = tcp[13] != flagACK // nothing follows a SYN, a FIN or a push
}

// Add takes f as the next segment, if it is one. Payload gives what belongs behind the
// frames before it.
func (t *Train) Add(f []byte) bool {
	n := len(f) - t.head
	if t.size == 0 || t.ended || n <= 0 || n > t.size || t.payload%t.size != 0 || t.count == maxSegments ||
		t.head-etherLen+t.payload+n > maxTrain {
		return false
	}
	v6 := t.lead[etherLen]>>4 == 6
	ends := etherLen + ipLen(v6)
	a, b := t.lead[ends:], f[ends:]
	addresses := etherLen + 12
	if v6 {
		addresses = etherLen + 8
	}
	const seq, ack, flags, sum, urgent = 4, 8, 13, 16, 18
	if !bytes.Equal(f[:etherLen], t.lead[:etherLen]) || f[etherLen] != t.lead[etherLen] ||
		!bytes.Equal(f[addresses:ends+seq], t.lead[addresses:ends+seq]) || binary.BigEndian.Uint32(b[seq:]) != t.next ||
		!bytes.Equal(a[ack:flags], b[ack:flags]) || b[flags]&^flagPSH != flagACK || !bytes.Equal(a[flags+1:sum], b[flags+1:sum]) ||
		!bytes.Equal(a[urgent:t.head-ends], b[urgent:t.head-ends]) {
		return false
	}
	t.payload += n
	t.next += uint32(n)
	t.count++
	if b[flags] != flagACK {
		a[flags] = b[flags] // the push, which only the last segment gets
		t.ended = true
	}
	return true
}

// Payload is the part of frame f that goes behind the others.
func (t *Train) Payload(f []byte) []byte { return f[t.head:] }

// Count is how many segments there are.
func (t *Train) Count() int { return t.count }

// VirtioLen is the length of a virtio_net_hdr.
const VirtioLen = 10

// Virtio fills in the header that tells the kernel how to divide the train, and makes
// the headers of the first frame those of all: its length, and the sum that the
// checksum of each segment begins with. A train of one is left as it is.
func (t *Train) Virtio(h *[VirtioLen]byte) {
	*h = [VirtioLen]byte{}
	if t.count == 1 {
		return
	}
	const needsChecksum, tcp4, tcp6, offset = 1, 1, 4, 16
	f := t.lead
	ip := f[etherLen:]
	v6 := ip[0]>>4 == 6
	n := ipLen(v6)
	length := t.head - etherLen + t.payload
	var pseudo uint64
	h[0], h[1] = needsChecksum, tcp4
	if v6 {
		h[1] = tcp6
		binary.BigEndian.PutUint16(ip[4:], uint16(length-ip6Len))
		pseudo = checksum.Sum(ip[8:40])
	} else {
		binary.BigEndian.PutUint16(ip[2:], uint16(length))
		ip[10], ip[11] = 0, 0
		put(ip[10:], checksum.Sum(ip[:ip4Len]))
		pseudo = checksum.Sum(ip[12:20])
	}
	put(ip[n+offset:], checksum.Add(pseudo, word(6)+word(uint16(length-n))))
	// The kernel adds the rest and inverts: it wants the sum itself.
	ip[n+offset], ip[n+offset+1] = ^ip[n+offset], ^ip[n+offset+1]
	for i, v := range [...]int{t.head, t.size, etherLen + n, offset} {
		binary.NativeEndian.PutUint16(h[2+2*i:], uint16(v))
	}
}
