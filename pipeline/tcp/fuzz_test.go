package tcp

import (
	"bytes"
	"testing"

	"recap/pipeline/decap"
	"recap/reader/packet"
)

// script deals out fuzz bytes as small decisions; at its end all are 0.
type script struct{ b []byte }

func (s *script) next(n int) int {
	if len(s.b) == 0 {
		return 0
	}
	v := int(s.b[0])
	s.b = s.b[1:]
	return v % n
}

// piece is a segment of a schedule.
type piece struct {
	side     int
	from, to int64
	ack      int64
	fin      bool
	lost     bool
}

// schedule cuts two streams into segments as two hosts that talk in turns would send
// them, and then lets the network reorder, repeat and lose them.
func schedule(s *script, size [2]int64, lossy bool) (sent []piece) {
	var off [2]int64
	for off[0] < size[0] || off[1] < size[1] {
		side := s.next(2)
		if off[side] == size[side] {
			side = 1 - side
		}
		n := min(int64(1+s.next(40)), size[side]-off[side])
		sent = append(sent, piece{side: side, from: off[side], to: off[side] + n, ack: off[1-side], lost: lossy && s.next(8) == 7})
		off[side] += n
	}
	for side := range 2 {
		sent = append(sent, piece{side: side, from: off[side], to: off[side], ack: off[1-side], fin: true})
	}
	if len(sent) > 0 {
		for range s.next(64) {
			i := s.next(len(sent))
			switch s.next(3) {
			case 0: // comes again, cut otherwise
				p := sent[i]
				if p.fin || p.lost {
					continue
				}
				p.from = max(0, p.from-int64(s.next(20)))
				p.to = min(size[p.side], p.to+int64(s.next(20)))
				if lossy { // may not bring what is to be lost
					p.from, p.to = sent[i].from, sent[i].to
				}
				j := s.next(len(sent))
				sent = append(sent[:j], append([]piece{p}, sent[j:]...)...)
			default: // comes earlier or later
				j := s.next(len(sent))
				sent[i], sent[j] = sent[j], sent[i]
			}
		}
	}
	return sent
}

func stream(n int64, seed byte) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i)*7 + byte(i>>8)*13 + seed
	}
	return b
}

// checker is a Handler that holds what it gets against the streams that were sent.
type checker struct {
	t      *testing.T
	sent   [2][]byte
	off    [2]int64
	gaps   [2]int64
	closed [2]bool
	awaits bool // another tap may show what is cut
}

func newChecker(t *testing.T, size [2]int64) *checker {
	return &checker{t: t, sent: [2][]byte{stream(size[0], 1), stream(size[1], 99)}}
}

func (c *checker) Data(side int, at packet.Pos, b []byte) {
	o := c.off[side]
	if at.Offset != o {
		c.t.Fatalf("side %d: bytes at %d are said to be at %d", side, o, at.Offset)
	}
	if o+int64(len(b)) > int64(len(c.sent[side])) || !bytes.Equal(b, c.sent[side][o:o+int64(len(b))]) {
		c.t.Fatalf("side %d: %x at %d was never sent", side, b, o)
	}
	if len(b) == 0 || c.closed[side] {
		c.t.Fatalf("side %d: empty, or behind the end", side)
	}
	c.off[side] += int64(len(b))
}

func (c *checker) Conflict(int, int64, int64) bool { return false }
func (*checker) Cut(int, uint32, int64) []byte     { return nil }
func (c *checker) Awaits(int64) bool               { return c.awaits }
func (c *checker) Missing(int) bool                { return false }

func (c *checker) Gap(side int, at packet.Pos, n int64, _ string) {
	if n <= 0 || at.Offset != c.off[side] {
		c.t.Fatalf("side %d: a gap of %d bytes at %d, stream is at %d", side, n, at.Offset, c.off[side])
	}
	c.gaps[side] += n
	c.off[side] += n
}

func (c *checker) Close(side int, _ packet.Pos) {
	if c.closed[side] {
		c.t.Fatalf("side %d closed twice", side)
	}
	c.closed[side] = true
}

func run(t *testing.T, data []byte, lossy bool) {
	s := &script{data}
	p := newPlayer(t)
	if s.next(2) == 1 {
		p.isn = [2]uint32{0xffff_ffff - uint32(s.next(256)), 0xffff_ffff - uint32(s.next(256))}
	}
	p.e.Policy = Policy(s.next(len(policyNames)))
	size := [2]int64{int64(s.next(256)) * 4, int64(s.next(256)) * 4}
	c := newChecker(t, size)
	list := schedule(s, size, lossy)
	for _, v := range append(append([]ev(nil), handshake...), toEvents(list, c.sent)...) {
		seg := p.segment(v)
		p.e.Hist.At(p.n * 100)
		p.c.Segment(&p.e, seg, v.side, packet.Pos{Number: p.n}, c)
		if s.next(16) == 15 {
			p.clock += 3e9
		}
	}
	p.c.Flush(&p.e, packet.Pos{}, c)
	p.balance()
	var lost [2]int64
	for _, v := range list {
		if v.lost {
			lost[v.side] += v.to - v.from
		}
	}
	for side := range 2 {
		if c.off[side] != size[side] || !c.closed[side] {
			t.Fatalf("side %d: ends at %d, closed %t; want %d", side, c.off[side], c.closed[side], size[side])
		}
		if h := &p.c.Halves[side]; c.gaps[side]-h.Late != lost[side] && h.Late == 0 {
			t.Fatalf("side %d: %d bytes of gaps, %d late, %d lost", side, c.gaps[side], h.Late, lost[side])
		}
	}
}

func toEvents(list []piece, sent [2][]byte) (out []ev) {
	for _, p := range list {
		if p.lost {
			continue
		}
		v := ev{side: p.side, off: p.from, ack: p.ack, data: string(sent[p.side][p.from:p.to])}
		if p.fin {
			v.flags = decap.FIN
		}
		out = append(out, v)
	}
	return out
}

// FuzzReassembly: whatever the network does to the segments of two streams, what
// arrives is those streams, with exact gaps where segments were lost or came after
// their hole was given up.
func FuzzReassembly(f *testing.F) {
	f.Add([]byte("\x01\x03\x05\x06\x20\x20abcdefghijklmnopqrstuvwxyz"), false)
	f.Add([]byte("\x00\x00\xff\xff0123456789012345678901234567890123456789"), true)
	f.Fuzz(run)
}

// FuzzConflict: segments at any place with any bytes, flags and acknowledgements. The
// books balance, offsets rise, memory is bounded.
func FuzzConflict(f *testing.F) {
	f.Add([]byte("\x00\x00\x10\x05\x00\x02\x20\x05abcde"))
	f.Add([]byte("\x00\x09\x00\x00\x00\x00\x00\x05\x08\x04abcd\x00\x0c\x00\x00\x00\x00\x00\x05\x08\x02ef"))
	f.Fuzz(func(t *testing.T, data []byte) {
		conflict(t, data, false)
		conflict(t, data, true)
	})
}

func conflict(t *testing.T, data []byte, awaits bool) {
	s := &script{data}
	p := newPlayer(t)
	p.e.Policy = Policy(s.next(len(policyNames)))
	p.e.MaxSpan = int64(64 << s.next(10))
	c := &offsets{t: t, awaits: awaits}
	for len(s.b) > 0 {
		v := ev{side: s.next(2), off: int64(s.next(64)), ack: int64(s.next(64)), wait: float64(s.next(8)) / 4, ipid: uint16(s.next(4))}
		switch kind := s.next(16); kind {
		case 0, 1, 2, 3:
			v.flags = decap.Flags(1 << kind)
		case 4:
			v.seq = num(uint32(s.next(256)) << 24)
		case 5:
			v.missing = uint32(s.next(40))
		case 6:
			v.bare = true
		case 7:
			v.off, v.ack = v.off<<14, v.ack<<14
		case 8:
			v.flags = decap.SYN
			v.off = 0
		}
		n := min(s.next(24), len(s.b))
		v.data, s.b = string(s.b[:n]), s.b[n:]
		seg := p.segment(v)
		p.e.Hist.At(p.n * 100)
		if p.c.Reuses(seg, v.side) {
			old := p.c
			p.c.Flush(&p.e, packet.Pos{}, c)
			p.balance()
			p.c, c = Conn{}, &offsets{t: t, awaits: awaits}
			p.c.Reborn(&old, seg, v.side)
		}
		p.c.Segment(&p.e, seg, v.side, packet.Pos{Number: p.n, Clock: p.clock}, c)
		if b := p.c.Buffered(); b > 2*(p.e.MaxSpan+maxChunks*chunkOverhead) {
			t.Fatalf("%d bytes are kept", b)
		}
		for side := range p.c.Halves {
			if h := &p.c.Halves[side]; h.off != c.off[side] {
				t.Fatalf("side %d: offset %d, handler is at %d", side, h.off, c.off[side])
			}
		}
	}
	p.c.Flush(&p.e, packet.Pos{}, c)
	p.balance()
}

// offsets is a Handler that checks that offsets rise without a jump.
type offsets struct {
	t      *testing.T
	off    [2]int64
	awaits bool // another tap may show what is cut
}

func (c *offsets) Data(side int, at packet.Pos, b []byte) {
	if at.Offset != c.off[side] || len(b) == 0 {
		c.t.Fatalf("side %d: %d bytes at %d, want them at %d", side, len(b), at.Offset, c.off[side])
	}
	c.off[side] += int64(len(b))
}

func (c *offsets) Conflict(int, int64, int64) bool { return false }
func (c *offsets) Cut(int, uint32, int64) []byte   { return nil }
func (c *offsets) Awaits(int64) bool               { return c.awaits }
func (c *offsets) Missing(int) bool                { return false }

func (c *offsets) Gap(side int, at packet.Pos, n int64, _ string) {
	if n == 0 {
		c.t.Fatalf("side %d: a gap of nothing", side)
	}
	if n > 0 {
		c.off[side] += n
	}
}

func (c *offsets) Close(int, packet.Pos) {}
