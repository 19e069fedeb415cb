package tls

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
)

// isGREASE reports whether v is one of the values that clients strew in to keep
// servers tolerant (RFC 8701); fingerprints leave them out.
func isGREASE(v uint16) bool { return v&0x0f0f == 0x0a0a && v>>8 == v&0xff }

// words returns the 16-bit values of b without GREASE.
func words(b []byte) []uint16 {
	list := make([]uint16, 0, len(b)/2)
	for ; len(b) >= 2; b = b[2:] {
		if v := binary.BigEndian.Uint16(b); !isGREASE(v) {
			list = append(list, v)
		}
	}
	return list
}

// wordList returns the 16-bit list of an extension that holds one behind a 16-bit length.
func (h *clientHello) wordList(typ uint16) []uint16 {
	body, _ := find(h.extensions, typ)
	r := reader{b: body}
	return words(r.vec16())
}

func (h *clientHello) types() []uint16 {
	list := make([]uint16, 0, len(h.extensions))
	for _, e := range h.extensions {
		if !isGREASE(e.typ) {
			list = append(list, e.typ)
		}
	}
	return list
}

func joinDecimal(dst []byte, list []uint16) []byte {
	for i, v := range list {
		if i > 0 {
			dst = append(dst, '-')
		}
		dst = strconv.AppendUint(dst, uint64(v), 10)
	}
	return dst
}

// ja3 returns the JA3 fingerprint, the MD5 of "version,suites,extensions,groups,
// point formats" in decimal and in the order sent (https://github.com/salesforce/ja3).
func (h *clientHello) ja3() string {
	sum := md5.Sum(h.ja3Text())
	return hex.EncodeToString(sum[:])
}

func (h *clientHello) ja3Text() []byte {
	b := strconv.AppendUint(make([]byte, 0, 256), uint64(h.version), 10)
	b = joinDecimal(append(b, ','), words(h.suites))
	b = joinDecimal(append(b, ','), h.types())
	b = joinDecimal(append(b, ','), h.wordList(extGroups))
	body, _ := find(h.extensions, extPointFormats)
	r := reader{b: body}
	formats := r.vec8()
	b = append(b, ',')
	for i, v := range formats {
		if i > 0 {
			b = append(b, '-')
		}
		b = strconv.AppendUint(b, uint64(v), 10)
	}
	return b
}

// ja4 returns the JA4 fingerprint of a hello (FoxIO's technical description, JA4
// only): transport, "t" for TCP or "q" for QUIC, version, whether a server name is there, how many
// suites and extensions, the first and last letter of the first protocol offered;
// then 12 hex digits of the SHA-256 of the sorted suites, and of the sorted extensions
// with the signature algorithms in the order sent.
func (h *clientHello) ja4(transport byte) string {
	suites, types := words(h.suites), h.types()
	sni := byte('i')
	if _, ok := find(h.extensions, extServerName); ok {
		sni = 'd'
	}
	a := fmt.Sprintf("%c%s%c%02d%02d%s", transport, h.ja4Version(), sni, min(len(suites), 99), min(len(types), 99), h.ja4ALPN())
	slices.Sort(suites)
	types = slices.DeleteFunc(types, func(t uint16) bool { return t == extServerName || t == extALPN })
	slices.Sort(types)
	c := joinHex(nil, types)
	if algorithms := h.wordList(extSignatures); len(algorithms) > 0 {
		c = joinHex(append(c, '_'), algorithms)
	}
	none := len(types) == 0
	return a + "_" + shortHash(joinHex(nil, suites), len(suites) == 0) + "_" + shortHash(c, none)
}

func joinHex(dst []byte, list []uint16) []byte {
	for i, v := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = hex.AppendEncode(dst, []byte{byte(v >> 8), byte(v)})
	}
	return dst
}

func shortHash(b []byte, none bool) string {
	if none {
		return "000000000000"
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:6])
}

// ja4Version is the highest version offered.
func (h *clientHello) ja4Version() string {
	v := h.version
	if body, ok := find(h.extensions, extSupportedVersions); ok {
		r := reader{b: body}
		if list := words(r.vec8()); len(list) > 0 {
			v = slices.Max(list)
		}
	}
	switch v {
	case versionTLS13:
		return "13"
	case versionTLS12:
		return "12"
	case versionTLS11:
		return "11"
	case versionTLS10:
		return "10"
	case versionSSL3:
		return "s3"
	case 0x0002:
		return "s2"
	}
	return "00"
}

// ja4ALPN is the first and last character of the first protocol offered; of the
// hex form where one of them is neither letter nor digit.
func (h *clientHello) ja4ALPN() string {
	out := "00"
	first := true
	protocols(h.extensions, func(p []byte) {
		if !first {
			return
		}
		first = false
		if len(p) == 0 {
			return
		}
		a, z := p[0], p[len(p)-1]
		if isAlnum(a) && isAlnum(z) {
			out = string([]byte{a, z})
			return
		}
		const digits = "0123456789abcdef"
		out = string([]byte{digits[a>>4], digits[z&15]})
	})
	return out
}

func isAlnum(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
}
