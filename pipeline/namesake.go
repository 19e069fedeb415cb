package pipeline

import (
	"slices"

	"recap/pipeline/decap"
	"recap/pipeline/exchange"
	"recap/pipeline/tcp"
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
	if first.namesake == nil && first.sees(s, side) && !first.tcp.Foreign(s, side) && first.hears(s, side) {
		return first
	}
	var fits, here *conn
	var best, second int64 // of those that fit: less is better
	n, refused, newWay := 0, false, false
	for c := first; c != nil; c = c.namesake {
		n++
		at := c.sees(s, side)
		if !c.hears(s, side) {
			refused = true
			continue
		}
		if here == nil && (c.tcp.Done() || at && (c.senders[side].known || !c.tcp.Foreign(s, side))) {
			here = c // whatever its numbers mean, they mean it there
		}
		if !c.tcp.Fits(s, side) {
			continue
		}
		known := at || c.goes(s)
		own, further := known, false
		if !known {
			own, further = c.owns(s, side)
		}
		if !own {
			refused = true
			continue
		}
		far := c.tcp.Distance(s, side) + c.detour(s, side, at, known)
		if fits == nil || far < best {
			fits, best, second, newWay = c, far, best, further
		} else if second == 0 || far < second {
			second = far
		}
	}
	another := n < maxNamesakes && first.key == s.Key
	switch {
	case fits != nil && another && n > 1 && best >= foreignWay && second != 0 && second-best < otherMACs:
		return nil // perhaps one tenant's, perhaps the other's
	case fits != nil:
		if newWay && len(fits.ways) < maxPlaces {
			fits.ways = append(fits.ways, senderOf(s))
		}
		return fits
	case refused && another:
		first.disown(s, side)
		return nil
	case here != nil:
		return here
	case another:
		return nil
	}
	return first
}

// What a packet's way costs, beside the distance of its numbers: less is better.
const (
	otherMACs  = 1 << 34
	foreignWay = 1 << 35 // not that of the other direction
	otherPlace = 1 << 36 // not that of packets before
)

// detour returns what the way of s, sent by side, tells against c; at says that c was seen
// there, or that nothing of side was seen yet, and known that it is at least one of c's ways.
func (c *conn) detour(s *decap.Segment, side int, at, known bool) (cost int64) {
	switch {
	case !known:
		return otherPlace
	case !at:
		return otherMACs
	}
	if c.senders[side].known {
		return 0
	}
	if !c.between(s, side) {
		cost = otherMACs
	}
	if o := &c.senders[1-side]; o.known && (o.vlans != s.VLANs || !c.sameIDs(o.stack, s.Stack)) {
		cost += foreignWay
	}
	return cost
}

// hears reports whether s, the first that side sends, may answer what the other side of c
// was seen to send.
func (c *conn) hears(s *decap.Segment, side int) bool {
	return c.senders[side].known || c.tcp.Echoes(s, side)
}

// goes reports whether s comes from a place that was found to be one of c's.
func (c *conn) goes(s *decap.Segment) bool {
	return slices.ContainsFunc(c.ways, func(o sender) bool { return c.like(&o, s) })
}

// owns reports whether s, sent by side where no packet of that side of c was seen, belongs
// to c all the same: a mirror's copy just behind the first, or the next packet of a connection
// that takes another way now; then that is a further way of c's. One that only another tap can
// show, or another tenant, begins a connection of its own: those that are one conversation meet
// as copies.
func (c *conn) owns(s *decap.Segment, side int) (own, further bool) {
	o := &c.senders[side]
	router := o.vlans == s.VLANs && c.sameIDs(o.stack, s.Stack) // only MAC addresses differ
	switch c.tcp.Bond(s, side) {
	case tcp.Near:
		return true, true
	case tcp.Again:
		return router && !c.tcp.Repeats(&c.part.w.hist, s, side), false
	case tcp.Apart:
		return router && s.Flags&decap.SYN == 0 && s.Info&decap.HasTS == 0, false // an injected one may be
	}
	return router, false
}

// sees reports whether s, sent by side, may come from where the packets of that side did.
func (c *conn) sees(s *decap.Segment, side int) bool {
	at := &c.senders[side]
	return !at.known || c.like(at, s)
}

// disown takes what the other side sent where s begins a connection off those of c's key
// that had it for want of a better one: s shows that both directions take that way. What
// was delivered stays.
func (c *conn) disown(s *decap.Segment, side int) {
	for ; c != nil; c = c.namesake {
		from, to := &c.senders[1-side], &c.senders[side]
		if from.known && to.known && from.vlans == s.VLANs && c.sameIDs(from.stack, s.Stack) &&
			!(to.vlans == s.VLANs && c.sameIDs(to.stack, s.Stack)) && c.tcp.Halves[1-side].Disown() {
			from.known = false
			if c.info == nil {
				c.stack, c.vlans, c.hasMAC = to.stack, to.vlans, false
			}
		}
	}
}

// like reports whether s comes from the place at.
func (c *conn) like(at *sender, s *decap.Segment) bool {
	return at.vlans == s.VLANs && (!at.hasMAC || s.Info&decap.HasMAC == 0 || at.mac == s.SrcMAC) && c.sameIDs(at.stack, s.Stack)
}

// sameIDs reports whether two stacks of tunnels have the same ids.
func (c *conn) sameIDs(a, b uint32) bool {
	if a == b {
		return true
	}
	dec := c.part.w.dec
	return slices.EqualFunc(dec.Stack(a), dec.Stack(b), func(x, y exchange.Tunnel) bool { return x.ID == y.ID })
}

// senderOf returns where s was seen.
func senderOf(s *decap.Segment) sender {
	return sender{stack: s.Stack, vlans: s.VLANs, mac: s.SrcMAC, hasMAC: s.Info&decap.HasMAC != 0, known: true}
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
