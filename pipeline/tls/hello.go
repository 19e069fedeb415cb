package tls

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"strings"
	"unicode/utf8"
)

// reader takes values off the front of b; after running short, bad stays set and
// everything read is zero.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) take(n int) []byte {
	if n > len(r.b) {
		r.bad, r.b = true, nil
		return nil
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

func (r *reader) u8() int {
	if b := r.take(1); b != nil {
		return int(b[0])
	}
	return 0
}

func (r *reader) u16() int {
	if b := r.take(2); b != nil {
		return int(binary.BigEndian.Uint16(b))
	}
	return 0
}

func (r *reader) u24() int {
	if b := r.take(3); b != nil {
		return int(b[0])<<16 | int(b[1])<<8 | int(b[2])
	}
	return 0
}

func (r *reader) vec8() []byte  { return r.take(r.u8()) }
func (r *reader) vec16() []byte { return r.take(r.u16()) }
func (r *reader) vec24() []byte { return r.take(r.u24()) }

// Extensions that are looked into (https://www.iana.org/assignments/tls-extensiontype-values).
const (
	extServerName        = 0
	extGroups            = 10
	extPointFormats      = 11
	extSignatures        = 13
	extALPN              = 16
	extEncryptThenMAC    = 22
	extExtendedMaster    = 23
	extEarlyData         = 42
	extSupportedVersions = 43
)

// extension is one extension of a hello.
type extension struct {
	typ  uint16
	body []byte
}

// clientHello is what a ClientHello says. Slices point into the message.
type clientHello struct {
	version    uint16 // legacy_version
	random     []byte
	session    []byte
	suites     []byte
	extensions []extension
	hasExts    bool
}

// maxExtensions bounds how many extensions of a hello are looked at.
const maxExtensions = 1 << 10

func extensionsOf(b []byte) (list []extension, ok bool) {
	r := reader{b: b}
	for len(r.b) > 0 && len(list) < maxExtensions {
		e := extension{typ: uint16(r.u16())}
		e.body = r.vec16()
		if r.bad {
			return list, false
		}
		list = append(list, e)
	}
	return list, true
}

func find(list []extension, typ uint16) ([]byte, bool) {
	for _, e := range list {
		if e.typ == typ {
			return e.body, true
		}
	}
	return nil, false
}

// parseClientHello reads the body of a ClientHello (RFC 8446, section 4.1.2).
func parseClientHello(b []byte) (h clientHello, ok bool) {
	r := reader{b: b}
	h.version = uint16(r.u16())
	h.random = r.take(32)
	h.session = r.vec8()
	h.suites = r.vec16()
	r.vec8() // compression methods
	if r.bad {
		return h, false
	}
	if len(r.b) > 0 {
		h.hasExts = true
		h.extensions, _ = extensionsOf(r.vec16())
	}
	return h, true
}

// serverName returns the host name of the extension (RFC 6066, section 3).
func (h *clientHello) serverName() string {
	body, ok := find(h.extensions, extServerName)
	if !ok {
		return ""
	}
	r := reader{b: body}
	list := reader{b: r.vec16()}
	for len(list.b) > 0 {
		typ, name := list.u8(), list.vec16()
		if list.bad {
			break
		}
		if typ == 0 {
			return text(name)
		}
	}
	return ""
}

// protocols calls yield for each protocol that an ALPN extension lists (RFC 7301).
func protocols(list []extension, yield func(p []byte)) {
	body, ok := find(list, extALPN)
	if !ok {
		return
	}
	r := reader{b: body}
	names := reader{b: r.vec16()}
	for len(names.b) > 0 {
		p := names.vec8()
		if names.bad {
			return
		}
		yield(p)
	}
}

// alpnOf returns the names of an ALPN extension.
func alpnOf(list []extension) (names []string) {
	protocols(list, func(p []byte) { names = append(names, text(p)) })
	return names
}

// serverHello is what a ServerHello says.
type serverHello struct {
	version     uint16 // that was chosen
	random      []byte
	session     []byte
	suite       uint16
	compression int
	extensions  []extension
	retry       bool // HelloRetryRequest
}

// retryRandom marks a HelloRetryRequest: SHA-256 of that word (RFC 8446, section 4.1.3).
var retryRandom = sha256.Sum256([]byte("HelloRetryRequest"))

func parseServerHello(b []byte) (h serverHello, ok bool) {
	r := reader{b: b}
	h.version = uint16(r.u16())
	h.random = r.take(32)
	h.session = r.vec8()
	h.suite = uint16(r.u16())
	h.compression = r.u8()
	if r.bad {
		return h, false
	}
	if len(r.b) > 0 {
		h.extensions, _ = extensionsOf(r.vec16())
	}
	if v, ok := find(h.extensions, extSupportedVersions); ok && len(v) == 2 {
		h.version = binary.BigEndian.Uint16(v)
	}
	h.retry = string(h.random) == string(retryRandom[:])
	return h, true
}

// certificate is what is told of a server's own certificate.
type certificate struct {
	subject, issuer string
	sha256          [32]byte
}

// parseCertificate reads the first certificate of a Certificate message (RFC 5246,
// section 7.4.2; RFC 8446, section 4.4.2). One that does not parse still has a hash.
func parseCertificate(b []byte, tls13 bool) (c certificate, ok bool) {
	r := reader{b: b}
	if tls13 {
		r.vec8() // request context
	}
	list := reader{b: r.vec24()}
	der := list.vec24()
	if r.bad || list.bad || len(der) == 0 {
		return c, false
	}
	c.sha256 = sha256.Sum256(der)
	if x, err := x509.ParseCertificate(der); err == nil {
		c.subject, c.issuer = text([]byte(x.Subject.String())), text([]byte(x.Issuer.String()))
	}
	return c, true
}

// text makes valid UTF-8 of b: other bytes are written \xNN.
func text(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	var s strings.Builder
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 {
			const digits = "0123456789abcdef"
			s.WriteString(`\x`)
			s.WriteByte(digits[b[0]>>4])
			s.WriteByte(digits[b[0]&15])
		} else {
			s.Write(b[:n])
		}
		b = b[n:]
	}
	return s.String()
}
