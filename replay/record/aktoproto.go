package record

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"

	"recap/pipeline/exchange"
)

// Field numbers of HttpResponseParam, the message of akto.api.logs2. All are strings
// but api_collection_id, status_code, time (int32), is_pending (bool) and the headers
// (map<string, StringList>).
const (
	fieldMethod          = 1
	fieldPath            = 2
	fieldType            = 3
	fieldRequestHeaders  = 4
	fieldRequestPayload  = 5
	fieldCollection      = 6
	fieldStatusCode      = 7
	fieldStatus          = 8
	fieldResponseHeaders = 9
	fieldResponsePayload = 10
	fieldTime            = 11
	fieldAccount         = 12
	fieldIP              = 13
	fieldDestIP          = 14
	fieldDirection       = 15
	fieldPending         = 16
	fieldSource          = 17
	fieldVXLAN           = 18
)

// aktoProto appends an HttpResponseParam.
func (m *Maker) aktoProto(dst []byte, p *exchange.Pair, marker []byte, at time.Time) []byte {
	client, server := ends(p)
	req, resp := &p.Request, &p.Response
	vni := m.vni(p)
	dst = protoString(dst, fieldMethod, req.Method)
	dst = protoString(dst, fieldPath, req.Target)
	dst = protoString(dst, fieldType, version(p))
	dst = m.protoHeaders(dst, fieldRequestHeaders, &req.Message, marker)
	dst = protoBytes(dst, fieldRequestPayload, req.Body)
	dst = protoInt(dst, fieldCollection, int32(vni))
	dst = protoInt(dst, fieldStatusCode, resp.Status)
	dst = protoString(dst, fieldStatus, statusLine(resp))
	dst = m.protoHeaders(dst, fieldResponseHeaders, &resp.Message, marker)
	dst = protoBytes(dst, fieldResponsePayload, resp.Body)
	dst = protoInt(dst, fieldTime, int32(at.Unix()))
	dst = protoString(dst, fieldAccount, m.account())
	dst = protoString(dst, fieldIP, address(client))
	dst = protoString(dst, fieldDestIP, address(server))
	dst = protoString(dst, fieldDirection, "INBOUND")
	dst = protoString(dst, fieldSource, "MIRRORING")
	return protoString(dst, fieldVXLAN, fmt.Sprint(vni)) // is_pending is false, which is not written
}

// protoHeaders appends one map entry for each name, with all its values.
func (m *Maker) protoHeaders(dst []byte, num protowire.Number, msg *exchange.Message, marker []byte) []byte {
	fields := m.headers(msg, marker)
	for i, h := range fields {
		same := func(o exchange.Header) bool { return strings.EqualFold(o.Name, h.Name) }
		if slices.ContainsFunc(fields[:i], same) {
			continue
		}
		m.text = m.text[:0] // the StringList
		for _, o := range fields[i:] {
			if same(o) {
				m.text = protowire.AppendTag(m.text, 1, protowire.BytesType)
				m.text = protowire.AppendString(m.text, validText(o.Value))
			}
		}
		m.inner = protoString(m.inner[:0], 1, h.Name)
		m.inner = protowire.AppendTag(m.inner, 2, protowire.BytesType)
		m.inner = protowire.AppendBytes(m.inner, m.text)
		dst = protowire.AppendTag(dst, num, protowire.BytesType)
		dst = protowire.AppendBytes(dst, m.inner)
	}
	return dst
}

// protoString appends a string field; the empty string is the default and not written.
func protoString(dst []byte, num protowire.Number, s string) []byte {
	if s == "" {
		return dst
	}
	dst = protowire.AppendTag(dst, num, protowire.BytesType)
	return protowire.AppendString(dst, validText(s))
}

// protoBytes appends a string field with the bytes of a body.
func protoBytes(dst []byte, num protowire.Number, b []byte) []byte {
	if !utf8.Valid(b) {
		return protoString(dst, num, string(b))
	}
	if len(b) == 0 {
		return dst
	}
	dst = protowire.AppendTag(dst, num, protowire.BytesType)
	return protowire.AppendBytes(dst, b)
}

func protoInt(dst []byte, num protowire.Number, n int32) []byte {
	if n == 0 {
		return dst
	}
	dst = protowire.AppendTag(dst, num, protowire.VarintType)
	return protowire.AppendVarint(dst, uint64(int64(n)))
}

// validText is s with U+FFFD for each byte that is not UTF-8: a receiver refuses
// messages whose strings are not, and a JSON record of the same pair has as many.
func validText(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return string([]rune(s))
}

var errNoPair = errors.New("the record holds no pair")

// decodeAktoProto reads an HttpResponseParam.
func decodeAktoProto(b []byte) (*exchange.Pair, error) {
	var text [fieldVXLAN + 1]string
	var status int32
	var headers [2][]exchange.Header
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return nil, protowire.ParseError(n)
		}
		b = b[n:]
		var value []byte
		var number uint64
		switch typ {
		case protowire.BytesType:
			value, n = protowire.ConsumeBytes(b)
		case protowire.VarintType:
			number, n = protowire.ConsumeVarint(b)
		default:
			n = protowire.ConsumeFieldValue(num, typ, b)
		}
		if n < 0 {
			return nil, protowire.ParseError(n)
		}
		b = b[n:]
		if want := protoType(num); want >= 0 && typ != want {
			return nil, fmt.Errorf("field %d has wire type %d, not %d", num, typ, want)
		}
		switch {
		case num == fieldRequestHeaders || num == fieldResponseHeaders:
			side := &headers[min(1, num-fieldRequestHeaders)]
			list, err := protoEntry(*side, value)
			if err != nil {
				return nil, fmt.Errorf("headers: %w", err)
			}
			*side = list
		case num == fieldStatusCode:
			status = int32(number)
		case num <= fieldVXLAN && typ == protowire.BytesType:
			if !utf8.Valid(value) {
				return nil, fmt.Errorf("field %d is not UTF-8", num)
			}
			text[num] = string(value)
		}
	}
	if text[fieldMethod] == "" {
		return nil, errNoPair
	}
	p := newPair(text[fieldIP], text[fieldDestIP])
	p.Protocol = text[fieldType]
	setRequest(p, text[fieldMethod], text[fieldPath], headers[0])
	setText(&p.Request.Message, text[fieldRequestPayload])
	if status != 0 {
		setResponse(p, status, headers[1])
		_, p.Response.Reason, _ = strings.Cut(text[fieldStatus], " ")
		setText(&p.Response.Message, text[fieldResponsePayload])
	}
	settle(p)
	return p, nil
}

// protoType is the wire type of a known field, -1 of others.
func protoType(num protowire.Number) protowire.Type {
	switch {
	case num == fieldCollection || num == fieldStatusCode || num == fieldTime || num == fieldPending:
		return protowire.VarintType
	case num >= fieldMethod && num <= fieldVXLAN:
		return protowire.BytesType
	}
	return -1
}

// protoEntry appends the headers of one map entry: a name and a StringList.
func protoEntry(list []exchange.Header, b []byte) ([]exchange.Header, error) {
	name, values := "", [][]byte(nil)
	err := protoFields(b, func(num protowire.Number, v []byte) error {
		switch num {
		case 1:
			name = string(v)
		case 2:
			return protoFields(v, func(num protowire.Number, v []byte) error {
				if num == 1 {
					values = append(values, v)
				}
				return nil
			})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, v := range values {
		if !utf8.Valid(v) || !utf8.ValidString(name) {
			return nil, errors.New("not UTF-8")
		}
		list = append(list, exchange.Header{Name: name, Value: string(v)})
	}
	return list, nil
}

// protoFields calls f for the fields of a message that are bytes.
func protoFields(b []byte, f func(protowire.Number, []byte) error) error {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
		if n = protowire.ConsumeFieldValue(num, typ, b); n < 0 {
			return protowire.ParseError(n)
		}
		if typ == protowire.BytesType {
			v, _ := protowire.ConsumeBytes(b)
			if err := f(num, v); err != nil {
				return err
			}
		}
		b = b[n:]
	}
	return nil
}
