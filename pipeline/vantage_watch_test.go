package pipeline

import (
	"testing"

	"recap/pipeline/decap"
	"recap/pipeline/exchange"
)

func TestCopyWatch(t *testing.T) {
	key := exchange.FlowKey{Lo: [16]byte{15: 1}, Hi: [16]byte{15: 2}, LoPort: 80, HiPort: 4000}
	syn := decap.Segment{TCP: make([]byte, 20), Key: key, Seq: 7, HeaderLen: 20, Flags: decap.SYN, VLANs: 1, TTL: 64, Clock: 5 * second}
	with := func(s decap.Segment, change func(*decap.Segment)) decap.Segment {
		change(&s)
		return s
	}
	for _, tt := range []struct {
		name   string
		second decap.Segment
		want   bool
	}{
		{"the same again", syn, false},
		{"another VLAN", with(syn, func(s *decap.Segment) { s.VLANs = 2 }), true},
		{"another MAC address", with(syn, func(s *decap.Segment) { s.SrcMAC[5] = 9 }), true},
		{"another time to live", with(syn, func(s *decap.Segment) { s.TTL-- }), true},
		{"another time to live in another tunnel", with(syn, func(s *decap.Segment) { s.TTL--; s.Key.Stack = 3 }), true},
		{"another sequence number", with(syn, func(s *decap.Segment) { s.TTL--; s.Seq++ }), false},
		{"another port", with(syn, func(s *decap.Segment) { s.TTL--; s.Key.HiPort++ }), false},
		{"another address", with(syn, func(s *decap.Segment) { s.TTL--; s.Key.Hi[0] = 1 }), false},
		{"another length", with(syn, func(s *decap.Segment) { s.TTL--; s.TCP = make([]byte, 21) }), false},
		{"much later", with(syn, func(s *decap.Segment) { s.TTL--; s.Clock += vantageTime + 1 }), false},
		{"as late as may be", with(syn, func(s *decap.Segment) { s.TTL--; s.Clock += vantageTime }), true},
		{"an acknowledgement", with(syn, func(s *decap.Segment) { s.TTL--; s.Flags = decap.ACK }), false},
	} {
		var w copyWatch
		first := syn
		if w.shows(&first) {
			t.Errorf("%s: the first packet is a copy", tt.name)
		}
		if got := w.shows(&tt.second); got != tt.want {
			t.Errorf("%s: seen from another place: %t, want %t", tt.name, got, tt.want)
		}
	}
	// Of data, some is looked at, whatever the sequence numbers are.
	for _, step := range []uint32{1, 100, 1448, 1460, 65536, 1 << 20} {
		var w copyWatch
		n := 0
		for i := range uint32(4000) {
			s := with(syn, func(s *decap.Segment) { s.Flags, s.Seq, s.TCP = decap.ACK, i*step, make([]byte, 30) })
			w.shows(&s)
			if s.VLANs = 2; w.shows(&s) {
				n++
			}
		}
		if n < 4000/64/3 || n > 3*4000/64 {
			t.Errorf("sequence numbers %d apart: %d of 4000 copies seen", step, n)
		}
	}
}
