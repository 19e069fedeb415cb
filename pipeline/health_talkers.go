package pipeline

import (
	"cmp"
	"net/netip"
	"slices"
)

// maxHosts is how many hosts are told apart.
const maxHosts = 100_000

// talkers finds the hosts with most bytes in bounded memory: exactly, as long as
// there are no more than maxHosts of them, and beyond that by the space-saving
// algorithm (Metwally, Agrawal, El Abbadi 2005): the host with the least bytes gives
// its place, and its count, to the new one, whose count is too high by no more than
// that. The result depends on the order in which hosts come.
type talkers struct {
	index   map[netip.Addr]int32 // into list
	list    []Talker             // once crowded, a heap with the least bytes first
	crowded bool
	most    int // 0 for maxHosts; tests make it small
}

func (t *talkers) limit() int {
	if t.most > 0 {
		return t.most
	}
	return maxHosts
}

// add counts packets and bytes for a host.
func (t *talkers) add(addr netip.Addr, packets, wire int64) {
	if !addr.IsValid() {
		return
	}
	if i, ok := t.index[addr]; ok {
		t.list[i].Packets += packets
		t.list[i].Wire += wire
		if t.crowded {
			t.down(int(i))
		}
		return
	}
	if t.index == nil {
		t.index = make(map[netip.Addr]int32)
	}
	if len(t.list) < t.limit() {
		t.index[addr] = int32(len(t.list))
		t.list = append(t.list, Talker{Addr: addr, Packets: packets, Wire: wire})
		return
	}
	if !t.crowded {
		t.crowded = true
		for i := len(t.list)/2 - 1; i >= 0; i-- {
			t.down(i)
		}
	}
	least := &t.list[0]
	delete(t.index, least.Addr)
	*least = Talker{Addr: addr, Packets: packets, Wire: least.Wire + wire, Over: least.Wire}
	t.index[addr] = 0
	t.down(0)
}

// talk counts packets and bytes for both ends; once for a host that talks to itself.
func (t *talkers) talk(a, b netip.Addr, packets, wire int64) {
	t.add(a, packets, wire)
	if b != a {
		t.add(b, packets, wire)
	}
}

// down moves entry i to its place in the heap, after it grew.
func (t *talkers) down(i int) {
	for {
		c := 2*i + 1
		if c >= len(t.list) {
			return
		}
		if c+1 < len(t.list) && t.list[c+1].Wire < t.list[c].Wire {
			c++
		}
		if t.list[i].Wire <= t.list[c].Wire {
			return
		}
		t.list[i], t.list[c] = t.list[c], t.list[i]
		t.index[t.list[i].Addr], t.index[t.list[c].Addr] = int32(i), int32(c)
		i = c
	}
}

// join adds what u has counted.
func (t *talkers) join(u *talkers) {
	for _, e := range u.list {
		t.add(e.Addr, e.Packets, e.Wire)
		if i, ok := t.index[e.Addr]; ok {
			t.list[i].Over += e.Over
		}
	}
	t.crowded = t.crowded || u.crowded
}

// top returns the n hosts with most bytes.
func (t *talkers) top(n int) []Talker {
	list := slices.Clone(t.list)
	slices.SortFunc(list, func(a, b Talker) int {
		return cmp.Or(cmp.Compare(b.Wire, a.Wire), a.Addr.Compare(b.Addr))
	})
	return slices.Clone(list[:min(len(list), n)])
}
