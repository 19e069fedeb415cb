package app

import (
	"strings"
	"unicode/utf8"
)

// Escape writes bytes that are not part of valid UTF-8 as \xNN.
func Escape(b []byte) string {
	const hex = "0123456789abcdef"
	out := make([]byte, 0, len(b)+16)
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 {
			out = append(out, '\\', 'x', hex[b[0]>>4], hex[b[0]&15])
		} else {
			out = append(out, b[:n]...)
		}
		b = b[n:]
	}
	return string(out)
}

// HostOnly cuts the port off an authority.
func HostOnly(a string) string {
	i := strings.LastIndexByte(a, ':')
	if i < 0 || strings.IndexByte(a[i:], ']') >= 0 {
		return a
	}
	for _, c := range []byte(a[i+1:]) {
		if c < '0' || c > '9' {
			return a
		}
	}
	if strings.IndexByte(a[:i], ':') >= 0 && a[0] != '[' {
		return a // a bare IPv6 address
	}
	return a[:i]
}
