package tcp

import (
	"testing"

	"recap/pipeline/decap"
)

func TestAheadOfWhatAnotherTapHolds(t *testing.T) {
	p := newPlayer(t)
	p.play(handshake...)
	p.play(ev{data: "abc"}, ev{off: 6, data: "ghi"})
	for _, tt := range []struct {
		name    string
		off     uint32
		n, want int64
	}{
		{"held from the first byte on", 0, 9, 0},
		{"in the middle of what was delivered", 1, 2, 0},
		{"a hole, and what waits behind it", 3, 6, 3},
		{"inside the hole, nothing else", 4, 2, 2},
		{"behind all", 9, 5, 5},
	} {
		if got := p.c.Ahead(p.e.Hist, client, clientISN+1+tt.off, tt.n); got != tt.want {
			t.Errorf("%s: %d bytes ahead, want %d", tt.name, got, tt.want)
		}
	}
}

func TestBeginWithAnotherTap(t *testing.T) {
	whole := newPlayer(t)
	whole.play(handshake...)
	for _, tt := range []struct {
		name    string
		packets []ev
		want    string
	}{
		{"the SYN/ACK and the first bytes are lost", []ev{
			{side: client, flags: decap.SYN}, {side: client, data: "abc", bare: true}, {side: server, off: 4, data: "ok", ack: 3},
		}, `c"abc" s-4 s"ok"`},
		{"the capture begins later", []ev{{side: server, off: 4, data: "ok", ack: 3}}, `s"ok"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlayer(t)
			p.play(tt.packets...)
			p.c.BeginWith(&whole.c)
			if got := p.end(); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestPacketsInCommon(t *testing.T) {
	for _, tt := range []struct {
		name string
		n    uint32 // packets in common
		odd  bool   // one has the same numbers, and another timestamp
		want bool
	}{
		{"three", 3, false, false},
		{"four", 4, false, true},
		{"four, and one that differs", 4, true, false},
	} {
		var one, two Conn
		for i := range tt.n {
			one.Halves[0].prints.leave(stamped(1000+i*700, 5000+i, 0, 0), 700)
			two.Halves[0].prints.leave(stamped(1000+i*700, 5000+i, 0, 0), 700)
		}
		if tt.odd {
			one.Halves[1].prints.leave(stamped(9000, 100, 0, 0), 10)
			two.Halves[1].prints.leave(stamped(9000, 101, 0, 0), 10)
		}
		if got := one.SharesMany(&two); got != tt.want {
			t.Errorf("%s: %t, want %t", tt.name, got, tt.want)
		}
	}
}
