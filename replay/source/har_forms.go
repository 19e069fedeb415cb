package source

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"mime"
	"strconv"
	"strings"
	"time"

	"recap/pipeline/exchange"
)

// This file reads what tools write in other forms than HAR 1.2 has them.

// A harNumber is a whole number, also where it is written in quotes or with a point.
type harNumber int64

// UnmarshalJSON implements [encoding/json.Unmarshaler].
func (n *harNumber) UnmarshalJSON(b []byte) error {
	if whole, err := strconv.ParseInt(string(b), 10, 64); err == nil {
		*n = harNumber(whole)
		return nil
	}
	v, err := harFloat(b)
	if err == nil && math.Abs(v) > 1<<53 {
		err = fmt.Errorf("the number %.40s is too large", b)
	}
	*n = harNumber(v)
	return err
}

// code is n as a status, 0 where it cannot be one.
func (n harNumber) code() int32 {
	if n < 0 || n > 999 {
		return 0
	}
	return int32(n)
}

// harMillis is a time in ms, also in quotes; -1 where it does not apply.
type harMillis float64

// UnmarshalJSON implements [encoding/json.Unmarshaler].
func (n *harMillis) UnmarshalJSON(b []byte) error {
	v, err := harFloat(b)
	*n = harMillis(v)
	return err
}

// harFloat reads a number; null and the empty text are 0.
func harFloat(b []byte) (float64, error) {
	text := string(bytes.Trim(b, `" `))
	if text == "" || text == "null" {
		return 0, nil
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(v) {
		return 0, fmt.Errorf("%.40q is no number", text)
	}
	return v, nil
}

// harName is a text that some tools write as a number.
type harName string

// UnmarshalJSON implements [encoding/json.Unmarshaler].
func (n *harName) UnmarshalJSON(b []byte) error {
	text := string(b)
	switch {
	case text == "null":
		return nil
	case text[0] == '"':
		text = text[1 : len(text)-1] // names are told apart, not read
	case text[0] == '{' || text[0] == '[':
		return fmt.Errorf("%.40q is no name", text)
	}
	*n = harName(text)
	return nil
}

// harTime is a time as ISO 8601 has it.
type harTime struct{ time.Time }

// harLayouts are the forms of RFC 3339 and those of tools that leave out the colon of the
// zone, or the zone, which is UTC then.
var harLayouts = [...]string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999Z0700", "2006-01-02T15:04:05.999999999"}

// UnmarshalJSON implements [encoding/json.Unmarshaler].
func (t *harTime) UnmarshalJSON(b []byte) error {
	text := strings.Trim(string(b), `"`)
	if text == "" || text == "null" {
		return nil
	}
	for _, layout := range harLayouts {
		if v, err := time.Parse(layout, strings.Replace(text, " ", "T", 1)); err == nil {
			t.Time = v
			return nil
		}
	}
	return fmt.Errorf("%.40q is no time", text)
}

// A harURL is what the URL of an entry says about the request.
type harURL struct{ scheme, host, port, target string }

// cutURL divides a URL. Nothing of it but the fragment is changed, where a request line
// can hold it: browsers send more than URLs may have, such as a lone %. It is false for
// what is no request of HTTP, such as data: and blob:.
func cutURL(method, text string) (u harURL, ok bool) {
	text, _, _ = strings.Cut(text, "#")
	scheme, rest, found := strings.Cut(text, "://")
	switch {
	case method == "CONNECT": // RFC 9110, section 9.3.6: the target is host and port
		if !found {
			rest = text
		}
		u.scheme = "http"
		u.host, _, _ = strings.Cut(rest, "/")
		u.target = escaped(u.host)
		return u, u.host != ""
	case found:
		u.scheme = strings.ToLower(scheme)
	case strings.HasPrefix(text, "/"):
		u.target = escaped(text)
		return u, true
	}
	u.port = map[string]string{"http": "80", "https": "443", "ws": "80", "wss": "443"}[u.scheme]
	if u.port == "" {
		return u, false
	}
	i := strings.IndexAny(rest, "/?")
	if i < 0 {
		i = len(rest)
	}
	u.host, u.target = rest[:i], escaped(rest[i:])
	u.host = u.host[strings.LastIndexByte(u.host, '@')+1:]
	if at := strings.LastIndexByte(u.host, ':'); at > strings.LastIndexByte(u.host, ']') {
		u.port = u.host[at+1:]
	}
	if !strings.HasPrefix(u.target, "/") {
		u.target = "/" + u.target
	}
	return u, u.host != ""
}

// escaped is s without what cannot stand in a request line.
func escaped(s string) string {
	out := []byte(nil)
	for i := range len(s) {
		if c := s[i]; c > ' ' && c < 0x7f {
			if out != nil {
				out = append(out, c)
			}
			continue
		}
		if out == nil {
			out = append(make([]byte, 0, len(s)+16), s[:i]...)
		}
		out = fmt.Appendf(out, "%%%02X", s[i])
	}
	if out == nil {
		return s
	}
	return string(out)
}

var errBase64 = errors.New("a body is not the base64 that it should be")

// harBody returns the bytes of a text, which may be base64, in either alphabet.
func harBody(text, encoding string) ([]byte, error) {
	if !strings.EqualFold(encoding, "base64") {
		return []byte(text), nil
	}
	text = strings.NewReplacer("-", "+", "_", "/", "\r", "", "\n", "", "=", "").Replace(text)
	body, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return nil, errBase64
	}
	return body, nil
}

// body sets the body of a request. Of a form with files there are only names and values,
// and what was around them is not known.
func (q *harRequest) body(m *exchange.Message) {
	d := q.PostData
	size := max(int64(q.BodySize), 0)
	switch {
	case d == nil:
		setBody(m, nil, size)
	case d.Text != "":
		body, err := harBody(d.Text, d.Encoding+d.Standard)
		if err != nil {
			setBody(m, nil, max(size, 1))
			return
		}
		setBody(m, body, int64(len(body)))
	case len(d.Params) == 0:
		setBody(m, nil, 0)
	case d.MIME == "" || strings.HasPrefix(strings.ToLower(d.MIME), "application/x-www-form-urlencoded"):
		text := form(d.Params)
		setBody(m, []byte(text), int64(len(text)))
	default:
		setBody(m, nil, max(size, 1))
	}
}

// body sets the body of a response to a request of this method.
func (s *harResponse) body(m *exchange.Message, method string) {
	size := max(int64(s.Content.Size), 0)
	if method == "HEAD" || s.Status/100 == 1 || s.Status == 204 || s.Status == 304 {
		setBody(m, nil, 0)
		return
	}
	if s.Content.Text == nil { // tools leave bodies out and keep the size
		setBody(m, nil, size)
		return
	}
	body, err := harBody(*s.Content.Text, s.Content.Encoding)
	if err != nil {
		setBody(m, nil, max(size, 1))
		return
	}
	if have := int64(len(body)); have >= size || !s.sizeIsOf(m, have) {
		size = have
	}
	setBody(m, body, size)
}

// sizeIsOf reports whether the size that an entry tells is that of the decoded body, so
// that a text of fewer bytes, have, was cut. Some tools tell the size on the wire, and a
// text in another character set was made UTF-8.
func (s *harResponse) sizeIsOf(m *exchange.Message, have int64) bool {
	if int64(s.Content.Size+s.Content.Compression) == have {
		return false
	}
	if coded := field(m, "Content-Encoding"); coded != "" && s.Content.Size == s.BodySize {
		return false
	}
	_, parameters, _ := mime.ParseMediaType(s.Content.MIME)
	set := strings.ToLower(parameters["charset"])
	return s.Content.Encoding != "" || set == "" || set == "utf-8" || set == "us-ascii"
}
