package pipeline

import (
	"slices"

	"recap/pipeline/decap"
	"recap/pipeline/exchange"
)

// Two conversations may have the same addresses and ports at the same time: tenants in two
// VLANs, behind two labels or in two sessions of a mirror, or hosts whose captures are read
// together. A flow key holds the ids of tunnels only where both directions have the same
// one. So connections may share a key, linked by conn.namesake: a packet's numbers tell
// whose it is, and then where it was seen.

// maxNamesakes bounds how many connections share a key.
const maxNamesakes = 32

// A sender is where the first packet of a side was seen.
type sender struct {
	stack, vlans uint32
	mac          [6]byte
	hasMAC       bool
	known        bool
}

// among returns the connection that s, sent by side, belongs to, of those with the key of
// first; nil where it begins another one.
func (p *partition) among(first *conn, s *decap.Segment, side int) *conn {
	if first.namesake == nil && !first.tcp.Foreign(s, side) {
		return first
	}
	var fits, here *conn
	var best int64 // of those that fit: less is better
	n := 0
	for c := first; c != nil; c = c.namesake {
		n++
		at := c.tcp.Done() || c.sees(s, side)
		if at && here == nil {
			here = c // whatever its numbers mean, they mean it there
		}
		if c.tcp.Fits(s, side) {
			far := c.tcp.Distance(s, side)
			if !at {
				far += 1 << 32
			}
			if fits == nil || far < best {
				fits, best = c, far
			}
		}
	}
	switch {
	case fits != nil:
		return fits
	case here != nil:
		return here
	case n < maxNamesakes && first.key == s.Key && first.tcp.Foreign(s, side):
		return nil
	}
	return first
}

// sees reports whether s, sent by side, may come from where the packets of that side did.
func (c *conn) sees(s *decap.Segment, side int) bool {
	at := &c.senders[side]
	if !at.known {
		return true
	}
	if at.vlans != s.VLANs || at.hasMAC && s.Info&decap.HasMAC != 0 && at.mac != s.SrcMAC {
		return false
	}
	if at.stack == s.Stack {
		return true
	}
	dec := c.part.w.dec
	return slices.EqualFunc(dec.Stack(at.stack), dec.Stack(s.Stack), func(a, b exchange.Tunnel) bool { return a.ID == b.ID })
}

// note remembers where the first packet of side was seen.
func (c *conn) note(s *decap.Segment, side int) {
	c.senders[side] = sender{stack: s.Stack, vlans: s.VLANs, mac: s.SrcMAC, hasMAC: s.Info&decap.HasMAC != 0, known: true}
}

// unlink takes c out of those with its key.
func (p *partition) unlink(c *conn) {
	first := p.flows[c.key]
	switch {
	case first != c:
		for d := first; d != nil; d = d.namesake {
			if d.namesake == c {
				d.namesake = c.namesake
			}
		}
	case c.namesake != nil:
		p.flows[c.key] = c.namesake
	default:
		delete(p.flows, c.key)
	}
	c.namesake = nil
}
