package pipeline

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"testing"

	"recap/pipeline/decap"
	"recap/pipeline/exchange"
	"recap/reader/pcaptest"
)

func TestSightingNamesTheFirstPackets(t *testing.T) {
	var a, b sight
	for _, n := range []int64{90, 7, 50, 7, 3, 80} {
		a.add(n, 10)
	}
	for _, n := range []int64{60, 5, 4} {
		b.add(n, 1)
	}
	a.merge(&b)
	if got, want := a.public(), (Sighting{9, 63, []int64{3, 4, 5, 7, 50}}); !reflect.DeepEqual(got, want) {
		t.Errorf("Sighting = %v, want %v", got, want)
	}
}

func host(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}) }

func TestTalkersAreExactWhileThereIsRoom(t *testing.T) {
	u := talkers{most: 50}
	for i := range 500 {
		u.add(host(i%50), 1, int64(i%50))
	}
	top := u.top(2)
	want := []Talker{{host(49), 10, 490, 0}, {host(48), 10, 480, 0}}
	if !slices.Equal(top, want) || u.crowded {
		t.Errorf("top = %v, crowded %t; want %v, exact", top, u.crowded, want)
	}
}

// Whoever has more than one place's share of all bytes is found among any number of
// others, and counted too high by no more than what is told.
func TestTalkersFindTheLoudInACrowd(t *testing.T) {
	u := talkers{most: 50}
	exact := map[netip.Addr]int64{}
	for i := range 20_000 {
		h := host(1000 + i) // each once
		if i%4 == 0 {
			h = host(i / 4 % 3)
		}
		u.add(h, 1, 100)
		exact[h] += 100
	}
	if !u.crowded || len(u.list) != 50 || len(u.index) != 50 {
		t.Fatalf("crowded %t, %d hosts, %d in the index; want true, 50, 50", u.crowded, len(u.list), len(u.index))
	}
	for _, e := range u.top(3) {
		if e.Addr.As4()[2] != 0 || e.Addr.As4()[3] > 2 || e.Wire < exact[e.Addr] || e.Wire-e.Over > exact[e.Addr] {
			t.Errorf("%v counts %d, over by at most %d; it has %d", e.Addr, e.Wire, e.Over, exact[e.Addr])
		}
	}
	for i := range u.list {
		if u.index[u.list[i].Addr] != int32(i) {
			t.Fatalf("the index of %v is %d, want %d", u.list[i].Addr, u.index[u.list[i].Addr], i)
		}
	}
}

func TestHealth(t *testing.T) {
	const request = `10.0.0.1:4000 > 10.0.0.2:80 handshake "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"` + "\n"
	for _, tt := range []struct {
		name string
		flow string
		get  func(*Health) any
		want any
	}{
		{"nothing to tell", request, func(h *Health) any {
			return []int64{h.Lost.Count, h.OneWay.Count, h.Snapped.Count, h.MirrorCut.Count, h.Fragments.Count, h.Copies.Count, h.Forward.Count, h.Backward.Count}
		}, make([]int64, 8)},
		{"a hole", request + `
			10.0.0.2:80 > 10.0.0.1:4000 "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nabcd"
			10.0.0.2:80 > 10.0.0.1:4000 drop "efgh"
			10.0.0.2:80 > 10.0.0.1:4000 "ijkl"
			10.0.0.1:4000 > 10.0.0.2:80 close`,
			func(h *Health) any { return []any{h.Lost, h.LostConns} }, []any{Sighting{1, 4, []int64{6}}, int64(1)}},
		{"one direction", `10.0.0.1:4000 > 10.0.0.2:80 "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"`,
			func(h *Health) any { return h.OneWay }, Sighting{1, 28, []int64{1}}},
		{"a snap length", `10.0.0.1:4000 > 10.0.0.2:80 cut=60 "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"`,
			func(h *Health) any { return []any{h.Snapped, h.SnapLengths} }, []any{Sighting{1, 22, []int64{1}}, []LengthCount{{60, 1}}}},
		{"a mirror that cuts", `10.0.0.1:4000 > 10.0.0.2:80 vxlan=7 mirror=60 "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"`,
			func(h *Health) any { return []any{h.MirrorCut, h.MirrorLengths} }, []any{Sighting{1, 22, []int64{1}}, []LengthCount{{110, 1}}}},
		{"fragments around a tunnel", `10.0.0.1:4000 > 10.0.0.2:80 vxlan=7 outerfrag=64 "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"`,
			func(h *Health) any { return []any{h.Fragments.Count, h.OuterFragments.Count, h.OuterFragments.Packets} }, []any{int64(1), int64(1), []int64{2}}},
		{"fragments inside a tunnel", `10.0.0.1:4000 > 10.0.0.2:80 vxlan=7 frag=64 "GET /aaaaaaaaaaaaaaaaaaaaaaa HTTP/1.1\r\nHost: x\r\n\r\n"`,
			func(h *Health) any { return []any{h.Fragments.Count, h.OuterFragments.Count} }, []any{int64(1), int64(0)}},
		{"a copy", `10.0.0.1:4000 > 10.0.0.2:80 ipid=9 dup "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"`,
			func(h *Health) any { return h.Copies }, Sighting{1, 28, []int64{2}}},
		{"a clock that runs ahead, and back", request + `
			10.0.0.1:4000 > 10.0.0.2:80 @2h
			10.0.0.1:4000 > 10.0.0.2:80 at=1577836800
			10.0.0.1:4000 > 10.0.0.2:80 @30m`,
			func(h *Health) any {
				return []any{h.Forward.Count, h.Forward.Packets, h.Backward.Count, h.Backward.Packets, h.Backward.Largest / 1e9}
			},
			[]any{int64(1), []int64{5}, int64(1), []int64{6}, int64(7200)}},
		{"what was said, by bytes", request + `10.0.0.3:5000 > 10.0.0.4:53 udp fill=500` + "\n" + `10.0.0.3:5000 > 10.0.0.4:22 "SSH-2.0-OpenSSH_9.2\r\n"`,
			func(h *Health) any {
				return []any{h.Protocols, h.Ports, h.UDPPorts, h.Hosts, h.HostsExact, h.Talkers[0].Addr.String(), h.Talkers[0].Wire}
			},
			[]any{
				[]ProtocolCount{{"udp", 0, 1, 542, 0}, {"http/1", 1, 4, 4*54 + 28, 28}, {"ssh", 1, 1, 75, 21}},
				[]PortCount{{80, []string{"http/1"}, 1, 1, 4, 244, 1}, {22, []string{"ssh"}, 1, 0, 1, 75, 6}},
				[]PortCount{{53, []string{"udp"}, 0, 0, 1, 542, 5}},
				int64(4), true, "10.0.0.3", int64(617),
			}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var first any
			for _, workers := range []int{1, 3} {
				stats := runFlow(t, tt.flow, Options{Workers: workers})
				got := tt.get(&stats.Health)
				if first == nil {
					first = got
				} else if !reflect.DeepEqual(got, first) {
					t.Errorf("%d workers give %v, one gives %v", workers, got, first)
				}
			}
			if fmt.Sprint(first) != fmt.Sprint(tt.want) {
				t.Errorf("got  %v\nwant %v", first, tt.want)
			}
		})
	}
}

func runFlow(t *testing.T, flow string, opt Options) *Stats {
	t.Helper()
	stats, err := Run(t.Context(), pcaptest.Source(t, flow, 3), opt, func(b *exchange.Batch) error {
		b.Release()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return stats
}

// What the dispatcher notes of a packet, beside what decoding it costs.
func BenchmarkFrameHealth(b *testing.B) {
	batch := pcaptest.Batch(b, `10.0.0.1:4000 > 10.0.0.2:80 vxlan=7 "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"`)
	dec := decap.NewDecoder(decap.Options{})
	var s decap.Segment
	p := &batch.Packets[0]
	disp := dec.Decode(p, &s)
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			disp = dec.Decode(p, &s)
		}
	})
	b.Run("health", func(b *testing.B) {
		b.ReportAllocs()
		var h frameHealth
		for b.Loop() {
			h.packet(p, &s, disp, dec)
		}
	})
}

// QUIC servers stand among the UDP ports, and what was not decrypted is encrypted.
func TestHealthOfQUIC(t *testing.T) {
	conn := func(port uint16, decrypted bool) *exchange.Conn {
		return &exchange.Conn{Client: exchange.Endpoint{IP: host(1), Port: 4000}, Server: exchange.Endpoint{IP: host(1), Port: port}, TLS: &exchange.TLS{Decrypted: decrypted}}
	}
	sides := [2]exchange.FlowSide{{Packets: 2, WireBytes: 200, Bytes: 100}, {Packets: 1, WireBytes: 50, Bytes: 20}}
	var o flowHealth
	o.flows([]*exchange.Flow{
		{Conn: conn(443, false), Protocol: "quic", FirstPacket: 7, Sides: sides},
		{Conn: conn(443, true), Protocol: "quic", FirstPacket: 9, Sides: sides},
		{Conn: conn(443, true), Protocol: "tls", FirstPacket: 11, Sides: sides},
	})
	d := &frameHealth{udp: map[uint16]*PortCount{443: {Port: 443, Protocols: []string{"udp"}, Packets: 1, Wire: 60, First: 3}}}
	h := health(d, &o, nil, decap.NewDecoder(decap.Options{}))
	if got, want := fmt.Sprint(h.Encrypted), fmt.Sprint(Sighting{1, 120, []int64{7}}); got != want {
		t.Errorf("encrypted: %v, want %v", got, want)
	}
	if got, want := fmt.Sprint(h.UDPPorts), fmt.Sprint([]PortCount{{443, []string{"quic", "udp"}, 2, 0, 7, 560, 3}}); got != want {
		t.Errorf("UDP ports: %v, want %v", got, want)
	}
	if len(h.Ports) != 1 || h.Ports[0].Protocols[0] != "tls" {
		t.Errorf("TCP ports: %v, want that of TLS", h.Ports)
	}
	if len(h.Talkers) != 1 || h.Talkers[0].Wire != 750 {
		t.Errorf("hosts: %v, want one that talks to itself, counted once", h.Talkers)
	}
}
