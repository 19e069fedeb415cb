package websocket

import (
	"recap/pipeline/app"
	"recap/pipeline/exchange"
	"recap/reader/packet"
)

// Conn reads a connection of HTTP/1 that was handed over to WebSocket.
type Conn struct {
	session *Session
	fed     int64
}

// New returns a parser of what follows a handshake.
func New(env *app.Env, conn *exchange.Conn, opt Options) *Conn {
	return &Conn{session: NewSession(env, conn, opt)}
}

// Data implements app.Parser.
func (c *Conn) Data(d exchange.Dir, at packet.Pos, b []byte) {
	c.fed += int64(len(b))
	c.session.Data(d, at, b)
}

// Gap implements app.Parser.
func (c *Conn) Gap(d exchange.Dir, at packet.Pos, n int64, reason string) {
	c.session.Gap(d, at, n, reason)
}

// Close implements app.Parser.
func (c *Conn) Close(d exchange.Dir, at packet.Pos) { c.session.Close(d, at) }

// End implements app.Parser.
func (c *Conn) End(reason app.EndReason, at packet.Pos) { c.session.End(reason, at) }

// Tally implements app.Parser.
func (c *Conn) Tally() app.Tally {
	t := app.Tally{Other: c.session.other, Unparsed: c.session.Unparsed()}
	t.HTTP = c.fed - t.Other - t.Unparsed
	return t
}

// Memory implements app.Parser.
func (c *Conn) Memory() int64 { return c.session.Memory() }
