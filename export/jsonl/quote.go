package jsonl

import (
	"encoding/base64"
	"unsafe"

	"recap/pipeline/exchange/jsontext"
)

const hexDigits = "0123456789abcdef"

// AppendString appends s as a JSON string. Bytes that are not UTF-8, which the
// pipeline has already taken out, are written \xNN.
func AppendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for {
		var n int
		if dst, n = jsontext.Append(dst, unsafe.Slice(unsafe.StringData(s), len(s))); n == len(s) {
			return append(dst, '"')
		}
		dst = append(dst, `\\x`...)
		dst = append(dst, hexDigits[s[n]>>4], hexDigits[s[n]&15])
		s = s[n+1:]
	}
}

// AppendBody appends b as a JSON string: as the text it is where it is valid
// UTF-8, else in base64. It says which. Either way b can be had back to the byte.
func AppendBody(dst, b []byte) (_ []byte, encoding string) {
	start := len(dst)
	dst = append(dst, '"')
	dst, n := jsontext.Append(dst, b)
	if n == len(b) {
		return append(dst, '"'), "utf8"
	}
	return AppendBase64(dst[:start], b), "base64"
}

// AppendBase64 appends b as a JSON string in standard base64 with padding.
func AppendBase64(dst, b []byte) []byte {
	dst = append(dst, '"')
	dst = base64.StdEncoding.AppendEncode(dst, b)
	return append(dst, '"')
}
