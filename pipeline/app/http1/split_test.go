package http1

import (
	"reflect"
	"strings"
	"testing"

	"recap/pipeline/app"
	"recap/pipeline/app/http1/http1test"
	"recap/pipeline/exchange"
)

// turns reads text as what the two sides say in turns, the client first, divided by "|".
func turns(text string) (list []move) {
	for i, t := range strings.Split(text, "|") {
		if t != "" {
			list = append(list, move{dir: exchange.Dir(i % 2), data: t})
		}
	}
	return list
}

// read plays the turns, each cut into pieces of the given sizes in rotation (none: whole).
func read(t testing.TB, list []move, sizes []byte) *player {
	p := newPlayer()
	p.env.Limits.Head, p.env.Limits.Body, p.env.Limits.OpenExchanges = 200, 100, 5
	k := 0
	for _, m := range list {
		m.ack, m.acked = p.off[m.dir.Reverse()], true
		for all := m.data; len(all) > 0; {
			n := len(all)
			if len(sizes) > 0 {
				n = min(n, 1+int(sizes[k%len(sizes)]))
				k++
			}
			m.data, all = all[:n], all[n:]
			p.play(m)
		}
	}
	p.play(cClose, sClose)
	p.end(t, app.EndFIN)
	return p
}

// bare takes everything out of the pairs that may depend on how the bytes came.
func bare(pairs []*exchange.Pair) []*exchange.Pair {
	for _, p := range pairs {
		p.Conn, p.Files, p.Scratch = nil, nil, nil
		p.FirstPacket, p.LastPacket, p.LatencyNS, p.DurationNS = 0, 0, 0, 0
		for _, m := range []*exchange.Message{&p.Request.Message, &p.Response.Message} {
			m.Packets, m.TimeNS, m.EndTimeNS = nil, 0, 0
			if len(m.Gaps) == 0 {
				m.Gaps = nil
			}
			if len(m.Headers) == 0 {
				m.Headers = nil
			}
			if len(m.Trailers) == 0 {
				m.Trailers = nil
			}
			if len(m.Head) == 0 {
				m.Head = nil
			}
		}
		for i := range p.Response.Interim {
			p.Response.Interim[i].TimeNS = 0
		}
	}
	return pairs
}

const chunkedPost = "POST /p HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"

var conversations = []string{
	get + "|" + ok2 + "|" + post3 + "|" + okB,
	get + getB + getC + "|" + ok2 + okB + okC,
	get + "|" + chunk + "3\r\nabc\r\nA ;x\r\n0123456789\r\n0\r\nT: 1\r\n\r\n|" + getB + "|" + okB,
	"POST /p HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n|HTTP/1.1 100 Continue\r\n\r\n|abc|" + ok2,
	"POST /p HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 300\r\n\r\n|HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n|" + getB + "|" + okB,
	chunkedPost + "2;\nxx\r\n2b\r\n0\r\n\r\n" + getB + "\r\n0\r\n\r\n|" + ok2 + okB,
	chunkedPost + "3;a\nb\r\nabc\r\n1;a\nb\r\nd\r\n0\r\n\r\n|" + ok2,
	"GET /old\r\n|HTTPS is an old answer",
	"GET /old\n|HTTP/1.1 200 OK\n\nnew answer",
	"GET /a HTTP/1.1\nX: 1\n 2\n\n|HTTP/1.1 200\nContent-Length : +2\n\nok",
	"GET /ws HTTP/1.1\r\nUpgrade: websocket\r\n\r\n|HTTP/1.1 101 S\r\n\r\n\x81\x01x",
	"CONNECT h:1 HTTP/1.1\r\n\r\n|HTTP/1.1 200 OK\r\n\r\n|" + get + "|" + ok2,
	"HEAD /a HTTP/1.1\r\n\r\n" + get + "|HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n" + ok2,
	"GET /" + strings.Repeat("long", 100) + " HTTP/1.1\r\n\r\n|" + ok2,
	get + "|HTTP/1.1 200 OK\r\nContent-Length: 150\r\n\r\n" + strings.Repeat("body limit", 15),
	"DEL", "|HTTP/1.1 20", "GET /a HTTP/1.1\r\nHos", "\r\n\r\n", get + get + get + get + get + get + get,
}

func checkSplit(t *testing.T, text string, sizes []byte) {
	whole := read(t, turns(text), nil)
	split := read(t, turns(text), sizes)
	// What is no message is looked for at the start of segments, so there the cuts count.
	if a, b := whole.conn.Tally(), split.conn.Tally(); a != b {
		if a.Unparsed+b.Unparsed+a.Other+b.Other == 0 {
			t.Fatalf("tallies are %+v and %+v", a, b)
		}
		return
	} else if a.Unparsed+a.Other > 0 {
		return
	}
	a, b := bare(whole.pairs), bare(split.pairs)
	if !reflect.DeepEqual(a, b) {
		for i := range max(len(a), len(b)) {
			if i >= len(a) || i >= len(b) || !reflect.DeepEqual(a[i], b[i]) {
				t.Fatalf("pair %d of %q in pieces of %d:\n%+v\nwhole:\n%+v", i, text, sizes, at(b, i), at(a, i))
			}
		}
	}
}

func at(l []*exchange.Pair, i int) any {
	if i < len(l) {
		return *l[i]
	}
	return "none"
}

func TestSplit(t *testing.T) {
	for _, text := range conversations {
		for _, sizes := range [][]byte{{0}, {1}, {2, 0, 5}, {16}, {30, 1}} {
			checkSplit(t, text, sizes)
		}
		for n := range min(len(text), 255) { // one cut, anywhere
			checkSplit(t, text, []byte{byte(n), 255, 255})
		}
	}
}

// FuzzSplit: how a stream is cut into segments does not matter.
func FuzzSplit(f *testing.F) {
	for _, text := range conversations {
		f.Add(text, []byte{0})
		f.Add(text, []byte{3, 7, 1})
	}
	for _, k := range http1test.Cases() {
		if len(k.Request)+len(k.Response) < 1<<10 {
			f.Add(k.Request+"|"+k.Response, []byte{5, 2})
		}
	}
	f.Fuzz(func(t *testing.T, text string, sizes []byte) {
		if len(sizes) > 16 || len(text) > 4<<10 {
			return
		}
		checkSplit(t, text, sizes)
	})
}

// FuzzMoves: any bytes with gaps at any place. The tally balances, memory is bounded,
// states and gaps are consistent.
func FuzzMoves(f *testing.F) {
	for _, text := range conversations {
		f.Add(text, []byte{3, 200, 7, 1, 130})
	}
	f.Fuzz(func(t *testing.T, text string, sizes []byte) {
		if len(sizes) == 0 {
			return
		}
		p := newPlayer(len(sizes)%2 == 1, len(sizes)%3 == 1)
		p.env.Limits.Head, p.env.Limits.Body, p.env.Limits.OpenExchanges = 200, 100, 5
		k := 0
		for _, m := range turns(text) {
			for all := m.data; len(all) > 0; {
				v := sizes[k%len(sizes)]
				k++
				n := min(len(all), 1+int(v&31))
				m.data, all = all[:n], all[n:]
				if v&0x80 != 0 {
					p.play(move{dir: m.dir, gap: int64(n), reason: exchange.GapLost})
				} else {
					p.play(m)
				}
				if v == 0x7f {
					p.play(move{dir: m.dir, close: true})
				}
			}
		}
		p.end(t, app.EndReason(len(text)%5))
		seen := map[*exchange.Pair]bool{}
		for _, q := range p.pairs {
			if seen[q] {
				t.Fatal("a pair was given out twice")
			}
			seen[q] = true
			if !q.Request.Present && !q.Response.Present {
				t.Fatalf("a pair of nothing: %+v", q)
			}
			for _, m := range []*exchange.Message{&q.Request.Message, &q.Response.Message} {
				if len(m.Gaps) > 0 && m.Hashed && m.Gaps[0].Reason != exchange.GapLimit {
					t.Fatalf("a body with a hole has a hash: %+v", m)
				}
				if len(m.Gaps) > 0 && m.Gaps[0].Reason == exchange.GapLost && q.State != exchange.Partial {
					t.Fatalf("a hole in a pair that is %v", q.State)
				}
				checkAlt(t, m.Alt, p.env.Limits.Body)
				for i := 1; i < len(m.Packets); i++ {
					if m.Packets[i] <= m.Packets[i-1] {
						t.Fatalf("packets are %d", m.Packets)
					}
				}
			}
		}
		if p.mem > 1<<20+2*int64(len(text)) {
			t.Fatalf("%d bytes are held for an input of %d", p.mem, len(text))
		}
	})
}
