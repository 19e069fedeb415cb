package record

import (
	"encoding/json"
	"net/url"
	"strings"

	"recap/pipeline/exchange"
)

// MaxMetloBody bounds a request body that Metlo's collector reads, bytes;
// MaxMetloQueue is how many traces wait there before more are dropped.
const (
	MaxMetloBody  = 2 << 20
	MaxMetloQueue = 1000
)

// metlo appends a trace as Metlo's collector takes it.
func (m *Maker) metlo(dst []byte, p *exchange.Pair, marker []byte) []byte {
	client, server := ends(p)
	req, resp := &p.Request, &p.Response
	dst = append(dst, `{"request":{"url":{`...)
	dst = appendField(dst, "host", req.Host)
	dst = appendField(dst, "path", req.Path)
	dst = append(appendParameters(append(dst, `,"parameters":[`...), req.Query), `]},"headers":[`...)
	dst = append(m.nameValues(dst, &req.Message, marker), ']')
	dst = appendField(dst, "method", req.Method)
	dst = appendTextField(dst, "body", req.Body)
	dst = append(dst, `},"response":{`...)
	if resp.Present {
		dst = appendNumber(dst, "status", int64(resp.Status))
		dst = append(m.nameValues(append(dst, `,"headers":[`...), &resp.Message, marker), ']')
		dst = appendTextField(dst, "body", resp.Body)
	}
	dst = append(dst, `},"meta":{"environment":"production","incoming":true`...)
	dst = appendField(dst, "source", address(client))
	dst = appendNumber(dst, "sourcePort", int64(client.Port))
	dst = appendField(dst, "destination", address(server))
	dst = appendNumber(dst, "destinationPort", int64(server.Port))
	return append(dst, "}}"...)
}

// appendParameters appends the fields of a query string, in order. A path may hold
// none of it: the collector refuses "?" and "=" there.
func appendParameters(dst []byte, query string) []byte {
	for part := range strings.SplitSeq(query, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		dst = appendNameValue(dst, unescaped(name), unescaped(value))
	}
	return dst
}

// unescaped undoes the escapes of a query string; what is malformed stays as it is.
func unescaped(s string) string {
	if t, err := url.QueryUnescape(s); err == nil {
		return t
	}
	return s
}

func (m *Maker) nameValues(dst []byte, msg *exchange.Message, marker []byte) []byte {
	for _, h := range m.headers(msg, marker) {
		dst = appendNameValue(dst, h.Name, h.Value)
	}
	return dst
}

func appendNameValue(dst []byte, name, value string) []byte {
	dst = append(separate(dst), '{')
	return append(appendField(appendField(dst, "name", name), "value", value), '}')
}

// A MetloTrace is one trace of a batch.
type MetloTrace struct {
	Request struct {
		URL struct {
			Host       string      `json:"host"`
			Path       string      `json:"path"`
			Parameters []nameValue `json:"parameters"`
		} `json:"url"`
		Headers []nameValue `json:"headers"`
		Method  string      `json:"method"`
		Body    string      `json:"body"`
	} `json:"request"`
	Response struct {
		Status  int32       `json:"status"`
		Headers []nameValue `json:"headers"`
		Body    string      `json:"body"`
	} `json:"response"`
	Meta struct {
		Source      string `json:"source"`
		Destination string `json:"destination"`
	} `json:"meta"`
}

type nameValue struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// BadPath tells why the collector refuses the path of the trace, "" where it does not.
func (t *MetloTrace) BadPath() string { return badMetloPath(t.Request.URL.Path) }

// Refused tells why the collector would drop the trace without a word although its
// path is good, "" where it would not.
func (t *MetloTrace) Refused() string {
	switch {
	case t.Request.Method == "":
		return ReasonNoMethod
	case t.Response.Status == 0:
		return ReasonNoResponse
	}
	return ""
}

func badMetloPath(path string) string {
	switch {
	case !strings.HasPrefix(path, "/"):
		return ReasonRelativePath
	case strings.ContainsAny(path, `?<>&=\`):
		return ReasonPathCharacter
	}
	empty := 0
	for token := range strings.SplitSeq(path, "/") {
		if token == "" {
			empty++
		}
	}
	if empty > 2 {
		return ReasonEmptyTokens
	}
	return ""
}

// Pair returns the pair that the trace tells of.
func (t *MetloTrace) Pair() *exchange.Pair {
	p := newPair(t.Meta.Source, t.Meta.Destination)
	target := t.Request.URL.Path
	for i, q := range t.Request.URL.Parameters {
		target += string("?&"[min(i, 1)]) + url.QueryEscape(q.Name) + "=" + url.QueryEscape(q.Value)
	}
	setRequest(p, t.Request.Method, target, headersOf(t.Request.Headers))
	p.Request.Host = t.Request.URL.Host
	setText(&p.Request.Message, t.Request.Body)
	if t.Response.Status != 0 {
		setResponse(p, t.Response.Status, headersOf(t.Response.Headers))
		setText(&p.Response.Message, t.Response.Body)
	}
	settle(p)
	return p
}

func headersOf(list []nameValue) []exchange.Header {
	var headers []exchange.Header
	for _, h := range list {
		headers = append(headers, exchange.Header(h))
	}
	return headers
}

func decodeMetlo(b []byte) (*exchange.Pair, error) {
	var t MetloTrace
	if err := json.Unmarshal(b, &t); err != nil {
		return nil, err
	}
	if t.Request.Method == "" {
		return nil, errNoPair
	}
	return t.Pair(), nil
}
