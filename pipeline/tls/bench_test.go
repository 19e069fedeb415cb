package tls

import (
	"bytes"
	ctls "crypto/tls"
	"fmt"
	"testing"

	"recap/pipeline/app"
	"recap/pipeline/exchange"
	"recap/reader/packet"
)

// nowhere is an inner parser that forgets.
type nowhere struct{ inside }

func (p *nowhere) Data(exchange.Dir, packet.Pos, []byte) {}

// BenchmarkDecrypt plays the records of a long response, in the pieces of a real
// network and in whole records.
func BenchmarkDecrypt(b *testing.B) {
	for _, bb := range []struct {
		name    string
		version uint16
		suite   uint16
	}{
		{"TLS13", ctls.VersionTLS13, 0},
		{"AES128GCM", ctls.VersionTLS12, ctls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256},
		{"ChaCha20", ctls.VersionTLS12, ctls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256},
		{"AES128CBC", ctls.VersionTLS12, ctls.TLS_RSA_WITH_AES_128_CBC_SHA},
	} {
		client, server := configs("rsa")
		client.MaxVersion = bb.version
		if bb.suite != 0 {
			client.CipherSuites, server.CipherSuites = []uint16{bb.suite}, []uint16{bb.suite}
		}
		s := talk(b, client, server, [][2]string{{"GET / HTTP/1.1\r\n\r\n", numbered(0, 8<<20)}})
		for _, size := range []int{1460, 1 << 20} {
			chunks := cut(s.chunks, size)
			name := bb.name + "/segments"
			if size > 1460 {
				name = bb.name + "/whole"
			}
			b.Run(name, func(b *testing.B) {
				b.SetBytes(int64(len(s.plain[1])))
				b.ReportAllocs()
				for b.Loop() {
					view := viewOf(s.keys)
					p := &player{info: &exchange.Conn{}, in: &inside{}}
					p.conn = New(testEnv(), p.info, view, [2]bool{}, func(*app.Env, *exchange.Conn, string, [2]bool) app.Parser { return new(nowhere) })
					for _, c := range chunks {
						p.data(c.dir, c.data)
					}
					if !p.info.TLS.Decrypted {
						b.Fatal("not decrypted")
					}
				}
			})
		}
	}
}

// BenchmarkHostile plays what makes a reader that has lost its step try most: record
// headers in every place, none of which opens. Twice the bytes must take about twice
// the time.
func BenchmarkHostile(b *testing.B) {
	client, server := configs("rsa")
	s := talk(b, client, server, exchanges()[:1])
	for _, bb := range []struct {
		name string
		unit []byte
	}{
		{"headers", []byte{typeData, 3, 3}},
		{"short records", append([]byte{typeData, 3, 3, 0, 20}, make([]byte, 20)...)},
		{"long records", append([]byte{typeData, 3, 3, 0x40, 0}, make([]byte, 11)...)},
	} {
		for _, size := range []int{1 << 20, 2 << 20} {
			junk := chunk{exchange.ToClient, bytes.Repeat(bb.unit, size/len(bb.unit))}
			b.Run(fmt.Sprintf("%s/%dMiB", bb.name, size>>20), func(b *testing.B) {
				b.SetBytes(int64(size))
				for b.Loop() {
					p := newPlayer(viewOf(s.keys))
					for i, c := range s.chunks {
						p.data(c.dir, c.data)
						if i == len(s.chunks)-4 {
							break
						}
					}
					p.gap(exchange.ToClient, 10<<20)
					for _, c := range cut([]chunk{junk}, 1460) {
						p.data(c.dir, c.data)
					}
					p.end()
					p.check(b)
				}
			})
		}
	}
}
