package pipeline

import (
	"recap/pipeline/decap"
	"recap/pipeline/exchange"
)

// tuple is the key of the connections that may be one conversation.
func tuple(k exchange.FlowKey) exchange.FlowKey {
	k.Stack = 0
	return k
}

// meet makes c known to the connections with the same addresses and ports.
func (p *partition) meet(c *conn) {
	if p.w.opt.split {
		return
	}
	k := tuple(c.key)
	first := p.tuples[k]
	if first != nil && first.company != nil && first.company.size >= maxCompany {
		return // c stays alone
	}
	c.sibling = first
	p.tuples[k] = c
	if first == nil {
		return
	}
	if first.company == nil {
		first.company = &company{size: 1}
	}
	c.company = first.company
	c.company.newest = c
	c.company.size++
}

// newest returns the newest of the connections with the addresses and ports of c, nil
// where it is alone.
func (c *conn) newest() *conn {
	if c.company == nil {
		return nil
	}
	return c.company.newest
}

// A company is the connections with the same addresses and ports, linked by
// conn.sibling. One that was alone all the time has none.
type company struct {
	newest *conn
	size   int
}

// maxCompany bounds it: each compares itself with all others. Taps are few; a capture in
// which very many tenants have the same addresses and ports is made to be slow.
const maxCompany = 256

// part takes c out of them again.
func (p *partition) part(c *conn) {
	if p.w.opt.split {
		return
	}
	k := tuple(c.key)
	if p.tuples[k] == c {
		if c.sibling == nil {
			delete(p.tuples, k)
		} else {
			p.tuples[k] = c.sibling
		}
		if c.company != nil {
			c.company.newest = c.sibling
			c.company.size--
		}
	} else {
		for d := p.tuples[k]; d != nil; d = d.sibling {
			if d.sibling == c {
				d.sibling = c.sibling
				c.company.size--
				break
			}
		}
	}
	c.sibling = nil
}

// kin reports whether d is another connection that may be the same conversation as c.
func (c *conn) kin(d *conn) bool {
	return d != c && !c.differs(d) && c.tcp.Related(&d.tcp) && !c.tcp.OtherPackets(&d.tcp)
}

// differs reports whether c and d were found to be two conversations.
func (c *conn) differs(d *conn) bool {
	for _, x := range c.strangers {
		if x == d {
			return true
		}
	}
	for _, x := range d.strangers {
		if x == c {
			return true
		}
	}
	return false
}

// maxStrangers bounds how many connections one remembers as not the same.
const maxStrangers = 64

// superseded reports whether s, whose numbers c cannot have, is of a connection that
// another tap has shown to begin later: then the ports are used again here too.
func (c *conn) superseded(s *decap.Segment, side int) bool {
	if c.company == nil || !c.tcp.Foreign(s, side) {
		return false
	}
	for d := c.newest(); d != nil; d = d.sibling {
		if d != c && d.began > c.began && d.tcp.Fits(s, side) && !d.tcp.Related(&c.tcp) {
			return true
		}
	}
	return false
}
