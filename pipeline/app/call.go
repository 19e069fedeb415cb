package app

import (
	"strings"
	"unicode/utf8"

	"recap/pipeline/exchange"
)

const (
	// maxCall bounds what of a body is looked at to tell what was called, bytes.
	maxCall = 1 << 20
	// maxCallName bounds a name that is told, bytes.
	maxCallName = 1 << 10
	// maxBatch bounds the operations of a batch that are named.
	maxBatch = 100
)

// call tells what an exchange of the kind calls; nil where the kind has no calls.
func call(p *exchange.Pair, kind string) *exchange.Call {
	switch kind {
	case "grpc":
		return &exchange.Call{Operation: shown(strings.TrimPrefix(p.Request.Path, "/")), Batch: 1}
	case "soap":
		c := soapCall(&p.Request)
		c.Operation = shown(c.Operation)
		return &c
	case "graphql":
		c := graphqlCall(&p.Request)
		c.Operation = shown(c.Operation)
		return &c
	}
	return nil
}

// shown makes a name fit for a record.
func shown(s string) string {
	if !utf8.ValidString(s) {
		s = Escape([]byte(s))
	}
	if len(s) > maxCallName {
		s = strings.ToValidUTF8(s[:maxCallName], "")
	}
	return s
}
