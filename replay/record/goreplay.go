package record

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"recap/pipeline/exchange"
)

// goReplay appends a message of GoReplay's Kafka output. It holds the request only.
func (m *Maker) goReplay(dst []byte, p *exchange.Pair, marker []byte, at time.Time) []byte {
	req := &p.Request
	dst = append(dst, '{')
	dst = appendField(dst, "Req_URL", req.Target)
	dst = appendField(dst, "Req_Type", "1") // a request, not a response
	dst = appendField(dst, "Req_ID", p.ID.String())
	dst = appendField(dst, "Req_Ts", strconv.FormatInt(at.UnixNano(), 10))
	dst = appendField(dst, "Req_Method", req.Method)
	dst = appendTextField(dst, "Req_Body", req.Body)
	dst = m.appendHeaders(appendKey(dst, "Req_Headers"), &req.Message, req.Host, marker, false)
	return append(dst, '}')
}

type goReplayRecord struct {
	URL     string            `json:"Req_URL"`
	Type    string            `json:"Req_Type"`
	Method  string            `json:"Req_Method"`
	Body    string            `json:"Req_Body"`
	Headers map[string]string `json:"Req_Headers"`
}

func decodeGoReplay(b []byte) (*exchange.Pair, error) {
	var r goReplayRecord
	if err := json.Unmarshal(b, &r); err != nil {
		return nil, err
	}
	if r.Method == "" || strings.TrimSpace(r.Type) != "1" {
		return nil, errNoPair
	}
	p := newPair("", "")
	setRequest(p, r.Method, r.URL, headerList(r.Headers))
	setText(&p.Request.Message, r.Body)
	settle(p)
	return p, nil
}
