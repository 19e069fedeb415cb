package http3

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/quic-go/qpack"

	"recap/pipeline/app"
	"recap/pipeline/app/coding"
	"recap/pipeline/exchange"
	"recap/reader/packet"
)

// listener gathers pairs.
type listener struct {
	pairs []string
}

func (l *listener) env() *app.Env {
	return &app.Env{
		Limits:   app.Limits{Body: 1 << 20, Head: 1 << 20, Fields: 1000, OpenExchanges: 100, Decode: 1 << 20, DecodeLayers: 4, Hash: true, DecodeBodies: true},
		NewPair:  func() *exchange.Pair { p := new(exchange.Pair); p.Reset(); return p },
		Emit:     func(_ *exchange.Conn, p *exchange.Pair) { l.pairs = append(l.pairs, show(p)) },
		Message:  func(*exchange.StreamMessage) {},
		Copy:     bytes.Clone,
		Buffers:  new(coding.Buffers),
		Memo:     new(coding.Memo),
		Decoder:  new(coding.Decoder),
		FileName: func(int32) string { return "" },
	}
}

func show(p *exchange.Pair) string {
	return strings.Clone(fmt.Sprintf("%s %s %v | %v %v %d %v | %d %v %v %d %v", p.Protocol, p.State, p.Anomalies.Append(nil),
		p.Request.Headers, p.Request.Trailers, p.Request.BodySize, p.Request.Gaps,
		p.Response.Status, p.Response.Headers, p.Response.Trailers, p.Response.BodySize, p.Response.Gaps))
}

func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

// frame is a frame of HTTP/3.
func frame(typ byte, payload []byte) []byte {
	return append([]byte{typ, 0x80, byte(len(payload) >> 16), byte(len(payload) >> 8), byte(len(payload))}, payload...)
}

// headers is a HEADERS frame with a block of the encoder of quic-go.
func headers(list ...string) []byte {
	var b bytes.Buffer
	e := qpack.NewEncoder(&b)
	for i := 0; i < len(list); i += 2 {
		if err := e.WriteField(qpack.HeaderField{Name: list[i], Value: list[i+1]}); err != nil {
			panic(err)
		}
	}
	return frame(frameHeaders, b.Bytes())
}

// Every field of the static table, and others, come out of quic-go's encoder as they went in.
func TestStaticTable(t *testing.T) {
	var list []string
	for _, f := range staticTable {
		list = append(list, f.name.String(), f.value.String(), f.name.String(), "other \x7f value")
	}
	list = append(list, "x-own", "value", "x-empty", "")
	var l listener
	c := New(l.env(), new(exchange.Conn))
	c.Data(0, exchange.ToServer, packet.Pos{Number: 1}, headers(list...))
	c.Fin(0, exchange.ToServer, packet.Pos{Number: 1})
	c.End(app.EndCapture, packet.Pos{})
	var want strings.Builder
	for i := 0; i < len(list); i += 2 {
		fmt.Fprintf(&want, " {%s %s}", list[i], list[i+1])
	}
	if len(l.pairs) != 1 || !strings.Contains(l.pairs[0], "["+want.String()[1:]+"]") {
		t.Errorf("pairs %q, want the fields %s", l.pairs, want.String())
	}
}

// quic-go refers to entries by their names and values: the numbers that it writes are
// those of the RFC, and so must ours be.
func TestStaticNumbers(t *testing.T) {
	dec := qpack.NewDecoder()
	for i := range staticTable {
		block := []byte{0, 0, 0xc0 | byte(i)}
		if i >= 63 {
			block = []byte{0, 0, 0xff, byte(i - 63)}
		}
		next := dec.Decode(block)
		f, err := next()
		if err != nil || f.Name != staticTable[i].name.String() || f.Value != staticTable[i].value.String() {
			t.Errorf("entry %d is %q %q, want %q %q (%v)", i, staticTable[i].name, staticTable[i].value, f.Name, f.Value, err)
		}
	}
}

// The exchange of RFC 9204, appendix B: insertions, references from the base and behind
// it, a duplicate, and an eviction.
func TestDynamicTableOfTheRFC(t *testing.T) {
	var l listener
	c := New(l.env(), new(exchange.Conn))
	at := packet.Pos{Number: 1}
	const settings, encoder = 3, 2
	c.Data(settings, exchange.ToClient, at, append([]byte{0}, frame(frameSettings, unhex("01 40dc"))...)) // 220 bytes
	c.Data(encoder, exchange.ToServer, at, unhex("02 3fbd01 c00f 7777772e6578616d706c652e636f6d c10c 2f73616d706c652f70617468"))
	c.Data(4, exchange.ToServer, at, frame(frameHeaders, unhex("0381 10 11")))
	c.Data(encoder, exchange.ToServer, at, unhex("4a 637573746f6d2d6b6579 0c 637573746f6d2d76616c7565"))
	c.Data(encoder, exchange.ToServer, at, unhex("02"))
	c.Data(8, exchange.ToServer, at, frame(frameHeaders, unhex("0500 80 c1 81")))
	c.Data(encoder, exchange.ToServer, at, unhex("81 0d 637573746f6d2d76616c756532"))
	for _, id := range []uint64{4, 8} {
		c.Fin(id, exchange.ToServer, at)
	}
	c.End(app.EndCapture, at)
	for i, want := range []string{
		"[{:authority www.example.com} {:path /sample/path}]",
		"[{:authority www.example.com} {:path /} {custom-key custom-value}]",
	} {
		if len(l.pairs) != 2 || !strings.Contains(l.pairs[i], want) {
			t.Fatalf("pairs %q, want %s", l.pairs, want)
		}
	}
	e := c.sides[exchange.ToServer].table
	if e.size != 215 || e.inserted() != 5 || e.at(4).value.String() != "custom-value2" || e.at(0).name.String() != "?idx=0" {
		t.Errorf("the table has %d bytes and %d insertions", e.size, e.inserted())
	}
}

// A block that refers to what has not come waits; what never comes is unknown, not wrong.
func TestBlocked(t *testing.T) {
	for _, tt := range []struct {
		name string
		late func(c *Conn, at packet.Pos)
		want string
	}{
		{"the instructions come later", func(c *Conn, at packet.Pos) {
			c.Data(2, exchange.ToServer, at, unhex("02 3fbd01 c00f 7777772e6578616d706c652e636f6d c10c 2f73616d706c652f70617468"))
		}, "| [{:authority www.example.com} {:path /sample/path}]"},
		{"they never come", func(c *Conn, at packet.Pos) {}, "[{?idx=0 ?idx=0} {?idx=1 ?idx=1}]"},
		{"some are lost", func(c *Conn, at packet.Pos) {
			c.Data(2, exchange.ToServer, at, unhex("02 3fbd01 c00f 7777"))
			c.Gap(2, exchange.ToServer, at, 3, exchange.GapLost)
		}, "{?idx="},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var l listener
			c := New(l.env(), new(exchange.Conn))
			at := packet.Pos{Number: 1}
			c.Data(3, exchange.ToClient, at, append([]byte{0}, frame(frameSettings, unhex("01 40dc"))...))
			c.Data(4, exchange.ToServer, at, append(frame(frameHeaders, unhex("0381 10 11")), frame(frameData, []byte("body"))...))
			c.Fin(4, exchange.ToServer, at)
			if len(l.pairs) != 0 || len(c.blocked) != 1 {
				t.Fatalf("%d pairs, %d blocked", len(l.pairs), len(c.blocked))
			}
			tt.late(c, at)
			c.End(app.EndCapture, at)
			if len(l.pairs) != 1 || !strings.Contains(l.pairs[0], tt.want) || !strings.Contains(l.pairs[0], " 4 [] |") {
				t.Errorf("pairs %q, want %s", l.pairs, tt.want)
			}
			if y := c.Tally(); y.HTTP+y.Unparsed != c.bytes || c.waits != 0 || c.kept != 0 {
				t.Errorf("%+v of %d bytes; %d and %d kept", y, c.bytes, c.waits, c.kept)
			}
		})
	}
}

// session is what a connection may carry, by stream.
func session() map[uint64][2][]byte {
	s := map[uint64][2][]byte{
		2: {unhex("02 3fbd01 c00f 7777772e6578616d706c652e636f6d c10c 2f73616d706c652f70617468"), nil},
		3: {nil, append([]byte{0}, frame(frameSettings, unhex("01 40dc"))...)},
		6: {{0x21, 1, 2}, nil},
	}
	s[7] = [2][]byte{nil, append(append([]byte{1, 5}, headers(":status", "200", "server", "s")...), frame(frameData, []byte("unasked"))...)}
	s[0] = [2][]byte{append(headers(":method", "POST", ":path", "/a", ":scheme", "https", ":authority", "x"), frame(frameData, []byte("some body"))...),
		append(append(append(append(promise(5, ":method", "GET", ":path", "/unasked", ":scheme", "https", ":authority", "x"), headers(":status", "103", "link", "x")...), headers(":status", "200", "server", "s")...), frame(frameData, bytes.Repeat([]byte("y"), 300))...), headers("x-sum", "1")...)}
	s[4] = [2][]byte{frame(frameHeaders, unhex("0381 10 11")), append(frame(0x21, []byte("grease")), headers(":status", "404")...)}
	return s
}

// play feeds the streams of a session in pieces that r chooses, or whole.
func play(s map[uint64][2][]byte, r *rand.Rand) ([]string, *Conn) {
	var l listener
	c := New(l.env(), new(exchange.Conn))
	at := packet.Pos{Number: 1}
	type half struct {
		id uint64
		d  exchange.Dir
	}
	var order []half
	for _, id := range []uint64{3, 2, 0, 4, 6, 7} {
		for d := range exchange.Dir(2) {
			if id&2 == 0 || s[id][d] != nil {
				order = append(order, half{id, d})
			}
		}
	}
	at.TimeNS = 1
	rest := make(map[half][]byte)
	for _, h := range order {
		rest[h] = s[h.id][h.d]
	}
	for len(order) > 0 {
		i, n := 0, len(rest[order[0]])
		if r != nil {
			i = r.IntN(len(order))
			n = min(len(rest[order[i]]), 1+r.IntN(40))
		}
		h := order[i]
		c.Data(h.id, h.d, at, rest[h][:n])
		if rest[h] = rest[h][n:]; len(rest[h]) == 0 {
			if h.id&2 == 0 || h.id == 7 {
				c.Fin(h.id, h.d, at)
			}
			order = append(order[:i:i], order[i+1:]...)
		}
	}
	c.End(app.EndCapture, at)
	return l.pairs, c
}

// However streams are cut and mixed, the pairs are the same.
func TestAnySplit(t *testing.T) {
	want, _ := play(session(), nil)
	if len(want) != 3 {
		t.Fatalf("pairs %q", want)
	}
	for i := range uint64(500) {
		got, c := play(session(), rand.New(rand.NewPCG(i, 1)))
		a, b := strings.Join(sorted(got), "\n"), strings.Join(sorted(want), "\n")
		if a != b {
			t.Fatalf("split %d: pairs\n%s\nwant\n%s", i, a, b)
		}
		if y := c.Tally(); y.HTTP+y.Unparsed != c.bytes || y.Unparsed != 2 {
			t.Fatalf("%+v of %d bytes", y, c.bytes)
		}
	}
}
