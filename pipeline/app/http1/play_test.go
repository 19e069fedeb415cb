package http1

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"recap/pipeline/app"
	"recap/pipeline/app/coding"
	"recap/pipeline/exchange"
	"recap/reader/packet"
)

// move is one thing that reassembly tells a parser.
type move struct {
	dir    exchange.Dir
	data   string
	gap    int64
	reason string
	close  bool
	ack    int64 // where the sender stood in the other stream, if acked is set
	acked  bool
}

func c(data string) move { return move{dir: exchange.ToServer, data: data} }
func s(data string) move { return move{dir: exchange.ToClient, data: data} }
func cGap(n int64) move  { return move{dir: exchange.ToServer, gap: n, reason: exchange.GapLost} }
func sGap(n int64) move  { return move{dir: exchange.ToClient, gap: n, reason: exchange.GapLost} }

var (
	cClose = move{dir: exchange.ToServer, close: true}
	sClose = move{dir: exchange.ToClient, close: true}
)

// knowing sets how much of the other stream the sender had when it sent m. Without
// it that is all that came before in the list.
func (m move) knowing(off int64) move {
	m.ack, m.acked = off, true
	return m
}

// limits for tests, small enough to reach.
func testLimits() app.Limits {
	return app.Limits{Body: 1 << 20, Head: 8 << 10, Fields: 100, OpenExchanges: 100, Decode: 4 << 20, DecodeLayers: 4,
		ZstdWindow: 8 << 20, Hash: true, DecodeBodies: true}
}

// player feeds a Conn and collects its pairs.
type player struct {
	conn  *Conn
	env   *app.Env
	pairs []*exchange.Pair
	off   [2]int64
	n     int64
	fed   int64
	mem   int64 // the most that the parser said it holds
}

func newPlayer(mid ...bool) *player {
	p := &player{}
	p.env = &app.Env{
		Limits: testLimits(), Decoder: new(coding.Decoder), Memo: new(coding.Memo), Buffers: new(coding.Buffers),
		NewPair:  func() *exchange.Pair { q := new(exchange.Pair); q.Reset(); return q },
		Emit:     func(_ *exchange.Conn, q *exchange.Pair) { p.pairs = append(p.pairs, q) },
		Message:  func(*exchange.StreamMessage) {},
		Copy:     bytes.Clone,
		FileName: func(int32) string { return "test" },
	}
	var m [2]bool
	copy(m[:], mid)
	p.conn = New(p.env, &exchange.Conn{}, m)
	return p
}

// play feeds the moves; every move is a packet of its own.
func (p *player) play(list ...move) {
	for _, m := range list {
		p.n++
		at := packet.Pos{Number: p.n, TimeNS: p.n * 1000, Acked: p.off[m.dir.Reverse()], Offset: p.off[m.dir]}
		if m.acked {
			at.Acked = m.ack
		}
		switch {
		case m.close:
			p.conn.Close(m.dir, at)
		case m.gap != 0:
			p.conn.Gap(m.dir, at, m.gap, m.reason)
			p.off[m.dir] += max(0, m.gap)
		default:
			p.fed += int64(len(m.data))
			p.off[m.dir] += int64(len(m.data))
			p.conn.Data(m.dir, at, []byte(m.data))
		}
		p.mem = max(p.mem, p.conn.Memory())
	}
}

// end ends the connection and checks that every byte was accounted for.
func (p *player) end(t testing.TB, reason app.EndReason) {
	t.Helper()
	p.conn.End(reason, packet.Pos{Number: p.n + 1, TimeNS: (p.n + 1) * 1000})
	if a := p.conn.Tally(); a.HTTP+a.Other+a.Unparsed != p.fed || min(a.HTTP, a.Other, a.Unparsed) < 0 {
		t.Errorf("%d bytes were fed, %+v accounted for", p.fed, a)
	}
}

// A talk is a case of a table: what is said, and the pairs that it makes.
type talk struct {
	name      string
	mid       [2]bool
	moves     []move
	end       app.EndReason
	want      string
	anomalies string // looked at by talksWithAnomalies
}

// talks plays each from beginning to end.
func talks(t *testing.T, list []talk) { playTalks(t, list, false) }

func talksWithAnomalies(t *testing.T, list []talk) { playTalks(t, list, true) }

func playTalks(t *testing.T, list []talk, named bool) {
	for _, tt := range list {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlayer(tt.mid[:]...)
			p.play(tt.moves...)
			p.end(t, tt.end)
			if got := lines(p.pairs); got != want(tt.want) {
				t.Errorf("pairs are\n%swant\n%s", got, want(tt.want))
			}
			if got := anomalies(p.pairs); named && got != tt.anomalies {
				t.Errorf("anomalies are %q, want %q", got, tt.anomalies)
			}
		})
	}
}

// line writes a pair as `state METHOD target "body" -> status "body"`, each side only
// where there is one.
func line(p *exchange.Pair) string {
	var b strings.Builder
	b.WriteString(p.State.String())
	if r := &p.Request; r.Present {
		fmt.Fprintf(&b, " %s %s%s", r.Method, r.Target, body(&r.Message))
	}
	b.WriteString(" ->")
	if r := &p.Response; r.Present {
		for _, i := range r.Interim {
			fmt.Fprintf(&b, " %d,", i.Status)
		}
		fmt.Fprintf(&b, " %d%s", r.Status, body(&r.Message))
	}
	return b.String()
}

func body(m *exchange.Message) string {
	var b strings.Builder
	if m.HasBody {
		fmt.Fprintf(&b, " %q", m.Body)
		if m.BodySize != int64(len(m.Body)) {
			fmt.Fprintf(&b, "/%d", m.BodySize)
		}
	}
	for _, g := range m.Gaps {
		fmt.Fprintf(&b, " %s[%d+%d]", g.Reason, g.Offset, g.Length)
	}
	for _, h := range m.Trailers {
		fmt.Fprintf(&b, " +%s:%s", h.Name, h.Value)
	}
	return b.String()
}

func lines(pairs []*exchange.Pair) string {
	var b strings.Builder
	for _, p := range pairs {
		b.WriteString(line(p))
		b.WriteByte('\n')
	}
	return b.String()
}

func anomalies(pairs []*exchange.Pair) string {
	var all exchange.Anomalies
	for _, p := range pairs {
		all.Merge(&p.Anomalies)
	}
	return strings.Join(all.Append(nil), " ")
}

// want strips the indentation that makes a table readable.
func want(text string) string {
	var b strings.Builder
	for l := range strings.Lines(text) {
		if l = strings.TrimSpace(l); l != "" {
			b.WriteString(l + "\n")
		}
	}
	return b.String()
}

// pos returns the places where both streams begin.
func (p *player) pos() [2]packet.Pos { return [2]packet.Pos{} }
