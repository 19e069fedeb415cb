package http

import (
	"bytes"
	"errors"
	"net/url"
	"slices"
	"strings"

	"recap/pipeline/exchange"
)

// Why a pair is left out.
var (
	errNoRequest  = errors.New("the capture holds no request")
	errNotWhole   = errors.New("the capture does not hold the whole request")
	errUnsafe     = errors.New("its method may change something at the target")
	errConnect    = errors.New("it asks for a tunnel")
	errUpgrade    = errors.New("it leaves HTTP for another protocol")
	errUnsendable = errors.New("its method, target or header fields cannot be sent")
)

// leftOut names the counters of those, as they stand in the report.
var leftOut = []struct {
	err  error
	name string
}{
	{errNoRequest, "no_request"}, {errNotWhole, "not_whole"}, {errUnsafe, "unsafe_method"},
	{errConnect, "connect"}, {errUpgrade, "upgrade"}, {errUnsendable, leftOutUnsendable},
}

const leftOutUnsendable = "unsendable"

// refusal returns why the request of p is not sent, or nil.
func (o *Options) refusal(p *exchange.Pair) error {
	r := &p.Request
	switch {
	case !r.Present || r.Method == "":
		return errNoRequest
	case r.Method == "CONNECT":
		return errConnect
	case !o.AllowUnsafe && !safe(r.Method):
		return errUnsafe
	case p.Kind == "websocket", p.Response.Present && p.Response.Status == 101:
		return errUpgrade
	case len(r.Gaps) > 0 || int64(len(r.Body)) < r.BodySize:
		return errNotWhole
	case p.State == exchange.Partial && !r.Hashed && r.HasBody:
		// The sender stopped early: the body is shorter than it was meant to be.
		return errNotWhole
	}
	return nil
}

// safe reports whether a method is defined not to change anything (RFC 9110,
// section 9.2.1; PROPFIND, REPORT and SEARCH by the RFCs that define them). Names of methods are case-sensitive.
func safe(method string) bool {
	switch method {
	case "GET", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "REPORT", "SEARCH", "QUERY":
		return true
	}
	return false
}

// A request is what is sent in place of a recorded one. Its strings point into the pair.
type request struct {
	method string
	target string // origin form, or "*"
	host   string
	old    bool // HTTP/1.0
	fields []exchange.Header
	body   []byte
	// length says that the size of the body is told, also where it is 0.
	length bool
	// close and keep are what the recorded Connection field asked for.
	close, keep bool
}

// prepare fills q with what is sent for the request r. The list of fields is used again.
func (t *Target) prepare(q *request, r *exchange.Request, protocol string) error {
	*q = request{method: r.Method, target: t.target(r), old: protocol == "HTTP/1.0" || protocol == "HTTP/0.9",
		fields: q.fields[:0], body: r.Body}
	q.length = len(r.Body) > 0 || r.HasBody || r.Method == "POST" || r.Method == "PUT" || r.Method == "PATCH"
	recorded := r.Host
	for _, h := range fieldsOf(&r.Message) {
		switch {
		case strings.HasPrefix(h.Name, ":"):
			continue
		case strings.EqualFold(h.Name, "Host"):
			recorded = h.Value
			continue
		case strings.EqualFold(h.Name, "Connection"):
			q.close = q.close || hasItem(h.Value, "close")
			q.keep = q.keep || hasItem(h.Value, "keep-alive")
			continue
		case t.removed(h.Name):
			continue
		}
		q.fields = append(q.fields, h)
	}
	q.fields = append(q.fields, t.o.SetHeaders...)
	q.host = t.host(recorded)
	return q.check()
}

// fieldsOf returns the header fields of m as they were sent: where a string had to
// be escaped, only the head holds the truth.
func fieldsOf(m *exchange.Message) []exchange.Header {
	if !m.HeadEscaped || len(m.Head) == 0 {
		return m.Headers
	}
	var list []exchange.Header
	_, rest, _ := bytes.Cut(m.Head, []byte("\n"))
	for line := range bytes.Lines(rest) {
		name, value, ok := bytes.Cut(bytes.TrimRight(line, "\r\n"), []byte(":"))
		if ok {
			list = append(list, exchange.Header{Name: string(name), Value: string(bytes.Trim(value, " \t"))})
		}
	}
	return list
}

// framing are fields that belong to a connection, to the framing of a message or to
// a proxy that is not there, and those that the writer gives itself. An expectation
// is not sent, because the body follows at once.
var framing = []string{"Content-Length", "Expect", "Http2-Settings", "Keep-Alive", "Proxy-Connection",
	"Te", "Trailer", "Transfer-Encoding", "Upgrade", "X-Replay-Id"}

// isOwn reports whether a field is what the sender gives each request by itself.
func isOwn(name string) bool {
	return slices.ContainsFunc(slices.Concat(framing, []string{"Connection", "Content-Encoding"}), func(f string) bool { return strings.EqualFold(f, name) })
}

func (t *Target) removed(name string) bool { return has(t.remove, name) }

// removals are the lower-case names of fields that are taken from every request.
func (o *Options) removals() map[string]bool {
	m := map[string]bool{
		// The body is kept decoded, and sent so.
		"content-encoding": true,
	}
	for _, name := range slices.Concat(framing, o.RemoveHeaders) {
		m[strings.ToLower(name)] = true
	}
	for _, h := range o.SetHeaders {
		m[strings.ToLower(h.Name)] = true
	}
	return m
}

// target returns the request target in origin form, behind the path of the URL that
// --to gave. A recorded absolute form names a host that is none of our business.
func (t *Target) target(r *exchange.Request) string {
	s := r.Target
	if s == "*" {
		return s
	}
	if !strings.HasPrefix(s, "/") {
		if _, rest, ok := strings.Cut(s, "://"); ok {
			if i := strings.IndexAny(rest, "/?#"); i >= 0 {
				s = rest[i:]
			} else {
				s = ""
			}
		}
		if !strings.HasPrefix(s, "/") {
			s = "/" + s
		}
	}
	return t.prefix + s
}

// host returns the value of the Host field for a recorded one.
func (t *Target) host(recorded string) string {
	if len(t.o.HostMap) > 0 {
		if to, ok := t.o.HostMap[strings.ToLower(recorded)]; ok {
			return to
		}
		if to, ok := t.o.HostMap["*"]; ok {
			return to
		}
	}
	if recorded == "" {
		return t.url.Host
	}
	return recorded
}

// check reports an error where a part of q would be read as something else by a
// server: what comes from HTTP/2 or from other tools may hold any byte.
func (q *request) check() error {
	if !isToken(q.method) || !isTarget(q.target) || !isHost(q.host) {
		return errUnsendable
	}
	for i := range q.fields {
		if !isToken(q.fields[i].Name) || !isFieldValue(q.fields[i].Value) {
			return errUnsendable
		}
	}
	return nil
}

// isToken reports whether s is a token (RFC 9110, section 5.6.2).
func isToken(s string) bool {
	for i := range len(s) {
		if !tokenBytes[s[i]] {
			return false
		}
	}
	return s != ""
}

var tokenBytes = func() (t [256]bool) {
	for _, c := range []byte("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") {
		t[c] = true
	}
	return t
}()

// isTarget allows all that does not end the target or the line.
func isTarget(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] == 0x7f {
			return false
		}
	}
	return s != ""
}

func isHost(s string) bool { return s == "" || isTarget(s) && !strings.ContainsAny(s, "/?#@\\") }

// isFieldValue allows what stays inside one line.
func isFieldValue(s string) bool {
	for i := range len(s) {
		if c := s[i]; c == '\r' || c == '\n' || c == 0 {
			return false
		}
	}
	return true
}

// hasItem reports whether a comma-separated list holds an item, in any case.
func hasItem(list, item string) bool {
	for part := range strings.SplitSeq(list, ",") {
		if strings.EqualFold(strings.TrimSpace(part), item) {
			return true
		}
	}
	return false
}

// StripCredentials takes out of r what a server would take for proof of identity:
// fields that carry it, user names in the target, parameters that are named for it.
// It is what is done without [Options.Strip]; it knows fewer names than a tool
// that is about redaction. The list of fields that r came with is not changed.
func StripCredentials(r *exchange.Request) {
	secret := func(h exchange.Header) bool { return credential(h.Name) }
	r.Headers, r.HeadEscaped = fieldsOf(&r.Message), false
	if slices.ContainsFunc(r.Headers, secret) {
		r.Headers = slices.DeleteFunc(slices.Clone(r.Headers), secret)
	}
	if before, query, ok := strings.Cut(r.Target, "?"); ok {
		r.Target = before + stripQuery(query)
	}
}

func stripQuery(query string) string {
	var kept []string
	for part := range strings.SplitSeq(query, "&") {
		name, _, _ := strings.Cut(part, "=")
		if n, err := url.QueryUnescape(name); err == nil {
			name = n
		}
		if !credential(name) {
			kept = append(kept, part)
		}
	}
	if len(kept) == 0 {
		return ""
	}
	return "?" + strings.Join(kept, "&")
}

// credentials are parts of names and credentialWords whole words in them, in lower case.
var (
	credentials = []string{"authoriz", "cookie", "token", "secret", "passw", "api-key", "apikey", "api_key", "access-key",
		"access_key", "credential", "signature"}
	credentialWords = []string{"auth", "sig", "sid", "session", "jwt", "dpop"}
)

func credential(name string) bool {
	name = strings.ToLower(name)
	for _, part := range credentials {
		if strings.Contains(name, part) {
			return true
		}
	}
	for word := range strings.FieldsFuncSeq(name, func(r rune) bool { return r == '-' || r == '_' || r == '.' }) {
		if slices.Contains(credentialWords, word) {
			return true
		}
	}
	return false
}
