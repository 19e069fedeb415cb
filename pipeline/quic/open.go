package quic

import (
	"bytes"
	"slices"

	"recap/pipeline/exchange"
	"recap/pipeline/tls"
	"recap/reader/packet"
)

// How the packets of a datagram are found and opened; what is in them is for conn.go.

// Datagram takes the payload of a datagram, or of several of one size that the capturing
// host had not divided yet.
func (c *Conn) Datagram(d exchange.Dir, at packet.Pos, b []byte) {
	c.fed += int64(len(b))
	c.packets(d, at, b)
}

// packets takes the packets of a datagram.
func (c *Conn) packets(d exchange.Dir, at packet.Pos, b []byte) {
	for all := len(b); len(b) > 0; {
		n := len(b)
		if isLong(b) {
			h, ok := parseLong(b)
			if !ok {
				c.tally.TLS += int64(n)
				return
			}
			n = h.end
			c.long(d, at, b[:n], &h)
		} else if b[0]&fixedBit == 0 && len(bytes.TrimLeft(b, "\x00")) == 0 {
			c.tally.TLSOverhead += int64(n) // some pad datagrams behind their packets
		} else {
			n = c.short(d, at, b, all-n)
		}
		b = b[n:]
	}
}

// long takes a packet with a long header.
func (c *Conn) long(d exchange.Dir, at packet.Pos, p []byte, h *header) {
	s := &c.sides[d]
	switch h.typ {
	case initial:
		c.initialPacket(d, at, p, h)
		return
	case retry:
		if d == exchange.ToClient {
			// The client begins again, with the ID that the server gives.
			c.sides[exchange.ToServer].learn(h.src)
		}
		c.tally.TLS += int64(len(p))
		return
	case zeroRTT:
		c.version = h.version
		if s.early != nil {
			c.open(d, at, p, h.number, appSpace, s.early)
			return
		}
		for _, k := range c.hello.Keys(h.version, d, tls.LevelEarly) {
			if c.tryOpen(d, at, p, h.number, appSpace, k) {
				s.early = k
				return
			}
		}
		c.wait(d, at, p)
		return
	}
	c.version = h.version
	sp := &s.spaces[handshakeSpace]
	if sp.key == nil {
		if keys := c.hello.Keys(h.version, d, tls.LevelHandshake); len(keys) > 0 {
			sp.key = keys[0]
		}
	}
	if sp.key == nil {
		c.wait(d, at, p)
		return
	}
	c.open(d, at, p, h.number, handshakeSpace, sp.key)
}

// initialPacket takes an Initial packet. Its keys follow from the ID that the client
// chose first, or from the one that a Retry gave it.
func (c *Conn) initialPacket(d exchange.Dir, at packet.Pos, p []byte, h *header) {
	for of, keys := range c.initial {
		if of.version == h.version && c.tryOpen(d, at, p, h.number, initialSpace, keys[d]) {
			c.heard(d, h)
			return
		}
	}
	try := func(id []byte) bool {
		of := initialOf{h.version, string(id)}
		if _, ok := c.initial[of]; ok || len(c.initial) >= maxInitials {
			return false
		}
		keys := tls.InitialKeys(h.version, id)
		if keys == nil || !c.tryFirst(d, at, p, h.number, keys[d]) {
			return false
		}
		c.initial[of] = keys
		c.heard(d, h)
		return true
	}
	if d == exchange.ToServer && try(h.dst) {
		return
	}
	// The server may have chosen another version (RFC 9369, section 4).
	var ids []string
	for of := range c.initial {
		ids = append(ids, of.id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		if try([]byte(id)) {
			return
		}
	}
	c.tally.TLS += int64(len(p))
}

// tryFirst opens an Initial packet with keys that are new to the connection. A client that
// was sent a Retry, or told of other versions, begins anew: it should say the same again
// (RFC 9000, section 17.2.5.2), but some say another ClientHello.
func (c *Conn) tryFirst(d exchange.Dir, at packet.Pos, p []byte, number int, k *tls.PacketKey) bool {
	if d == exchange.ToClient || c.answer || len(c.initial) == 0 {
		return c.tryOpen(d, at, p, number, initialSpace, k)
	}
	s := &c.sides[d]
	before := s.spaces[initialSpace]
	s.spaces[initialSpace] = newSpace()
	if !c.tryOpen(d, at, p, number, initialSpace, k) {
		s.spaces[initialSpace] = before
		return false
	}
	s.early = nil
	return true
}

// heard notes what an Initial packet that opened tells of connection IDs.
func (c *Conn) heard(d exchange.Dir, h *header) {
	c.version = h.version
	s, other := &c.sides[d], &c.sides[d.Reverse()]
	if d == exchange.ToServer {
		s.learn(h.dst)
	} else {
		c.answer = true
	}
	other.learn(h.src)
	other.idLen = len(h.src)
}

// short takes a packet with a short header, which goes to the end of its datagram: of p,
// or of what stands in p with others. off bytes stood before it in the same packet of the
// capture. It returns how many bytes it took.
func (c *Conn) short(d exchange.Dir, at packet.Pos, p []byte, off int) int {
	s := &c.sides[d]
	sp := &s.spaces[appSpace]
	if sp.key == nil {
		keys := c.hello.Keys(c.version, d, tls.LevelApplication)
		if len(keys) == 0 {
			c.wait(d, at, p)
			return len(p)
		}
		sp.key = keys[0]
		s.next = sp.key.Next()
	}
	if s.idLen >= 0 {
		if c.openShort(d, at, p, 1+s.idLen) {
			return len(p)
		}
		if n := c.segmented(d, at, p, off); n > 0 {
			return n
		}
		c.tally.TLS += int64(len(p))
		return len(p)
	}
	for n := 0; n <= maxID && c.failed < maxFailed; n++ {
		if c.openShort(d, at, p, 1+n) {
			s.idLen = n
			return len(p)
		}
	}
	c.failed++
	c.tally.TLS += int64(len(p))
	return len(p)
}

const (
	// minSegment and maxSegment are the sizes of datagrams that are looked for inside a
	// larger one, bytes: what every path of QUIC carries (RFC 9000, section 14), and what
	// Ethernet does.
	minSegment, maxSegment = 1200, 1500
	// maxSearches bounds how often a size is looked for in vain.
	maxSearches = 64
)

// segmented opens a packet that ends before p does: hosts capture datagrams before the
// network card divides them (UDP segmentation offload), or after the kernel has put them
// together. All but the last have one size. It returns the length of the packet, 0 for none.
func (c *Conn) segmented(d exchange.Dir, at packet.Pos, p []byte, off int) int {
	s := &c.sides[d]
	try := func(size int) int {
		if n := size - off%size; n < len(p) && c.openShort(d, at, p[:n], 1+s.idLen) {
			return n
		}
		return 0
	}
	if s.segment > 0 {
		if n := try(s.segment); n > 0 {
			return n
		}
	}
	if off+len(p) <= minSegment || s.searches >= maxSearches {
		return 0
	}
	for size := minSegment; size <= min(maxSegment, off+len(p)-1); size++ {
		if n := try(size); n > 0 {
			s.segment, s.searches = size, 0
			return n
		}
	}
	s.searches++
	return 0
}

// maxFailed bounds how many packets are tried with connection IDs of every length.
const maxFailed = 1000

// openShort opens a 1-RTT packet under the keys of its phase (RFC 9001, section 6).
func (c *Conn) openShort(d exchange.Dir, at packet.Pos, p []byte, number int) bool {
	s := &c.sides[d]
	sp := &s.spaces[appSpace]
	if len(p) < number+4+tls.SampleLen {
		return false
	}
	const keyPhase = 0x04
	mask := sp.key.Mask(p[number+4:])
	if (p[0]^mask[0]&0x1f)&keyPhase == s.phase {
		return c.tryOpen(d, at, p, number, appSpace, sp.key)
	}
	if s.prev != nil && c.tryOpen(d, at, p, number, appSpace, s.prev) {
		return true
	}
	if s.next == nil || !c.tryOpen(d, at, p, number, appSpace, s.next) {
		return false
	}
	s.prev, sp.key = sp.key, s.next
	s.next = sp.key.Next()
	s.phase ^= keyPhase
	return true
}

// open opens a packet, or counts it as one that cannot be read.
func (c *Conn) open(d exchange.Dir, at packet.Pos, p []byte, number, in int, k *tls.PacketKey) {
	if !c.tryOpen(d, at, p, number, in, k) {
		c.tally.TLS += int64(len(p))
	}
}

// tryOpen opens a packet with k and takes its frames; it reports whether k fits.
func (c *Conn) tryOpen(d exchange.Dir, at packet.Pos, p []byte, number, in int, k *tls.PacketKey) bool {
	sp := &c.sides[d].spaces[in]
	n, plain, ok := unprotect(k, p, number, sp.newest, &c.head, c.plain[:0])
	if !ok {
		return false
	}
	c.plain = plain[:0]
	sp.newest = max(sp.newest, n)
	if !sp.seen.add(n) {
		c.tally.Duplicate += int64(len(p))
		return true
	}
	var gave int64 // bytes of streams
	c.plain = nil  // frames may make other packets open
	frames(plain, func(f *frame) { gave += c.frame(d, at, in, f) })
	c.plain = plain[:0]
	c.tally.TLSOverhead += int64(len(p)) - gave
	return true
}

// wait keeps a packet until its keys are known, if they may become so.
func (c *Conn) wait(d exchange.Dir, at packet.Pos, p []byte) {
	if c.hello.HasClient() && !c.hello.MayOpen() || len(c.pending) >= maxPending || c.waits+int64(len(p)) > maxPendingBytes {
		c.tally.TLS += int64(len(p))
		return
	}
	c.pending = append(c.pending, pending{d, at, slices.Clone(p)})
	c.waits += int64(len(p))
}

// replay takes the packets that have waited for keys.
func (c *Conn) replay() {
	list := c.pending
	c.pending, c.waits = nil, 0
	for _, p := range list {
		c.packets(p.d, p.at, p.b)
	}
}
