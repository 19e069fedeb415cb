package pipeline

import (
	"recap/pipeline/app"
	"recap/pipeline/app/http1"
	"recap/pipeline/app/http2"
	"recap/pipeline/exchange"
	"recap/pipeline/tls"
	"recap/reader/packet"
)

// sniffTLS looks for TLS at all, which ends with b, the next bytes of side. It
// reports whether it took b.
func (c *conn) sniffTLS(side int, at packet.Pos, all, b []byte) bool {
	d, other := &c.detect[side], &c.detect[1-side]
	verdict, dir, known := tls.Detect(all, d.inside || other.inside)
	switch verdict {
	case tls.No:
		return false
	case tls.More:
		d.buf = append(d.buf, b...)
		d.parts = append(d.parts, part{at, len(b)})
		return true
	}
	client := c.client
	if known {
		client = side
		if dir == exchange.ToClient {
			client = 1 - side
		}
	}
	if v, _, _ := tls.Detect(other.buf, false); v == tls.No {
		c.giveUp(other) // such as the "S" with which a PostgreSQL server agrees to TLS
	}
	c.noFrames(d)
	c.noFrames(other)
	early, mine := *other, *d
	*d, *other = detector{inside: d.inside}, detector{inside: other.inside}
	c.client, c.clientKnown = client, known
	c.protocol = "tls"
	c.describe()
	env := c.part.w.env
	env.Emit, env.Message = c.emit, c.message
	c.parser = tls.New(&env, c.info, &c.part.keys, [2]bool{}, inTLS)
	c.feed(1-side, early)
	c.feed(side, mine)
	c.parser.Data(c.dir(side), at, b)
	return true
}

// inTLS makes the parser of what a TLS connection carries.
func inTLS(env *app.Env, conn *exchange.Conn, protocol string, midstream [2]bool) app.Parser {
	switch protocol {
	case tls.HTTP1:
		return http1.New(env, conn, midstream)
	case tls.HTTP2:
		return http2.New(env, conn, http2.Options{Midstream: midstream})
	}
	return nil
}

// secretAt is a key log text inside a capture: packets behind the first after
// packets of its file may use it.
type secretAt struct {
	file  int32
	after int64
	text  []byte
}

// viewAt is what of the secrets the segments from index seg on may use.
type viewAt struct {
	seg  uint32
	view tls.View
}

// secrets notes key log texts that the source has come by since the last batch.
func (d *dispatcher) secrets(in []*packet.Input) {
	for len(d.taken) < len(in) {
		d.taken = append(d.taken, 0)
	}
	for i, x := range in {
		for n := d.taken[i]; n < len(x.Secrets); n++ {
			after := int64(0)
			if n < len(x.SecretsAfter) {
				after = x.SecretsAfter[n]
			}
			d.secret = append(d.secret, secretAt{int32(i), after, x.Secrets[n]})
		}
		d.taken[i] = len(x.Secrets)
	}
}

// unlock makes the secrets that stand before p in its file known to the segments
// from seg on. What a connection is read with follows from the capture, not from
// how far the reader has run ahead.
func (d *dispatcher) unlock(w *work, p *packet.Packet, seg int) {
	rest := d.secret[:0]
	for _, s := range d.secret {
		if s.file != p.FileIndex || s.after >= p.FileNum {
			rest = append(rest, s)
			continue
		}
		if !d.ownKeys {
			d.keys, d.ownKeys = d.keys.Clone(), true
		}
		w.views = append(w.views, viewAt{uint32(seg), d.keys.Add(s.text)})
	}
	clear(d.secret[len(rest):])
	d.secret = rest
}

// know makes known what segment seg may use.
func (w *worker) know(views []viewAt, seg uint32) []viewAt {
	for len(views) > 0 && views[0].seg <= seg {
		for _, p := range w.parts {
			if p != nil {
				p.keys.Grow(views[0].view)
			}
		}
		views = views[1:]
	}
	return views
}
