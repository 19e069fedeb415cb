package pcaptest

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// conn is the tracked state of one TCP connection; side 0 spoke first.
type conn struct {
	ends [2]netip.AddrPort
	isn  [2]uint32
	next [2]uint32 // next sequence number of each side
}

type held struct {
	p    Packet
	wait int
}

type builder struct {
	clock, step int64
	fresh       bool // clock was just set: the next packet has it
	conns       map[string]*conn
	ipid        map[counter]uint16
	counting    string // key of the connection whose packets are being written
	held        []held
	out         []Packet
}

func newBuilder() *builder {
	return &builder{clock: DefaultStart, step: 1e6, conns: map[string]*conn{}, ipid: map[counter]uint16{}}
}

// segment is one transport packet of a line before headers below it.
type segment struct {
	flags    string
	seq, ack uint32
	payload  []byte
	back     bool // from dst to src of the line
}

func (b *builder) add(l *line, auto bool) error {
	if l.frame {
		b.emitAll(l, [][]Packet{{b.record(l, l.payload)}})
		return nil
	}
	var segs []segment
	switch {
	case l.udp || l.proto >= 0:
		segs = []segment{{payload: l.payload}}
	default:
		segs = b.tcp(l, auto)
	}
	var groups [][]Packet
	for i, s := range segs {
		frames, err := b.frames(l, s)
		if err != nil {
			return err
		}
		if l.drop || slices.Contains(l.dropSegs, i+1) {
			continue
		}
		var g []Packet
		for _, f := range frames {
			g = append(g, b.record(l, f))
		}
		groups = append(groups, g)
	}
	b.emitAll(l, groups)
	return nil
}

// tcp turns a line into segments and moves the connection's state.
func (b *builder) tcp(l *line, auto bool) []segment {
	c, side, isNew := b.conn(l)
	if l.isn != nil {
		c.isn[side] = *l.isn
		c.next[side] = *l.isn + 1
	}
	var segs []segment
	wantHand := l.handshake || (auto && isNew && !strings.Contains(l.flags+l.add, "S"))
	if wantHand {
		if !isNew {
			b.renew(c, l, side)
		}
		segs = append(segs,
			segment{flags: "S", seq: c.isn[side]},
			segment{flags: "SA", seq: c.isn[1-side], ack: c.isn[side] + 1, back: true},
			segment{flags: "A", seq: c.isn[side] + 1, ack: c.isn[1-side] + 1})
		c.next[0], c.next[1] = c.isn[0]+1, c.isn[1]+1
	}
	flags := l.add
	if l.hasFlags {
		flags = l.flags
	}
	if strings.Contains(flags, "S") {
		if !isNew && l.isn == nil && !l.seq.set && c.next[side] != c.isn[side]+1 {
			b.renew(c, l, side)
		}
		c.next[side] = c.isn[side]
	}
	c.next[side] += uint32(l.skip)
	bare := len(l.payload) == 0 && flags == "" && !l.hasFlags
	if !bare || (!wantHand && !l.close) {
		segs = append(segs, c.data(l, side, flags)...)
	}
	if l.close {
		segs = append(segs,
			segment{flags: "FA", seq: c.next[side], ack: c.next[1-side]},
			segment{flags: "FA", seq: c.next[1-side], ack: c.next[side] + 1, back: true},
			segment{flags: "A", seq: c.next[side] + 1, ack: c.next[1-side] + 1})
		c.next[0]++
		c.next[1]++
	}
	return segs
}

// data cuts the payload into segments at the tracked place, or at the override.
func (c *conn) data(l *line, side int, flags string) []segment {
	tracked := c.next[side]
	at := l.seq.apply(tracked)
	ack := l.ack.apply(c.next[1-side])
	mss := l.mss
	if mss <= 0 {
		mss = max(len(l.payload), 1)
	}
	var segs []segment
	rest := l.payload
	for first := true; first || len(rest) > 0; first = false {
		n := min(mss, len(rest))
		s := segment{seq: at, ack: ack, payload: rest[:n]}
		rest = rest[n:]
		s.flags = segmentFlags(l, flags, n > 0, first, len(rest) == 0)
		at += uint32(n)
		if strings.Contains(s.flags, "S") {
			at++
		}
		if strings.Contains(s.flags, "F") {
			at++
		}
		if !strings.Contains(s.flags, "A") && !l.ack.set {
			s.ack = 0
		}
		segs = append(segs, s)
	}
	if !l.seq.set {
		c.next[side] = at
	}
	return segs
}

// segmentFlags spreads a line's flags: SYN on the first segment, FIN, RST and
// PSH on the last.
func segmentFlags(l *line, flags string, data, first, last bool) string {
	if l.hasFlags {
		return l.flags
	}
	f := ""
	if strings.Contains(flags, "S") && first {
		f = "S"
	}
	if f == "" && flags != "R" || strings.Contains(flags, "A") {
		f += "A"
	}
	if last {
		for _, x := range "FR" {
			if strings.ContainsRune(flags, x) {
				f += string(x)
			}
		}
	}
	if strings.Contains(flags, "P") || data && last {
		f += "P"
	}
	if strings.Contains(flags, "U") {
		f += "U"
	}
	return f
}

func (b *builder) conn(l *line) (c *conn, side int, isNew bool) {
	key := l.flow
	if key == "" {
		ends := []string{l.src.String(), l.dst.String()}
		slices.Sort(ends)
		key = "=" + strings.Join(ends, "|")
		for _, y := range l.layers {
			if y.kind.tunnel() {
				key += fmt.Sprintf("|%d:%d", y.kind, y.id)
			}
		}
	}
	b.counting = key
	c, ok := b.conns[key]
	if !ok {
		c = &conn{ends: [2]netip.AddrPort{l.src, l.dst}, isn: [2]uint32{1000, 5000}, next: [2]uint32{1001, 5001}}
		b.conns[key] = c
	}
	if l.src != c.ends[0] && (l.src == c.ends[1] || l.dst == c.ends[0]) {
		side = 1
	}
	return c, side, !ok
}

// renew starts another connection on the same endpoints, far from the old one.
func (b *builder) renew(c *conn, l *line, side int) {
	for i := range c.isn {
		if i == side && l.isn != nil {
			continue
		}
		c.isn[i] = c.next[i] + 1<<20
		c.next[i] = c.isn[i] + 1
	}
}

func (b *builder) record(l *line, frame []byte) Packet {
	frame = append(frame, make([]byte, l.pad)...)
	p := Packet{Data: frame, Length: uint32(len(frame)), Link: l.link, Interface: l.iface, NoTime: l.noTime, Line: l.n}
	if l.cut >= 0 && l.cut < len(frame) {
		p.Data = frame[:l.cut:l.cut]
	}
	if l.origLen >= 0 {
		p.Length = uint32(l.origLen)
	}
	return p
}

func (b *builder) emitAll(l *line, groups [][]Packet) {
	pkts := slices.Concat(groups...)
	if l.reverse {
		slices.Reverse(pkts)
	}
	switch {
	case l.hasAt:
		b.clock = l.at
	case l.hasTime:
		b.clock += l.advance
	case !b.fresh:
		b.clock += b.step
	}
	b.fresh = false
	for i, p := range pkts {
		if i > 0 {
			b.clock += b.step
		}
		for range 1 + l.dup {
			if l.late > 0 {
				b.held = append(b.held, held{p, l.late})
				continue
			}
			b.emit(p)
		}
	}
}

// emit writes one packet and then those whose delay is over.
func (b *builder) emit(p Packet) {
	p.TimeNS = b.clock
	b.out = append(b.out, p)
	var due []Packet
	b.held = slices.DeleteFunc(b.held, func(h held) bool { return h.wait <= 0 })
	keep := b.held[:0]
	for _, h := range b.held {
		if h.wait--; h.wait == 0 {
			due = append(due, h.p)
		} else {
			keep = append(keep, h)
		}
	}
	b.held = keep
	for _, d := range due {
		b.clock += b.step
		d.TimeNS = b.clock
		b.out = append(b.out, d)
	}
}

// flush writes what is still held back.
func (b *builder) flush() {
	for _, h := range b.held {
		b.clock += b.step
		h.p.TimeNS = b.clock
		b.out = append(b.out, h.p)
	}
	b.held = nil
}
