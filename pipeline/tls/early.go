package tls

import (
	"recap/pipeline/exchange"
)

// acceptEarly hands early data on: the server has taken it.
func (c *Conn) acceptEarly() {
	c.earlyOK = true
	c.flushEarly()
}

func (c *Conn) flushEarly() {
	b := c.earlyBuf
	c.earlyBuf = nil
	for _, p := range c.earlyAt {
		c.pour(exchange.ToServer, p.at, b[:p.n])
		b = b[p.n:]
	}
	c.earlyAt = nil
}

// refuseEarly drops early data that the server did not take: the client has sent it
// again, or not.
func (c *Conn) refuseEarly() {
	if c.earlyOK {
		return
	}
	c.earlyNo = true
	c.otherBytes += int64(len(c.earlyBuf))
	c.sides[exchange.ToServer].plain -= int64(len(c.earlyBuf))
	c.earlyBuf, c.earlyAt = nil, nil
}
