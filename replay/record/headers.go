package record

import (
	"net/textproto"
	"strings"

	"recap/pipeline/exchange"
	"recap/pipeline/exchange/jsontext"
)

// appendHeaderText appends a field whose value is a string that holds what
// appendHeaders appends. It is written with the escapes of both at once: to write the
// object and then to escape all of it takes three times as long.
func (m *Maker) appendHeaderText(dst []byte, name string, msg *exchange.Message, host string, marker []byte) []byte {
	dst = append(appendKey(dst, name), '"')
	return append(m.appendHeaders(dst, msg, host, marker, true), '"')
}

// appendHeaders appends fields as a JSON object with one value for each name: the
// last one. Names are in Go's canonical form, except that the host is called "host";
// Akto's producer does so. inText says that the object stands in a JSON string.
func (m *Maker) appendHeaders(dst []byte, msg *exchange.Message, host string, marker []byte, inText bool) []byte {
	fields := m.headers(msg, marker)
	dst = append(dst, '{')
	for i := range fields {
		h := &fields[i]
		if len(h.Name) == len("host") && strings.EqualFold(h.Name, "host") {
			host = h.Value
			continue
		}
		if cameAgain(fields[i+1:], h.Name) {
			continue
		}
		dst = m.appendInner(append(separate(dst), m.key(h.Name).of(inText)...), h.Value, inText)
	}
	if host != "" {
		dst = m.appendInner(append(separate(dst), m.key("host").of(inText)...), host, inText)
	}
	return append(dst, '}')
}

// cameAgain reports whether one of the fields has the name.
func cameAgain(fields []exchange.Header, name string) bool {
	for i := range fields {
		if len(fields[i].Name) == len(name) && strings.EqualFold(fields[i].Name, name) {
			return true
		}
	}
	return false
}

// appendInner appends s as a JSON string, or as one that stands in another.
func (m *Maker) appendInner(dst []byte, s string, inText bool) []byte {
	switch {
	case !inText:
		return appendString(dst, s)
	case len(s) <= maxShort && jsontext.Plain(bytesOf(s)):
		return append(append(append(dst, `\"`...), s...), `\"`...)
	}
	m.inner = appendString(m.inner[:0], s)
	dst, _ = jsontext.Append(dst, m.inner) // it takes all: what was no UTF-8 has been replaced
	return dst
}

// A headerKey is the name of a header field as the key of a JSON object, with the
// colon: in an object, and in one that stands in a JSON string.
type headerKey struct{ plain, inText string }

func (k headerKey) of(inText bool) string {
	if inText {
		return k.inText
	}
	return k.plain
}

// maxNames bounds the names of header fields that are remembered.
const maxNames = 1000

// key returns the key of a name in Go's canonical form; that of the host is as it is.
// Few names come again and again.
func (m *Maker) key(name string) headerKey {
	k, ok := m.names[name]
	if !ok {
		canonical := textproto.CanonicalMIMEHeaderKey(name)
		if name == "host" {
			canonical = name
		}
		plain := append(appendString(nil, canonical), ':')
		inText, _ := jsontext.Append(nil, plain)
		k = headerKey{string(plain), string(inText)}
		if m.names == nil || len(m.names) == maxNames {
			m.names = make(map[string]headerKey)
		}
		m.names[strings.Clone(name)] = k
	}
	return k
}
