package record

import (
	"strconv"
	"strings"
	"unsafe"

	"recap/pipeline/exchange/jsontext"
)

// maxShort is up to which length a look at the whole of a text pays, bytes: most are plain.
const maxShort = 128

// appendText appends b as a JSON string. As encoding/json does, it writes U+FFFD
// for bytes that are not UTF-8: what cannot be said in JSON is lost there too.
func appendText(dst, b []byte) []byte {
	return append(appendInside(append(dst, '"'), b), '"')
}

// appendInside appends the inside of what appendText appends.
func appendInside(dst, b []byte) []byte {
	if len(b) <= maxShort && jsontext.Plain(b) {
		return append(dst, b...)
	}
	for {
		var n int
		if dst, n = jsontext.Append(dst, b); n == len(b) {
			return dst
		}
		dst = append(dst, "\uFFFD"...)
		b = b[n+1:]
	}
}

// appendString is appendText of a string.
func appendString(dst []byte, s string) []byte {
	return appendText(dst, bytesOf(s))
}

// bytesOf are the bytes of s, which must not be changed.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

// appendField appends `"name":"value"` with the comma that stands before it.
func appendField(dst []byte, name, value string) []byte {
	return appendString(appendKey(dst, name), value)
}

// appendTextField is appendField of bytes.
func appendTextField(dst []byte, name string, value []byte) []byte {
	return appendText(appendKey(dst, name), value)
}

// appendNumber appends `"name":value`.
func appendNumber(dst []byte, name string, value int64) []byte {
	return strconv.AppendInt(appendKey(dst, name), value, 10)
}

// appendCount appends `"name":"value"`: a number as a string.
func appendCount(dst []byte, name string, value int64) []byte {
	dst = strconv.AppendInt(append(appendKey(dst, name), '"'), value, 10)
	return append(dst, '"')
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
