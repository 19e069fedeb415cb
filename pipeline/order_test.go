package pipeline

import (
	"math/rand/v2"
	"slices"
	"testing"

	"recap/pipeline/exchange"
)

// TestOrderIsTotal: what was completed by one packet, or by the end of the capture, comes
// in one order, from whichever worker it is.
func TestOrderIsTotal(t *testing.T) {
	a, b := &exchange.Conn{ID: exchange.ID{1}}, &exchange.Conn{ID: exchange.ID{2}}
	t.Run("pairs", func(t *testing.T) {
		shuffled(t, comparePairs, []*exchange.Pair{
			{Completed: 5, LastPacket: 9, Conn: b}, {Completed: 9, LastPacket: 3, Conn: b, Ordinal: 7}, {Completed: 9, LastPacket: 4, Conn: a, Ordinal: 1},
			{Completed: 9, LastPacket: 4, Conn: a, Ordinal: 2}, {Completed: 9, LastPacket: 4, Conn: b, Ordinal: 0},
		})
	})
	t.Run("flows", func(t *testing.T) {
		shuffled(t, compareFlows, []*exchange.Flow{{Completed: 5, Conn: b}, {Completed: 9, Conn: a}, {Completed: 9, Conn: b}, {Completed: 10, Conn: a}})
	})
	t.Run("messages", func(t *testing.T) {
		one, two := exchange.ID{1}, exchange.ID{2}
		shuffled(t, compareMessages, []*exchange.StreamMessage{
			{Completed: 5, PairID: two, Ordinal: 3}, {Completed: 9, PairID: one, Ordinal: 1}, {Completed: 9, PairID: one, Ordinal: 2},
			{Completed: 9, PairID: two, Ordinal: 0}, {Completed: 10, PairID: one, Ordinal: 0},
		})
	})
}

// shuffled sorts want from any order.
func shuffled[E comparable](t *testing.T, compare func(a, b E) int, want []E) {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 1))
	for range 50 {
		got := slices.Clone(want)
		r.Shuffle(len(got), func(i, j int) { got[i], got[j] = got[j], got[i] })
		if slices.SortFunc(got, compare); !slices.Equal(got, want) {
			for i := range got {
				t.Errorf("place %d: number %d, want %d", i, slices.Index(want, got[i]), i)
			}
			return
		}
	}
}
