package record

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"recap/pipeline/exchange"
)

// MaxAktoString and MaxAktoBody bound what Akto's HTTP endpoint reads: any one
// string, and a request body, bytes.
const (
	MaxAktoString = 5_242_880
	MaxAktoBody   = 10_485_760
)

// aktoSources are the values of "source" that Akto knows; others make it drop the
// record.
var aktoSources = [...]string{"HAR", "PCAP", "MIRRORING", "SDK", "OTHER", "POSTMAN", "OPEN_API", "BURP", "IMPERVA", "WIZ"}

// aktoJSON appends a record as Akto's mirror module writes it to akto.api.logs:
// every value is a string, headers are a string that holds a JSON object, time is in
// seconds.
func (m *Maker) aktoJSON(dst []byte, p *exchange.Pair, marker []byte, at time.Time) []byte {
	client, server := ends(p)
	req, resp := &p.Request, &p.Response
	dst = append(dst, '{')
	dst = appendField(dst, "path", req.Target)
	dst = appendField(dst, "method", req.Method)
	dst = appendField(dst, "type", version(p))
	dst = m.appendHeaderText(dst, "requestHeaders", &req.Message, req.Host, marker)
	dst = appendTextField(dst, "requestPayload", req.Body)
	dst = m.appendHeaderText(dst, "responseHeaders", &resp.Message, "", marker)
	dst = appendTextField(dst, "responsePayload", resp.Body)
	dst = appendCount(dst, "statusCode", int64(resp.Status))
	dst = appendStatus(dst, "status", resp)
	dst = appendAddress(dst, "ip", client)
	dst = appendAddress(dst, "destIp", server)
	dst = appendCount(dst, "time", at.Unix())
	dst = appendField(dst, "akto_account_id", m.account())
	dst = appendCount(dst, "akto_vxlan_id", m.vni(p))
	return append(dst, `,"is_pending":"false","source":"MIRRORING","direction":"1"}`...)
}

// appendStatus appends what Go's http.Response has in Status: "200 OK".
func appendStatus(dst []byte, name string, r *exchange.Response) []byte {
	dst = strconv.AppendInt(append(appendKey(dst, name), '"'), int64(r.Status), 10)
	if r.Reason != "" {
		dst = appendInside(append(dst, ' '), bytesOf(r.Reason))
	}
	return append(dst, '"')
}

// appendAddress appends the text of an endpoint's address, an empty one where it is unknown.
func appendAddress(dst []byte, name string, e exchange.Endpoint) []byte {
	dst = append(appendKey(dst, name), '"')
	if e.IP.IsValid() {
		var room [64]byte
		dst = appendInside(dst, e.IP.AppendTo(room[:0])) // a zone may be any text
	}
	return append(dst, '"')
}

// An AktoRecord is one object of akto.api.logs or of batchData.
type AktoRecord struct {
	Path            value `json:"path"`
	Method          value `json:"method"`
	Type            value `json:"type"`
	RequestHeaders  value `json:"requestHeaders"`
	RequestPayload  value `json:"requestPayload"`
	ResponseHeaders value `json:"responseHeaders"`
	ResponsePayload value `json:"responsePayload"`
	StatusCode      value `json:"statusCode"`
	Status          value `json:"status"`
	IP              value `json:"ip"`
	DestIP          value `json:"destIp"`
	Time            value `json:"time"`
	Pending         value `json:"is_pending"`
	Source          value `json:"source"`
}

// A value is a JSON value that ought to be a string.
type value struct {
	text string
	kind byte // first byte of the JSON: '"', 't', '{', …; 0 where absent
}

// UnmarshalJSON implements [json.Unmarshaler].
func (v *value) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		return nil // as if it were absent
	}
	v.kind = b[0]
	if v.kind == '"' {
		return json.Unmarshal(b, &v.text)
	}
	v.text = string(b)
	return nil
}

// Refused tells why Akto would drop the record without a word to the sender, ""
// where it would not.
func (r *AktoRecord) Refused() string {
	switch {
	case r.Pending.kind != 0 && r.Pending.kind != '"':
		return "is_pending is no string"
	case r.Source.kind != 0 && !slices.Contains(aktoSources[:], r.Source.text):
		return "source is not known"
	case r.Method.text == "":
		return ReasonNoMethod
	case !isInt32(r.StatusCode.text):
		return "statusCode is no number"
	case r.StatusCode.text == "0":
		return ReasonNoResponse
	case !isInt32(r.Time.text):
		return "time is no number of seconds"
	case !isHeaderText(r.RequestHeaders), !isHeaderText(r.ResponseHeaders):
		return "headers are no string with an object"
	}
	return ""
}

// Longest returns the size of the longest string of the record, bytes.
func (r *AktoRecord) Longest() int {
	n := 0
	for _, v := range []value{r.Path, r.Method, r.Type, r.RequestHeaders, r.RequestPayload, r.ResponseHeaders, r.ResponsePayload, r.Status} {
		n = max(n, len(v.text))
	}
	return n
}

func isInt32(s string) bool {
	_, err := strconv.ParseInt(s, 10, 32)
	return err == nil
}

func isHeaderText(v value) bool {
	var any map[string]json.RawMessage
	return v.kind == '"' && json.Unmarshal([]byte(v.text), &any) == nil
}

// Pair returns the pair that the record tells of.
func (r *AktoRecord) Pair() (*exchange.Pair, error) {
	req, err := aktoHeaders(r.RequestHeaders)
	if err != nil {
		return nil, fmt.Errorf("requestHeaders: %w", err)
	}
	resp, err := aktoHeaders(r.ResponseHeaders)
	if err != nil {
		return nil, fmt.Errorf("responseHeaders: %w", err)
	}
	if r.Method.text == "" {
		return nil, errors.New("no method")
	}
	p := newPair(r.IP.text, r.DestIP.text)
	p.Protocol = r.Type.text
	setRequest(p, r.Method.text, r.Path.text, req)
	setText(&p.Request.Message, r.RequestPayload.text)
	if status, _ := strconv.ParseInt(r.StatusCode.text, 10, 32); status != 0 {
		setResponse(p, int32(status), resp)
		_, p.Response.Reason, _ = strings.Cut(r.Status.text, " ")
		setText(&p.Response.Message, r.ResponsePayload.text)
	}
	settle(p)
	return p, nil
}

// aktoHeaders reads a string that holds a JSON object; nothing at all is no headers.
func aktoHeaders(v value) ([]exchange.Header, error) {
	if v.kind == 0 || v.text == "" {
		return nil, nil
	}
	var m map[string]string
	if err := json.Unmarshal([]byte(v.text), &m); err != nil {
		return nil, err
	}
	return headerList(m), nil
}

func headerList(m map[string]string) []exchange.Header {
	var list []exchange.Header
	for _, name := range slices.Sorted(maps.Keys(m)) {
		list = append(list, exchange.Header{Name: name, Value: m[name]})
	}
	return list
}

// newPair returns an empty pair between two addresses, which may be unknown.
func newPair(client, server string) *exchange.Pair {
	p := &exchange.Pair{Conn: &exchange.Conn{}, Kind: "other", LatencyNS: exchange.NoTime, DurationNS: exchange.NoTime}
	p.Request.TimeNS, p.Request.EndTimeNS = exchange.NoTime, exchange.NoTime
	p.Response.TimeNS, p.Response.EndTimeNS = exchange.NoTime, exchange.NoTime
	p.Conn.Client.IP, _ = netip.ParseAddr(client)
	p.Conn.Server.IP, _ = netip.ParseAddr(server)
	return p
}

func setRequest(p *exchange.Pair, method, target string, headers []exchange.Header) {
	q := &p.Request
	q.Present, q.Method, q.Target, q.Headers, q.Version = true, method, target, headers, p.Protocol
	q.Path, q.Query, _ = strings.Cut(target, "?")
	q.Host = field(headers, "host")
	q.ContentType, q.ContentEncoding = field(headers, "content-type"), field(headers, "content-encoding")
}

func setResponse(p *exchange.Pair, status int32, headers []exchange.Header) {
	s := &p.Response
	s.Present, s.Status, s.Headers, s.Version = true, status, headers, p.Protocol
	s.ContentType, s.ContentEncoding = field(headers, "content-type"), field(headers, "content-encoding")
}

// setText sets a body that was read as text.
func setText(m *exchange.Message, text string) {
	m.Body, m.HasBody = []byte(text), text != ""
	m.BodySize = textSize(text)
	m.BodyWireSize = m.BodySize
}

// settle sets the state of a pair from what is present.
func settle(p *exchange.Pair) {
	switch {
	case !p.Response.Present:
		p.State = exchange.RequestOnly
	case !p.Request.Present:
		p.State = exchange.ResponseOnly
	}
}

func field(headers []exchange.Header, name string) string {
	for _, h := range headers {
		if strings.EqualFold(h.Name, name) {
			return h.Value
		}
	}
	return ""
}
