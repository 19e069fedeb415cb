package tls

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"strings"

	"golang.org/x/crypto/chacha20"

	"recap/pipeline/exchange"
)

// QUIC carries the handshake messages of TLS 1.3 in frames of its own, and protects its
// packets with keys that TLS makes (RFC 9001). What of that handles secrets is here.

// Versions of QUIC that are read.
const (
	QUICv1      = 0x00000001 // RFC 9000
	QUICv2      = 0x6b3343cf // RFC 9369
	QUICDraft29 = 0xff00001d // the draft that was in wide use
)

// quicLabels are what the derivations of a version differ in (RFC 9001, section 5;
// RFC 9369, section 3.3).
type quicLabels struct {
	salt                string
	key, iv, hp, update string
}

func quicLabelsOf(version uint32) *quicLabels {
	l := &quicLabels{key: "quic key", iv: "quic iv", hp: "quic hp", update: "quic ku"}
	switch version {
	case QUICv1:
		l.salt = "\x38\x76\x2c\xf7\xf5\x59\x34\xb3\x4d\x17\x9a\xe6\xa4\xc8\x0c\xad\xcc\xbb\x7f\x0a"
	case QUICDraft29:
		l.salt = "\xaf\xbf\xec\x28\x99\x93\xd2\x4c\x9e\x97\x86\xf1\x9c\x61\x11\xe0\x43\x90\xa8\x99"
	case QUICv2:
		l.salt = "\x0d\xed\xe3\xde\xf7\x00\xa6\xdb\x81\x93\x81\xbe\x6e\x26\x9d\xcb\xf9\xbd\x2e\xd9"
		l.key, l.iv, l.hp, l.update = "quicv2 key", "quicv2 iv", "quicv2 hp", "quicv2 ku"
	default:
		return nil
	}
	return l
}

// A PacketKey opens the QUIC packets of one direction and one level of encryption.
type PacketKey struct {
	labels *quicLabels
	suite  suite
	secret []byte
	aead   unsealer
	iv     [12]byte
	block  cipher.Block // of header protection with AES
	stream []byte       // key of header protection with ChaCha20
}

// Format implements fmt.Formatter: no verb shows secrets.
func (k *PacketKey) Format(f fmt.State, _ rune) { io.WriteString(f, "a QUIC key") }

// InitialKeys returns the keys of Initial packets, which follow from the connection ID
// that the client chose first (RFC 9001, section 5.2); by direction. It returns nil for
// a version that is not read.
func InitialKeys(version uint32, id []byte) *[2]*PacketKey {
	l := quicLabelsOf(version)
	if l == nil {
		return nil
	}
	s := suiteOf(0x1301)
	initial, err := hkdf.Extract(s.hash, id, []byte(l.salt))
	if err != nil {
		return nil
	}
	return &[2]*PacketKey{
		newPacketKey(l, s, expandLabel(s.hash, initial, "client in", 32)),
		newPacketKey(l, s, expandLabel(s.hash, initial, "server in", 32)),
	}
}

// newPacketKey derives key, IV and header protection from a secret (RFC 9001, section
// 5.1). It returns nil for a suite that QUIC does not use: a tag of 8 bytes is not
// allowed (section 5.3).
func newPacketKey(l *quicLabels, s suite, secret []byte) *PacketKey {
	k := &PacketKey{labels: l, suite: s}
	if s.tag != 16 {
		return nil
	}
	hp := expandLabel(s.hash, secret, l.hp, s.key)
	switch s.bulk {
	case gcm, ccm:
		k.block, _ = aes.NewCipher(hp)
	case chacha:
		k.stream = hp
	default:
		return nil
	}
	if !k.set(secret) {
		return nil
	}
	return k
}

// set takes key and IV from a secret; header protection stays.
func (k *PacketKey) set(secret []byte) bool {
	var o opener
	if !o.setKey(k.suite, expandLabel(k.suite.hash, secret, k.labels.key, k.suite.key)) {
		return false
	}
	k.aead, k.secret = o.aead, secret
	copy(k.iv[:], expandLabel(k.suite.hash, secret, k.labels.iv, len(k.iv)))
	return true
}

// Next returns the key after a key update (RFC 9001, section 6.1).
func (k *PacketKey) Next() *PacketKey {
	n := *k
	if !n.set(expandLabel(k.suite.hash, k.secret, k.labels.update, len(k.secret))) {
		return nil
	}
	return &n
}

// SampleLen is how many bytes of ciphertext a mask of header protection is made of.
const SampleLen = 16

// Mask returns the mask of header protection for a sample (RFC 9001, section 5.4).
func (k *PacketKey) Mask(sample []byte) (mask [5]byte) {
	if k.block != nil {
		var b [16]byte
		k.block.Encrypt(b[:], sample[:SampleLen])
		copy(mask[:], b[:])
		return mask
	}
	if c, err := chacha20.NewUnauthenticatedCipher(k.stream, sample[4:SampleLen]); err == nil {
		c.SetCounter(binary.LittleEndian.Uint32(sample))
		c.XORKeyStream(mask[:], mask[:])
	}
	return mask
}

// Open decrypts a payload behind its header, whose protection was taken off, and
// appends the plaintext to dst (RFC 9001, section 5.3).
func (k *PacketKey) Open(dst, header, payload []byte, number uint64) ([]byte, bool) {
	nonce := k.iv
	for i := range 8 {
		nonce[4+i] ^= byte(number >> (56 - 8*i))
	}
	plain, err := k.aead.Open(dst, nonce[:], payload, header)
	return plain, err == nil
}

// A Level is a level of encryption of QUIC that has secrets.
type Level uint8

// Levels.
const (
	LevelEarly Level = iota
	LevelHandshake
	LevelApplication
)

// A Handshake reads the messages of a TLS 1.3 handshake that another protocol carries,
// and makes that protocol's keys.
type Handshake struct {
	info      *exchange.TLS
	view      *View
	random    [32]byte
	suite     suite
	hasClient bool
	hasServer bool
	frozen    bool
}

// NewHandshake returns a Handshake that fills info. view may grow while it works.
func NewHandshake(info *exchange.TLS, view *View) *Handshake {
	return &Handshake{info: info, view: view}
}

// Freeze ends the changes to what New was given to fill: a pair refers to it.
func (h *Handshake) Freeze() { h.frozen = true }

// MaxMessage bounds a handshake message that is read, bytes.
const MaxMessage = maxMessage

// MessageLen returns the length of the handshake message that begins with b, header
// included; 0 where b is too short to tell.
func MessageLen(b []byte) int {
	if len(b) < 4 {
		return 0
	}
	return 4 + int(b[1])<<16 + int(b[2])<<8 + int(b[3])
}

// Message takes a whole handshake message.
func (h *Handshake) Message(d exchange.Dir, m []byte) {
	body := m[4:]
	switch {
	case m[0] == msgClientHello && d == exchange.ToServer:
		h.clientHello(body)
	case m[0] == msgServerHello && d == exchange.ToClient:
		h.serverHello(body)
	case m[0] == msgEncryptedExts && d == exchange.ToClient && !h.frozen:
		r := reader{b: body}
		list, _ := extensionsOf(r.vec16())
		if names := alpnOf(list); len(names) == 1 {
			h.info.ALPN = names[0]
		}
	case m[0] == msgCertificate && d == exchange.ToClient && !h.frozen && h.info.CertSHA256 == "":
		if x, ok := parseCertificate(body, true); ok {
			h.info.CertSubject, h.info.CertIssuer, h.info.CertSHA256 = x.subject, x.issuer, hex.EncodeToString(x.sha256[:])
		}
	}
}

func (h *Handshake) clientHello(body []byte) {
	hello, ok := parseClientHello(body)
	if !ok {
		return
	}
	copy(h.random[:], hello.random)
	h.hasClient = true
	if h.frozen || h.info.JA3 != "" {
		return
	}
	h.info.SNI = hello.serverName()
	h.info.Offered = strings.Join(alpnOf(hello.extensions), ",")
	h.info.JA3, h.info.JA4 = hello.ja3(), hello.ja4('q')
}

func (h *Handshake) serverHello(body []byte) {
	hello, ok := parseServerHello(body)
	if !ok || hello.retry {
		return
	}
	h.suite, h.hasServer = suiteOf(hello.suite), true
	if !h.frozen && h.info.Version == "" {
		h.info.Version, h.info.Cipher = versionNames[hello.version], suiteName(hello.suite)
	}
}

// HasClient reports whether the ClientHello was read.
func (h *Handshake) HasClient() bool { return h.hasClient }

// MayOpen reports whether secrets of the connection are known.
func (h *Handshake) MayOpen() bool { return h.hasClient && h.view.has(&h.random) }

// Keys returns the keys that packets of a direction and a level may be protected with,
// for a version of QUIC: one, or, before the server has chosen the suite, those of the
// suites that may be; none without the secret.
func (h *Handshake) Keys(version uint32, d exchange.Dir, level Level) (list []*PacketKey) {
	l := quicLabelsOf(version)
	if !h.hasClient || l == nil {
		return nil
	}
	name := [2][3]label{{clientEarly, clientHandshake, clientTraffic}, {0, serverHandshake, serverTraffic}}[d][level]
	suites := []suite{h.suite}
	switch {
	case d == exchange.ToClient && level == LevelEarly:
		return nil
	case level == LevelEarly:
		// Those of the ticket, which the capture does not tell.
		suites = []suite{suiteOf(0x1301), suiteOf(0x1302), suiteOf(0x1303), suiteOf(0x1304)}
	case !h.hasServer:
		return nil
	}
	for _, s := range suites {
		if sec := h.view.find(&h.random, name, s.hash().Size()); sec != nil {
			if k := newPacketKey(l, s, sec.slice()); k != nil {
				list = append(list, k)
			}
		}
	}
	return list
}
