package record

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// appendString appends s as a JSON string. As encoding/json does, it writes U+FFFD
// for bytes that are not UTF-8: what cannot be said in JSON is lost there too.
func appendString[T string | []byte](dst []byte, s T) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := decodeRune(s[i:])
			if r == utf8.RuneError && n == 1 {
				dst = append(append(dst, s[start:i]...), "\uFFFD"...)
				start = i + 1
			}
			i += n
			continue
		}
		if c >= ' ' && c != '"' && c != '\\' {
			i++
			continue
		}
		dst = append(dst, s[start:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		i++
		start = i
	}
	return append(append(dst, s[start:]...), '"')
}

// decodeRune is utf8.DecodeRune for both kinds of text.
func decodeRune[T string | []byte](s T) (rune, int) {
	var b [utf8.UTFMax]byte
	return utf8.DecodeRune(b[:copy(b[:], s)])
}

// appendField appends `"name":"value"` with the comma that stands before it.
func appendField[T string | []byte](dst []byte, name string, value T) []byte {
	return appendString(appendKey(dst, name), value)
}

// appendNumber appends `"name":value`.
func appendNumber(dst []byte, name string, value int64) []byte {
	return strconv.AppendInt(appendKey(dst, name), value, 10)
}

// appendKey appends `"name":`, behind a comma where an element stands before it.
// name needs no escapes.
func appendKey(dst []byte, name string) []byte {
	dst = separate(dst)
	dst = append(dst, '"')
	dst = append(dst, name...)
	return append(dst, '"', ':')
}

// separate appends a comma unless dst ends where a list or an object has just begun.
func separate(dst []byte) []byte {
	if c := dst[len(dst)-1]; c != '{' && c != '[' {
		dst = append(dst, ',')
	}
	return dst
}

// textSize is the size of a body that was read as JSON text, -1 where it cannot be
// known: U+FFFD may stand for any byte that is not UTF-8.
func textSize(s string) int64 {
	if strings.Contains(s, "\uFFFD") {
		return -1
	}
	return int64(len(s))
}
