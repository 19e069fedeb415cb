package pipeline

import (
	"slices"

	"recap/pipeline/decap"
	"recap/pipeline/exchange"
	"recap/pipeline/tls"
)

// place is where copies of packets of one connection came from.
type place struct {
	stack, vlans uint32
	file, iface  int32
	delay        int64
	outer        []byte // see decap.Segment
}

// maxPlaces bounds conn.seenAt and conn.taps.
const maxPlaces = 8

// copied notes where a copy of a packet was seen, where that tells it from the first.
func (c *conn) copied(s *decap.Segment, side int) {
	at := place{stack: s.Stack, vlans: s.VLANs, file: s.FileIndex, iface: s.Interface, delay: c.tcp.Halves[side].CopyDelay}
	if at.stack == c.stack && at.vlans == c.vlans && at.file == c.file && at.iface == c.iface {
		return
	}
	if c.placeOf(s) < 0 && len(c.seenAt) < maxPlaces {
		at.outer = slices.Clone(s.Outer())
		c.seenAt = append(c.seenAt, at)
	}
}

// atHome reports whether s comes from where the packets of side did first.
func (c *conn) atHome(s *decap.Segment, side int) bool {
	o := &c.senders[side]
	return s.VLANs == o.vlans && s.Stack == o.stack && s.FileIndex == c.file && s.Interface == c.iface
}

// placeOf returns which of c.seenAt s comes from, -1 for none of them.
func (c *conn) placeOf(s *decap.Segment) int {
	return slices.IndexFunc(c.seenAt, func(o place) bool {
		return o.stack == s.Stack && o.vlans == s.VLANs && o.file == s.FileIndex && o.iface == s.Interface
	})
}

// shownLate tells the pair that begins in s, a packet from another place, that it was seen there
// too: it was given out before, and others get their vantages as they are.
func (c *conn) shownLate(s *decap.Segment, side int) {
	w, i := c.part.w, c.placeOf(s)
	if i < 0 || w.opt.prompt || w.opt.counting {
		return
	}
	dir, from := c.dir(side), c.tcp.Offset(side, s.Seq)
	end := from + int64(len(s.Payload()))
	secure, _ := c.parser.(*tls.Conn)
	for k := range c.rests {
		r := &c.rests[k]
		begin, known := r.begins[dir]-1, r.begins[dir] > 0
		if secure != nil && known {
			begin, known = secure.Sent(dir, begin)
		}
		if !known || begin < from || begin >= end || r.places>>i&1 != 0 || !c.stillRests(r.cum, r.clock, vantageTime) {
			continue
		}
		r.places |= 1 << i
		// The delay is that of the place, as of all pairs of the connection.
		w.res.late = append(w.res.late, late{pair: r.pair, completed: r.number, number: s.Number,
			vantages: []exchange.Vantage{c.vantageAt(&c.seenAt[i])}, spot: spot{time: exchange.NoTime}})
	}
}

// vantages describes the places where copies of the connection's packets came from.
func (c *conn) vantages() []exchange.Vantage {
	if len(c.seenAt) == 0 {
		return nil
	}
	list := make([]exchange.Vantage, len(c.seenAt))
	for i := range c.seenAt {
		list[i] = c.vantageAt(&c.seenAt[i])
	}
	return list
}

// vantageAt describes a place.
func (c *conn) vantageAt(at *place) exchange.Vantage {
	w := c.part.w
	return exchange.Vantage{Tunnels: w.dec.Tunnels(at.stack, at.outer), VLANs: w.dec.VLANStack(at.vlans),
		Interface: w.names.iface(at.file, at.iface), DelayNS: at.delay}
}

// mirroredAs reports whether c and s come from one mirror to one target: their tunnels are the
// same but for the ids.
func (c *conn) mirroredAs(s *decap.Segment) bool {
	dec := c.part.w.dec
	a, b := dec.Tunnels(c.stack, c.outer), dec.Tunnels(s.Stack, s.Outer())
	return len(a) > 0 && slices.EqualFunc(a, b, func(x, y exchange.Tunnel) bool {
		return x.Type == y.Type && x.Src == y.Src && x.Dst == y.Dst
	})
}

// between reports whether s, sent by side, goes from and to the MAC addresses that c does.
func (c *conn) between(s *decap.Segment, side int) bool {
	return c.hasMAC && s.Info&decap.HasMAC != 0 && s.SrcMAC == c.mac[side] && s.DstMAC == c.mac[1-side]
}

// join finds the connection whose other direction s is, mirrored under another id.
func (p *partition) join(s *decap.Segment, side int) *conn {
	if p.w.opt.split || s.Flags&decap.ACK == 0 {
		return nil
	}
	syn := s.Flags&decap.SYN != 0
	var half *conn
	likeliest, one, shown := -1, true, false
	for c := p.tuples[tuple(s.Key)]; c != nil; c = c.sibling {
		switch {
		case c.retired:
		case c.tcp.Continues(side, s.Seq, s.Ack, syn) && c.tcp.Echoes(s, side):
			likely := 0
			if c.mirroredAs(s) {
				likely += 2
			}
			if c.between(s, side) {
				likely++
			}
			switch {
			case likely > likeliest:
				half, likeliest, one = c, likely, true
			case likely == likeliest:
				one = one && c.tcp.SharesPacket(&half.tcp) // else of two tenants
			}
		case c.tcp.Shows(side, s.Seq, s.Ack, syn):
			shown = true
		}
	}
	if half == nil || !one || shown && likeliest < 2 {
		return nil // perhaps another tap of what is shown, and the half one of another tenant
	}
	p.flows[s.Key] = half
	half.aliases = append(half.aliases, s.Key)
	return half
}

// inherit makes c, which a packet of one direction has begun in the place of old, the
// connection of the other direction too: its SYN came before, under another id.
func (c *conn) inherit(old *conn) {
	for _, k := range append(old.aliases, old.key) {
		if k != c.key && c.part.flows[k] == nil {
			c.part.flows[k] = c
			c.aliases = append(c.aliases, k)
		}
	}
}

// parts takes the two directions of c, which were joined, from each other again where s shows
// that its tunnel has both: then another tap, or another tenant with the same numbers, was
// joined. It reports whether s is none of c.
func (c *conn) parts(s *decap.Segment, side int) bool {
	own, other := &c.senders[side], &c.senders[1-side]
	if !own.known || !other.known || c.sameIDs(own.stack, s.Stack) || !c.sameIDs(other.stack, s.Stack) {
		return false
	}
	gone := s.Key.Stack != c.key.Stack
	wrong := side // what c was joined with
	if gone {
		wrong = 1 - side
	}
	c.aliases = slices.DeleteFunc(c.aliases, func(k exchange.FlowKey) bool {
		if gone && k != s.Key {
			return false
		}
		if c.part.flows[k] == c {
			delete(c.part.flows, k)
		}
		c.part.recent[slotOf(spread(&k))] = nil
		return true
	})
	if c.tcp.Halves[wrong].Disown() {
		c.senders[wrong].known = false
	}
	return gone
}
