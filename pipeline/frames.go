package pipeline

import (
	"bytes"

	"recap/pipeline/app"
	"recap/pipeline/app/http1"
	"recap/pipeline/app/http2"
	"recap/pipeline/app/websocket"
	"recap/pipeline/exchange"
	"recap/pipeline/tls"
	"recap/reader/packet"
)

// sniffHTTP2 looks for the start of an HTTP/2 connection at all, which ends with b,
// the next bytes of side. It reports whether it took b.
func (c *conn) sniffHTTP2(side int, at packet.Pos, all, b []byte) bool {
	d := &c.detect[side]
	switch n := min(len(all), len(http2.Preface)); {
	case !bytes.Equal(all[:n], []byte(http2.Preface)[:n]), d.inside && n < len("PRI *"):
		if d.inside || !http2.MayAnswer(all) || len(all) > maxSniff {
			return false
		}
	case n == len(http2.Preface):
		c.noFrames(d) // came before the connection began
		var mid [2]bool
		mid[1-side] = c.joined(1 - side)
		c.speakHTTP2(side, mid)
		c.parser.Data(c.dir(side), at, b)
		return true
	}
	d.buf = append(d.buf, b...)
	d.parts = append(d.parts, part{at, len(b)})
	return true
}

// joined reports whether what comes of a side may begin in the middle.
func (c *conn) joined(side int) bool {
	d := &c.detect[side]
	return d.inside || len(d.buf) == 0 && !c.tcp.Halves[side].SYN() && !c.tcp.Halves[1-side].SYN()
}

// speakHTTP2 begins to read the connection as HTTP/2, with client as the side that
// asks, and gives the parser what was kept back.
func (c *conn) speakHTTP2(client int, midstream [2]bool) {
	c.client, c.clientKnown = client, true
	c.protocol = "http/2"
	c.describe()
	env := c.part.w.env
	env.Emit, env.Message = c.emit, c.message
	old := c.detect
	c.detect = [2]detector{{inside: old[0].inside}, {inside: old[1].inside}}
	c.parser = http2.New(&env, c.info, http2.Options{
		Midstream: [2]bool{midstream[client], midstream[1-client]},
		Passed:    [2]bool{old[client].inside, old[1-client].inside},
	})
	for _, side := range [2]int{client, 1 - client} {
		c.feed(side, old[side])
		if f := old[side].frames; f != nil {
			f.Take(func(at packet.Pos, b []byte) { c.parser.Data(c.dir(side), at, b) })
		}
	}
}

// sniffFrames looks for HTTP/2 frames in the next bytes of a side whose start the
// capture does not hold. It reports whether it took b.
func (c *conn) sniffFrames(side int, at packet.Pos, b []byte) bool {
	d := &c.detect[side]
	if c.protocol != "" || !d.gapped && c.tcp.Halves[side].SYN() {
		return false
	}
	if d.frames == nil {
		d.frames = new(http2.Finder)
	}
	c.other += int64(d.frames.Feed(at, b))
	c.join(false)
	return true
}

// join begins to read HTTP/2 in the middle, where frames leave no doubt: in both
// directions, or in one and with a header block that tells who asks.
func (c *conn) join(last bool) {
	client, known, found, held := c.client, false, 0, 0
	var mid [2]bool
	for side := range c.detect {
		d := &c.detect[side]
		mid[side] = c.joined(side)
		if len(d.buf) > 0 && http2.MayAnswer(d.buf) {
			// Without the client's preface, it need not be the first that the server sent,
			// nor sent by the server.
			mid[side] = !c.tcp.Halves[side].SYN() && !c.tcp.Halves[1-side].SYN()
			if found++; !mid[side] || !c.portsTell() {
				client = 1 - side
			}
		}
		if f := d.frames; f != nil && f.Found() {
			found++
			held = max(held, f.Held())
			if f.Asks() {
				client, known = side, true
			} else if f.Answers() {
				client, known = 1-side, true
			}
		}
	}
	// A header block that tells who asks may be near.
	if known || found == 2 && (last || held > maxSniff/2) {
		c.speakHTTP2(client, mid)
	}
}

// portsTell reports whether one end only has a port that servers have.
func (c *conn) portsTell() bool {
	return (c.key.LoPort < wellKnown) != (c.key.HiPort < wellKnown)
}

// wellKnown is the first port that a program needs no privilege for.
const wellKnown = 1024

// joinLast decides on frames that nothing will follow.
func (c *conn) joinLast() {
	for side := range c.detect {
		if f := c.detect[side].frames; f != nil {
			f.Last()
		}
	}
	if c.protocol == "" {
		c.join(true)
	}
}

// noFrames counts what is kept back of a side as another protocol.
func (c *conn) noFrames(d *detector) {
	if d.frames != nil {
		c.other += int64(d.frames.Reset())
		d.frames = nil
	}
}

// upgrade makes the parser of what follows a 101 response, or of TLS in a CONNECT tunnel.
func (c *conn) upgrade(env *app.Env, info *exchange.Conn, u app.Upgrade) app.Parser {
	if u.Token != app.TokenTLS {
		return upgrade(env, info, u)
	}
	// Pairs refer to info, which must not change; those inside have one that tells of TLS.
	inside := *info
	c.tunnelled = &inside
	return tls.New(env, &inside, &c.part.keys, [2]bool{}, func(env *app.Env, conn *exchange.Conn, protocol string, mid [2]bool) app.Parser {
		switch protocol {
		case tls.HTTP1:
			p := http1.New(env, conn, mid)
			p.StartAt(u.Ordinal)
			return p
		case tls.HTTP2:
			return http2.New(env, conn, http2.Options{Midstream: mid, Ordinal: u.Ordinal})
		}
		return nil
	})
}

// upgrade makes the parser of what follows a 101 response.
func upgrade(env *app.Env, conn *exchange.Conn, u app.Upgrade) app.Parser {
	switch u.Token {
	case "h2c":
		return http2.New(env, conn, http2.Options{Ordinal: u.Ordinal, Upgraded: u.Pair, Cut: !u.Whole})
	case "websocket":
		opt := websocket.Negotiated(u.Pair.Response.Headers)
		opt.PairID = u.Pair.ID
		return websocket.New(env, conn, opt)
	}
	return nil
}
