package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	"recap/pipeline/exchange"
)

// ErrNotARecord says that bytes are a message that is no pair and is not meant to be
// one, such as the first message of Akto's mirror module.
var ErrNotARecord = errors.New("a message that is no record of a pair")

// Decode reads one record in the given form, or, where form is empty, in the one
// that it looks like. What is no whole record is an error, never a pair.
func Decode(form string, b []byte) (*exchange.Pair, error) {
	if form == "" {
		form = Guess(b)
	}
	switch form {
	case AktoJSON:
		return decodeAkto(b)
	case AktoProto:
		return decodeAktoProto(b)
	case GoReplay:
		return decodeGoReplay(b)
	case Metlo:
		return decodeMetlo(b)
	case Recap:
		return decodeRecap(b)
	}
	return nil, fmt.Errorf("form %q is not known", form)
}

func decodeAkto(b []byte) (*exchange.Pair, error) {
	if !utf8.Valid(b) {
		return nil, errors.New("the record is not UTF-8")
	}
	var r struct {
		AktoRecord
		Test *value `json:"testConnectionString"`
	}
	if err := json.Unmarshal(b, &r); err != nil {
		return nil, err
	}
	if r.Test != nil && r.Method.kind == 0 {
		return nil, ErrNotARecord
	}
	return r.Pair()
}

// Guess tells which form a record looks like. Only JSON objects begin with a brace:
// as a protobuf it would be field 15, a group, which no form here has.
func Guess(b []byte) string {
	b = bytes.TrimLeft(b, " \t\r\n")
	if len(b) == 0 || b[0] != '{' {
		return AktoProto
	}
	// The first key of the object decides where it can, before all of it is read.
	d := json.NewDecoder(bytes.NewReader(b))
	d.Token()
	first, _ := d.Token()
	switch key, _ := first.(string); key {
	case "id":
		return Recap
	case "Req_URL":
		return GoReplay
	case "path", "method", "requestHeaders", "testConnectionString":
		return AktoJSON
	}
	var keys map[string]json.RawMessage
	if json.Unmarshal(b, &keys) != nil {
		return AktoJSON
	}
	has := func(names ...string) bool {
		return !slices.ContainsFunc(names, func(n string) bool { return keys[n] == nil })
	}
	switch {
	case has("Req_Method"):
		return GoReplay
	case has("state", "request"), has("state", "response"):
		return Recap
	case has("request", "response"):
		return Metlo
	}
	return AktoJSON
}
