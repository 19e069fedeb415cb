package tcp

import (
	"fmt"
	"strings"
	"testing"

	"recap/pipeline/decap"
	"recap/pipeline/exchange"
	"recap/reader/packet"
)

// Each side of a connection in these tests begins at its own number: the client's
// first byte has offset 0 and number clientISN+1.
const (
	clientISN = 1000
	serverISN = 5000
	client    = 0
	server    = 1
)

// ev is one packet of a test. off and ack count stream bytes: 0 is the first.
type ev struct {
	side    int
	flags   decap.Flags // ACK is added unless bare or a SYN
	off     int64
	ack     int64
	data    string
	missing uint32
	why     decap.Info
	wait    float64 // seconds since the packet before
	ipid    uint16
	seq     *uint32 // instead of off
	bare    bool    // no ACK
}

// recorder writes down what a Handler gets: `c"abc"` data of the client, `s-5` a gap
// of 5 bytes in the server's stream, `c.` its end.
type recorder struct {
	log   strings.Builder
	last  int
	data  [2][]byte // as delivered, gaps filled with zeros
	acked [2]int64  // packet.Pos.Acked of the newest data
	gaps  [2]int64
	close [2]bool
	quiet bool
	// awaits says that another tap may show what is cut
	awaits bool
}

var sideName = [2]string{"c", "s"}

func (r *recorder) Data(side int, at packet.Pos, b []byte) {
	if r.quiet {
		return
	}
	if r.log.Len() > 0 && r.last == side && strings.HasSuffix(r.log.String(), `"`) {
		s := r.log.String()
		r.log.Reset()
		r.log.WriteString(s[:len(s)-1] + string(b) + `"`)
	} else {
		r.sep()
		fmt.Fprintf(&r.log, `%s"%s"`, sideName[side], b)
	}
	r.last = side
	r.acked[side] = at.Acked
	r.data[side] = append(r.data[side], b...)
}

func (r *recorder) Conflict(int, int64, int64) bool { return false }
func (*recorder) Cut(int, uint32, int64) []byte     { return nil }
func (r *recorder) Awaits(int64) bool               { return r.awaits }
func (r *recorder) Missing(int) bool                { return false }

func (r *recorder) Gap(side int, at packet.Pos, n int64, reason string) {
	r.gaps[side] += n
	if r.quiet {
		return
	}
	r.sep()
	fmt.Fprintf(&r.log, "%s-%d", sideName[side], n)
	if reason != exchange.GapLost {
		r.log.WriteString(reason)
	}
}

func (r *recorder) Close(side int, at packet.Pos) {
	r.sep()
	r.log.WriteString(sideName[side] + ".")
	r.close[side] = true
}

func (r *recorder) sep() {
	if r.log.Len() > 0 {
		r.log.WriteByte(' ')
	}
}

// player feeds packets to a Conn and checks its books.
type player struct {
	t     testing.TB
	e     Env
	c     Conn
	r     recorder
	clock int64
	n     int64
	isn   [2]uint32
	copies,
	reuses int
}

func newPlayer(t testing.TB) *player {
	return &player{t: t, e: Env{Hist: &History{Horizon: 1 << 20}, MaxSpan: 64 << 20, Hold: 2e9}, isn: [2]uint32{clientISN, serverISN}}
}

func (p *player) segment(v ev) *decap.Segment {
	p.clock += int64(v.wait * 1e9)
	p.n++
	s := &decap.Segment{TCP: append(make([]byte, 20), v.data...), HeaderLen: 20, Number: p.n, Clock: p.clock,
		Missing: v.missing, Flags: v.flags, IPID: v.ipid, Info: v.why}
	s.Seq = p.isn[v.side] + 1 + uint32(v.off)
	if v.flags&decap.SYN != 0 {
		s.Seq--
	}
	if v.seq != nil {
		s.Seq = *v.seq
	}
	if !v.bare && !(v.flags&decap.SYN != 0 && v.side == client) {
		s.Flags |= decap.ACK
		s.Ack = p.isn[1-v.side] + 1 + uint32(v.ack)
	}
	return s
}

func (p *player) play(list ...ev) {
	for _, v := range list {
		s := p.segment(v)
		p.e.Hist.At(p.n * 1500)
		if p.c.Reuses(s, v.side) {
			p.reuses++
			old := p.c
			p.c.Flush(&p.e, packet.Pos{Number: p.n}, &p.r)
			p.balance()
			p.c = Conn{}
			p.c.Reborn(&old, s, v.side)
			p.r.sep()
			p.r.log.WriteString("new")
		}
		if p.c.Segment(&p.e, s, v.side, packet.Pos{Number: p.n, Clock: p.clock, Acked: packet.NoOffset}, &p.r) {
			p.copies++
		}
		p.e.Hist.Trim()
	}
}

// end flushes the connection, checks its books, and returns what the handler got.
func (p *player) end() string {
	p.t.Helper()
	p.c.Flush(&p.e, packet.Pos{Number: p.n + 1}, &p.r)
	p.balance()
	return p.r.log.String()
}

// balance checks that every payload byte was accounted for once.
func (p *player) balance() {
	p.t.Helper()
	for i := range p.c.Halves {
		h := &p.c.Halves[i]
		sum := h.DeliveredBytes + h.DuplicateBytes + h.ConflictBytes + h.BeforeStart + h.OutOfWindow + h.AfterClose + h.Late
		if sum != h.Bytes {
			p.t.Errorf("side %d: %d bytes seen, %d accounted for: %+v", i, h.Bytes, sum, h)
		}
		if d := h.BeforeStart + h.OutOfWindow + h.AfterClose + h.Late; d != h.DiscardedBytes {
			p.t.Errorf("side %d: DiscardedBytes is %d, want %d", i, h.DiscardedBytes, d)
		}
		if h.q.len() > 0 || h.q.bytes != 0 {
			p.t.Errorf("side %d: %d chunks of %d bytes wait after Flush", i, h.q.len(), h.q.bytes)
		}
	}
}

func names(a exchange.Anomalies) string { return strings.Join(a.Append(nil), " ") }

// handshake is the usual beginning.
var handshake = []ev{
	{side: client, flags: decap.SYN},
	{side: server, flags: decap.SYN},
	{side: client},
}

func num(n uint32) *uint32 { return &n }
