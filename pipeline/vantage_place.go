package pipeline

import (
	"slices"

	"recap/pipeline/decap"
	"recap/pipeline/exchange"
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
	for i := range c.seenAt {
		if o := &c.seenAt[i]; o.stack == at.stack && o.vlans == at.vlans && o.file == at.file && o.iface == at.iface {
			return
		}
	}
	if len(c.seenAt) < maxPlaces {
		at.outer = slices.Clone(s.Outer())
		c.seenAt = append(c.seenAt, at)
	}
}

// vantages describes the places where copies of the connection's packets came from.
func (c *conn) vantages() []exchange.Vantage {
	if len(c.seenAt) == 0 {
		return nil
	}
	w := c.part.w
	list := make([]exchange.Vantage, len(c.seenAt))
	for i, at := range c.seenAt {
		list[i] = exchange.Vantage{Tunnels: w.dec.Tunnels(at.stack, at.outer), VLANs: w.dec.VLANStack(at.vlans),
			Interface: w.names.iface(at.file, at.iface), DelayNS: at.delay}
	}
	return list
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

// join finds the connection whose other direction s is, mirrored under another id.
func (p *partition) join(s *decap.Segment, side int) *conn {
	if p.w.opt.split || s.Flags&decap.ACK == 0 {
		return nil
	}
	syn := s.Flags&decap.SYN != 0
	var half *conn
	shown, sure := false, false
	for c := p.tuples[tuple(s.Key)]; c != nil && !sure; c = c.sibling {
		switch {
		case c.retired:
		case c.tcp.Continues(side, s.Seq, s.Ack, syn) && c.tcp.Echoes(s, side):
			half, sure = c, c.mirroredAs(s)
		case c.tcp.Shows(side, s.Seq, s.Ack, syn):
			shown = true
		}
	}
	if half == nil || shown && !sure {
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
