// Package jsontext writes text of messages as JSON strings, eight bytes at a time.
package jsontext

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// Masks of eight bytes at a time.
const (
	high  = 0x8080808080808080
	ones  = 0x0101010101010101
	quote = ones * '"'
	slash = ones * '\\'
)

// special is not 0 if a byte of w is one that JSON cannot take as it is, or not ASCII.
func special(w uint64) uint64 {
	q, s := w^quote, w^slash
	return (w | (w - ones*0x20) | ((q - ones) &^ q) | ((s - ones) &^ s)) & high
}

// An escape says what becomes of one byte: one or two bytes, the first in the low
// end, and how many they are. A hard one takes more thought: a control character
// without a short escape, or a byte of a longer character.
type escape uint32

const hard escape = 1 << 31

var escapes = func() (t [256]escape) {
	for i := range t {
		t[i] = escape(i) | 1<<16
		if i < 0x20 || i >= utf8.RuneSelf {
			t[i] |= hard
		}
	}
	for c, e := range map[byte]byte{'"': '"', '\\': '\\', '\n': 'n', '\r': 'r', '\t': 't', '\b': 'b', '\f': 'f'} {
		t[c] = '\\' | escape(e)<<8 | 2<<16
	}
	return t
}()

// Plain reports whether s is ASCII that a JSON string holds as it is.
func Plain(s []byte) bool {
	if len(s) < 8 {
		for _, c := range s {
			if escapes[c] != escape(c)|1<<16 {
				return false
			}
		}
		return true
	}
	m := special(binary.LittleEndian.Uint64(s[len(s)-8:])) // the last ones may be looked at twice
	for ; len(s) >= 8; s = s[8:] {
		m |= special(binary.LittleEndian.Uint64(s))
	}
	return m == 0
}

// span is how many bytes of input are escaped between two looks at the room that
// is left; an escape makes at most six bytes of one.
const span = 2048

// Append appends s as the inside of a JSON string, without the quotes (RFC 8259, section 7). It stops at the first
// byte that is not part of valid UTF-8 and returns how many bytes of s it took.
func Append(dst, s []byte) ([]byte, int) {
	i := 0
	for i < len(s) {
		part := s[:min(i+span, len(s))]
		dst = slices.Grow(dst, 6*(len(part)-i)+24)
		var n int
		n, i = escapeInto(dst[len(dst):cap(dst)], part, i)
		dst = dst[:len(dst)+n]
		if i < len(part) {
			// The end of part may have cut a character.
			k := 0
			if part[i] >= utf8.RuneSelf {
				k = character(s[i:])
			}
			if k == 0 {
				return dst, i
			}
			dst = append(dst, s[i:i+k]...)
			i += k
		}
	}
	return dst, i
}

// escapeInto writes what becomes of s[i:] into buf, which has room for six times as
// many bytes and 24 more. It stops early at what is not UTF-8 within s, and returns
// how far it got in both.
func escapeInto(buf, s []byte, i int) (n, _ int) {
	plain := 0 // words in a row that had nothing to escape
	for i < len(s) {
		for i+8 <= len(s) {
			w := binary.LittleEndian.Uint64(s[i:])
			m := special(w)
			if m == 0 {
				binary.LittleEndian.PutUint64(buf[n:], w)
				i, n = i+8, n+8
				if plain++; plain >= inARow {
					k := copyPlain(buf[n:], s[i:])
					i, n, plain = i+k, n+k, 0
				}
				continue
			}
			plain = 0
			if w&0x80 != 0 {
				break
			}
			k := escape8(buf[n:], w, m)
			if k == 0 {
				break
			}
			i, n = i+8, n+k
		}
		for end := min(i+8, len(s)); i < end; {
			e := escapes[s[i]]
			switch {
			case e < hard:
				binary.LittleEndian.PutUint16(buf[n:], uint16(e))
				n += int(e >> 16)
				i++
			case s[i] < 0x20:
				n += copy(buf[n:], `\u00`)
				buf[n], buf[n+1] = hexDigits[s[i]>>4], hexDigits[s[i]&15]
				n += 2
				i++
			default:
				k := character(s[i:])
				if k == 0 {
					return n, i
				}
				for range k {
					buf[n] = s[i]
					i, n = i+1, n+1
				}
			}
		}
	}
	return n, i
}

// inARow is after how many plain words longer runs are tried: text that is full of
// quotes would pay for trying.
const inARow = 16

// copyPlain copies s, four words at a time, as far as each is plain, and returns how
// many bytes that is. dst has room for all of s.
func copyPlain(dst, s []byte) int {
	n := 0
	for ; n+32 <= len(s); n += 32 {
		in, out := s[n:n+32], dst[n:n+32]
		a, b := binary.LittleEndian.Uint64(in), binary.LittleEndian.Uint64(in[8:])
		c, d := binary.LittleEndian.Uint64(in[16:]), binary.LittleEndian.Uint64(in[24:])
		if special(a)|special(b)|special(c)|special(d) != 0 {
			break
		}
		binary.LittleEndian.PutUint64(out, a)
		binary.LittleEndian.PutUint64(out[8:], b)
		binary.LittleEndian.PutUint64(out[16:], c)
		binary.LittleEndian.PutUint64(out[24:], d)
	}
	return n
}

// escape8 writes what becomes of the eight bytes of w, in which special found m,
// into dst, which has room for 24, and returns how many bytes that is; 0 if one of
// them is hard.
func escape8(dst []byte, w, m uint64) int {
	d := dst[:24]
	n, left := 0, 8
	for m != 0 {
		k := bits.TrailingZeros64(m) >> 3
		binary.LittleEndian.PutUint64(d[n:], w)
		w >>= 8 * k
		e := escapes[byte(w)]
		if e >= hard {
			return 0
		}
		n += k
		binary.LittleEndian.PutUint16(d[n:], uint16(e))
		n += int(e >> 16)
		w >>= 8
		m >>= 8 * (k + 1)
		left -= k + 1
	}
	binary.LittleEndian.PutUint64(d[n:], w)
	return n + left
}

// character returns the length of the character that s begins with, which is not
// ASCII; 0 where it is not valid UTF-8 (RFC 3629, section 4). The commonest forms
// are looked at here, the ones with rules of their own in unicode/utf8.
func character(s []byte) int {
	c := s[0]
	switch {
	case len(s) >= 2 && c >= 0xc2 && c <= 0xdf && s[1]&0xc0 == 0x80:
		return 2
	case len(s) >= 3 && (c >= 0xe1 && c <= 0xec || c >= 0xee && c <= 0xef) && s[1]&0xc0 == 0x80 && s[2]&0xc0 == 0x80:
		return 3
	}
	r, n := utf8.DecodeRune(s)
	if r == utf8.RuneError && n == 1 {
		return 0
	}
	return n
}
