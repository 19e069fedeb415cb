package pipeline

import "recap/reader/packet"

// Awaits implements tcp.Handler: what was cut from a packet waits for another tap where there
// is one, or where its first packet may still come.
func (c *conn) Awaits(since int64) bool {
	w := c.part.w
	if w.opt.split || w.opt.prompt || w.now.Clock-since > holdTime {
		return false
	}
	if !c.hasKin() && len(c.seenAt) == 0 && !(c.young() && c.part.mayMirror(c.clock)) {
		return false
	}
	c.part.awaiting.push(c, w.now.Clock+holdTime)
	return true
}

// hasKin reports whether another connection may be the same conversation as c.
func (c *conn) hasKin() bool {
	for d := c.newest(); d != nil; d = d.sibling {
		if c.kin(d) {
			return true
		}
	}
	return false
}

// awaiting is a queue of connections that wait for what another tap may show of a packet that
// was cut. Their own packets tell them when they have waited for long enough; the queue tells
// those that get none.
type awaiting struct{ list []awaiter }

// An awaiter is a connection, and when to ask it, by the capture clock.
type awaiter struct {
	c        *conn
	deadline int64
}

// push adds c, unless it is there.
func (a *awaiting) push(c *conn, deadline int64) {
	if !c.awaiting {
		c.awaiting = true
		a.list = append(a.list, awaiter{c, deadline})
	}
}

// pop takes the oldest out.
func (a *awaiting) pop() *conn {
	c := a.list[0].c
	a.list[0].c = nil
	if a.list = a.list[1:]; len(a.list) == 0 {
		a.list = nil
	}
	c.awaiting = false
	return c
}

// lapse lets those give up waiting that have waited for long enough at the packet at at.
func (p *partition) lapse(at packet.Pos) {
	at = plain(at)
	for len(p.awaiting.list) > 0 && p.awaiting.list[0].deadline < at.Clock {
		c := p.awaiting.pop()
		if c.list == nil {
			continue // finished
		}
		if c.tcp.Lapse(&p.env, at.Clock, at, c) {
			p.awaiting.push(c, at.Clock+holdTime)
		}
		c.settle(at)
		p.charge(c)
		c.tick(at)
	}
}

// tick tells those that may be the same conversation as c the time: they may lack the same
// bytes, and are to give them up while their pairs meet.
func (c *conn) tick(at packet.Pos) {
	for d := c.newest(); d != nil; d = d.sibling {
		if !d.retired && c.kin(d) {
			d.tcp.Tick(&c.part.env, at.Clock, at, d)
			d.settle(at)
			c.part.charge(d)
		}
	}
}

// hasten lets the one that has waited for longest give up, so that memory comes free. It
// reports whether there was one.
func (p *partition) hasten(at packet.Pos) bool {
	if len(p.awaiting.list) == 0 {
		return false
	}
	at = plain(at)
	if c := p.awaiting.pop(); c.list != nil {
		c.tcp.Hasten(&p.env, at, c)
		c.settle(at)
		p.charge(c)
	}
	return true
}
