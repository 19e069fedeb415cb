package tcp

import (
	"testing"

	"recap/pipeline/decap"
	"recap/reader/packet"
)

func TestCutWaitsForAnotherTap(t *testing.T) {
	for _, tt := range []struct {
		name    string
		packets []ev
		nobody  bool // else may show it
		want    string
		strange int64 // packets out of order
	}{
		{name: "it comes whole", packets: []ev{{data: "abc", missing: 3}, {data: "abcdef"}}, want: `c"abcdef"`},
		{name: "what follows comes in between, in order", packets: []ev{
			{data: "abc", missing: 3}, {off: 6, data: "ghi"}, {off: 9, data: "jkl"}, {data: "abcdef"},
		}, want: `c"abcdefghijkl"`},
		{name: "what follows is cut too", packets: []ev{
			{data: "abc", missing: 3}, {off: 6, data: "g", missing: 2}, {data: "abcdef"}, {off: 6, data: "ghi"},
		}, want: `c"abcdefghi"`},
		{name: "a packet without any payload", packets: []ev{{missing: 3}, {data: "abc"}}, want: `c"abc"`},
		{name: "its end comes first", packets: []ev{{data: "abc", missing: 3}, {off: 4, data: "ef"}, {off: 3, data: "d"}}, want: `c"abcdef"`},
		{name: "its end only", packets: []ev{{data: "abc", missing: 3}, {off: 4, data: "ef"}}, want: `c"abc" c-1snaplen c"ef"`},
		{name: "one is missing behind it", packets: []ev{
			{data: "abc", missing: 3}, {off: 9, data: "jkl"}, {off: 6, data: "ghi"}, {data: "abcdef"},
		}, want: `c"abcdefghijkl"`, strange: 1},
		{name: "the answer waits too", packets: []ev{
			{data: "abc", missing: 3}, {side: server, data: "ok", ack: 6}, {data: "abcdef"},
		}, want: `c"abcdef" s"ok"`},
		{name: "for as long as a hole does", packets: []ev{
			{data: "abc", missing: 3}, {off: 6, data: "g", wait: 2}, {off: 7, data: "h", wait: 0.1}, {data: "abcdef"},
		}, want: `c"abc" c-3snaplen c"gh"`},
		{name: "the end of the stream is not told before", packets: []ev{
			{data: "abc", missing: 3, flags: decap.FIN}, {data: "abcdef"},
		}, want: `c"abcdef" c.`},
		{name: "nor after the connection is over", packets: []ev{{data: "abc", missing: 3, flags: decap.FIN}}, want: `c"abc" c-3snaplen c.`},
		{name: "where nobody may show it, it is given up at once", packets: []ev{
			{data: "abc", missing: 3}, {data: "abcdef"},
		}, nobody: true, want: `c"abc" c-3snaplen`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlayer(t)
			p.play(handshake...)
			p.r.awaits = !tt.nobody
			p.play(tt.packets...)
			if got := p.end(); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			if got := p.c.Halves[client].OutOfOrder; got != tt.strange {
				t.Errorf("%d packets out of order, want %d", got, tt.strange)
			}
		})
	}
}

func TestCutIsGivenUpByTheClockAndForMemory(t *testing.T) {
	at := packet.Pos{Number: 9}
	p := newPlayer(t)
	p.play(handshake...)
	p.r.awaits = true
	p.play(ev{data: "abc", missing: 3}, ev{off: 6, data: "g", missing: 2, wait: 1})
	if p.c.Lapse(&p.e, p.clock+1.5e9, at, &p.r); p.r.log.String() != `c"abc" c-3snaplen c"g"` {
		t.Errorf("after 2.5 s and 1.5 s: %s", p.r.log.String())
	}
	if !p.c.Hasten(&p.e, at, &p.r) || p.c.Hasten(&p.e, at, &p.r) || p.c.Buffered() != 0 {
		t.Errorf("%d bytes wait", p.c.Buffered())
	}
	if got, want := p.end(), `c"abc" c-3snaplen c"g" c-2snaplen`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestCutStreamWaitsWithinBounds(t *testing.T) {
	p := newPlayer(t)
	p.play(handshake...)
	p.r.awaits, p.r.quiet = true, true
	data := string(make([]byte, 1000))
	for i := range int64(3 * maxCutWait / 1000) {
		p.play(ev{off: i * 1400, data: data, missing: 400})
		if b := p.c.Buffered(); b > maxCutWait+2000 {
			t.Fatalf("packet %d: %d bytes wait", i, b)
		}
	}
	p.end()
	if got := names(p.c.Anomalies); got != "snaplen_cut" {
		t.Errorf("anomalies: %s", got)
	}
}

// FuzzCut: of two streams whose segments are cut here and whole there, what arrives is those
// streams with exact gaps, and no byte less where what was cut waits.
func FuzzCut(f *testing.F) {
	f.Add([]byte("\x01\x03\x20\x20abcdefghijklmnopqrstuvwxyz"))
	f.Add([]byte("\x00\xff\xff0123456789012345678901234567890123456789"))
	f.Fuzz(func(t *testing.T, data []byte) {
		hasty, patient := runCut(t, data, false), runCut(t, data, true)
		for side := range 2 {
			if patient.gaps[side] > hasty.gaps[side] {
				t.Fatalf("side %d: gaps of %d bytes, %d without waiting", side, patient.gaps[side], hasty.gaps[side])
			}
		}
	})
}

func runCut(t *testing.T, data []byte, awaits bool) *checker {
	s := &script{data}
	p := newPlayer(t)
	size := [2]int64{int64(s.next(256)) * 4, int64(s.next(256)) * 4}
	c := newChecker(t, size)
	c.awaits = awaits
	list := schedule(s, size, false)
	for _, v := range append(append([]ev(nil), handshake...), toEvents(list, c.sent)...) {
		if s.next(3) == 1 {
			keep := s.next(1 + len(v.data))
			v.data, v.missing = v.data[:keep], uint32(len(v.data)-keep)
		}
		v.wait = float64(s.next(8)) / 8
		seg := p.segment(v)
		p.e.Hist.At(p.n * 100)
		p.c.Segment(&p.e, seg, v.side, packet.Pos{Number: p.n, Clock: p.clock}, c)
	}
	p.c.Flush(&p.e, packet.Pos{}, c)
	p.balance()
	for side := range 2 {
		if c.off[side] != size[side] || !c.closed[side] {
			t.Fatalf("side %d: ends at %d, closed %t; want %d", side, c.off[side], c.closed[side], size[side])
		}
	}
	return c
}
