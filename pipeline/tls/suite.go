package tls

import (
	"fmt"
	"hash"
	"strings"
)

type bulk uint8

const (
	unsupported bulk = iota
	gcm
	ccm
	chacha
	aesCBC
	desCBC
	rc4Stream
	null
)

// A suite is what a cipher suite means for records.
type suite struct {
	id     uint16
	bulk   bulk
	key    int // bytes
	tag    int // bytes, of an AEAD
	mac    func() hash.Hash
	macLen int
	hash   func() hash.Hash // of the key schedule
	tls13  bool
}

// suiteName returns the registered name, or the number.
func suiteName(id uint16) string {
	if n, ok := suiteNames[id]; ok {
		return n
	}
	return fmt.Sprintf("0x%04X", id)
}

// suiteOf reads the properties of a suite out of its name, as the registry forms them.
func suiteOf(id uint16) suite {
	s := suite{id: id, hash: newSHA256}
	name := suiteNames[id]
	kx, rest, ok := strings.Cut(name, "_WITH_")
	if !ok {
		rest = strings.TrimPrefix(name, "TLS_")
		s.tls13 = id>>8 == 0x13
		if !s.tls13 {
			return s
		}
	}
	if strings.Contains(kx, "EXPORT") || strings.Contains(kx, "KRB5") {
		return s
	}
	if strings.HasSuffix(rest, "_SHA384") {
		s.hash = newSHA384
	}
	switch {
	case strings.HasPrefix(rest, "AES_128_"):
		s.key = 16
	case strings.HasPrefix(rest, "AES_256_"):
		s.key = 32
	}
	switch {
	case strings.HasPrefix(rest, "CHACHA20_POLY1305"):
		s.bulk, s.key, s.tag = chacha, 32, 16
	case s.key > 0 && strings.Contains(rest, "_GCM_"):
		s.bulk, s.tag = gcm, 16
	case s.key > 0 && strings.Contains(rest, "_CCM"):
		s.bulk, s.tag = ccm, 16
		if strings.Contains(rest, "_CCM_8") {
			s.tag = 8
		}
	case s.key > 0 && strings.Contains(rest, "_CBC_"):
		s.bulk = aesCBC
	case strings.HasPrefix(rest, "3DES_EDE_CBC_"):
		s.bulk, s.key = desCBC, 24
	case strings.HasPrefix(rest, "RC4_128_"):
		s.bulk, s.key = rc4Stream, 16
	case strings.HasPrefix(rest, "NULL_"):
		s.bulk = null
	}
	if s.tag > 0 {
		return s
	}
	switch rest[strings.LastIndexByte(rest, '_')+1:] {
	case "SHA":
		s.mac, s.macLen = newSHA1, 20
	case "SHA256":
		s.mac, s.macLen = newSHA256, 32
	case "SHA384":
		s.mac, s.macLen = newSHA384, 48
	case "MD5":
		s.mac, s.macLen = newMD5, 16
	default:
		s.bulk = unsupported
	}
	return s
}
