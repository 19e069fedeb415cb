package http1

import "recap/pipeline/exchange"

// Holds returns the open exchange whose message of direction d, which was read, has the
// byte at a stream offset before [Conn.Reading]; nil for none.
func (c *Conn) Holds(d exchange.Dir, offset int64) *exchange.Pair {
	for i := len(c.open) - 1; i >= c.first; i-- {
		p := c.open[i].pair
		m := &p.Request.Message
		if d == exchange.ToClient {
			m = &p.Response.Message
		}
		if m.Present && m.Begin > 0 && m.Begin-1 <= offset {
			return p
		}
	}
	return nil
}
