package tls

import (
	"bytes"

	"recap/pipeline/app/http1"
	"recap/pipeline/exchange"
	"recap/reader/packet"
)

// look is one direction of a connection whose protocol is not known yet.
type look struct {
	buf   []byte
	parts []part
	junk  bool // something else has passed: a message need not begin here
}

// maxLook bounds look.buf, bytes.
const maxLook = 64 << 10

// preface begins an HTTP/2 connection (RFC 9113, section 3.4).
const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// pour hands plaintext to the inner parser, which may have to be found first: the
// protocol that was agreed on tells, or the content does.
func (c *Conn) pour(d exchange.Dir, at packet.Pos, b []byte) {
	if c.inner == nil && !c.other {
		switch alpn := c.info.TLS.ALPN; alpn {
		case "h2":
			c.start(HTTP2, at)
		case "http/1.1", "http/1.0":
			c.start(HTTP1, at)
		case "":
			c.detect(d, at, b)
			return
		default:
			c.other = true
		}
	}
	if c.inner == nil {
		c.otherBytes += int64(len(b))
		return
	}
	c.innerFed += int64(len(b))
	c.inner.Data(d, at, b)
}

// start begins to read what is inside, with the bytes that waited.
func (c *Conn) start(protocol string, at packet.Pos) {
	var waiting [2]look
	mid := c.mid
	if c.look != nil {
		waiting = *c.look
		c.look = nil
	}
	for d := range mid {
		mid[d] = mid[d] || c.sides[d].gapped || waiting[d].junk
	}
	if c.make != nil {
		c.inner = c.make(c.env, c.info, protocol, mid)
	}
	c.other = c.inner == nil
	for d, w := range waiting {
		b := w.buf
		for _, p := range w.parts {
			c.pour(exchange.Dir(d), p.at, b[:p.n])
			b = b[p.n:]
		}
		if s := &c.sides[d]; s.ended && c.inner != nil {
			c.inner.Close(exchange.Dir(d), at)
		}
	}
}

// detect looks for the protocol in the next bytes.
func (c *Conn) detect(d exchange.Dir, at packet.Pos, b []byte) {
	if c.look == nil {
		c.look = new([2]look)
	}
	l := &c.look[d]
	l.buf = append(l.buf, b...)
	l.parts = append(l.parts, part{at, len(b)})
	protocol, more := verdict(d, l.buf, l.junk)
	switch {
	case protocol != "":
		c.start(protocol, at)
	case !more || len(l.buf) > maxLook:
		c.drop(l)
	}
}

// verdict tells what protocol begins at b, or that more bytes would tell.
func verdict(d exchange.Dir, b []byte, junk bool) (protocol string, more bool) {
	if junk {
		if http1.StrictStart(d, b) {
			return HTTP1, false
		}
		return "", false
	}
	v := http1.No
	if d == exchange.ToServer {
		if n := min(len(b), len(preface)); bytes.Equal(b[:n], []byte(preface)[:n]) {
			if n == len(preface) {
				return HTTP2, false
			}
			return "", true
		}
		v = http1.DetectRequest(b)
	} else {
		if isSettings(b) {
			return "", true // the client's preface decides
		}
		v = http1.DetectResponse(b)
	}
	if v == http1.Yes {
		return HTTP1, false
	}
	return "", v == http1.More
}

// isSettings reports whether b may begin with an HTTP/2 SETTINGS frame, which a
// server may send before it has heard a word (RFC 9113, section 6.5).
func isSettings(b []byte) bool {
	want := [9]int{0, -1, -1, 4, 0, 0, 0, 0, 0}
	for i := 0; i < len(b) && i < len(want); i++ {
		if want[i] >= 0 && int(b[i]) != want[i] {
			return false
		}
	}
	return len(b) > 0
}

// drop counts what l holds as another protocol.
func (c *Conn) drop(l *look) {
	c.otherBytes += int64(len(l.buf))
	*l = look{junk: true}
}

// believe takes the cut beginning of what can only be a request for one: nothing
// more comes from d.
func (c *Conn) believe(d exchange.Dir) {
	l := &c.look[d]
	if d == exchange.ToServer && !l.junk && len(l.buf) > 0 && http1.StrictStart(d, l.buf) {
		c.start(HTTP1, l.parts[len(l.parts)-1].at)
	}
}
