package tcp

import (
	"reflect"
	"testing"

	"recap/pipeline/exchange"
)

// TestCounts compares what a row of the connection tells of the client's side. The
// handshake is two of its packets; the first packet of a case is number 4.
func TestCounts(t *testing.T) {
	for _, tt := range []struct {
		name    string
		packets []ev
		want    exchange.FlowSide
	}{
		{"packets that the snap length cut", []ev{{data: "abc", missing: 5}, {off: 8, data: "ijk"}, {off: 11, missing: 2}},
			exchange.FlowSide{Packets: 5, Bytes: 6, StreamBytes: 6, Gaps: 2, GapBytes: 7, TruncatedPackets: 2}},
		{"packets out of order", []ev{{off: 3, data: "def"}, {off: 6, data: "ghi"}, {data: "abc"}},
			exchange.FlowSide{Packets: 5, Bytes: 9, StreamBytes: 9, OutOfOrder: 2}},
		{"a retransmission of delivered bytes that differs", []ev{{data: "abcdef"}, {off: 2, data: "cdXYgh"}},
			exchange.FlowSide{Packets: 4, Bytes: 12, StreamBytes: 8, Retransmissions: 1, RetransmitBytes: 4, ConflictBytes: 2,
				Conflicts: []exchange.Conflict{{Offset: 4, Packet: 5, First: []byte("ef"), Second: []byte("XY")}}}},
		{"a retransmission of waiting bytes that differs", []ev{{off: 3, data: "def"}, {off: 3, data: "dXf", ipid: 1}, {data: "abc"}},
			exchange.FlowSide{Packets: 5, Bytes: 9, StreamBytes: 6, OutOfOrder: 2, Retransmissions: 1, RetransmitBytes: 3, ConflictBytes: 1,
				Conflicts: []exchange.Conflict{{Offset: 4, Packet: 5, First: []byte("ef"), Second: []byte("Xf")}}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlayer(t)
			p.play(handshake...)
			p.play(tt.packets...)
			p.end()
			if got := p.c.Halves[client].FlowSide; !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

// TestHoldOfAReplacedCopy: what takes the place of waiting bytes was said when they were,
// not when it was sent again.
func TestHoldOfAReplacedCopy(t *testing.T) {
	p := newPlayer(t)
	p.e.Policy = Last
	p.play(handshake...)
	p.play(ev{off: 3, data: "def"}, ev{off: 3, ack: 2, data: "dEf"}, ev{data: "abc"})
	if got, want := p.r.log.String(), `c"abcdEf"`; got != want {
		t.Errorf("got %s, want %s before anything of the server", got, want)
	}
	p.end()
}
