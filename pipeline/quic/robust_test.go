package quic_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	quicgo "github.com/quic-go/quic-go"

	"recap/pipeline"
	"recap/pipeline/exchange"
)

// A datagram that the capture lacks leaves every pair right that is called complete.
func TestOneLostDatagram(t *testing.T) {
	rec := talk(t, 1, &quicgo.Config{})
	want := extract(t, capture(t, rec.list), rec.keys, pipeline.Options{})
	whole := make(map[string]bool)
	for _, r := range want.rows {
		if strings.Contains(r, "HTTP/3 complete") {
			whole[content(r)] = true
		}
	}
	if len(whole) != 12 {
		t.Fatalf("%d pairs are complete, want 12", len(whole))
	}
	for i := range rec.list {
		if i > 60 && i%5 != 0 {
			continue // behind the handshake they are much alike
		}
		got := extract(t, capture(t, slices.Delete(slices.Clone(rec.list), i, i+1)), rec.keys, pipeline.Options{})
		for _, r := range got.rows {
			if strings.Contains(r, "HTTP/3 complete") && !whole[content(r)] {
				t.Errorf("without datagram %d: a pair that nobody sent: %s", i, r)
			}
		}
	}
}

// content is a row without what a lost packet changes: ids, packet numbers.
func content(row string) string {
	_, row, _ = strings.Cut(row, "HTTP/3 ")
	i := strings.LastIndex(row, " [")
	i = strings.LastIndex(row[:i], " [")
	return row[:i]
}

// Order and copies of datagrams do not change what is read.
func TestDisorder(t *testing.T) {
	rec := talk(t, 2, &quicgo.Config{})
	r := rand.New(rand.NewPCG(1, 2))
	swapped := slices.Clone(rec.list)
	for i := 6; i+4 < len(swapped); i += 3 { // handshakes stay in order: the first datagram shows that it is QUIC
		j := i + r.IntN(4)
		swapped[i], swapped[j] = swapped[j], swapped[i]
	}
	var twice []datagram
	for _, d := range rec.list {
		twice = append(twice, d, d)
	}
	for _, tt := range []struct {
		name string
		list []datagram
	}{{"out of order", swapped}, {"twice", twice}} {
		got := extract(t, capture(t, tt.list), rec.keys, pipeline.Options{})
		if !slices.Equal(got.pairs, rec.pairs) {
			t.Errorf("%s: pairs\n%s\nwant\n%s", tt.name, strings.Join(got.pairs, "\n"), strings.Join(rec.pairs, "\n"))
		}
		if tt.name == "twice" && got.stats.Ledger.Payload[exchange.BytesDuplicate] == 0 {
			t.Error("copies are not in the ledger")
		}
	}
}

// Bytes that were changed on the way, and secrets of others, open nothing and cost no balance.
func TestDamage(t *testing.T) {
	rec := talk(t, 1, &quicgo.Config{})
	r := rand.New(rand.NewPCG(3, 4))
	for range 20 {
		list := slices.Clone(rec.list)
		for i := range list {
			b := slices.Clone(list[i].b)
			switch r.IntN(4) {
			case 0:
				b[r.IntN(len(b))] ^= byte(1 + r.IntN(255))
			case 1:
				b = b[:r.IntN(len(b)+1)]
			}
			list[i].b = b
		}
		got := extract(t, capture(t, list), rec.keys, pipeline.Options{})
		for _, row := range got.rows {
			if strings.Contains(row, "HTTP/3 complete") && !slices.ContainsFunc(rec.pairs, func(p string) bool { return slices.Contains(got.pairs, p) }) {
				t.Errorf("a pair that nobody sent: %s", row)
			}
		}
	}
	other := talk(t, 1, &quicgo.Config{})
	if got := extract(t, capture(t, rec.list), other.keys, pipeline.Options{}); len(got.pairs) != 0 || got.flows[0].NoPairs != "quic_without_keys" {
		t.Errorf("secrets of another connection give %v", got.rows)
	}
}

// A flood of first packets leaves memory and ledger in order, and later ones are read.
func TestFlood(t *testing.T) {
	rec := talk(t, 1, &quicgo.Config{})
	var list []datagram
	for i := range 10_000 {
		d := rec.list[0]
		d.port = 1024 + i
		list = append(list, d)
	}
	list = append(list, rec.list...)
	path := capture(t, list)
	got := extract(t, path, rec.keys, pipeline.Options{Mem: 64 << 20})
	if !slices.Equal(got.pairs, rec.pairs) {
		t.Errorf("%d pairs, want %d", len(got.pairs), len(rec.pairs))
	}
	if len(got.flows) != 10_001 || got.stats.Anomalies["evicted"] == 0 {
		t.Errorf("%d rows, anomalies %v", len(got.flows), got.stats.Anomalies)
	}
	again := extract(t, path, rec.keys, pipeline.Options{Mem: 64 << 20, Workers: 7})
	if !slices.Equal(got.rows, again.rows) {
		t.Error("the number of workers changes the result")
	}
}

// Other protocols in UDP stay what they are.
func TestOtherDatagrams(t *testing.T) {
	var list []datagram
	for i := range 256 {
		b := slices.Repeat([]byte{byte(i)}, 1200)
		copy(b[1:], []byte{0, 0, 0, 1, 8})
		list = append(list, datagram{true, 5000 + i, b}, datagram{false, 5000 + i, b[:i]})
	}
	got := extract(t, capture(t, list), "", pipeline.Options{})
	if l := got.stats.Ledger; len(got.flows) != 0 || l.Packets[exchange.PacketUDP] != int64(len(list)) || l.PayloadBytes != 0 {
		t.Errorf("%d rows, ledger %+v", len(got.flows), l)
	}
}

// Silence ends a connection by the capture's clock.
func TestIdle(t *testing.T) {
	rec := talk(t, 1, &quicgo.Config{})
	list := slices.Clone(rec.list[:4])
	for range 310_000 { // a packet of something else each millisecond
		list = append(list, datagram{true, 99, []byte("x")})
	}
	list = append(list, rec.list[4:]...)
	got := extract(t, capture(t, list), "", pipeline.Options{})
	if len(got.flows) != 1 || got.stats.Ledger.Packets[exchange.PacketUDP] < 310_000 {
		t.Errorf("%d rows, ledger %+v", len(got.flows), got.stats.Ledger)
	}
}
