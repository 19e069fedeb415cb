package record

import (
	"encoding/base64"
	"encoding/json"
	"fmt"

	"recap/pipeline/exchange"
)

// recapRecord is what is read of a line of pairs.jsonl.
type recapRecord struct {
	State    string        `json:"state"`
	Protocol string        `json:"protocol"`
	Kind     string        `json:"kind"`
	Client   recapEndpoint `json:"client"`
	Server   recapEndpoint `json:"server"`
	Request  *recapMessage `json:"request"`
	Response *recapMessage `json:"response"`
}

type recapEndpoint struct {
	IP   string `json:"ip"`
	Port uint16 `json:"port"`
}

type recapMessage struct {
	Method       string      `json:"method"`
	Target       string      `json:"target"`
	Host         string      `json:"host"`
	Status       int32       `json:"status"`
	Reason       string      `json:"reason"`
	Version      string      `json:"version"`
	Headers      []nameValue `json:"headers"`
	Body         *string     `json:"body"`
	BodyEncoding string      `json:"body_encoding"`
	BodySize     *int64      `json:"body_size"`
}

func decodeRecap(b []byte) (*exchange.Pair, error) {
	var r recapRecord
	if err := json.Unmarshal(b, &r); err != nil {
		return nil, err
	}
	state, ok := stateOf(r.State)
	if !ok || r.Request == nil && r.Response == nil {
		return nil, errNoPair
	}
	p := newPair(r.Client.IP, r.Server.IP)
	p.State, p.Protocol, p.Kind = state, r.Protocol, r.Kind
	p.Conn.Client.Port, p.Conn.Server.Port = r.Client.Port, r.Server.Port
	if q := r.Request; q != nil {
		setRequest(p, q.Method, q.Target, headersOf(q.Headers))
		p.Request.Host = q.Host
		if err := q.body(&p.Request.Message); err != nil {
			return nil, fmt.Errorf("request: %w", err)
		}
	}
	if s := r.Response; s != nil {
		setResponse(p, s.Status, headersOf(s.Headers))
		p.Response.Reason = s.Reason
		if err := s.body(&p.Response.Message); err != nil {
			return nil, fmt.Errorf("response: %w", err)
		}
	}
	return p, nil
}

func (r *recapMessage) body(m *exchange.Message) error {
	m.Version, m.BodySize = r.Version, -1
	if r.BodySize != nil {
		m.BodySize = max(*r.BodySize, -1)
	}
	m.BodyWireSize = m.BodySize
	if r.Body == nil {
		return nil
	}
	m.Body, m.HasBody = []byte(*r.Body), true
	if r.BodyEncoding == "base64" {
		var err error
		if m.Body, err = base64.StdEncoding.DecodeString(*r.Body); err != nil {
			return fmt.Errorf("body: %w", err)
		}
	}
	return nil
}

func stateOf(name string) (exchange.State, bool) {
	for s := exchange.Complete; s <= exchange.Partial; s++ {
		if s.String() == name {
			return s, true
		}
	}
	return 0, false
}
