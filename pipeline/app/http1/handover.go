package http1

import (
	"strings"

	"recap/pipeline/app"
	"recap/pipeline/exchange"
	"recap/reader/packet"
)

// upgrade finds the parser of the protocol that a 101 response hands over to.
func (c *Conn) upgrade(m *meta) {
	token := fieldValue(m.pair.Response.Headers, "upgrade")
	if c.env.Upgrade == nil || token == "" || c.next != nil {
		return
	}
	c.next = c.env.Upgrade(c.env, c.conn, app.Upgrade{
		Token: strings.ToLower(token), Pair: m.pair, Whole: m.reqDone && !m.bad, Ordinal: c.ordinal,
	})
}

// http2Head is what the preface of HTTP/2 begins with, made to be no request of
// HTTP/1 (RFC 9113, section 3.4).
const http2Head = "PRI * HTTP/2.0\r\n\r\n"

// switchOver leaves the connection to HTTP/2, whose preface the client has sent: the
// 101 response is missing, or was never asked for. It returns the length of the head.
func (c *Conn) switchOver(s *side, at *packet.Pos) int {
	var u app.Upgrade
	if n := len(c.open) - 1; n > c.first { // the last one is the preface
		m := c.open[n-1]
		if strings.EqualFold(fieldValue(m.pair.Request.Headers, "upgrade"), "h2c") {
			u.Pair, u.Whole = m.pair, m.reqDone && !m.bad
		}
	}
	u.Token, u.Ordinal = "h2c", s.pair.Ordinal
	if c.next = c.env.Upgrade(c.env, c.conn, u); c.next == nil {
		return 0
	}
	head := s.msg.Head
	c.abandon(exchange.ToServer, s)
	s.state = tunnel
	c.next.Data(exchange.ToServer, *at, head)
	return len(head)
}

// follow hands a direction that is out of step over to the protocol of the other.
func (c *Conn) follow(d exchange.Dir, s *side, at *packet.Pos) {
	c.tally.Unparsed += int64(len(s.part))
	s.state, s.part = tunnel, nil
	c.next.Gap(d, *at, -1, exchange.GapLost)
}

// Next returns the parser that direction d was left to, nil for none.
func (c *Conn) Next(d exchange.Dir) app.Parser {
	if c.sides[d].state != tunnel {
		return nil
	}
	return c.next
}

func fieldValue(list []exchange.Header, name string) string {
	for i := range list {
		if len(list[i].Name) == len(name) && strings.EqualFold(list[i].Name, name) {
			return list[i].Value
		}
	}
	return ""
}

// handOver leaves both directions to another protocol, from this byte on; what a
// CONNECT tunnel carries may be HTTP.
func (c *Conn) handOver(connect bool) {
	for i := range c.sides {
		s := &c.sides[i]
		if s.state == atStart || s.state == lost {
			if s.state == lost {
				c.tally.Unparsed += int64(len(s.part))
			}
			s.state, s.nested, s.part = tunnel, connect, nil
		}
	}
}

// intoTLS leaves a CONNECT tunnel, whose first bytes of the client are b, to TLS, if
// that begins there: a handshake record of any version (RFC 8446, section 5.1).
func (c *Conn) intoTLS(s *side, at *packet.Pos, b []byte) bool {
	if len(b) < 3 || b[0] != 22 || b[1] != 3 || b[2] > 4 || c.env.Upgrade == nil || c.next != nil {
		return false
	}
	if c.next = c.env.Upgrade(c.env, c.conn, app.Upgrade{Token: app.TokenTLS, Ordinal: c.ordinal}); c.next == nil {
		return false
	}
	from := at.Offset - int64(len(s.part))
	s.nested, s.part = false, nil
	c.next.Data(exchange.ToServer, moved(at, from), b)
	return true
}

// StartAt sets the place of the next pair in its connection, for a parser that goes on
// where another has left off. It must be called before Data.
func (c *Conn) StartAt(ordinal int32) { c.ordinal = ordinal }

// tunnelled takes bytes behind a hand-over. What a CONNECT tunnel carries may be HTTP again.
func (c *Conn) tunnelled(d exchange.Dir, s *side, at *packet.Pos, b []byte, first bool) []byte {
	if s.nested {
		all := b
		if len(s.part) > 0 {
			all = append(s.part, b...)
		}
		detect := DetectRequest
		if d == exchange.ToClient {
			detect = DetectResponse
		}
		v := detect(all)
		if d == exchange.ToServer && v == No && c.intoTLS(s, at, all) {
			return nil
		}
		switch v {
		case More:
			if len(all) < maxLine {
				s.part = append(s.part, b...)
				return nil
			}
		case Yes:
			from := at.Offset - int64(len(s.part))
			s.state, s.nested, s.part = atStart, false, nil
			c.Data(d, moved(at, from), all)
			return nil
		}
		c.tally.Other += int64(len(s.part))
		s.nested, s.part = false, nil
	} else if first && StrictStart(d, b) {
		s.state = atStart
		return b
	}
	c.tally.Other += int64(len(b))
	return nil
}
