package tls

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/hmac"
	"crypto/rc4"
	"encoding/binary"
	"hash"

	"golang.org/x/crypto/chacha20poly1305"
)

// headerLen is the length of a record header: type, version, length.
const headerLen = 5

// Content types of records (RFC 8446, section 5.1; 24 is RFC 6520).
const (
	typeCCS       = 20
	typeAlert     = 21
	typeHandshake = 22
	typeData      = 23
	typeHeartbeat = 24
)

// maxPayload bounds the length field of a record: 2^14 and what a cipher of TLS 1.2
// may add (RFC 5246, section 6.2.3).
const maxPayload = 1<<14 + 2048

// An unsealer is the half of a cipher.AEAD that opens.
type unsealer interface {
	Open(dst, nonce, sealed, aad []byte) ([]byte, error)
}

// An opener opens the records of one direction under one set of keys.
type opener struct {
	version uint16
	bulk    bulk
	tls13   bool
	updates int  // key updates before
	brief   bool // it is for a handshake: few records
	iv      [12]byte
	ivLen   int // of iv that is fixed; the rest stands in the record
	aead    unsealer

	block  cipher.Block
	cbc    cipher.BlockMode
	rc4    *rc4.Cipher
	last   [16]byte // TLS 1.0: end of the record before
	hasIV  bool     // last is known
	mac    hash.Hash
	macLen int
	etm    bool

	tag   int
	nonce [12]byte
	aad   [13]byte
	sum   [64]byte

	secret []byte // TLS 1.3: for the next generation
	suite  suite
	// explicit is the nonce that the last record that opened carried, and its
	// sequence number: most peers count both up alike.
	explicit, explicitSeq uint64
	hasExplicit           bool
}

// newOpener13 returns an opener for a traffic secret (RFC 8446, section 7.3).
func newOpener13(s suite, secret []byte) *opener {
	o := &opener{version: versionTLS13, tls13: true, suite: s, secret: secret, bulk: s.bulk, tag: s.tag}
	copy(o.iv[:], expandLabel(s.hash, secret, "iv", 12))
	o.ivLen = 12
	if !o.setKey(s, expandLabel(s.hash, secret, "key", s.key)) {
		return nil
	}
	return o
}

// next returns the opener after a key update (RFC 8446, section 7.2).
func (o *opener) next() *opener {
	n := newOpener13(o.suite, expandLabel(o.suite.hash, o.secret, "traffic upd", o.suite.hash().Size()))
	if n != nil {
		n.updates = o.updates + 1
	}
	return n
}

// newOpener12 returns an opener for keys out of the key block (RFC 5246, section 6.3).
func newOpener12(version uint16, s suite, key, mac, iv []byte, etm bool) *opener {
	o := &opener{version: version, suite: s, bulk: s.bulk, tag: s.tag, macLen: s.macLen, etm: etm && s.bulk != rc4Stream && s.tag == 0}
	o.ivLen = copy(o.iv[:], iv)
	if s.bulk == aesCBC || s.bulk == desCBC {
		copy(o.last[:], iv)
		o.hasIV = len(iv) > 0
	}
	if s.tag == 0 {
		o.mac = hmac.New(s.mac, mac)
	}
	if !o.setKey(s, key) {
		return nil
	}
	return o
}

func (o *opener) setKey(s suite, key []byte) bool {
	var err error
	switch s.bulk {
	case gcm, ccm, aesCBC:
		o.block, err = aes.NewCipher(key)
	case desCBC:
		o.block, err = des.NewTripleDESCipher(key)
	case chacha:
		o.aead, err = chacha20poly1305.New(key)
	case rc4Stream:
		o.rc4, err = rc4.NewCipher(key)
	case null:
	default:
		return false
	}
	if err == nil && s.bulk == gcm {
		o.aead, err = cipher.NewGCM(o.block)
	}
	if err == nil && s.bulk == ccm {
		o.aead = &ccmMode{block: o.block, tag: s.tag}
	}
	if err == nil && (s.bulk == aesCBC || s.bulk == desCBC) {
		o.cbc = cipher.NewCBCDecrypter(o.block, o.last[:o.block.BlockSize()])
	}
	return err == nil
}

// lead returns how many bytes of a payload come before the encrypted ones.
func (o *opener) lead() int {
	switch {
	case o.tls13:
		return 0
	case o.bulk == gcm || o.bulk == ccm:
		return 8
	case o.cbc != nil && o.version >= versionTLS11:
		return o.block.BlockSize()
	}
	return 0
}

// overhead returns what a record of application data takes beside the data, header
// included; -1 where records differ. Of TLS 1.3 it leaves padding out.
func (o *opener) overhead() int {
	switch {
	case o.tls13:
		return headerLen + 1 + o.tag
	case o.tag > 0:
		return headerLen + o.lead() + o.tag
	case o.cbc != nil:
		return -1
	}
	return headerLen + o.macLen
}

// open decrypts the record rec, header included, with the sequence number seq. It
// returns the plaintext, appended to dst, and its content type.
func (o *opener) open(dst, rec []byte, seq uint64) (plain []byte, typ byte, ok bool) {
	payload := rec[headerLen:]
	switch {
	case o.aead != nil:
		plain, typ, ok = o.openAEAD(dst, rec, payload, seq)
	case o.cbc != nil:
		plain, ok = o.openCBC(dst, rec, payload, seq)
		typ = rec[0]
	default:
		plain, ok = o.openStream(dst, rec, payload, seq)
		typ = rec[0]
	}
	return plain, typ, ok
}

func (o *opener) openAEAD(dst, rec, payload []byte, seq uint64) ([]byte, byte, bool) {
	lead := o.lead()
	if len(payload) < lead+o.tag {
		return nil, 0, false
	}
	o.nonce = o.iv
	var aad []byte
	if lead > 0 {
		copy(o.nonce[4:], payload[:8])
	} else {
		binary.BigEndian.PutUint64(o.nonce[4:], binary.BigEndian.Uint64(o.iv[4:])^seq)
	}
	sealed := payload[lead:]
	if o.tls13 {
		aad = append(o.aad[:0], rec[:headerLen]...)
	} else {
		aad = binary.BigEndian.AppendUint64(o.aad[:0], seq)
		n := len(sealed) - o.tag
		aad = append(aad, rec[0], rec[1], rec[2], byte(n>>8), byte(n))
	}
	plain, err := o.aead.Open(dst, o.nonce[:], sealed, aad)
	if err != nil {
		return nil, 0, false
	}
	if !o.tls13 {
		if lead > 0 {
			o.explicit, o.explicitSeq, o.hasExplicit = binary.BigEndian.Uint64(payload), seq, true
		}
		return plain, rec[0], true
	}
	// The content type is the last byte that is not 0 (RFC 8446, section 5.2).
	i := len(plain) - 1
	for i >= len(dst) && plain[i] == 0 {
		i--
	}
	if i < len(dst) {
		return nil, 0, false
	}
	return plain[:i], plain[i], true
}

// macOf computes the MAC over a record's content (RFC 5246, section 6.2.3.1), or
// over what was encrypted (RFC 7366, section 3).
func (o *opener) macOf(rec, content []byte, seq uint64) []byte {
	b := binary.BigEndian.AppendUint64(o.aad[:0], seq)
	b = append(b, rec[0], rec[1], rec[2], byte(len(content)>>8), byte(len(content)))
	o.mac.Reset()
	o.mac.Write(b)
	o.mac.Write(content)
	return o.mac.Sum(o.sum[:0])
}

func (o *opener) openCBC(dst, rec, payload []byte, seq uint64) ([]byte, bool) {
	size := o.block.BlockSize()
	lead := o.lead()
	body := payload
	if o.etm {
		if len(payload) < o.macLen {
			return nil, false
		}
		body = payload[:len(payload)-o.macLen]
		if !bytes.Equal(o.macOf(rec, body, seq), payload[len(body):]) {
			return nil, false
		}
	}
	if len(body) < lead+size || (len(body)-lead)%size != 0 {
		return nil, false
	}
	if lead > 0 {
		o.setIV(body[:size])
	} else {
		if !o.hasIV {
			return nil, false
		}
		o.setIV(o.last[:size])
	}
	at := len(dst)
	dst = append(dst, body[lead:]...)
	plain := dst[at:]
	o.cbc.CryptBlocks(plain, plain)
	pad := int(plain[len(plain)-1]) + 1
	n := len(plain) - pad
	if !o.etm {
		n -= o.macLen
	}
	if n < 0 {
		return nil, false
	}
	for _, b := range plain[len(plain)-pad:] {
		if int(b) != pad-1 {
			return nil, false
		}
	}
	if !o.etm && !bytes.Equal(o.macOf(rec, plain[:n], seq), plain[n:n+o.macLen]) {
		return nil, false
	}
	return dst[:at+n], true
}

// passed tells that the record rec is over, opened or not: TLS 1.0 chains records
// (RFC 2246, section 6.2.3.2).
func (o *opener) passed(rec []byte) {
	if o.cbc == nil || o.lead() > 0 {
		return
	}
	end := rec
	if o.etm {
		end = rec[:max(headerLen, len(rec)-o.macLen)]
	}
	size := o.block.BlockSize()
	if o.hasIV = len(end) >= headerLen+size; o.hasIV {
		copy(o.last[:], end[len(end)-size:])
	}
}

// ready reports whether what a record needs of the one before is known.
func (o *opener) ready() bool { return o.cbc == nil || o.lead() > 0 || o.hasIV }

func (o *opener) setIV(iv []byte) {
	if m, ok := o.cbc.(interface{ SetIV([]byte) }); ok {
		m.SetIV(iv)
		return
	}
	o.cbc = cipher.NewCBCDecrypter(o.block, iv)
}

// openStream opens RC4 and NULL records.
func (o *opener) openStream(dst, rec, payload []byte, seq uint64) ([]byte, bool) {
	n := len(payload) - o.macLen
	if n < 0 {
		return nil, false
	}
	at := len(dst)
	dst = append(dst, payload...)
	plain := dst[at:]
	var before rc4.Cipher
	if o.rc4 != nil {
		before = *o.rc4
		o.rc4.XORKeyStream(plain, plain)
	}
	if !bytes.Equal(o.macOf(rec, plain[:n], seq), plain[n:]) {
		if o.rc4 != nil {
			*o.rc4 = before
		}
		return nil, false
	}
	return dst[:at+n], true
}
