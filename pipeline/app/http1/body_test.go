package http1

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/andybalholm/brotli"

	"recap/pipeline/app"
	"recap/pipeline/exchange"
)

func pack(coding string, b []byte) []byte {
	var out bytes.Buffer
	var w io.WriteCloser
	switch coding {
	case "gzip":
		w = gzip.NewWriter(&out)
	case "deflate":
		w = zlib.NewWriter(&out)
	case "br":
		w = brotli.NewWriterLevel(&out, 5)
	}
	w.Write(b)
	w.Close()
	return out.Bytes()
}

// letters is text that packs to about half.
func letters(n int) []byte {
	rnd := rand.New(rand.NewPCG(1, 1))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte('a' + rnd.IntN(16))
	}
	return b
}

func TestBodies(t *testing.T) {
	text := letters(5000)
	big := letters(4 << 20)
	gz := pack("gzip", text)
	for _, tt := range []struct {
		name      string
		coding    string
		sent      []byte
		limit     int64 // of the body; 0: 1 MiB
		decode    int64
		stored    []byte
		size      int64
		anomalies string
	}{
		{name: "plain", sent: text, stored: text, size: 5000},
		{name: "gzip", coding: "gzip", sent: gz, stored: text, size: 5000},
		{name: "deflate in gzip", coding: "deflate, gzip", sent: pack("gzip", pack("deflate", text)), stored: text, size: 5000, anomalies: "stacked_coding"},
		{name: "longer than what is stored", sent: text, limit: 100, stored: text[:100], size: 5000, anomalies: "body_limit"},
		{name: "coded, and longer than what is stored", coding: "gzip", sent: gz, limit: 100, stored: text[:100], size: 5000, anomalies: "body_limit"},
		{name: "nothing is to be stored", sent: text, limit: -1, size: 5000},
		{name: "said to be coded, and plain", coding: "gzip", sent: text, stored: text, size: 5000, anomalies: "ce_mismatch"},
		{name: "in a coding that is not known", coding: "lzma", sent: text, stored: text, size: 5000, anomalies: "ce_mismatch"},
		{name: "with a wrong checksum", coding: "gzip", sent: append(bytes.Clone(gz[:len(gz)-8]), "checksum"...), stored: text, size: 5000, anomalies: "gzip_bad_trailer"},
		{name: "over the decoding limit", coding: "gzip", sent: gz, decode: 1000, stored: gz, size: int64(len(gz)), anomalies: "decode_limit"},
		{name: "too many layers", coding: "gzip, gzip, gzip, gzip, gzip", sent: gz, stored: gz, size: int64(len(gz)), anomalies: "decode_limit stacked_coding"},
		{name: "large and plain", sent: big, stored: big[:1<<20], size: 4 << 20, anomalies: "body_limit"},
		{name: "large and coded", coding: "gzip", sent: pack("gzip", big), stored: big[:1<<20], size: 4 << 20, anomalies: "body_limit"},
		{name: "large and coded with brotli", coding: "br", sent: pack("br", big), limit: 8 << 20, stored: big, size: 4 << 20},
		{name: "large, coded, and over the decoding limit", coding: "gzip", sent: pack("gzip", big), decode: 3 << 20, stored: pack("gzip", big)[:1<<20],
			size: int64(len(pack("gzip", big))), anomalies: "body_limit decode_limit"},
		{name: "large, and coded once instead of twice", coding: "gzip, gzip", sent: pack("gzip", big), limit: 8 << 20, stored: big, size: 4 << 20, anomalies: "ce_mismatch stacked_coding"},
		{name: "large, in odd words", coding: "x_gzip;", sent: pack("gzip", big), limit: 8 << 20, stored: big, size: 4 << 20, anomalies: "ce_mismatch"},
		{name: "large, without its trailer", coding: "gzip", sent: pack("gzip", big)[:len(pack("gzip", big))-8], limit: 8 << 20, stored: big, size: 4 << 20, anomalies: "gzip_bad_trailer"},
		{name: "large and not coded at all", coding: "gzip", sent: big, stored: big[:1<<20], size: 4 << 20, anomalies: "body_limit ce_mismatch"},
	} {
		for _, how := range []string{"length", "chunks"} {
			for _, early := range []bool{false, true} { // an early response waits for its request's end
				t.Run(fmt.Sprintf("%s, by %s, early %t", tt.name, how, early), func(t *testing.T) {
					p := newPlayer()
					if tt.limit != 0 {
						p.env.Limits.Body = tt.limit
					}
					if tt.decode != 0 {
						p.env.Limits.Decode = tt.decode
					}
					head := "HTTP/1.1 200 OK\r\n"
					if tt.coding != "" {
						head += "Content-Encoding: " + tt.coding + "\r\n"
					}
					req := "POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\n"
					if !early {
						req += "x"
					}
					p.play(c(req))
					if how == "length" {
						p.play(s(fmt.Sprintf("%sContent-Length: %d\r\n\r\n", head, len(tt.sent))))
						for b := tt.sent; len(b) > 0; b = b[min(1448, len(b)):] {
							p.play(s(string(b[:min(1448, len(b))])))
						}
					} else {
						p.play(s(head + "Transfer-Encoding: chunked\r\n\r\n"))
						for b := tt.sent; len(b) > 0; b = b[min(9999, len(b)):] {
							p.play(s(fmt.Sprintf("%x\r\n%s\r\n", min(9999, len(b)), b[:min(9999, len(b))])))
						}
						p.play(s("0\r\n\r\n"))
					}
					if early {
						p.play(c("x"))
					}
					p.end(t, app.EndFIN)
					q := p.pairs[0]
					m := &q.Response.Message
					if !bytes.Equal(m.Body, tt.stored) || m.BodySize != tt.size || m.BodyWireSize != int64(len(tt.sent)) || q.State != exchange.Complete {
						t.Errorf("%d bytes are stored of %d (%d on the wire), state %v; want %d of %d (%d)", len(m.Body), m.BodySize, m.BodyWireSize, q.State,
							len(tt.stored), tt.size, len(tt.sent))
					}
					whole := tt.sent
					if tt.size == 5000 {
						whole = text
					} else if tt.size == 4<<20 {
						whole = big
					}
					if m.Hashed && m.BodySHA256 != sha256.Sum256(whole) || !m.Hashed && (tt.anomalies == "" || tt.anomalies == "stacked_coding") {
						t.Errorf("the hash is wrong, or missing: %t", m.Hashed)
					}
					q.Anomalies[0] &^= 1 << exchange.AnomalyEarlyResponse
					if got := anomalies(p.pairs); got != tt.anomalies {
						t.Errorf("anomalies are %q, want %q", got, tt.anomalies)
					}
					if n := len(m.Gaps); (n > 0) != p.pairs[0].Anomalies.Has(exchange.AnomalyBodyLimit) {
						t.Errorf("gaps are %+v", m.Gaps)
					}
					if p.mem > 24<<20 {
						t.Errorf("%d bytes were held", p.mem)
					}
				})
			}
		}
	}
}

func TestCodedBodiesWithHoles(t *testing.T) {
	text := letters(5000)
	gz := string(pack("gzip", text))
	head := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n", len(gz))
	p := newPlayer()
	p.play(c(get), s(head+gz[:2000]), sGap(100), s(gz[2100:]), c(getB), s(okB))
	p.end(t, app.EndFIN)
	m := &p.pairs[0].Response.Message
	if len(m.Body) == 0 || !bytes.HasPrefix(text, m.Body) {
		t.Errorf("%d bytes that were not sent, or none", len(m.Body))
	}
	if m.Hashed || p.pairs[0].State != exchange.Partial || len(m.Gaps) != 1 || m.Gaps[0].Offset != 2000 || m.Gaps[0].Length != 100 {
		t.Errorf("hashed %t, state %v, gaps %+v", m.Hashed, p.pairs[0].State, m.Gaps)
	}
	if got := anomalies(p.pairs); got != "lost_segment" {
		t.Errorf("anomalies are %q", got)
	}
	if got := line(p.pairs[1]); got != `complete GET /b -> 200 "b's"` {
		t.Errorf("the next pair is %s", got)
	}
}

func TestABrokenCodedBodyGivesItsBeginning(t *testing.T) {
	text := letters(50_000)
	gz := pack("gzip", text)
	gz = gz[:20_000]
	p := newPlayer()
	p.play(c(get), s(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s", len(gz), gz)))
	p.end(t, app.EndFIN)
	m := &p.pairs[0].Response.Message
	if !bytes.HasPrefix(m.Body, text[:10_000]) || !p.pairs[0].Anomalies.Has(exchange.AnomalyDecodeError) {
		t.Errorf("%d bytes, %s", len(m.Body), anomalies(p.pairs))
	}
}

// BenchmarkHTTP1 reads a keep-alive connection with small responses, whose pairs come
// from a pool as the pipeline has it.
func BenchmarkHTTP1(b *testing.B) {
	body := letters(600)
	resp := fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: keep-alive\r\n\r\n%s", len(body), body)
	req := []byte("GET /api/orders?id=12345 HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: test\r\nAccept: */*\r\n\r\n")
	p := newPlayer()
	p.env.Limits.Hash = false
	pool := []*exchange.Pair{p.env.NewPair(), p.env.NewPair()}
	p.env.NewPair = func() *exchange.Pair {
		q := pool[len(pool)-1]
		pool = pool[:len(pool)-1]
		return q
	}
	p.env.Emit = func(_ *exchange.Conn, q *exchange.Pair) {
		q.Reset()
		pool = append(pool, q)
	}
	keep := make([]byte, len(body))
	p.env.Copy = func(b []byte) []byte { return keep[:copy(keep, b)] }
	b.ReportAllocs()
	b.SetBytes(int64(len(req) + len(resp)))
	at := p.pos()
	for b.Loop() {
		at[0].Number++
		p.conn.Data(exchange.ToServer, at[0], req)
		at[0].Offset += int64(len(req))
		at[1].Number = at[0].Number
		at[1].Acked = at[0].Offset
		p.conn.Data(exchange.ToClient, at[1], resp)
		at[1].Offset += int64(len(resp))
		at[0].Acked = at[1].Offset
	}
}
