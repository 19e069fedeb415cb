package http1

import (
	"bytes"
	"encoding/binary"

	"recap/pipeline/exchange"
)

// Verdict of detection.
type Verdict uint8

// No: the bytes are something else. More: too few to tell. Yes: HTTP/1 begins here.
const (
	No Verdict = iota
	More
	Yes
)

// maxLine bounds how far a start line is looked at before it is given up, bytes.
const maxLine = 64 << 10

// DetectRequest tells whether a request line begins at b: method, target and, unless
// it is HTTP/0.9, a version that is HTTP's.
func DetectRequest(b []byte) Verdict {
	if b = trimEmptyLines(b); len(b) == 0 {
		return More
	}
	if IsJunk(b) { // such as a keep-alive probe (RFC 9293, section 3.8.4)
		return No
	}
	b = b[leadingJunk(b):]
	n := 0
	for n < len(b) && n < 32 && isToken(b[n]) {
		n++
	}
	if n == len(b) && n < 32 {
		return More
	}
	switch {
	case n > 0 && loneMethod(b):
		return More // the answer will tell
	case n == 0 || n == 32 || b[n] != ' ' && b[n] != '\t':
		return No
	}
	method := b[:n]
	known := isKnownMethod(method)
	line := b
	eol := bytes.IndexByte(b, '\n')
	if eol >= 0 {
		line = bytes.TrimRight(b[:eol], "\r")
	}
	rest := line[n+1:]
	if !known && !allToken(method) {
		return No
	}
	if eol >= 0 && len(bytes.TrimSpace(rest)) == 0 {
		return No
	}
	if i := lastVersion(rest); i >= 0 {
		v := rest[i:]
		if len(v) >= 5 && bytes.EqualFold(v[:5], []byte("HTTP/")) {
			if eol >= 0 || known {
				return Yes
			}
			return More
		}
	}
	if eol < 0 {
		if len(line) > maxLine {
			return No
		}
		if len(rest) > 0 && !targetStart(rest[0]) && !known {
			return No
		}
		return More
	}
	// Without a version: HTTP/0.9 (RFC 1945, section 4.1), or a version forgotten.
	// Then the method and the target must leave no doubt, because other protocols
	// have lines of words too.
	if known && !foreignVersion(rest) && (rest[0] == '/' || rest[0] == '*' || hasFold(rest, "http")) {
		return Yes
	}
	return No
}

// loneMethod reports whether b begins with a line that holds a known method and nothing
// else, and what follows, if anything does, may be the rest of a head. Scanners send that;
// but other protocols have commands of the same names, such as POST of NNTP.
func loneMethod(b []byte) bool {
	line, rest := nextLine(b)
	if !isKnownMethod(bytes.TrimRight(line, " \t\r\n")) || line[len(line)-1] != '\n' && line[len(line)-1] != '\r' {
		return false
	}
	if len(rest) == 0 {
		return true
	}
	line, _ = nextLine(rest)
	return len(trimEOL(line)) == 0 || bytes.IndexByte(line, ':') > 0
}

// foreignVersion reports whether a request line ends in the version of another
// protocol, such as RTSP/1.0 or SIP/2.0.
func foreignVersion(rest []byte) bool {
	i := lastVersion(rest)
	if i < 0 {
		return false
	}
	name, number, ok := bytes.Cut(rest[i:], []byte("/"))
	return ok && len(name) > 0 && allUpper(name) && len(number) > 0 && isDigit(number[0])
}

func hasFold(b []byte, prefix string) bool {
	return len(b) >= len(prefix) && bytes.EqualFold(b[:len(prefix)], []byte(prefix))
}

// lastVersion returns where the last word of a request line's rest begins, -1 for none.
func lastVersion(rest []byte) int {
	rest = bytes.TrimRight(rest, " \t")
	i := bytes.LastIndexByte(rest, ' ')
	if j := bytes.LastIndexByte(rest, '\t'); j > i {
		i = j
	}
	if i < 0 {
		return -1
	}
	return i + 1
}

// DetectResponse tells whether a status line begins at b.
func DetectResponse(b []byte) Verdict {
	b = trimEmptyLines(b)
	const want = "HTTP/"
	if len(b) < len(want)+1 {
		if len(b) == 0 || bytes.EqualFold(b, []byte(want)[:min(len(b), len(want))]) {
			return More
		}
		return No
	}
	if bytes.EqualFold(b[:len(want)], []byte(want)) && b[len(want)] >= '0' && b[len(want)] <= '9' {
		return Yes
	}
	return No
}

// StrictStart reports whether a message begins at b beyond reasonable doubt: the
// test for places where the reader is out of step. b may end inside the line.
func StrictStart(d exchange.Dir, b []byte) bool {
	line := b
	eol := bytes.IndexByte(b, '\n')
	if eol >= 0 {
		line = bytes.TrimRight(b[:eol], "\r")
	}
	if d == exchange.ToClient {
		// HTTP/1.x SP 3DIGIT
		return len(line) >= 12 && string(line[:7]) == "HTTP/1." && isDigit(line[7]) && line[8] == ' ' &&
			isDigit(line[9]) && isDigit(line[10]) && isDigit(line[11]) && (len(line) == 12 || line[12] == ' ')
	}
	n := 0
	for n < len(line) && n < 32 && isToken(line[n]) {
		n++
	}
	if n == 0 || n >= len(line) || line[n] != ' ' {
		return false
	}
	// An unknown method may be the end of a known one whose beginning is elsewhere.
	known := isKnownMethod(line[:n])
	if eol < 0 {
		return known && len(line) > n+1 && targetStart(line[n+1])
	}
	i := lastVersion(line[n+1:])
	if i < 0 {
		return false
	}
	v := line[n+1+i:]
	return known && len(v) == 8 && string(v[:7]) == "HTTP/1." && isDigit(v[7])
}

// plausible is the test for places where a message must begin: it keeps out only
// what no lenient reader would take for one.
func plausible(d exchange.Dir, b []byte) bool {
	if d == exchange.ToServer {
		return isToken(b[0])
	}
	const want = "HTTP/"
	n := min(len(b), len(want))
	return bytes.EqualFold(b[:n], []byte(want)[:n])
}

// maxLeading bounds the blanks and NUL that are passed over before a request line, bytes.
const maxLeading = 8

// leadingJunk returns how many bytes stand before the request line in b that servers pass
// over: line ends and, of a sender that plays with them, blanks and NUL.
func leadingJunk(b []byte) int {
	n, odd := 0, 0
	for n < len(b) && odd <= maxLeading && (isBlank(b[n]) || b[n] == '\n') {
		if !isEOL(b[n]) {
			odd++
		}
		n++
	}
	return n
}

// IsJunk reports whether b holds blanks or NUL, and nothing else but line ends.
func IsJunk(b []byte) bool {
	return len(trimEmptyLines(b)) > 0 && leadingJunk(b) == len(b)
}

// maxPreamble bounds what may stand before the first request of a connection, bytes. The
// header that proxies put there is not longer (PROXY protocol, sections 2.1 and 2.2).
const maxPreamble = 256

// BehindPreamble reports whether a request begins, beyond reasonable doubt, a few bytes
// into b, where a connection begins.
func BehindPreamble(b []byte) bool {
	line, _ := nextLine(b)
	if foreignVersion(bytes.TrimRight(line, "\r\n")) {
		return false
	}
	for i := 1; i < min(len(b), maxPreamble); i++ {
		if mayFollow(b, i) && StrictStart(exchange.ToServer, b[i:]) && bytes.IndexByte(b[i:], '\n') >= 0 {
			return true
		}
	}
	return false
}

// mayFollow reports whether at i, behind bytes that belong to no message, the method of a
// request may begin.
func mayFollow(b []byte, i int) bool {
	return b[i] >= 'A' && b[i] <= 'Z' && (!isToken(b[i-1]) || i == proxyEnd(b))
}

// proxyEnd returns where the binary header ends that a proxy has put at the beginning of b,
// of which blanks may have been passed over; -1 where there is none (PROXY protocol, section 2.2).
func proxyEnd(b []byte) int {
	const word, fixed = "QUIT\n", 9
	i := bytes.Index(b[:min(len(b), 12)], []byte(word))
	if i < 0 || len(b) < i+fixed {
		return -1
	}
	return i + fixed + int(binary.BigEndian.Uint16(b[i+fixed-2:]))
}

func trimEmptyLines(b []byte) []byte {
	for len(b) > 0 && (b[0] == '\r' || b[0] == '\n') {
		b = b[1:]
	}
	return b
}

func targetStart(c byte) bool {
	return c == '/' || c == '*' || c == '%' || isAlpha(c) || isDigit(c) || c == '['
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
func isAlpha(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// tokenChars are those of RFC 9110, section 5.6.2.
var tokenChars = func() (t [256]bool) {
	for c := 0; c < 256; c++ {
		t[c] = isAlpha(byte(c)) || isDigit(byte(c))
	}
	for _, c := range "!#$%&'*+-.^_`|~" {
		t[c] = true
	}
	return t
}()

func isToken(c byte) bool { return tokenChars[c] }

func allToken(b []byte) bool {
	for _, c := range b {
		if !isToken(c) {
			return false
		}
	}
	return len(b) > 0
}

func allUpper(b []byte) bool {
	for _, c := range b {
		if (c < 'A' || c > 'Z') && c != '-' && c != '_' {
			return false
		}
	}
	return len(b) > 0
}

// methods are those of the IANA registry and some that are seen beside it.
var methods = map[string]bool{
	"GET": true, "HEAD": true, "POST": true, "PUT": true, "DELETE": true, "CONNECT": true, "OPTIONS": true, "TRACE": true,
	"PATCH": true, "ACL": true, "BASELINE-CONTROL": true, "BIND": true, "CHECKIN": true, "CHECKOUT": true, "COPY": true,
	"LABEL": true, "LINK": true, "LOCK": true, "MERGE": true, "MKACTIVITY": true, "MKCALENDAR": true, "MKCOL": true,
	"MKREDIRECTREF": true, "MKWORKSPACE": true, "MOVE": true, "ORDERPATCH": true, "PROPFIND": true, "PROPPATCH": true,
	"QUERY": true, "REBIND": true, "REPORT": true, "SEARCH": true, "UNBIND": true, "UNCHECKOUT": true, "UNLINK": true,
	"UNLOCK": true, "UPDATE": true, "UPDATEREDIRECTREF": true, "VERSION-CONTROL": true, "NOTIFY": true, "SUBSCRIBE": true,
	"UNSUBSCRIBE": true, "PURGE": true, "POLL": true, "BCOPY": true, "BDELETE": true, "BMOVE": true, "BPROPFIND": true,
	"BPROPPATCH": true, "RPC_IN_DATA": true, "RPC_OUT_DATA": true, "CCM_POST": true, "SOURCE": true,
}

func isKnownMethod(b []byte) bool { return methods[string(b)] }

// knownPrefix reports whether b begins some known method.
func knownPrefix(b []byte) bool {
	for m := range methods {
		if len(b) <= len(m) && m[:len(b)] == string(b) {
			return true
		}
	}
	return false
}

// startLine reports whether a whole line may be the start line of a message, read
// leniently, where one must be.
func startLine(d exchange.Dir, line []byte) bool {
	if d == exchange.ToClient {
		return DetectResponse(line) == Yes
	}
	if DetectRequest(line) == Yes || loneMethod(line) {
		return true
	}
	n := 0
	for n < len(line) && isToken(line[n]) {
		n++
	}
	return n < len(line) && line[n] == ' ' && isKnownMethod(line[:n]) && len(bytes.TrimSpace(line[n:])) > 0
}

// usualStart reports whether b begins as nearly all messages do, so that nothing
// closer needs to be looked at.
func usualStart(d exchange.Dir, b []byte) bool {
	if len(b) < 16 {
		return false
	}
	if d == exchange.ToClient {
		return string(b[:7]) == "HTTP/1."
	}
	switch b[0] {
	case 'G':
		return string(b[:5]) == "GET /"
	case 'P':
		return string(b[:6]) == "POST /" || string(b[:5]) == "PUT /"
	case 'D':
		return string(b[:8]) == "DELETE /"
	case 'H':
		return string(b[:6]) == "HEAD /"
	}
	return false
}

// oddStart tells whether a head begins at b whose first line is no status line but
// something like one, or missing: a header field follows on the next line, or the first
// one is a field.
func oddStart(b []byte, last bool) Verdict {
	const most = 256
	v := fieldLike(b)
	i := bytes.IndexAny(b[:min(len(b), most)], "\r\n")
	switch {
	case i < 0 && len(b) < most && !last:
		return More
	case bytes.Index(b[:min(len(b), 16, max(i, 0))], []byte("HTTP/1.")) > 0: // a start line behind a few bytes
		return No
	case i < 0 || v != Yes && !statusLike(b[:i]):
		return No
	}
	v, _ = looksOn(b[i:])
	if v == More && last {
		return No
	}
	return v
}

// statusLike reports whether line may be meant to be a status line: it begins with
// HTTP, but for other bytes between the letters, or with ICY, as streaming servers
// write it, or has the number of a status.
func statusLike(line []byte) bool {
	letters := squeezed(line[:min(len(line), 12)])
	if bytes.HasPrefix(letters, []byte("http")) || bytes.HasPrefix(letters, []byte("icy")) {
		return true
	}
	for _, other := range [][]byte{[]byte("sip"), []byte("rtsp")} {
		if bytes.HasPrefix(letters, other) {
			return false
		}
	}
	_, rest, ok := bytes.Cut(bytes.TrimLeft(line, " \t"), []byte(" "))
	return ok && len(rest) >= 3 && isDigit(rest[0]) && isDigit(rest[1]) && isDigit(rest[2]) && (len(rest) == 3 || rest[3] == ' ')
}
