package tls

import (
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"errors"
)

// ccmMode is AES-CCM (RFC 3610) with a nonce of 12 bytes, as TLS uses it (RFC 6655,
// RFC 8446). It opens only. It keeps its working blocks, so that a record costs no
// allocation; one goroutine uses it.
type ccmMode struct {
	block                   cipher.Block
	tag                     int
	counter, mac, key, want [16]byte
}

var errOpen = errors.New("tls: a record does not open")

// Open appends the plaintext of sealed to dst.
func (c *ccmMode) Open(dst, nonce, sealed, aad []byte) ([]byte, error) {
	if len(sealed) < c.tag || len(nonce) != 12 || len(aad) >= 0xff00 {
		return nil, errOpen
	}
	n := len(sealed) - c.tag
	c.counter = [16]byte{0: 2} // flags: a counter of 3 bytes
	copy(c.counter[1:], nonce)
	c.block.Encrypt(c.key[:], c.counter[:])
	for i := range c.tag {
		c.want[i] = sealed[n+i] ^ c.key[i]
	}
	start := len(dst)
	dst = append(dst, sealed[:n]...)
	out := dst[start:]
	for i := 0; i < n; i += 16 {
		binary.BigEndian.PutUint32(c.counter[12:], uint32(nonce[11])<<24|uint32(i/16+1))
		c.block.Encrypt(c.key[:], c.counter[:])
		end := min(i+16, n)
		subtle.XORBytes(out[i:end], out[i:end], c.key[:])
	}
	// B_0 (RFC 3610, section 2.2), then the additional data with its length, then the message.
	c.mac = [16]byte{0: 0x40 | byte((c.tag-2)/2)<<3 | 2}
	copy(c.mac[1:], nonce)
	c.mac[13], c.mac[14], c.mac[15] = byte(n>>16), byte(n>>8), byte(n)
	c.block.Encrypt(c.mac[:], c.mac[:])
	c.mac[0] ^= byte(len(aad) >> 8)
	c.mac[1] ^= byte(len(aad))
	at := 2
	for _, b := range aad {
		c.mac[at] ^= b
		if at++; at == 16 {
			c.block.Encrypt(c.mac[:], c.mac[:])
			at = 0
		}
	}
	if at > 0 {
		c.block.Encrypt(c.mac[:], c.mac[:])
	}
	for i := 0; i < n; i += 16 {
		end := min(i+16, n)
		subtle.XORBytes(c.mac[:end-i], c.mac[:end-i], out[i:end])
		c.block.Encrypt(c.mac[:], c.mac[:])
	}
	if subtle.ConstantTimeCompare(c.mac[:c.tag], c.want[:c.tag]) != 1 {
		return nil, errOpen
	}
	return dst, nil
}
