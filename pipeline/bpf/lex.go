package bpf

import (
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

// kind is the kind of a token.
type kind uint8

const (
	tokEnd kind = iota
	tokWord
	tokName // a word after a backslash: no keyword
	tokNumber
	tokDotted // two to four decimal numbers with dots
	tokIPv6
	tokMAC
	tokOp // text says which
)

type token struct {
	kind kind
	pos  int
	text string
	num  uint32 // of tokNumber; of tokDotted, at the upper end of 32 bits
	bits int    // given by a tokDotted: 16, 24 or 32
	addr netip.Addr
	mac  [6]byte
	pair int // of a parenthesis: index of the other one
}

var (
	macText    = regexp.MustCompile(`^(?:(?:[0-9a-fA-F]{1,2}[:.-]){5}[0-9a-fA-F]{1,2}|(?:[0-9a-fA-F]{4}\.){2}[0-9a-fA-F]{4})`)
	dottedText = regexp.MustCompile(`^[0-9]+(?:\.[0-9]+){1,3}`)
	numberText = regexp.MustCompile(`^(?:0[xX][0-9a-fA-F]+|[0-9]+)`)
	wordText   = regexp.MustCompile(`^[A-Za-z0-9](?:[-_.A-Za-z0-9]*[.A-Za-z0-9])?`)
	addrText   = regexp.MustCompile(`^[0-9a-fA-F:.]+`)
	opText     = regexp.MustCompile(`^(?:<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&|^<>=!()\[\]:])`)
)

// maxExpr bounds the length of expressions, bytes.
const maxExpr = 64 << 10

// lex divides expr into tokens; the last one is tokEnd.
func lex(expr string) ([]token, error) {
	if len(expr) > maxExpr {
		return nil, &Error{expr, maxExpr, "the expression is too long"}
	}
	var list []token
	var open []int
	for pos := 0; ; {
		for pos < len(expr) && strings.IndexByte(" \t\r\n", expr[pos]) >= 0 {
			pos++
		}
		if pos == len(expr) {
			break
		}
		t, n, msg := next(expr[pos:])
		if msg != "" {
			return nil, &Error{expr, pos, msg}
		}
		t.pos = pos
		switch t.text {
		case "(":
			open = append(open, len(list))
		case ")":
			if len(open) == 0 {
				return nil, &Error{expr, pos, "there is no parenthesis to close"}
			}
			t.pair = open[len(open)-1]
			list[t.pair].pair = len(list)
			open = open[:len(open)-1]
		}
		list = append(list, t)
		pos += n
	}
	if len(open) > 0 {
		return nil, &Error{expr, list[open[len(open)-1]].pos, "the parenthesis is not closed"}
	}
	return append(list, token{kind: tokEnd, pos: len(expr)}), nil
}

// next returns the token at the start of s and its length, or what is wrong.
func next(s string) (t token, n int, msg string) {
	if s[0] == '\\' {
		w := wordText.FindString(s[1:])
		if w == "" {
			return t, 0, "a name must follow the backslash"
		}
		return token{kind: tokName, text: w}, 1 + len(w), ""
	}
	if m := macText.FindString(s); m != "" && !continues(s[len(m):]) {
		return token{kind: tokMAC, text: m, mac: parseMAC(m)}, len(m), ""
	}
	if a := addrText.FindString(s); strings.Count(a, ":") >= 2 {
		if addr, err := netip.ParseAddr(a); err == nil {
			return token{kind: tokIPv6, text: a, addr: addr}, len(a), ""
		}
	}
	if d := dottedText.FindString(s); d != "" && !continues(s[len(d):]) {
		return dotted(d)
	}
	if d := numberText.FindString(s); d != "" && !continues(s[len(d):]) {
		v, err := strconv.ParseUint(d, 0, 32)
		if err != nil {
			return t, 0, "the number is not one of 32 bits"
		}
		return token{kind: tokNumber, text: d, num: uint32(v)}, len(d), ""
	}
	if w := wordText.FindString(s); w != "" {
		return token{kind: tokWord, text: w}, len(w), ""
	}
	if o := opText.FindString(s); o != "" {
		return token{kind: tokOp, text: o}, len(o), ""
	}
	return t, 0, "this is not part of the language"
}

// continues reports whether the word that ends before s goes on in it.
func continues(s string) bool {
	w := wordText.FindString(s)
	return w != "" || len(s) > 1 && strings.IndexByte("-_.", s[0]) >= 0 && s[0] != '-' && wordText.MatchString(s[1:])
}

// dotted reads two to four numbers with dots, the first one the highest byte.
func dotted(s string) (t token, n int, msg string) {
	t = token{kind: tokDotted, text: s}
	for _, part := range strings.Split(s, ".") {
		v, err := strconv.ParseUint(part, 10, 8)
		if err != nil {
			return t, 0, "a part of the address is above 255"
		}
		t.bits += 8
		t.num |= uint32(v) << (32 - t.bits)
	}
	return t, len(s), ""
}

func parseMAC(s string) (mac [6]byte) {
	parts := strings.FieldsFunc(s, func(r rune) bool { return r == ':' || r == '.' || r == '-' })
	if len(parts) == 3 {
		for i, p := range parts {
			v, _ := strconv.ParseUint(p, 16, 16)
			mac[2*i], mac[2*i+1] = byte(v>>8), byte(v)
		}
		return mac
	}
	for i, p := range parts {
		v, _ := strconv.ParseUint(p, 16, 8)
		mac[i] = byte(v)
	}
	return mac
}
