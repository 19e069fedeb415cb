package pipeline

import (
	"testing"

	"recap/pipeline/exchange"
)

// TestVictim: closed connections go before open ones, each kind oldest first, and never the
// one at hand.
func TestVictim(t *testing.T) {
	closed, old, young := &conn{}, &conn{}, &conn{}
	p := &partition{}
	p.live.push(old)
	p.live.push(young)
	if got := p.victim(old); got != young {
		t.Error("without closed ones, it is not the next of the open ones")
	}
	p.closed.push(closed)
	if p.victim(old) != closed || p.victim(young) != closed {
		t.Error("a closed one does not go first")
	}
	if p.victim(closed) != old {
		t.Error("beside the closed one at hand, it is not the oldest of the open ones")
	}
	p.live.remove(old)
	p.live.remove(young)
	if p.victim(closed) != nil {
		t.Error("the one at hand is its own victim")
	}
}

// TestEvictedConnectionsAreForgotten: the newest are remembered, in bounded memory.
func TestEvictedConnectionsAreForgotten(t *testing.T) {
	key := func(i int) exchange.FlowKey { return exchange.FlowKey{LoPort: uint16(i), HiPort: uint16(i >> 16)} }
	p := &partition{}
	const n = 2*maxEvicted + 5
	for i := range n {
		p.remember(key(i), exchange.ID{byte(i), byte(i >> 8)})
	}
	if len(p.evicted) != maxEvicted {
		t.Errorf("%d are remembered, want %d", len(p.evicted), maxEvicted)
	}
	for i := range n {
		id, ok := p.evicted[key(i)]
		if want := i >= n-maxEvicted; ok != want || ok && id != (exchange.ID{byte(i), byte(i >> 8)}) {
			t.Fatalf("number %d of %d: %v, remembered %t, want %t", i, n, id, ok, want)
		}
	}
}
