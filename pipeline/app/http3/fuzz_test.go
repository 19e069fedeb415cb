package http3

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/quic-go/qpack"

	"recap/pipeline/app"
	"recap/pipeline/app/http2"
	"recap/pipeline/exchange"
	"recap/reader/packet"
)

func sorted(list []string) []string {
	list = slices.Clone(list)
	slices.Sort(list)
	return list
}

// FuzzQPACK: instructions of an encoder, at any split, make the same table, which stays
// within its bounds; blocks that quic-go's decoder reads, recap reads alike.
func FuzzQPACK(f *testing.F) {
	f.Add(unhex("3fbd01 c00f 7777772e6578616d706c652e636f6d c10c 2f73616d706c652f70617468"), unhex("0381 10 11"), 5)
	f.Add([]byte{}, unhex("0000 d1 d7 5086"+"a0e41d139d09 c1"), 1)
	f.Fuzz(func(t *testing.T, instructions, block []byte, cut int) {
		var one, two table
		one.feed(instructions)
		k := max(0, min(cut, len(instructions)))
		two.feed(instructions[:k])
		for _, b := range instructions[k:] {
			two.feed([]byte{b})
		}
		if one.lost != two.lost || one.inserted() != two.inserted() || one.size != two.size || !slices.EqualFunc(one.entries, two.entries, func(a, b field) bool { return a == b }) {
			t.Fatalf("cut at %d: %d entries, lost %t; else %d, %t", k, two.inserted(), two.lost, one.inserted(), one.lost)
		}
		if one.size > maxTable || one.memory() > 4*maxTable+10*int64(len(instructions)) {
			t.Fatalf("%d bytes in the table, %d held", one.size, one.memory())
		}
		var want []string
		next := qpack.NewDecoder().Decode(block)
		var err error
		for err == nil {
			var h qpack.HeaderField
			if h, err = next(); err == nil {
				want = append(want, app.Escape([]byte(h.Name)), app.Escape([]byte(h.Value)))
			}
		}
		got, limited, ok := fields(&one, block)
		if limited && len(got) > 0 && len(got) < len(want) { // of more fields than are kept, the first
			want = want[:len(got)]
		}
		if err.Error() == "EOF" && len(block) >= 2 && block[0] == 0 && block[1] == 0 && (!ok || !slices.Equal(got, want)) {
			t.Fatalf("block %x: %q, %t; quic-go reads %q", block, got, ok, want)
		}
	})
}

// fields decodes a block by way of a connection. limited says that not all was kept.
func fields(t *table, block []byte) (list []string, limited, ok bool) {
	var l listener
	env := l.env()
	env.Emit = func(_ *exchange.Conn, p *exchange.Pair) {
		limited = p.Anomalies.Has(exchange.AnomalyHeaderListLimit)
		for _, h := range p.Request.Headers {
			list = append(list, strings.Clone(h.Name), strings.Clone(h.Value))
		}
	}
	x := http2.NewStreams(env, new(exchange.Conn), "HTTP/3")
	x.Head(exchange.ToServer, 0, []packet.Pos{{Number: 1}}, block, func(f http2.Fields) bool {
		ok = t.decode(block, f)
		return ok
	})
	x.End(app.EndCapture, packet.Pos{})
	return list, limited, ok
}

// FuzzStreams: the bytes of a request and a response, whole or bit by bit, give the same
// pairs; every byte has a place, and nothing is held at the end.
func FuzzStreams(f *testing.F) {
	s := session()
	for _, id := range []uint64{0, 4} {
		f.Add(s[2][0], s[id][0], s[id][1], 7, false)
		f.Add(s[2][0], s[id][0], s[id][1], 3, true)
	}
	f.Fuzz(func(t *testing.T, encoder, request, response []byte, step int, gap bool) {
		step = 1 + (step&0x7fffffff)%50
		run := func(step int) ([]string, *Conn) {
			var l listener
			c := New(l.env(), new(exchange.Conn))
			at := packet.Pos{Number: 1}
			c.Data(3, exchange.ToClient, at, append([]byte{0}, frame(frameSettings, unhex("01 40dc"))...))
			for i, b := range [][]byte{encoder, request, response} {
				id, d := []uint64{2, 0, 0}[i], exchange.Dir(i/2)
				if gap && i == 2 {
					c.Gap(id, d, at, 5, exchange.GapLost)
				}
				for len(b) > 0 {
					n := min(step, len(b))
					c.Data(id, d, at, b[:n])
					b = b[n:]
				}
				if i > 0 {
					c.Fin(id, d, at)
				}
			}
			c.End(app.EndCapture, at)
			return l.pairs, c
		}
		want, c := run(1 << 30)
		got, d := run(step)
		if !slices.Equal(got, want) || c.Tally() != d.Tally() {
			t.Fatalf("in steps of %d: %q %+v\nwhole: %q %+v", step, got, d.Tally(), want, c.Tally())
		}
		if y := c.Tally(); y.HTTP+y.Unparsed+y.Other != c.bytes || c.waits != 0 || c.kept != 0 || len(c.blocked) != 0 {
			t.Fatalf("%+v of %d bytes; %d and %d kept", y, c.bytes, c.waits, c.kept)
		}
		if n := len(strings.Join(want, "")); n > 1<<12+100*bytes.MinRead*(len(encoder)+len(request)+len(response)+1) {
			t.Fatalf("%d bytes come out", n)
		}
	})
}
