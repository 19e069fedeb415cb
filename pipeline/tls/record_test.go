package tls

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	ctls "crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	"recap/pipeline/app"
	"recap/pipeline/exchange"
	"recap/reader/packet"
)

// A chunk is what one packet would carry.
type chunk struct {
	dir  exchange.Dir
	data []byte
}

// tape records what passes on a connection.
type tape struct {
	net.Conn
	mu     sync.Mutex
	chunks []chunk
}

func (t *tape) add(d exchange.Dir, b []byte) {
	t.mu.Lock()
	t.chunks = append(t.chunks, chunk{d, bytes.Clone(b)})
	t.mu.Unlock()
}

// relay passes on what the two ends say to each other, until both have ended.
func (t *tape) relay(client, server net.Conn) *sync.WaitGroup {
	pass := func(d exchange.Dir, from, to net.Conn) {
		b := make([]byte, 1<<16)
		for {
			n, err := from.Read(b)
			if n > 0 {
				t.add(d, b[:n])
				to.Write(b[:n])
			}
			if err != nil {
				to.(*net.TCPConn).CloseWrite()
				return
			}
		}
	}
	var both sync.WaitGroup
	both.Go(func() { pass(exchange.ToServer, client, server) })
	both.Go(func() { pass(exchange.ToClient, server, client) })
	return &both
}

func (t *tape) Read(b []byte) (int, error) {
	n, err := t.Conn.Read(b)
	if n > 0 {
		t.add(exchange.ToClient, b[:n])
	}
	return n, err
}

func (t *tape) Write(b []byte) (int, error) {
	t.add(exchange.ToServer, b)
	return t.Conn.Write(b)
}

// identity makes a certificate of a kind of key.
func identity(t testing.TB, kind string) ctls.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "shop.example", Organization: []string{"Example"}},
		DNSNames: []string{"shop.example"}, NotBefore: time.Unix(1e9, 0), NotAfter: time.Unix(4e9, 0),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
	}
	var private, public any
	if kind == "ecdsa" {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		private, public = k, &k.PublicKey
	} else {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		private, public = k, &k.PublicKey
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	return ctls.Certificate{Certificate: [][]byte{der}, PrivateKey: private}
}

var identities = sync.OnceValue(func() map[string]ctls.Certificate {
	var t testing.T
	return map[string]ctls.Certificate{"ecdsa": identity(&t, "ecdsa"), "rsa": identity(&t, "rsa")}
})

// A session is one recorded connection.
type session struct {
	chunks []chunk
	keys   string
	plain  [2][]byte // what was said
	state  ctls.ConnectionState
}

// numbered returns n bytes in which no place is like another.
func numbered(from, n int) string {
	var b []byte
	for i := from; len(b) < n; i++ {
		b = fmt.Appendf(b, "line %d\n", i)
	}
	return string(b[:n])
}

// exchanges are what the peers say to each other in the recorded connections.
func exchanges() (list [][2]string) {
	big := numbered(0, 64000)
	list = append(list, [2]string{"GET /a HTTP/1.1\r\nHost: shop.example\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"})
	list = append(list, [2]string{
		fmt.Sprintf("POST /b HTTP/1.1\r\nHost: shop.example\r\nContent-Length: %d\r\n\r\n%s", len(big), big),
		fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(big), big)})
	for i := range 4 {
		list = append(list, [2]string{fmt.Sprintf("GET /%d HTTP/1.1\r\nHost: shop.example\r\n\r\n", i),
			fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n%s", numbered(10000*(i+1), 2000))})
	}
	return list
}

// talk records a connection between Go's own client and server.
func talk(t testing.TB, client, server *ctls.Config, say [][2]string) *session {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Skip("SKIPPED, no loopback network: ", err)
	}
	defer l.Close()
	var keys bytes.Buffer
	client = client.Clone()
	client.InsecureSkipVerify = true
	server.KeyLogWriter = &keys
	done := make(chan error, 1)
	go func() {
		raw, err := l.Accept()
		if err != nil {
			done <- err
			return
		}
		c := ctls.Server(raw, server)
		defer c.Close()
		for _, x := range say {
			b := make([]byte, len(x[0]))
			if _, err := io.ReadFull(c, b); err != nil {
				done <- err
				return
			}
			if _, err := io.WriteString(c, x[1]); err != nil {
				done <- err
				return
			}
		}
		c.CloseWrite()
		io.Copy(io.Discard, c)
		done <- nil
	}()
	raw, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	tp := &tape{Conn: raw}
	c := ctls.Client(tp, client)
	s := &session{}
	for _, x := range say {
		if _, err := io.WriteString(c, x[0]); err != nil {
			t.Fatal(err, <-done)
		}
		b := make([]byte, len(x[1]))
		if _, err := io.ReadFull(c, b); err != nil {
			t.Fatal(err, <-done)
		}
		s.plain[0] = append(s.plain[0], x[0]...)
		s.plain[1] = append(s.plain[1], x[1]...)
	}
	s.state = c.ConnectionState()
	c.CloseWrite()
	io.Copy(io.Discard, c)
	c.Close()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	s.chunks, s.keys = tp.chunks, keys.String()
	return s
}

// inside is an inner parser that keeps what it gets.
type inside struct {
	protocol string
	plain    [2][]byte
	events   []string
	bytes    int64
	lastEnd  [2]int64
	bad      string
}

func (p *inside) Data(d exchange.Dir, at packet.Pos, b []byte) {
	if at.Offset != p.lastEnd[d] && len(p.plain[d]) > 0 {
		p.bad = fmt.Sprintf("data %d at offset %d, want %d", d, at.Offset, p.lastEnd[d])
	}
	p.lastEnd[d] = at.Offset + int64(len(b))
	p.plain[d] = append(p.plain[d], b...)
	p.bytes += int64(len(b))
}
func (p *inside) Gap(d exchange.Dir, at packet.Pos, n int64, reason string) {
	p.events = append(p.events, fmt.Sprintf("gap %d at %d: %d %s", d, len(p.plain[d]), n, reason))
	if n > 0 {
		p.lastEnd[d] += n
	}
}
func (p *inside) Close(d exchange.Dir, at packet.Pos) {
	p.events = append(p.events, fmt.Sprintf("close %d", d))
}
func (p *inside) End(r app.EndReason, at packet.Pos) { p.events = append(p.events, "end") }
func (p *inside) Tally() app.Tally                   { return app.Tally{HTTP: p.bytes} }
func (p *inside) Memory() int64                      { return 0 }

func testEnv() *app.Env {
	return &app.Env{Emit: func(*exchange.Conn, *exchange.Pair) {}, Message: func(*exchange.StreamMessage) {}}
}

// player feeds chunks to a Conn as a worker would.
type player struct {
	conn   *Conn
	info   *exchange.Conn
	in     *inside
	offset [2]int64
	number int64
	fed    int64
}

func newPlayer(keys *View) *player {
	p := &player{info: &exchange.Conn{}, in: &inside{}}
	p.conn = New(testEnv(), p.info, keys, [2]bool{}, func(_ *app.Env, _ *exchange.Conn, protocol string, _ [2]bool) app.Parser {
		p.in.protocol = protocol
		return p.in
	})
	return p
}

func (p *player) pos(d exchange.Dir) packet.Pos {
	p.number++
	return packet.Pos{Number: p.number, TimeNS: p.number * 1e6, Offset: p.offset[d], Acked: p.offset[1-d]}
}

func (p *player) data(d exchange.Dir, b []byte) {
	p.conn.Data(d, p.pos(d), b)
	p.offset[d] += int64(len(b))
	p.fed += int64(len(b))
}

func (p *player) gap(d exchange.Dir, n int) {
	p.conn.Gap(d, p.pos(d), int64(n), exchange.GapLost)
	p.offset[d] += int64(n)
}

func (p *player) end() {
	for d := range exchange.Dir(2) {
		p.conn.Close(d, p.pos(d))
	}
	p.conn.End(app.EndFIN, p.pos(0))
}

func (p *player) check(t testing.TB) {
	t.Helper()
	y := p.conn.Tally()
	if sum := y.HTTP + y.Other + y.Unparsed + y.TLS + y.TLSOverhead; sum != p.fed || y.TLS < 0 || y.TLSOverhead < 0 {
		t.Errorf("Tally() = %+v, which is %d bytes, want %d", y, sum, p.fed)
	}
	if p.in.bad != "" {
		t.Error(p.in.bad)
	}
}

func viewOf(text string) *View {
	v := new(Keys).Add([]byte(text))
	return &v
}

// cut divides chunks into pieces of at most n bytes.
func cut(chunks []chunk, n int) (out []chunk) {
	for _, c := range chunks {
		for b := c.data; len(b) > 0; {
			k := min(n, len(b))
			out = append(out, chunk{c.dir, b[:k]})
			b = b[k:]
		}
	}
	return out
}
