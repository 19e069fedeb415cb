package export

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"net/url"
	"slices"
	"strings"

	"recap/pipeline/exchange"
)

// Redaction says what is kept back from every output.
type Redaction uint8

// Levels of redaction.
const (
	// RedactNone writes everything as it was sent.
	RedactNone Redaction = iota
	// RedactHeaders takes credentials out of header and trailer fields
	// ([SecretHeader]), out of URLs wherever a field holds one (user names and
	// passwords in front of the host, parameters as of [SecretParameter]), and out
	// of head. Paths and bodies stay as they are.
	RedactHeaders
	// RedactStrict also takes out the value of every query parameter and of every
	// header field that is not on the list of [PlainHeader], and drops bodies: body
	// and body_sha256 are null (a hash gives a guessed body away), the sizes stay. So it does
	// with the payloads of messages of streams.
	RedactStrict
)

var redactionNames = [...]string{"none", "headers", "strict"}

func (r Redaction) String() string { return redactionNames[r] }

// ParseRedaction returns the level of that name.
func ParseRedaction(name string) (Redaction, error) {
	if i := slices.Index(redactionNames[:], name); i >= 0 {
		return Redaction(i), nil
	}
	return 0, fmt.Errorf("unknown redaction %q: known are %s", name, strings.Join(redactionNames[:], ", "))
}

// secretHeaders hold credentials; names that say so in part are found by their parts.
var secretHeaders = set("authorization", "proxy-authorization", "cookie", "cookie2", "set-cookie", "set-cookie2",
	"authentication-info", "proxy-authentication-info", "x-api-key", "x-goog-api-key", "x-functions-key",
	"ocp-apim-subscription-key", "x-amzn-oidc-data", "x-amz-server-side-encryption-customer-key",
	"x-ms-encryption-key", "x-session-id", "x-original-authorization", "dpop", "x-auth", "x-auth-key", "x-access-key")

var secretHeaderParts = []string{"token", "secret", "passw", "apikey", "api-key", "credential", "jwt"}

// SecretHeader reports whether values of fields of this name are taken out.
func SecretHeader(name string) bool {
	name = strings.ToLower(strings.TrimSpace(name))
	return secretHeaders[name] || containsAny(name, secretHeaderParts)
}

// plainHeaders describe the message and say nothing of who sent it.
var plainHeaders = set(":method", ":scheme", ":status", ":authority", ":path", "accept", "accept-encoding", "accept-language", "accept-ranges",
	"age", "allow", "cache-control", "connection", "content-disposition", "content-encoding", "content-language",
	"content-length", "content-range", "content-type", "date", "expect", "expires", "grpc-encoding", "grpc-status",
	"grpc-timeout", "host", "keep-alive", "last-modified", "location", "referer", "origin", "pragma", "range", "retry-after", "server", "te", "trailer",
	"transfer-encoding", "upgrade", "user-agent", "vary", "via", "sec-websocket-version", "sec-websocket-extensions",
	"strict-transport-security", "x-content-type-options", "x-frame-options")

// PlainHeader reports whether RedactStrict leaves fields of this name, URLs in them
// excepted.
func PlainHeader(name string) bool { return plainHeaders[strings.ToLower(strings.TrimSpace(name))] }

var secretParameters = set("key", "code", "sid", "sig", "pass", "pwd", "pin", "otp", "auth", "authorization", "authkey",
	"assertion", "samlresponse", "samlrequest", "ticket", "jsessionid", "phpsessid", "aspsessionid", "hmac")

var secretParameterParts = []string{"token", "secret", "passw", "apikey", "api_key", "api-key", "signature", "credential", "session", "jwt", "access_key", "accesskey"}

// SecretParameter reports whether values of URL parameters of this name are taken out.
func SecretParameter(name string) bool {
	if n, err := url.QueryUnescape(name); err == nil {
		name = n
	}
	name = strings.ToLower(strings.TrimSpace(name))
	return secretParameters[name] || containsAny(name, secretParameterParts)
}

func set(names ...string) map[string]bool {
	m := make(map[string]bool, len(names))
	for _, n := range names {
		m[n] = true
	}
	return m
}

func containsAny(s string, parts []string) bool {
	for _, p := range parts {
		if strings.Contains(s, p) {
			return true
		}
	}
	return false
}

// schemes of Authorization are kept: which one it was is no secret.
var schemes = set("basic", "bearer", "digest", "negotiate", "ntlm", "aws4-hmac-sha256", "dpop", "hawk", "sharedkey", "token", "apikey")

// NewRedactor returns a sink that hands redacted copies of the pairs to next; it
// never changes the pairs themselves. Without a key a secret becomes "redacted".
// With one it becomes "redacted-" and the first 16 hex digits of its HMAC-SHA256,
// so that equal secrets can be told from different ones without knowing them: the
// same key gives the same output again.
func NewRedactor(level Redaction, key []byte, next Sink) Sink {
	if level == RedactNone {
		return next
	}
	r := &redactor{next: next, strict: level == RedactStrict, names: map[string]bool{}}
	if len(key) > 0 {
		r.mac = hmac.New(sha256.New, key)
	}
	return r
}

type redactor struct {
	next    Sink
	strict  bool
	mac     hash.Hash
	pool    batchPool
	m       *memory
	secrets []string // taken out of the message at hand
	depth   int      // of URLs inside parameters of URLs
	names   map[string]bool
}

// maxNames bounds the names of fields whose kind a redactor remembers.
const maxNames = 1024

// hidesField is [SecretHeader] for a name that has most likely been seen before.
func (r *redactor) hidesField(name string) bool {
	hidden, ok := r.names[name]
	if !ok {
		hidden = SecretHeader(name)
		if len(r.names) < maxNames {
			r.names[strings.Clone(name)] = hidden
		}
	}
	return hidden
}

// memory is where copies live until their batch is released.
type memory struct {
	pairs    []exchange.Pair
	headers  []exchange.Header
	interims []exchange.Interim
	bytes    []byte
}

func (m *memory) reset() {
	clear(m.pairs)
	clear(m.headers)
	clear(m.interims)
	m.pairs, m.headers, m.interims, m.bytes = m.pairs[:0], m.headers[:0], m.interims[:0], m.bytes[:0]
}

func (r *redactor) Write(b *exchange.Batch) error {
	d := r.pool.derive(b)
	defer d.batch.Release()
	r.m = &d.memory
	// Room for all of them first: pointers into the slice are handed on.
	r.m.pairs = slices.Grow(r.m.pairs, len(b.Pairs))
	for _, p := range b.Pairs {
		r.m.pairs = append(r.m.pairs, *p)
		q := &r.m.pairs[len(r.m.pairs)-1]
		r.pair(q)
		d.batch.Pairs = append(d.batch.Pairs, q)
	}
	d.batch.Flows = append(d.batch.Flows, b.Flows...)
	for _, m := range b.Messages {
		if r.strict {
			c := *m
			c.Payload, c.Hashed, c.SHA256, c.ID = nil, false, [32]byte{}, ""
			m = &c
		}
		d.batch.Messages = append(d.batch.Messages, m)
	}
	r.m = nil
	return r.next.Write(d.batch)
}

func (r *redactor) Close() error { return r.next.Close() }

func (r *redactor) pair(p *exchange.Pair) {
	q := &p.Request
	r.secrets = r.secrets[:0]
	q.Target, q.URL, q.Path = r.url(q.Target), r.url(q.URL), r.url(q.Path)
	if q.Query != "" {
		q.Query = r.url("?" + q.Query)[1:]
	}
	if i := strings.LastIndexByte(q.Host, '@'); i >= 0 {
		q.Host = q.Host[i+1:]
	}
	r.message(&q.Message)
	r.secrets = r.secrets[:0]
	if len(p.Response.Interim) > 0 {
		at := len(r.m.interims)
		r.m.interims = append(r.m.interims, p.Response.Interim...)
		p.Response.Interim = r.m.interims[at:len(r.m.interims):len(r.m.interims)]
		for i := range p.Response.Interim {
			h := &p.Response.Interim[i].Headers
			*h = r.fields(*h)
		}
	}
	r.message(&p.Response.Message)
}

func (r *redactor) message(m *exchange.Message) {
	m.Headers, m.Trailers = r.fields(m.Headers), r.fields(m.Trailers)
	if strings.HasPrefix(m.Version, "HTTP/1.") || m.Version == "HTTP/0.9" {
		m.Head = r.head(m.Head)
	} else {
		m.Head = nil // packed fields, or a version that is not known: not text to take secrets out of
	}
	if r.strict {
		m.Body, m.HasBody, m.Hashed, m.BodySHA256 = nil, false, false, [32]byte{}
	}
	if m.Alt != nil {
		m.Alt = r.alt(m.Alt)
	}
}

// alt returns what may be shown of another reading. Its body may hold heads of further
// messages, and is left out.
func (r *redactor) alt(a *exchange.AltFraming) *exchange.AltFraming {
	c := *a
	c.Body, c.StartLines = nil, make([]string, len(a.StartLines))
	for i, l := range a.StartLines {
		c.StartLines[i] = r.startLine(l)
	}
	if r.strict {
		c.Hashed, c.BodySHA256 = false, [32]byte{}
	}
	return &c
}

// startLine takes secrets out of the target of a request line.
func (r *redactor) startLine(l string) string {
	parts := strings.SplitN(l, " ", 3)
	for i := range parts {
		parts[i] = r.url(parts[i])
	}
	return strings.Join(parts, " ")
}

func (r *redactor) fields(hs []exchange.Header) []exchange.Header {
	if len(hs) == 0 {
		return hs
	}
	at := len(r.m.headers)
	r.m.headers = append(r.m.headers, hs...)
	hs = r.m.headers[at:len(r.m.headers):len(r.m.headers)]
	for i := range hs {
		hs[i].Value = r.value(hs[i].Name, hs[i].Value)
	}
	return hs
}

// value returns what may be shown of the value of a field.
func (r *redactor) value(name, v string) string {
	switch {
	case v == "":
		return v
	case r.hidesField(name):
		if scheme, rest, ok := strings.Cut(v, " "); ok && schemes[strings.ToLower(scheme)] {
			return r.join(scheme+" ", r.secret(rest))
		}
		return r.secret(v)
	case r.strict && !PlainHeader(name):
		return r.secret(v)
	case strings.EqualFold(name, "host") || strings.EqualFold(name, ":authority"):
		if i := strings.LastIndexByte(v, '@'); i > 0 { // user information does not belong there
			return r.join(r.secret(v[:i]), v[i:])
		}
	}
	return r.url(v)
}

// secret returns what stands for s.
func (r *redactor) secret(s string) string {
	const word = "redacted"
	if s == word || s == "" {
		return s
	}
	r.secrets = append(r.secrets, s)
	if r.mac == nil {
		return word
	}
	r.mac.Reset()
	r.mac.Write([]byte(s))
	var sum [sha256.Size]byte
	b := append(make([]byte, 0, 32), word+"-"...)
	return string(hex.AppendEncode(b, r.mac.Sum(sum[:0])[:8]))
}

func (r *redactor) join(parts ...string) string {
	at := len(r.m.bytes)
	for _, p := range parts {
		r.m.bytes = append(r.m.bytes, p...)
	}
	return Peek(r.m.bytes[at:])
}

const (
	urlEnds    = " \t\r\n\"'<>"
	valueEnds  = urlEnds + "&#"
	paramStart = "?&#;"
)

// url takes secrets out of all URLs in s, whole or beginning with their path. Text
// without any comes back as it is.
func (r *redactor) url(s string) string {
	if !strings.ContainsAny(s, "?&#;@") {
		return s
	}
	start, done := len(r.m.bytes), 0
	cut := func(from, to int) {
		if from < to {
			r.m.bytes = append(append(r.m.bytes, s[done:from]...), r.secret(s[from:to])...)
			done = to
		}
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == ':' && strings.HasPrefix(s[i:], "://"):
			i += 3
			end := i + index(s[i:], "/?#"+urlEnds)
			if at := strings.LastIndexByte(s[i:end], '@'); at >= 0 {
				cut(i, i+at)
				i += at
			}
			i--
		case strings.IndexByte(paramStart, c) >= 0:
			end := i + 1 + index(s[i+1:], "="+paramStart+urlEnds)
			if end == len(s) || s[end] != '=' {
				i = end - 1
				continue
			}
			from := end + 1
			if !r.hides(c, s[i+1:end], s[from:from+index(s[from:], paramStart+urlEnds)]) {
				i = end
				continue
			}
			to := from + index(s[from:], valueEnds)
			cut(from, to)
			i = max(end, to-1)
		}
	}
	if done == 0 {
		return s
	}
	r.m.bytes = append(r.m.bytes, s[done:]...)
	return Peek(r.m.bytes[start:])
}

// hides reports whether the value of a parameter is to be taken out: because of
// its name, or because it is itself a URL, percent-encoded, with something to hide.
func (r *redactor) hides(sep byte, name, value string) bool {
	if SecretParameter(name) || r.strict && sep != ';' {
		return true
	}
	if r.depth == maxNested || !strings.Contains(value, "%") {
		return false
	}
	inner, err := url.QueryUnescape(value)
	if err != nil || inner == value {
		return false
	}
	mark, before := len(r.m.bytes), len(r.secrets)
	r.depth++
	changed := r.url(inner) != inner
	r.depth--
	r.m.bytes, r.secrets = r.m.bytes[:mark], r.secrets[:before]
	return changed
}

// maxNested is how deep URLs inside parameters of URLs are looked into.
const maxNested = 3

// index is strings.IndexAny, or the length where there is none.
func index(s, chars string) int {
	if i := strings.IndexAny(s, chars); i >= 0 {
		return i
	}
	return len(s)
}

// maxSecrets bounds the work on one head.
const maxSecrets = 256

// head returns the head without secrets: line by line, and then without any that
// was found in the message's fields before, in case lines divide otherwise than
// they seem to.
func (r *redactor) head(b []byte) []byte {
	if len(b) == 0 {
		return b
	}
	known := len(r.secrets)
	if known > maxSecrets {
		return nil // looking for all of them would take too long: the fields say the same
	}
	// A head without secrets, as most are, is handed on as it is.
	var out []byte
	all, done := Peek(b), 0
	hide, first := "", true
	for at := 0; at < len(all); {
		n := 1 + strings.IndexAny(all[at:], "\r\n")
		if n == 0 {
			n = len(all) - at
		}
		line, from := all[at:at+n], at
		at += n
		if c := line[n-1]; c == '\r' || c == '\n' {
			line = line[:n-1]
		}
		text := line
		switch name, value, ok := strings.Cut(line, ":"); {
		case len(line) == 0:
		case first:
			text, first = r.url(text), false
		case line[0] == ' ' || line[0] == '\t': // RFC 9112, section 5.2: goes on with the field before
			if hide != "" {
				text = " " + r.secret(strings.TrimSpace(text))
			} else {
				text = r.url(text)
			}
		case !ok:
			hide = ""
			text = r.url(text)
			if r.strict {
				text = r.secret(text)
			}
		default:
			hide = ""
			if r.hidesField(name) || r.strict && !PlainHeader(name) {
				hide = name
			}
			trimmed := strings.TrimLeft(value, " \t")
			if shown := r.value(name, trimmed); shown != trimmed {
				text = line[:len(line)-len(trimmed)] + shown
			}
		}
		if text != line {
			out = append(append(out, all[done:from]...), text...)
			done = from + len(line)
		}
	}
	if done == 0 {
		out = b
	} else {
		out = append(out, all[done:]...)
	}
	for _, s := range r.secrets[:known] {
		if len(s) >= 6 && bytes.Contains(out, []byte(s)) {
			out = bytes.ReplaceAll(out, []byte(s), []byte("redacted"))
		}
	}
	return out
}
