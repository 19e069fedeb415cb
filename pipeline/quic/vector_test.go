package quic

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"testing"

	"recap/pipeline/exchange"
	"recap/pipeline/tls"
	"recap/reader/packet"
)

func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

// seal protects an Initial packet of version 1 of the client, as RFC 9001, appendix A,
// describes it: header holds a packet number of 4 bytes from at on.
func seal(header []byte, at int, number byte, payload, id []byte) []byte {
	secret, _ := hkdf.Extract(sha256.New, id, unhex("38762cf7f55934b34d179ae6a4c80cadccbb7f0a"))
	expand := func(secret []byte, label string, n int) []byte {
		info := append([]byte{0, byte(n), byte(6 + len(label))}, "tls13 "+label+"\x00"...)
		b, _ := hkdf.Expand(sha256.New, secret, string(info), n)
		return b
	}
	client := expand(secret, "client in", 32)
	block, _ := aes.NewCipher(expand(client, "quic key", 16))
	aead, _ := cipher.NewGCM(block)
	nonce := expand(client, "quic iv", 12)
	nonce[11] ^= number
	p := aead.Seal(bytes.Clone(header), nonce, payload, header)
	hp, _ := aes.NewCipher(expand(client, "quic hp", 16))
	var mask [16]byte
	hp.Encrypt(mask[:], p[at+4:at+20])
	p[0] ^= mask[0] & 0x0f
	for i := range 4 {
		p[at+i] ^= mask[1+i]
	}
	return p
}

// The example of RFC 9001, appendix A.2: its first and last bytes, and what it says.
func TestClientInitialOfTheRFC(t *testing.T) {
	p := clientInitial()
	if len(p) != 1200 || hex.EncodeToString(p[:34]) != "c000000001088394c8f03e5157080000449e7b9aec34d1b1c98dd7689fb8ec11d242" || hex.EncodeToString(p[1184:]) != "e221af44860018ab0856972e194cd934" {
		t.Fatalf("packet is %x … %x", p[:34], p[1184:])
	}
	if !Begins(p) {
		t.Error("it does not begin a connection")
	}
	info := new(exchange.Conn)
	c := New(info, new(tls.View), 1<<20, nil)
	c.Datagram(exchange.ToServer, packet.Pos{}, p)
	if x := info.TLS; x.SNI != "example.com" || x.Offered != "alpn" || x.JA4[:6] != "q13d02" {
		t.Errorf("it says %+v", info.TLS)
	}
	p[40] ^= 1
	if Begins(p) {
		t.Error("a changed one begins a connection")
	}
}

// Packet numbers of RFC 9000, appendix A.3, and at the borders.
func TestDecodeNumber(t *testing.T) {
	for _, tt := range []struct {
		newest, truncated int64
		bits              int
		want              int64
	}{
		{0xa82f30ea, 0x9b32, 16, 0xa82f9b32},
		{-1, 0, 8, 0},
		{-1, 0xff, 8, 0xff},
		{254, 0, 8, 256},
		{256, 0xff, 8, 255},
		{1<<62 - 2, 0xff, 8, 1<<62 - 1},
	} {
		if got := decodeNumber(tt.newest, tt.truncated, tt.bits); got != tt.want {
			t.Errorf("decodeNumber(%#x, %#x, %d) = %#x, want %#x", tt.newest, tt.truncated, tt.bits, got, tt.want)
		}
	}
}

// However many holes there are between numbers, the runs stay bounded.
func TestRangesAreBounded(t *testing.T) {
	var r ranges
	for i := range int64(3 * maxRuns) {
		r.add(2 * i)
	}
	if len(r.runs) != maxRuns || !r.has(1) || r.has(6*maxRuns-3) {
		t.Errorf("%d runs", len(r.runs))
	}
}
