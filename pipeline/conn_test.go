package pipeline

import (
	"testing"

	"recap/pipeline/decap"
	"recap/pipeline/exchange"
	"recap/reader/packet"
)

// TestWhoAsks: before the content tells, the handshake does, and without it the ports.
func TestWhoAsks(t *testing.T) {
	for _, tt := range []struct {
		name   string
		flags  decap.Flags
		side   int
		lo, hi uint16
		want   int
	}{
		{"who sends a SYN", decap.SYN, 1, 4000, 80, 1},
		{"not who sends a SYN/ACK", decap.SYN | decap.ACK, 1, 80, 4000, 0},
		{"not who sends a SYN/ACK, from the other side", decap.SYN | decap.ACK, 0, 4000, 80, 1},
		{"the higher port", decap.ACK, 0, 80, 4000, 1},
		{"the higher port, from the other side", decap.ACK, 1, 4000, 80, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &decap.Segment{Flags: tt.flags, Key: exchange.FlowKey{LoPort: tt.lo, HiPort: tt.hi}}
			if got := newConn(nil, s, tt.side).client; got != tt.want {
				t.Errorf("side %d asks, want %d", got, tt.want)
			}
		})
	}
}

// TestHolesBeforeTheProtocolIsKnown add up, at the place of the first.
func TestHolesBeforeTheProtocolIsKnown(t *testing.T) {
	var d detector
	d.miss(packet.Pos{Offset: 5}, 3, exchange.GapLost)
	d.miss(packet.Pos{Offset: 9}, 4, exchange.GapSnaplen)
	if want := (gap{packet.Pos{Offset: 5}, 7, exchange.GapLost}); d.gap != want {
		t.Errorf("the hole is %+v, want %+v", d.gap, want)
	}
	d.miss(packet.Pos{Offset: 20}, -1, exchange.GapLost)
	if d.miss(packet.Pos{Offset: 30}, 2, exchange.GapLost); d.gap.n != -1 {
		t.Errorf("%d bytes are missing, want an unknown number", d.gap.n)
	}
}
