package pipeline

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"recap/pipeline/decap"
	"recap/pipeline/exchange"
	"recap/reader"
	"recap/reader/packet"
	"recap/reader/pcaptest"
)

func TestEvictionGivesLinkedParts(t *testing.T) {
	f := extract(t, busy(t, 300, 3), small(), 0)
	if f.stats.Anomalies["evicted"] == 0 {
		t.Fatal("nothing was evicted")
	}
	ids := map[exchange.ID]*exchange.Flow{}
	for _, fl := range f.flows {
		ids[fl.Conn.ID] = fl
	}
	linked := 0
	for _, fl := range f.flows {
		if fl.Continues == (exchange.ID{}) {
			continue
		}
		linked++
		before := ids[fl.Continues]
		if before == nil || before.CloseReason != "evicted" || before.Conn.CommunityID != fl.Conn.CommunityID {
			t.Fatalf("flow continues %v, which is %+v", fl.Continues, before)
		}
		if !fl.Anomalies.Has(exchange.AnomalyInterleavedEviction) {
			t.Error("a part that continues another has no interleaved_eviction")
		}
	}
	if linked == 0 {
		t.Error("no part continues another")
	}
	if !f.stats.Incomplete {
		t.Error("a run that evicted is said to be complete")
	}
}

// TestMemoryStaysInBounds floods one worker with connections that never end and
// watches the account of every partition.
func TestMemoryStaysInBounds(t *testing.T) {
	opt := Options{Mem: 8 << 20, Workers: 1, HashBodies: true}
	r, err := opt.resolve()
	if err != nil {
		t.Fatal(err)
	}
	dec := decap.NewDecoder(decap.Options{})
	w := newWorker(0, 1, r, dec, NewReuse())
	rnd := rand.New(rand.NewPCG(1, 2))
	long := "GET /" + strings.Repeat("x", 900) + " HTTP/1.1\r\nHost: h\r\n\r\n"
	var flow, seq [5000]uint32
	for i := range flow {
		flow[i] = uint32(i)
	}
	for n := range 60_000 {
		k := rnd.IntN(len(flow))
		payload := long
		switch k % 4 {
		case 1:
			payload = long[:300] // a head that does not end
		case 2:
			payload = "POST / HTTP/1.1\r\nContent-Length: 10000000\r\n\r\n" + strings.Repeat("b", 800)
		case 3:
			seq[k]++ // every segment leaves a hole before it
		}
		frame := make([]byte, 54+len(payload))
		copy(frame[12:], "\x08\x00\x45")
		binary.BigEndian.PutUint16(frame[16:], uint16(40+len(payload)))
		frame[22], frame[23] = 64, 6
		binary.BigEndian.PutUint32(frame[26:], 0x0a000000+flow[k])
		binary.BigEndian.PutUint32(frame[30:], 0x0b000001)
		copy(frame[34:], "\x10\x00\x00\x50")
		binary.BigEndian.PutUint32(frame[38:], seq[k])
		frame[46], frame[47] = 0x50, 0x10
		copy(frame[54:], payload)
		seq[k] += uint32(len(payload))
		p := packet.Packet{Data: frame, Length: uint32(len(frame)), Number: int64(n + 1), TimeNS: int64(n) * 1000, Link: packet.LinkEthernet}
		var s decap.Segment
		if d := dec.Decode(&p, &s); d != decap.DispTCP {
			t.Fatal(d)
		}
		w.res = &result{arena: &arena{pool: w.arenas}}
		part := w.parts[partitionOf(&s.Key)]
		w.hist.At(int64(n) * 1000)
		part.segment(&s, slotOf(spread(&s.Key)))
		if part.used > part.budget {
			t.Fatalf("packet %d: %d bytes are used of %d", n, part.used, part.budget)
		}
		var sum int64
		if n%1000 == 0 {
			for _, c := range part.flows {
				sum += c.memory()
			}
			if sum != part.used {
				t.Fatalf("packet %d: the account says %d, the connections hold %d", n, part.used, sum)
			}
		}
	}
}

// TestTimeBombs sets single packets decades off. The pairs are the same but for their times.
func TestTimeBombs(t *testing.T) {
	lines := func(bomb string) string {
		var b strings.Builder
		b.WriteString("handshake\nstart 1600000000\n")
		for i := range 200 {
			fmt.Fprintf(&b, "10.0.0.1:%d > 10.0.0.2:80 \"GET /%d HTTP/1.1\\r\\n\"\n", 4000+i, i)
		}
		b.WriteString(bomb)
		for i := range 200 {
			fmt.Fprintf(&b, "10.0.0.1:%d > 10.0.0.2:80 \"Host: h\\r\\n\\r\\n\"\n", 4000+i)
			fmt.Fprintf(&b, "10.0.0.2:80 > 10.0.0.1:%d \"HTTP/1.1 204 No\\r\\n\\r\\n\"\n", 4000+i)
		}
		return b.String()
	}
	plain := extract(t, pcaptest.Build(t, lines("")), full, 0).String()
	if strings.Count(plain, "complete") != 200 {
		t.Fatal(plain)
	}
	const other = "10.0.0.9:1 > 10.0.0.9:2 udp \"x\" at="
	for name, bomb := range map[string]string{
		"50 years ahead":          other + "3200000000\n" + other + "1600000001\n",
		"50 years back":           other + "20000000\n" + other + "1600000001\n",
		"ahead, and stays there":  other + "3200000000\n",
		"back, and stays there":   other + "20000000\n",
		"to and fro many times":   strings.Repeat(other+"3200000000\n"+other+"20000000\n", 50),
		"before and after at all": other + "0\n" + other + "4294967295\n",
	} {
		if got := extract(t, pcaptest.Build(t, lines(bomb)), full, 0).String(); got != plain {
			t.Errorf("%s: pairs are\n%s", name, got)
		}
	}
}

// TestMemoryOfPairsIsUsedAgain releases every batch, and checks that what a pair holds
// while its batch lives is not disturbed by that.
func TestMemoryOfPairsIsUsedAgain(t *testing.T) {
	capture := busy(t, 100, 4)
	want := extract(t, capture, full, 0)
	i := 0
	src, err := reader.Open(t.Context(), []string{"-"}, reader.Options{Stdin: bytes.NewReader(capture), SlabSize: 4 << 10})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	_, err = Run(t.Context(), src, Options{HashBodies: true, DecodeBodies: true, VerifyChecksums: true, Workers: 4}, func(b *exchange.Batch) error {
		for _, p := range b.Pairs {
			a, b := *want.pairs[i], *p
			a.Scratch, b.Scratch = nil, nil
			if !reflect.DeepEqual(normal(a), normal(b)) {
				t.Errorf("pair %d is\n%+v\nwant\n%+v", i, b, a)
			}
			i++
		}
		b.Release()
		return nil
	})
	if err != nil || i != len(want.pairs) {
		t.Errorf("%d pairs, %v; want %d", i, err, len(want.pairs))
	}
}
