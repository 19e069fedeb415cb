package pipeline

import (
	"slices"

	"recap/reader/packet"
)

// holes exchanges what c and its siblings lack of each other.
func (c *conn) holes(at packet.Pos) {
	for d := c.newest(); d != nil; d = d.sibling {
		if !c.tcp.Lacks() && !d.tcp.Lacks() || !c.kin(d) {
			continue
		}
		// What one side says may wait for what the other does.
		for range 4 {
			moved := false
			for side := range 2 {
				moved = c.fill(d, side, at) || moved
				moved = d.fill(c, side, at) || moved
			}
			if !moved {
				break
			}
			d.settle(plain(at))
		}
	}
}

// plain returns at without what is told of the packet there, which shows another connection.
func plain(at packet.Pos) packet.Pos {
	at.BadChecksum, at.FragmentConflict = false, false
	return at
}

// mostFill is how much is brought at once, bytes.
const mostFill = 64 << 10

// fill puts bytes that d has into the first hole of c. It reports whether it had any.
func (c *conn) fill(d *conn, side int, at packet.Pos) (moved bool) {
	if c.retired || c.tcp.Halves[side].Packets == 0 { // shows one direction only
		return false
	}
	h := &c.part.w.hist
	for range 16 {
		seq, n := c.tcp.Hole(side)
		if n == 0 {
			break
		}
		b := d.tcp.Run(h, side, seq, int(min(n, mostFill)))
		if len(b) == 0 {
			break
		}
		if !c.agrees(d, side, seq, n) {
			break
		}
		c.tcp.BeginWith(&d.tcp)
		c.tcp.Fill(&c.part.env, &d.tcp, side, seq, b, at, c)
		moved = true
	}
	return moved
}

// agrees reports whether c and d hold the same bytes around a hole of n bytes in c: some
// must be the same there, or where the two share a packet anywhere, and none may differ.
// Once they are known to be one conversation, fewer will do.
func (c *conn) agrees(d *conn, side int, seq uint32, n int64) bool {
	const reach = 256
	h, enough := &c.part.w.hist, int64(64)
	shares := c.tcp.SharesPacket(&d.tcp)
	if shares {
		enough = 16
	}
	same, differ := c.tcp.Agree(&d.tcp, h, side, seq-reach, reach)
	if !differ {
		var behind int64
		behind, differ = c.tcp.Agree(&d.tcp, h, side, seq+uint32(n), reach)
		same += behind
	}
	elsewhere := int64(0)
	switch {
	case same >= enough:
	case c.tcp.SharesMany(&d.tcp): // perhaps all but a few bytes of each packet were cut
		elsewhere = 8
	default:
		elsewhere = 64
	}
	i := slices.Index(c.proven, d)
	switch {
	case differ && i >= 0:
		c.proven = slices.Delete(c.proven, i, i+1)
	case !differ && i < 0 && (same >= enough || shares) && c.nowhereDiffers(d, elsewhere):
		if len(c.proven) < maxPlaces {
			c.proven = append(c.proven, d)
		}
		return true
	}
	return !differ && i >= 0
}

// nowhereDiffers reports whether all that c and d hold of late is the same, and that is
// enough bytes: two tenants may say the same for a while.
func (c *conn) nowhereDiffers(d *conn, enough int64) bool {
	const reach = 1 << 20
	all := int64(0)
	for side := range c.tcp.Halves {
		from := max(0, c.tcp.Halves[side].Offset()-reach)
		same, differ := c.tcp.Agree(&d.tcp, &c.part.w.hist, side, c.tcp.Seq(side, from), 2*reach)
		if differ {
			return false
		}
		all += same
	}
	return all >= enough
}

// begins reports whether another tap shows that the first byte that c has of side is the
// first one that was sent.
func (c *conn) begins(side int) bool {
	return slices.ContainsFunc(c.proven, func(d *conn) bool { return d.tcp.Begins(side, c.tcp.Seq(side, 0)) })
}

// Missing implements tcp.Handler: another tap may have what c is about to give up.
func (c *conn) Missing(side int) (found bool) {
	if c.company == nil || !c.tcp.Waits(side) {
		return false
	}
	for d := c.newest(); d != nil && !found; d = d.sibling {
		found = c.kin(d) && (c.fill(d, side, c.part.w.now) || c.fillBehind(d, side, c.part.w.now))
	}
	return found
}

// fillBehind puts bytes that d has, but not from its first one on, into the first hole of c.
// It reports whether it had any.
func (c *conn) fillBehind(d *conn, side int, at packet.Pos) bool {
	h := &c.part.w.hist
	seq, n := c.tcp.Hole(side)
	if c.retired || n == 0 || c.tcp.Halves[side].Packets == 0 {
		return false
	}
	ahead := d.tcp.Ahead(h, side, seq, n)
	if ahead >= n || !c.agrees(d, side, seq, n) {
		return false
	}
	b := d.tcp.Run(h, side, seq+uint32(ahead), int(min(n-ahead, mostFill)))
	c.tcp.Fill(&c.part.env, &d.tcp, side, seq+uint32(ahead), b, at, c)
	return len(b) > 0
}

// Cut implements tcp.Handler: another tap may have seen a packet whole that was cut here.
func (c *conn) Cut(side int, seq uint32, n int64) (most []byte) {
	if c.company == nil {
		return nil
	}
	n = min(n, mostFill) // of a packet
	for d := c.newest(); d != nil; d = d.sibling {
		if !c.kin(d) {
			continue
		}
		if b := d.tcp.Run(&c.part.w.hist, side, seq, int(n)); len(b) > len(most) && c.agrees(d, side, seq, n) {
			most = b
		}
	}
	return most
}
