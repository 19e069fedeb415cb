package tls

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"hash"
)

// Protocol versions on the wire.
const (
	versionSSL3  = 0x0300
	versionTLS10 = 0x0301
	versionTLS11 = 0x0302
	versionTLS12 = 0x0303
	versionTLS13 = 0x0304
)

var versionNames = map[uint16]string{
	0x0002: "SSL 2.0", versionSSL3: "SSL 3.0", versionTLS10: "TLS 1.0", versionTLS11: "TLS 1.1", versionTLS12: "TLS 1.2", versionTLS13: "TLS 1.3",
}

// pHash is P_hash of RFC 5246, section 5.
func pHash(h func() hash.Hash, out, secret, seed []byte) {
	m := hmac.New(h, secret)
	m.Write(seed)
	a := m.Sum(nil)
	for len(out) > 0 {
		m.Reset()
		m.Write(a)
		m.Write(seed)
		n := copy(out, m.Sum(nil))
		out = out[n:]
		m.Reset()
		m.Write(a)
		a = m.Sum(nil)
	}
}

// prf returns n bytes of the pseudo-random function of the version: that of RFC
// 5246, section 5, or before TLS 1.2 that of RFC 2246, section 5.
func prf(version uint16, h func() hash.Hash, secret []byte, label string, seed []byte, n int) []byte {
	out := make([]byte, n)
	seed = append([]byte(label), seed...)
	if version >= versionTLS12 {
		pHash(h, out, secret, seed)
		return out
	}
	half := (len(secret) + 1) / 2
	other := make([]byte, n)
	pHash(md5.New, out, secret[:half], seed)
	pHash(sha1.New, other, secret[len(secret)-half:], seed)
	for i, b := range other {
		out[i] ^= b
	}
	return out
}

// expandLabel is HKDF-Expand-Label with an empty context (RFC 8446, section 7.1).
func expandLabel(h func() hash.Hash, secret []byte, label string, n int) []byte {
	info := make([]byte, 0, 32)
	info = append(info, byte(n>>8), byte(n), byte(6+len(label)))
	info = append(append(info, "tls13 "...), label...)
	info = append(info, 0)
	out, err := hkdf.Expand(h, secret, string(info), n)
	if err != nil {
		return make([]byte, n) // n is always in range; a key of zeros opens nothing
	}
	return out
}

func newSHA256() hash.Hash { return sha256.New() }
func newSHA384() hash.Hash { return sha512.New384() }
func newSHA1() hash.Hash   { return sha1.New() }
func newMD5() hash.Hash    { return md5.New() }
