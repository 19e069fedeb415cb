package tls

import (
	"bytes"
	"crypto/aes"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"testing"
)

func fromHex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// sealCCM is AES-CCM as RFC 3610, section 2, writes it down, block by block.
func sealCCM(key, nonce, plain, aad []byte, tag int) []byte {
	block, _ := aes.NewCipher(key)
	lenBytes := 15 - len(nonce)
	number := func(first byte, n int) []byte {
		b := append([]byte{first}, nonce...)
		for i := lenBytes - 1; i >= 0; i-- {
			b = append(b, byte(n>>(8*i)))
		}
		return b
	}
	pad := func(b []byte) []byte { return append(b, make([]byte, (16-len(b)%16)%16)...) }
	flags := byte((tag-2)/2<<3 | lenBytes - 1)
	text := number(flags, len(plain))
	if len(aad) > 0 {
		text[0] |= 0x40
		text = append(text, pad(append([]byte{byte(len(aad) >> 8), byte(len(aad))}, aad...))...)
	}
	text = append(text, pad(bytes.Clone(plain))...)
	mac := make([]byte, 16)
	for i := 0; i < len(text); i += 16 {
		for j := range mac {
			mac[j] ^= text[i+j]
		}
		block.Encrypt(mac, mac)
	}
	stream := func(n int) []byte {
		b := make([]byte, 16)
		block.Encrypt(b, number(byte(lenBytes-1), n))
		return b
	}
	var out []byte
	for i, c := range plain {
		out = append(out, c^stream(1 + i/16)[i%16])
	}
	for i := range tag {
		out = append(out, mac[i]^stream(0)[i])
	}
	return out
}

// The example of NIST SP 800-38C with a nonce of 12 bytes, C.3.
func TestCCMVector(t *testing.T) {
	key, nonce, aad := fromHex(t, "404142434445464748494a4b4c4d4e4f"), fromHex(t, "101112131415161718191a1b"), fromHex(t, "000102030405060708090a0b0c0d0e0f10111213")
	plain := fromHex(t, "202122232425262728292a2b2c2d2e2f3031323334353637")
	sealed := fromHex(t, "e3b201a9f5b71a7a9b1ceaeccd97e70b6176aad9a4428aa5484392fbc1b09951")
	if got := sealCCM(key, nonce, plain, aad, 8); !bytes.Equal(got, sealed) {
		t.Fatalf("sealed is %x", got)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	c := &ccmMode{block: block, tag: 8}
	if got, err := c.Open([]byte("front"), nonce, sealed, aad); err != nil || string(got) != "front"+string(plain) {
		t.Errorf("opened is %q, %v", got, err)
	}
	for i := range sealed {
		sealed[i] ^= 1
		if _, err := c.Open(nil, nonce, sealed, aad); err == nil {
			t.Errorf("a change in byte %d was not noticed", i)
		}
		sealed[i] ^= 1
	}
}

// Every length of text and of additional data, with both lengths of tags.
func TestCCMLengths(t *testing.T) {
	key, nonce := []byte("0123456789abcdef"), []byte("twelve bytes")
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	text := bytes.Repeat([]byte("some text of no meaning. "), 20)
	for _, tag := range []int{8, 16} {
		c := &ccmMode{block: block, tag: tag}
		for n := range 70 {
			for _, a := range []int{1, 5, 13, 14, 15, 30, 31, 46, 47} {
				if got, err := c.Open(nil, nonce, sealCCM(key, nonce, text[:n], text[:a], tag), text[:a]); err != nil || !bytes.Equal(got, text[:n]) {
					t.Fatalf("%d bytes with %d of additional data, tag %d: %q, %v", n, a, tag, got, err)
				}
			}
		}
	}
}

// A QUIC packet under TLS_AES_128_CCM_SHA256 opens, by labels and nonce of RFC 9001,
// sections 5.1 and 5.3; its mask is that of AES (section 5.4.3). A suite with a short tag
// has no place in QUIC.
func TestQUICWithCCM(t *testing.T) {
	secret := sha256.Sum256([]byte("secret"))
	derive := func(label string, n int) []byte {
		b, err := hkdf.Expand(sha256.New, secret[:], string(append([]byte{0, byte(n), byte(6 + len(label))}, "tls13 "+label+"\x00"...)), n)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	k := newPacketKey(quicLabelsOf(QUICv1), suiteOf(0x1304), secret[:])
	if k == nil {
		t.Fatal("no key")
	}
	header, text := []byte("\x40connect\x01\x02"), []byte("frames of a packet")
	nonce := derive("quic iv", 12)
	nonce[10], nonce[11] = nonce[10]^0x01, nonce[11]^0x02
	got, ok := k.Open(nil, header, sealCCM(derive("quic key", 16), nonce, text, header, 16), 0x102)
	if !ok || !bytes.Equal(got, text) {
		t.Errorf("opened is %q, %t", got, ok)
	}
	hp, _ := aes.NewCipher(derive("quic hp", 16))
	var want [16]byte
	sample := []byte("a sample of text")
	hp.Encrypt(want[:], sample)
	if mask := k.Mask(sample); !bytes.Equal(mask[:], want[:5]) {
		t.Errorf("mask is %x, want %x", mask, want[:5])
	}
	if k.Next() == nil {
		t.Error("no key after an update")
	}
	if newPacketKey(quicLabelsOf(QUICv1), suiteOf(0x1305), secret[:]) != nil {
		t.Error("a suite with a tag of 8 bytes has a key")
	}
}
