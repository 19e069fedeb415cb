package export_test

import (
	"fmt"
	"strings"
	"testing"

	"recap/export"
	"recap/export/sinktest"
	"recap/pipeline/exchange"
)

func TestWhereSink(t *testing.T) {
	f, err := export.NewFilter(`response.status == 599`)
	if err != nil {
		t.Fatal(err)
	}
	var pairs, flows int
	released := 0
	s := export.Where(f, sinkFunc(func(b *exchange.Batch) error {
		pairs, flows = pairs+len(b.Pairs), flows+len(b.Flows)
		return nil
	}), 1<<20)
	for range 2 {
		b := exchange.NewBatch(func(*exchange.Batch) { released++ })
		b.Pairs, b.Flows = sinktest.Tricky(), sinktest.TrickyFlows()
		if err := s.Write(b); err != nil {
			t.Fatal(err)
		}
		b.Release()
	}
	if pairs != 4 || flows != 6 || released != 2 {
		t.Errorf("%d pairs, %d flows, %d batches released; want 4, 6, 2", pairs, flows, released)
	}
}

// said is a message, or a pair, of the exchange id, completed by a packet.
type said struct {
	packet int64
	id     byte
	pair   int32 // status; 0: a message
	kind   string
	size   int
}

// chosenOf writes list through --where in batches of n, and returns what came out.
func chosenOf(t *testing.T, list []said, n int, hold int64) string {
	t.Helper()
	f, err := export.NewFilter(`response.status == 200`)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	s := export.Where(f, sinkFunc(func(b *exchange.Batch) error {
		for _, m := range b.Messages {
			fmt.Fprintf(&out, "%c%d ", m.PairID[0], m.Packet)
		}
		return nil
	}), hold)
	for len(list) > 0 {
		b := exchange.NewBatch(nil)
		for end := list[0].packet + int64(n); len(list) > 0 && list[0].packet < end; list = list[1:] {
			x := list[0]
			if x.pair != 0 {
				p := &exchange.Pair{ID: exchange.ID{x.id}, Kind: x.kind, Completed: x.packet}
				p.Response.Present, p.Response.Status = true, x.pair
				b.Pairs = append(b.Pairs, p)
				continue
			}
			b.Messages = append(b.Messages, &exchange.StreamMessage{PairID: exchange.ID{x.id}, Packet: x.packet, Completed: x.packet, Payload: make([]byte, x.size)})
		}
		if err := s.Write(b); err != nil {
			t.Fatal(err)
		}
		b.Release()
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// Messages share the fate of their pairs, wherever batches begin.
func TestWhereMessages(t *testing.T) {
	const big = 1 << 10
	for _, tt := range []struct {
		name string
		list []said
		want string
	}{
		{"events wait for their pair", []said{{packet: 1, id: 'a'}, {packet: 2, id: 'b'}, {packet: 3, id: 'a'}, {packet: 4, id: 'b', pair: 404}, {packet: 5, id: 'a', pair: 200}}, "a1 a3 "},
		{"a pair and its message end with one packet", []said{{packet: 1, id: 'a'}, {packet: 2, id: 'a'}, {packet: 2, id: 'a', pair: 200}}, "a1 a2 "},
		{"messages behind the handshake", []said{{packet: 1, id: 'a', pair: 200, kind: "websocket"}, {packet: 2, id: 'b', pair: 404, kind: "websocket"}, {packet: 3, id: 'b'}, {packet: 4, id: 'a'}}, "a4 "},
		{"a pair that does not come", []said{{packet: 1, id: 'a'}, {packet: 2, id: 'b'}, {packet: 3, id: 'a'}}, "a1 b2 a3 "},
		{"too many wait: those at hand go on", []said{{packet: 1, id: 'a', size: big}, {packet: 2, id: 'b', size: big}, {packet: 3, id: 'b', size: big}, {packet: 4, id: 'b'}, {packet: 5, id: 'b', pair: 404}, {packet: 6, id: 'a', pair: 404}}, "b2 b3 b4 "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for n := range 7 {
				if got := chosenOf(t, tt.list, n+1, 3*big); got != tt.want {
					t.Errorf("in batches of %d packets: %q, want %q", n+1, got, tt.want)
				}
			}
		})
	}
}
