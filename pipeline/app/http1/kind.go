package http1

import (
	"recap/pipeline/app"
	"recap/pipeline/exchange"
)

// kind names the pair's interface: all of them, or the one that the connection goes on
// by where nobody sees the pair.
func (c *Conn) kind(m *meta, p *exchange.Pair) string {
	socket := m.websocket && p.Response.Status == 101
	if c.env.Counting && !socket {
		return ""
	}
	return app.Kind(p, socket)
}
