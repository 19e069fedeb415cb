package wire

import (
	"time"

	"recap/pipeline/exchange"
)

// build makes the frames of a run.
func (t *Target) build(r *run, tag int32, intended time.Duration) {
	l := r.lane
	l.route.At = time.Duration(r.at)
	for i := range l.sides {
		l.sides[i].clock = l.sides[i].base + uint32(r.at/int64(time.Millisecond))
	}
	const client, server = exchange.ToServer, exchange.ToClient
	switch r.kind {
	case runOpen:
		t.control(l, client, flagSYN, tag)
		t.control(l, server, flagSYN|flagACK, tag)
		t.control(l, client, flagACK, tag)
	case runData:
		t.data(r, tag, intended)
	case runAck:
		t.control(l, exchange.Dir(r.dir), flagACK, tag)
	case runKeep:
		t.probe(l, client, tag)
		t.probe(l, server, tag)
	case runClose:
		t.control(l, client, flagFIN|flagACK, tag)
		t.control(l, server, flagFIN|flagACK, tag)
		t.control(l, client, flagACK, tag)
	}
}

// probe makes a keep-alive: the last byte again (RFC 9293, section 3.8.4), because many
// readers pass over segments without payload.
func (t *Target) probe(l *lane, d exchange.Dir, tag int32) {
	s := &l.sides[d]
	n := l.head
	f := t.port.Frame(&l.route, n+1, tag)
	f[n] = s.last
	s.frame(f, l.v6, &segment{flags: flagACK, seq: s.next - 1, ack: l.sides[d^1].next, win: window, echo: l.sides[d^1].stamp, payload: uint64(s.last)})
}

// control makes a frame without payload.
func (t *Target) control(l *lane, d exchange.Dir, flags uint8, tag int32) {
	s := &l.sides[d]
	g := segment{flags: flags, seq: s.next, win: window}
	n := l.head
	if flags&flagACK != 0 {
		g.ack, g.echo = l.sides[d^1].next, l.sides[d^1].stamp
	}
	if flags&flagSYN != 0 {
		n += synLen
		// Options count against the maximum (RFC 9293, section 3.7.1).
		g.mss = uint16(l.mss + l.head - headLen(l.v6, false))
	}
	s.frame(t.port.Frame(&l.route, n, tag), l.v6, &g)
	if flags&(flagSYN|flagFIN) != 0 {
		s.next++
	}
}

// data makes the segments of a run.
func (t *Target) data(r *run, tag int32, intended time.Duration) {
	l, x := r.lane, r.talk
	if !x.begun {
		x.begun = true
		t.mark(x, intended)
	}
	m := &x.msgs[r.dir]
	s := &l.sides[r.dir]
	head := l.head
	g := segment{flags: flagACK, ack: l.sides[r.dir^1].next, win: window, echo: l.sides[r.dir^1].stamp}
	for off, end := r.off, r.off+r.n; off < end; {
		n := min(end-off, l.mss)
		f := t.port.Frame(&l.route, head+n, tag)
		g.seq = s.next
		g.payload = m.copyTo(f[head:], x.buf, off)
		if off += n; off == end && r.last {
			g.flags |= flagPSH
		}
		s.frame(f, l.v6, &g)
		s.next += uint32(n)
		s.last = f[len(f)-1]
	}
}

// mark writes the marker into the messages of x.
func (t *Target) mark(x *talk, intended time.Duration) {
	if len(t.write.marker) == 0 {
		return
	}
	t.write.marker = t.env.Marker(t.write.marker[:0], &x.event, intended)
	for i := range x.msgs {
		if at := x.msgs[i].mark; at > 0 {
			copy(x.buf[at:], t.write.marker)
		}
	}
}
