package pipeline

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"recap/reader/packet"
	"recap/reader/pcaptest"
)

// A tapView is what one tap makes of a conversation.
type tapView struct {
	place  string // how its packets are told from others: "plain", "vxlan", …
	id     byte   // of the tunnel
	back   byte   // of the tunnel of the other direction
	delay  int64  // nanoseconds
	loss   float64
	recut  string // "", "merged", "split"
	size   int    // of the largest segment
	snap   int    // 0: none
	mirror bool   // cuts what it gives out, so that no record tells
}

func (v *tapView) String() string {
	return fmt.Sprintf("{%s %d/%d +%dms, loss %.2f, %s %d, snap %d}", v.place, v.id, v.back, v.delay/1e6, v.loss, v.recut, v.size, v.snap)
}

// apart reports whether the place of v makes a connection of its own.
func (v *tapView) apart() bool { return v.place == "vxlan" || v.place == "geneve" || v.place == "gre" }

// tcpOf returns where TCP and its payload stand in an Ethernet frame with IPv4; ok is
// false for another.
func tcpOf(f []byte) (tcp, payload int, ok bool) {
	if len(f) < 54 || f[12] != 8 || f[13] != 0 || f[23] != 6 {
		return 0, 0, false
	}
	tcp = 14 + int(f[14]&15)*4
	return tcp, tcp + int(f[tcp+12]>>4)*4, true
}

// segmentOf returns the frame f with the n bytes of payload b at off in place of its own.
func segmentOf(f, b []byte, off, number int) []byte {
	tcp, payload, _ := tcpOf(f)
	out := slices.Concat(f[:payload], b)
	be := binary.BigEndian
	be.PutUint16(out[16:], uint16(len(out)-14))
	be.PutUint16(out[18:], be.Uint16(out[18:])+uint16(number))
	be.PutUint32(out[tcp+4:], be.Uint32(out[tcp+4:])+uint32(off))
	return out
}

// cutAnew divides segments, or puts neighbours together, as the network card of one host
// does before a capture sees them.
func (v *tapView) cutAnew(list []tapped) []tapped {
	var out []tapped
	for _, p := range list {
		tcp, payload, ok := tcpOf(p.frame)
		b := p.frame[min(payload, len(p.frame)):]
		ip := 14 + int(binary.BigEndian.Uint16(p.frame[16:]))
		if ok && ip < len(p.frame) {
			b = p.frame[payload:ip]
		}
		switch {
		case !ok || len(b) == 0 || p.frame[tcp+13]&7 != 0:
			out = append(out, p)
		case v.recut == "split":
			for off := 0; off < len(b); off += v.size {
				f := segmentOf(p.frame, b[off:min(off+v.size, len(b))], off, off/v.size)
				out = append(out, tapped{p.at + int64(off), f, len(f)})
			}
		default:
			if !v.merge(out, p.frame, b) {
				out = append(out, p)
			}
		}
	}
	return out
}

// merge appends the payload b of frame f to the last packet of its flow, where that ends
// where b begins and tells of nothing else.
func (v *tapView) merge(out []tapped, f, b []byte) bool {
	be := binary.BigEndian
	tcp, _, _ := tcpOf(f)
	for i := len(out) - 1; i >= 0; i-- {
		g := out[i].frame
		at, payload, ok := tcpOf(g)
		if !ok || string(g[26:34]) != string(f[26:34]) || string(g[at:at+4]) != string(f[tcp:tcp+4]) {
			if ok && string(g[26:30]) == string(f[30:34]) && string(g[at:at+2]) == string(f[tcp+2:tcp+4]) {
				return false // the other direction says something in between
			}
			continue
		}
		have := len(g) - payload
		if have == 0 || g[at+13]&7 != 0 || have+len(b) > v.size || be.Uint32(g[at+4:])+uint32(have) != be.Uint32(f[tcp+4:]) ||
			string(g[at+8:at+12]) != string(f[tcp+8:tcp+12]) {
			return false
		}
		out[i].frame = segmentOf(g, slices.Concat(g[payload:], b), 0, 0)
		out[i].of = len(out[i].frame)
		return true
	}
	return false
}

// show returns the frame as the tap gives it out.
func (v *tapView) show(f []byte) []byte {
	id := v.id
	if tcp, _, ok := tcpOf(f); ok && binary.BigEndian.Uint16(f[tcp:]) < binary.BigEndian.Uint16(f[tcp+2:]) {
		id = v.back
	}
	switch v.place {
	case "vxlan":
		return inVXLAN(f, id)
	case "gre": // with a key, Ethernet inside
		g := inVXLAN(f, 0)
		g[23] = 47
		copy(g[34:], []byte{0x20, 0, 0x65, 0x58, 0, 0, 0, id})
		g = slices.Delete(g, 42, 50)
		binary.BigEndian.PutUint16(g[16:], uint16(len(g)-14))
		return g
	case "geneve":
		g := inVXLAN(f, id)
		binary.BigEndian.PutUint16(g[36:], 6081)
		g[42], g[44], g[45] = 0, 0x65, 0x58
		return g
	case "vlan":
		return slices.Concat(f[:12], []byte{0x81, 0, 0, id}, f[12:])
	case "mac":
		g := slices.Clone(f)
		g[5], g[11] = 9, 8
		g[22]--
		return g
	}
	return f
}

// at returns what the tap shows of list, without what it lacks.
func (v *tapView) at(list []tapped, r *rand.Rand) []tapped {
	if v.recut != "" {
		list = v.cutAnew(list)
	}
	var out []tapped
	for _, p := range list {
		if r.Float64() < v.loss {
			continue
		}
		p.at += v.delay
		p.frame = v.show(p.frame)
		p.of = len(p.frame)
		if v.snap > 0 && p.of > v.snap {
			p.frame = p.frame[:v.snap]
			if v.mirror {
				p.of = v.snap
			}
		}
		out = append(out, p)
	}
	return out
}

// inOrder writes packets as a capture, in the order of their times.
func inOrder(t *testing.T, lists ...[]tapped) []byte {
	t.Helper()
	all := slices.Concat(lists...)
	slices.SortStableFunc(all, func(a, b tapped) int { return cmp.Compare(a.at, b.at) })
	pkts := make([]pcaptest.Packet, len(all))
	for i, p := range all {
		pkts[i] = pcaptest.Packet{Data: p.frame, TimeNS: p.at, Length: uint32(p.of), Link: packet.LinkEthernet}
	}
	b, err := pcaptest.Write(pkts, pcaptest.Nano())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// randomViews draws two or three taps, at most one of them outside tunnels.
func randomViews(r *rand.Rand) []*tapView {
	places := []string{"vxlan", "geneve", "gre", []string{"plain", "vlan", "mac"}[r.IntN(3)]}
	r.Shuffle(len(places), func(i, k int) { places[i], places[k] = places[k], places[i] })
	losses := []float64{0, 0, 0, 0.02, 0.05, 0.1}
	delays := []int64{0, 20_000, 700_000, 30_000_000, 400_000_000, 1_900_000_000}
	views := make([]*tapView, 2+r.IntN(2))
	loss := losses[r.IntN(len(losses))]
	for i := range views {
		v := &tapView{place: places[i], id: byte(10 + i), back: byte(10 + i), loss: loss, delay: delays[r.IntN(len(delays))]}
		switch r.IntN(5) {
		case 0:
			v.recut, v.size = "merged", 1000+r.IntN(60_000)
		case 1:
			v.recut, v.size = "split", 20+r.IntN(1000)
		}
		views[i] = v
	}
	switch v := views[r.IntN(len(views))]; r.IntN(4) {
	case 0:
		v.cuts(views, r)
	case 1:
		if v.place == "vxlan" {
			v.back += 100
		}
	}
	return views
}

// viewsOutside draws two or three taps without a tunnel: in VLANs, behind a router, or as the
// hosts see it.
func viewsOutside(r *rand.Rand) []*tapView {
	all := []*tapView{{place: "vlan", id: 10, back: 10}, {place: "vlan", id: 20, back: 20}, {place: []string{"plain", "mac"}[r.IntN(2)]}}
	r.Shuffle(len(all), func(i, k int) { all[i], all[k] = all[k], all[i] })
	delays := []int64{0, 20_000, 700_000, 30_000_000, 400_000_000, 1_900_000_000}
	for _, v := range all {
		v.delay = delays[r.IntN(len(delays))]
	}
	return all[:2+r.IntN(2)]
}

// cuts lets v, one of views, cut all packets to one length. What they lack is taken from the
// others, which may come before or behind.
func (v *tapView) cuts(views []*tapView, r *rand.Rand) {
	v.snap, v.mirror = 60+r.IntN(1341), r.IntN(2) == 0
	for _, o := range views {
		o.loss = 0
	}
}

// viewsWithCut draws taps of which one cuts all packets.
func viewsWithCut(r *rand.Rand) []*tapView {
	views := randomViews(r)
	if !slices.ContainsFunc(views, func(v *tapView) bool { return v.snap > 0 }) {
		views[r.IntN(len(views))].cuts(views, r)
	}
	return views
}
