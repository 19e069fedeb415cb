package wire

import (
	"recap/pipeline/exchange"
	"recap/replay"
)

// A lane is one TCP connection that is sent.
type lane struct {
	conv  *conv
	route Route
	sides [2]side // by exchange.Dir
	v6    bool
	mss   int
	head  int // length of a data segment's headers

	opened  bool // the handshake was planned
	ending  bool // nothing new begins here: it ends after what is open
	closed  bool // the end was planned
	keeping bool // an entry of the heap stands for its keep-alives
	own     bool // holds one exchange and no other
	kept    int  // keep-alives in a row
	open    int  // exchanges that are not finished
	unacked [2]int
	reqEnd  int64 // when the last request is sent, at original speed
	respEnd int64

	// prev and next are the lanes with nothing open, by the time of their last exchange.
	prev, next *lane
	idle       bool
	since      int64
}

// A convKey names a connection of the source in one loop.
type convKey struct {
	id   exchange.ID
	loop uint32
}

// A conv is a connection of the source: the lanes that its exchanges take.
type conv struct {
	key   convKey
	lanes []*lane
	born  bool // had a lane before: the addresses of the capture are used up
}

// A talk is an exchange on its way.
type talk struct {
	event replay.Event
	lane  *lane
	msgs  [2]message // by exchange.Dir
	buf   []byte
	begun bool  // the markers hold their value
	held  int64 // bytes
	start [2]int64
	dur   [2]int64
	lost  error // why it did not leave whole
}

// multiplexed reports whether the exchanges of the connection may overlap in any order.
func multiplexed(p *exchange.Pair) bool {
	v := p.Request.Version
	return v == "HTTP/2" || v == "HTTP/3" || v == "HTTP/2.0"
}

// laneFor returns the lane that an event takes.
func (t *Target) laneFor(e *replay.Event, own bool) *lane {
	var id exchange.ID
	if e.Pair.Conn != nil {
		id = e.Pair.Conn.ID
	}
	if id == (exchange.ID{}) {
		return t.newLane(&conv{born: own}, e, own)
	}
	key := convKey{id, e.Loop}
	c := t.convs[key]
	if c == nil {
		c = &conv{key: key}
		t.convs[key] = c
	}
	if !own {
		many := multiplexed(e.Pair)
		for _, l := range c.lanes {
			if !l.ending && !l.closed && !l.own && (!many || l.open == 0) {
				return l
			}
		}
	}
	return t.newLane(c, e, own)
}

func (t *Target) newLane(c *conv, e *replay.Event, own bool) *lane {
	var l *lane
	if n := len(t.spareLanes); n > 0 {
		l, t.spareLanes = t.spareLanes[n-1], t.spareLanes[:n-1]
		*l = lane{}
	} else {
		l = new(lane)
	}
	client, server, v6 := t.addrs.ends(e.Pair.Conn, e.Loop == 0 && !c.born)
	c.born = true
	c.lanes = append(c.lanes, l)
	l.conv, l.v6, l.own, l.mss = c, v6, own, t.opt.mss(t.port.MTU(), v6)
	l.head = headLen(v6, t.opt.Timestamps)
	t.conns++
	l.sides[0].next, l.sides[1].next = uint32(mix(t.salt+2*t.conns+1)), uint32(mix(t.salt+2*t.conns))
	l.sides[0].id, l.sides[1].id = uint16(mix(t.conns)>>48), uint16(mix(t.conns)>>32)
	for i := range l.sides {
		l.sides[i].stamps, l.sides[i].base = t.opt.Timestamps, uint32(mix(t.salt+2*t.conns+uint64(i))>>32)
	}
	l.sides[exchange.ToServer].init(client, server, v6)
	l.sides[exchange.ToClient].init(server, client, v6)
	a, b := client.ip.As16(), server.ip.As16()
	l.route.Made = true
	l.route.Hash = flowHash(&a, &b, client.port, server.port)
	l.route.VNI = t.opt.FirstVNI + uint32(mix(t.conns)%uint64(t.opt.LastVNI-t.opt.FirstVNI+1))
	l.reqEnd, l.respEnd = int64(e.At), int64(e.At)
	if t.lanes++; t.lanes > t.opt.MaxConns && t.idle.next != &t.idle {
		t.finish(t.idle.next)
	}
	return l
}

// rest puts a lane with nothing open to those that end after a while.
func (t *Target) rest(l *lane, at int64) {
	l.since = at
	if l.idle {
		t.unrest(l)
	}
	l.idle = true
	last := t.idle.prev
	l.prev, l.next = last, &t.idle
	last.next, t.idle.prev = l, l
}

func (t *Target) unrest(l *lane) {
	if l.idle {
		l.idle = false
		l.prev.next, l.next.prev = l.next, l.prev
		l.prev, l.next = nil, nil
	}
}

// finish plans the end of a lane and forgets it. What is planned already still uses it.
func (t *Target) finish(l *lane) {
	t.unrest(l)
	if l.closed {
		return
	}
	l.closed = true
	t.lanes--
	if c := l.conv; c != nil {
		for i, o := range c.lanes {
			if o == l {
				c.lanes = append(c.lanes[:i], c.lanes[i+1:]...)
				break
			}
		}
		// A conversation that goes on after its last lane starts afresh: its first
		// addresses are in the filter.
		if len(c.lanes) == 0 {
			delete(t.convs, c.key)
		}
	}
	if l.opened {
		t.plan = append(t.plan, run{kind: runClose, lane: l, at: t.now, n: 3})
		t.count(3, 3*l.head)
	}
	if !l.keeping {
		t.done = append(t.done, l)
	}
}
