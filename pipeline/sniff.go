package pipeline

import (
	"bytes"

	"recap/pipeline/app/http1"
	"recap/pipeline/app/http2"
	"recap/pipeline/exchange"
	"recap/reader/packet"
)

// detector looks at one side of a connection until its protocol is known.
type detector struct {
	buf    []byte // the beginning of what may become a start line
	parts  []part // of buf
	inside bool   // bytes have passed that were something else: a message need not begin here
	passed bool   // and more of them than a keep-alive probe has
	acked  int64  // what of the other stream had been received when the last of them was sent
	gapped bool   // bytes are missing
	gap    gap    // the first of these places, and the length of all
	frames *http2.Finder
}

// gap is where a stream has a hole.
type gap struct {
	at     packet.Pos
	n      int64 // bytes; -1 for an unknown number
	reason string
}

// behind returns a detector that knows only of what has passed.
func (d *detector) behind() detector {
	return detector{inside: d.inside, passed: d.passed, acked: d.acked}
}

// miss notes a hole of n bytes.
func (d *detector) miss(at packet.Pos, n int64, reason string) {
	switch {
	case !d.gapped:
		d.gapped, d.gap = true, gap{at, n, reason}
	case n < 0 || d.gap.n < 0:
		d.gap.n = -1
	default:
		d.gap.n += n
	}
}

type part struct {
	at packet.Pos
	n  int
}

// maxSniff bounds detector.buf, bytes.
const maxSniff = 64 << 10

// sniff looks for the protocol in the next bytes of side. Detection goes by
// content, on any port, and goes on at the start of every segment: HTTP may follow
// a preamble of something else.
func (c *conn) sniff(side int, at packet.Pos, b []byte) {
	d := &c.detect[side]
	all := b
	if len(d.buf) > 0 {
		all = append(d.buf, b...)
	}
	if c.sniffTLS(side, at, all, b) || c.sniffHTTP2(side, at, all, b) {
		return
	}
	switch asks, verdict := c.verdict(d, side, all); verdict {
	case http1.Yes:
		client := side
		if !asks {
			client = 1 - side
		}
		other := &c.detect[1-side]
		c.noFrames(d)
		c.noFrames(other)
		early, mine := *other, *d
		*d, *other = d.behind(), other.behind()
		c.speak(client)
		c.tell(1-side, &early)
		c.tell(side, &mine)
		c.feed(1-side, early)
		c.feed(side, mine)
		c.parser.Data(c.dir(side), at, b)
	case http1.More:
		if len(all) > maxSniff {
			c.giveUp(d)
			c.other += int64(len(b))
			return
		}
		d.buf = append(d.buf, b...)
		d.parts = append(d.parts, part{at, len(b)})
	default:
		c.name(all)
		held, n, last := len(d.buf) > 0, len(b), at
		if held {
			n, last = len(d.buf), d.parts[len(d.parts)-1].at
		}
		c.giveUp(d)
		if n > 1 { // a single byte is a keep-alive probe (RFC 9293, section 3.8.4)
			d.passed, d.acked = true, last.Acked
		}
		if held { // what was kept back was the beginning of nothing; b may be that of something
			c.sniff(side, at, b)
			return
		}
		if !c.sniffFrames(side, at, b) {
			c.other += int64(len(b))
		}
	}
}

// verdict tells whether HTTP/1 begins at b and whether b asks.
func (c *conn) verdict(d *detector, side int, b []byte) (asks bool, v http1.Verdict) {
	if d.inside {
		for _, dir := range []exchange.Dir{exchange.ToServer, exchange.ToClient} {
			if http1.StrictStart(dir, b) {
				return dir == exchange.ToServer, http1.Yes
			}
		}
		return false, http1.No
	}
	if http1.IsJunk(d.buf) { // such as a keep-alive probe, in a segment of its own
		return false, http1.No
	}
	switch http1.DetectResponse(b) {
	case http1.Yes:
		return false, http1.Yes
	case http1.More:
		v = http1.More
	}
	switch http1.DetectRequest(b) {
	case http1.Yes:
		return true, http1.Yes
	case http1.More:
		v = http1.More
	}
	if v == http1.No && http1.BehindPreamble(b) {
		return true, http1.Yes
	}
	return false, v
}

// name guesses what else the connection speaks, from the first bytes of a side.
func (c *conn) name(b []byte) {
	if c.protocol != "" {
		return
	}
	switch {
	case bytes.HasPrefix(b, []byte("SSH-")):
		c.protocol = "ssh"
	case bytes.HasPrefix(b, []byte("RTSP/")):
		c.protocol = "rtsp"
	case bytes.HasPrefix(b, []byte("SIP/")):
		c.protocol = "sip"
	}
}

// giveUp counts what d has kept back as another protocol.
func (c *conn) giveUp(d *detector) {
	c.other += int64(len(d.buf))
	*d = detector{inside: true, passed: d.passed, acked: d.acked, gapped: d.gapped, gap: d.gap, frames: d.frames}
}

// tell gives the parser the hole that was there before it was.
func (c *conn) tell(side int, d *detector) {
	if d.gapped {
		c.parser.Gap(c.dir(side), d.gap.at, d.gap.n, d.gap.reason)
	}
}

// feed gives the parser what a detector has kept back.
func (c *conn) feed(side int, d detector) {
	b := d.buf
	for _, p := range d.parts {
		c.parser.Data(c.dir(side), p.at, b[:p.n])
		b = b[p.n:]
	}
}

// believe takes the cut beginning of what can only be a request for one: nothing more will come.
func (c *conn) believe(side int) {
	d := &c.detect[side]
	if c.parser != nil || d.inside || len(d.buf) == 0 || !http1.StrictStart(exchange.ToServer, d.buf) {
		return
	}
	mine, early := *d, c.detect[1-side]
	c.noFrames(d)
	c.noFrames(&c.detect[1-side])
	*d, c.detect[1-side] = detector{}, detector{inside: early.inside}
	c.speak(side)
	c.tell(1-side, &early)
	c.feed(1-side, early)
	c.feed(side, mine)
}
