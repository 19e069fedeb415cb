package http3

import (
	"strings"
	"testing"

	"recap/pipeline/app"
	"recap/pipeline/exchange"
	"recap/reader/packet"
)

// promise is a PUSH_PROMISE frame.
func promise(id byte, list ...string) []byte {
	h := headers(list...)
	return frame(framePushPromise, append([]byte{id}, h[len(frame(frameHeaders, nil)):]...))
}

func TestPush(t *testing.T) {
	at := packet.Pos{Number: 1, TimeNS: 1}
	asked := headers(":method", "GET", ":path", "/a", ":scheme", "https", ":authority", "x")
	promised := promise(1, ":method", "GET", ":path", "/b", ":scheme", "https", ":authority", "x")
	pushed := append(append([]byte{1, 1}, headers(":status", "200", "server", "b")...), frame(frameData, []byte("unasked"))...)
	answer := append(headers(":status", "200", "server", "a"), frame(frameData, []byte("answer"))...)
	send := func(c *Conn, id uint64, d exchange.Dir, b ...[]byte) {
		for _, one := range b {
			c.Data(id, d, at, one)
		}
		c.Fin(id, d, at)
	}
	for _, tt := range []struct {
		name string
		play func(c *Conn)
		want string // of what was pushed; "" for nothing
	}{
		{"a response that was promised", func(c *Conn) {
			send(c, 0, exchange.ToClient, promised, answer)
			send(c, 7, exchange.ToClient, pushed)
		}, "HTTP/3 complete [pushed] | [{:method GET} {:path /b}"},
		{"it comes before its promise", func(c *Conn) {
			send(c, 7, exchange.ToClient, pushed)
			send(c, 0, exchange.ToClient, promised, answer)
		}, "HTTP/3 complete [pushed] | [{:method GET} {:path /b}"},
		{"promised twice", func(c *Conn) {
			send(c, 0, exchange.ToClient, promised, promised, answer)
			send(c, 7, exchange.ToClient, pushed)
		}, "HTTP/3 complete [pushed] | [{:method GET} {:path /b}"},
		{"it never comes", func(c *Conn) {
			send(c, 0, exchange.ToClient, promised, answer)
		}, "HTTP/3 request_only [pushed] | [{:method GET} {:path /b}"},
		{"its promise is lost", func(c *Conn) {
			c.Gap(0, exchange.ToClient, at, int64(len(promised)), exchange.GapLost)
			send(c, 7, exchange.ToClient, pushed)
		}, "HTTP/3 response_only [pushed] | [] [] 0 [] | 200 [{:status 200} {server b}] [] 7 []"},
		{"part of its promise is lost", func(c *Conn) {
			c.Data(0, exchange.ToClient, at, promised[:9])
			c.Gap(0, exchange.ToClient, at, 4, exchange.GapLost)
			send(c, 0, exchange.ToClient, promised[13:], answer)
			send(c, 7, exchange.ToClient, pushed)
		}, "HTTP/3 response_only [pushed] | [] [] 0 [] | 200"},
		{"the server gives it up", func(c *Conn) {
			send(c, 0, exchange.ToClient, promised, answer)
			c.Data(7, exchange.ToClient, at, pushed[:len(pushed)-3])
			c.Reset(7, exchange.ToClient, at)
		}, "HTTP/3 partial [pushed stream_reset] | [{:method GET} {:path /b}"},
		{"a promise whose fields wait for the table", func(c *Conn) {
			c.Data(2, exchange.ToServer, at, append([]byte{0}, frame(frameSettings, unhex("01 40dc"))...))
			send(c, 0, exchange.ToClient, frame(framePushPromise, unhex("01 0381 10 11")), answer)
			send(c, 7, exchange.ToClient, pushed)
			c.Data(11, exchange.ToClient, at, unhex("02 3fbd01 c00f 7777772e6578616d706c652e636f6d c10c 2f73616d706c652f70617468"))
		}, "HTTP/3 complete [bad_pseudo_header pushed] | [{:authority www.example.com} {:path /sample/path}]"},
		{"a promise of the client is none", func(c *Conn) {
			c.Data(4, exchange.ToServer, at, asked)
			c.Data(4, exchange.ToServer, at, promised)
			send(c, 4, exchange.ToClient, answer)
		}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var l listener
			c := New(l.env(), new(exchange.Conn))
			send(c, 0, exchange.ToServer, asked)
			tt.play(c)
			c.End(app.EndCapture, at)
			var got []string
			for _, p := range l.pairs {
				if strings.Contains(p, "pushed") {
					got = append(got, p)
				}
			}
			if tt.want == "" && len(got) > 0 || tt.want != "" && (len(got) != 1 || !strings.HasPrefix(got[0], tt.want)) {
				t.Errorf("pushed is %q, want %q; all are %q", got, tt.want, l.pairs)
			}
			if y := c.Tally(); y.HTTP+y.Unparsed != c.bytes || c.waits != 0 || c.kept != 0 {
				t.Errorf("%+v of %d bytes; %d and %d kept", y, c.bytes, c.waits, c.kept)
			}
		})
	}
}
